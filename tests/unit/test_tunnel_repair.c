/* repair: the code, the estimates of loss, and what a receiver recovers. */
#include "tunnel/internal.h"
#include "tunnel/rs.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LEN 1000

static uint64_t rng = 1;

static unsigned some(unsigned n)
{
	rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(rng >> 33) % n;
}

/* All but some pieces, and as many sums: the pieces come back, whichever they are. */
static void test_rs(void **state)
{
	static uint8_t data[TN_RS_DATA][LEN], sums[TN_RS_ROWS][LEN];

	for (int turn = 0; turn < 300; turn++) {
		unsigned k = 1 + some(TN_RS_DATA), n = 1 + some(MIN(k, TN_RS_ROWS));
		uint8_t row[TN_RS_ROWS], at[TN_RS_ROWS], *sum[TN_RS_ROWS], all[TN_RS_ROWS];
		bool lost[TN_RS_DATA] = {false};
		size_t len = 1 + some(LEN);

		memset(sums, 0, sizeof(sums));
		for (unsigned i = 0; i < TN_RS_ROWS; i++) {
			sum[i] = sums[i];
			all[i] = (uint8_t)i;
		}
		for (unsigned i = 0; i < k; i++) {
			for (size_t b = 0; b < len; b++)
				data[i][b] = (uint8_t)some(256);
			tn_rs_add(sum, all, TN_RS_ROWS, i, data[i], len);
		}
		for (unsigned i = 0; i < n; i++) {
			unsigned x = some(k);

			while (lost[x])
				x = (x + 1) % k;
			lost[x] = true;
		}
		for (unsigned i = 0; i < TN_RS_ROWS; i++) /* any n rows: those from here on */
			all[i] = (uint8_t)((i + (unsigned)turn) % TN_RS_ROWS);
		for (unsigned i = 0, j = 0; i < k; i++)
			if (lost[i])
				at[j++] = (uint8_t)i;
		for (unsigned i = 0; i < n; i++) {
			row[i] = all[i];
			sum[i] = sums[row[i]];
		}
		for (unsigned i = 0; i < k; i++)
			if (!lost[i])
				tn_rs_add(sum, row, n, i, data[i], len);
		assert_int_equal(tn_rs_solve(sum, row, at, n, len), 0);
		for (unsigned i = 0; i < n; i++)
			assert_memory_equal(sum[i], data[at[i]], len);
	}
}

/* The first row is the plain sum; the same row twice solves nothing. */
static void test_rs_rows(void **state)
{
	uint8_t a[40] = {1, 2, 3}, s[2][40] = {{0}}, *sum[2] = {s[0], s[1]};
	static const uint8_t rows[2] = {0, 1}, twice[2] = {3, 3}, at[2] = {4, 5};

	tn_rs_add(sum, rows, 2, 17, a, sizeof(a));
	assert_memory_equal(s[0], a, sizeof(a));
	assert_true(memcmp(s[1], a, sizeof(a)) != 0);
	assert_int_equal(tn_rs_solve(sum, twice, at, 2, sizeof(a)), -EINVAL);
}

/* ---- the plan ---- */

static double part(uint32_t copies)
{
	return copies / 65536.0;
}

static void test_plan_copies(void **state)
{
	struct tn_line l = {.rtt_us = 100 * MS_US};
	uint32_t before = 0;

	/* Nothing is lost: nothing is spent; more is lost: not less is spent. */
	assert_int_equal(tn_plan_copies(&l, TN_GUARD_FLOW), 0);
	for (l.ppm = 0; l.ppm <= 500000; l.ppm += 500) {
		uint32_t n = tn_plan_copies(&l, TN_GUARD_FLOW);

		assert_true(n + 700 >= before && n <= TN_COPIES_MAX << 16);
		assert_true(tn_plan_copies(&l, TN_GUARD_STREAM) >= n);
		before = n;
	}
	l.ppm = 10000;
	assert_true(part(tn_plan_copies(&l, TN_GUARD_FLOW)) > 0.85 &&
		    part(tn_plan_copies(&l, TN_GUARD_FLOW)) < 1);
	l.ppm = 50000;
	assert_int_equal(tn_plan_copies(&l, TN_GUARD_FLOW), 1 << 16);
	assert_true(part(tn_plan_copies(&l, TN_GUARD_STREAM)) > 1.9);
	/* What was lost twice: at 10 % one of thirty or fewer is lost a third time. */
	l.ppm = 100000;
	assert_true(part(tn_plan_copies(&l, TN_GUARD_AGAIN)) > 1.5 &&
		    part(tn_plan_copies(&l, TN_GUARD_AGAIN)) < 2);
}

