/* fan: items carry their number in p; a count of references must be even at the end. */
#include "unit.h"

#include "fan/fan.h"

#define MS 1000
#define GOP 30

static int refs;

static void *ref(void *p)
{
	refs++;
	return p;
}

static void unref(void *p)
{
	refs--;
}

static const struct fan_ops ops = {ref, unref};
static const struct fan_limits wide = {1 << 30, 1 << 30, 100 * SEC_US, 100 * SEC_US, NEVER_US};

static struct fan *make(const struct fan_limits *l, uint32_t video)
{
	struct fan *f;

	refs = 0;
	assert_int_equal(fan_create(&f, l, &ops), 0);
	fan_start(f, video);
	return f;
}

static struct fan_reader *join(struct fan *f)
{
	struct fan_reader *r;

	assert_int_equal(fan_reader_create(&r, f), 0);
	return r;
}

static void push(struct fan *f, int track, int64_t us, bool key, int64_t now_us)
{
	struct fan_item it = {.p = f, .size = 1000, .us = us, .track = track, .key = key};

	fan_push(f, &it, now_us);
}

/* Frame n of track 0 at 30 fps, a key frame every GOP; sound of track 1 just before it. */
static void av(struct fan *f, int n)
{
	int64_t us = (int64_t)n * SEC_US / 30;

	push(f, 1, us + 10 * MS, true, us);
	push(f, 0, us, n % GOP == 0, us);
}

static int take_all(struct fan_reader *r)
{
	struct fan_item it;
	int n = 0;

	while (fan_take(r, &it)) {
		unref(it.p);
		n++;
	}
	return n;
}

static struct fan_item take(struct fan_reader *r)
{
	struct fan_item it;

	assert_true(fan_take(r, &it));
	unref(it.p);
	return it;
}

static void end(struct fan *f, struct fan_reader *a, struct fan_reader *b)
{
	fan_reader_destroy(a);
	fan_reader_destroy(b);
	fan_destroy(f);
	assert_int_equal(refs, 0);
}

static void test_begins_at_key(void **state)
{
	struct fan *f = make(&wide, 1);
	struct fan_reader *r = join(f);
	struct fan_item it;

	for (int n = 5; n < 40; n++)
		av(f, n);
	it = take(r);
	assert_true(it.key && it.track == 0 && it.us == SEC_US);
	/* The sound at 1.010 s was pushed before the picture at 1 s, and is not lost. */
	it = take(r);
	assert_int_equal(it.track, 1);
	assert_int_equal(it.us, SEC_US + 10 * MS);
	assert_int_equal(take_all(r), 18);
	assert_int_equal(fan_reader_stats(r).dropped, 0);
	assert_int_equal(fan_reader_stats(r).taken, 20);
	end(f, r, NULL);
}

static void test_join_gets_the_gop(void **state)
{
	struct fan_limits few = wide;
	struct fan *f = make(&wide, 1);
	struct fan_reader *r;

	for (int n = 0; n < 50; n++)
		av(f, n);
	r = join(f);
	assert_int_equal(take(r).us, SEC_US);
	assert_int_equal(take_all(r), 39);
	end(f, r, NULL);

	/* More than the burst may have: it waits. */
	few.burst_us = 300 * MS;
	f = make(&few, 1);
	for (int n = 0; n < 50; n++)
		av(f, n);
	r = join(f);
	assert_int_equal(take_all(r), 0);
	for (int n = 50; n < 61; n++)
		av(f, n);
	assert_int_equal(take(r).us, 2 * SEC_US);
	end(f, r, NULL);
}

