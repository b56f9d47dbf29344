/* A rate set by hand, for leased lines: paced at it whatever happens; what is in flight is bounded
 * by twice what the line holds, so that an outage does not fill it without end. */
#include "tunnel/rate.h"

static void fixed_on_ack(struct tn_rate *r, const struct tn_rate_sample *s)
{
	if (s->min_rtt_us > 0)
		r->min_rtt_us = s->min_rtt_us;
}

static uint64_t fixed_pacing(const struct tn_rate *r)
{
	return r->fixed;
}

static uint64_t fixed_cwnd(const struct tn_rate *r)
{
	uint64_t bdp = r->fixed * (uint64_t)(r->min_rtt_us + 50 * MS_US) / SEC_US;

	return 2 * bdp + 64 * 1500;
}

const struct tn_rate_ops tn_rate_fixed = {"fixed", fixed_on_ack, fixed_pacing, fixed_cwnd};
