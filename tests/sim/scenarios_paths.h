/* Several paths: what dies and comes back, what is shared out, whom the server believes. */
#ifndef SIM_SCENARIOS_PATHS_H
#define SIM_SCENARIOS_PATHS_H

#include "sim.h"
#include "report.h"

/* A short line and a long one. */
static const struct way line_short = {
    .rate_bps = 40000000, .queue_us = 50 * MS_US, .delay_us = 20 * MS_US, .loss_ppm = 5000};
static const struct way line_long = {
    .rate_bps = 20000000, .queue_us = 80 * MS_US, .delay_us = 80 * MS_US, .loss_ppm = 10000};

static void line(struct sim *m, int l, struct way w)
{
	m->link[l].way[0] = m->link[l].way[1] = w;
}

static void cut(struct sim *m, int l, int64_t from_us, int64_t to_us)
{
	for (int i = 0; i < 2; i++) {
		m->link[l].way[i].out_from_us = from_us;
		m->link[l].way[i].out_to_us = to_us;
	}
}

static void two_set(struct sim *m)
{
	line(m, 0, line_short);
	line(m, 1, line_long);
	connect_ends(m, NULL, 0);
	CHECK(m, tunnel_path_add(m->client, 1, &m->addr[1][1]) == 1);
	CHECK(m, tunnel_path_add(m->client, 1, &m->addr[1][1]) == -EEXIST);
}

static bool path_up(const struct tunnel *t, unsigned number)
{
	struct tunnel_path_stats st;

	return tunnel_path_stats(t, number, &st) && st.state == TUNNEL_PATH_UP;
}

static bool both_up(const struct sim *m)
{
	return m->server && path_up(m->client, 1) && path_up(m->server, 1) &&
	       path_up(m->client, 0) && path_up(m->server, 0);
}

static bool newest_open(const struct sim *m)
{
	return m->end[0][m->n_plans - 1] && m->end[1][m->n_plans - 1];
}

/* A transfer of so many bytes, down or up by seed; returns the reader. On a line with bursts its opening may be lost
 * three times. */
static struct end *transfer(struct sim *m, uint64_t bytes)
{
	bool down = m->seed % 2;

	plan_add(m, (struct plan){.up = down ? 100 : bytes, .down = down ? bytes : 100});
	open_all(m);
	run(m, m->now_us + 500 * MS_US, NULL);
	if (!newest_open(m))
		run(m, m->now_us + SEC_US, newest_open);
	CHECK(m, newest_open(m));
	return m->end[!down][m->n_plans - 1];
}

/* The longest time until `until` in which nothing more could be read. */
static int64_t worst_stall(struct sim *m, const struct end *e, int64_t until)
{
	int64_t since = m->now_us, worst = 0;
	uint64_t got = e->got;

	while (m->now_us < until && !e->done_us) {
		run(m, m->now_us + 5 * MS_US, NULL);
		if (e->got != got)
			since = m->now_us;
		got = e->got;
		worst = MAX(worst, m->now_us - since);
	}
	return worst;
}

/* ---- one of two dies in a transfer ---- */

static void switch_check(struct sim *m)
{
	int dies = (int)(m->seed / 2 % 2);
	struct tunnel_stats st;
	struct end *e;
	int64_t stall, at;

	run(m, m->now_us + 2 * SEC_US, both_up);
	CHECK(m, both_up(m));
	e = transfer(m, 24 << 20);
	run(m, m->now_us + SEC_US, NULL);
	at = m->now_us;
	cut(m, dies, at, at + 4 * SEC_US);
	stall = worst_stall(m, e, at + 3 * SEC_US);
	figure(0, "longest stall, ms", (double)stall / 1e3);
	CHECK(m, stall <= 500 * MS_US);
	CHECK(m, !path_up(m->client, (unsigned)dies) && !path_up(m->server, (unsigned)dies));
	run(m, at + 4 * SEC_US, NULL);
	run(m, m->now_us + 2 * SEC_US, both_up);
	figure(1, "back in use after, ms", (double)(m->now_us - at - 4 * SEC_US) / 1e3);
	CHECK(m, m->now_us - at <= 4800 * MS_US);
	finish_plan(m);
	tunnel_stats(m->client, &st);
	CHECK(m, st.path_deaths >= 1 && st.paths == 2 && !st.resuming);
	close_both(m);
}

