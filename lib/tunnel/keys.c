/* The keys of one direction. They change by packet number: all numbers of an epoch share one, and
 * the phase bit of a datagram is its epoch's lowest. The receiver keeps the keys of the epochs beside
 * the present one, so that late datagrams and early ones can be opened, and that a forged number
 * costs no more than one failed attempt. */
#include "tunnel/internal.h"
#include <errno.h>

int tn_keys_init(struct tn_keys *k, enum crypt_suite suite, const uint8_t *secret)
{
	int r;

	memset(k, 0, sizeof(*k));
	k->suite = suite;
	memcpy(k->secret, secret, CRYPT_SECRET_LEN);
	r = crypt_seal_create(suite, k->secret, &k->now);
	crypt_secret_next(k->secret);
	if (r == 0)
		r = crypt_seal_create(suite, k->secret, &k->next);
	return r;
}

void tn_keys_finish(struct tn_keys *k)
{
	crypt_seal_destroy(k->before);
	crypt_seal_destroy(k->now);
	crypt_seal_destroy(k->next);
	crypt_wipe(k, sizeof(*k));
}

struct crypt_seal *tn_keys_of(const struct tn_keys *k, uint64_t epoch)
{
	if (epoch == k->epoch)
		return k->now;
	if (epoch == k->epoch + 1)
		return k->next;
	return epoch + 1 == k->epoch ? k->before : NULL;
}

int tn_keys_reach(struct tn_keys *k, uint64_t epoch)
{
	struct crypt_seal *next = NULL;
	int r;

	if (epoch <= k->epoch)
		return 0;
	crypt_secret_next(k->secret);
	r = crypt_seal_create(k->suite, k->secret, &next);
	if (r < 0)
		return r;
	crypt_seal_destroy(k->before);
	k->before = k->now;
	k->now = k->next;
	k->next = next;
	k->epoch++;
	return 0;
}
