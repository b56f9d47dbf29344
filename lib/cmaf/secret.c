#include "cmaf/secret.h"

#include <errno.h>
#include <stdio.h>

#include "crypt/crypt.h"

/* ---- 16 bytes as text ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Dashes where a UUID has them, all or none. */
static bool read_hex(const char *s, size_t n, uint8_t out[16])
{
	bool uuid = n == 36;
	size_t at = 0;

	if (n != 32 && !uuid)
		return false;
	for (size_t i = 0; i < 16; i++) {
		if (uuid && (i == 4 || i == 6 || i == 8 || i == 10) && s[at++] != '-')
			return false;
		int hi = hex_digit(s[at]), lo = hex_digit(s[at + 1]);
		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
		at += 2;
	}
	return true;
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool read_base64(const char *s, size_t n, uint8_t out[16])
{
	uint32_t bits = 0;
	size_t at = 0;

	if (n == 24 && s[22] == '=' && s[23] == '=')
		n = 22;
	if (n != 22)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s[i] == '+' ? '-' : s[i] == '/' ? '_' : s[i];
		const char *d = c ? strchr(base64url, c) : NULL;

		if (!d)
			return false;
		bits = bits << 6 | (uint32_t)(d - base64url);
		unsigned have = (unsigned)((i + 1) * 6 - at * 8);
		if (have >= 8 && at < 16)
			out[at++] = (uint8_t)(bits >> (have - 8));
	}
	return at == 16;
}

void cmaf_secret_text(const uint8_t v[16], char out[23])
{
	for (unsigned i = 0; i < 22; i++) {
		unsigned bit = i * 6, at = bit / 8;
		unsigned pair = (unsigned)v[at] << 8 | (at < 15 ? v[at + 1] : 0);

		out[i] = base64url[pair >> (10 - bit % 8) & 63];
	}
	out[22] = 0;
}

bool cmaf_secret_kid(const char *text, uint8_t kid[16])
{
	return read_hex(text, strlen(text), kid);
}

bool cmaf_secret_id(const char *s, size_t n, uint8_t kid[16])
{
	return read_base64(s, n, kid);
}

void cmaf_secret_hex(const uint8_t v[16], char out[33])
{
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", v[i]);
}

/* ---- a key file ---- */

static bool read_line(const char *s, size_t n, struct cmaf_secret *out)
{
	const char *colon = memchr(s, ':', n);

	return colon && read_hex(s, (size_t)(colon - s), out->kid) &&
	       n - (size_t)(colon - s) == 33 && read_hex(colon + 1, 32, out->key);
}

static bool has_kid(const struct cmaf_secret *s, int n, const uint8_t kid[16])
{
	for (int i = 0; i < n; i++)
		if (!memcmp(s[i].kid, kid, 16))
			return true;
	return false;
}

static int add_line(const char *s, size_t n, struct cmaf_secret *out, size_t cap, int *count)
{
	struct cmaf_secret one;
	int rc = 0;

	while (n && strchr(" \t\r", s[n - 1]))
		n--;
	for (; n && strchr(" \t", *s); n--)
		s++;
	if (!n || *s == '#')
		return 0;
	if (!read_line(s, n, &one))
		rc = -EINVAL;
	else if (has_kid(out, *count, one.kid))
		rc = -EEXIST;
	else if ((size_t)*count == cap)
		rc = -E2BIG;
	else
		out[(*count)++] = one;
	crypt_wipe(&one, sizeof(one));
	return rc;
}

int cmaf_secrets_parse(const char *text, struct cmaf_secret *out, size_t cap, int *line)
{
	int count = 0, rc = 0;

	for (*line = 1; *text && !rc; ++*line) {
		size_t n = strcspn(text, "\n");

		rc = add_line(text, n, out, cap, &count);
		text += n + (text[n] == '\n');
		if (rc)
			break;
	}
	if (!rc && !count) {
		*line = 0;
		rc = -EINVAL;
	}
	if (rc)
		crypt_wipe(out, cap * sizeof(*out));
	return rc ? rc : count;
}

/* ---- a key server's answer ---- */

struct text {
	const char *p, *end;
};

/* The next string of JSON text; escapes make it one that is none of ours. */
static bool next_string(struct text *t, const char **s, size_t *n)
{
	const char *a = memchr(t->p, '"', (size_t)(t->end - t->p)), *b;

	if (!a)
		return false;
	for (b = ++a; b < t->end && *b != '"'; b++)
		if (*b == '\\')
			b++;
	if (b >= t->end)
		return false;
	*s = a;
	*n = (size_t)(b - a);
	t->p = b + 1;
	return true;
}

static bool is_name(struct text *t)
{
	while (t->p < t->end && strchr(" \t\r\n", *t->p) && *t->p)
		t->p++;
	return t->p < t->end && *t->p == ':';
}

static bool is(const char *s, size_t n, const char *name)
{
	return n == strlen(name) && !memcmp(s, name, n);
}

static bool read_value(const char *s, size_t n, uint8_t out[16])
{
	return read_hex(s, n, out) || read_base64(s, n, out);
}

static int read_json(struct text t, struct cmaf_secret *out, bool *has_kid_too)
{
	bool kid = false, key = false;
	const char *s;
	size_t n;

	while ((!kid || !key) && next_string(&t, &s, &n)) {
		bool is_kid = is(s, n, "kid"), is_key = is(s, n, "key") || is(s, n, "k");

		if (!is_name(&t) || !(is_kid ? !kid : is_key && !key))
			continue;
		if (!next_string(&t, &s, &n) || !read_value(s, n, is_kid ? out->kid : out->key))
			return -EINVAL;
		kid |= is_kid;
		key |= is_key;
	}
	*has_kid_too = kid;
	return key ? 0 : -EINVAL;
}

static void hmac(const void *key, size_t n, const char *label, uint8_t out[16])
{
	struct crypt_mac *m = NULL;
	uint8_t mac[CRYPT_MAC_LEN];

	if (crypt_mac_create(key, n, &m) || !crypt_mac(m, label, strlen(label), mac))
		abort(); /* without memory for some bytes */
	memcpy(out, mac, 16);
	crypt_mac_destroy(m);
	crypt_wipe(mac, sizeof(mac));
}

int cmaf_secret_answer(const void *data, size_t n, struct cmaf_secret *out)
{
	const char *s = data;
	bool kid = false;
	int rc = 0;

	if (n == sizeof(out->key))
		memcpy(out->key, data, n);
	else
		rc = read_json((struct text){s, s + n}, out, &kid);
	if (rc)
		crypt_wipe(out, sizeof(*out));
	else if (!kid)
		hmac(out->key, sizeof(out->key), "gex key id", out->kid);
	return rc;
}

void cmaf_secret_iv(const uint8_t kid[16], uint8_t iv[16])
{
	hmac(kid, 16, "gex cbcs iv", iv);
}
