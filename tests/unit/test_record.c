/* gex-record's cutter: fragments that begin at the same instant in all tracks. */
#include "unit.h"

#include "../../cmd/gex-record/cutter.c"

static struct media_info *info(int videos)
{
	struct media_info *i = media_info_create();

	assert_non_null(i);
	i->n = videos + 1;
	for (int t = 0; t < i->n; t++) {
		i->track[t].kind = t < videos ? MEDIA_VIDEO : MEDIA_AUDIO;
		i->track[t].tb = (struct ratio){1, 1000};
	}
	return i;
}

static void push(struct cutter *c, int track, int64_t ms, bool key)
{
	struct media_packet *p = media_packet_create(1);

	assert_non_null(p);
	p->track = track;
	p->pts = p->dts = ms;
	p->key = key;
	assert_int_equal(cutter_push(c, p), 0);
}

static struct cutter make(int videos, int64_t fragment_us)
{
	struct media_info *i = info(videos);
	struct cutter c;

	cutter_init(&c, fragment_us);
	cutter_start(&c, i);
	media_info_unref(i);
	return c;
}

/* The times of the n first items, as "track:ms ". */
static const char *text(const struct cutter *c, size_t n)
{
	static char out[512];
	size_t at = 0;

	out[0] = 0;
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%d:%d ", c->q.at[i].p->track,
				       (int)c->q.at[i].p->pts);
	return out;
}

static void test_cuts_all_tracks_at_once(void **state)
{
	struct cutter c = make(1, 10 * SEC_US);

	push(&c, 1, 900, true);
	push(&c, 0, 950, false);
	assert_int_equal(c.dropped, 2);
	push(&c, 0, 1000, true);
	push(&c, 1, 1010, true);
	push(&c, 0, 1500, false);
	/* Sound of the next fragment comes before its picture, and sound of this one after it. */
	push(&c, 1, 2005, true);
	push(&c, 0, 2000, true);
	assert_true(cutter_at_start(&c));
	assert_int_equal(cutter_next(&c, false), 3);
	assert_string_equal(text(&c, 3), "0:1000 1:1010 0:1500 ");
	cutter_taken(&c, 3);
	assert_true(cutter_at_start(&c));
	assert_string_equal(text(&c, c.q.len), "0:2000 1:2005 ");
	assert_int_equal(cutter_next(&c, false), 0);
	assert_int_equal(cutter_next(&c, true), 2);
	cutter_finish(&c);
}

static void test_waits_for_late_tracks(void **state)
{
	struct cutter c = make(2, 10 * SEC_US);

	push(&c, 0, 0, true);
	push(&c, 1, 0, true);
	push(&c, 2, 0, true);
	push(&c, 0, 1000, true);
	push(&c, 2, 1001, true);
	push(&c, 0, 1033, false);
	/* The second rung's encoder is behind. */
	assert_int_equal(cutter_next(&c, false), 0);
	push(&c, 1, 966, false);
	assert_int_equal(cutter_next(&c, false), 0);
	push(&c, 1, 1000, true);
	assert_int_equal(cutter_next(&c, false), 4);
	assert_string_equal(text(&c, 8), "0:0 1:0 2:0 1:966 0:1000 2:1001 0:1033 1:1000 ");
	cutter_taken(&c, 4);
	/* One that does not come at all is waited for 300 ms. */
	push(&c, 0, 2000, true);
	push(&c, 2, 2000, true);
	push(&c, 0, 2299, false);
	assert_int_equal(cutter_next(&c, false), 0);
	push(&c, 0, 2300, false);
	assert_int_equal(cutter_next(&c, false), 4);
	cutter_finish(&c);
}

static void test_long_gop_is_cut_by_time(void **state)
{
	struct cutter c = make(1, 500 * MS_US);
	size_t n, fragments = 0;

	for (int ms = 0; ms < 4000; ms += 40) {
		push(&c, 0, ms, ms == 0);
		push(&c, 1, ms, true);
		while ((n = cutter_next(&c, false))) {
			assert_true(cutter_at_start(&c) == (fragments == 0));
			assert_true(n <= 28);
			cutter_taken(&c, n);
			fragments++;
		}
	}
	assert_in_range(fragments, 6, 8);
	assert_int_equal(c.dropped, 0);
	cutter_finish(&c);
}

static void test_sound_only(void **state)
{
	struct cutter c = make(0, 500 * MS_US);
	int taken = 0;

	for (int ms = 0; ms < 2000; ms += 20) {
		size_t n;

		push(&c, 0, ms, true);
		assert_true(cutter_at_start(&c));
		n = cutter_next(&c, false);
		cutter_taken(&c, n);
		taken += (int)n;
	}
	assert_in_range(taken, 70, 100);
	cutter_finish(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_cuts_all_tracks_at_once),
    cmocka_unit_test(test_waits_for_late_tracks),
    cmocka_unit_test(test_long_gop_is_cut_by_time),
    cmocka_unit_test(test_sound_only),
};

RUN_TESTS(tests)
