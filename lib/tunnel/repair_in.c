/* Repair: the receiver. */
#include "tunnel/internal.h"
#include <errno.h>

static bool have(const struct tn_path *p, uint64_t number)
{
	return crypt_replay_seen(&p->replay, number) || crypt_replay_seen(&p->mended, number);
}

/* What was lost passes as if it had come. */
static int recover(struct tunnel *t, struct tn_path *p, uint64_t number, const void *data, size_t n)
{
	enum tn_wants wants;
	int r;

	crypt_replay_mark(&p->mended, number);
	t->stats.repair_recovered++;
	t->mending = true;
	r = tn_frames_take(t, p, &p->at, data, n, &wants);
	t->mending = false;
	if (r == 0)
		tn_ack_received(p, number, wants, t->now_us);
	return r;
}

int tn_repair_input(struct tunnel *t, struct tn_path *p, uint64_t number, const uint8_t *data,
		    size_t n)
{
	t->stats.repair_received++;
	if (!have(p, number))
		return recover(t, p, number, data, n);
	t->stats.repair_wasted++;
	return 0;
}
