/* Key files. Whatever is accepted is a ring in order: names and keys that differ, words as they were
 * written; printed again it reads the same. */
#include "crypt/crypt.h"
#include <assert.h>
#include <stdio.h>

static void print_key(const struct crypt_key *k, char *out, size_t cap)
{
	size_t n = (size_t)snprintf(out, cap, "%s ", k->name);

	for (size_t i = 0; i < CRYPT_KEY_LEN; i++)
		n += (size_t)snprintf(out + n, cap - n, "%02x", k->secret[i]);
	snprintf(out + n, cap - n, " %s\n", k->words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct crypt_ring ring, again;
	static char text[CRYPT_RING_MAX * 400];
	size_t len = 0;
	int line = -1, r = crypt_ring_parse(&ring, (const char *)data, size, &line);

	if (r < 0) {
		assert(line >= 0 && ring.n == 0);
		return 0;
	}
	assert(ring.n >= 1 && ring.n <= CRYPT_RING_MAX);
	for (size_t i = 0; i < ring.n; i++) {
		const struct crypt_key *k = &ring.key[i];

		assert(*k->name && crypt_ring_find(&ring, k->name) == k);
		for (size_t j = 0; j < i; j++)
			assert(!crypt_key_same(k, &ring.key[j]));
		print_key(k, text + len, sizeof(text) - len);
		len += strlen(text + len);
	}
	r = crypt_ring_parse(&again, text, len, &line);
	assert(r == 0 && again.n == ring.n);
	assert(memcmp(&ring, &again, sizeof(ring)) == 0);
	return 0;
}
