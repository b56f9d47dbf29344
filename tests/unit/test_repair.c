/* The repair of time as a whole, in virtual time: what a source sends and when it arrives goes through the timeline, pictures
 * then through the grid, sound through the splice (with a resampler that does what it is told). Looked at: every place of the
 * grid is taken once and in order, sound is whole, and how far sound and picture of one instant come to stand apart. */
#include "unit.h"

#include "media/splice.h"
#include "media/timeline.h"

#define T0 (INT64_C(1790000000) * SEC_US + 417000)
#define AUDIO_SAMPLES 1024

struct scene {
	struct timeline t;
	struct grid grid;
	struct splice splice;
	struct ratio fps; /* of the source */
	int ppm;	  /* of the source's clock */
	uint32_t seed;
	int64_t jitter_us; /* of arrivals */

	int64_t epoch;	 /* true time at which the source began, and */
	int64_t base[2]; /* its timestamps of that instant, by track */
	int64_t passed;	 /* true time since */
	int64_t sent[2]; /* packets of each track */
	bool off[2];	 /* a track that is not sent now */
	int64_t hold_us; /* sent, but the line stands still until then (0: it does not) */

	bool begun;
	double fraction; /* of a sample that the resampler owes */
	int64_t placed, repeated, dropped, silence, cut;
	/* True time minus place: of the last picture and the last sound. */
	int64_t video_off, audio_off, av_worst_us;
	int64_t late_us, late_worst_us; /* of pictures: the clock minus their place */
	bool judge;			/* A/V counts now */
};

static void begin(struct scene *s, struct ratio fps, int ppm)
{
	*s = (struct scene){.fps = fps, .ppm = ppm, .seed = 1, .epoch = T0};
	s->base[0] = s->base[1] = 5 * SEC_US;
	s->grid.fps = (struct ratio){30, 1};
	timeline_init(&s->t, true, s->grid.fps, 30);
	timeline_source(&s->t, false, true);
}

static int64_t noise(struct scene *s)
{
	s->seed = s->seed * 1664525 + 1013904223;
	return s->jitter_us ? (s->seed >> 8) % s->jitter_us : 0;
}

static void judge(struct scene *s)
{
	if (s->judge)
		s->av_worst_us = MAX(s->av_worst_us, llabs(s->audio_off - s->video_off));
}

/* true_us: the instant that the picture shows. */
static void picture(struct scene *s, int64_t out, int64_t true_us, int64_t now)
{
	int64_t n;

	if (out == TIMELINE_NONE || out < s->t.start_us - 10 * MS_US)
		return;
	if (!grid_place(&s->grid, out, &n)) {
		s->dropped++;
		return;
	}
	if (s->grid.begun)
		s->repeated += n - s->grid.next;
	grid_taken(&s->grid, n);
	s->placed++;
	s->video_off = true_us - grid_us(s->grid.fps, n);
	s->late_us = now - grid_us(s->grid.fps, n);
	s->late_worst_us = MAX(s->late_worst_us, llabs(s->late_us));
	judge(s);
}

static void sound(struct scene *s, int64_t out, int64_t true_us)
{
	if (out == TIMELINE_NONE || out < s->t.start_us)
		return;
	int64_t at = base_scale(out, SPLICE_RATE, SEC_US);
	if (!s->begun)
		s->splice.next = at;
	s->begun = true;
	double n = AUDIO_SAMPLES * (1 + (double)s->splice.stretch / SPLICE_RATE) + s->fraction;
	int64_t whole = (int64_t)n;
	s->fraction = n - (double)whole;
	struct splice_cut c = splice_place(&s->splice, at, whole);
	s->silence += c.silence;
	s->cut += c.skip;
	if (c.skip == whole)
		return;
	s->audio_off = true_us - base_scale(s->splice.next - whole, SEC_US, SPLICE_RATE);
	judge(s);
}

static int64_t step_us(const struct scene *s, int track, int64_t n)
{
	return track ? base_scale(n, AUDIO_SAMPLES * SEC_US, SPLICE_RATE) : grid_us(s->fps, n);
}

