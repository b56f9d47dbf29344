/* What may go over a path now, and when it is to be looked at again. */
#include "tunnel/packet.h"

#define OVER_CWND (32 * TUNNEL_DGRAM_MAX) /* the urgent may exceed the window by this */
#define DEBT_MAX (24 * TUNNEL_DGRAM_MAX)  /* and the pace by this, or DEBT_US of it */
#define DEBT_US (20 * MS_US)
#define WARM_WAIT_US (100 * MS_US)

static int64_t debt(const struct tn_path *p)
{
	int64_t rate = (int64_t)p->rate.ops->pacing(&p->rate);

	return CLAMP(base_scale(rate, DEBT_US, SEC_US), 2 * TUNNEL_DGRAM_MAX, DEBT_MAX);
}

int tn_due_allowed(const struct tn_path *p)
{
	uint64_t cwnd = p->rate.ops->cwnd(&p->rate);

	if (tn_held(p))
		return -1;
	if (p->probes)
		return TN_LEVELS - 1;
	if (p->in_flight >= cwnd + OVER_CWND || p->tokens <= -debt(p))
		return -1;
	return p->in_flight < cwnd && p->tokens > 0 ? TN_LEVELS - 1 : 1;
}

int tn_due_wanted(const struct tunnel *t, const struct tn_path *p)
{
	for (int i = 0; i < TN_LEVELS; i++)
		if (!list_empty(&t->ready[i]) && tn_schedule_takes(t, p, i))
			return i;
	return TN_LEVELS;
}

bool tn_due_control(const struct tunnel *t, const struct tn_path *p)
{
	return p->ping || p->respond ||
	       (tn_schedule_controls(t, p) &&
		(t->max_data_wanted || t->note_n || t->gone_wanted || !list_empty(&t->updates)));
}

/* When the next probe for larger datagrams may go. */
static int64_t mtu_due(const struct tn_path *p)
{
	return p->mtu_try > p->dgram && p->largest_acked > 0 && p->state == TN_PATH_UP ? p->mtu_us
										       : NEVER_US;
}

bool tn_due_mtu(const struct tunnel *t, const struct tn_path *p)
{
	return mtu_due(p) <= t->now_us;
}

/* A new path is measured with padding where there is no data, so that the first stream that has much
 * to send finds the line's rate known. Not while the other side sends much, or its queue would pass
 * for ours; the client goes first. A further path costs nothing until a stream is spread over it,
 * which measures it then; nor is what moves to it when the others die to wait behind padding. */
static bool warm_now(const struct tunnel *t, const struct tn_path *p)
{
	return p->number == 0 ||
	       (t->n_up == 1 && t->n_local + t->n_peer + t->n_flows_local + t->n_flows_peer == 0);
}

static int64_t warm_due(const struct tunnel *t, const struct tn_path *p)
{
	if (!warm_now(t, p) || t->state != TUNNEL_OPEN || p->state != TN_PATH_UP ||
	    p->warm_left < p->dgram || p->largest_acked == 0 || !tn_rate_searching(&p->rate))
		return NEVER_US;
	if (t->server && !p->heavy)
		return p->heavy_us + 4 * p->srtt_us +
		       WARM_WAIT_US; /* its first may be on the way */
	return p->heavy_us + p->srtt_us + (t->server ? p->srtt_us / 2 : 0);
}

bool tn_due_warm(const struct tunnel *t, const struct tn_path *p)
{
	return warm_due(t, p) <= t->now_us;
}

bool tn_due_ack(const struct tunnel *t, const struct tn_path *p)
{
	return p->ack_pending && (p->ack_now || p->ack_us <= t->now_us);
}

bool tn_due_relay(const struct tunnel *t, const struct tn_path *p)
{
	const struct tn_path *other;

	if (t->n_up == 0 || !tn_schedule_controls(t, p))
		return false;
	tn_paths_for (other, t) {
		if (other->relay_ack)
			return true;
	}
	return false;
}

/* When the pace lets the next burst go. */
static int64_t pace_wake(const struct tunnel *t, const struct tn_path *p, int wanted)
{
	int64_t rate = (int64_t)p->rate.ops->pacing(&p->rate), level = wanted > 1 ? 0 : -debt(p);
	int64_t quantum = CLAMP(rate / 1000, (int64_t)1, tn_path_burst(p) / 2);
	uint64_t cwnd = p->rate.ops->cwnd(&p->rate) + (wanted > 1 ? 0 : OVER_CWND);

	if (p->in_flight >= cwnd)
		return NEVER_US;
	return p->tokens_us + (level + quantum - p->tokens) * SEC_US / rate + 1;
}

int64_t tn_due_wake(const struct tunnel *t, struct tn_path *p)
{
	bool bulk = tn_repair_bulk(p) || tn_due_warm(t, p);
	int wanted = MIN(tn_due_wanted(t, p), bulk ? TN_LEVELS - 1 : TN_LEVELS);
	int64_t at = MIN(tn_life_wake(t, p), tn_trial_wake(p));

	if (tn_trial_budget(p) < TN_SMALL_LEN || tn_held(p))
		return at;
	if (tn_due_control(t, p) || wanted <= tn_due_allowed(p) || (p->ack_pending && p->ack_now) ||
	    tn_due_relay(t, p))
		return t->now_us;
	if (p->ack_pending)
		at = MIN(at, p->ack_us);
	if (wanted < TN_LEVELS)
		at = MIN(at, pace_wake(t, p, wanted));
	at = MIN(at, MIN(tn_repair_wake(p), mtu_due(p)));
	if (warm_due(t, p) > t->now_us)
		at = MIN(at, warm_due(t, p));
	return MIN(at, MIN(p->loss_us, tn_pto_due(p)));
}