/* Where much else passes, the urgent have as many copies as are of use. */
static void test_plan_rich(void **state)
{
	struct tn_line l = {.ppm = 10000, .rtt_us = 150 * MS_US, .rich = true}, poor;
	int64_t before = 0;

	poor = l;
	poor.rich = false;
	assert_true(part(tn_plan_copies(&l, TN_GUARD_FLOW)) > 1.9);
	assert_int_equal(tn_plan_copies(&l, TN_GUARD_AGAIN), tn_plan_copies(&poor, TN_GUARD_AGAIN));
	l.ppm = 0;
	assert_int_equal(tn_plan_copies(&l, TN_GUARD_FLOW), 0);
	l.ppm = 10000;
	l.burst_us = 20 * MS_US;
	assert_int_equal(tn_plan_copies(&l, TN_GUARD_FLOW), TN_COPIES_RICH << 16);
	for (unsigned i = 0; i < TN_COPIES_RICH; i++) {
		int64_t at = tn_plan_offset(&l, TN_GUARD_FLOW, i);

		assert_true(at > before && at <= 4 * l.burst_us);
		assert_true(i > 4 || at <= before + 8 * MS_US);
		before = at;
	}
}

static void test_plan_offset(void **state)
{
	struct tn_line l = {.ppm = 30000, .rtt_us = 150 * MS_US};

	assert_int_equal(tn_plan_offset(&l, TN_GUARD_FLOW, 0), 1500);
	assert_int_equal(tn_plan_offset(&l, TN_GUARD_STREAM, 2), 4500);
	/* Beyond the burst, but not later than it is felt. */
	l.burst_us = 6 * MS_US;
	assert_int_equal(tn_plan_offset(&l, TN_GUARD_FLOW, 0), 30 * MS_US);
	for (l.burst_us = 12 * MS_US; l.burst_us <= 20 * MS_US; l.burst_us += MS_US)
		assert_int_equal(tn_plan_offset(&l, TN_GUARD_FLOW, 0), 47 * MS_US);
	l.burst_us = 30 * MS_US;
	assert_int_equal(tn_plan_offset(&l, TN_GUARD_FLOW, 0), 51 * MS_US);
	/* Where little is known, both ways; not where sending again is soon enough. */
	l.burst_us = 0;
	l.unsure = true;
	assert_int_equal(tn_plan_copies(&l, TN_GUARD_STREAM), TN_COPIES_MAX << 16);
	assert_int_equal(tn_plan_offset(&l, TN_GUARD_STREAM, 0), 1500);
	assert_int_equal(tn_plan_offset(&l, TN_GUARD_STREAM, 2), 48 * MS_US);
	assert_int_equal(tn_plan_offset(&l, TN_GUARD_FLOW, 0), 1500);
	assert_true(tn_plan_bursts(&l));
	l.rtt_us = 10 * MS_US;
	assert_false(tn_plan_bursts(&l));
	l.burst_us = 20 * MS_US;
	/* Nor than it could be sent again. */
	assert_int_equal(tn_plan_offset(&l, TN_GUARD_FLOW, 0), 10 * MS_US);
}

/* By trial: blocks of that many packets and symbols fail as rarely as the plan says. */
static void test_plan_rows(void **state)
{
	static const uint32_t ppms[] = {1000, 10000, 50000};
	struct tn_line l = {.rtt_us = 100 * MS_US};

	assert_int_equal(tn_plan_rows(&l, TN_GUARD_BURST, 64), 0);
	for (size_t p = 0; p < ARRAY_LEN(ppms); p++) {
		unsigned m, failed = 0;

		l.ppm = ppms[p];
		m = tn_plan_rows(&l, TN_GUARD_BURST, 64);
		assert_true(m >= 1 && m <= 64 / 5 + 2);
		for (int turn = 0; turn < 20000; turn++) {
			unsigned lost = 0;

			for (unsigned i = 0; i < 64 + m; i++)
				lost += some(1000000) < l.ppm;
			failed += lost > m;
		}
		assert_true(failed < 40); /* 20 on average, at most */
	}
}

/* ---- the estimates ---- */

