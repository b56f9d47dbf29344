/* The index of segments on disk: its files, its texts, what is too old; and the reader and writer of MP4 files for clips. */
#include "unit.h"

#include <errno.h>

#include "cmaf/archive.h"
#include "cmaf/range.h"
#include "cmaf/movie.h"
#include "cmaf_feed.h"

#define T0 INT64_C(1795361000)

static struct archive_about about(const char *name, enum media_kind kind, int64_t scale)
{
	struct archive_about a = {
	    .index = kind == MEDIA_AUDIO,
	    .kind = kind,
	    .fps = {30, 1},
	    .d = {1, 1},
	    .scale = scale,
	    .frame = scale / 30,
	    .sample_rate = 48000,
	    .channels = 2,
	    .width = 640,
	    .height = 360,
	    .init_size = 700,
	};

	str_copy(a.name, sizeof(a.name), name);
	str_copy(a.codec, sizeof(a.codec), kind == MEDIA_VIDEO ? "avc1.64001e" : "mp4a.40.2");
	str_copy(a.init, sizeof(a.init), "init-0.mp4");
	return a;
}

static struct archive_entry entry(const struct archive_file *f, int64_t number)
{
	return (struct archive_entry){.number = number,
				      .start = number * f->about.scale,
				      .offset = f->size,
				      .size = 1000,
				      .dur = (uint32_t)f->about.scale,
				      .independent = true};
}

static void add(struct archive *a, const char *name, int64_t from, int64_t n, bool discontinuity)
{
	struct archive_track *t = archive_find(a, name);

	for (int64_t i = 0; i < n; i++) {
		struct archive_entry e = entry(archive_newest(t), T0 + from + i);

		e.discontinuity = !i && discontinuity;
		assert_int_equal(archive_add(a, t, &e), 0);
	}
}

static struct archive_file *begin(struct archive *a, const char *name, int64_t from, int64_t breaks)
{
	struct archive_about o =
	    about(name, *name == 'a' ? MEDIA_AUDIO : MEDIA_VIDEO, *name == 'a' ? 48000 : 90000);

	o.breaks = breaks;
	return archive_begin(a, &o, T0 + from);
}

/* The same, encrypted; kid has that byte in front. */
static struct archive_file *begin_by(struct archive *a, const char *name, int64_t from,
				     enum cmaf_scheme scheme, uint8_t kid, const char *init)
{
	struct archive_about o =
	    about(name, *name == 'a' ? MEDIA_AUDIO : MEDIA_VIDEO, *name == 'a' ? 48000 : 90000);

	o.scheme = scheme;
	o.kid[0] = kid;
	o.iv[0] = 0xee;
	str_copy(o.init, sizeof(o.init), init);
	return archive_begin(a, &o, T0 + from);
}

