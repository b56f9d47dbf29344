#include "unit.h"

#include "cmaf/subtitle.h"
#include "cmaf/wvtt.h"
#include "cmaf_feed.h"
#include "media/caption.h"

#define T0 (INT64_C(1795361000) * SEC_US)
#define FRAME_US (SEC_US / 30)

static uint8_t odd(int c)
{
	return (uint8_t)(c | (__builtin_popcount((unsigned)c) % 2 ? 0 : 0x80));
}

static enum cc_change take(struct cc608 *d, int a, int b)
{
	return cc608_take(d, (uint8_t[]){odd(a), odd(b)});
}

/* As all senders do. */
static enum cc_change twice(struct cc608 *d, int a, int b)
{
	enum cc_change first = take(d, a, b);

	assert_int_equal(take(d, a, b), CC_SAME);
	return first;
}

static void say(struct cc608 *d, const char *text)
{
	for (; *text; text += text[1] ? 2 : 1)
		take(d, text[0], text[1]);
}

/* Row r (from 1) is this text; what is not there is a dot, what is not ASCII a question mark. */
static void shows(const struct cc608 *d, int r, const char *want)
{
	const struct cc_cell *row = cc608_shown(d)->at[r - 1];
	char is[CC608_COLUMNS + 1] = "";
	int n = 0;

	for (int c = 0; c < CC608_COLUMNS; c++) {
		is[c] = (char)(!row[c].c ? '.' : row[c].c < 0x80 ? row[c].c : '?');
		n = row[c].c ? c + 1 : n;
	}
	is[n] = 0;
	assert_string_equal(is, want);
}

static void test_pop_on(void **state)
{
	struct cc608 d = {0};

	say(&d, "LOST"); /* of no style */
	assert_false(d.heard);
	twice(&d, 0x14, 0x20);
	twice(&d, 0x14, 0x2e);
	twice(&d, 0x14, 0x72); /* row 15, indent 4 */
	assert_int_equal(twice(&d, 0x17, 0x22), CC_SAME);
	say(&d, "HELLO");
	assert_true(cc_is_blank(cc608_shown(&d)));
	assert_int_equal(twice(&d, 0x14, 0x2f), CC_OTHER);
	shows(&d, 15, "......HELLO");
	twice(&d, 0x14, 0x20);
	twice(&d, 0x11, 0x60); /* row 2 */
	say(&d, "NEXT");
	shows(&d, 15, "......HELLO");
	assert_int_equal(twice(&d, 0x14, 0x2c), CC_OTHER);
	assert_true(cc_is_blank(cc608_shown(&d)));
	twice(&d, 0x14, 0x2f);
	shows(&d, 2, "NEXT");
	shows(&d, 15, "");
}

static void test_roll_up(void **state)
{
	struct cc608 d = {0};

	twice(&d, 0x14, 0x26); /* three rows */
	twice(&d, 0x14, 0x2d);
	twice(&d, 0x14, 0x70);
	say(&d, "ONE");
	for (const char *const *t = (const char *const[]){"TWO", "THREE", "FOUR", NULL}; *t; t++) {
		assert_int_equal(twice(&d, 0x14, 0x2d), CC_OTHER);
		say(&d, *t);
	}
	shows(&d, 12, "");
	shows(&d, 13, "TWO");
	shows(&d, 14, "THREE");
	shows(&d, 15, "FOUR");
	twice(&d, 0x14, 0x25); /* two */
	shows(&d, 13, "");
	shows(&d, 14, "THREE");
	twice(&d, 0x11, 0x40); /* to row 1, as far as there is room for two */
	shows(&d, 1, "THREE");
	shows(&d, 2, "FOUR");
	shows(&d, 15, "");
	twice(&d, 0x14, 0x20);
	twice(&d, 0x14, 0x27);
	assert_true(cc_is_blank(cc608_shown(&d)));
}

