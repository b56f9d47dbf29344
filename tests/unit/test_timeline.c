#include "unit.h"

#include "media/timeline.h"

#define T0 (INT64_C(1790000000) * SEC_US + 417000) /* UTC at which the source begins to arrive */
#define FRAME 33333
#define AUDIO 21333

static const struct ratio fps30 = {30, 1};

/* A source at 30 fps with AAC beside it, its own clock, and a network between. */
struct scene {
	struct timeline t;
	struct grid grid;
	int64_t now;			   /* UTC */
	int64_t clock;			   /* what the source calls now */
	int64_t last_a;			   /* end of the last audio placed */
	int64_t placed, dropped, repeated; /* frames on the grid */
	int64_t worst_av_us;		   /* audio placed with a gap or an overlap */
	int64_t last_out;
};

static void begin(struct scene *s, bool live, int64_t clock, bool utc)
{
	*s = (struct scene){.now = T0, .clock = clock, .grid = {.fps = fps30}};
	timeline_init(&s->t, live, fps30, 30);
	timeline_source(&s->t, utc, true);
}

static void video(struct scene *s, int64_t pts)
{
	int64_t n, out = timeline_map(&s->t, MEDIA_VIDEO, pts, pts, FRAME, s->now);

	if (out == TIMELINE_NONE || out < s->t.start_us - FRAME / 2)
		return;
	s->last_out = out;
	if (!grid_place(&s->grid, out, &n)) {
		s->dropped++;
		return;
	}
	if (s->grid.begun)
		s->repeated += n - s->grid.next;
	else
		assert_int_equal(n % 30, 0);
	grid_taken(&s->grid, n);
	s->placed++;
}

static void audio(struct scene *s, int64_t pts)
{
	int64_t out = timeline_map(&s->t, MEDIA_AUDIO, pts, pts, AUDIO, s->now);

	if (out == TIMELINE_NONE || out < s->t.start_us)
		return;
	if (s->last_a)
		s->worst_av_us = MAX(s->worst_av_us, llabs(out - s->last_a));
	s->last_a = out + AUDIO;
}

/* For us microseconds; speed: of the source's clock in parts per million of time passed. */
static void play(struct scene *s, int64_t us, int64_t late_us)
{
	int64_t end = s->clock + us, v = s->clock, a = s->clock;

	for (; v < end || a < end;) {
		int64_t at = MIN(v, a);

		s->now += at - s->clock;
		s->clock = at;
		s->now += late_us;
		if (v <= a)
			video(s, v), v += FRAME;
		else
			audio(s, a), a += AUDIO;
		s->now -= late_us;
	}
	s->now += end - s->clock;
	s->clock = end;
}

static int64_t lateness(const struct scene *s)
{
	return s->now - s->last_out;
}

static void a_live_source_settles_on_the_grid(void **state)
{
	struct scene s;

	begin(&s, true, 5 * SEC_US, false);
	play(&s, 20 * SEC_US, 0);
	assert_true(s.t.settled);
	assert_int_equal(s.t.start_us % SEC_US, 0);
	assert_true(s.t.start_us >= T0 + 300 * MS_US && s.t.start_us <= T0 + 1400 * MS_US);
	assert_int_equal(s.repeated + s.dropped, 0);
	assert_in_range(s.placed, 18 * 30, 20 * 30);
	assert_in_range(lateness(&s), 0, 2 * FRAME);
	assert_true(s.worst_av_us <= 2);
}

/* The first packets come late and at once, as of a connection that was being made. */
static void the_first_burst_is_no_delay(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	for (int i = 0; i < 6; i++)
		video(&s, s.clock + i * FRAME);
	s.clock += 6 * FRAME;
	play(&s, 10 * SEC_US, 0);
	assert_in_range(lateness(&s), 0, 2 * FRAME);
	assert_int_equal(s.t.repairs[REPAIR_SKIP], 0);
}

