/* Playlists and MPD against tests/golden. When a change is meant, write them anew and look at the
 * difference:
 *
 *   GEX_GOLDEN=write build/tests/unit/test_cmaf_text && git diff tests/golden */
#include "unit.h"

#include "cmaf_feed.h"

#define T0 (INT64_C(1795361000) * SEC_US)

static const struct cmaf_events events;

static const struct cmaf_conf conf = {.segment_us = SEC_US,
				      .part_us = 200 * MS_US,
				      .chunk_us = 30 * MS_US,
				      .window = 6,
				      .latency_us = SEC_US,
				      .captions = CMAF_CAPTIONS_CEA | CMAF_CAPTIONS_VTT};

static void check(const char *name, const char *text)
{
	char path[128], want[32768];
	const char *mode = getenv("GEX_GOLDEN");

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (mode && !strcmp(mode, "write")) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(text, f);
		fclose(f);
		return;
	}
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s is missing (run it in the project's folder)", path);
	size_t n = fread(want, 1, sizeof(want) - 1, f);
	fclose(f);
	want[n] = 0;
	if (strcmp(text, want))
		fail_msg("%s is not what is made now:\n%s", path, text);
}

enum what { MULTI, MEDIA, DELTA, IFRAMES, DASH };

static void golden(const char *name, const struct cmaf *c, enum what what, const char *track)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (what == MULTI)
		cmaf_hls_multivariant(c, f);
	else if (what == MEDIA || what == DELTA)
		cmaf_hls_media(c, cmaf_find(c, track), what == DELTA ? CMAF_SKIP : CMAF_WHOLE, f);
	else if (what == IFRAMES)
		cmaf_hls_iframes(c, cmaf_find(c, track), f);
	else
		cmaf_dash(c, "/live/time", f);
	fclose(f);
	check(name, text);
	free(text);
}

static struct media_info *ladder(struct ratio fps)
{
	struct media_info *i = media_info_create();

	i->utc = true;
	i->n = 4;
	feed_video(&i->track[0], "720p", 1280, 720, fps);
	feed_video(&i->track[1], "360p", 640, 360, fps);
	feed_audio(&i->track[2], "audio", 48000);
	feed_audio(&i->track[3], "korean", 48000);
	str_copy(i->track[3].lang, sizeof(i->track[3].lang), "kor");
	str_copy(i->track[3].label, sizeof(i->track[3].label), "한국어 <R&D>");
	return i;
}

static struct cmaf *make(struct media_info *info, int64_t first_key_us)
{
	struct cmaf *c;
	char err[CMAF_ERR];

	assert_int_equal(cmaf_create(&c, &conf, info, first_key_us, &events, NULL, err), 0);
	return c;
}

static void test_ladder(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1});
	struct cmaf *c = make(info, 0);

	feed_run(c, info, 30, T0, T0 + 9500 * MS_US);
	golden("ladder.m3u8", c, MULTI, NULL);
	golden("video.m3u8", c, MEDIA, "360p");
	golden("audio.m3u8", c, MEDIA, "korean");
	golden("ladder.mpd", c, DASH, NULL);
	cmaf_end(c);
	golden("ended.m3u8", c, MEDIA, "360p");
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Each codec of pictures is a set of its own, each codec of sound a group, with variants for all. */
static void test_codecs(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1});

	info->track[1].codec = MEDIA_HEVC;
	info->track[3].codec = MEDIA_OPUS;
	struct cmaf *c = make(info, 0);
	feed_run(c, info, 30, T0, T0 + 2500 * MS_US);
	golden("codecs.m3u8", c, MULTI, NULL);
	golden("codecs.mpd", c, DASH, NULL);
	cmaf_destroy(c);
	media_info_unref(info);
}

static void test_ntsc(void **state)
{
	struct media_info *info = ladder((struct ratio){30000, 1001});
	struct cmaf *c = make(info, 0);

	feed_run(c, info, 30, T0, T0 + 4200 * MS_US);
	golden("ntsc.m3u8", c, MEDIA, "720p");
	golden("ntsc.mpd", c, DASH, NULL);
	cmaf_destroy(c);
	media_info_unref(info);
}