static void test_paint_on(void **state)
{
	struct cc608 d = {0};

	twice(&d, 0x14, 0x29);
	twice(&d, 0x10, 0x40); /* row 11 */
	assert_int_equal(take(&d, 'A', 'B'), CC_MORE);
	shows(&d, 11, "AB");
	twice(&d, 0x14, 0x21);
	shows(&d, 11, "A");
	say(&d, "CDEF");
	twice(&d, 0x10, 0x54); /* column 8 */
	say(&d, "XY");
	shows(&d, 11, "ACDEF...XY");
	twice(&d, 0x10, 0x40);
	twice(&d, 0x17, 0x23);
	assert_int_equal(twice(&d, 0x14, 0x24), CC_OTHER);
	shows(&d, 11, "ACD");
	twice(&d, 0x10, 0x40);
	say(&d, "0123456789012345678901234567890123456789");
	shows(&d, 11, "01234567890123456789012345678909");
}

static void test_rows(void **state)
{
	static const struct {
		int a, b;
	} code[] = {{0x11, 0x40}, {0x11, 0x60}, {0x12, 0x40}, {0x12, 0x60}, {0x15, 0x40},
		    {0x15, 0x60}, {0x16, 0x40}, {0x16, 0x60}, {0x17, 0x40}, {0x17, 0x60},
		    {0x10, 0x40}, {0x13, 0x40}, {0x13, 0x60}, {0x14, 0x40}, {0x14, 0x60}};

	for (size_t i = 0; i < ARRAY_LEN(code); i++) {
		struct cc608 d = {0};

		twice(&d, 0x14, 0x29);
		twice(&d, code[i].a, code[i].b);
		say(&d, "HERE");
		shows(&d, (int)i + 1, "HERE");
	}
}

static void test_characters(void **state)
{
	static const struct {
		int a, b;
		unsigned c;
	} code[] = {
	    {0x2a, 0, 0xe1},	  {0x5c, 0, 0xe9},	{0x7e, 0, 0xf1},      {0x27, 0, '\''},
	    {0x11, 0x37, 0x266a}, {0x11, 0x3f, 0xfb},	{0x12, 0x20, 0xc1},   {0x12, 0x25, 0xfc},
	    {0x12, 0x3f, 0xbb},	  {0x13, 0x20, 0xc3},	{0x13, 0x2f, 0x7e},   {0x13, 0x34, 0xdf},
	    {0x13, 0x37, 0x2502}, {0x13, 0x3f, 0x2518}, {0x12, 0x29, 0x2019}, {0x12, 0x30, 0xc0},
	};

	for (size_t i = 0; i < ARRAY_LEN(code); i++) {
		struct cc608 d = {0};

		twice(&d, 0x14, 0x29);
		if (code[i].a == 0x12 || code[i].a == 0x13)
			take(&d, 'a', 0); /* which it takes the place of */
		take(&d, code[i].a, code[i].b);
		if (code[i].b)
			take(&d, code[i].a, code[i].b);
		assert_int_equal(cc608_shown(&d)->at[0][0].c, code[i].c);
		assert_int_equal(cc608_shown(&d)->at[0][1].c, 0);
	}
}

static void test_others(void **state)
{
	struct cc608 d = {0};

	twice(&d, 0x14, 0x29);
	say(&d, "A");
	twice(&d, 0x1c, 0x2c); /* the second channel's */
	say(&d, "OTHERS");
	twice(&d, 0x01, 0x03); /* XDS */
	twice(&d, 0x14, 0x29);
	say(&d, "B");
	shows(&d, 1, "AB");
	twice(&d, 0x14, 0x2a); /* text mode */
	say(&d, "TEXT");
	twice(&d, 0x14, 0x29);
	say(&d, "C");
	shows(&d, 1, "ABC");
}

static void test_parity(void **state)
{
	struct cc608 d = {0};

	twice(&d, 0x14, 0x29);
	cc608_take(&d, (uint8_t[]){odd('A') ^ 0x80, odd('B')});
	shows(&d, 1, "?B");
	assert_int_equal(cc608_shown(&d)->at[0][0].c, 0x2588);
	take(&d, 0x14, 0x2c);
	say(&d, "CD");
	/* A code of wrong parity is none; its repetition, whose second byte is whole, is no more than that. */
	cc608_take(&d, (uint8_t[]){odd(0x14), odd(0x2c) ^ 0x80});
	shows(&d, 1, "..CD");
	take(&d, 0x14, 0x21);
	cc608_take(&d, (uint8_t[]){odd(0x14) ^ 0x80, odd(0x21)});
	shows(&d, 1, "..C");
	take(&d, 0x14, 0x21);
	take(&d, 0x80, 0x80);
	shows(&d, 1, "");
}