static void a_backlog_is_skipped_up_to_a_limit(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	play(&s, 5 * SEC_US, 0);
	/* A stall of 2 s, then all of it in a moment. */
	s.now += 2 * SEC_US;
	for (int i = 0; i < 60; i++, s.clock += FRAME)
		video(&s, s.clock);
	play(&s, 5 * SEC_US, 0);
	assert_in_range(lateness(&s), 0, 3 * FRAME);
	/* A file down a pipe: ten times as fast as time. */
	begin(&s, true, 0, false);
	for (int i = 0; i < 1000; i++, s.clock += FRAME, s.now += FRAME / 10)
		video(&s, s.clock);
	assert_true(s.t.skipped_us <= TIMELINE_SKIP_MAX_US + SEC_US);
	assert_true(timeline_ahead(&s.t, s.last_out, s.now) > 5 * SEC_US);
}

static void a_jump_is_not_seen_downstream(void **state)
{
	static const int64_t jumps[] = {3600 * SEC_US, -3600 * SEC_US, 3 * SEC_US, -2 * SEC_US,
					INT64_C(1) << 40};

	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		struct scene s;

		begin(&s, true, 7200 * SEC_US, false);
		play(&s, 5 * SEC_US, 0);
		int64_t before = s.placed;
		s.clock += jumps[i];
		play(&s, 5 * SEC_US, 0);
		assert_int_equal(s.t.repairs[REPAIR_JUMP], 1);
		assert_true(s.repeated + s.dropped <= 2);
		assert_in_range(s.placed - before, 148, 151);
		assert_true(s.worst_av_us <= 60 * MS_US);
		assert_in_range(lateness(&s), 0, 3 * FRAME);
	}
}

/* The tracks jump at different packets, and the old time comes once more between them. */
static void tracks_jump_one_after_the_other(void **state)
{
	struct scene s;

	begin(&s, true, 100 * SEC_US, false);
	play(&s, 5 * SEC_US, 0);
	int64_t v = s.clock + 1000 * SEC_US, a = s.clock;
	for (int i = 0; i < 5; i++, a += AUDIO, s.now += AUDIO) {
		if (i < 3)
			video(&s, v + i * FRAME);
		audio(&s, a);
	}
	s.clock = v + 3 * FRAME;
	s.now += 3 * FRAME - 5 * AUDIO;
	play(&s, 5 * SEC_US, 0);
	assert_int_equal(s.t.repairs[REPAIR_JUMP], 1);
	assert_true(s.worst_av_us <= 60 * MS_US);
	assert_int_equal(s.t.track[0].offset_us, s.t.track[1].offset_us);
}

static void thirty_three_bits_wrap(void **state)
{
	const int64_t wrap = INT64_C(95443717689);
	struct scene s;

	begin(&s, true, wrap - 5 * SEC_US, false);
	play(&s, 5 * SEC_US, 0);
	s.clock -= wrap;
	play(&s, 5 * SEC_US, 0);
	assert_int_equal(s.t.repairs[REPAIR_WRAP], 1); /* the other track follows */
	assert_int_equal(s.t.repairs[REPAIR_JUMP], 0);
	/* play() begins anew with a frame at its first instant, next to the last one before. */
	assert_true(s.repeated + s.dropped <= 1);
	assert_true(s.worst_av_us <= AUDIO);
}

static void small_disorder_and_jitter_do_no_harm(void **state)
{
	struct scene s;
	uint32_t x = 7;

	begin(&s, true, 0, false);
	play(&s, 2 * SEC_US, 0);
	for (int i = 0; i < 600; i++) {
		int64_t late = (x = x * 1664525 + 1013904223) % 60000;

		s.now += late;
		/* B-frames: pts runs ahead of and behind dts. */
		int64_t out = timeline_map(&s.t, MEDIA_VIDEO, s.clock,
					   s.clock + (i % 3 - 1) * FRAME, FRAME, s.now);
		assert_int_equal(out, s.clock + (i % 3 - 1) * FRAME + s.t.offset_us);
		s.now += FRAME - late;
		s.clock += FRAME;
	}
	assert_int_equal(s.t.repairs[REPAIR_JUMP] + s.t.repairs[REPAIR_WRAP] +
			     s.t.repairs[REPAIR_SKIP] + s.t.repairs[REPAIR_LATE],
			 0);
}

