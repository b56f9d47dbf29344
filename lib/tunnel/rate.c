/* What is measured of a path: its queue, its goodput, its losses. */
#include "tunnel/rate.h"

#define BIN 8		   /* samples, and as many as come in BIN_US */
#define BIN_US (8 * MS_US) /* a busy host is late by some ms, though seldom for so long */
#define LOSS_MAX_PPM 200000

static void take_rtt(struct tn_rate_meter *m, const struct tn_rate_sample *s)
{
	int64_t bin = MIN(MAX(m->min_rtt_us / 8, BIN_US), m->min_rtt_us);

	if (s->rtt_us == 0)
		return;
	if (m->bin_n++ >= BIN && s->now_us - m->bin_since_us >= bin) {
		m->bin_us[0] = m->bin_us[1];
		m->bin_us[1] = NEVER_US;
		m->bin_n = 1;
		m->bin_since_us = s->now_us;
	}
	m->back_us = MAX(s->back_us, m->back_us - m->back_us / 32);
	m->bin_us[1] = MIN(m->bin_us[1], s->rtt_us);
	m->queue_us = MAX(MIN(m->bin_us[0], m->bin_us[1]) - m->min_rtt_us, 0);
	m->round_queue_us = MIN(m->round_queue_us, m->queue_us);
}

void tn_rate_meter_take(struct tn_rate_meter *m, const struct tn_rate_sample *s)
{
	if (s->min_rtt_us > 0)
		m->min_rtt_us = s->min_rtt_us;
	m->round_acked += s->acked;
	m->round_lost += s->lost;
	take_rtt(m, s);
	if (s->goodput && !s->app_limited)
		m->round_limited = false;
	if (s->goodput && (!s->app_limited || s->goodput > m->goodput)) {
		m->best[m->best_at] = MAX(m->best[m->best_at], s->goodput);
		m->goodput = MAX(m->goodput, s->goodput);
	}
}

/* A round in which the application had nothing to send says nothing against older rounds. */
void tn_rate_meter_round(struct tn_rate_meter *m, bool random)
{
	uint64_t all = m->round_acked + m->round_lost;
	int64_t ppm = all ? (int64_t)(m->round_lost * 1000000 / all) : 0;

	if (random || ppm < m->loss_ppm)
		m->loss_ppm += (ppm - m->loss_ppm) / 8;
	m->round_acked = m->round_lost = 0;
	m->round_queue_us = NEVER_US;
	if (m->round_limited)
		return;
	m->round_limited = true;
	m->best_at = (m->best_at + 1) % TN_RATE_ROUNDS;
	m->best[m->best_at] = 0;
	m->goodput = 0;
	for (size_t i = 0; i < TN_RATE_ROUNDS; i++)
		m->goodput = MAX(m->goodput, m->best[i]);
}

uint64_t tn_rate_made_up(const struct tn_rate_meter *m, uint64_t x)
{
	return x * 1000000 / (uint64_t)(1000000 - MIN(m->loss_ppm, LOSS_MAX_PPM));
}

void tn_rate_init(struct tn_rate *r, int64_t bps, int64_t rtt_us)
{
	memset(r, 0, sizeof(*r));
	r->ops = bps > 0 ? &tn_rate_fixed : &tn_rate_auto;
	r->fixed = MAX((uint64_t)bps / 8, (uint64_t)4 * TN_RATE_MSS);
	r->m.min_rtt_us = rtt_us;
	r->m.bin_us[0] = r->m.bin_us[1] = r->m.round_queue_us = NEVER_US;
	r->m.round_limited = true;
}