static char *media(const struct archive *a, const char *name, struct archive_range r, bool delta)
{
	static char *text;
	static size_t n;
	FILE *f = open_memstream(&text, &n);

	archive_hls_media(a, archive_find(a, name), &r, delta, f);
	fclose(f);
	return text;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static const struct archive_range all = {.from_us = 0, .to_us = INT64_MAX, .live = true};

static struct archive_range span(double from, double to)
{
	return (struct archive_range){.from_us = T0 * SEC_US + (int64_t)(from * 1e6),
				      .to_us = T0 * SEC_US + (int64_t)(to * 1e6)};
}

/* Two files, a hole of three between, in the second a discontinuity at its beginning. */
static struct archive two_files(void)
{
	struct archive a = {0};

	assert_non_null(begin(&a, "v", 0, 0));
	assert_non_null(begin(&a, "a", 0, 0));
	add(&a, "v", 0, 10, false);
	add(&a, "a", 0, 10, false);
	assert_non_null(begin(&a, "v", 13, 0));
	assert_non_null(begin(&a, "a", 13, 0));
	add(&a, "v", 13, 10, true);
	add(&a, "a", 13, 10, true);
	return a;
}

static void test_index(void **state)
{
	struct archive_about o = about("v", MEDIA_VIDEO, 90000), back;
	uint8_t file[ARCHIVE_HEAD + 5 * ARCHIVE_RECORD];
	int64_t id;

	archive_put_head(&o, T0, file);
	assert_int_equal(archive_get_head(&back, &id, file), 0);
	assert_string_equal(back.name, "v");
	assert_string_equal(back.init, o.init);
	assert_string_equal(back.codec, o.codec);
	assert_int_equal(back.scale, o.scale);
	assert_int_equal(back.fps.num, 30);
	assert_int_equal(back.init_size, 700);
	assert_int_equal(id, T0);
	for (int i = 0; i < 5; i++) {
		struct archive_entry e = {.number = T0 + i,
					  .start = (T0 + i) * 90000,
					  .offset = 700 + 1000 * (uint64_t)i,
					  .size = 1000,
					  .dur = 90000,
					  .independent = true};

		archive_put_record(&e, file + ARCHIVE_HEAD + i * ARCHIVE_RECORD);
	}
	/* Whole; bytes that never came; a torn record; one that is damaged; a head that is. */
	static const struct {
		size_t n;
		uint64_t size;
		int flip, want;
	} cases[] = {
	    {sizeof(file), 5700, -1, 5},
	    {sizeof(file), 5699, -1, 4},
	    {sizeof(file) - 1, 5700, -1, 4},
	    {sizeof(file), 5700, ARCHIVE_HEAD + 2 * ARCHIVE_RECORD, 2},
	    {ARCHIVE_HEAD, 700, -1, 0},
	    {sizeof(file), 5700, 30, -EINVAL},
	    {ARCHIVE_HEAD - 1, 5700, -1, -EINVAL},
	    {sizeof(file), 600, -1, -EINVAL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct archive a = {0};

		if (cases[i].flip >= 0)
			file[cases[i].flip] ^= 4;
		assert_int_equal(archive_read(&a, file, cases[i].n, cases[i].size), cases[i].want);
		if (cases[i].want > 0)
			assert_int_equal(archive_read(&a, file, cases[i].n, cases[i].size),
					 -EEXIST);
		if (cases[i].flip >= 0)
			file[cases[i].flip] ^= 4;
		archive_finish(&a);
	}
}

static void test_find(void **state)
{
	struct archive a = two_files();
	struct archive_track *t = archive_find(&a, "v");
	const struct archive_file *f;
	int64_t from, to;

	assert_true(archive_span(&a, &from, &to));
	assert_int_equal(from, T0 * SEC_US);
	assert_int_equal(to, (T0 + 23) * SEC_US);
	assert_int_equal(archive_segment(t, T0 + 4, &f)->offset, 4700);
	assert_int_equal(archive_segment(t, T0 + 13, &f)->offset, 700);
	assert_null(archive_segment(t, T0 + 11, &f));
	assert_null(archive_segment(t, T0 + 23, &f));
	assert_null(archive_segment(t, T0 - 1, &f));
	/* Never backwards. */
	struct archive_entry old = entry(archive_newest(t), T0 + 22);
	assert_int_equal(archive_add(&a, t, &old), -EINVAL);
	assert_null(begin(&a, "v", 22, 0));
	archive_finish(&a);
}

static void test_expired(void **state)
{
	struct archive a = two_files();
	struct archive_track *t;
	uint64_t bytes = a.bytes;

	assert_null(archive_expired(&a, (T0 + 9) * SEC_US, bytes, &t));
	struct archive_file *f = archive_expired(&a, (T0 + 11) * SEC_US, bytes, &t);
	assert_non_null(f);
	assert_int_equal(f->id, T0);
	archive_drop(&a, t, f);
	assert_int_equal(a.bytes, bytes - 10700);
	/* By size; the newest stay. */
	f = archive_expired(&a, 0, 100, &t);
	assert_non_null(f);
	archive_drop(&a, t, f);
	assert_null(archive_expired(&a, INT64_MAX, 0, &t));
	archive_finish(&a);
}

static void test_live(void **state)
{
	struct archive a = two_files();
	char *text = media(&a, "v", all, false);

	assert_int_equal(count(text, ".m4s\n"), 23); /* the hole too: the sequence is the number */
	assert_int_equal(count(text, "#EXT-X-GAP\n"), 3);
	assert_int_equal(count(text, "#EXT-X-DISCONTINUITY\n"), 1);
	assert_int_equal(count(text, "#EXT-X-MAP"), 1);
	assert_non_null(strstr(text, "#EXT-X-MEDIA-SEQUENCE:1795361000\n"));
	assert_null(strstr(text, "ENDLIST"));
	/* Made from kept lines the second time. */
	char *again = media(&a, "v", all, false);
	assert_string_equal(text, again);
	free(again);
	char *sound = media(&a, "a", all, false);
	assert_int_equal(count(sound, ".m4s\n"), 23);
	free(sound);
	/* A delta and what was before it are the whole. */
	char *delta = media(&a, "v", all, true);
	int skipped = 0;
	assert_int_equal(
	    sscanf(strstr(delta, "SKIPPED-SEGMENTS="), "SKIPPED-SEGMENTS=%d", &skipped), 1);
	assert_int_equal(skipped + count(delta, ".m4s\n"), 23);
	size_t n = strlen(strstr(delta, "#EXTINF"));
	assert_memory_equal(delta + strlen(delta) - n, text + strlen(text) - n, n);
	free(delta);
	free(text);
	/* Within the hole: it begins with the discontinuity, which has left the list. */
	struct archive_range r = all;
	r.from_us = (T0 + 11) * SEC_US;
	text = media(&a, "v", r, false);
	assert_int_equal(count(text, "#EXT-X-DISCONTINUITY\n"), 0);
	assert_non_null(strstr(text, "#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
	assert_non_null(strstr(text, "#EXT-X-MEDIA-SEQUENCE:1795361013\n"));
	free(text);
	archive_finish(&a);
}

static void test_span(void **state)
{
	struct archive a = two_files();
	struct archive_range r = span(8.5, 14.5), none = span(10, 13);
	char *text = media(&a, "v", r, false);

	assert_int_equal(count(text, ".m4s\n"), 4);
	assert_int_equal(count(text, "#EXT-X-GAP\n"), 0);
	assert_int_equal(count(text, "#EXT-X-DISCONTINUITY\n"), 1);
	assert_non_null(strstr(text, "#EXT-X-ENDLIST\n"));
	free(text);
	assert_true(archive_has(&a, &r));
	assert_false(archive_has(&a, &none));
	size_t n;
	FILE *f = open_memstream(&text, &n);
	archive_dash(&a, &r, "/live/time", f);
	fclose(f);
	assert_int_equal(count(text, "<Period "), 2);
	assert_int_equal(count(text, "<Representation "), 4);
	assert_non_null(strstr(text, "mediaPresentationDuration=\"PT4.000000S\""));
	assert_non_null(strstr(text, "startNumber=\"1795361013\""));
	free(text);
	f = open_memstream(&text, &n);
	archive_hls_multivariant(&a, &r, "dvr.m3u8", f);
	fclose(f);
	assert_non_null(strstr(text, "CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360"));
	free(text);
	archive_finish(&a);
}

/* Periods keep their names and beginnings while the window moves. */
static void test_periods(void **state)
{
	struct archive a = two_files();
	struct archive_range r = all;

	for (int s = 0; s < 8; s++) {
		char *text;
		size_t n;
		FILE *f = open_memstream(&text, &n);

		r.from_us = (T0 + s) * SEC_US;
		archive_dash(&a, &r, "/live/time", f);
		fclose(f);
		assert_non_null(
		    strstr(text, "<Period id=\"0\" start=\"PT1795361000.000000S\" duration"));
		assert_non_null(strstr(text, "<Period id=\"1\" start=\"PT1795361013.000000S\">"));
		assert_int_equal(count(text, "<Period "), 2);
		free(text);
	}
	archive_finish(&a);
}

/* In clear, by two keys of cbcs, by one of AES-128 with two init segments, in clear again. */
static struct archive five_files(void)
{
	static const struct {
		enum cmaf_scheme scheme;
		uint8_t kid;
		const char *init;
	} is[] = {{CMAF_CLEAR, 0, "init-0.mp4"},  {CMAF_CBCS, 1, "init-1.mp4"},
		  {CMAF_CBCS, 2, "init-2.mp4"},	  {CMAF_AES128, 3, "init-0.mp4"},
		  {CMAF_AES128, 3, "init-3.mp4"}, {CMAF_CLEAR, 0, "init-3.mp4"}};
	struct archive a = {.keys = {"../key/", "/live/license", CMAF_IDENTITY | CMAF_CLEARKEY}};

	for (size_t i = 0; i < ARRAY_LEN(is); i++) {
		for (int k = 0; k < 2; k++) {
			const char *name = k ? "a" : "v";

			assert_non_null(begin_by(&a, name, (int64_t)i * 4, is[i].scheme, is[i].kid,
						 is[i].init));
			add(&a, name, (int64_t)i * 4, 4, false);
		}
	}
	return a;
}

/* What a list says before its segments, one letter each: map, key (identity and clearkey), none, segment. */
static void summary(const char *text, char *out)
{
	static const struct {
		const char *tag;
		char letter;
	} tags[] = {
	    {"#EXT-X-MAP", 'm'},
	    {"#EXT-X-KEY:METHOD=NONE\n", 'n'},
	    {"#EXT-X-KEY:METHOD=AES-128,URI=\"../key/03000000000000000000000000000000\"\n", 'a'},
	    {"#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"../key/0", 'k'},
	    {"#EXTINF", '.'}};

	for (; *text; text += strcspn(text, "\n") + 1)
		for (size_t i = 0; i < ARRAY_LEN(tags); i++)
			if (!strncmp(text, tags[i].tag, strlen(tags[i].tag)))
				*out++ = tags[i].letter;
	*out = 0;
}

static void test_keys(void **state)
{
	struct archive a = five_files();
	struct archive_range r = span(0, 24);
	char seen[128], *text = media(&a, "v", r, false);
	size_t n;

	summary(text, seen);
	assert_string_equal(seen, "m....kkm....kkm....nma....nma....n....");
	assert_int_equal(count(text, "KEYID=0x02000000000000000000000000000000\n"), 1);
	assert_int_equal(count(text, "IV=0xee000000000000000000000000000000\n"), 2);
	free(text);
	text = media(&a, "v", span(13, 24), false);
	summary(text, seen);
	assert_string_equal(seen, "ma...nma....n....");
	free(text);
	text = media(&a, "v", all,
		     true); /* of what a delta leaves out, the key holds and is said again */
	summary(text, seen);
	assert_string_equal(seen, "a...n....");
	free(text);
	FILE *f = open_memstream(&text, &n);
	archive_dash(&a, &r, "/live/time", f);
	fclose(f);
	assert_int_equal(count(text, "<Period "), 4);
	assert_int_equal(count(text, "cenc:default_KID=\"02000000-0000-0000-0000-000000000000\""),
			 2);
	assert_int_equal(count(text, "<dashif:Laurl>/live/license</dashif:Laurl>"), 4);
	assert_int_equal(count(text, "xmlns:cenc"), 1);
	assert_int_equal(count(text, "init-3.mp4"), 2); /* in clear */
	free(text);
	uint8_t kid[16] = {2}, other[16] = {7}, zero[16] = {0};
	assert_true(archive_has_key(&a, kid));
	assert_false(archive_has_key(&a, other));
	assert_false(archive_has_key(&a, zero));
	archive_finish(&a);
}

/* The head of an index names the key. */
static void test_key_head(void **state)
{
	struct archive a = {0};
	struct archive_file *f = begin_by(&a, "v", 0, CMAF_CBCS, 9, "init-9.mp4");
	struct archive_about back;
	uint8_t head[ARCHIVE_HEAD];
	int64_t id;

	archive_put_head(&f->about, f->id, head);
	assert_int_equal(archive_get_head(&back, &id, head), 0);
	assert_true(archive_same(&back, &f->about));
	assert_memory_equal(back.iv, f->about.iv, 16);
	f->about.scheme = 7;
	archive_put_head(&f->about, f->id, head);
	assert_int_equal(archive_get_head(&back, &id, head), -EINVAL);
	archive_finish(&a);
}

static void test_time(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* us; -1: refused */
	} cases[] = {
	    {"1795361000", T0 * SEC_US},
	    {"1795361000.25", T0 * SEC_US + 250000},
	    {"-90", (T0 - 90) * SEC_US},
	    {"-1.5", T0 * SEC_US - 1500000},
	    {"2026-11-22T15:23:20Z", T0 * SEC_US},
	    {"2026-11-22T15:23:20.5Z", T0 * SEC_US + 500000},
	    {"2026-11-23T00:23:20+09:00", T0 * SEC_US},
	    {"2026-11-23T00:23:20 0900", -1},
	    {"2026-11-23T00:23:20 09:00", T0 * SEC_US},
	    {"2026-11-22T10:23:20-05:00", T0 * SEC_US},
	    {"", -1},
	    {"x", -1},
	    {"1e9", -1},
	    {"nan", -1},
	    {"-inf", -1},
	    {"12x", -1},
	    {"0x10", -1},
	    {"2026-11-22", -1},
	    {"2026-11-22T15:23:20", -1},
	    {"2026-11-22T15:23:20Zz", -1},
	    {"999999999999999999", -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = -1;

		if (archive_time(cases[i].text, T0 * SEC_US, &us))
			assert_int_equal(us, -1);
		if (us != cases[i].want)
			fail_msg("%s: %lld", cases[i].text, (long long)us);
	}
}

/* ---- movies ---- */

static const struct cmaf_events events;

/* What the segmenter writes is read again, frame for frame. */
static void test_movie(void **state)
{
	static const struct cmaf_conf conf = {
	    .segment_us = SEC_US, .part_us = 200 * MS_US, .window = 6};
	struct media_info *info = media_info_create();
	struct movie_samples samples = {0};
	struct movie_track t[4];
	struct cmaf *c;
	char err[CMAF_ERR];
	uint64_t at = 0;

	feed_video(&info->track[0], "v", 640, 360, (struct ratio){30, 1});
	info->n = 1;
	info->utc = true;
	assert_int_equal(cmaf_create(&c, &conf, info, 0, &events, NULL, err), 0);
	feed_run(c, info, 30, T0 * SEC_US, (T0 + 3) * SEC_US);
	struct buf *init = c->track[0]->init->buf;
	assert_int_equal(movie_tracks(init->data, init->len, t, 4), 1);
	assert_int_equal(t[0].kind, MEDIA_VIDEO);
	assert_int_equal(t[0].scale, c->track[0]->scale);
	assert_int_equal(t[0].width >> 16, 640);
	struct cmaf_segment *s = cmaf_segment(c->track[0], T0 + 1);
	assert_non_null(s);
	for (size_t i = 0; i < s->chunk.len; i++) {
		struct rd r = rd_of(s->chunk.at[i]->data, 4);

		assert_int_equal(movie_moof(s->chunk.at[i]->data, rd_u32(&r), at, t, 1, &samples),
				 0);
		at += s->chunk.at[i]->len;
	}
	assert_int_equal(samples.s.len, 30);
	for (size_t i = 0; i < 30; i++) {
		assert_int_equal(samples.s.at[i].dts,
				 (T0 + 1) * t[0].scale + (int64_t)i * t[0].scale / 30);
		assert_int_equal(samples.s.at[i].key, i == 0);
		assert_int_equal(samples.s.at[i].size, 400);
	}
	/* Half a second into it: from the key frame on. */
	size_t first, n;
	int64_t from = (T0 + 1) * t[0].scale + t[0].scale / 2;
	assert_true(movie_cut(samples.s.at, 30, from, from + t[0].scale / 4, &first, &n));
	assert_int_equal(first, 0);
	assert_int_equal(n, 23);
	/* Nothing to begin with. */
	assert_false(movie_cut(samples.s.at + 1, 29, from, INT64_MAX, &first, &n));
	struct movie_out o = {t, samples.s.at, 23, from, from + t[0].scale / 4};
	struct buf *head = movie_head(&o, 1, at);
	assert_non_null(head);
	struct movie_track back;
	assert_int_equal(movie_tracks(head->data, head->len, &back, 1), 1);
	assert_int_equal(back.scale, t[0].scale);
	assert_int_equal(back.stsd.n, t[0].stsd.n);
	buf_unref(head);
	movie_samples_finish(&samples);
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Damaged at every byte: an answer, whatever it is. */
static void test_movie_damaged(void **state)
{
	struct media_info *info = media_info_create();
	static const struct cmaf_conf conf = {
	    .segment_us = SEC_US, .part_us = 200 * MS_US, .window = 6};
	struct movie_track t[4];
	struct cmaf *c;
	char err[CMAF_ERR];

	feed_video(&info->track[0], "v", 640, 360, (struct ratio){30, 1});
	info->n = 1;
	info->utc = true;
	assert_int_equal(cmaf_create(&c, &conf, info, 0, &events, NULL, err), 0);
	struct buf *init = c->track[0]->init->buf;
	uint8_t *copy = malloc(init->len);
	assert_non_null(copy);
	for (size_t i = 0; i < init->len; i++) {
		memcpy(copy, init->data, init->len);
		copy[i] ^= 0x81;
		assert_true(movie_tracks(copy, init->len, t, 4) <= 1);
		assert_true(movie_tracks(init->data, i, t, 4) < 0);
	}
	free(copy);
	cmaf_destroy(c);
	media_info_unref(info);
}

/* ---- date ranges ---- */

static struct range range(const char *id, int64_t start_s, int64_t end_s)
{
	struct range r = {.paired = true,
			  .start_us = start_s * SEC_US,
			  .planned_us = SPLICE_NONE,
			  .end_us = end_s ? end_s * SEC_US : SPLICE_NONE};

	str_copy(r.id, sizeof(r.id), id);
	r.out = buf_copy("\xfc\x30", 2);
	return r;
}

static char *dates(const struct archive *a, int64_t from_s, int64_t to_s)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	archive_dates_put(a, from_s * SEC_US, to_s * SEC_US, f);
	fclose(f);
	return text;
}

static void has_date(const struct archive *a, int64_t from_s, int64_t to_s, const char *what,
		     bool want)
{
	char *text = dates(a, from_s, to_s);

	if (!strstr(text, what) != !want)
		fail_msg("%s %s: %s", what, want ? "is missing in" : "is in", text);
	free(text);
}

/* What was told is kept, changes as long as it is told of, and is read again; what was cancelled goes. */
static void test_dates(void **state)
{
	struct ranges r = {0};
	struct archive a = {0}, b = {0};
	char *text;
	size_t n;

	assert_int_equal(vec_push(&r.at, range("one", 1000, 1010)), 0);
	assert_int_equal(vec_push(&r.at, range("open", 1020, 0)), 0);
	assert_int_equal(vec_push(&r.at, range("never", 1100, 0)), 0);
	assert_int_equal(archive_dates_take(&a, &r), 1);
	assert_int_equal(archive_dates_take(&a, &r), 0);
	has_date(&a, 990, 1000, "one", false);
	has_date(&a, 990, 1001,
		 "ID=\"one\",START-DATE=\"1970-01-01T00:16:40.000Z\",DURATION=10.000", true);
	has_date(&a, 1011, 1020, "one", false);
	has_date(&a, 5000, 6000, "open", true);
	r.at.at[1].end_us = 1030 * SEC_US;
	r.at.at[2].gone = true;
	r.at.at[2].changed_us = 1050 * SEC_US;
	assert_int_equal(archive_dates_take(&a, &r), 1);
	has_date(&a, 1025, 1030,
		 "ID=\"open\",START-DATE=\"1970-01-01T00:17:00.000Z\",DURATION=10.000", true);
	has_date(&a, 5000, 6000, "open", false);
	has_date(&a, 0, 6000, "never", false);
	FILE *f = open_memstream(&text, &n);
	archive_dates_write(&a, f);
	fprintf(f, "garbage\n1 2 #EXT-X-DATERANGE:ID=\"\",\n1 2 #EXTINF:1\n");
	fclose(f);
	assert_int_equal(archive_dates_read(&b, text, n), 3);
	free(text);
	char *was = dates(&a, 0, 9999), *is = dates(&b, 0, 9999);
	assert_string_equal(was, is);
	free(was);
	free(is);
	assert_false(archive_dates_expire(&b, 1010 * SEC_US));
	assert_true(archive_dates_expire(&b, 1011 * SEC_US));
	has_date(&b, 0, 9999, "one", false);
	has_date(&b, 0, 9999, "open", true);
	ranges_finish(&r);
	archive_finish(&a);
	archive_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dates), cmocka_unit_test(test_index),
	    cmocka_unit_test(test_find),  cmocka_unit_test(test_expired),
	    cmocka_unit_test(test_live),  cmocka_unit_test(test_span),
	    cmocka_unit_test(test_time),  cmocka_unit_test(test_periods),
	    cmocka_unit_test(test_movie), cmocka_unit_test(test_movie_damaged),
	    cmocka_unit_test(test_keys),  cmocka_unit_test(test_key_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
