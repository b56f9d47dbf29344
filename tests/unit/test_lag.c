#include "unit.h"

#include "media/lag.h"

#define FRAME_US 33333
#define QUEUE 4096

/* A camera of 30 fps and a decoder that needs some time for each picture. */
struct scene {
	int gop, disposable; /* every so many frames; 0: none */
	int64_t cost_us;
	struct lag lag;
	int64_t now_us, came_us[QUEUE], free_us;
	int64_t n, done; /* frames that came, that were dealt with */
	/* What has happened since look(). */
	int64_t decoded, worst_us, shown_us, hole_us, needed;
};

static bool is_key(const struct scene *s, int64_t n)
{
	return n % s->gop == 0;
}

static int keys_behind(const struct scene *s)
{
	int keys = 0;

	for (int64_t i = s->done + 1; i < s->n; i++)
		keys += is_key(s, i);
	return keys;
}

static void step(struct scene *s)
{
	int64_t came = s->came_us[s->done % QUEUE];
	bool last = s->disposable && s->done % s->disposable;
	struct lag_packet p = {.waited_us = s->now_us - came,
			       .key = is_key(s, s->done),
			       .disposable = s->gop == 1 ? s->n > s->done + 1 : last,
			       .keys_behind = keys_behind(s)};

	if (lag_leaves_out(&s->lag, &p)) {
		s->needed += !p.disposable;
	} else {
		s->free_us = s->now_us + s->cost_us;
		s->worst_us = MAX(s->worst_us, s->free_us - came);
		s->hole_us = MAX(s->hole_us, came - s->shown_us);
		s->shown_us = came;
		s->decoded++;
	}
	s->done++;
}

static void play(struct scene *s, int64_t us)
{
	s->decoded = s->worst_us = s->hole_us = s->needed = 0;
	for (int64_t end = s->now_us + us; s->now_us < end; s->now_us += MS_US) {
		while (s->n * FRAME_US <= s->now_us) {
			s->came_us[s->n % QUEUE] = s->n * FRAME_US;
			s->n++;
			assert_true(s->n - s->done < QUEUE);
		}
		while (s->done < s->n && s->free_us <= s->now_us)
			step(s);
	}
}

static void test_none_in_time(void **state)
{
	struct scene s = {.gop = 60, .disposable = 3, .cost_us = 30 * MS_US};

	play(&s, 60 * SEC_US);
	assert_true(s.decoded >= 1798);
	assert_true(s.worst_us < 70 * MS_US);
}

static void test_disposable_first(void **state)
{
	struct scene s = {.gop = 60, .disposable = 3, .cost_us = 50 * MS_US};

	play(&s, 60 * SEC_US);
	assert_int_equal(s.needed, 0);
	assert_true(s.worst_us < LAG_SOME_US + 200 * MS_US);
	/* All that the decoder is able to, and evenly. */
	assert_true(s.decoded > 1150);
	assert_true(s.hole_us < 4 * FRAME_US);
}

static void test_to_a_key_frame(void **state)
{
	struct scene s = {.gop = 30, .cost_us = 100 * MS_US};

	play(&s, 60 * SEC_US);
	assert_true(s.worst_us < LAG_MANY_US + SEC_US + 200 * MS_US);
	assert_true(s.decoded > 550);
	assert_true(s.hole_us < 2500 * MS_US);
}

static void test_long_gop(void **state)
{
	struct scene s = {.gop = 300, .cost_us = 60 * MS_US};

	play(&s, 120 * SEC_US);
	assert_true(s.worst_us < LAG_KEYS_US + 200 * MS_US);
	assert_true(s.decoded > 600);
}

static void test_key_frames_only(void **state)
{
	struct scene s = {.gop = 1, .cost_us = 80 * MS_US};

	play(&s, 60 * SEC_US);
	assert_true(s.worst_us < LAG_SOME_US + 200 * MS_US);
	assert_true(s.decoded > 720);
	assert_true(s.hole_us < 5 * FRAME_US);
}

static void test_recovery(void **state)
{
	struct scene s = {.gop = 60, .cost_us = 200 * MS_US};

	play(&s, 30 * SEC_US);
	assert_true(s.worst_us > LAG_MANY_US);
	s.cost_us = 10 * MS_US;
	play(&s, 3 * SEC_US);
	play(&s, 10 * SEC_US);
	assert_true(s.worst_us < 50 * MS_US);
	assert_true(s.decoded >= 299);
	assert_int_equal(s.needed, 0);
}

static bool disposable(const struct media_track *t, const uint8_t *data, size_t n)
{
	struct media_packet *p = media_packet_create(n);

	assert_non_null(p);
	memcpy(p->data, data, n);
	bool is = lag_disposable(t, p);
	media_packet_unref(p);
	return is;
}

static void test_disposable(void **state)
{
	static const struct media_track avc = {.codec = MEDIA_H264}, hevc = {.codec = MEDIA_HEVC},
					mpeg = {.codec = MEDIA_OTHER, .codec_name = "mpeg2video"},
					vp9 = {.codec = MEDIA_VP9};
	static const uint8_t aud_p[] = {0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x41, 0x9a, 1, 2, 3},
			     b[] = {0, 0, 1, 1, 0x9a, 1, 2, 3},
			     trail_n[] = {0, 0, 1, 0, 1, 1, 2, 3},
			     trail_r[] = {0, 0, 1, 2, 1, 1, 2, 3},
			     sei_n[] = {0, 0, 1, 78, 1, 2, 0, 0, 1, 0, 1, 1, 2, 3},
			     pic_b[] = {0, 0, 1, 0, 0, 0x18, 2, 3},
			     pic_p[] = {0, 0, 1, 0, 0, 0x10, 2, 3};

	assert_false(disposable(&avc, aud_p, sizeof(aud_p)));
	assert_true(disposable(&avc, b, sizeof(b)));
	assert_true(disposable(&hevc, trail_n, sizeof(trail_n)));
	assert_true(disposable(&hevc, sei_n, sizeof(sei_n)));
	assert_false(disposable(&hevc, trail_r, sizeof(trail_r)));
	assert_true(disposable(&mpeg, pic_b, sizeof(pic_b)));
	assert_false(disposable(&mpeg, pic_p, sizeof(pic_p)));
	assert_false(disposable(&vp9, b, sizeof(b)));
	assert_false(disposable(&avc, b, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none_in_time),    cmocka_unit_test(test_disposable_first),
	    cmocka_unit_test(test_to_a_key_frame),  cmocka_unit_test(test_long_gop),
	    cmocka_unit_test(test_key_frames_only), cmocka_unit_test(test_recovery),
	    cmocka_unit_test(test_disposable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