/* ---- pictures ---- */

/* cc_data of one pair of field 1 beside one of field 2 in an H.264 access unit; returns its size. */
static size_t picture(uint8_t *to, bool hevc, const uint8_t pair[2])
{
	static const uint8_t t35[] = {4, 17,   0xb5, 0,	   0x31, 'G', 'A',  '9',  '4',
				      3, 0x42, 0xff, 0xfc, 0,	 0,   0xfd, 0x80, 0x80};
	static const uint8_t other[] = {5, 3, 0xaa, 0, 0};
	size_t n = 0;

	memcpy(to, (uint8_t[]){0, 0, 0, 1, hevc ? 39 << 1 : 6}, 5);
	n = 5;
	if (hevc)
		to[n++] = 1;
	memcpy(to + n, other, sizeof(other));
	n += sizeof(other);
	to[n++] = 3; /* between two zeros and what follows: emulation prevention */
	memcpy(to + n, t35, sizeof(t35));
	memcpy(to + n + 13, pair, 2);
	n += sizeof(t35);
	to[n++] = 0xff;
	to[n++] = 0x80;
	memcpy(to + n, (uint8_t[]){0, 0, 1, hevc ? 1 << 1 : 0x41, 1, 2, 3}, 7);
	return n + 7;
}

static void test_find(void **state)
{
	uint8_t unit[64], cc[CCDATA_MAX];

	for (int hevc = 0; hevc < 2; hevc++) {
		enum media_codec codec = hevc ? MEDIA_HEVC : MEDIA_H264;
		size_t n = picture(unit, hevc, (uint8_t[]){0x94, 0x2c});

		assert_int_equal(subtitle_find(codec, unit, n, cc), 6);
		assert_memory_equal(cc, ((uint8_t[]){0xfc, 0x94, 0x2c, 0xfd, 0x80, 0x80}), 6);
		assert_int_equal(subtitle_find(MEDIA_VP9, unit, n, cc), 0);
		for (size_t cut = 0; cut < n;
		     cut++) { /* a copy of its own: nothing is read behind it */
			uint8_t *part = malloc(cut + !cut);

			memcpy(part, unit, cut);
			assert_true(subtitle_find(codec, part, cut, cc) <= 6);
			free(part);
		}
	}
}

/* In AV1 as the transcoder puts them there. */
static void test_find_obu(void **state)
{
	static const uint8_t tu[] = {0x12, 0, 0x0a, 3, 0, 1, 2, 0x32, 2, 0xaf, 9};
	static const uint8_t said[] = {0xfc, 0x94, 0x2c, 0xfd, 0x80, 0x80};
	struct media_packet *p = media_packet_create(sizeof(tu));
	uint8_t cc[CCDATA_MAX];

	memcpy(p->data, tu, sizeof(tu));
	assert_int_equal(subtitle_find(MEDIA_AV1, p->data, p->size, cc), 0);
	p = captions_into(p, MEDIA_AV1, said, sizeof(said));
	assert_int_equal(subtitle_find(MEDIA_AV1, p->data, p->size, cc), sizeof(said));
	assert_memory_equal(cc, said, sizeof(said));
	for (size_t cut = 0; cut < p->size; cut++) {
		uint8_t *part = malloc(cut + !cut);

		memcpy(part, p->data, cut);
		assert_true(subtitle_find(MEDIA_AV1, part, cut, cc) <= sizeof(said));
		free(part);
	}
	media_packet_unref(p);
}

/* ---- cues ---- */

struct talk {
	struct subtitles *s;
	int64_t frame;
};

static struct talk begin_talk(void)
{
	struct talk t = {subtitles_create(1u << CC_CC1), 0};

	assert_non_null(t.s);
	return t;
}

