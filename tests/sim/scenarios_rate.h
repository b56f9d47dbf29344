/* How fast: bulk on lines of all kinds. */
#ifndef SIM_SCENARIOS_RATE_H
#define SIM_SCENARIOS_RATE_H

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

/* Another's uploads fill and drain the queue of the way back, 80 ms of it every two seconds: no reason
 * to slow the download, nor to queue. */
static void back_set(struct sim *m)
{
	lines(m,
	      (struct way){.rate_bps = 100000000, .queue_us = 200 * MS_US, .delay_us = 25 * MS_US});
	connect_ends(m, NULL, 0);
}

static void back_check(struct sim *m)
{
	uint64_t before = 0;
	double queue = 0, got;

	run(m, m->now_us + 2 * SEC_US, NULL);
	plan_add(m, (struct plan){.up = 100, .down = 400 << 20});
	open_all(m);
	for (int i = 0; i < 1000; i++) {
		m->link->way[1].delay_us = (25 + (i < 100 ? 0 : i % 100 * 8 / 10)) * MS_US;
		run(m, m->now_us + 20 * MS_US, NULL);
		if (i == 200)
			before = m->end[0][0]->got;
		if (i > 200)
			queue += (double)MAX(m->link->way[0].free_us - m->now_us, 0) / 1e3;
	}
	got = (double)(m->end[0][0]->got - before) * 8 / 16e6;
	figure(0, "goodput, Mbit/s", got);
	figure(1, "mean queue of ours, ms", queue / 800);
	CHECK(m, got >= 90 && queue / 800 <= 16);
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
	m->link->way[0].rate_bps /= 5;
	run(m, m->now_us + 4 * SEC_US, NULL);
	before = m->end[0][0]->got;
	run(m, m->now_us + 4 * SEC_US, NULL);
	slow = (double)(m->end[0][0]->got - before) * 8 / 4e6;
	m->link->way[0].rate_bps *= 5;
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
	m->link->way[0].loss_ppm = m->link->way[1].loss_ppm = 50000;
	connect_ends(m, &conf, 0);
}

static void fixed_check(struct sim *m)
{
	bulk_rate(m, 10 << 20, 15 * 0.95, 0.85);
}

#endif
