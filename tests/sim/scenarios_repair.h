/* What repair promises: echoes at 30 Hz and 100 bytes on lines that lose, their round trips, losses
 * and bytes. */
#ifndef SIM_SCENARIOS_REPAIR_H
#define SIM_SCENARIOS_REPAIR_H

static const struct way line_1 = {
    .rate_bps = 100000000, .queue_us = 100 * MS_US, .delay_us = 50 * MS_US, .loss_ppm = 10000};
static const struct way line_2 = {
    .rate_bps = 100000000, .queue_us = 100 * MS_US, .delay_us = 100 * MS_US, .loss_ppm = 50000};
static const struct way line_3 = {.rate_bps = 50000000,
				  .queue_us = 100 * MS_US,
				  .delay_us = 75 * MS_US,
				  .jitter_us = 5 * MS_US,
				  .bad_us = 20 * MS_US,
				  .good_us = 647 * MS_US};

static void line_1_set(struct sim *m)
{
	lines(m, line_1);
	connect_ends(m, NULL, 0);
}

static void line_2_set(struct sim *m)
{
	lines(m, line_2);
	connect_ends(m, NULL, 0);
}

static void line_3_set(struct sim *m)
{
	lines(m, line_3);
	connect_ends(m, NULL, 0);
}

static int by_float(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

/* On the wire: with UDP and IP, or with TLS, TCP and IP and TCP's own ACK. */
static uint64_t path_bytes(const struct tunnel *t, unsigned number)
{
	struct tunnel_path_stats p;

	if (!tunnel_path_stats(t, number, &p))
		return 0;
	return p.bytes_sent +
	       p.packets_sent * (p.peer.len & TUNNEL_ADDR_RELIABLE ? 24 + 52 + 52 : 28);
}

static uint64_t wire_bytes(const struct sim *m)
{
	return path_bytes(m->client, 0) + path_bytes(m->client, 1) + path_bytes(m->server, 0) +
	       path_bytes(m->server, 1);
}

/* What echoes came to: lost and bytes in percent of the plain exchange, percentiles over the line's
 * own time. */
struct echoes {
	double lost, bytes, p98_ms, p99_ms;
};

static struct echoes echo_count(struct sim *m, bool stream, int64_t seconds_long)
{
	double rtt = (double)(m->link->way[0].delay_us + m->link->way[1].delay_us) / 1e3;
	struct echoes e;
	uint64_t sent;
	size_t n;

	run(m, m->now_us + 30 * SEC_US, connected);
	run(m, m->now_us + 6 * SEC_US, NULL); /* what a new tunnel sends by itself has passed */
	m->rtt_ms = calloc(FLOW_SEQ_MAX, sizeof(*m->rtt_ms));
	m->echo_us = stream ? calloc(FLOW_SEQ_MAX, sizeof(*m->echo_us)) : NULL;
	CHECK(m, m->rtt_ms && (!stream || m->echo_us));
	m->flow_len = 100;
	m->flow_gap_us = 33333;
	m->flow_next_us = m->now_us;
	m->flow_end_us = m->now_us + seconds_long * SEC_US;
	sent = wire_bytes(m);
	run(m, m->flow_end_us + 2 * SEC_US, NULL);
	n = stream ? m->echo_sent : m->flow_sent;
	e.lost = 100 - 100 * (double)m->n_rtt / (double)n;
	e.bytes = 100 * (double)(wire_bytes(m) - sent) / (double)(2 * 128 * n);
	qsort(m->rtt_ms, m->n_rtt, sizeof(*m->rtt_ms), by_float);
	e.p98_ms = (double)m->rtt_ms[m->n_rtt * 98 / 100] - rtt;
	e.p99_ms = (double)m->rtt_ms[m->n_rtt * 99 / 100] - rtt;
	return e;
}

static struct echoes echo_run(struct sim *m, bool stream, int64_t seconds_long)
{
	struct echoes e = echo_count(m, stream, seconds_long);

	figure(0, "lost, %", e.lost);
	figure(1, "bytes, % of plain", e.bytes);
	figure(2, "p99 over RTT, ms", e.p99_ms);
	return e;
}

static void udp_check(struct sim *m)
{
	struct echoes e = echo_run(m, false, 300);

	bool bursts = m->link->way[0].bad_us;

	CHECK(m, e.lost <= (bursts ? 0.2 : 0.02) && e.bytes <= (bursts ? 260 : 250));
	/* One of 140 has no copy in time where bursts have no memory, in some seeds one of 90. */
	CHECK(m, bursts ? e.p98_ms <= 60 : e.p99_ms <= 5);
}

static void tcp_check(struct sim *m)
{
	struct echoes e = echo_run(m, true, 300);

	CHECK(m, e.lost == 0 && e.bytes <= (m->link->way[0].bad_us ? 1500 : 700));
	CHECK(m, e.p99_ms <= (m->link->way[0].bad_us ? 60 : 10));
}

/* The same beside a transfer that fills the line: of datagrams or of a stream. */
static struct echoes beside_run(struct sim *m, bool up)
{
	plan_add(m, (struct plan){.up = up ? 400 << 20 : 80, .down = up ? 80 : 400 << 20});
	open_all(m);
	run(m, m->now_us + 5 * SEC_US, NULL);
	return echo_run(m, m->seed % 2, 20);
}

static void beside_1_check(struct sim *m)
{
	struct echoes e = beside_run(m, false);

	/* Most of it is the queue that the transfer's own probing makes. */
	CHECK(m, e.lost <= 0.2 && e.p99_ms <= 60);
}

/* The way that the transfer does not go is one that nothing has measured. */
static void beside_2_check(struct sim *m)
{
	struct echoes e = beside_run(m, true);

	CHECK(m, e.lost <= 0.2 && e.p99_ms <= 25);
}

/* Nothing passes in a burst: one echo of 100 meets one that lasts for 36 ms more, and jitter and
 * queue come on top. */
static void beside_3_check(struct sim *m)
{
	struct echoes e = beside_run(m, true);

	CHECK(m, e.lost <= 0.2 && e.p98_ms <= 80);
}

/* Fetches of that size, one after the other on new streams; returns the median in ms. */
static double fetch_run(struct sim *m, uint64_t size)
{
	double times[15];

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct end *e;

		plan_add(m, (struct plan){.up = 80, .down = size});
		open_all(m);
		finish_plan(m);
		e = m->end[0][m->n_plans - 1];
		times[i] = (double)(e->done_us - e->opened_us) / 1e3;
		run(m, m->now_us + SEC_US + (int64_t)rnd_to(&m->rng, 700000), NULL);
	}
	qsort(times, ARRAY_LEN(times), sizeof(times[0]), by_value);
	return times[ARRAY_LEN(times) / 2];
}

/* After a transfer has shown what the line holds. */
static void fetch_check(struct sim *m)
{
	double small, large;

	plan_add(m, (struct plan){.up = 80, .down = 30 << 20});
	open_all(m);
	finish_plan(m);
	run(m, m->now_us + 2 * SEC_US, NULL);
	small = fetch_run(m, 100 * 1000);
	large = fetch_run(m, 1000 * 1000);
	figure(0, "100 KB, median ms", small);
	figure(1, "1 MB, median ms", large);
	CHECK(m, small <= 116 && large <= 200);
	close_both(m);
}

#endif
