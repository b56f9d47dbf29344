/* Time passes: what is due, which path sends next, and when to come again. */
#include "tunnel/internal.h"
#include <errno.h>

#define CLOSE_GAP_US (40 * MS_US) /* a burst of losses is to take one word of farewell, not all */

static void timers(struct tunnel *t)
{
	struct tn_path *p;

	if (t->shake)
		tn_shake_timers(t);
	if (t->state != TUNNEL_OPEN || t->timed)
		return;
	t->timed = true;
	if (t->now_us >= tn_life_end(t)) {
		tn_close(t, -ETIMEDOUT, 0, "silence");
		return;
	}
	tn_paths_for (p, t) {
		tn_life_timers(t, p);
		tn_recover_timers(t, p);
	}
	if (t->n_up > 1 && t->now_us >= t->schedule_us)
		tn_schedule(t);
	tn_flow_sweep(t);
	tn_pool_age(&t->pool, t->now_us);
}

static size_t output_path(struct tunnel *t, struct tn_path *p, void *buf, size_t cap,
			  struct tn_where *to)
{
	size_t n = tn_trial_output(t, p, buf, to);

	if (n)
		return n;
	*to = p->at;
	return p->state == TN_PATH_GONE ? 0 : tn_packet_build(t, p, buf, cap);
}

/* The best path first: the others get what it leaves. */
static size_t output_open(struct tunnel *t, void *buf, size_t cap, struct tn_where *to)
{
	struct tn_path *p, *best = t->best;
	size_t n = output_path(t, best, buf, cap, to);

	if (n)
		return n;
	tn_paths_for (p, t) {
		if (p != best)
			n = output_path(t, p, buf, cap, to);
		if (n)
			break;
	}
	return n;
}

/* Not all on one path: it may have died without our knowing. */
static size_t output_close(struct tunnel *t, void *buf, size_t cap, struct tn_where *to)
{
	struct tn_path *p = t->closes % 2 || !t->spare ? t->best : t->spare;
	size_t n = tn_packet_build(t, p, buf, cap);

	t->close_us = t->now_us + CLOSE_GAP_US;
	if (n == 0 || --t->closes == 0)
		tn_closed(t, t->reason);
	*to = p->at;
	return n;
}

size_t tunnel_output(struct tunnel *t, void *buf, size_t cap, int *path, struct tunnel_addr *to,
		     int64_t now_us)
{
	struct tn_where at = t->best->at;
	size_t n = 0;

	tn_now(t, now_us);
	timers(t);
	if (t->shake && !tn_held(t->best))
		n = crypt_shake_output(t->shake, buf, cap);
	if (n == 0 && t->state == TUNNEL_OPEN)
		n = output_open(t, buf, cap, &at);
	if (n == 0 && t->state == TUNNEL_CLOSING && !tn_held(t->best) && t->now_us >= t->close_us)
		n = output_close(t, buf, cap, &at);
	*path = at.id;
	*to = at.addr;
	return n;
}

int64_t tunnel_wake(const struct tunnel *t)
{
	struct tn_path *p;
	int64_t at = tn_shake_wake(t);

	if (t->ev_bits || !list_empty(&t->events))
		return t->now_us;
	if (t->state == TUNNEL_CLOSING)
		return tn_held(t->best) ? NEVER_US : t->close_us;
	if (t->state != TUNNEL_OPEN)
		return at;
	at = MIN(at, tn_life_end(t));
	tn_paths_for (p, t) {
		at = MIN(at, tn_due_wake(t, p));
	}
	return MIN(at, tn_flow_due(t));
}