/* Packet n of a track, at the source's clock (which runs ppm fast), arriving a little later. */
static void send(struct scene *s, int track, int64_t n)
{
	int64_t clock = step_us(s, track, n), length = step_us(s, track, n + 1) - clock;
	int64_t true_us = s->epoch + base_scale(clock, SEC_US, SEC_US + s->ppm);
	int64_t now = MAX(true_us + 40 * MS_US + noise(s), s->hold_us),
		pts = s->base[track] + clock;

	if (s->off[track])
		return;
	int64_t out = timeline_map(&s->t, track ? MEDIA_AUDIO : MEDIA_VIDEO, pts, pts, length, now);
	if (track)
		sound(s, out, true_us);
	else
		picture(s, out, true_us, now);
}

/* us of the source's time. */
static void play(struct scene *s, int64_t us)
{
	int64_t end = s->passed + us;

	for (;;) {
		int track = step_us(s, 0, s->sent[0]) <= step_us(s, 1, s->sent[1]) ? 0 : 1;

		if (step_us(s, track, s->sent[track]) >= end)
			break;
		send(s, track, s->sent[track]++);
	}
	s->passed = end;
}

static int64_t jumps(const struct scene *s)
{
	return s->t.repairs[REPAIR_JUMP] + s->t.repairs[REPAIR_SKIP] + s->t.repairs[REPAIR_LATE] +
	       s->t.repairs[REPAIR_WRAP] + s->t.repairs[REPAIR_SKEW];
}

/* Frames are one a place: the grid has gone on as long as the source has. */
static void rate_is_whole(const struct scene *s, int64_t seconds)
{
	assert_in_range(s->placed + s->repeated, seconds * 30 - 60, seconds * 30);
}

static void an_hour_of_drift(struct ratio fps, int ppm, int64_t jitter_us, int hops)
{
	struct scene s;

	begin(&s, fps, ppm);
	s.jitter_us = jitter_us;
	play(&s, 20 * SEC_US);
	s.judge = true;
	play(&s, 3600 * SEC_US);
	print_message(
	    "%lld/%lld fps %+d ppm: A/V within %.1f ms, late within %.0f ms, %lld repeated, %lld "
	    "dropped, sound %lld filled %lld cut, %lld ms of drift\n",
	    (long long)fps.num, (long long)fps.den, ppm, (double)s.av_worst_us / 1e3,
	    (double)s.late_worst_us / 1e3, (long long)s.repeated, (long long)s.dropped,
	    (long long)s.silence, (long long)s.cut, (long long)s.t.repairs[REPAIR_DRIFT]);
	assert_int_equal(jumps(&s), 0);
	assert_true(s.av_worst_us <= 20 * MS_US);
	assert_true(s.late_worst_us <= 100 * MS_US + jitter_us);
	assert_int_equal(s.silence + s.cut, 0);
	rate_is_whole(&s, base_scale(3620, SEC_US, SEC_US + ppm));
	/* One hop for each frame that the clocks come apart in the hour, and no more. */
	int64_t by = llabs(s.dropped - s.repeated);
	assert_true(llabs(by - hops) <= 6);
	assert_true(MIN(s.dropped, s.repeated) <= 3);
	/* What it has followed, and with much jitter a little to and fro. */
	assert_in_range(s.t.repairs[REPAIR_DRIFT], llabs(ppm) * 36 / 10 - llabs(ppm) / 10,
			llabs(ppm) * 36 / 10 + jitter_us / 250);
}

static void drift_is_followed(void **state)
{
	an_hour_of_drift((struct ratio){30, 1}, 200, 0, 21);
	an_hour_of_drift((struct ratio){30, 1}, -200, 0, 21);
	an_hour_of_drift((struct ratio){30, 1}, 200, 8 * MS_US, 21);
	an_hour_of_drift((struct ratio){30, 1}, -200, 30 * MS_US, 21);
	an_hour_of_drift((struct ratio){30, 1}, 0, 30 * MS_US, 0);
}

/* 29.97 of another clock: 108 repeats an hour by the rate alone. */
static void drift_of_other_rates(void **state)
{
	an_hour_of_drift((struct ratio){30000, 1001}, 200, 0, 108 - 21);
	an_hour_of_drift((struct ratio){30000, 1001}, -200, 0, 108 + 21);
}

