/* What packets tell of an encoder. */
#include "unit.h"

#include "media/alerts.h"

static const struct alerts_conf all = {
    .gop_us = 4 * SEC_US, .bframes = true, .vfr = true, .bitrate = 3};

struct bed {
	struct alerts a;
	int64_t us, n;
	unsigned on, ever;
};

static void begin(struct bed *b)
{
	*b = (struct bed){.us = 1000000007};
	alerts_init(&b->a, &all);
}

/* A frame, and the distance to the next. */
static void frame(struct bed *b, bool key, int64_t late_us, size_t size, int64_t step_us)
{
	b->on = alerts_frame(&b->a, key, b->us, b->us + late_us, size);
	b->ever |= b->on;
	b->us += step_us;
	b->n++;
}

/* 25 frames a second with a key frame each `gop`. */
static void plain(struct bed *b, int seconds, int gop, size_t size)
{
	for (int i = 0; i < 25 * seconds; i++)
		frame(b, i % gop == 0, 0, size, 40000);
}

static void a_good_source_is_not_spoken_of(void **state)
{
	struct bed b;

	begin(&b);
	for (int i = 0; i < 3000; i++) {
		/* 59.94 frames a second in whole milliseconds, some of them lost, key frames ten times as large. */
		int64_t at = (int64_t)i * 1001000 / 60;

		if (i % 37 == 5 && i % 120)
			continue;
		b.on |= alerts_frame(&b.a, i % 120 == 0, at / 1000 * 1000, at / 1000 * 1000,
				     i % 120 ? 4000 : 40000);
		b.on |= alerts_sound(&b.a, 300);
	}
	assert_int_equal(b.on, 0);
}

static void key_frames_far_apart(void **state)
{
	struct bed b;

	begin(&b);
	plain(&b, 20, 100, 1000);
	assert_int_equal(b.ever, 0);
	plain(&b, 10, 250, 1000);
	assert_int_equal(b.on, 1u << ALERT_GOP);
	plain(&b, 8, 50, 1000);
	assert_int_equal(b.on, 1u << ALERT_GOP);
	plain(&b, 8, 50, 1000);
	assert_int_equal(b.on, 0);
}

static void frames_out_of_order(void **state)
{
	struct bed b;

	begin(&b);
	/* Late as they all are, they come in order. */
	for (int i = 0; i < 100; i++)
		frame(&b, i % 50 == 0, 80000, 1000, 40000);
	assert_int_equal(b.ever, 0);
	for (int i = 0; i < 50; i++)
		frame(&b, i % 50 == 0, i % 3 == 0 ? 120000 : 0, 1000, 40000);
	assert_int_equal(b.on, 1u << ALERT_BFRAMES);
	plain(&b, 11, 50, 1000);
	assert_int_equal(b.on, 0);
}

/* Where the container tells no order of decoding. */
static void frames_out_of_order_by_their_time_alone(void **state)
{
	static const int place[] = {0, 3, 1, 2};
	struct bed b;

	begin(&b);
	for (int i = 0; i < 200; i++) {
		int64_t us = b.us + (i / 4 * 4 + place[i % 4]) * INT64_C(40000);

		b.on = alerts_frame(&b.a, i % 48 == 0, us, us, 1000);
	}
	assert_int_equal(b.on, 1u << ALERT_BFRAMES);
}

static void no_frame_rate(void **state)
{
	struct bed b;

	begin(&b);
	for (int i = 0; i < 200; i++)
		frame(&b, i % 25 == 0, 0, 1000, i % 3 ? 33000 : 67000);
	assert_int_equal(b.on, 1u << ALERT_VFR);
	plain(&b, 14, 50, 1000);
	assert_int_equal(b.on, 0);
}

static void the_rate_jumps(void **state)
{
	struct bed b;

	begin(&b);
	plain(&b, 15, 50, 1000);
	plain(&b, 1, 50, 2500);
	plain(&b, 12, 50, 1000);
	assert_int_equal(b.ever, 0);
	plain(&b, 2, 50, 4000);
	assert_int_equal(b.on, 1u << ALERT_BITRATE);
	plain(&b, 25, 50, 4000);
	assert_int_equal(b.on, 0);
	plain(&b, 2, 50, 500);
	assert_int_equal(b.on, 1u << ALERT_BITRATE);
}

static void a_jump_of_time_is_nothing(void **state)
{
	struct bed b;

	begin(&b);
	for (int i = 0; i < 30; i++) {
		plain(&b, 2, 50, 1000);
		b.us += i % 2 ? 3600 * SEC_US : -1800 * SEC_US;
	}
	assert_int_equal(b.ever, 0);
	/* An alert that stands when it comes ends all the same. */
	for (int i = 0; i < 50; i++)
		frame(&b, i % 50 == 0, i % 3 == 0 ? 120000 : 0, 1000, 40000);
	b.us -= 1000 * SEC_US;
	plain(&b, 5, 50, 1000);
	assert_int_equal(b.on, 1u << ALERT_BFRAMES);
	plain(&b, 6, 50, 1000);
	assert_int_equal(b.on, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_good_source_is_not_spoken_of),
    cmocka_unit_test(key_frames_far_apart),
    cmocka_unit_test(frames_out_of_order_by_their_time_alone),
    cmocka_unit_test(frames_out_of_order),
    cmocka_unit_test(no_frame_rate),
    cmocka_unit_test(the_rate_jumps),
    cmocka_unit_test(a_jump_of_time_is_nothing),
};

RUN_TESTS(tests)