/* The WebVTT of a segment of CC1. */
static struct buf *cut_from(struct subtitles *s, int64_t from_us, int64_t to_us)
{
	subtitles_until(s, to_us);
	struct buf *b = subtitle_cut(s->of[CC_CC1], 33, from_us, to_us);
	assert_non_null(b);
	struct buf *text = wvtt_text(b->data, b->len);
	assert_non_null(text);
	buf_unref(b);
	return text;
}

static void pair(struct talk *t, int a, int b)
{
	int64_t us = T0 + t->frame++ * SEC_US / 30;

	subtitles_take(t->s, us, us, (uint8_t[]){0xfc, odd(a), odd(b)}, 3);
}

static void tell(struct talk *t, const char *text)
{
	for (; *text; text += text[1] ? 2 : 1)
		pair(t, text[0], text[1]);
}

static void cut(struct talk *t, int second, const char *want)
{
	char whole[2048];
	struct buf *b = cut_from(t->s, T0 + second * SEC_US, T0 + (second + 1) * SEC_US);

	snprintf(whole, sizeof(whole), "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:%llu,LOCAL:00:00:00.000\n%s",
		 ((unsigned long long)(T0 / SEC_US + second) * 90000) % (1ull << 33), want);
	assert_int_equal(b->len, strlen(whole));
	assert_memory_equal(b->data, whole, b->len);
	buf_unref(b);
}

static void test_cues(void **state)
{
	struct talk t = begin_talk();

	pair(&t, 0x14, 0x20);
	pair(&t, 0x14, 0x70);
	tell(&t, "A<B");
	pair(&t, 0x11, 0x2e); /* italics */
	tell(&t, "&");
	pair(&t, 0x11, 0x21); /* white, underlined */
	tell(&t, "c");
	t.frame = 15;
	pair(&t, 0x14, 0x2f);
	cut(&t, 0,
	    "\n1795361000500.15\n"
	    "00:00:00.500 --> 00:00:01.000 line:84.67% position:10.00% align:start\n"
	    "A&lt;B<i> &amp;</i><u> c</u>\n");
	t.frame = 45;
	pair(&t, 0x14, 0x2c);
	cut(&t, 1,
	    "\n1795361001000.15\n"
	    "00:00:00.000 --> 00:00:00.500 line:84.67% position:10.00% align:start\n"
	    "A&lt;B<i> &amp;</i><u> c</u>\n");
	cut(&t, 2, "");
	subtitles_destroy(t.s);
}

/* Two blocks, of which one has two rows; and what is said for too long goes. */
static void test_blocks(void **state)
{
	struct talk t = begin_talk();

	pair(&t, 0x14, 0x20);
	pair(&t, 0x11, 0x54); /* row 1, column 8 */
	tell(&t, "TOP");
	pair(&t, 0x14, 0x46); /* row 14, cyan */
	tell(&t, "LEFT");
	pair(&t, 0x14, 0x74);
	tell(&t, "IN");
	pair(&t, 0x14, 0x2f);
	cut(&t, 0,
	    "\n1795361000300.1\n"
	    "00:00:00.300 --> 00:00:01.000 line:10.00% position:30.00% align:start\nTOP\n"
	    "\n1795361000300.14\n"
	    "00:00:00.300 --> 00:00:01.000 line:79.33% position:10.00% align:start\n"
	    "<c.cyan>LEFT</c>\nIN\n");
	for (int i = 1; i < 16; i++) {
		struct buf *b = cut_from(t.s, T0 + i * SEC_US, T0 + (i + 1) * SEC_US);

		assert_true(b->len > 80);
		buf_unref(b);
	}
	cut(&t, 16,
	    "\n1795361016000.1\n"
	    "00:00:00.000 --> 00:00:00.300 line:10.00% position:30.00% align:start\nTOP\n"
	    "\n1795361016000.14\n"
	    "00:00:00.000 --> 00:00:00.300 line:79.33% position:10.00% align:start\n"
	    "<c.cyan>LEFT</c>\nIN\n");
	cut(&t, 17, "");
	subtitles_destroy(t.s);
}

