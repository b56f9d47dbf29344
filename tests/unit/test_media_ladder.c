#include "unit.h"

#include <errno.h>

#include "media/ladder.h"

static const struct media_track hd = {.width = 1920, .height = 1080, .sar = {1, 1}, .fps = {25, 1}};

static struct rung parsed(const char *text)
{
	struct rung r;
	char err[MEDIA_ERR];

	if (rung_parse(&r, text, err))
		fail_msg("%s: %s", text, err);
	return r;
}

static void presets_and_names(void **state)
{
	struct rung r = parsed("720p");

	assert_string_equal(r.name, "720p");
	assert_int_equal(r.height, 720);
	assert_int_equal(r.width, 0);
	assert_int_equal(r.fps.num, 0);
	r = parsed("720p60,3.5M,preset=fast");
	assert_string_equal(r.name, "720p60");
	assert_int_equal(r.fps.num, 60);
	assert_int_equal(r.bitrate, 3500000);
	assert_string_equal(r.preset, "fast");
	r = parsed("stage-1=1280x720@29.97,2.8M,codec=h264,preset=veryfast");
	assert_string_equal(r.name, "stage-1");
	assert_int_equal(r.width, 1280);
	assert_int_equal(r.fps.num, 30000);
	assert_int_equal(r.fps.den, 1001);
	r = parsed("low=@15,90k");
	assert_int_equal(r.width, 0);
	assert_int_equal(r.fps.num, 15);
	r = parsed("same=");
	assert_string_equal(r.name, "same");
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *because;
	} bad[] = {
	    {"", "no preset"},
	    {"721p", "no preset"},
	    {"720p61", "no preset"},
	    {"720", "no preset"},
	    {"copy,800k", "copy has no settings"},
	    {"=640x360", "names"},
	    {"a b=640x360", "names"},
	    {"a/b=640x360", "names"},
	    {"abcdefghijklmnopqrstuvwxyzabcdef=640x360", "names"},
	    {"x=640", "not a size"},
	    {"x=640x", "not a size"},
	    {"x=640x360p", "not a size"},
	    {"x=641x360", "even"},
	    {"x=0x0", "even"},
	    {"x=99998x360", "even"},
	    {"x=-640x360", "even"},
	    {"x=640x360@", "frame rate"},
	    {"x=640x360@0", "frame rate"},
	    {"x=640x360@1000", "frame rate"},
	    {"x=640x360,fast", "bit rate"},
	    {"x=640x360,1", "bit rates"},
	    {"x=640x360,1000G", "bit rates"},
	    {"x=640x360,preset=fastest", "preset"},
	    {"x=640x360,codec=h266", "codec"},
	    {"x=640x360,", "bit rate"},
	    {"x=auto", "not a size"},
	    {"auto,640x360", "bit rate"},
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rung r;
		char err[MEDIA_ERR] = "";

		if (rung_parse(&r, bad[i].text, err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(err, bad[i].because))
			fail_msg("'%s': '%s' does not say '%s'", bad[i].text, err, bad[i].because);
	}
}

static void what_is_not_said_comes_from_the_source(void **state)
{
	const struct media_track wide = {
	    .width = 720, .height = 576, .sar = {64, 45}, .fps = {0, 1}};
	const struct media_track tall = {
	    .width = 1080, .height = 1920, .sar = {1, 1}, .fps = {30, 1}};
	struct rung r = parsed("360p");

	rung_fit(&r, &hd);
	assert_int_equal(r.width, 640);
	assert_int_equal(r.fps.num, 25);
	assert_int_equal(r.bitrate, 800000);
	r = parsed("240p");
	rung_fit(&r, &hd);
	assert_int_equal(r.width, 426);
	/* Wide pixels become square ones; an unknown rate is 30. */
	r = parsed("576=");
	rung_fit(&r, &wide);
	assert_int_equal(r.width, 1024);
	assert_int_equal(r.height, 576);
	assert_int_equal(r.fps.num, 30);
	r = parsed("480p");
	rung_fit(&r, &tall);
	assert_int_equal(r.width, 270);
	assert_int_equal(r.height, 480);
}

