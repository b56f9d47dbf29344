#include "crypt/internal.h"
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#define IV_LEN 12

/* The context is kept with its key schedule; each datagram sets only the nonce. */
struct crypt_seal {
	EVP_CIPHER_CTX *enc, *dec;
	uint8_t iv[IV_LEN];
};

bool crypt_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	return (getauxval(AT_HWCAP) & 0x18) == 0x18; /* HWCAP_AES and HWCAP_PMULL */
#else
	return false;
#endif
}

void crypt_hmac(const uint8_t *key, size_t key_len, const void *a, size_t a_len, const void *b,
		size_t b_len, uint8_t out[32])
{
	uint8_t text[256];
	unsigned len = 0;

	if (a_len + b_len > sizeof(text))
		abort();
	if (a_len)
		memcpy(text, a, a_len);
	if (b_len)
		memcpy(text + a_len, b, b_len);
	if (!HMAC(EVP_sha256(), key, (int)key_len, text, a_len + b_len, out, &len))
		abort();
}

/* The first block of HKDF-Expand: T(1) = HMAC(secret, info | 0x01). */
static void expand(const uint8_t *secret, const char *info, uint8_t out[32])
{
	crypt_hmac(secret, CRYPT_SECRET_LEN, info, strlen(info), "\x01", 1, out);
}

void crypt_secret_next(uint8_t secret[CRYPT_SECRET_LEN])
{
	uint8_t next[32];

	expand(secret, "gex next phase", next);
	memcpy(secret, next, CRYPT_SECRET_LEN);
	crypt_wipe(next, sizeof(next));
}

void crypt_secret_path(const uint8_t secret[CRYPT_SECRET_LEN], unsigned path,
		       uint8_t out[CRYPT_SECRET_LEN])
{
	char info[] = "gex path 0";

	info[sizeof(info) - 2] = (char)('0' + path);
	expand(secret, info, out);
}

static const EVP_CIPHER *cipher_of(enum crypt_suite suite)
{
	switch (suite) {
	case CRYPT_AES128GCM:
		return EVP_aes_128_gcm();
	case CRYPT_CHACHA20POLY1305:
		return EVP_chacha20_poly1305();
	}
	return NULL;
}

int crypt_seal_create(enum crypt_suite suite, const uint8_t secret[CRYPT_SECRET_LEN],
		      struct crypt_seal **out)
{
	const EVP_CIPHER *cipher = cipher_of(suite);
	uint8_t key[32], iv[32];
	struct crypt_seal *s;
	int r = -ENOMEM;

	if (!cipher)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	expand(secret, "gex key", key);
	expand(secret, "gex iv", iv);
	memcpy(s->iv, iv, IV_LEN);
	s->enc = EVP_CIPHER_CTX_new();
	s->dec = EVP_CIPHER_CTX_new();
	if (!s->enc || !s->dec || EVP_EncryptInit_ex(s->enc, cipher, NULL, key, NULL) != 1 ||
	    EVP_DecryptInit_ex(s->dec, cipher, NULL, key, NULL) != 1)
		goto fail;
	*out = s;
	s = NULL;
	r = 0;
fail:
	crypt_wipe(key, sizeof(key));
	crypt_wipe(iv, sizeof(iv));
	crypt_seal_destroy(s);
	return r;
}

void crypt_seal_destroy(struct crypt_seal *s)
{
	if (!s)
		return;
	EVP_CIPHER_CTX_free(s->enc);
	EVP_CIPHER_CTX_free(s->dec);
	crypt_wipe(s, sizeof(*s));
	free(s);
}

static void nonce_of(const struct crypt_seal *s, uint32_t space, uint64_t number, uint8_t *nonce)
{
	struct wr w = wr_of(nonce, IV_LEN);

	wr_u32(&w, space);
	wr_u64(&w, number);
	for (size_t i = 0; i < IV_LEN; i++)
		nonce[i] ^= s->iv[i];
}

int crypt_seal(struct crypt_seal *s, uint32_t space, uint64_t number, const void *aad,
	       size_t aad_len, const void *in, size_t n, void *out)
{
	uint8_t nonce[IV_LEN];
	uint8_t *o = out;
	int len;

	nonce_of(s, space, number, nonce);
	if (EVP_EncryptInit_ex(s->enc, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_EncryptUpdate(s->enc, NULL, &len, aad, (int)aad_len) != 1 ||
	    EVP_EncryptUpdate(s->enc, o, &len, in, (int)n) != 1 ||
	    EVP_EncryptFinal_ex(s->enc, o + n, &len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(s->enc, EVP_CTRL_AEAD_GET_TAG, CRYPT_TAG_LEN, o + n) != 1)
		return -EIO;
	return 0;
}

int crypt_open(struct crypt_seal *s, uint32_t space, uint64_t number, const void *aad,
	       size_t aad_len, const void *in, size_t n, void *out)
{
	uint8_t nonce[IV_LEN], tag[CRYPT_TAG_LEN];
	const uint8_t *i = in;
	uint8_t *o = out;
	int len;

	if (n < CRYPT_TAG_LEN)
		return -EBADMSG;
	n -= CRYPT_TAG_LEN;
	memcpy(tag, i + n, CRYPT_TAG_LEN);
	nonce_of(s, space, number, nonce);
	if (EVP_DecryptInit_ex(s->dec, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_DecryptUpdate(s->dec, NULL, &len, aad, (int)aad_len) != 1 ||
	    EVP_DecryptUpdate(s->dec, o, &len, i, (int)n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(s->dec, EVP_CTRL_AEAD_SET_TAG, CRYPT_TAG_LEN, tag) != 1 ||
	    EVP_DecryptFinal_ex(s->dec, o + n, &len) != 1)
		return -EBADMSG;
	return 0;
}
