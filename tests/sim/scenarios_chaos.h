/* Everything at once: one to three lines that are bad in every way and change all the time, streams
 * and flows of all kinds, keys that change often, an address that moves, coarse timers. No figures:
 * all that was begun has to arrive. */
#ifndef SIM_SCENARIOS_CHAOS_H
#define SIM_SCENARIOS_CHAOS_H

#include "sim.h"
#include "report.h"

static int64_t some(struct sim *m, int64_t most)
{
	return (int64_t)rnd_to(&m->rng, (uint64_t)most);
}

/* One time in n. */
static bool now_and_then(struct sim *m, unsigned n)
{
	return rnd_to(&m->rng, n) == 0;
}

static struct way bad_way(struct sim *m)
{
	struct way w = {.rate_bps = 1000000 + some(m, 50000000), .queue_us = some(m, 200 * MS_US)};

	w.queue_us += 5 * MS_US;
	w.delay_us = some(m, now_and_then(m, 4) ? 250 * MS_US : 40 * MS_US);
	w.jitter_us = now_and_then(m, 2) ? some(m, 30 * MS_US) : 0;
	w.loss_ppm = now_and_then(m, 2) ? (unsigned)some(m, 100000) : 0;
	w.dup_ppm = now_and_then(m, 3) ? (unsigned)some(m, 50000) : 0;
	w.reorder_ppm = now_and_then(m, 3) ? (unsigned)some(m, 100000) : 0;
	w.reorder_us = some(m, 60 * MS_US);
	if (now_and_then(m, 3)) {
		w.bad_us = 1 + some(m, 50 * MS_US);
		w.good_us = w.bad_us * (10 + some(m, 100));
		w.state_us = m->now_us;
	}
	w.mtu = now_and_then(m, 4) ? 1228 + (size_t)some(m, 200) : 0;
	return w;
}

static void chaos_set(struct sim *m)
{
	int links = 1 + (int)some(m, 3);
	struct tunnel_conf conf;

	tunnel_conf_default(&conf);
	conf.handshake_us = conf.idle_us = conf.resume_us = 120 * SEC_US;
	conf.stream_buffer = 1 << (16 + some(m, 8));
	if (now_and_then(m, 4))
		conf.rate_bps = 1000000 + some(m, 20000000);
	for (int l = 0; l < LINKS_MAX; l++)
		for (int side = 0; side < 2; side++)
			m->link[l].way[side] = bad_way(m);
	if (now_and_then(m, 2))
		m->grain_us = 1 + some(m, 16 * MS_US);
	connect_ends(m, &conf, 0);
	for (int l = 1; l < links; l++)
		CHECK(m, tunnel_path_add(m->client, l, &m->addr[l][1]) == l);
	m->client->key_life.packets = 1 + (uint64_t)some(m, 2000);
}

static void change(struct sim *m)
{
	struct link *l = &m->link[some(m, LINKS_MAX)];
	struct way *w = &l->way[some(m, 2)];

	switch (some(m, 8)) {
	case 0:
		*w = bad_way(m);
		break;
	case 1:
		w->out_from_us = m->now_us;
		w->out_to_us = m->now_us + some(m, 6 * SEC_US);
		break;
	case 2:
		l->way[0].out_from_us = l->way[1].out_from_us = m->now_us;
		l->way[0].out_to_us = l->way[1].out_to_us = m->now_us + some(m, 3 * SEC_US);
		break;
	case 3:
		w->rate_bps = 300000 + w->rate_bps * (1 + some(m, 16)) / 8;
		w->rate_bps = MIN(w->rate_bps, (int64_t)100000000);
		break;
	case 4:
		w->mtu = 1228 + (size_t)some(m, 250);
		break;
	case 5:
		m->moved_us = m->now_us;
		break;
	case 6:
		if (m->server)
			m->server->key_life.packets = 1 + (uint64_t)some(m, 2000);
		break;
	default: /* nothing for a while */
		run(m, m->now_us + some(m, 3 * SEC_US), NULL);
	}
}

static void some_plan(struct sim *m, unsigned *resets)
{
	struct plan p = {.up = some_size(&m->rng), .down = some_size(&m->rng)};

	p.class = (enum tunnel_class)some(m, 5);
	if (now_and_then(m, 8)) {
		p.down += 1000;
		p.reset_at = 1 + (uint64_t)some(m, (int64_t)p.down - 1);
		++*resets;
	}
	plan_add(m, p);
}

static void chaos_check(struct sim *m)
{
	unsigned resets = 0;

	m->flow_full = true;
	m->flow_len = 16 + (size_t)some(m, now_and_then(m, 4) ? 4000 : 200);
	m->flow_gap_us = 2 * MS_US + some(m, 60 * MS_US);
	m->flow_next_us = m->now_us + some(m, SEC_US);
	m->flow_end_us = m->flow_next_us + MIN(6 * SEC_US, m->flow_gap_us * 8000);
	for (int i = 0; i < 40; i++) {
		some_plan(m, &resets);
		open_next(m);
		if (i == 20)
			run(m, m->now_us + 100 * SEC_US, connected);
		run(m, m->now_us + some(m, 200 * MS_US), NULL);
		if (connected(m))
			change(m);
		CHECK(m, !m->client_closed);
	}
	/* The lines mend, and all comes. */
	for (int l = 0; l < LINKS_MAX; l++)
		for (int side = 0; side < 2; side++)
			m->link[l].way[side] = (struct way){
			    .rate_bps = 10000000, .queue_us = 100 * MS_US, .delay_us = 5000};
	run(m, m->now_us + m->sc->limit_us, all_done);
	CHECK(m, all_done(m) && !m->client_closed);
	CHECK(m, m->resets == 2 * resets);
	figure(0, "all done after, s", seconds(m->now_us));
	figure(1, "echoes back, %", 100.0 * (double)m->flow_back / (double)MAX(m->flow_sent, 1));
	close_both(m);
}

#endif
