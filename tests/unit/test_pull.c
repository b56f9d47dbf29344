#include "unit.h"

#include "media/demux.h"

static void test_same_origin(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
	    {"http://h/live.m3u8", "http://h/other/1.ts", true},
	    {"http://h/live.m3u8", "http://H:80/1.ts?x=1", true},
	    {"https://h/live.m3u8", "https://h:443/1.ts", true},
	    {"http://h/live.m3u8", "https://h/1.ts", false},
	    {"http://h:8080/live.m3u8", "http://h/1.ts", false},
	    {"http://user:word@h/live.m3u8", "http://h/1.ts", true},
	    {"http://h/live.m3u8", "http://h@evil/1.ts", false},
	    {"http://h/live.m3u8", "http://evil/h", false},
	    {"http://h/live.m3u8", "http://evil?h", false},
	    {"http://h/live.m3u8", "http://h.evil/1.ts", false},
	    {"http://[::1]:8080/a", "http://[::1]:8080/b", true},
	    {"http://[::1]:8080/a", "http://[::1]/b", false},
	    {"http://[::1]/a", "http://[::2]/b", false},
	    {"http://h/a", "crypto+http://h/key", true},
	    {"http://h/a", "crypto+http://evil/key", false},
	    {"http://h/a", "file:/etc/hostname", false},
	    {"http://h/a", "/etc/hostname", false},
	    {"http://h/a", "tcp://h:80", false},
	    {"http://h/a", "", false},
	    {"http://h/a", "http://", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (media_pull_same_origin(cases[i].a, cases[i].b) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
}

/* ---- the pace of a live playlist ---- */

static void what_is_left_of_a_playlist(void **state)
{
	static const char list[] =
	    "#EXTM3U\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-MEDIA-SEQUENCE:41\r\n"
	    "#EXTINF:6.006,\r\nseg/a41.ts?t=1\r\n#EXTINF:6,\r\nseg/a42.ts?t=1\r\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T00:00:00Z\r\n"
	    "#EXTINF:4.5,title\r\nseg/a43.ts?t=1";
	char first[] = "http://h/x/seg/a41.ts?t=1", third[] = "http://h/x/seg/a43.ts?t=1",
	     gone[] = "http://h/x/seg/a40.ts?t=1", sound[] = "http://h/y/b41.ts",
	     longer[] = "http://h/x/seg/aa41.ts?t=1";
	int64_t left, segment;

	assert_true(pace_left(list, (char *[]){NULL, first}, 2, &left, &segment));
	assert_int_equal(left, 10500 * MS_US);
	assert_int_equal(segment, 6006 * MS_US);
	assert_true(pace_left(list, (char *[]){third, first, sound}, 3, &left, &segment));
	assert_int_equal(left, 0);
	assert_true(pace_left(list, (char *[]){gone, longer}, 2, &left, &segment));
	assert_int_equal(left, 16506 * MS_US);
	assert_false(
	    pace_left("#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n", NULL, 0, &left, &segment));
	assert_false(pace_left("#EXTM3U\n#EXT-X-STREAM-INF:\na.m3u8\n", NULL, 0, &left, &segment));
	assert_false(pace_left("#EXTM3U\n#EXTINF:nan,\na.ts\n", NULL, 0, &left, &segment));
	assert_false(pace_left("", NULL, 0, &left, &segment));
}

#define SEG (2 * SEC_US)
#define WINDOW 6

/* An origin whose clock is wrong by ppm and that keeps so many segments; who reads begins three before the end. */
struct origin_run {
	int64_t overrun,
	    longest_wait_us;	   /* segments that were gone; for one that was not there yet */
	int64_t least_us, most_us; /* behind the end, by the day's second half */
};

static struct origin_run read_for(int64_t us, int64_t origin_ppm, bool steer)
{
	struct pace p = {.late_us = SEC_US, .ahead_us = 60 * SEC_US};
	struct pace_depth d = {0};
	struct origin_run r = {.least_us = NEVER_US};
	int64_t now = 7 * SEC_US + 123456, next = 0, looked = 0, begun = now;

	for (bool first = true; now < us; first = false) {
		/* How many are there, with what the network and the encoder make of it: up to 300 ms. */
		int64_t jitter = (next * 7919) % 300 * MS_US, ready;

		for (;;) {
			ready = 100 + base_scale(now - jitter, SEC_US + origin_ppm, SEC_US) / SEG;
			if (first)
				next = ready - 3;
			if (next < ready)
				break;
			now += 100 * MS_US;
			r.longest_wait_us += 100 * MS_US;
		}
		if (next < ready - WINDOW) {
			r.overrun += ready - WINDOW - next;
			next = ready - WINDOW;
		}
		if (!first && now - looked >= 10 * SEC_US) {
			looked = now;
			pace_deep(&d, (ready - next) * SEG, SEG);
		}
		if (now > us / 2) {
			r.least_us = MIN(r.least_us, (ready - next) * SEG);
			r.most_us = MAX(r.most_us, (ready - next) * SEG);
		}
		for (int i = 0; i < 50; i++)
			now += pace_wait(&p, next * SEG + i * SEG / 50, now, steer ? d.ppm : 0);
		now = MAX(now, begun);
		next++;
	}
	return r;
}

static void a_days_drift_of_the_origin(void **state)
{
	static const int64_t ppm[] = {200, 100, 20, 0, -20, -100, -200};
	const int64_t day = 24 * 3600 * SEC_US;

	for (size_t i = 0; i < ARRAY_LEN(ppm); i++) {
		struct origin_run r = read_for(day, ppm[i], true);

		assert_int_equal(r.overrun, 0);
		assert_int_equal(r.longest_wait_us, 0);
		assert_true(r.least_us >= SEG && r.most_us <= 5 * SEG);
	}
	/* Left alone it comes to the one end or the other. */
	assert_true(read_for(day, 200, false).overrun > 0);
	assert_true(read_for(day, -200, false).longest_wait_us > SEC_US);
}

static void a_pause_is_no_reason_to_hurry(void **state)
{
	struct pace p = {.late_us = SEC_US, .ahead_us = 60 * SEC_US};

	assert_int_equal(pace_wait(&p, 5 * SEC_US, 100, 0), 0);
	assert_int_equal(pace_wait(&p, 6 * SEC_US, 100, 0), SEC_US);
	/* A little late: the next is on time again. */
	assert_int_equal(pace_wait(&p, 6 * SEC_US, 100 + 1500 * MS_US, 0), 0);
	assert_int_equal(pace_wait(&p, 7 * SEC_US, 100 + 1500 * MS_US, 0), 500 * MS_US);
	/* Much: time goes on from there. */
	assert_int_equal(pace_wait(&p, 8 * SEC_US, 20 * SEC_US, 0), 0);
	assert_int_equal(pace_wait(&p, 9 * SEC_US, 20 * SEC_US, 0), SEC_US);
	/* A jump, either way. */
	assert_int_equal(pace_wait(&p, 900 * SEC_US, 20 * SEC_US, 0), 0);
	assert_int_equal(pace_wait(&p, SEC_US, 20 * SEC_US, 0), 0);
	/* Another rate counts from where it begins. */
	assert_int_equal(pace_wait(&p, 11 * SEC_US, 20 * SEC_US, 0), 10 * SEC_US);
	assert_int_equal(pace_wait(&p, 11 * SEC_US, 30 * SEC_US, 1000), 0);
	assert_int_equal(pace_wait(&p, 12 * SEC_US, 30 * SEC_US, 1000), 999 * MS_US);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_same_origin),
    cmocka_unit_test(what_is_left_of_a_playlist),
    cmocka_unit_test(a_days_drift_of_the_origin),
    cmocka_unit_test(a_pause_is_no_reason_to_hurry),
};
RUN_TESTS(tests)
