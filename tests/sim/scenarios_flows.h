/* Flows: echoes of datagrams, alone and beside a transfer. */
#ifndef SIM_SCENARIOS_FLOWS_H
#define SIM_SCENARIOS_FLOWS_H

static void flow_set(struct sim *m)
{
	lines(m, main_line);
	m->link->way[0].jitter_us = m->link->way[1].jitter_us = 5 * MS_US;
	m->link->way[0].dup_ppm = m->link->way[1].dup_ppm = 50000;
	m->link->way[0].reorder_ppm = 100000;
	m->link->way[0].reorder_us = 20 * MS_US;
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
	/* What is lost is made up for, at once or in its time. */
	CHECK(m, m->flow_back * 100 >= m->flow_sent * 99);
	CHECK(m, m->flow_worst_us <= 900 * MS_US);
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
	CHECK(m, m->flow_back * 100 >= m->flow_sent * 99);
	CHECK(m, m->flow_worst_us <= 900 * MS_US);
	finish_plan(m);
}

#endif