static void test_gap_and_change(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1}),
			  *changed = ladder((struct ratio){30, 1});
	struct cmaf *c = make(info, 0);

	feed_run(c, info, 30, T0, T0 + 2 * SEC_US);
	cmaf_gap(c, T0 + 3200 * MS_US);
	changed->track[1].extra->data[7] = 31;
	assert_int_equal(cmaf_resume(c, changed), 0);
	feed_run(c, changed, 30, T0 + 3975 * MS_US, T0 + 5300 * MS_US);
	golden("gap.m3u8", c, MEDIA, "360p");
	golden("gap-audio.m3u8", c, MEDIA, "audio");
	golden("change.mpd", c, DASH, NULL);
	cmaf_destroy(c);
	media_info_unref(info);
	media_info_unref(changed);
}

/* The element <Period id="ID-..."> in the MPD, for free(); NULL: there is none. */
static char *period(const struct cmaf *c, int64_t id)
{
	char *text, *found = NULL, mark[64];
	size_t n;
	FILE *f = open_memstream(&text, &n);

	cmaf_dash(c, "/live/time", f);
	fclose(f);
	snprintf(mark, sizeof(mark), "<Period id=\"%lld-", (long long)id);
	const char *at = strstr(text, mark);
	if (at)
		found = str_ndup(at, (size_t)(strstr(at, "</Period>") - at));
	free(text);
	return found;
}

/* Another resolution: a period that says the same as long as anything of it is listed, also when what was
 * before it is forgotten. */
static void test_periods(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1}),
			  *changed = ladder((struct ratio){30, 1});
	struct cmaf *c = make(info, 0);
	int64_t at = T0 / SEC_US + 3;

	changed->track[1].width = 426;
	changed->track[1].height = 240;
	changed->track[1].extra->data[7] = 31;
	feed_run(c, info, 30, T0, T0 + 3 * SEC_US);
	char *before = period(c, 0);
	assert_int_equal(cmaf_resume(c, changed), 0);
	feed_run(c, changed, 30, T0 + 3 * SEC_US, T0 + 4500 * MS_US);
	char *old = period(c, 0), *was = period(c, at);
	assert_string_equal(before, old);
	assert_non_null(strstr(old, "width=\"640\" height=\"360\""));
	assert_null(strstr(old, "width=\"426\""));
	assert_non_null(strstr(was, "width=\"426\" height=\"240\""));
	assert_non_null(strstr(was, cmaf_find(c, "360p")->init->name));
	free(old);
	for (int64_t s = 4; s < 40; s++) {
		int64_t listed = cmaf_listed(c, c->track[1])->number;

		old = period(c, 0);
		assert_int_equal(old != NULL, listed < at);
		free(old);
		char *now = period(c, at);
		assert_string_equal(now, was);
		free(now);
		feed_run(c, changed, 30, T0 + s * SEC_US + 500 * MS_US,
			 T0 + (s + 1) * SEC_US + 500 * MS_US);
	}
	assert_int_equal(c->track[1]->changes, 1);
	free(before);
	free(was);
	cmaf_destroy(c);
	media_info_unref(info);
	media_info_unref(changed);
}

/* Of more changes than can be told apart the newest are. */
static void test_many_periods(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1});
	struct cmaf_conf wide = conf;
	char err[CMAF_ERR];
	struct cmaf *c;

	wide.window = 60;
	assert_int_equal(cmaf_create(&c, &wide, info, 0, &events, NULL, err), 0);
	for (int64_t s = 0; s < 40; s++) {
		info->track[1].extra->data[7] = (uint8_t)(30 + s);
		assert_int_equal(cmaf_resume(c, info), 0);
		feed_run(c, info, 30, T0 + s * SEC_US, T0 + (s + 1) * SEC_US);
	}
	assert_int_equal(c->track[1]->changes, CMAF_CHANGES);
	for (int64_t s = 40 - CMAF_CHANGES; s < 40; s++) {
		struct cmaf_segment *seg = cmaf_segment(c->track[1], T0 / SEC_US + s);
		char *p = period(c, seg->number);

		assert_non_null(p);
		assert_non_null(strstr(p, seg->init->name));
		free(p);
	}
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Segments that a client has already, the init segment of the first that stays among them. */
static void test_delta(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1});
	struct cmaf_conf wide = conf;
	struct cmaf *c;
	char err[CMAF_ERR];

	wide.window = 20;
	assert_int_equal(cmaf_create(&c, &wide, info, 0, &events, NULL, err), 0);
	feed_run(c, info, 30, T0, T0 + 9500 * MS_US);
	golden("delta.m3u8", c, DELTA, "360p");
	cmaf_end(c);
	golden("delta-ended.m3u8", c, DELTA, "360p");
	cmaf_destroy(c);
	media_info_unref(info);
}