/* What is seen while it is written comes in steps. */
static void test_steps(void **state)
{
	struct talk t = begin_talk();

	pair(&t, 0x14, 0x25);
	pair(&t, 0x14, 0x2d);
	pair(&t, 0x14, 0x70);
	tell(&t, "ABCDEFGHIJKLMNOPQRST"); /* frames 3 to 12 */
	cut(&t, 0,
	    "\n1795361000100.15\n"
	    "00:00:00.100 --> 00:00:00.366 line:84.67% position:10.00% align:start\n"
	    "ABCDEFGHIJKLMNOP\n"
	    "\n1795361000366.15\n"
	    "00:00:00.366 --> 00:00:01.000 line:84.67% position:10.00% align:start\n"
	    "ABCDEFGHIJKLMNOPQRST\n");
	subtitles_destroy(t.s);
}

/* Pictures of one group in the order of decoding: I, P, then the two before P. */
static void test_order(void **state)
{
	static const struct {
		int pts, dts;
		char c[3];
	} shown[] = {{0, -2, ""},  {3, -1, "EF"}, {1, 0, "AB"}, {2, 1, "CD"},
		     {6, 2, "KL"}, {4, 3, "GH"},  {5, 4, "IJ"}};
	struct subtitles *s = subtitles_create(1u << CC_CC1);

	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		uint8_t cc[3] = {0xfc, odd(0x14), odd(0x29)};

		for (int k = 0; k < 2 && *shown[i].c; k++)
			cc[1 + k] = odd(shown[i].c[k]);
		subtitles_take(s, T0 + shown[i].pts * FRAME_US, T0 + shown[i].dts * FRAME_US, cc,
			       3);
	}
	assert_int_equal(s->data.npending, 2); /* those of 5 and 6 */
	struct buf *b = cut_from(s, T0, T0 + SEC_US);
	assert_non_null(memmem(b->data, b->len, "\nABCDEFGHIJKL\n", 14));
	buf_unref(b);
	subtitles_destroy(s);
}

/* Whatever comes, what is kept has a bound. */
static void test_bounds(void **state)
{
	struct subtitles *s = subtitles_create(1u << CC_CC1);

	for (int i = 0; i < 10000; i++) {
		uint8_t cc[6] = {0xfc, odd(0x14),	  odd(i & 1 ? 0x29 : 0x2c),
				 0xfc, odd('A' + i % 26), odd('B')};

		subtitles_take(s, T0 + i * 1000, i < 5000 ? T0 : T0 + i * 1000, cc, 6);
		assert_true(s->data.npending <= CCDATA_PENDING);
		assert_true(s->of[CC_CC1]->cues.len <= SUBTITLE_CUES);
	}
	assert_true(s->of[CC_CC1]->dropped > 0);
	struct buf *b = cut_from(s, T0, T0 + 10 * SEC_US);
	assert_true(b->len < 64 << 10);
	buf_unref(b);
	subtitles_destroy(s);
}

/* ---- in a presentation ---- */

static struct cmaf *c;
static struct media_info *info;

static void begin(unsigned captions, bool declared, enum cmaf_scheme scheme)
{
	static const struct cmaf_events none;
	struct cmaf_conf conf = {
	    .segment_us = SEC_US,
	    .part_us = 200 * MS_US,
	    .window = 6,
	    .captions = captions,
	    .caption = {{CC_CC1, "en", "Captions"}, {CC_CC3, "es", ""}, {CC_SERVICE1, "en", ""}},
	    .ncaptions = 3,
	    .captions_auto = declared == false,
	    .scheme = scheme};
	char err[CMAF_ERR];

	info = media_info_create();
	info->utc = true;
	info->n = 2;
	feed_video(&info->track[0], "720p", 1280, 720, (struct ratio){30, 1});
	feed_video(&info->track[1], "360p", 640, 360, (struct ratio){30, 1});
	assert_int_equal(cmaf_create(&c, &conf, info, 0, &none, NULL, err), 0);
}

