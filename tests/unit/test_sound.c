/* Renditions of sound: languages, which track goes into which, how channels are mixed. */
#include "unit.h"

#include <errno.h>
#include <math.h>

#include "media/language.h"
#include "media/silence.h"
#include "media/sound.h"

static void languages(void **state)
{
	static const struct {
		const char *text, *code, *tag;
	} good[] = {{"ko", "kor", "ko"},   {"ko-KR", "kor", "ko"}, {"KOR", "kor", "ko"},
		    {"fre", "fra", "fr"},  {"ger", "deu", "de"},   {"zh-Hant", "zho", "zh"},
		    {"haw", "haw", "haw"}, {"en_US", "eng", "en"}, {"aa", "aar", "aa"},
		    {"zul", "zul", "zu"},  {"chi", "zho", "zh"},   {"alb", "sqi", "sq"}};
	static const char *const bad[] = {"", "und", "x", "zz", "k0", "korea", "mis", "1ko"};
	char code[4], tag[4];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(language_code(code, good[i].text));
		assert_string_equal(code, good[i].code);
		language_tag(tag, code);
		assert_string_equal(tag, good[i].tag);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(language_code(code, bad[i]));
		assert_string_equal(code, "");
	}
	/* Letters that stand in the table across two entries are no language. */
	language_tag(tag, "ara");
	assert_string_equal(tag, "ar");
	language_tag(tag, "raa");
	assert_string_equal(tag, "raa");
}

/* A picture, and sounds in these languages; "" is one without. */
static struct media_info *source(const char *const *lang, int n)
{
	struct media_info *i = media_info_create();

	assert_non_null(i);
	i->track[0].kind = MEDIA_VIDEO;
	i->n = n + 1;
	for (int k = 0; k < n; k++) {
		i->track[k + 1].kind = MEDIA_AUDIO;
		str_copy(i->track[k + 1].lang, sizeof(i->track[0].lang), lang[k]);
	}
	return i;
}

static void a_rendition_for_each_track(void **state)
{
	static const char *const langs[] = {"eng", "kor", "kor", "", "", "", "", "", "", ""};
	struct media_info *i = source(langs, 10);
	struct sound out[SOUNDS_MAX], like = {.bitrate = 64000, .channels = 2};

	i->track[2].standard = i->track[3].standard = true;
	str_copy(i->track[2].label, sizeof(i->track[2].label), "Korean");
	assert_int_equal(sounds_default(out, &like, i), SOUNDS_MAX);
	assert_string_equal(out[0].name, "audio");
	assert_string_equal(out[1].name, "audio-ko");
	assert_string_equal(out[2].name, "audio-ko-2");
	assert_string_equal(out[3].name, "audio-2");
	assert_string_equal(out[4].name, "audio-3");
	assert_string_equal(out[1].label, "Korean");
	for (int k = 0; k < SOUNDS_MAX; k++) {
		assert_int_equal(out[k].standard, k == 1);
		assert_int_equal(out[k].bitrate, 64000);
	}
	i->n = 1;
	assert_int_equal(sounds_default(out, &like, i), 0);
	media_info_unref(i);
}

static void match(const struct sound *s, int n, const char *const *lang, int tracks,
		  const int *want)
{
	struct media_info *i = source(lang, tracks);
	int to[SOUNDS_MAX];

	sounds_match(s, n, i, to);
	for (int k = 0; k < n; k++)
		assert_int_equal(to[k], want[k]);
	media_info_unref(i);
}

static void tracks_go_where_their_language_is(void **state)
{
	static const struct sound s[] = {
	    {.lang = "eng", .standard = true}, {.lang = "kor"}, {.lang = "kor"}, {.track = 2}};

	match(s, 4, (const char *const[]){"eng", "kor", "kor"}, 3, (const int[]){1, 2, 3, 2});
	match(s, 4, (const char *const[]){"kor", "eng"}, 2, (const int[]){2, 1, -1, 2});
	/* Without languages by their place, and never one that says another. */
	match(s, 4, (const char *const[]){"", ""}, 2, (const int[]){1, 2, -1, 2});
	match(s, 4, (const char *const[]){"", "fra"}, 2, (const int[]){1, -1, -1, 2});
	/* The standard one rather has the first than none. */
	match(s, 4, (const char *const[]){"fra"}, 1, (const int[]){1, -1, -1, -1});
	match(s, 4, NULL, 0, (const int[]){-1, -1, -1, -1});
}

/* ---- channels ---- */

static void mixed(const char *map, int channels, AVChannelLayout in, const double *want)
{
	double m[MIX_OUT_MAX * MIX_IN_MAX];
	struct mix_map parsed = {0};
	char err[MEDIA_ERR];

	if (map)
		assert_int_equal(mix_parse(&parsed, map, err), 0);
	assert_true(mix_matrix(m, channels, &parsed, &in));
	for (int o = 0; o < channels; o++)
		for (int i = 0; i < in.nb_channels; i++)
			if (fabs(m[o * MIX_IN_MAX + i] - want[o * in.nb_channels + i]) > 1e-6)
				fail_msg("%s: channel %d in %d is %f", map ? map : "standard", i, o,
					 m[o * MIX_IN_MAX + i]);
}