static void a_gap_stays_a_gap(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	play(&s, 5 * SEC_US, 0);
	s.clock += 4 * SEC_US;
	s.now += 4 * SEC_US;
	play(&s, 5 * SEC_US, 0);
	assert_int_equal(s.t.repairs[REPAIR_JUMP], 0);
	assert_in_range(s.repeated, 119, 121);
	assert_int_equal(s.dropped, 0);
}

/* The encoder was halted: its clock stood still. For 1 s that may be the network; then it is given a new place. */
static void lateness_that_stays_is_taken_out(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	play(&s, 5 * SEC_US, 0);
	s.now += 10 * SEC_US;
	play(&s, 800 * MS_US, 0);
	assert_in_range(lateness(&s), 9 * SEC_US, 11 * SEC_US);
	play(&s, 5 * SEC_US, 0);
	assert_int_equal(s.t.repairs[REPAIR_LATE], 1);
	assert_in_range(lateness(&s), 0, 3 * FRAME);
}

/* A line that is full for a while, again and again: what comes seconds late is made up for in a burst. Each time the output is back
 * at its delay: it is a live source still, not a pipe that is faster than time. */
static void a_line_that_is_full_at_times(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	play(&s, 10 * SEC_US, 0);
	for (int i = 0; i < 30; i++) {
		/* 2 s are lost bit by bit, are behind for 5 s, and come back bit by bit. */
		for (int64_t late = 0; late < 2 * SEC_US; late += 20 * MS_US)
			play(&s, 100 * MS_US, late);
		play(&s, 5 * SEC_US, 2 * SEC_US);
		for (int64_t late = 2 * SEC_US; late > 0; late -= 20 * MS_US)
			play(&s, 100 * MS_US, late);
		play(&s, 100 * SEC_US, 0);
		assert_int_equal(timeline_ahead(&s.t, s.last_out, s.now), 0);
		assert_in_range(lateness(&s), 0, 300 * MS_US);
	}
	assert_true(s.t.repairs[REPAIR_LATE] >= 30);
	assert_true(s.t.repairs[REPAIR_SKIP] >= 30);
}

static void a_source_that_comes_back_goes_on(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	play(&s, 5 * SEC_US, 0);
	int64_t start = s.t.start_us, offset = s.t.offset_us;
	s.now += 7 * SEC_US;
	s.clock = 900 * SEC_US;
	timeline_source(&s.t, false, true);
	play(&s, 5 * SEC_US, 0);
	assert_int_equal(s.t.start_us, start);
	assert_int_not_equal(s.t.offset_us, offset);
	assert_in_range(s.repeated, 208, 212);
	assert_int_equal(s.dropped, 0);
	assert_in_range(lateness(&s), 0, 3 * FRAME);
}

/* What was read while its tracks were looked for comes at once. */
static void a_burst_at_the_return_is_no_delay(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	play(&s, 5 * SEC_US, 0);
	s.now += 3 * SEC_US;
	s.clock = 900 * SEC_US;
	timeline_source(&s.t, false, true);
	for (int i = 0; i < 3; i++, s.clock += FRAME)
		video(&s, s.clock);
	play(&s, 5 * SEC_US, 0);
	assert_true(lateness(&s) >= -FRAME && lateness(&s) <= 3 * FRAME);
	assert_true(s.dropped <= 3);
}

static void utc_is_kept_as_it_is(void **state)
{
	struct scene s;

	begin(&s, true, T0 - 150 * MS_US, true);
	play(&s, 5 * SEC_US, 0);
	assert_int_equal(s.t.offset_us, 0);
	assert_in_range(s.clock - s.last_out, 1, FRAME);
	assert_true(s.t.track[0].offset_us == 0 && s.t.track[1].offset_us == 0);
	/* Said to be UTC, but hours off: it is not. */
	begin(&s, true, T0 - 7200 * SEC_US, true);
	play(&s, 5 * SEC_US, 0);
	assert_in_range(lateness(&s), 0, 3 * FRAME);
}

