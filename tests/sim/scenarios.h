/* The scenarios of sim_tunnel.c, which includes this file in its middle. */
#ifndef SIM_SCENARIOS_H
#define SIM_SCENARIOS_H

/* Figures of all seeds of a scenario, for -v. */
static struct {
	double v[3][4096];
	size_t n[3];
	const char *unit[3];
} fig;

static void figure(int i, const char *unit, double v)
{
	fig.unit[i] = unit;
	if (fig.n[i] < ARRAY_LEN(fig.v[i]))
		fig.v[i][fig.n[i]++] = v;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void figures(const struct scenario *sc, uint64_t n)
{
	if (verbose)
		printf("%-10s %4" PRIu64 " seeds  %s\n", sc->name, n, sc->what);
	for (int i = 0; i < 3; i++) {
		double *v = fig.v[i];
		size_t k = fig.n[i];

		qsort(v, k, sizeof(*v), by_value);
		if (verbose && k)
			printf("    %-28s min %9.2f  median %9.2f  max %9.2f\n", fig.unit[i], v[0],
			       v[k / 2], v[k - 1]);
	}
	memset(&fig, 0, sizeof(fig));
	fflush(stdout);
}

static double seconds(int64_t us)
{
	return (double)us / 1e6;
}

static void open_all(struct sim *m)
{
	while (m->n_opened < m->n_plans)
		open_next(m);
}

/* Runs the plan to its end and checks that all of it happened. */
static void finish_plan(struct sim *m)
{
	int64_t until = m->now_us + m->sc->limit_us;

	run(m, until, all_done);
	CHECK(m, all_done(m) && !m->client_closed);
}

/* The last acknowledgements are in. */
static bool quiet(const struct sim *m)
{
	struct tunnel_stats c, s;

	tunnel_stats(m->client, &c);
	tunnel_stats(m->server, &s);
	return c.streams == 0 && s.streams == 0;
}

static void close_both(struct sim *m)
{
	struct tunnel_stats c, s;

	run(m, m->now_us + 20 * SEC_US, quiet);
	tunnel_stats(m->client, &c);
	tunnel_stats(m->server, &s);
	CHECK(m, c.streams == 0 && s.streams == 0 && c.buffered_send == 0 && s.buffered_send == 0);
	CHECK(m, c.buffered_receive == 0 && s.buffered_receive == 0);
	CHECK(m, c.drops[TUNNEL_DROP_PROTOCOL] == 0 && s.drops[TUNNEL_DROP_PROTOCOL] == 0);
	tunnel_close(m->client, 300, "bye");
	lines(m, (struct way){.delay_us = 10});
	run(m, m->now_us + SEC_US, NULL);
	CHECK(m, m->client_closed && m->client_reason == 0);
	CHECK(m, m->server_closed && m->server_reason == -ECONNRESET);
}

/* ---- bulk on the main job's line, up or down ---- */

static void bulk_rate(struct sim *m, uint64_t bytes, double limit_mbit, double part)
{
	bool down = m->seed % 2;
	int64_t from;
	struct tunnel_stats st;
	double mbit;

	run(m, m->now_us + 5 * SEC_US, NULL);
	from = m->now_us;
	plan_add(m, (struct plan){.up = down ? 100 : bytes, .down = down ? bytes : 100});
	open_all(m);
	finish_plan(m);
	from = MAX(m->end[0][0]->done_us, m->end[1][0]->done_us) - from;
	mbit = (double)bytes * 8 / (double)from;
	tunnel_stats(down ? m->server : m->client, &st);
	figure(0, "goodput, Mbit/s", mbit);
	figure(1, "sent / delivered", (double)st.bytes_sent / (double)bytes);
	figure(2, "spurious losses, %",
	       100.0 * (double)st.packets_lost_spurious / (double)MAX(st.packets_sent, 1));
	CHECK(m, mbit >= part * limit_mbit);
	close_both(m);
}

static void main_set(struct sim *m)
{
	lines(m, main_line);
	connect_ends(m, NULL, 0);
}

static void bulk_check(struct sim *m)
{
	bulk_rate(m, 20 << 20, 50 * 0.99, 0.75);
}

static void fast_set(struct sim *m)
{
	lines(m,
	      (struct way){.rate_bps = 500000000, .queue_us = 50 * MS_US, .delay_us = 25 * MS_US});
	connect_ends(m, NULL, 0);
}

static void fast_check(struct sim *m)
{
	bulk_rate(m, 200 << 20, 500, 0.75);
}

static void heavy_set(struct sim *m)
{
	lines(m, (struct way){.rate_bps = 20000000,
			      .queue_us = 100 * MS_US,
			      .delay_us = 100 * MS_US,
			      .loss_ppm = 100000});
	connect_ends(m, NULL, 0);
}

static void heavy_check(struct sim *m)
{
	/* Steady it reaches 0.95; of 6 s a lost opening and a lost end may take one each. */
	bulk_rate(m, 10 << 20, 20 * 0.9, 0.6);
}

static void burst_set(struct sim *m)
{
	lines(m, (struct way){.rate_bps = 50000000,
			      .queue_us = 100 * MS_US,
			      .delay_us = 75 * MS_US,
			      .jitter_us = 5 * MS_US,
			      .bad_us = 20 * MS_US,
			      .good_us = 640 * MS_US});
	connect_ends(m, NULL, 0);
}

static void burst_check(struct sim *m)
{
	bulk_rate(m, 20 << 20, 50 * 0.97, 0.6);
}

/* A clean line with a deep queue: it is not filled. */
static void queue_set(struct sim *m)
{
	lines(m,
	      (struct way){.rate_bps = 100000000, .queue_us = 200 * MS_US, .delay_us = 25 * MS_US});
	connect_ends(m, NULL, 0);
}

static void queue_check(struct sim *m)
{
	int64_t rtt = 0;
	struct tunnel_stats st;

	plan_add(m, (struct plan){.up = 100, .down = 100 << 20});
	open_all(m);
	run(m, m->now_us + 2 * SEC_US, NULL);
	for (int i = 0; i < 500; i++) {
		run(m, m->now_us + 10 * MS_US, NULL);
		tunnel_stats(m->server, &st);
		rtt += st.rtt_us;
	}
	figure(0, "mean standing queue, ms", (double)(rtt / 500 - 50 * MS_US) / 1e3);
	CHECK(m, rtt / 500 <= 75 * MS_US);
	finish_plan(m);
	close_both(m);
}

/* The line becomes five times slower, then as it was. */
static void steps_check(struct sim *m)
{
	uint64_t before;
	double slow, fast;

	run(m, m->now_us + SEC_US, NULL);
	plan_add(m, (struct plan){.up = 100, .down = 100 << 20});
	open_all(m);
	run(m, m->now_us + 4 * SEC_US, NULL);
	m->link.way[0].rate_bps /= 5;
	run(m, m->now_us + 4 * SEC_US, NULL);
	before = m->end[0][0]->got;
	run(m, m->now_us + 4 * SEC_US, NULL);
	slow = (double)(m->end[0][0]->got - before) * 8 / 4e6;
	m->link.way[0].rate_bps *= 5;
	run(m, m->now_us + 4 * SEC_US, NULL);
	before = m->end[0][0]->got;
	run(m, m->now_us + 4 * SEC_US, NULL);
	fast = (double)(m->end[0][0]->got - before) * 8 / 4e6;
	figure(0, "at 10 Mbit/s, Mbit/s", slow);
	figure(1, "at 50 again, Mbit/s", fast);
	CHECK(m, slow >= 7.5 && fast >= 37);
	finish_plan(m);
}

/* A rate set by hand is kept, whatever is lost. */
static void fixed_set(struct sim *m)
{
	struct tunnel_conf conf;

	tunnel_conf_default(&conf);
	conf.rate_bps = 15000000;
	lines(m, main_line);
	m->link.way[0].loss_ppm = m->link.way[1].loss_ppm = 50000;
	connect_ends(m, &conf, 0);
}

static void fixed_check(struct sim *m)
{
	bulk_rate(m, 10 << 20, 15 * 0.95, 0.85);
}

/* ---- requests of 1 KB on an idle tunnel ---- */

static void request_check(struct sim *m)
{
	int64_t rtt = 100 * MS_US;
	double worst = 0, times[20], sum = 0;

	run(m, m->now_us + 5 * SEC_US, NULL);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct end *e;

		plan_add(m, (struct plan){.up = 80, .down = 1024});
		open_all(m);
		finish_plan(m);
		e = m->end[0][i];
		times[i] = (double)(e->done_us - e->opened_us - rtt) / 1e3;
		worst = MAX(worst, times[i]);
		sum += times[i];
		run(m, m->now_us + (int64_t)rnd_to(&m->rng, 700000), NULL);
	}
	qsort(times, ARRAY_LEN(times), sizeof(times[0]), by_value);
	figure(0, "median over 1 RTT, ms", times[ARRAY_LEN(times) / 2]);
	figure(1, "worst over 1 RTT, ms", worst);
	CHECK(m, times[ARRAY_LEN(times) / 2] <= 10);
	CHECK(m, worst <= 700);
	close_both(m);
}