/* Lines that lose in bursts are not dead. */
static void shaky_set(struct sim *m)
{
	struct way w = {.rate_bps = 50000000,
			.queue_us = 100 * MS_US,
			.delay_us = 75 * MS_US,
			.jitter_us = 5 * MS_US,
			.bad_us = 20 * MS_US,
			.good_us = 640 * MS_US};

	two_set(m);
	line(m, 0, w);
	w.delay_us = 100 * MS_US;
	w.bad_us = 0;
	w.loss_ppm = 50000;
	line(m, 1, w);
}

static void shaky_check(struct sim *m)
{
	struct tunnel_stats c, s;

	flow_run(m, 100, 33 * MS_US);
	m->flow_end_us = m->now_us + 60 * SEC_US;
	run(m, m->now_us + 62 * SEC_US, NULL);
	tunnel_stats(m->client, &c);
	tunnel_stats(m->server, &s);
	figure(0, "deaths that were none in 60 s", (double)(c.path_deaths + s.path_deaths));
	CHECK(m, c.path_deaths + s.path_deaths <= 6);
	close_both(m);
}

/* ---- all are gone for a time ---- */

static void gone_set(struct sim *m)
{
	if (m->seed % 2)
		two_set(m);
	else
		main_set(m);
}

static void gone_check(struct sim *m)
{
	struct tunnel_stats st;
	struct end *e;
	int64_t at, back;
	uint64_t got;

	run(m, m->now_us + 2 * SEC_US, NULL);
	e = transfer(m, 16 << 20);
	run(m, m->now_us + 500 * MS_US, NULL);
	at = m->now_us;
	back = at + 10 * SEC_US;
	cut(m, 0, at, back);
	cut(m, 1, at, back);
	if (m->seed / 2 % 3 == 0)
		m->moved_us = at + 3 * SEC_US; /* another network */
	run(m, at + 5 * SEC_US, NULL);
	tunnel_stats(m->client, &st);
	CHECK(m, st.resuming);
	plan_add(m, (struct plan){.up = 1000, .down = 1000}); /* waits, too */
	open_all(m);
	run(m, back, NULL);
	got = e->got;
	while (e->got == got && m->now_us < back + 2 * SEC_US)
		run(m, m->now_us + 5 * MS_US, NULL);
	figure(0, "bytes again after, ms", (double)(m->now_us - back) / 1e3);
	CHECK(m, m->now_us - back <= SEC_US);
	finish_plan(m);
	tunnel_stats(m->server, &st);
	CHECK(m, st.resumed == 1 && !st.resuming);
	close_both(m);
}

static void given_up_check(struct sim *m)
{
	struct acceptor_stats st;
	int64_t at;

	run(m, m->now_us + 2 * SEC_US, NULL);
	transfer(m, 64 << 20);
	at = m->now_us;
	cut(m, 0, at, at + 40 * SEC_US);
	cut(m, 1, at, at + 40 * SEC_US);
	run(m, at + 29 * SEC_US, NULL);
	CHECK(m, !m->client_closed && !m->server_closed);
	run(m, at + 33 * SEC_US, NULL);
	CHECK(m, m->client_closed && m->client_reason == -ETIMEDOUT);
	CHECK(m, m->server_closed && m->server_reason == -ETIMEDOUT);
	run(m, at + 45 * SEC_US, NULL);
	acceptor_stats(m->acceptor, &st);
	CHECK(m, st.tunnels == 0);
}

/* ---- the client's address changes ---- */

