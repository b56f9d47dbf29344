/* Several tunnels on one line: guests of one acceptor, and a pair of processes of their own. */
#ifndef SIM_SCENARIOS_CROWD_H
#define SIM_SCENARIOS_CROWD_H

static void crowd_set(struct sim *m)
{
	lines(m, main_line);
	connect_ends(m, NULL, 0);
	for (int i = 0; i < 3; i++)
		connect_ends(sim_beside(m, i < 2), NULL, 0);
}

static bool crowd_done(const struct sim *m)
{
	for (; m; m = m->next)
		if (!all_done(m))
			return false;
	return true;
}

static void crowd_check(struct sim *m)
{
	int64_t from = m->now_us, first = INT64_MAX, last = 0;

	for (struct sim *s = m; s; s = s->next) {
		plan_add(s, (struct plan){.up = 2 << 20, .down = 300000});
		open_all(s);
	}
	run(m, m->now_us + m->sc->limit_us, crowd_done);
	CHECK(m, crowd_done(m));
	for (struct sim *s = m; s; s = s->next) {
		CHECK(s, !s->client_closed && s->server);
		CHECK(s, !s->next || s->server != s->next->server);
		first = MIN(first, s->end[1][0]->done_us - from);
		last = MAX(last, s->end[1][0]->done_us - from);
	}
	figure(0, "first of 4 x 2 MB, s", seconds(first));
	figure(1, "last, s", seconds(last));
	for (struct sim *s = m; s; s = s->next)
		close_both(s);
}

#endif
