#include "crypt/crypt.h"

bool crypt_replay_seen(const struct crypt_replay *r, uint64_t number)
{
	if (number >= r->next)
		return false;
	if (r->next - number > CRYPT_REPLAY_BITS)
		return true;
	return r->bits[number % CRYPT_REPLAY_BITS / 64] >> number % 64 & 1;
}

/* Clears the bits of the numbers that the window now takes in. */
static void advance(struct crypt_replay *r, uint64_t next)
{
	if (next - r->next >= CRYPT_REPLAY_BITS) {
		memset(r->bits, 0, sizeof(r->bits));
		r->next = next;
		return;
	}
	for (; r->next < next; r->next++)
		r->bits[r->next % CRYPT_REPLAY_BITS / 64] &= ~(UINT64_C(1) << r->next % 64);
}

void crypt_replay_mark(struct crypt_replay *r, uint64_t number)
{
	if (number >= r->next)
		advance(r, number + 1);
	else if (r->next - number > CRYPT_REPLAY_BITS)
		return;
	r->bits[number % CRYPT_REPLAY_BITS / 64] |= UINT64_C(1) << number % 64;
}