static void roam_check(struct sim *m)
{
	struct tunnel_stats st;
	struct end *e;
	int64_t stall;

	run(m, m->now_us + 2 * SEC_US, NULL);
	e = transfer(m, 16 << 20);
	run(m, m->now_us + 500 * MS_US, NULL);
	if (m->seed / 2 % 2)
		m->also = m->addr[0][0];
	m->moved_us = m->now_us;
	stall = worst_stall(m, e, m->now_us + 2 * SEC_US);
	figure(0, "longest stall, ms", (double)stall / 1e3);
	/* When the client's last ACK had left before the move it asks after 50 ms; then the server hears of it, asks, is
	 * answered, and what it sends arrives: two round trips of 100 ms, and one more for what is lost of that. */
	CHECK(m, stall <= 400 * MS_US);
	finish_plan(m);
	tunnel_stats(m->server, &st);
	CHECK(m, st.moved == 1 && st.resumed == 0);
	close_both(m);
}

/* Somebody on the way lets the client's datagrams come from where nobody answers. */
static void forged_check(struct sim *m)
{
	struct tunnel_stats st;
	struct end *e;
	uint64_t before;

	run(m, m->now_us + 2 * SEC_US, NULL);
	e = transfer(m, 16 << 20);
	run(m, m->now_us + 300 * MS_US, NULL);
	m->also = m->addr[0][0];
	m->addr[0][0].bytes[3] = 66;
	m->deaf = true;
	tunnel_stats(m->client, &st);
	before = st.bytes_sent;
	CHECK(m, worst_stall(m, e, m->now_us + SEC_US) <= 400 * MS_US);
	tunnel_stats(m->client, &st);
	figure(0, "bytes there / bytes from there",
	       (double)m->unheard / (double)(st.bytes_sent - before));
	CHECK(m, m->unheard > 0 && m->unheard <= 3 * (st.bytes_sent - before));
	m->addr[0][0] = m->also;
	m->also.len = 0;
	m->deaf = false;
	finish_plan(m);
	tunnel_stats(m->server, &st);
	CHECK(m, st.moved == 0);
	close_both(m);
}

/* ---- both at once ---- */

/* A game on two paths: one of them loses much, or dies. */
static void twins_check(struct sim *m)
{
	unsigned bad = (unsigned)(m->seed / 2 % 2);
	struct tunnel_stats st;

	run(m, m->now_us + 2 * SEC_US, both_up);
	for (int l = 0; l < 2; l++)
		for (int i = 0; i < 2; i++)
			m->link[l].way[i].loss_ppm = 0;
	flow_run(m, 100, 33 * MS_US);
	run(m, m->now_us + 500 * MS_US, NULL);
	if (m->seed % 2)
		cut(m, (int)bad, m->now_us, NEVER_US);
	else
		m->link[bad].way[0].loss_ppm = m->link[bad].way[1].loss_ppm = 300000;
	run(m, m->now_us + 12 * SEC_US, NULL);
	tunnel_stats(m->client, &st);
	figure(0, "lost", (double)(m->flow_sent - m->flow_back));
	figure(1, "worst round trip, ms", (double)m->flow_worst_us / 1e3);
	figure(2, "bytes sent / those of the game",
	       (double)st.bytes_sent / (double)(m->flow_sent * m->flow_len));
	CHECK(m, m->flow_sent > 300 && m->flow_back == m->flow_sent);
	CHECK(m, m->flow_worst_us <= 160 * MS_US + 20 * MS_US);
}

static double capacity(const struct way *w)
{
	return (double)w->rate_bps / 1e6 * (1 - (double)w->loss_ppm / 1e6);
}