static void a_file_begins_at_the_next_gop(void **state)
{
	struct scene s;

	begin(&s, false, 3 * SEC_US + 17, false);
	for (int i = 0; i < 300; i++, s.clock += FRAME)
		video(&s, s.clock); /* no time passes */
	assert_int_equal(s.placed, 300);
	assert_int_equal(s.t.start_us, T0 / SEC_US * SEC_US + SEC_US);
	assert_true(timeline_ahead(&s.t, s.last_out, T0) > 9 * SEC_US);
	/* Begun again: it goes on where it ended. */
	timeline_source(&s.t, false, true);
	s.clock = 3 * SEC_US + 17;
	for (int i = 0; i < 30; i++, s.clock += FRAME)
		video(&s, s.clock);
	assert_int_equal(s.placed, 330);
	assert_int_equal(s.repeated, 0);
}

/* Frames n of a source at `from` fps, on the grid at `to`: how many are placed, repeated and dropped in 1000 frames. */
static void convert(struct ratio from, struct ratio to, int placed, int repeated)
{
	struct grid g = {.fps = to};
	int64_t n, kept = 0, again = 0, last = -1;
	int64_t first = grid_nearest(from, T0);

	for (int64_t i = first; i < first + 1000; i++) {
		if (!grid_place(&g, grid_us(from, i), &n))
			continue;
		assert_true(n > last);
		assert_true(llabs(grid_us(to, n) - grid_us(from, i)) <= grid_us(to, 3) / 4 + 1);
		if (g.begun)
			again += n - g.next;
		grid_taken(&g, n);
		last = n;
		kept++;
	}
	assert_in_range(kept, placed - 2, placed + 2);
	assert_in_range(again, MAX(repeated - 2, 0), repeated + 2);
}

static void frame_rates_convert_evenly(void **state)
{
	convert((struct ratio){30, 1}, (struct ratio){30, 1}, 1000, 0);
	convert((struct ratio){30000, 1001}, (struct ratio){30000, 1001}, 1000, 0);
	convert((struct ratio){60, 1}, (struct ratio){30, 1}, 500, 0);
	convert((struct ratio){50, 1}, (struct ratio){30, 1}, 600, 0);
	convert((struct ratio){25, 1}, (struct ratio){30, 1}, 1000, 200);
	convert((struct ratio){30000, 1001}, (struct ratio){30, 1}, 1000, 1);
	convert((struct ratio){60000, 1001}, (struct ratio){30000, 1001}, 500, 0);
	convert((struct ratio){60000, 1001}, (struct ratio){30, 1}, 500, 0);
	convert((struct ratio){60000, 1001}, (struct ratio){60, 1}, 1000, 1);
	convert((struct ratio){30, 1}, (struct ratio){60, 1}, 1000, 1000);
	convert((struct ratio){25, 1}, (struct ratio){60000, 1001}, 1000, 1397);
	convert((struct ratio){24000, 1001}, (struct ratio){30000, 1001}, 1000, 250);
}

/* A camera that takes 12 to 60 frames a second as the light allows, and a screen that is sent when it changes: every place gets a
 * picture that was true within a frame of it, or repeats the last, and none is put back. */
static void a_frame_rate_that_varies_is_laid_on_the_grid(void **state)
{
	static const int64_t fps[] = {15, 25, 30, 60};
	uint32_t seed = 1;

	for (size_t k = 0; k < ARRAY_LEN(fps); k++) {
		struct grid g = {.fps = {fps[k], 1}};
		int64_t frame = grid_us(g.fps, 1), us = T0, last = -1, first = 0, n;
		int64_t places = 0, unseen = 0, sent = 0;

		for (; us < T0 + 60 * SEC_US; sent++) {
			seed = seed * 1664525 + 1013904223;
			/* Now and then nothing changes for half a second. */
			us += seed >> 28 ? 16667 + (seed >> 8) % 66667 : 500 * MS_US;
			if (!grid_place(&g, us, &n)) {
				unseen++;
				continue;
			}
			assert_true(n > last);
			assert_true(llabs(grid_us(g.fps, n) - us) <= frame);
			if (!g.begun)
				first = n;
			places = n - first + 1;
			grid_taken(&g, n);
			last = n;
		}
		/* As long as it lasted, and no picture is lost where there are places for all. */
		assert_in_range(places, 60 * fps[k] - 2, 60 * fps[k] + 30);
		if (fps[k] == 60)
			assert_in_range(unseen, 0, sent / 50);
		assert_true(unseen < sent);
	}
}

