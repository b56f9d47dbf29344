#include "tunnel/rate.h"

#define PACING (UINT64_C(1) << 31) /* bytes a second: beyond any carrier's */
#define CWND (UINT64_C(64) << 20)  /* what a peer that reads slowly can make us remember */

static void on_ack(struct tn_rate *r, const struct tn_rate_sample *s)
{
	tn_rate_meter_take(&r->m, s); /* for the figures */
	if (s->round)
		tn_rate_meter_round(&r->m, true);
}

static uint64_t pacing(const struct tn_rate *r)
{
	return PACING;
}

static uint64_t cwnd(const struct tn_rate *r)
{
	return CWND;
}

const struct tn_rate_ops tn_rate_carried = {"carried", on_ack, pacing, cwnd};