static void jump_of(int64_t by_us)
{
	struct scene s;

	begin(&s, (struct ratio){30, 1}, 0);
	s.base[0] = s.base[1] = 20000 * SEC_US;
	play(&s, 20 * SEC_US);
	s.base[0] += by_us;
	s.base[1] += by_us;
	play(&s, 3 * SEC_US);
	s.judge = true;
	play(&s, 20 * SEC_US);
	print_message(
	    "jump of %lld ms: A/V within %.1f ms, late %lld ms, %lld repeated, %lld dropped, %lld "
	    "samples filled, %lld cut\n",
	    (long long)(by_us / 1000), (double)s.av_worst_us / 1e3, (long long)s.late_us / 1000,
	    (long long)s.repeated, (long long)s.dropped, (long long)s.silence, (long long)s.cut);
	assert_in_range(jumps(&s), 1, 3);
	assert_true(s.av_worst_us <= 20 * MS_US);
	assert_true(llabs(s.late_us) <= 150 * MS_US);
	rate_is_whole(&s, 43);
}

static void jumps_back_and_forth(void **state)
{
	static const int64_t by[] = {1, 3, 60, 3600, 5 * 3600};

	for (size_t i = 0; i < ARRAY_LEN(by); i++) {
		jump_of(by[i] * SEC_US);
		jump_of(-by[i] * SEC_US);
	}
	jump_of(-400 * MS_US);
	jump_of(400 * MS_US);
	jump_of(-INT64_C(95443717689)); /* a wrap of 33 bits */
	jump_of(INT64_C(1) << 45);
}

static void sound_may_be_missing(void **state)
{
	struct scene s;

	begin(&s, (struct ratio){30, 1}, 0);
	play(&s, 20 * SEC_US);
	s.off[1] = true;
	play(&s, 3 * SEC_US);
	s.off[1] = false;
	s.judge = true;
	play(&s, 10 * SEC_US);
	assert_int_equal(jumps(&s), 0);
	assert_in_range(s.silence, 3 * SPLICE_RATE - 2 * AUDIO_SAMPLES,
			3 * SPLICE_RATE + 2 * AUDIO_SAMPLES);
	assert_int_equal(s.cut, 0);
	assert_true(s.av_worst_us <= 20 * MS_US);
	assert_int_equal(s.repeated + s.dropped, 0);
	/* One packet of AAC. */
	s.silence = 0;
	s.sent[1]++;
	play(&s, 5 * SEC_US);
	assert_in_range(s.silence, AUDIO_SAMPLES - 2, AUDIO_SAMPLES + 2);
	assert_true(s.av_worst_us <= 20 * MS_US);
}

static void sound_may_come_twice(void **state)
{
	struct scene s;

	begin(&s, (struct ratio){30, 1}, 0);
	play(&s, 20 * SEC_US);
	s.judge = true;
	for (int again = 0; again < 5; again++) {
		int64_t n = s.sent[1] - 1;

		send(&s, 1, n);
		play(&s, SEC_US);
	}
	assert_int_equal(s.t.repairs[REPAIR_DOUBLE], 5);
	assert_int_equal(jumps(&s), 0);
	/* A whole second of it in a burst, farther back than what is disorder. */
	for (int64_t n = s.sent[1] - 47; n < s.sent[1]; n++) {
		s.hold_us = T0 + s.passed + 40 * MS_US;
		send(&s, 1, n);
	}
	s.hold_us = 0;
	s.judge = false;
	play(&s, 3 * SEC_US);
	s.judge = true;
	play(&s, 10 * SEC_US);
	assert_true(s.av_worst_us <= 20 * MS_US);
	assert_true(s.late_us <= 100 * MS_US);
	assert_int_equal(s.silence + s.cut, 0);
	assert_int_equal(jumps(&s), 0);
}