/* Ten seconds' worth of bytes for both lines together. */
static void stripe(struct sim *m, double part)
{
	double mbit, limit = capacity(&m->link[0].way[0]) + capacity(&m->link[1].way[0]);
	int64_t from, us;
	uint64_t bytes = (uint64_t)(limit * 1e6 / 8 * 10);
	struct tunnel_stats st;
	struct end *e;

	run(m, m->now_us + 2 * SEC_US, both_up);
	from = m->now_us;
	e = transfer(m, bytes);
	finish_plan(m);
	us = e->done_us - from;
	mbit = (double)bytes * 8 / (double)us;
	tunnel_stats(m->seed % 2 ? m->server : m->client, &st);
	figure(0, "goodput, % of both lines", 100 * mbit / limit);
	figure(1, "sent / delivered", (double)st.bytes_sent / (double)bytes);
	figure(2, "spurious losses, %",
	       100.0 * (double)st.packets_lost_spurious / (double)MAX(st.packets_sent, 1));
	CHECK(m, mbit >= part * limit);
	close_both(m);
}

static void stripe_check(struct sim *m)
{
	stripe(m, 0.85);
}

/* ---- a connection of TCP stands by ---- */

static void beside_tls(struct sim *m, struct way w)
{
	line(m, 0, w);
	w.reliable = true;
	w.queue_us = SEC_US;
	line(m, 1, w);
	m->addr[1][0].len |= TUNNEL_ADDR_RELIABLE;
	m->addr[1][1].len |= TUNNEL_ADDR_RELIABLE;
	connect_ends(m, NULL, 0);
	CHECK(m, tunnel_path_add(m->client, 1, &m->addr[1][1]) == 1);
}

static void standby_set(struct sim *m)
{
	struct way w = line_2;

	w.rate_bps = 20000000;
	beside_tls(m, w);
}

/* Both kinds of echoes for so long. */
static void echoes_begin(struct sim *m, int64_t us)
{
	m->rtt_ms = calloc(FLOW_SEQ_MAX, sizeof(*m->rtt_ms));
	m->echo_us = calloc(FLOW_SEQ_MAX, sizeof(*m->echo_us));
	CHECK(m, m->rtt_ms && m->echo_us);
	m->echo_both = true;
	m->flow_len = 100;
	m->flow_gap_us = 16667;
	m->flow_next_us = m->now_us;
	m->flow_end_us = m->now_us + us;
}

/* Of both ends' path `number`. */
static uint64_t deaths(const struct sim *m, unsigned number)
{
	struct tunnel_path_stats c, s;

	CHECK(m,
	      tunnel_path_stats(m->client, number, &c) && tunnel_path_stats(m->server, number, &s));
	return c.deaths + s.deaths;
}

/* The urgent never wait for TCP while the line lives, and not long when it dies for a moment. */
static void standby_check(struct sim *m)
{
	bool dies = m->seed % 2;
	uint64_t much = UINT64_C(1) << 40;
	int64_t at, out_us = 0;

	run(m, m->now_us + 3 * SEC_US, both_up);
	CHECK(m, both_up(m));
	if (m->seed / 4 % 2) /* otherwise one side has seen nothing of the line yet */
		run(m, m->now_us + 4 * SEC_US, NULL);
	if (m->seed / 2 % 2)
		plan_add(m, (struct plan){.up = much, .down = 10});
	else
		plan_add(m, (struct plan){.up = 10, .down = much});
	open_all(m);
	run(m, m->now_us + 3 * SEC_US, NULL);
	echoes_begin(m, 30 * SEC_US);
	at = m->now_us + 5 * SEC_US + (int64_t)rnd_to(&m->rng, 1000000);
	if (dies)
		out_us = 100 * MS_US + (int64_t)rnd_to(&m->rng, 3000000);
	cut(m, 0, at, at + out_us);
	run(m, m->now_us + 35 * SEC_US, NULL);
	qsort(m->rtt_ms, m->n_rtt, sizeof(*m->rtt_ms), by_float);
	figure(0, "longest echo, ms", (double)m->rtt_ms[m->n_rtt - 1]);
	figure(1, "p99 of the echoes, ms", (double)m->rtt_ms[m->n_rtt * 99 / 100]);
	figure(2, "deaths", (double)deaths(m, 0));
	CHECK(m, m->n_rtt * 1000 >= (m->echo_sent + m->flow_sent) * 995);
	CHECK(m, m->rtt_ms[m->n_rtt - 1] <= (dies ? 3000 : 1000));
	/* A round trip of 200 ms, a copy after a loss, and what the transfer has in the queue: 263 at most in 250 seeds. */
	CHECK(m, dies || (deaths(m, 0) == 0 && m->rtt_ms[m->n_rtt * 99 / 100] <= 280));
}

