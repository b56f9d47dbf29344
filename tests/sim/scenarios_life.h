/* The life of a tunnel: handshakes, outages, restarts, deaths. */
#ifndef SIM_SCENARIOS_LIFE_H
#define SIM_SCENARIOS_LIFE_H

static void outage_check(struct sim *m)
{
	run(m, m->now_us + SEC_US, NULL);
	plan_add(m, (struct plan){.up = 5 << 20, .down = 5 << 20});
	open_all(m);
	for (int i = 0; i < 2; i++) {
		m->link->way[i].out_from_us = m->now_us + 700 * MS_US;
		m->link->way[i].out_to_us = m->now_us + 4700 * MS_US;
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

	m->link->way[0].mtu = m->link->way[1].mtu = 1400;
	run(m, m->now_us + 8 * SEC_US, NULL);
	tunnel_stats(m->client, &st);
	CHECK(m, st.dgram_size == 1400);
	plan_add(m, (struct plan){.up = 10 << 20, .down = 100});
	open_all(m);
	run(m, m->now_us + SEC_US, NULL);
	m->link->way[0].mtu = m->link->way[1].mtu = 1250;
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
	m->link->way[m->seed % 2].loss_ppm = 1000000;
	from = m->now_us;
	run(m, m->now_us + 32 * SEC_US, NULL);
	/* Whoever ends it first tells the other, if his direction is the one that lives. */
	CHECK(m, m->client_closed && m->server_closed);
	CHECK(m, m->client_reason == -ETIMEDOUT || m->server_reason == -ETIMEDOUT);
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
	m->link->way[0].mask = m->seed;
	m->link->way[1].mask = m->seed >> 3;
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

#endif
