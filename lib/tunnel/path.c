#include "tunnel/internal.h"

#define RTT_GUESS_US (100 * MS_US)
#define MIN_RTT_LIFE_US (10 * SEC_US)

static void forget(struct tn_path *p)
{
	free(p->sent);
	p->sent = NULL;
	p->sent_cap = 0;
	tn_spans_finish(&p->acked);
	tn_spans_finish(&p->recv);
	tn_trial_end(p);
	tn_repair_finish(&p->repair);
	tn_mend_finish(&p->mend);
}

void tn_path_rate(struct tn_path *p, int64_t rate_bps)
{
	tn_rate_init(&p->rate, rate_bps, p->min_rtt_us == NEVER_US ? RTT_GUESS_US : p->min_rtt_us);
	if (tn_reliable(p) && !rate_bps)
		p->rate.ops = &tn_rate_carried;
	p->tokens = tn_path_burst(p);
}

void tn_path_begin(struct tn_path *p, const struct tunnel_conf *conf, const struct tn_where *at,
		   int64_t now_us)
{
	struct tn_path old = *p;

	forget(&old);
	memset(p, 0, sizeof(*p));
	p->number = old.number;
	p->ev = old.ev;
	p->out = old.out;
	p->in = old.in;
	p->replay = old.replay;
	p->mended = old.mended;
	p->recv_next = old.recv_next;
	p->moved_at = old.moved_at;
	p->next = p->low = p->low_flight = old.next;
	p->largest_acked = old.largest_acked; /* the keys' turn depends on it */
	p->state = TN_PATH_NEW;
	p->at = *at;
	p->probe_us = now_us;
	p->srtt_us = p->latest_us = RTT_GUESS_US;
	p->rttvar_us = RTT_GUESS_US / 4;
	p->min_rtt_us = p->min_next_us = NEVER_US;
	p->there_us = p->min_there_us = p->next_there_us = NEVER_US;
	p->min_since_us = now_us;
	p->delivered_us = p->first_us = p->last_sent_us = now_us;
	p->loss_us = p->ack_us = p->suspect_us = NEVER_US;
	p->plain_us = now_us;
	p->proof = p->suspect = old.next;
	p->reorder = 3;
	p->reorder_eighths = 1;
	p->dgram = TUNNEL_DGRAM_MIN;
	p->mtu_try = conf->dgram_max;
	p->mtu_us = now_us;
	p->warm_left = conf->warm_bytes;
	p->heavy_us = now_us;
	p->tokens_us = now_us;
	tn_loss_init(&p->loss);
	p->repair.gap_us = SEC_US;
	p->watch.told = p->watch.settled = p->watch.mark = p->recv_next;
	tn_path_rate(p, conf->rate_bps);
	if (tn_reliable(p))
		p->dgram = conf->dgram_max;
	else
		p->tokens = 10 * TUNNEL_DGRAM_MAX;
}

void tn_path_finish(struct tn_path *p)
{
	forget(p);
	tn_keys_finish(&p->out);
	tn_keys_finish(&p->in);
}

/* The lowest of the last 10 to 20 s. */
static void min_rtt(struct tn_path *p, int64_t rtt_us, int64_t now_us)
{
	if (now_us - p->min_since_us > MIN_RTT_LIFE_US) {
		p->min_rtt_us = p->min_next_us;
		p->min_next_us = NEVER_US;
		p->min_since_us = now_us;
		p->min_there_us = p->next_there_us;
		p->next_there_us = NEVER_US;
	}
	p->min_next_us = MIN(p->min_next_us, rtt_us);
	p->min_rtt_us = MIN(p->min_rtt_us, rtt_us);
}

/* RFC 9002, section 5; but what the peer says of its delay is believed: it may be longer than the
 * round trip. */
void tn_path_rtt(struct tn_path *p, int64_t rtt_us, int64_t delay_us, int64_t now_us)
{
	bool first = p->min_rtt_us == NEVER_US && p->min_next_us == NEVER_US;

	rtt_us = MAX(rtt_us, 1);
	rtt_us = MAX(rtt_us - delay_us, 1);
	min_rtt(p, rtt_us, now_us);
	p->latest_us = rtt_us;
	if (first) {
		p->srtt_us = rtt_us;
		p->rttvar_us = rtt_us / 2;
		return;
	}
	p->rttvar_us += (llabs(p->srtt_us - rtt_us) - p->rttvar_us) / 4;
	p->srtt_us += (rtt_us - p->srtt_us) / 8;
}

/* Each time differs from the one before by less than half a turn of the clock. Of the first it is not
 * known whose queue it had to wait in. */
int64_t tn_path_there(struct tn_path *p, int64_t sent_us, unsigned clock)
{
	int64_t turn = (int64_t)TN_CLOCK_UNIT_US << TN_CLOCK_BITS;
	int64_t at = (int64_t)clock * TN_CLOCK_UNIT_US - sent_us % turn,
		over = p->latest_us - p->min_rtt_us;

	if (p->there_us == NEVER_US)
		p->there_us = at;
	p->there_us += ((at - p->there_us) % turn + turn + turn / 2) % turn - turn / 2;
	if (p->min_there_us == NEVER_US)
		p->min_there_us = p->there_us - over;
	p->next_there_us = MIN(p->next_there_us, p->there_us);
	p->min_there_us = MIN(p->min_there_us, p->there_us);
	return p->min_rtt_us + CLAMP(p->there_us - p->min_there_us, (int64_t)0, over);
}

/* The token bucket is deep enough for a timer that comes late by some ms. */
int64_t tn_path_burst(const struct tn_path *p)
{
	int64_t rate = (int64_t)p->rate.ops->pacing(&p->rate);

	return CLAMP(rate / 200, 10 * TUNNEL_DGRAM_MAX, 256 * 1024);
}

void tn_path_fill(struct tn_path *p, int64_t now_us)
{
	int64_t rate = (int64_t)p->rate.ops->pacing(&p->rate);
	int64_t dt = MIN(now_us - p->tokens_us, SEC_US);
	int64_t more = base_scale(rate, dt, SEC_US);

	if (more <= 0)
		return;
	p->tokens = MIN(p->tokens + more, tn_path_burst(p));
	p->tokens_us = now_us;
}
