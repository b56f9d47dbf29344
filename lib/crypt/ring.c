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

bool crypt_key_same(const struct crypt_key *a, const struct crypt_key *b)
{
	return CRYPTO_memcmp(a->secret, b->secret, CRYPT_KEY_LEN) == 0;
}

bool crypt_key_has_word(const struct crypt_key *k, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = k->words; *p;) {
		size_t len = strcspn(p, " ");

		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len + (p[len] == ' ');
	}
	return false;
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

/* The next word of the line; *n is 0 at its end. */
static const char *next_word(const char **p, const char *end, size_t *n)
{
	const char *word;

	while (*p < end && is_blank(**p))
		++*p;
	word = *p;
	while (*p < end && !is_blank(**p))
		++*p;
	*n = (size_t)(*p - word);
	return word;
}

static int parse_secret(struct crypt_key *k, const char *p, size_t n)
{
	char hex[HEX_LEN + 1];
	int r;

	if (n != HEX_LEN)
		return -EINVAL;
	memcpy(hex, p, HEX_LEN);
	hex[HEX_LEN] = '\0';
	r = num_hex(hex, k->secret, CRYPT_KEY_LEN);
	crypt_wipe(hex, sizeof(hex));
	return r;
}

static int parse_words(struct crypt_key *k, const char *p, const char *end)
{
	size_t n, len = 0;

	for (;;) {
		const char *word = next_word(&p, end, &n);

		if (!n)
			return 0;
		if (!valid_name(word, n) || len + n + 1 > CRYPT_WORDS_MAX)
			return -EINVAL;
		if (len)
			k->words[len++] = ' ';
		memcpy(k->words + len, word, n);
		len += n;
	}
}

static int parse_line(struct crypt_key *k, const char *p, const char *end)
{
	size_t n;
	const char *word = next_word(&p, end, &n);

	memset(k, 0, sizeof(*k));
	if (parse_secret(k, word, n) == 0) {
		name_by_print(k);
		return parse_words(k, p, end);
	}
	if (!valid_name(word, n))
		return -EINVAL;
	memcpy(k->name, word, n);
	word = next_word(&p, end, &n);
	return parse_secret(k, word, n) == 0 ? parse_words(k, p, end) : -EINVAL;
}

static bool is_known(const struct crypt_ring *ring, const struct crypt_key *k)
{
	for (size_t i = 0; i < ring->n; i++)
		if (strcmp(ring->key[i].name, k->name) == 0 || crypt_key_same(&ring->key[i], k))
			return true;
	return false;
}

static int add_line(struct crypt_ring *ring, const char *p, const char *end)
{
	struct crypt_key k;
	int r;

	while (p < end && is_blank(*p))
		p++;
	if (p == end || *p == '#')
		return 0;
	r = parse_line(&k, p, end);
	if (r == 0 && is_known(ring, &k))
		r = -EEXIST;
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
		r = add_line(ring, p, stop);
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
