/* tunnel: its containers against simple models, and what the rate controllers answer. */
#include "tunnel/bytes.h"
#include "tunnel/rate.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed = 88172645463325252u;

static uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* A ring against a flat array: writes anywhere in the window, drops, growth, holes. */
static void test_ring(void **state)
{
	static uint8_t flat[1000000];
	struct tn_pool pool;
	struct tn_ring r = {0};
	static uint8_t buf[60000];
	uint64_t end = 0;

	tn_pool_init(&pool);
	for (size_t i = 0; i < sizeof(flat); i++)
		flat[i] = (uint8_t)rnd(256);
	while (r.start < sizeof(flat) - 100000) {
		uint64_t off = r.start + rnd(20000), n = 1 + rnd(sizeof(buf) - 1);
		struct iovec iov[40];
		size_t at = 0;

		end = MAX(end, off + n);
		/* Ahead first, as after a loss; then all from start to its end. */
		assert_int_equal(tn_ring_put(&r, &pool, off, flat + off, n), 0);
		assert_int_equal(tn_ring_put(&r, &pool, r.start, flat + r.start, end - r.start), 0);
		assert_int_equal(pool.used, (end - 1) / TN_CHUNK - r.start / TN_CHUNK + 1);
		tn_ring_get(&r, off, buf, n);
		assert_memory_equal(buf, flat + off, n);
		unsigned k = tn_ring_peek(&r, end - r.start, iov, ARRAY_LEN(iov));

		for (unsigned i = 0; i < k; at += iov[i++].iov_len)
			assert_memory_equal(iov[i].iov_base, flat + r.start + at, iov[i].iov_len);
		assert_int_equal(at, end - r.start);
		at = rnd(end - r.start + 1);
		tn_ring_drop(&r, &pool, r.start + at, r.start + at == end);
	}
	tn_ring_drop(&r, &pool, r.start + 100000, true);
	assert_int_equal(pool.used, 0); /* an empty ring holds nothing */
	assert_null(r.at);
	tn_ring_finish(&r, &pool);
	tn_pool_finish(&pool);
}

/* Slabs wait for the next burst, and go when none comes. */
static void test_pool(void **state)
{
	static const uint8_t bytes[1000 * TN_CHUNK];
	int64_t now = SEC_US;
	struct tn_pool pool;
	struct tn_ring r = {0}, small = {0};
	size_t most = 0;

	tn_pool_init(&pool);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(tn_ring_put(&r, &pool, r.start, bytes, sizeof(bytes)), 0);
		if (i == 10)
			assert_int_equal(tn_ring_put(&small, &pool, 5, "x", 1), 0);
		most = MAX(most, pool.slabs);
		tn_ring_drop(&r, &pool, r.start + sizeof(bytes), true);
		assert_int_equal(pool.used, i >= 10);
		tn_pool_age(&pool, now += TN_POOL_AGE_US / 2);
		assert_true(pool.slabs + 1 >= most);
	}
	assert_true(most <= 17);
	for (int i = 0; i < 3; i++)
		tn_pool_age(&pool, now += TN_POOL_AGE_US);
	assert_true(pool.slabs <= 2);
	tn_ring_finish(&small, &pool);
	tn_pool_finish(&pool);
	assert_int_equal(pool.slabs, 0);
}

#define SPAN_MAX 300

static void same(const struct tn_spans *s, const bool *model)
{
	size_t n = 0;

	for (uint64_t x = 0; x < SPAN_MAX; x++) {
		assert_int_equal(tn_spans_has(s, x), model[x]);
		n += model[x] && (x == 0 || !model[x - 1]);
	}
	assert_int_equal(s->n, n); /* disjoint, and merged where they touch */
}

static void test_spans(void **state)
{
	bool model[SPAN_MAX] = {false};
	struct tn_spans s = {0};

	for (int i = 0; i < 20000; i++) {
		uint64_t lo = rnd(SPAN_MAX), hi = lo + rnd(20);
		bool add = rnd(2);
		struct tn_span gap;
		uint64_t g;

		hi = MIN(hi, (uint64_t)SPAN_MAX);
		assert_int_equal(add ? tn_spans_add(&s, lo, hi) : tn_spans_remove(&s, lo, hi), 0);
		for (uint64_t x = lo; x < hi; x++)
			model[x] = add;
		same(&s, model);
		lo = rnd(SPAN_MAX);
		for (g = lo; g < SPAN_MAX && model[g]; g++)
			;
		if (g == SPAN_MAX) {
			assert_false(tn_spans_gap(&s, lo, SPAN_MAX, &gap));
			continue;
		}
		assert_true(tn_spans_gap(&s, lo, SPAN_MAX, &gap));
		assert_int_equal(gap.lo, g);
		while (g < SPAN_MAX && !model[g])
			g++;
		assert_int_equal(gap.hi, g);
	}
	tn_spans_finish(&s);
}

