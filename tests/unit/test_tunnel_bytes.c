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
	struct tn_pool pool = {0};
	struct tn_ring r = {0};
	static uint8_t buf[60000];
	uint64_t end = 0;

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

/* Chunks wait for the next burst, and go when none comes. */
static void test_pool(void **state)
{
	static const uint8_t bytes[64 * TN_CHUNK];
	struct tn_pool pool = {0};
	struct tn_ring r = {0};
	int64_t now = SEC_US;

	tn_pool_age(&pool, now);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(tn_ring_put(&r, &pool, r.start, bytes, sizeof(bytes)), 0);
		tn_ring_drop(&r, &pool, r.start + sizeof(bytes), true);
		assert_int_equal(pool.nspare, 64);
		tn_pool_age(&pool, now += TN_POOL_AGE_US / 2);
	}
	tn_pool_age(&pool, now += TN_POOL_AGE_US);
	tn_pool_age(&pool, now += TN_POOL_AGE_US);
	assert_int_equal(pool.nspare, 0);
	tn_ring_finish(&r, &pool);
	tn_pool_finish(&pool);
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
	struct tn_rate_sample s = {.min_rtt_us = 100 * MS_US, .lost = 100000, .acked = 1000};
	struct tn_rate r;

	tn_rate_init(&r, 30000000, 50 * MS_US);
	r.ops->on_ack(&r, &s);
	assert_int_equal(r.ops->pacing(&r), 30000000 / 8); /* whatever is lost */
	assert_true(r.ops->cwnd(&r) >= 2 * 30000000 / 8 / 10);
	assert_true(r.ops->cwnd(&r) < 30000000 / 8);
	tn_rate_init(&r, 1, 1000);
	assert_true(r.ops->pacing(&r) > 0);
}

/* A line of 1 MB/s and 100 ms, told of one round trip after the other. */
static void test_auto(void **state)
{
	struct tn_rate_sample s = {.min_rtt_us = 100 * MS_US, .rtt_us = 100 * MS_US, .round = true};
	struct tn_rate r;

	tn_rate_init(&r, 0, 100 * MS_US);
	assert_true(r.ops->cwnd(&r) >= 10 * 1500); /* something may go at once */
	for (int i = 0; i < 8; i++) {
		s.now_us += 100 * MS_US;
		s.bytes_per_s = MIN(r.ops->pacing(&r), UINT64_C(1000000));
		s.acked = s.bytes_per_s / 10;
		s.in_flight = s.acked;
		r.ops->on_ack(&r, &s);
	}
	assert_int_equal(r.m.bw, 1000000); /* found, in so few rounds */
	assert_int_not_equal(r.m.mode, TN_RATE_STARTUP);
	/* Random losses do not slow it down, they are made up for; a queue does. */
	for (int i = 0; i < 30; i++) {
		s.now_us += 100 * MS_US;
		s.lost = s.acked / 9;
		r.ops->on_ack(&r, &s);
	}
	assert_in_range(r.m.loss_ppm, 90000, 110000);
	while (r.m.phase < 2)
		s.now_us += 110 * MS_US, r.ops->on_ack(&r, &s);
	assert_in_range(r.ops->pacing(&r), 1050000, 1150000);
	s.rtt_us = 200 * MS_US;
	for (int i = 0; i < 2 * TN_RATE_BIN; i++)
		r.ops->on_ack(&r, &s);
	assert_true(r.ops->pacing(&r) < 900000);
	/* What the application did not send says nothing of the line. */
	s.rtt_us = 100 * MS_US;
	s.lost = 0;
	s.app_limited = true;
	s.bytes_per_s = 1000;
	for (int i = 0; i < 50; i++) {
		s.now_us += 100 * MS_US;
		r.ops->on_ack(&r, &s);
	}
	assert_int_equal(r.m.bw, 1000000);
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
	    cmocka_unit_test(test_ring), cmocka_unit_test(test_pool), cmocka_unit_test(test_spans), cmocka_unit_test(test_idmap),
	    cmocka_unit_test(test_auto), cmocka_unit_test(test_fixed), cmocka_unit_test(test_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
