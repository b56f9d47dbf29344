#include "crypt/internal.h"
#include <errno.h>
#include <openssl/evp.h>

struct crypt_cbc {
	EVP_CIPHER_CTX *ctx;
};

int crypt_cbc_create(const uint8_t key[CRYPT_CBC_LEN], struct crypt_cbc **out)
{
	static const uint8_t zero[CRYPT_CBC_LEN];
	struct crypt_cbc *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->ctx = EVP_CIPHER_CTX_new();
	if (!c->ctx || EVP_EncryptInit_ex(c->ctx, EVP_aes_128_cbc(), NULL, key, zero) != 1) {
		crypt_cbc_destroy(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void crypt_cbc_destroy(struct crypt_cbc *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->ctx); /* wipes the key schedule */
	free(c);
}

static bool begin(struct crypt_cbc *c, const uint8_t iv[CRYPT_CBC_LEN], bool padding)
{
	return EVP_EncryptInit_ex(c->ctx, NULL, NULL, NULL, iv) == 1 &&
	       EVP_CIPHER_CTX_set_padding(c->ctx, padding) == 1;
}

int crypt_cbc_pattern(struct crypt_cbc *c, const uint8_t iv[CRYPT_CBC_LEN], size_t skip, void *data,
		      size_t n)
{
	uint8_t *p = data;
	int len;

	if (!begin(c, iv, false))
		return -EIO;
	if (!skip) {
		n -= n % CRYPT_CBC_LEN;
		if (n > INT32_MAX || EVP_EncryptUpdate(c->ctx, p, &len, p, (int)n) != 1)
			return -EIO;
		return 0;
	}
	size_t step = (1 + skip) * CRYPT_CBC_LEN;
	for (; n >= CRYPT_CBC_LEN; p += step, n -= MIN(n, step))
		if (EVP_EncryptUpdate(c->ctx, p, &len, p, CRYPT_CBC_LEN) != 1)
			return -EIO;
	return 0;
}

size_t crypt_cbc_size(size_t n)
{
	return n + CRYPT_CBC_LEN - n % CRYPT_CBC_LEN;
}

int crypt_cbc_begin(struct crypt_cbc *c, const uint8_t iv[CRYPT_CBC_LEN])
{
	return begin(c, iv, true) ? 0 : -EIO;
}

ssize_t crypt_cbc_add(struct crypt_cbc *c, const void *in, size_t n, void *out)
{
	int len = 0;

	if (n > INT32_MAX || EVP_EncryptUpdate(c->ctx, out, &len, in, (int)n) != 1)
		return -EIO;
	return len;
}

ssize_t crypt_cbc_end(struct crypt_cbc *c, void *out)
{
	int len = 0;

	return EVP_EncryptFinal_ex(c->ctx, out, &len) == 1 ? len : -EIO;
}