static void test_slow_skips_to_key(void **state)
{
	struct fan_limits l = wide;
	struct fan *f;
	struct fan_reader *slow, *quick;
	int64_t got = 0, last = 0;

	l.us = 1500 * MS;
	f = make(&l, 1);
	slow = join(f);
	quick = join(f);
	for (int n = 0; n < 300; n++) {
		av(f, n);
		got += take_all(quick);
	}
	assert_int_equal(got, 600);
	assert_int_equal(fan_reader_stats(quick).dropped, 0);
	/* What is left is whole, begins at a key frame, and is the newest. */
	assert_true(fan_reader_stats(slow).dropped > 400);
	assert_true(fan_reader_stats(slow).skips > 3);
	got = 0;
	for (struct fan_item it; fan_take(slow, &it); unref(it.p)) {
		if (it.track == 0) {
			assert_true(got++ ? it.us - last <= 33334 : it.key);
			last = it.us;
		}
	}
	assert_true(got >= 30);
	assert_true(last >= 9 * SEC_US);
	assert_int_equal(fan_reader_stats(slow).taken + fan_reader_stats(slow).dropped, 600);
	end(f, slow, quick);
}

static void test_sound_and_picture_together(void **state)
{
	struct fan_limits l = wide;
	struct fan *f;
	struct fan_reader *r;
	struct fan_item it;
	int64_t a = -1, v = -1;

	/* The queue holds less than a GOP: it is lost whole, and both resume at the next key frame. */
	l.us = 500 * MS;
	l.burst_us = 400 * MS;
	f = make(&l, 1);
	r = join(f);
	for (int n = 0; n < 70; n++) {
		av(f, n);
		if (n == 60)
			assert_int_equal(fan_reader_stats(r).items, 2);
	}
	while (fan_take(r, &it)) {
		unref(it.p);
		if (it.track == 0 && v < 0)
			v = it.us;
		if (it.track == 1 && a < 0)
			a = it.us;
	}
	assert_int_equal(v, 2 * SEC_US);
	assert_int_equal(a, 2 * SEC_US + 10 * MS);
	end(f, r, NULL);
}

static void test_other_rungs_wait_for_their_key(void **state)
{
	struct fan *f = make(&wide, 3);
	struct fan_reader *r = join(f);
	int seen = 0;

	push(f, 0, 0, true, 0);
	push(f, 1, -33 * MS, false, 0); /* of the GOP before: a slower encoder */
	push(f, 0, 33 * MS, false, 0);
	push(f, 1, 0, true, 0);
	push(f, 1, 33 * MS, false, 0);
	for (struct fan_item it; fan_take(r, &it); unref(it.p), seen++)
		assert_true(it.us >= 0);
	assert_int_equal(seen, 4);
	/* A key frame of the second rung that comes before the leading one's is kept for who joins. */
	push(f, 1, SEC_US, true, 0);
	push(f, 0, SEC_US, true, 0);
	take_all(r);
	fan_reader_destroy(r);
	r = join(f);
	assert_int_equal(take(r).track, 0);
	assert_int_equal(take(r).track, 1);
	assert_int_equal(take_all(r), 0);
	end(f, r, NULL);
}

static void test_dead_lead_is_replaced(void **state)
{
	struct fan *f = make(&wide, 3);
	struct fan_reader *r;

	push(f, 0, 0, true, 0);
	for (int s = 1; s < 30; s++)
		push(f, 1, s * SEC_US, true, 0);
	r = join(f);
	assert_int_equal(take(r).us, 29 * SEC_US);
	end(f, r, NULL);
}

static void test_bytes_bound(void **state)
{
	struct fan_limits l = wide;
	struct fan *f;
	struct fan_reader *r;
	struct fan_item big = {.p = &l, .size = 1 << 20, .key = true};

	l.bytes = 100000;
	l.burst_bytes = 50000;
	f = make(&l, 1);
	r = join(f);
	for (int n = 0; n < 1000; n++) {
		av(f, n);
		assert_true(fan_reader_stats(r).bytes <= 101100);
		assert_true(refs < 200);
	}
	/* One item larger than the limit still passes an empty queue. */
	take_all(r);
	big.us = 100 * SEC_US;
	fan_push(f, &big, 0);
	assert_int_equal(take(r).size, 1 << 20);
	end(f, r, NULL);
}

