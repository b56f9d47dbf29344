#include "crypt/internal.h"

void crypt_key_derive(const struct crypt_key *k, const char *label, uint8_t out[32])
{
	crypt_hmac(k->secret, CRYPT_KEY_LEN, label, strlen(label), NULL, 0, out);
}