/* ---- many streams of all sizes both ways, ends and resets among them, on a bad line ---- */

static void mixed_set(struct sim *m)
{
	uint64_t *r = &m->rng;
	struct way w = {.rate_bps = 20000000, .queue_us = 100 * MS_US};
	struct tunnel_conf conf;

	tunnel_conf_default(&conf);
	conf.handshake_us = 30 * SEC_US; /* `shake` looks at those that fail */
	w.delay_us = (int64_t)rnd_to(r, 100000);
	w.jitter_us = (int64_t)rnd_to(r, 20000);
	w.loss_ppm = (unsigned)rnd_to(r, 100000);
	w.dup_ppm = (unsigned)rnd_to(r, 30000);
	w.reorder_ppm = (unsigned)rnd_to(r, 50000);
	w.reorder_us = (int64_t)rnd_to(r, 50000);
	lines(m, w);
	m->link.way[0].mask = rnd(r) & rnd(r) & rnd(r);
	m->link.way[1].mask = rnd(r) & rnd(r) & rnd(r);
	connect_ends(m, &conf, 0);
}

static uint64_t some_size(uint64_t *r)
{
	return rnd_to(r, UINT64_C(1) << rnd_to(r, 20));
}

static void mixed_check(struct sim *m)
{
	unsigned resets = 0;

	for (int i = 0; i < 60; i++) {
		struct plan p = {.up = some_size(&m->rng), .down = some_size(&m->rng)};

		p.class = (enum tunnel_class)rnd_to(&m->rng, 5);
		if (rnd_to(&m->rng, 8) == 0) {
			p.down += 1000;
			p.reset_at = 1 + rnd_to(&m->rng, p.down - 1);
			resets++;
		}
		plan_add(m, p);
	}
	while (m->n_opened < m->n_plans) {
		open_next(m); /* the first ones before there is a connection */
		run(m, m->now_us + (int64_t)rnd_to(&m->rng, 100000), NULL);
		CHECK(m, !m->client_closed);
	}
	/* The server's end of a reset stream gives its handle back at once. */
	run(m, m->now_us + m->sc->limit_us, all_done);
	CHECK(m, all_done(m) && !m->client_closed);
	CHECK(m, m->resets == 2 * resets);
	figure(0, "all done after, s", seconds(m->now_us));
	close_both(m);
}