/* Packets at some distances, lost one by one or in bursts of 20 ms on average. */
static int64_t burst_of(bool bursts, int64_t gap_us, uint32_t *ppm)
{
	struct tn_loss l;
	int64_t at_us = 0, until_us = 0, lost_us[64] = {0};
	unsigned n_lost = 0;
	bool bad = false, lost;

	tn_loss_init(&l);
	for (int i = 0; i < 40000; i++, at_us += i % 2 ? gap_us : 3 * MS_US) {
		while (until_us <= at_us) {
			bad = !bad;
			until_us += some((bad ? 40 : 1294) * 1000);
		}
		lost = bursts ? bad : some(1000000) < 30000;
		tn_loss_count(&l, 1, lost);
		for (unsigned k = n_lost > 8 ? n_lost - 8 : 0; k < n_lost; k++)
			tn_loss_pair(&l, at_us - lost_us[k % 64], lost);
		if (lost)
			lost_us[n_lost++ % 64] = at_us;
	}
	*ppm = tn_loss_ppm(&l);
	return tn_loss_burst(&l);
}

static void test_loss(void **state)
{
	uint32_t ppm;

	/* 13 ms is the mean rest of such a burst. */
	for (int64_t gap_us = 5 * MS_US; gap_us <= 40 * MS_US; gap_us += 5 * MS_US) {
		int64_t b = burst_of(true, gap_us, &ppm);

		assert_true(b > 7 * MS_US && b < 25 * MS_US);
		assert_true(ppm > 10000 && ppm < 60000);
		assert_int_equal(burst_of(false, gap_us, &ppm), 0);
		assert_true(ppm > 15000 && ppm < 50000);
	}
}

/* ---- from end to end ---- */

static const struct tunnel_addr addr_c = {1, {1}}, addr_s = {1, {2}};

struct pair {
	struct tunnel *t[2];
	int64_t now_us;
	unsigned lose; /* the client's datagrams of more than 100 bytes: one of so many */
	unsigned n, lost;
};

static void pair_make(struct pair *p)
{
	struct crypt_secrets x = {.suite = CRYPT_AES128GCM, .server_id = 5, .client_id = 6};

	struct tunnel_conf conf;

	memset(p, 0, sizeof(*p));
	p->now_us = SEC_US;
	tunnel_conf_default(&conf);
	conf.warm_bytes = 0; /* its losses would be counted with the others */
	assert_int_equal(tunnel_create_keyed(&conf, &x, false, 0, &addr_s, p->now_us, &p->t[0]), 0);
	assert_int_equal(tunnel_create_keyed(&conf, &x, true, 0, &addr_c, p->now_us, &p->t[1]), 0);
}

static void pair_destroy(struct pair *p)
{
	tunnel_destroy(p->t[0]);
	tunnel_destroy(p->t[1]);
}

static void pass(struct pair *p, int from)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	size_t n;
	int path;

	while ((n = tunnel_output(p->t[from], buf, sizeof(buf), &path, &to, p->now_us)) > 0) {
		if (from == 0 && n > 100 && p->lose && ++p->n % p->lose == 0)
			p->lost++;
		else
			tunnel_input(p->t[!from], buf, n, 0, from ? &addr_s : &addr_c, p->now_us);
	}
}

static void settle(struct pair *p, int ms)
{
	for (; ms > 0; ms--, p->now_us += MS_US)
		for (int i = 0; i < 2; i++)
			pass(p, i);
}

/* One of 30 packets is lost, and nothing is acknowledged in time: symbols alone bring all of it. */
static void test_block(void **state)
{
	static const struct tunnel_open open = {.service = "web"};
	static uint8_t data[300000], back[300000];
	struct tunnel_stream *s;
	struct tunnel_event ev;
	struct pair p;
	size_t sent = 0, got = 0;

	pair_make(&p);
	settle(&p, 50);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)some(256);
	assert_int_equal(tunnel_stream_open(p.t[0], &open, &s), 0);
	for (p.lose = 30; got < sizeof(data); p.now_us += MS_US) {
		if (sent < sizeof(data)) {
			ssize_t w = tunnel_stream_write(s, data + sent, sizeof(data) - sent);

			assert_true(w >= 0);
			sent += (size_t)w;
		}
		p.t[0]->path[0]->min_rtt_us = SEC_US; /* a short way is not protected */
		pass(&p, 0);
		while (tunnel_event(p.t[1], &ev))
			if (ev.stream)
				got +=
				    tunnel_stream_read(ev.stream, back + got, sizeof(back) - got);
		pass(&p, 1);
		assert_true(p.now_us < 60 * SEC_US);
	}
	assert_memory_equal(data, back, sizeof(data));
	assert_true(p.lost > 5 && p.t[1]->stats.repair_recovered > p.lost / 2);
	assert_int_equal(p.t[1]->stats.repair_failed, 0);
	/* What was kept for it is given back. */
	settle(&p, 4000);
	assert_null(p.t[1]->path[0]->mend.kept);
	pair_destroy(&p);
}