static void test_hopeless_is_cut(void **state)
{
	struct fan_limits l = wide;
	struct fan *f;
	struct fan_reader *dead, *lame;

	l.us = SEC_US / 2;
	l.hopeless_us = 5 * SEC_US;
	f = make(&l, 1);
	dead = join(f);
	lame = join(f);
	for (int n = 0; n < 30 * 20; n++) {
		av(f, n);
		/* It loses much, but empties its queue every two seconds. */
		if (n % 60 == 0)
			take_all(lame);
		if (n < 30 * 5 || n > 30 * 6)
			assert_int_equal(fan_reader_cut(dead), n > 30 * 6);
	}
	assert_true(fan_reader_cut(dead));
	assert_false(fan_reader_cut(lame));
	assert_true(fan_reader_stats(lame).dropped > 100);
	assert_int_equal(fan_reader_stats(dead).items, 0);
	end(f, dead, lame);
}

static void test_disposable_first(void **state)
{
	struct fan_limits l = wide;
	struct fan *f;
	struct fan_reader *r;

	l.us = SEC_US;
	f = make(&l, 1);
	r = join(f);
	for (int n = 0; n < 28; n++) {
		struct fan_item it = {
		    .p = f, .size = 1, .us = n * 33 * MS, .key = !n, .disposable = n & 1};

		fan_push(f, &it, 0);
	}
	/* From the half second on every second frame is refused, and no GOP is lost. */
	assert_int_equal(fan_reader_stats(r).skips, 0);
	assert_int_equal(fan_reader_stats(r).dropped, 6);
	assert_int_equal(take_all(r), 22);
	end(f, r, NULL);
}

static void test_sound_only(void **state)
{
	struct fan_limits l = wide;
	struct fan *f;
	struct fan_reader *r;

	l.us = SEC_US;
	f = make(&l, 0);
	for (int n = 0; n < 10; n++)
		push(f, 0, n * 20 * MS, true, 0);
	r = join(f);
	assert_int_equal(take(r).us, 180 * MS);
	for (int n = 10; n < 500; n++)
		push(f, 0, n * 20 * MS, true, 0);
	/* Each item is a start: the newest stay. */
	assert_true(fan_reader_stats(r).dropped > 400);
	assert_true(take(r).us >= 9 * SEC_US - SEC_US);
	end(f, r, NULL);
}

static void test_jumps(void **state)
{
	struct fan *f = make(&wide, 1);
	struct fan_reader *r = join(f);

	for (int n = 0; n < 31; n++)
		av(f, n + 100000);
	take_all(r);
	/* The time falls back: both go on, and nothing of before is given to who joins. */
	for (int n = 0; n < 45; n++)
		av(f, n);
	assert_int_equal(take_all(r), 90);
	fan_reader_destroy(r);
	r = join(f);
	assert_int_equal(take(r).us, SEC_US);
	push(f, 0, INT64_MAX, true, 0);
	push(f, 0, INT64_MIN, true, 0);
	push(f, 32, 0, true, 0);
	push(f, -1, 0, true, 0);
	end(f, r, NULL);
}

static void test_new_stream(void **state)
{
	struct fan *f = make(&wide, 1);
	struct fan_reader *r = join(f), *old;

	for (int n = 0; n < 10; n++)
		av(f, n);
	old = r;
	fan_reader_detach(old);
	r = join(f);
	take_all(r);
	fan_start(f, 2);
	push(f, 1, 50, false, 0);
	push(f, 1, 60, true, 0);
	push(f, 0, 70, true, 0);
	assert_int_equal(take_all(old), 20);
	assert_int_equal(take(r).us, 60);
	assert_int_equal(take(r).us, 70);
	end(f, r, old);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_begins_at_key),
    cmocka_unit_test(test_join_gets_the_gop),
    cmocka_unit_test(test_slow_skips_to_key),
    cmocka_unit_test(test_sound_and_picture_together),
    cmocka_unit_test(test_other_rungs_wait_for_their_key),
    cmocka_unit_test(test_dead_lead_is_replaced),
    cmocka_unit_test(test_bytes_bound),
    cmocka_unit_test(test_hopeless_is_cut),
    cmocka_unit_test(test_disposable_first),
    cmocka_unit_test(test_sound_only),
    cmocka_unit_test(test_jumps),
    cmocka_unit_test(test_new_stream),
};

RUN_TESTS(tests)
