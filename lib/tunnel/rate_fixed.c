/* A rate set by hand, for leased lines: N bytes a second are to arrive, so losses are made up for,
 * up to 20 % and while no queue says that the line has no more to give. What is in flight is bounded
 * by twice what the line holds, so that an outage does not fill it without end. */
#include "tunnel/rate.h"

#define QUEUE_MAX_US (20 * MS_US)

static void fixed_on_ack(struct tn_rate *r, const struct tn_rate_sample *s)
{
	tn_rate_meter_take(&r->m, s);
	if (s->round)
		tn_rate_meter_round(&r->m, true);
}

static uint64_t fixed_pacing(const struct tn_rate *r)
{
	return r->m.queue_us > QUEUE_MAX_US ? r->fixed : tn_rate_made_up(&r->m, r->fixed);
}

static uint64_t fixed_cwnd(const struct tn_rate *r)
{
	uint64_t pipe = r->fixed * (uint64_t)(r->m.min_rtt_us + 50 * MS_US) / SEC_US;

	return 2 * pipe + 64 * TN_RATE_MSS;
}

const struct tn_rate_ops tn_rate_fixed = {"fixed", fixed_on_ack, fixed_pacing, fixed_cwnd};