/* Datagrams alone: what standing by costs on the wire. */
static void spare_set(struct sim *m)
{
	const struct way *of[] = {&line_1, &line_2, &line_3};

	beside_tls(m, *of[m->seed % 3]);
}

static void spare_check(struct sim *m)
{
	struct sim *lone = sim_new(m->sc, m->seed);
	struct echoes without, with;
	uint64_t before;

	line(lone, 0, m->link[0].way[0]);
	connect_ends(lone, NULL, 0);
	without = echo_count(lone, false, 300);
	sim_destroy(lone);
	run(m, m->now_us + 5 * SEC_US, NULL);
	CHECK(m, both_up(m));
	before = deaths(m, 0) + deaths(m, 1);
	with = echo_count(m, false, 300);
	figure(0, "bytes, % of plain", with.bytes);
	figure(1, "standing by costs, %", 100 * (with.bytes / without.bytes - 1));
	figure(2, "deaths", (double)(deaths(m, 0) + deaths(m, 1) - before));
	CHECK(m, both_up(m) && deaths(m, 0) + deaths(m, 1) == before);
	CHECK(m, with.bytes <= 1.02 * without.bytes);
	CHECK(m, with.lost <= 0.2 && with.p98_ms <= 60);
}

/* ---- a line that loses much is not dead, and one that was is there at once ---- */

static void lone_set(struct sim *m)
{
	struct way w = line_2;

	w.loss_ppm = 150000;
	lines(m, m->seed % 2 ? w : line_3);
	connect_ends(m, NULL, 0);
}

static void lone_check(struct sim *m)
{
	struct tunnel_stats c, s;
	struct end *e;
	uint64_t got;
	int64_t back;

	run(m, m->now_us + 600 * SEC_US, NULL);
	flow_run(m, 100, 33 * MS_US);
	run(m, m->now_us + 60 * SEC_US, NULL);
	tunnel_stats(m->client, &c);
	tunnel_stats(m->server, &s);
	CHECK(m, c.path_deaths + s.path_deaths == 0);
	e = transfer(m, 64 << 20);
	run(m, m->now_us + 2 * SEC_US, NULL);
	back = m->now_us + 2 * SEC_US + (int64_t)rnd_to(&m->rng, 2000000);
	cut(m, 0, m->now_us, back);
	run(m, back, NULL);
	for (got = e->got; e->got == got && m->now_us < back + 2 * SEC_US;)
		run(m, m->now_us + 5 * MS_US, NULL);
	figure(0, "bytes again after, ms", (double)(m->now_us - back) / 1e3);
	/* A probe each 250 ms, the answer after a round trip of 200, the bytes half of one later; and once what is lost
	 * of these, in a round trip and a quarter. */
	CHECK(m, m->now_us - back <= 800 * MS_US);
}

/* Any two lines. */
static void pairs_set(struct sim *m)
{
	two_set(m);
	for (int l = 0; l < 2; l++)
		line(m, l,
		     (struct way){.rate_bps = 5000000 + (int64_t)rnd_to(&m->rng, 75000000),
				  .queue_us = 20 * MS_US + (int64_t)rnd_to(&m->rng, 80000),
				  .delay_us = 3 * MS_US + (int64_t)rnd_to(&m->rng, 120000),
				  .jitter_us = (int64_t)rnd_to(&m->rng, 3000),
				  .loss_ppm = (unsigned)rnd_to(&m->rng, 20000)});
}

static void pairs_check(struct sim *m)
{
	stripe(m, 0.8);
}

#endif