static void instants_are_exact(void **state)
{
	static const struct ratio rates[] = {{30, 1},	    {30000, 1001}, {25, 1},
					     {60000, 1001}, {24000, 1001}, {25, 2}};

	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		for (int64_t n = grid_nearest(rates[i], T0), end = n + 500; n < end; n++)
			assert_int_equal(grid_nearest(rates[i], grid_us(rates[i], n)), n);
	/* Rungs of 60, 30 and 15 fps begin GOPs of 1 s together; 12.5 fps at the first frame from there on. */
	for (int64_t sec = T0 / SEC_US; sec < T0 / SEC_US + 20; sec++) {
		static const int whole[] = {60, 30, 15, 1};

		for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
			assert_int_equal(grid_gop_of((struct ratio){whole[i], 1},
						     (struct ratio){1, 1}, sec * whole[i]),
					 sec);
			assert_int_equal(grid_gop_of((struct ratio){whole[i], 1},
						     (struct ratio){1, 1}, sec * whole[i] - 1),
					 sec - 1);
		}
		int64_t n = (sec * 25 + 1) / 2;
		assert_int_equal(grid_gop_of((struct ratio){25, 2}, (struct ratio){1, 1}, n), sec);
		assert_int_equal(grid_gop_of((struct ratio){25, 2}, (struct ratio){1, 1}, n - 1),
				 sec - 1);
	}
	assert_int_equal(grid_gop((struct ratio){30000, 1001}, SEC_US), 30);
	assert_int_equal(grid_gop((struct ratio){25, 1}, 2 * SEC_US), 50);
	assert_int_equal(grid_gop((struct ratio){1, 1}, 200 * MS_US), 1);
}

/* A file into a pipe: all of it within the time of settling. */
static void what_comes_at_once_is_not_lost(void **state)
{
	struct scene s;

	begin(&s, true, 0, false);
	for (int64_t v = 0; v < 10 * SEC_US; v += FRAME) {
		s.now += MS_US / 10;
		video(&s, v);
		s.now += timeline_ahead(&s.t, s.last_out, s.now);
	}
	assert_true(s.t.settled);
	/* Three seconds are skipped, and output begins with the next GOP. */
	assert_in_range(s.placed, 30 * 5, 30 * 7);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_comes_at_once_is_not_lost),
    cmocka_unit_test(a_live_source_settles_on_the_grid),
    cmocka_unit_test(the_first_burst_is_no_delay),
    cmocka_unit_test(a_backlog_is_skipped_up_to_a_limit),
    cmocka_unit_test(a_jump_is_not_seen_downstream),
    cmocka_unit_test(tracks_jump_one_after_the_other),
    cmocka_unit_test(thirty_three_bits_wrap),
    cmocka_unit_test(small_disorder_and_jitter_do_no_harm),
    cmocka_unit_test(a_gap_stays_a_gap),
    cmocka_unit_test(lateness_that_stays_is_taken_out),
    cmocka_unit_test(a_line_that_is_full_at_times),
    cmocka_unit_test(a_source_that_comes_back_goes_on),
    cmocka_unit_test(a_burst_at_the_return_is_no_delay),
    cmocka_unit_test(utc_is_kept_as_it_is),
    cmocka_unit_test(a_file_begins_at_the_next_gop),
    cmocka_unit_test(frame_rates_convert_evenly),
    cmocka_unit_test(a_frame_rate_that_varies_is_laid_on_the_grid),
    cmocka_unit_test(instants_are_exact),
};
RUN_TESTS(tests)