static void the_default_ladder_is_never_above_the_source(void **state)
{
	struct rung r[LADDER_MAX];
	struct media_track t = hd;

	assert_int_equal(ladder_expand(r, NULL, 0, &t), 4);
	assert_string_equal(r[0].name, "1080p");
	assert_string_equal(r[3].name, "360p");
	t.width = 640, t.height = 360;
	assert_int_equal(ladder_expand(r, NULL, 0, &t), 3);
	assert_string_equal(r[0].name, "360p");
	t.width = 1920, t.height = 1088;
	assert_int_equal(ladder_expand(r, NULL, 0, &t), 4);
	assert_string_equal(r[0].name, "1080p");
	t.width = 1600, t.height = 900;
	assert_int_equal(ladder_expand(r, NULL, 0, &t), 4);
	assert_string_equal(r[0].name, "900p");
	assert_int_equal(r[0].width, 1600);
	assert_string_equal(r[1].name, "720p");
	t.width = 98, t.height = 54;
	assert_int_equal(ladder_expand(r, NULL, 0, &t), 1);
	assert_int_equal(r[0].height, 54);
	assert_int_equal(r[0].width, 98);
	for (t.height = 16; t.height < 3000; t.height += 7) {
		t.width = t.height * 16 / 9;
		for (int i = ladder_expand(r, NULL, 0, &t); i--;) {
			assert_true(r[i].height <= t.height + 8);
			assert_true(r[i].width % 2 == 0 && r[i].height % 2 == 0 &&
				    r[i].bitrate >= 100000);
		}
	}
}

static void an_automatic_rung_becomes_several(void **state)
{
	struct media_track t = hd;
	struct rung r[LADDER_MAX],
	    in[3] = {parsed("auto,2M,codec=hevc,preset=fast"), parsed("480p,900k"), parsed("copy")};

	/* What is asked for by name stays, and is not made twice. */
	assert_int_equal(ladder_expand(r, in, 3, &t), 5);
	assert_string_equal(r[0].name, "480p");
	assert_int_equal(r[0].bitrate, 900000);
	assert_true(r[1].copy);
	assert_string_equal(r[2].name, "1080p");
	assert_int_equal(r[2].bitrate, 2000000);
	assert_string_equal(r[3].name, "720p");
	/* 5M and 2.8M in H.264. */
	assert_int_equal(r[3].bitrate, 2000000 * 28 / 50);
	assert_string_equal(r[4].name, "360p");
	assert_string_equal(r[4].codec, "hevc");
	assert_string_equal(r[4].preset, "fast");
	for (int i = 0; i < 5; i++)
		assert_false(r[i].automatic);
	/* Of 50 frames a second the small ones have 25. */
	t.fps = (struct ratio){60000, 1001};
	assert_int_equal(ladder_expand(r, in, 1, &t), 4);
	assert_int_equal(r[1].height, 720);
	assert_int_equal(r[1].fps.den, 1001);
	assert_int_equal(r[2].height, 480);
	assert_int_equal(r[2].fps.num, 60000);
	assert_int_equal(r[2].fps.den, 2002);
	/* Never more than there may be. */
	struct rung many[LADDER_MAX];
	for (int i = 0; i < LADDER_MAX; i++)
		many[i] = parsed("auto"), many[i].bitrate = 100000 * (i + 1);
	assert_int_equal(ladder_expand(r, many, LADDER_MAX, &t), 4);
}

static void simple_pictures_get_less(void **state)
{
	struct media_track t = hd;
	struct rung r[LADDER_MAX];

	assert_int_equal(ladder_share(&t), 100);
	for (int i = 0; i < 4; i++) {
		static const struct {
			int64_t bitrate;
			int share;
		} of[] = {{9000000, 100}, {3700000, 75}, {2400000, 50}, {300000, 35}};

		t.bitrate = of[i].bitrate;
		assert_int_equal(ladder_share(&t), of[i].share);
		assert_int_equal(ladder_expand(r, NULL, 0, &t), 4);
		assert_int_equal(r[0].bitrate, 5000000 * of[i].share / 100);
		assert_int_equal(r[1].bitrate, 2800000 * of[i].share / 100);
	}
	/* The same bits say more in HEVC. */
	t.codec = MEDIA_HEVC;
	t.bitrate = 3300000;
	assert_int_equal(ladder_share(&t), 100);
}

static void bit_rates_grow_with_the_picture(void **state)
{
	int64_t last = 0;

	for (int h = 90; h <= 4320; h += 90) {
		int64_t rate = ladder_bitrate(h * 16 / 9, h, (struct ratio){30, 1});

		assert_true(rate >= last);
		assert_true(ladder_bitrate(h * 16 / 9, h, (struct ratio){60, 1}) > rate);
		last = rate;
	}
	assert_in_range(ladder_bitrate(1280, 720, (struct ratio){30, 1}), 2800000, 2800000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(presets_and_names),
    cmocka_unit_test(what_is_wrong_is_named),
    cmocka_unit_test(what_is_not_said_comes_from_the_source),
    cmocka_unit_test(the_default_ladder_is_never_above_the_source),
    cmocka_unit_test(an_automatic_rung_becomes_several),
    cmocka_unit_test(simple_pictures_get_less),
    cmocka_unit_test(bit_rates_grow_with_the_picture),
};
RUN_TESTS(tests)