#define H M_SQRT1_2
static const AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO, stereo = AV_CHANNEL_LAYOUT_STEREO,
			     back = AV_CHANNEL_LAYOUT_5POINT1_BACK,
			     side = AV_CHANNEL_LAYOUT_5POINT1, seven = AV_CHANNEL_LAYOUT_7POINT1;

static void the_standard_mix(void **state)
{
	mixed(NULL, 2, stereo, (const double[]){1, 0, 0, 1});
	mixed(NULL, 2, mono, (const double[]){H, H});
	mixed(NULL, 1, mono, (const double[]){1});
	mixed(NULL, 1, stereo, (const double[]){H, H});
	mixed(NULL, 2, back, (const double[]){1, 0, H, 0, H, 0, 0, 1, H, 0, 0, H});
	mixed(NULL, 2, side, (const double[]){1, 0, H, 0, H, 0, 0, 1, H, 0, 0, H});
	mixed(NULL, 1, side, (const double[]){H, H, 1, 0, .5, .5});
	mixed(NULL, 2, seven, (const double[]){1, 0, H, 0, .5, 0, .5, 0, 0, 1, H, 0, 0, .5, 0, .5});
	mixed(NULL, 6, stereo, (const double[]){1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0});
	mixed(NULL, 6, mono, (const double[]){0, 0, 1, 0, 0, 0});
}

static void maps(void **state)
{
	mixed("FL+FR", 1, stereo, (const double[]){.5, .5});
	mixed("0,0", 2, stereo, (const double[]){1, 0, 1, 0});
	mixed("FR,FL", 2, stereo, (const double[]){0, 1, 1, 0});
	mixed("FL,FR", 2, mono, (const double[]){1, 1});
	/* What the source has not is left out. */
	mixed("FL+BL,FR+BR", 2, stereo, (const double[]){1, 0, 0, 1});
	mixed("FC,4", 2, back, (const double[]){0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0});
}

static void a_map_that_does_not_fit(void **state)
{
	static const char *const bad[] = {
	    "", "FL,FR,FC", "XX", "64", "-1,0", "FL FR FC LFE BL BR SL", "+", "fl,fr"};
	double m[MIX_OUT_MAX * MIX_IN_MAX];
	struct mix_map map;
	char err[MEDIA_ERR];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(mix_parse(&map, bad[i], err), -EINVAL);
	assert_int_equal(mix_parse(&map, "BL,BR", err), 0);
	assert_false(mix_matrix(m, 2, &map, &stereo));
	assert_true(m[0] == 1 && m[MIX_IN_MAX + 1] == 1 && m[1] == 0);
	assert_int_equal(mix_parse(&map, "5,0", err), 0);
	assert_false(mix_matrix(m, 2, &map, &stereo));
}

/* One sample at -20 dB of full scale, in the last channel, is heard in any format, and not at -19. */
static void silence_in_any_format(void **state)
{
	static const enum AVSampleFormat formats[] = {
	    AV_SAMPLE_FMT_U8,	AV_SAMPLE_FMT_S16, AV_SAMPLE_FMT_S32,  AV_SAMPLE_FMT_FLT,
	    AV_SAMPLE_FMT_DBL,	AV_SAMPLE_FMT_U8P, AV_SAMPLE_FMT_S16P, AV_SAMPLE_FMT_S32P,
	    AV_SAMPLE_FMT_FLTP, AV_SAMPLE_FMT_DBLP};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		bool planar = av_sample_fmt_is_planar(formats[i]);
		AVFrame *f = av_frame_alloc();

		f->format = formats[i];
		f->nb_samples = 100;
		f->sample_rate = 48000;
		f->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_5POINT1;
		assert_int_equal(av_frame_get_buffer(f, 0), 0);
		av_samples_set_silence(f->extended_data, 0, 100, 6, formats[i]);
		assert_true(silence_in(f, -90));
		void *p = f->extended_data[planar ? 5 : 0];
		int at = planar ? 99 : 599;
		switch ((int)av_get_packed_sample_fmt(formats[i])) {
		case AV_SAMPLE_FMT_U8:
			((uint8_t *)p)[at] = 128 - 13;
			break;
		case AV_SAMPLE_FMT_S16:
			((int16_t *)p)[at] = -3300;
			break;
		case AV_SAMPLE_FMT_S32:
			((int32_t *)p)[at] = 3300 << 16;
			break;
		case AV_SAMPLE_FMT_FLT:
			((float *)p)[at] = 0.1007f;
			break;
		case AV_SAMPLE_FMT_DBL:
			((double *)p)[at] = -0.1007;
			break;
		}
		assert_false(silence_in(f, -20));
		assert_true(silence_in(f, -19));
		av_frame_free(&f);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(languages),
    cmocka_unit_test(a_rendition_for_each_track),
    cmocka_unit_test(tracks_go_where_their_language_is),
    cmocka_unit_test(the_standard_mix),
    cmocka_unit_test(maps),
    cmocka_unit_test(a_map_that_does_not_fit),
    cmocka_unit_test(silence_in_any_format),
};

RUN_TESTS(tests)
