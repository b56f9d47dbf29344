/* What scenarios share: figures over all seeds, the run of a plan to its end. */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

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

#endif