/* ---- a reader that stops: the sender stops too, and others go on ---- */

static void stopped_check(struct sim *m)
{
	struct tunnel_stats st;
	struct end *e;

	plan_add(m, (struct plan){.up = 10, .down = 80 << 20, .stopped = true});
	open_all(m);
	run(m, m->now_us + 20 * SEC_US, NULL);
	CHECK(m, m->end[1][0] && m->end[1][0]->sent < 8 << 20);
	tunnel_stats(m->client, &st);
	CHECK(m, st.buffered_receive <= 1 << 20);
	plan_add(m, (struct plan){.up = 100, .down = 2 << 20});
	open_all(m);
	run(m, m->now_us + 3 * SEC_US, NULL);
	CHECK(m, m->end[0][1]->done_us > 0);
	/* The reader wakes up; all comes. */
	e = m->end[0][0];
	e->stopped = false;
	end_read(m, e);
	finish_plan(m);
	figure(0, "buffered by the sender, KB", (double)m->most_buffered / 1024);
	close_both(m);
}

/* ---- flows ---- */

static void flow_set(struct sim *m)
{
	lines(m, main_line);
	m->link.way[0].jitter_us = m->link.way[1].jitter_us = 5 * MS_US;
	m->link.way[0].dup_ppm = m->link.way[1].dup_ppm = 50000;
	m->link.way[0].reorder_ppm = 100000;
	m->link.way[0].reorder_us = 20 * MS_US;
	connect_ends(m, NULL, 0);
}

static void flow_run(struct sim *m, size_t len, int64_t gap_us)
{
	run(m, m->now_us + 3 * SEC_US, NULL);
	m->flow_len = len;
	m->flow_gap_us = gap_us;
	m->flow_next_us = m->now_us;
	m->flow_end_us = m->now_us + 10 * SEC_US;
}

