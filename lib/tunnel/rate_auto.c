/* Model-based rate control, of the family of BBR (draft-ietf-ccwg-bbr): the highest delivery rate
 * of the last rounds and the lowest round trip say what the path holds, and packets leave at that
 * rate. Losses do not slow it down: as long as round trips show no standing queue they count as
 * random and are made up for; a standing queue slows it down instead. */
#include "tunnel/rate.h"

#define MSS 1500
#define CWND_INIT (40 * MSS)
#define CWND_MIN (8 * MSS)
#define BATCH_US (1 * MS_US) /* of data held back by hosts that work in batches */
#define PCT_STARTUP 277
#define PCT_DRAIN 40
#define QUEUE_FLOOR_US (5 * MS_US)
#define LOSS_MAX_PPM 200000
#define PROBE_RTT_EVERY_US (10 * SEC_US)

/* Percent of bw in the phases of a cruise cycle, each a round trip long. */
static const unsigned cycle[] = {125, 75, 100, 100, 100, 100, 100, 100};

static uint64_t bdp(const struct tn_rate *r)
{
	return r->m.bw * (uint64_t)r->min_rtt_us / SEC_US;
}

/* A queue that stands: longer than the path's noise. */
static bool queued(const struct tn_rate *r)
{
	return r->m.queue_us > MAX(r->min_rtt_us / 5, QUEUE_FLOOR_US);
}

/* The first sign of one, for startup. */
static bool queueing(const struct tn_rate *r)
{
	return r->m.queue_us > CLAMP(r->min_rtt_us / 8, QUEUE_FLOOR_US, 16 * MS_US);
}

/* ---- the model ---- */

static void take_bw(struct tn_rate_model *m, const struct tn_rate_sample *s)
{
	if (s->bytes_per_s == 0 || (s->app_limited && s->bytes_per_s <= m->bw))
		return;
	if (!s->app_limited)
		m->round_limited = false;
	m->best[m->best_at] = MAX(m->best[m->best_at], s->bytes_per_s);
	m->bw = MAX(m->bw, s->bytes_per_s);
}

/* A round in which the application had nothing to send says nothing against older rounds. */
static void next_round(struct tn_rate_model *m)
{
	if (m->round_limited)
		return;
	m->best_at = (m->best_at + 1) % TN_RATE_ROUNDS;
	m->best[m->best_at] = 0;
	m->bw = 0;
	for (size_t i = 0; i < TN_RATE_ROUNDS; i++)
		m->bw = MAX(m->bw, m->best[i]);
}

/* The lowest of some samples in a row: jitter passes, a queue stays. */
static void take_rtt(struct tn_rate *r, int64_t rtt_us)
{
	struct tn_rate_model *m = &r->m;

	if (rtt_us == 0)
		return;
	if (m->bin_n++ == TN_RATE_BIN) {
		m->bin_us[0] = m->bin_us[1];
		m->bin_us[1] = NEVER_US;
		m->bin_n = 1;
	}
	m->bin_us[1] = MIN(m->bin_us[1], rtt_us);
	m->queue_us = MAX(MIN(m->bin_us[0], m->bin_us[1]) - r->min_rtt_us, 0);
	m->round_queued = m->round_queued || queued(r);
}

/* Only the last two rounds count. */
static void forget(struct tn_rate_model *m)
{
	for (size_t i = 0; i < TN_RATE_ROUNDS; i++)
		if (i != m->best_at && i != (m->best_at + TN_RATE_ROUNDS - 1) % TN_RATE_ROUNDS)
			m->best[i] = 0;
}

/* Losses beside a queue are its own, not the path's. */
static void take_loss(struct tn_rate_model *m)
{
	uint64_t all = m->round_acked + m->round_lost;
	int64_t ppm = all ? (int64_t)(m->round_lost * 1000000 / all) : 0;

	/* A queue that stands and runs over: the line has become slower than what is remembered. */
	if (m->round_queued && m->before_queued && ppm > LOSS_MAX_PPM)
		forget(m);
	if (m->mode == TN_RATE_CRUISE &&
	    (ppm < m->loss_ppm || !(m->round_queued || m->before_queued)))
		m->loss_ppm += (ppm - m->loss_ppm) / 4;
	m->round_acked = m->round_lost = 0;
	m->before_queued = m->round_queued;
	m->round_queued = false;
}

/* ---- modes ---- */

static void cruise(struct tn_rate *r, int64_t now_us)
{
	r->m.mode = TN_RATE_CRUISE;
	r->m.phase = 2;
	r->m.phase_us = now_us;
	r->m.phase_bw = r->m.bw;
}

/* The line is full when three rounds brought no real growth, or when its queue grows. */
static void startup_round(struct tn_rate_model *m)
{
	if (m->round_limited)
		return;
	if (m->bw * 4 >= m->full_bw * 5) {
		m->full_bw = m->bw;
		m->full_rounds = 0;
	} else if (++m->full_rounds >= 3) {
		m->mode = TN_RATE_DRAIN;
	}
}