static void test_idmap(void **state)
{
	struct tn_id *e = calloc(5000, sizeof(*e));
	struct tn_idmap m = {0};
	struct tn_id stranger = {NULL, 3};

	assert_null(tn_idmap_get(&m, 1));
	tn_idmap_remove(&m, &stranger);
	for (uint64_t i = 0; i < 5000; i++) {
		e[i].id = i * 4;
		assert_int_equal(tn_idmap_put(&m, &e[i]), 0);
	}
	tn_idmap_remove(&m, &stranger);
	for (uint64_t i = 0; i < 5000; i += 2)
		tn_idmap_remove(&m, &e[i]);
	for (uint64_t i = 0; i < 5000; i++)
		assert_ptr_equal(tn_idmap_get(&m, i * 4), i % 2 ? &e[i] : NULL);
	assert_int_equal(m.n, 2500);
	tn_idmap_finish(&m);
	free(e);
}

static void test_fixed(void **state)
{
	struct tn_rate_sample s = {.min_rtt_us = 100 * MS_US, .rtt_us = 100 * MS_US, .round = true};
	struct tn_rate r;

	tn_rate_init(&r, 30000000, 50 * MS_US);
	assert_int_equal(r.ops->pacing(&r), 30000000 / 8);
	for (int i = 0; i < 50; i++) {
		s.now_us += 100 * MS_US;
		s.acked = 90000;
		s.lost = 10000;
		r.ops->on_ack(&r, &s);
	}
	/* So much arrives, whatever is lost; but the cost has a bound, and a queue ends it. */
	assert_in_range(r.ops->pacing(&r), 30000000 / 8 * 108 / 100, 30000000 / 8 * 112 / 100);
	assert_true(r.ops->cwnd(&r) >= 2 * 30000000 / 8 / 10);
	assert_true(r.ops->cwnd(&r) < 30000000 / 8 * 3 / 2);
	for (int i = 0; i < 50; i++) {
		s.lost = 100000;
		r.ops->on_ack(&r, &s);
	}
	assert_int_equal(r.ops->pacing(&r), 30000000 / 8 * 5 / 4);
	s.rtt_us = 150 * MS_US;
	for (int i = 0; i < 50; i++) {
		s.now_us += 100 * MS_US;
		r.ops->on_ack(&r, &s);
	}
	assert_int_equal(r.ops->pacing(&r), 30000000 / 8);
	tn_rate_init(&r, 1, 1000);
	assert_true(r.ops->pacing(&r) > 0);
}

/* A line of 1 MB/s and 100 ms with a queue; what is told of one round trip, from pace and window. */
static void line_round(struct tn_rate *r, struct tn_rate_sample *s, int64_t *queued, int64_t line)
{
	int64_t room = MAX((int64_t)r->ops->cwnd(r) - *queued, 0);
	int64_t in = MIN((int64_t)r->ops->pacing(r) / 10, room);
	int64_t out = MIN(in + *queued, line / 10);

	*queued += in - out;
	s->now_us += 100 * MS_US;
	s->acked = (uint64_t)out * 9 / 10;
	s->lost = (uint64_t)out / 10;
	s->goodput = s->acked * 10;
	s->passed = (uint64_t)out * 10;
	s->out_arrived = s->acked * 10;
	s->out_lost = s->lost * 10;
	s->in_flight = (uint64_t)(in + *queued);
	s->rtt_us = 100 * MS_US + *queued * SEC_US / line;
	s->round = true;
	r->ops->on_ack(r, s);
	/* Of each round some more samples, which bring nothing new but the time. */
	for (int i = 0; i < 20; i++) {
		struct tn_rate_sample more = {.now_us = s->now_us, .rtt_us = s->rtt_us};

		more.min_rtt_us = s->min_rtt_us;
		more.in_flight = s->in_flight;
		r->ops->on_ack(r, &more);
	}
}

