/* Loss and speed: five long lines, a warm tunnel, an echo beside a transfer,
 * lines that change, and rivals on the same line (rivals.h). */
#ifndef SIM_SCENARIOS_LINES_H
#define SIM_SCENARIOS_LINES_H

#include "rivals.h"

/* Queue of 100 ms each; the random losses are taken behind it, so that limit = rate x (1 - loss). */
#define LINE(mbit, rtt_ms, ppm) \
	{ \
		.rate_bps = (mbit)*1000000, .queue_us = 100 * MS_US, \
		.delay_us = (rtt_ms)*MS_US / 2, .loss_ppm = (ppm) \
	}
static const struct way rate_lines[] = {
    LINE(100, 100, 10000),
    LINE(100, 200, 50000),
    {.rate_bps = 50000000,
     .queue_us = 100 * MS_US,
     .delay_us = 75 * MS_US,
     .jitter_us = 5 * MS_US,
     .ordered = true,
     .bad_us = 20 * MS_US,
     .good_us = 647 * MS_US},
    LINE(200, 60, 1000),
    LINE(200, 200, 100000),
};

static double line_limit(const struct way *w)
{
	double loss = w->loss_ppm / 1e6;

	if (w->bad_us)
		loss = (double)w->bad_us / (double)(w->bad_us + w->good_us);
	return (double)w->rate_bps / 1e6 * (1 - loss);
}

static uint64_t got_of(const struct sim *m, unsigned i)
{
	const struct end *c = m->end[0][i], *s = m->end[1][i];

	return (c ? c->got : 0) + (s ? s->got : 0);
}

/* Mbit/s of stream i over the next us. */
static double goodput_for(struct sim *m, unsigned i, int64_t us)
{
	uint64_t before = got_of(m, i);

	run(m, m->now_us + us, NULL);
	return (double)(got_of(m, i) - before) * 8 / (double)us;
}

static void bulk_start(struct sim *m, bool down)
{
	uint64_t much = UINT64_C(1) << 40;

	plan_add(m, (struct plan){.up = down ? 10 : much, .down = down ? much : 10});
	open_all(m);
}

/* From cold, then steady; direction by seed. Of a few bursts more or less than the mean the line is judged by what it
 * lost, the tunnel by what was left. */
static void line_check(struct sim *m, const struct way *w, double part_cold, double part)
{
	double limit = line_limit(w), left, cold, steady;
	const struct way *way = &m->link->way[m->seed % 2 ? 0 : 1];
	struct tunnel_stats st;
	bool down = m->seed % 2;
	uint64_t n, lost;

	run(m, m->now_us + 5 * SEC_US, connected);
	bulk_start(m, down);
	cold = goodput_for(m, 0, 50 * 8 * SEC_US / (int64_t)(w->rate_bps / 1000000));
	run(m, m->now_us + SEC_US, NULL);
	n = way->n;
	lost = way->lost;
	/* What is lost three times holds back a second's worth, at the begin or at the end. */
	steady = goodput_for(m, 0, (w->loss_ppm < 100000 ? 5 : 12) * SEC_US);
	tunnel_stats(down ? m->server : m->client, &st);
	figure(0, "first 50 MB, % of limit", 100 * cold / limit);
	figure(1, "steady, % of limit", 100 * steady / limit);
	figure(2, "sent / delivered - 1, %",
	       100 * ((double)st.bytes_sent * (limit * 1e6 / (double)w->rate_bps) /
			  (double)got_of(m, 0) -
		      1));
	left = (double)w->rate_bps / 1e6 * (1 - (double)(way->lost - lost) / (double)(way->n - n));
	CHECK(m, cold >= part_cold * limit && steady >= part * MIN(limit, left));
}

#define LINE_SCENARIO(n, cold, part) \
	static void l##n##_set(struct sim *m) \
	{ \
		lines(m, rate_lines[(n)-1]); \
		connect_ends(m, NULL, 0); \
	} \
	static void l##n##_check(struct sim *m) \
	{ \
		line_check(m, &rate_lines[(n)-1], cold, part); \
	}
LINE_SCENARIO(1, 0.7, 0.9)
LINE_SCENARIO(2, 0.45, 0.9)
LINE_SCENARIO(3, 0.7, 0.9)
LINE_SCENARIO(4, 0.65, 0.9)
LINE_SCENARIO(5, 0, 0.9)

/* Fetches on L1, on a tunnel that has carried nothing else. */
static double fetch_median(struct sim *m, uint64_t size)
{
	double times[15];

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		const struct end *e;

		plan_add(m, (struct plan){.up = 80, .down = size});
		open_all(m);
		finish_plan(m);
		e = m->end[0][m->n_plans - 1];
		times[i] = (double)(e->done_us - e->opened_us) / 1e3;
		run(m, m->now_us + (int64_t)rnd_to(&m->rng, 1000000), NULL);
	}
	qsort(times, ARRAY_LEN(times), sizeof(times[0]), by_value);
	return times[ARRAY_LEN(times) / 2];
}

static void first_check(struct sim *m)
{
	double ms[3];

	run(m, m->now_us + 3 * SEC_US, NULL);
	ms[0] = fetch_median(m, 1000);
	ms[1] = fetch_median(m, 100000);
	ms[2] = fetch_median(m, 1000000);
	figure(0, "1 KB, median ms", ms[0]);
	figure(1, "100 KB, median ms", ms[1]);
	figure(2, "1 MB, median ms", ms[2]);
	/* At the rate of the line from the first byte on. */
	CHECK(m, ms[0] <= 104 && ms[1] <= 116 && ms[2] <= 205);
}

