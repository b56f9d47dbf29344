/* The keys of one direction of a path. The sender changes them after so many packets or so much
 * time, as soon as the peer has acknowledged something under the present ones; a datagram says by
 * its phase bits, the lowest of the epoch's number, under which it is sealed. The receiver keeps the
 * keys of the epochs beside the present one, so that late datagrams and early ones can be opened,
 * and that a forged phase costs no more than one failed attempt. */
#include "tunnel/internal.h"
#include <errno.h>

int tn_keys_init(struct tn_keys *k, enum crypt_suite suite, const uint8_t *secret, int64_t now_us)
{
	int r;

	memset(k, 0, sizeof(*k));
	k->suite = suite;
	k->since_us = now_us;
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

struct crypt_seal *tn_keys_of(const struct tn_keys *k, unsigned phase, uint64_t *epoch)
{
	*epoch = k->epoch;
	if ((k->epoch & TN_FLAG_PHASE) == phase)
		return k->now;
	*epoch = k->epoch + 1;
	if ((*epoch & TN_FLAG_PHASE) == phase)
		return k->next;
	*epoch = k->epoch - 1;
	return (*epoch & TN_FLAG_PHASE) == phase ? k->before : NULL;
}

int tn_keys_reach(struct tn_keys *k, uint64_t epoch)
{
	uint8_t secret[CRYPT_SECRET_LEN];
	struct crypt_seal *next = NULL;
	int r;

	if (epoch != k->epoch + 1)
		return 0;
	memcpy(secret, k->secret, sizeof(secret));
	crypt_secret_next(secret);
	r = crypt_seal_create(k->suite, secret, &next);
	if (r == 0) {
		memcpy(k->secret, secret, sizeof(secret));
		crypt_seal_destroy(k->before);
		k->before = k->now;
		k->now = k->next;
		k->next = next;
		k->epoch = epoch;
	}
	crypt_wipe(secret, sizeof(secret));
	return r;
}

int tn_keys_turn(struct tn_keys *k, const struct tn_key_life *life, uint64_t number, uint64_t acked,
		 int64_t now_us)
{
	int r;

	if (number - k->first < life->packets && now_us - k->since_us < life->time_us)
		return 0;
	if (acked <= k->first) /* the peer may not have these yet */
		return 0;
	r = tn_keys_reach(k, k->epoch + 1);
	if (r == 0) {
		k->first = number;
		k->since_us = now_us;
	}
	return r;
}
