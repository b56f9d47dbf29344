#include "crypt/internal.h"
#include <errno.h>
#include <openssl/core_names.h>

struct crypt_mac {
	EVP_MAC *mac;
	EVP_MAC_CTX *ctx;
};

int crypt_mac_create(const void *key, size_t len, struct crypt_mac **out)
{
	OSSL_PARAM p[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
	    OSSL_PARAM_construct_end(),
	};
	struct crypt_mac *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (!m)
		return -ENOMEM;
	m->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	m->ctx = m->mac ? EVP_MAC_CTX_new(m->mac) : NULL;
	if (!m->ctx || EVP_MAC_init(m->ctx, key, len, p) != 1) {
		crypt_mac_destroy(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

void crypt_mac_destroy(struct crypt_mac *m)
{
	if (!m)
		return;
	EVP_MAC_CTX_free(m->ctx);
	EVP_MAC_free(m->mac);
	free(m);
}

bool crypt_mac(struct crypt_mac *m, const void *data, size_t len, uint8_t out[CRYPT_MAC_LEN])
{
	size_t n = 0;

	/* Without a key it begins anew by the one it has. */
	if (EVP_MAC_init(m->ctx, NULL, 0, NULL) == 1 && EVP_MAC_update(m->ctx, data, len) == 1 &&
	    EVP_MAC_final(m->ctx, out, &n, CRYPT_MAC_LEN) == 1 && n == CRYPT_MAC_LEN)
		return true;
	memset(out, 0, CRYPT_MAC_LEN);
	return false;
}

bool crypt_same(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