/* A datagram echo and a transfer on L1. */
static void beside_check(struct sim *m)
{
	double bulk;

	run(m, m->now_us + 2 * SEC_US, NULL);
	bulk_start(m, m->seed % 2);
	run(m, m->now_us + 2 * SEC_US, NULL);
	m->rtt_ms = calloc(FLOW_SEQ_MAX, sizeof(*m->rtt_ms));
	CHECK(m, m->rtt_ms);
	flow_run(m, 100, 33 * MS_US);
	bulk = goodput_for(m, 0, 10 * SEC_US) / line_limit(&rate_lines[0]);
	qsort(m->rtt_ms, m->n_rtt, sizeof(*m->rtt_ms), by_float);
	figure(0, "p99 of the echo, ms", m->rtt_ms[m->n_rtt * 99 / 100]);
	figure(1, "bulk, % of limit", 100 * bulk);
	CHECK(m, m->n_rtt > 250 && m->rtt_ms[m->n_rtt * 99 / 100] <= 125 && bulk >= 0.85);
}

/* The line has half its rate of one moment to the next, then three times that. */
static void change_set(struct sim *m)
{
	lines(m, (struct way)LINE(100, 100, 0));
	connect_ends(m, NULL, 0);
}

static void change_check(struct sim *m)
{
	int64_t full = m->link->way[1].rate_bps;
	double got[2], queue = 0;

	run(m, m->now_us + 2 * SEC_US, NULL);
	bulk_start(m, false);
	run(m, m->now_us + 3 * SEC_US, NULL);
	for (int i = 0; i < 2; i++) {
		struct tunnel_stats st;

		m->link->way[1].rate_bps = i ? full * 3 / 2 : full / 2;
		run(m, m->now_us + 2 * SEC_US, NULL);
		tunnel_stats(m->client, &st);
		queue = MAX(queue, (double)(st.rtt_us - 100 * MS_US) / 1e3);
		got[i] = goodput_for(m, 0, 2 * SEC_US);
	}
	figure(0, "at 50 Mbit/s, Mbit/s", got[0]);
	figure(1, "at 150 Mbit/s, Mbit/s", got[1]);
	figure(2, "queue 2 s after, ms", queue);
	CHECK(m, got[0] >= 0.85 * 50 && got[1] >= 0.85 * 150 && queue <= 40);
}

/* ---- rivals ---- */

static void duel_check(struct sim *m, struct way w, enum rival a, enum rival b, double least,
		       double queue_ms)
{
	struct duel d;
	double share[2];

	duel_init(&d, &w, m->seed);
	duel_add(&d, a, 0);
	duel_add(&d, b, 5 * SEC_US);
	duel_run(&d, 10 * SEC_US);
	duel_mark(&d);
	duel_run(&d, 20 * SEC_US);
	share[0] = duel_mbit(&d, 0);
	share[1] = duel_mbit(&d, 1);
	figure(0, "the first has, %", 100 * share[0] / (share[0] + share[1]));
	figure(1, "both, Mbit/s", share[0] + share[1]);
	figure(2, "mean queue, ms", duel_queue_ms(&d));
	for (int i = 0; i < 2; i++)
		CHECK(m, share[i] >= least * (share[0] + share[1]));
	CHECK(m, share[0] + share[1] >= 0.9 * (double)w.rate_bps / 1e6);
	CHECK(m, duel_queue_ms(&d) <= queue_ms);
	duel_finish(&d);
}

static void no_set(struct sim *m)
{
	m->n_plans = 0;
}

static void two_check(struct sim *m)
{
	duel_check(m, rate_lines[3], RIVAL_GEX, RIVAL_GEX, 0.3, 25);
}

static void bbr_check(struct sim *m)
{
	bool first = m->seed % 2;

	duel_check(m, rate_lines[3], first ? RIVAL_GEX : RIVAL_BBR, first ? RIVAL_BBR : RIVAL_GEX,
		   0.2, 90);
}

static void cubic_check(struct sim *m)
{
	struct way w = rate_lines[3];

	w.loss_ppm = 0;
	duel_check(m, w, RIVAL_GEX, RIVAL_CUBIC, 0.2, 100);
}

#define SCENARIOS_LINES \
	{"L1", "100 Mbit/s, 100 ms, 1 %", l1_set, l1_check, 60 * SEC_US, 200}, \
	    {"L2", "100 Mbit/s, 200 ms, 5 %", l2_set, l2_check, 60 * SEC_US, 200}, \
	    {"L3", "50 Mbit/s, 150 ms, 3 % in bursts", l3_set, l3_check, 60 * SEC_US, 200}, \
	    {"L4", "200 Mbit/s, 60 ms, 0.1 %", l4_set, l4_check, 60 * SEC_US, 200}, \
	    {"L5", "200 Mbit/s, 200 ms, 10 %", l5_set, l5_check, 60 * SEC_US, 200}, \
	    {"first", "fetches on L1, a new tunnel", l1_set, first_check, 60 * SEC_US, 40}, \
	    {"beside", "30 Hz echo beside a transfer", l1_set, beside_check, 60 * SEC_US, 200}, \
	    {"change", "100, 50, 150 Mbit/s", change_set, change_check, 60 * SEC_US, 200}, \
	    {"two", "two tunnels on L4", no_set, two_check, 60 * SEC_US, 200}, \
	    {"bbr", "a kernel's BBR beside, L4", no_set, bbr_check, 60 * SEC_US, 200}, \
	{ \
		"cubic", "CUBIC beside, L4 without loss", no_set, cubic_check, 60 * SEC_US, 200 \
	}

#endif