static void test_auto(void **state)
{
	struct tn_rate_sample s = {.min_rtt_us = 100 * MS_US};
	int64_t queued = 0, line = 1000000;
	struct tn_rate r;

	tn_rate_init(&r, 0, 100 * MS_US);
	assert_true(r.ops->cwnd(&r) >= 10 * 1500); /* something may go at once */
	for (int i = 0; i < 12; i++)
		line_round(&r, &s, &queued, line);
	assert_int_equal(r.a.mode, TN_RATE_ALONE);
	assert_in_range(r.a.bw, 990000,
			1010000); /* found, in so few rounds, in spite of 10 % lost */
	for (int i = 0; i < 60; i++)
		line_round(&r, &s, &queued, line);
	assert_in_range(r.m.loss_ppm, 90000, 110000);
	assert_in_range(r.ops->pacing(&r), 850000, 1050000);
	assert_in_range(queued * 1000 / line, 0, 40); /* ms */
	/* Half the line, then all of it. */
	for (int i = 0; i < 30; i++)
		line_round(&r, &s, &queued, line / 2);
	assert_in_range(r.ops->pacing(&r), 450000, 550000);
	assert_in_range(queued * 1000 / line * 2, 0, 40);
	for (int i = 0; i < 30; i++)
		line_round(&r, &s, &queued, line);
	assert_in_range(r.ops->pacing(&r), 900000, 1100000);
	/* What the application did not send says nothing of the line. */
	for (int i = 0; i < 50; i++) {
		s.now_us += 100 * MS_US;
		s.goodput = s.passed = s.out_arrived = 1000;
		s.rtt_us = 100 * MS_US;
		s.app_limited = true;
		r.ops->on_ack(&r, &s);
	}
	assert_in_range(r.ops->pacing(&r), 900000, 1200000);
}

/* Somebody's transfer the other way makes a queue: who sends little beside it keeps going. */
static void test_little(void **state)
{
	struct tn_rate_sample s = {.min_rtt_us = 200 * MS_US, .in_flight = 600};
	struct tn_rate r;

	tn_rate_init(&r, 0, 200 * MS_US);
	for (int i = 0; i < 300; i++) {
		s.now_us += 33 * MS_US;
		s.rtt_us = 240 * MS_US;
		s.acked = 100;
		s.goodput = s.passed = s.out_arrived = 3000;
		s.app_limited = i < 100;
		s.round = i % 6 == 0;
		r.ops->on_ack(&r, &s);
		assert_true(r.ops->pacing(&r) >= 60000 && r.ops->cwnd(&r) >= 12000);
	}
}

/* A queue that stays whatever we do is somebody else's: it is not yielded to for ever. */
static void test_shared(void **state)
{
	struct tn_rate_sample s = {.min_rtt_us = 100 * MS_US};
	int64_t queued = 0, line = 1000000;
	struct tn_rate r;

	tn_rate_init(&r, 0, 100 * MS_US);
	for (int i = 0; i < 20; i++)
		line_round(&r, &s, &queued, line);
	for (int i = 0; i < 12; i++) {
		queued = 100000; /* never shorter */
		line_round(&r, &s, &queued, line / 2);
	}
	assert_int_equal(r.a.mode, TN_RATE_SHARED);
	for (int i = 0; i < 60; i++) {
		queued = MAX(queued, 100000);
		line_round(&r, &s, &queued, line / 2);
		assert_true(r.ops->pacing(&r) >= 200000);
	}
	/* It has gone. */
	for (int i = 0; i < 80; i++)
		line_round(&r, &s, &queued, line);
	assert_int_equal(r.a.mode, TN_RATE_ALONE);
	assert_in_range(r.ops->pacing(&r), 900000, 1100000);
}

/* Against a plain search of all timers, under random sets and removals. */
static void test_heap(void **state)
{
	struct tn_timer t[100] = {{0}};
	struct tn_heap h = {0};
	uint32_t r = 1;

	assert_null(tn_heap_first(&h));
	assert_int_equal(tn_heap_reserve(&h, ARRAY_LEN(t)), 0);
	for (int step = 0; step < 20000; step++) {
		int64_t least = NEVER_US;
		size_t in = 0;

		r = r * 1664525 + 1013904223;
		if (r >> 28 == 0)
			tn_heap_remove(&h, &t[r >> 8 & 63]);
		else
			tn_heap_set(&h, &t[(r >> 8) % ARRAY_LEN(t)],
				    r >> 29 ? (int64_t)(r >> 16 & 255) : NEVER_US);
		for (size_t i = 0; i < ARRAY_LEN(t); i++) {
			if (!t[i].slot)
				continue;
			assert_ptr_equal(h.at[t[i].slot - 1], &t[i]);
			least = MIN(least, t[i].at_us);
			in++;
		}
		assert_int_equal(h.n, in);
		assert_int_equal(in ? tn_heap_first(&h)->at_us : NEVER_US, least);
	}
	tn_heap_finish(&h);
	tn_heap_finish(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ring),   cmocka_unit_test(test_pool),
	    cmocka_unit_test(test_spans),  cmocka_unit_test(test_idmap),
	    cmocka_unit_test(test_auto),   cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_heap),   cmocka_unit_test(test_little),
	    cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