static void flow_check(struct sim *m)
{
	size_t len = m->seed % 3 == 0 ? 5000 : 100;

	flow_run(m, len, 33 * MS_US);
	run(m, m->now_us + 12 * SEC_US, NULL);
	CHECK(m, m->flow_sent > 300);
	figure(0, "lost, %", 100 - 100.0 * (double)m->flow_back / (double)m->flow_sent);
	figure(1, "worst round trip, ms", (double)m->flow_worst_us / 1e3);
	/* Each is two datagrams' risk of 1 %, or ten. Lost ones delay nothing: 100 ms, jitter, the
	 * reordering of the link, and a timer's grain. */
	CHECK(m, m->flow_back * 100 >= m->flow_sent * (len > 1000 ? 75 : 92));
	CHECK(m, m->flow_worst_us <= 100 * MS_US + 35 * MS_US);
	/* Idle, it ends on both sides. */
	run(m, m->now_us + 65 * SEC_US, NULL);
	CHECK(m, !m->flow[0] && !m->flow[1] && !m->client_closed);
	close_both(m);
}

/* The same beside a bulk transfer that fills the line. */
static void play_check(struct sim *m)
{
	plan_add(m, (struct plan){.up = 50, .down = 60 << 20, .class = TUNNEL_BULK});
	open_all(m);
	flow_run(m, 100, 33 * MS_US);
	run(m, m->now_us + 12 * SEC_US, NULL);
	figure(0, "lost, %", 100 - 100.0 * (double)m->flow_back / (double)m->flow_sent);
	figure(1, "worst round trip, ms", (double)m->flow_worst_us / 1e3);
	CHECK(m, m->flow_back * 100 >= m->flow_sent * 88);
	CHECK(m, m->flow_worst_us <= 100 * MS_US + 110 * MS_US);
	finish_plan(m);
}

/* ---- life ---- */

static void outage_check(struct sim *m)
{
	run(m, m->now_us + SEC_US, NULL);
	plan_add(m, (struct plan){.up = 5 << 20, .down = 5 << 20});
	open_all(m);
	for (int i = 0; i < 2; i++) {
		m->link.way[i].out_from_us = m->now_us + 700 * MS_US;
		m->link.way[i].out_to_us = m->now_us + 4700 * MS_US;
	}
	m->moved_us = m->now_us + 300 * MS_US;
	finish_plan(m);
	figure(0, "10 MB with 4 s out, s",
	       seconds(m->end[0][0]->done_us - m->end[0][0]->opened_us));
	CHECK(m, m->end[0][0]->done_us - m->end[0][0]->opened_us < 9 * SEC_US);
	close_both(m);
}

/* A path that takes 1400 bytes, then only 1250: found out, both times. */
static void mtu_check(struct sim *m)
{
	struct tunnel_stats st;

	m->link.way[0].mtu = m->link.way[1].mtu = 1400;
	run(m, m->now_us + 8 * SEC_US, NULL);
	tunnel_stats(m->client, &st);
	CHECK(m, st.dgram_size == 1400);
	plan_add(m, (struct plan){.up = 10 << 20, .down = 100});
	open_all(m);
	run(m, m->now_us + SEC_US, NULL);
	m->link.way[0].mtu = m->link.way[1].mtu = 1250;
	finish_plan(m);
	tunnel_stats(m->client, &st);
	CHECK(m, st.dgram_size == TUNNEL_DGRAM_MIN);
	figure(0, "10 MB, s", seconds(m->end[0][0]->done_us - m->end[0][0]->opened_us));
	close_both(m);
}

static void dead_check(struct sim *m)
{
	int64_t from;

	run(m, m->now_us + 2 * SEC_US, NULL);
	CHECK(m, m->connected && m->server);
	plan_add(m, (struct plan){.up = 5 << 20, .down = 5 << 20});
	open_all(m);
	run(m, m->now_us + 500 * MS_US, NULL);
	m->link.way[m->seed % 2].loss_ppm = 1000000;
	from = m->now_us;
	run(m, m->now_us + 20 * SEC_US, NULL);
	CHECK(m, m->client_closed && m->server_closed && m->client_reason == -ETIMEDOUT);
	CHECK(m, m->server_reason == -ETIMEDOUT);
	figure(0, "noticed after, s (bound)", seconds(m->now_us - from));
}

static bool closed(const struct sim *m)
{
	return m->client_closed;
}