/* Timestamps of the tracks that have nothing to do with each other. */
static void tracks_may_begin_anywhere(void **state)
{
	static const int64_t skew[] = {-3600 * SEC_US, -10 * SEC_US, 10 * SEC_US, 3600 * SEC_US};

	for (size_t i = 0; i < ARRAY_LEN(skew); i++) {
		struct scene s;

		begin(&s, (struct ratio){30, 1}, 0);
		s.base[0] = 10000 * SEC_US;
		s.base[1] = s.base[0] + skew[i];
		play(&s, 5 * SEC_US);
		s.judge = true;
		play(&s, 20 * SEC_US);
		assert_int_equal(s.t.repairs[REPAIR_SKEW], 1);
		assert_int_equal(jumps(&s), 1);
		assert_true(s.av_worst_us <= 50 * MS_US); /* all there is to go by is the arrival */
		assert_true(llabs(s.late_us) <= 100 * MS_US);
		assert_int_equal(s.silence + s.cut, 0);
	}
}

/* The line stands still for a while, then everything comes at once. */
static void bursts_do_no_harm(void **state)
{
	struct scene s;

	begin(&s, (struct ratio){30, 1}, 0);
	play(&s, 20 * SEC_US);
	for (int i = 0; i < 10; i++) {
		s.hold_us = T0 + s.passed + 150 * MS_US + i * 130 * MS_US;
		play(&s, 5 * SEC_US);
	}
	s.judge = true;
	play(&s, 20 * SEC_US);
	assert_int_equal(jumps(&s), 0);
	assert_true(s.av_worst_us <= 20 * MS_US);
	assert_int_equal(s.silence + s.cut + s.repeated + s.dropped, 0);
}

/* Frames of a rate the grid has not: each place gets the nearest, and A/V is within half a frame of either. */
static void other_rates(void **state)
{
	static const struct {
		struct ratio fps;
		int64_t within_us;
	} rates[] = {{{25, 1}, 20 * MS_US},	 {{60000, 1001}, 10 * MS_US},
		     {{50, 1}, 11 * MS_US},	 {{24000, 1001}, 22 * MS_US},
		     {{60, 1}, 2 * MS_US},	 {{15, 1}, 2 * MS_US},
		     {{30000, 1001}, 18 * MS_US}};

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct scene s;

		begin(&s, rates[i].fps, 0);
		play(&s, 5 * SEC_US);
		s.judge = true;
		play(&s, 60 * SEC_US);
		print_message("%lld/%lld fps: A/V within %.1f ms\n", (long long)rates[i].fps.num,
			      (long long)rates[i].fps.den, (double)s.av_worst_us / 1e3);
		assert_true(s.av_worst_us <= rates[i].within_us);
		assert_int_equal(jumps(&s), 0);
	}
}

/* The sound of this source is half a second slower on its way than its picture. */
static void a_slow_track_is_waited_for(void **state)
{
	struct scene s;

	begin(&s, (struct ratio){30, 1}, 0);
	for (int i = 0; i < 60 * 20; i++) {
		int64_t end = s.passed + 50 * MS_US;

		for (; step_us(&s, 0, s.sent[0]) < end; s.sent[0]++)
			send(&s, 0, s.sent[0]);
		s.hold_us = T0 + end;
		for (; step_us(&s, 1, s.sent[1]) < end - 500 * MS_US; s.sent[1]++)
			send(&s, 1, s.sent[1]);
		s.hold_us = 0;
		s.passed = end;
		s.judge = i > 100;
	}
	assert_int_equal(jumps(&s), 1);
	assert_true(s.av_worst_us <= 20 * MS_US);
	assert_true(s.late_us <= 0 && s.late_us >= -600 * MS_US);
	assert_true(s.silence <= 2 * SPLICE_RATE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(drift_is_followed),	  cmocka_unit_test(drift_of_other_rates),
    cmocka_unit_test(jumps_back_and_forth),	  cmocka_unit_test(sound_may_be_missing),
    cmocka_unit_test(sound_may_come_twice),	  cmocka_unit_test(tracks_may_begin_anywhere),
    cmocka_unit_test(bursts_do_no_harm),	  cmocka_unit_test(other_rates),
    cmocka_unit_test(a_slow_track_is_waited_for),
};
RUN_TESTS(tests)