/* An upward phase that found more goes on. */
static void next_phase(struct tn_rate *r, int64_t now_us)
{
	struct tn_rate_model *m = &r->m;
	bool found = m->bw * 100 > m->phase_bw * 108;

	if (cycle[m->phase] <= 100 || !found || queued(r))
		m->phase = (m->phase + 1) % ARRAY_LEN(cycle);
	m->phase_us = now_us;
	m->phase_bw = m->bw;
}

static void cruise_step(struct tn_rate *r, const struct tn_rate_sample *s)
{
	struct tn_rate_model *m = &r->m;
	bool over = s->now_us - m->phase_us > r->min_rtt_us;

	if (cycle[m->phase] > 100)
		over = queued(r) || (s->now_us - m->phase_us > r->min_rtt_us * 3 / 2);
	else if (cycle[m->phase] < 100)
		over = over || s->in_flight <= bdp(r);
	if (over)
		next_phase(r, s->now_us);
}

/* Now and then the path must be seen empty, or a queue passes for distance. */
static void probe_rtt_step(struct tn_rate *r, const struct tn_rate_sample *s)
{
	struct tn_rate_model *m = &r->m;

	if (m->mode == TN_RATE_CRUISE && s->now_us - m->probe_rtt_us > PROBE_RTT_EVERY_US) {
		m->mode = TN_RATE_PROBE_RTT;
		m->probe_rtt_us = s->now_us;
	} else if (m->mode == TN_RATE_PROBE_RTT &&
		   s->now_us - m->probe_rtt_us > r->min_rtt_us + 20 * MS_US) {
		m->probe_rtt_us = s->now_us;
		cruise(r, s->now_us);
	}
	if (m->mode == TN_RATE_CRUISE && s->rtt_us > 0 &&
	    s->rtt_us <= r->min_rtt_us + r->min_rtt_us / 64)
		m->probe_rtt_us = s->now_us; /* seen empty by itself */
}

static void round_over(struct tn_rate *r)
{
	struct tn_rate_model *m = &r->m;

	take_loss(m);
	if (m->mode == TN_RATE_STARTUP)
		startup_round(m);
	next_round(m);
	m->round_limited = true;
}

static void auto_on_ack(struct tn_rate *r, const struct tn_rate_sample *s)
{
	struct tn_rate_model *m = &r->m;

	if (s->min_rtt_us > 0)
		r->min_rtt_us = s->min_rtt_us;
	m->round_acked += s->acked;
	m->round_lost += s->lost;
	take_rtt(r, s->rtt_us);
	take_bw(m, s);
	if (s->round)
		round_over(r);
	if (m->mode == TN_RATE_STARTUP && m->bw && queueing(r))
		m->mode = TN_RATE_DRAIN;
	if (m->mode == TN_RATE_DRAIN && s->in_flight <= bdp(r))
		cruise(r, s->now_us);
	if (m->mode == TN_RATE_CRUISE)
		cruise_step(r, s);
	probe_rtt_step(r, s);
}

/* ---- answers ---- */

static unsigned gain(const struct tn_rate *r)
{
	switch (r->m.mode) {
	case TN_RATE_STARTUP:
		return PCT_STARTUP;
	case TN_RATE_DRAIN:
		return PCT_DRAIN;
	case TN_RATE_PROBE_RTT:
		return 50;
	case TN_RATE_CRUISE:
		break;
	}
	return queued(r) ? MIN(cycle[r->m.phase], 88u) : cycle[r->m.phase];
}

/* Random losses are made up for, while no queue says that they are not random. */
static uint64_t made_up(const struct tn_rate *r, uint64_t x)
{
	int64_t ppm = MIN(r->m.loss_ppm, LOSS_MAX_PPM);

	if (r->m.mode == TN_RATE_STARTUP || queued(r))
		return x;
	return x * 1000000 / (uint64_t)(1000000 - ppm);
}

static uint64_t auto_pacing(const struct tn_rate *r)
{
	uint64_t bw = MAX(r->m.bw, CWND_INIT * SEC_US / (uint64_t)MAX(r->min_rtt_us, 1) / 2);

	if (r->m.mode != TN_RATE_STARTUP)
		bw = r->m.bw;
	return MAX(made_up(r, bw * gain(r) / 100), 4 * MSS);
}

static uint64_t auto_cwnd(const struct tn_rate *r)
{
	uint64_t pipe = bdp(r);

	switch (r->m.mode) {
	case TN_RATE_STARTUP:
		return MAX(CWND_INIT, pipe * PCT_STARTUP / 100);
	case TN_RATE_PROBE_RTT:
		return MAX(pipe / 2, CWND_MIN);
	default:
		return MAX(made_up(r, pipe * 2) + MAX(10 * MSS, r->m.bw * BATCH_US / SEC_US),
			   CWND_MIN);
	}
}

const struct tn_rate_ops tn_rate_auto = {"auto", auto_on_ack, auto_pacing, auto_cwnd};

void tn_rate_init(struct tn_rate *r, int64_t bps, int64_t rtt_us)
{
	memset(r, 0, sizeof(*r));
	r->ops = bps > 0 ? &tn_rate_fixed : &tn_rate_auto;
	r->fixed = MAX((uint64_t)bps / 8, 4 * MSS);
	r->min_rtt_us = rtt_us;
	r->m.bin_us[0] = r->m.bin_us[1] = NEVER_US;
	r->m.round_limited = true;
}
