/* Which path takes what. What is urgent goes over the best one: the shortest round trip, losses
 * counted as time. What is large goes over all of them. */
#include "tunnel/internal.h"

#define AGAIN_US (20 * MS_US)
#define LOSS_RTTS 3 /* what a lost packet costs the urgent */

static bool alive(const struct tn_path *p)
{
	return p->state == TN_PATH_UP && p->proven;
}

/* What is lost on a reliable path holds up all that comes after it, and no round trip tells: it
 * stands by for when there is no other. */
static bool usable(const struct tunnel *t, const struct tn_path *p)
{
	const struct tn_path *other;

	if (!alive(p) || !tn_reliable(p))
		return alive(p);
	tn_paths_for (other, t) {
		if (alive(other) && !tn_reliable(other))
			return false;
	}
	return true;
}

/* What the urgent have to expect, in time. */
static int64_t cost(const struct tn_path *p)
{
	return p->srtt_us + p->rttvar_us +
	       base_scale(p->srtt_us, LOSS_RTTS * (int64_t)tn_loss_ppm(&p->loss), 1000000);
}

/* Another must be better by an eighth, so that noise does not move the urgent to and fro. */
void tn_schedule(struct tunnel *t)
{
	struct tn_path *p, *best = t->best && usable(t, t->best) ? t->best : NULL;
	int64_t least = best ? cost(best) * 7 / 8 : NEVER_US;

	tn_paths_for (p, t) {
		if (p == best || !usable(t, p) || cost(p) >= least)
			continue;
		best = p;
		least = cost(p);
	}
	if (best)
		t->best = best;
	t->spare = NULL;
	tn_paths_for (p, t) {
		if (p != t->best && usable(t, p) && (!t->spare || cost(p) < cost(t->spare)))
			t->spare = p;
	}
	t->schedule_us = t->now_us + AGAIN_US;
}

/* ---- what is large ---- */

/* Bytes that wait to be sent for the first time or again; those who write more than that wait, too. */
static uint64_t waiting(const struct tunnel *t)
{
	const struct tn_sender *s = list_first(&t->ready[TN_LEVELS - 1], struct tn_sender, link);
	const struct tn_path *p;
	uint64_t flight = 0;

	if (s && s->kind == TN_STREAM && container_of(s, struct tunnel_stream, snd)->blocked)
		return UINT64_MAX;
	tn_paths_for (p, t) {
		flight += p->in_flight;
	}
	return t->buffered_out > flight ? t->buffered_out - flight : 0;
}

/* A longer way is worth it when the best path needs more time for what waits than the longer way
 * takes more. Everybody goes the short way while that has room. */
static bool worth(const struct tunnel *t, const struct tn_path *p)
{
	const struct tn_path *best = t->best;
	int64_t rate = (int64_t)best->rate.ops->pacing(&best->rate);
	int64_t more = p->srtt_us - best->srtt_us;

	if (tn_due_allowed(best) == TN_LEVELS - 1)
		return false;
	return more <= 0 || waiting(t) > (uint64_t)base_scale(rate, more, SEC_US);
}

bool tn_schedule_takes(const struct tunnel *t, const struct tn_path *p, int level)
{
	if (p == t->best)
		return usable(t, p);
	if (!usable(t, p))
		return false;
	if (level == TN_LEVELS - 1)
		return worth(t, p);
	return tn_due_allowed(t->best) < level;
}

bool tn_schedule_controls(const struct tunnel *t, const struct tn_path *p)
{
	return p == t->best && usable(t, p);
}

struct tn_path *tn_schedule_spare(const struct tunnel *t, const struct tn_path *p)
{
	return p == t->best ? t->spare : t->best;
}

int64_t tn_schedule_rtt_max(const struct tunnel *t)
{
	const struct tn_path *p;
	int64_t rtt = t->best->srtt_us;

	tn_paths_for (p, t) {
		if (usable(t, p))
			rtt = MAX(rtt, p->srtt_us);
	}
	return rtt;
}