static void end(void)
{
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Three seconds with this said in the second one, by both tracks. */
static void run(bool said)
{
	static const uint8_t words[][2] = {{0x14, 0x29}, {0x14, 0x70}, {'H', 'I'}};

	for (int64_t n = 0; n < 90; n++) {
		for (int i = 0; i < 2; i++) {
			int64_t at = T0 / SEC_US * 30 + n;
			struct media_packet *p = feed_packet(info, i, at, 30);
			uint8_t unit[512];

			if (said && n >= 30 && n < 33) {
				const uint8_t *w = words[n - 30];
				size_t size =
				    picture(unit, false, (uint8_t[]){odd(w[0]), odd(w[1])});
				struct media_packet *q = media_packet_create(size + p->size);

				memcpy(q->data, unit, size);
				memcpy(q->data + size, p->data, p->size);
				q->track = i;
				q->key = p->key;
				q->pts = q->dts = p->pts;
				q->duration = 1;
				media_packet_unref(p);
				p = q;
			}
			assert_int_equal(cmaf_packet(c, p, 0), 0);
			media_packet_unref(p);
		}
	}
}

static char *text(void (*write)(const struct cmaf *, FILE *))
{
	char *s;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	write(c, f);
	fclose(f);
	return s;
}

static void has(void (*write)(const struct cmaf *, FILE *), const char *what, bool want)
{
	char *s = text(write);

	if (!strstr(s, what) != !want)
		fail_msg("%s %s:\n%s", what, want ? "is not in" : "is in", s);
	free(s);
}

#define SUBTITLES \
	"#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"Captions\",LANGUAGE=\"en\"," \
	"DEFAULT=NO,AUTOSELECT=YES,"
#define IN_PICTURES \
	"#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"captions\",NAME=\"Captions\",LANGUAGE=" \
	"\"en\"," \
	"DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"CC1\"\n"

static void subtitles_of_cc1(const struct cmaf *of, FILE *f)
{
	cmaf_hls_subtitles(of, cmaf_find_text(of, "cc1"), f);
}

/* What is wanted and said is told of; no more, and nothing that has not been said. */
static void test_told(void **state)
{
	for (unsigned captions = 0; captions < 8; captions++) {
		bool said = captions & 4, wants_cea = captions & CMAF_CAPTIONS_CEA;
		bool cea = said && wants_cea, vtt = said && captions & CMAF_CAPTIONS_VTT;

		begin(captions & 3, false, CMAF_CLEAR);
		run(said);
		has(cmaf_hls_multivariant, SUBTITLES, vtt);
		has(cmaf_hls_multivariant, ",SUBTITLES=\"captions\"\n", vtt);
		has(cmaf_hls_multivariant, IN_PICTURES, cea);
		has(cmaf_hls_multivariant, ",CLOSED-CAPTIONS=\"captions\"", cea);
		has(cmaf_hls_multivariant, ",CLOSED-CAPTIONS=NONE", !wants_cea);
		has(cmaf_hls_multivariant, "cc3", false);
		has(cmaf_hls_multivariant, "CC3", false);
		assert_int_equal(cmaf_find_text(c, "cc1") != NULL, (captions & 2) != 0);
		end();
	}
}

/* What is declared is there from the beginning on, said or not; with AES-128 there is no text. */
static void test_declared(void **state)
{
	for (int said = 0; said < 2; said++) {
		begin(CMAF_CAPTIONS_CEA | CMAF_CAPTIONS_VTT, true, CMAF_CLEAR);
		run(said);
		has(cmaf_hls_multivariant, SUBTITLES, true);
		has(cmaf_hls_multivariant, IN_PICTURES, true);
		has(cmaf_hls_multivariant, "NAME=\"CC3\",LANGUAGE=\"es\"", true);
		has(cmaf_hls_multivariant, "URI=\"cc3/index.m3u8\"", true);
		has(cmaf_hls_multivariant, "INSTREAM-ID=\"SERVICE1\"", true);
		has(cmaf_hls_multivariant, ",CLOSED-CAPTIONS=\"captions\"", true);
		end();
	}
	begin(CMAF_CAPTIONS_VTT, true, CMAF_AES128);
	assert_null(cmaf_find_text(c, "cc1"));
	end();
}

static struct buf *vtt(const char *name, int64_t number)
{
	struct cmaf_segment *s = cmaf_segment(cmaf_find_text(c, name), number);

	assert_non_null(s);
	struct buf *b = cmaf_vtt(s);
	assert_non_null(b);
	return b;
}

static void test_rendition(void **state)
{
	int64_t first = T0 / SEC_US;
	char line[160];
	size_t bytes = 0;

	begin(CMAF_CAPTIONS_CEA | CMAF_CAPTIONS_VTT, false, CMAF_CLEAR);
	run(true);
	for (int i = 0; i < 3; i++) {
		struct buf *b = vtt("cc1", first + i), *none = vtt("cc3", first + i);
		bool said = memmem(b->data, b->len, "\nHI\n", 4) != NULL;

		assert_int_equal(said, i > 0);
		assert_null(memmem(none->data, none->len, "-->", 3));
		snprintf(line, sizeof(line), "#EXTINF:1.000000,\n%lld.vtt\n",
			 (long long)(first + i));
		has(subtitles_of_cc1, line, true);
		buf_unref(b);
		buf_unref(none);
	}
	struct buf *b = vtt("cc1", first + 1);
	assert_non_null(memmem(b->data, b->len, "00:00:00.066 --> 00:00:01.000", 29));
	buf_unref(b);
	snprintf(line, sizeof(line), "#EXT-X-MEDIA-SEQUENCE:%lld\n", (long long)first);
	has(subtitles_of_cc1, line, true);
	has(subtitles_of_cc1, "#EXT-X-PART", false);
	has(subtitles_of_cc1, "#EXT-X-RENDITION-REPORT:URI=\"../360p/index.m3u8\",LAST-MSN=", true);
	char *s;
	size_t n;
	FILE *f = open_memstream(&s, &n);
	cmaf_hls_media(c, c->track[1], false, f);
	fclose(f);
	snprintf(line, sizeof(line),
		 "#EXT-X-RENDITION-REPORT:URI=\"../cc1/index.m3u8\",LAST-MSN=%lld\n",
		 (long long)first + 2);
	assert_non_null(strstr(s, line));
	assert_null(strstr(s, "../cc3/"));
	free(s);
	for (int i = 0; i < c->n; i++)
		bytes += c->track[i]->bytes;
	for (int i = 0; i < c->texts; i++)
		bytes += c->text[i]->bytes;
	assert_int_equal(c->bytes, bytes);
	cmaf_end(c);
	has(subtitles_of_cc1, "#EXT-X-ENDLIST\n", true);
	end();
}

/* A gap has an empty text, with the time of its own beginning, and what was shown before it is gone. */
static void test_gap(void **state)
{
	int64_t first = T0 / SEC_US;
	char map[80];

	begin(CMAF_CAPTIONS_VTT, true, CMAF_CLEAR);
	run(true);
	cmaf_gap(c, T0 + 5300 * MS_US);
	for (int64_t n = first + 3; n < first + 5; n++) {
		struct buf *b = vtt("cc1", n);

		assert_true(cmaf_segment(c->track[0], n)->gap);
		snprintf(map, sizeof(map), "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:%llu,",
			 (unsigned long long)n * 90000 % (1ull << 33));
		assert_memory_equal(b->data, map, strlen(map));
		assert_null(memmem(b->data, b->len, "-->", 3));
		buf_unref(b);
	}
	has(subtitles_of_cc1, "#EXT-X-GAP", false);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pop_on),     cmocka_unit_test(test_roll_up),
	    cmocka_unit_test(test_paint_on),   cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_characters), cmocka_unit_test(test_others),
	    cmocka_unit_test(test_parity),     cmocka_unit_test(test_find),
	    cmocka_unit_test(test_cues),       cmocka_unit_test(test_blocks),
	    cmocka_unit_test(test_steps),      cmocka_unit_test(test_order),
	    cmocka_unit_test(test_bounds),     cmocka_unit_test(test_told),
	    cmocka_unit_test(test_rendition),  cmocka_unit_test(test_declared),
	    cmocka_unit_test(test_gap),	       cmocka_unit_test(test_find_obu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
