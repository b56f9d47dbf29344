/* Streams: short ones, many, and one that nobody reads. */
#ifndef SIM_SCENARIOS_STREAMS_H
#define SIM_SCENARIOS_STREAMS_H

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
	m->link->way[0].mask = rnd(r) & rnd(r) & rnd(r);
	m->link->way[1].mask = rnd(r) & rnd(r) & rnd(r);
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

#endif