/* Nor is anything sent twice where sending again takes no longer. */
static void test_short_way(void **state)
{
	static const struct tunnel_open open = {.service = "web"};
	struct tunnel_event ev;
	struct tunnel_flow *f;
	struct pair p;

	pair_make(&p);
	assert_int_equal(tunnel_flow_open(p.t[0], &open, &f), 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(tunnel_flow_send(f, "x", 1), 0);
		settle(&p, 10);
		while (tunnel_event(p.t[1], &ev))
			;
		if (i == 9)
			p.t[0]->stats.repair_packets_sent = 0; /* of before it was measured */
	}
	assert_int_equal(p.t[1]->stats.flow_received, 50);
	assert_int_equal(p.t[0]->stats.repair_packets_sent, 0);
	for (int i = 0; i < 50; i++) {
		p.t[0]->path[0]->min_rtt_us = SEC_US;
		assert_int_equal(tunnel_flow_send(f, "x", 1), 0);
		settle(&p, 10);
	}
	assert_true(p.t[0]->stats.repair_packets_sent > 0);
	pair_destroy(&p);
}

/* What nobody of good will sends ends the tunnel; what is only useless is dropped. */
static void test_symbols(void **state)
{
	static const char *const bad[] = {
	    "\x34\x00\x01",		    /* this packet itself */
	    "\x34\x7f\xff\x01",		    /* a packet before the first */
	    "\x35\x07\x01\x01",		    /* of a path that is not there */
	    "\x30\x01\x05\x01",		    /* fewer bytes than said */
	    "\x34\x01",			    /* none */
	    "\x36\x01\x20\x01\x01\x00\x00", /* sum 32 */
	    "\x36\x01\x00\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00", /* a map of 9 bytes */
	    "\x36\x01\x00\x00\x00",					/* a block of one */
	};
	static const uint8_t len[] = {3, 4, 4, 4, 2, 7, 14, 5};
	/* A copy of a packet far away, of nothing but a copy; sums of packets that never come. */
	static const char nested[] = "\x34\x10\x34\x01\x01",
			  sum[] = "\x36\x0a\x01\x01\x03\x00\x00\x00";
	enum tn_wants w;
	struct pair p;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		pair_make(&p);
		p.t[1]->path[0]->taking = 50;
		assert_int_equal(tn_frames_take(p.t[1], p.t[1]->path[0], &p.t[1]->path[0]->at,
						bad[i], len[i], &w),
				 -EPROTO);
		pair_destroy(&p);
	}
	pair_make(&p);
	p.t[1]->path[0]->taking = 50;
	assert_int_equal(tn_frames_take(p.t[1], p.t[1]->path[0], &p.t[1]->path[0]->at, nested,
					sizeof(nested) - 1, &w),
			 -EPROTO);
	pair_destroy(&p);
	pair_make(&p);
	for (unsigned i = 0; i < 1000; i++) {
		p.t[1]->path[0]->taking = 50 + i;
		assert_int_equal(tn_frames_take(p.t[1], p.t[1]->path[0], &p.t[1]->path[0]->at, sum,
						sizeof(sum) - 1, &w),
				 0);
		assert_true(p.t[1]->path[0]->mend.n <= TN_SYMBOLS);
	}
	assert_int_equal(w, TN_WANTS_NO_ACK);
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rs),		cmocka_unit_test(test_rs_rows),
	    cmocka_unit_test(test_plan_copies), cmocka_unit_test(test_plan_rich),
	    cmocka_unit_test(test_plan_offset), cmocka_unit_test(test_plan_rows),
	    cmocka_unit_test(test_loss),	cmocka_unit_test(test_block),
	    cmocka_unit_test(test_short_way),	cmocka_unit_test(test_symbols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