/* The server's process is replaced: the client knows at once, not after the idle time. */
static void restart_check(struct sim *m)
{
	struct crypt_ring ring;
	int64_t from;

	run(m, m->now_us + 2 * SEC_US, NULL);
	plan_add(m, (struct plan){.up = 50 << 20, .down = 10});
	open_all(m);
	run(m, m->now_us + 500 * MS_US, NULL);
	acceptor_destroy(m->acceptor);
	m->server = NULL;
	ring_of(&ring, 0);
	CHECK(m, acceptor_create(NULL, &ring, m->now_us, &m->acceptor) == 0);
	from = m->now_us;
	run(m, m->now_us + 10 * SEC_US, closed);
	CHECK(m, m->client_closed && m->client_reason == -ETIMEDOUT);
	figure(0, "noticed after, s", seconds(m->now_us - from));
	CHECK(m, m->now_us - from < 2 * SEC_US);
}

static void wrong_set(struct sim *m)
{
	lines(m, main_line);
	connect_ends(m, NULL, m->seed % 2 ? 7 : 17); /* the right name, or not */
}

static void wrong_check(struct sim *m)
{
	struct acceptor_stats st;
	int64_t from = m->now_us;

	run(m, m->now_us + 10 * SEC_US, closed);
	CHECK(m, m->client_closed && m->client_reason == -EACCES && !m->server);
	figure(0, "told after, s", seconds(m->now_us - from));
	CHECK(m, m->now_us - from <= 5 * SEC_US + 10 * MS_US);
	run(m, m->now_us + 10 * SEC_US, NULL);
	acceptor_stats(m->acceptor, &st);
	CHECK(m, st.wrong_key == 1 && st.pending == 0 && st.tunnels == 0);
}

/* Handshakes under heavy loss, and datagrams lost by mask. */
static void shake_set(struct sim *m)
{
	lines(m, (struct way){.delay_us = 30 * MS_US, .loss_ppm = 200000});
	m->link.way[0].mask = m->seed;
	m->link.way[1].mask = m->seed >> 3;
	connect_ends(m, NULL, 0);
}

static void shake_check(struct sim *m)
{
	int64_t from = m->now_us;

	plan_add(m, (struct plan){.up = 3000, .down = 100000});
	open_all(m);
	run(m, m->now_us + m->sc->limit_us, all_done);
	if (m->client_closed) { /* only a handshake that took too long may fail here */
		CHECK(m, m->client_reason != -EPROTO && m->now_us - from > 4900 * MS_US);
		return;
	}
	CHECK(m, all_done(m));
	figure(0, "connected after, ms", (double)(m->connected_us - from) / 1e3);
	close_both(m);
}

#include "scenarios_rate.h"

static const struct scenario scenarios[] = {
    SCENARIOS_RATE
    {"bulk", "20 MB at 50 Mbit/s, 100 ms, 1 %", main_set, bulk_check, 60 * SEC_US, true},
    {"fast", "200 MB at 500 Mbit/s, 50 ms, no loss", fast_set, fast_check, 60 * SEC_US, true},
    {"heavy", "10 MB at 20 Mbit/s, 200 ms, 10 %", heavy_set, heavy_check, 60 * SEC_US, true},
    {"burst", "20 MB at 50 Mbit/s, 150 ms, 3 % in bursts", burst_set, burst_check, 60 * SEC_US,
     true},
    {"queue", "100 Mbit/s, 50 ms, 200 ms of queue", queue_set, queue_check, 60 * SEC_US, true},
    {"steps", "50, 10, 50 Mbit/s", main_set, steps_check, 60 * SEC_US, true},
    {"fixed", "15 Mbit/s by hand, 5 % lost", fixed_set, fixed_check, 60 * SEC_US, true},
    {"request", "1 KB fetches on the main line", main_set, request_check, 20 * SEC_US, false},
    {"mixed", "60 streams on a bad line", mixed_set, mixed_check, 300 * SEC_US, false},
    {"stopped", "a reader that stops", main_set, stopped_check, 120 * SEC_US, true},
    {"flow", "30 Hz echo, jitter, reordering, doubles", flow_set, flow_check, 30 * SEC_US, false},
    {"play", "30 Hz echo beside a bulk transfer", main_set, play_check, 60 * SEC_US, true},
    {"outage", "4 s without a line, a new address", main_set, outage_check, 60 * SEC_US, false},
    {"mtu", "a path that takes less, and still less", main_set, mtu_check, 60 * SEC_US, true},
    {"dead", "a line that dies one way", main_set, dead_check, 60 * SEC_US, false},
    {"restart", "another server in its place", main_set, restart_check, 60 * SEC_US, false},
    {"wrong", "the wrong key", wrong_set, wrong_check, 60 * SEC_US, false},
    {"shake", "handshakes at 20 % loss", shake_set, shake_check, 60 * SEC_US, false},
};

#endif
