#include "crypt/internal.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#define HEX_LEN (CRYPT_KEY_LEN * 2)

void crypt_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

void crypt_random(void *p, size_t n)
{
	if (RAND_bytes(p, (int)n) != 1)
		abort();
}

const struct crypt_key *crypt_ring_find(const struct crypt_ring *ring, const char *name)
{
	for (size_t i = 0; i < ring->n; i++)
		if (strcmp(ring->key[i].name, name) == 0)
			return &ring->key[i];
	return NULL;
}

/* The name of a key without one: 8 bytes of a MAC of nothing under it, which tell nothing of the
 * key. */
static void name_by_print(struct crypt_key *k)
{
	static const char digits[] = "0123456789abcdef", label[] = "gex key name";
	uint8_t mac[32];

	crypt_hmac(k->secret, sizeof(k->secret), label, sizeof(label) - 1, NULL, 0, mac);
	for (size_t i = 0; i < 8; i++) {
		k->name[2 * i] = digits[mac[i] >> 4];
		k->name[2 * i + 1] = digits[mac[i] & 15];
	}
	k->name[16] = '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool valid_name(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return false;
	return n > 0 && n <= CRYPT_NAME_MAX;
}

/* One line without its newline and without blanks around it. */
static int parse_line(struct crypt_key *k, const char *p, size_t n)
{
	char hex[HEX_LEN + 1];
	size_t name = 0;
	int r;

	memset(k, 0, sizeof(*k));
	if (n < HEX_LEN)
		return -EINVAL;
	memcpy(hex, p + n - HEX_LEN, HEX_LEN);
	hex[HEX_LEN] = '\0';
	r = num_hex(hex, k->secret, CRYPT_KEY_LEN);
	crypt_wipe(hex, sizeof(hex));
	if (r < 0)
		return r;
	if (n == HEX_LEN) {
		name_by_print(k);
		return 0;
	}
	name = n - HEX_LEN;
	if (!is_blank(p[name - 1]))
		return -EINVAL;
	while (name > 0 && is_blank(p[name - 1]))
		name--;
	if (!valid_name(p, name))
		return -EINVAL;
	memcpy(k->name, p, name);
	return 0;
}

static int add_line(struct crypt_ring *ring, const char *p, size_t n)
{
	struct crypt_key k;
	int r;

	while (n > 0 && is_blank(p[n - 1]))
		n--;
	while (n > 0 && is_blank(*p))
		p++, n--;
	if (n == 0 || *p == '#')
		return 0;
	r = parse_line(&k, p, n);
	if (r == 0 && crypt_ring_find(ring, k.name))
		r = -EINVAL;
	if (r == 0 && ring->n == CRYPT_RING_MAX)
		r = -E2BIG;
	if (r == 0)
		ring->key[ring->n++] = k;
	crypt_wipe(&k, sizeof(k));
	return r;
}

int crypt_ring_parse(struct crypt_ring *ring, const char *text, size_t len, int *line)
{
	const char *p = text, *end = text + len;
	int r = 0, at = 0;

	memset(ring, 0, sizeof(*ring));
	while (p < end && r == 0) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;

		at++;
		r = add_line(ring, p, (size_t)(stop - p));
		p = nl ? nl + 1 : end;
	}
	if (r == 0 && ring->n == 0)
		r = -EINVAL, at = 0;
	if (r < 0) {
		crypt_wipe(ring, sizeof(*ring));
		if (line)
			*line = at;
	}
	return r;
}