/* A presentation goes on with the count of what was before it, in all tracks. */
static void test_count(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1});
	struct cmaf_conf later = conf;
	char err[CMAF_ERR];
	struct cmaf *c;

	later.discontinuities = 41;
	assert_int_equal(cmaf_create(&c, &later, info, 0, &events, NULL, err), 0);
	feed_run(c, info, 30, T0, T0 + 2700 * MS_US);
	cmaf_gap(c, T0 + 5100 * MS_US);
	feed_run(c, info, 30, T0 + 5975 * MS_US, T0 + 7300 * MS_US);
	assert_int_equal(cmaf_discontinuities(c), 42);
	for (int64_t s = 7; s < 30; s++) {
		for (int i = 0; i < c->n; i++) {
			const struct cmaf_segment *first = cmaf_listed(c, c->track[i]);
			char *text, mark[64];
			size_t n;
			FILE *f = open_memstream(&text, &n);

			cmaf_hls_media(c, c->track[i], false, f);
			fclose(f);
			snprintf(mark, sizeof(mark), "#EXT-X-DISCONTINUITY-SEQUENCE:%d\n",
				 first->number > T0 / SEC_US + 3 ? 42 : 41);
			assert_non_null(strstr(text, mark));
			free(text);
		}
		feed_run(c, info, 30, T0 + s * SEC_US + 300 * MS_US,
			 T0 + (s + 1) * SEC_US + 300 * MS_US);
	}
	cmaf_destroy(c);
	media_info_unref(info);
}

/* The source goes away in the middle of a segment, at another place in each track. */
static void test_cut_short(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1});
	struct cmaf *c = make(info, 0);

	feed_run(c, info, 30, T0, T0 + 2700 * MS_US);
	cmaf_gap(c, T0 + 5100 * MS_US);
	feed_run(c, info, 30, T0 + 5975 * MS_US, T0 + 7300 * MS_US);
	golden("short.m3u8", c, MEDIA, "360p");
	golden("short-audio.m3u8", c, MEDIA, "audio");
	golden("iframes.m3u8", c, IFRAMES, "360p");
	cmaf_destroy(c);
	media_info_unref(info);
}

static void test_foreign(void **state)
{
	struct media_info *info = ladder((struct ratio){30, 1});

	info->utc = false;
	struct cmaf *c = make(info, T0 + 400 * MS_US);
	/* Key frames on the whole second by the source's time; that is 0.4 s by ours. */
	for (int64_t n = 0; n < 60; n++) {
		struct media_packet *p = feed_packet(info, 1, n, 30);

		assert_int_equal(cmaf_packet(c, p, T0 + 400 * MS_US), 0);
		media_packet_unref(p);
	}
	golden("foreign.m3u8", c, MEDIA, "360p");
	golden("foreign.mpd", c, DASH, NULL);
	cmaf_destroy(c);
	media_info_unref(info);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_codecs),	 cmocka_unit_test(test_ladder),
	    cmocka_unit_test(test_ntsc),	 cmocka_unit_test(test_gap_and_change),
	    cmocka_unit_test(test_delta),	 cmocka_unit_test(test_cut_short),
	    cmocka_unit_test(test_foreign),	 cmocka_unit_test(test_periods),
	    cmocka_unit_test(test_many_periods), cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
