/* Cues and ID3: what sections say, what becomes of them in playlists, in chunks and in the MPD. */
#include "unit.h"

#include <errno.h>

#include "../media/cue-make.h"
#include "cmaf/emsg.h"
#include "cmaf/range.h"
#include "cmaf_feed.h"

#define T0 (INT64_C(1795361000) * SEC_US)
#define MASK ((INT64_C(1) << 33) - 1)

static int64_t ticks(int64_t us)
{
	return base_scale(us, SPLICE_CLOCK, SEC_US) & MASK;
}

/* ---- sections ---- */

static void test_insert(void **state)
{
	uint8_t p[CUE_MADE];
	struct splice s;
	size_t n = cue_make_insert(p, 0x4800008f, true, 0x072bd0050, 0x00052ccf5, true);

	assert_int_equal(splice_read(&s, p, n), 0);
	assert_int_equal(s.command, SPLICE_INSERT);
	assert_int_equal(s.id, 0x4800008f);
	assert_true(s.out && s.auto_return && !s.cancel);
	assert_int_equal(s.pts, 0x072bd0050);
	assert_int_equal(s.duration, 0x00052ccf5);
	cue_shift(p, n, MASK - 0x072bd0050 + 11); /* pts_adjustment, around its end */
	assert_int_equal(splice_read(&s, p, n), 0);
	assert_int_equal(s.pts, 10);
	n = cue_make_insert(p, 7, false, -1, -1, false);
	assert_int_equal(splice_read(&s, p, n), 0);
	assert_true(!s.out && s.pts == SPLICE_NONE && s.duration == SPLICE_NONE);
	n = cue_make_cancel(p, 9);
	assert_int_equal(splice_read(&s, p, n), 0);
	assert_true(s.cancel && s.id == 9);
}

static void test_signal(void **state)
{
	uint8_t p[CUE_MADE], room[64];
	struct wr d = wr_of(room, sizeof(room));
	struct splice s;

	wr_bytes(&d, "\1\4else", 6); /* of somebody else */
	cue_make_segment(&d, 5, 0x34, 90000 * 30);
	cue_make_segment(&d, 6, 0x10, -1);
	size_t n = cue_make_signal(p, 1234, &d);
	assert_int_equal(splice_read(&s, p, n), 0);
	assert_int_equal(s.command, SPLICE_TIME_SIGNAL);
	assert_int_equal(s.pts, 1234);
	assert_int_equal(s.segments, 2);
	assert_int_equal(s.segment[0].id, 5);
	assert_int_equal(s.segment[0].type, 0x34);
	assert_int_equal(s.segment[0].duration, 90000 * 30);
	assert_int_equal(s.segment[1].type, 0x10);
	assert_int_equal(s.segment[1].duration, SPLICE_NONE);
}

/* The first example of SCTE 35, 14.1: a time_signal with a placement opportunity of 59 s; as published. */
static void test_published(void **state)
{
	static const uint8_t p[] = {
	    0xfc, 0x30, 0x34, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xf0, 0x05, 0x06,
	    0xfe, 0x72, 0xbd, 0x00, 0x50, 0x00, 0x1e, 0x02, 0x1c, 0x43, 0x55, 0x45, 0x49, 0x48,
	    0x00, 0x00, 0x8e, 0x7f, 0xcf, 0x00, 0x01, 0xa5, 0x99, 0xb0, 0x08, 0x08, 0x00, 0x00,
	    0x00, 0x00, 0x2c, 0xa0, 0xa1, 0x8a, 0x34, 0x02, 0x00, 0x9a, 0xc9, 0xd1, 0x7e};
	struct splice s;

	assert_int_equal(splice_read(&s, p, sizeof(p)), 0);
	assert_int_equal(s.pts, 0x072bd0050);
	assert_int_equal(s.segments, 1);
	assert_int_equal(s.segment[0].id, 0x4800008e);
	assert_int_equal(s.segment[0].type, 0x34);
	assert_int_equal(s.segment[0].duration, 0x1a599b0);
}

/* Lengths that lie, with a CRC that is right. */
static void test_lies(void **state)
{
	uint8_t p[CUE_MADE], room[64];
	struct wr d = wr_of(room, sizeof(room));
	struct splice s;
	size_t n;

	n = cue_make_insert(p, 7, true, 5, 5, false);
	for (size_t at = 0; at < n - 4; at++) {
		p[at] ^= 0xff;
		assert_int_equal(splice_read(&s, p, n), -EINVAL);
		p[at] ^= 0xff;
	}
	for (int by = -12; by <= 12; by++) { /* splice_command_length */
		n = cue_make_insert(p, 7, true, 5, 5, false);
		p[12] = (uint8_t)(p[12] + by);
		cue_shift(p, n, 0);
		assert_int_equal(splice_read(&s, p, n), by ? -EINVAL : 0);
	}
	n = cue_make_insert(p, 7, true, 5, 5, false);
	p[11] |= 0x0f; /* not told */
	p[12] = 0xff;
	cue_shift(p, n, 0);
	assert_int_equal(splice_read(&s, p, n), 0);
	cue_make_segment(&d, 5, 0x34, 90000);
	for (int by = 1; by < 20; by++) { /* descriptor_length */
		n = cue_make_signal(p, 1234, &d);
		p[22] = (uint8_t)(p[22] + by);
		cue_shift(p, n, 0);
		assert_int_equal(splice_read(&s, p, n), -EINVAL);
	}
	n = cue_make_signal(p, 1234, &d);
	p[4] |= 0x80; /* encrypted */
	cue_shift(p, n, 0);
	assert_int_equal(splice_read(&s, p, n), 0);
	assert_int_equal(s.command, SPLICE_ENCRYPTED);
	assert_int_equal(s.segments, 0);
}

/* ---- date ranges ---- */

static void tell(struct ranges *r, const uint8_t *p, size_t n, int64_t at_us, int64_t now_us)
{
	struct splice s;

	assert_int_equal(splice_read(&s, p, n), 0);
	assert_int_equal(ranges_cue(r, &s, p, n, at_us, now_us), 0);
}

static void out(struct ranges *r, uint32_t event, int64_t at_us, int64_t now_us, int64_t length,
		bool auto_return)
{
	uint8_t p[CUE_MADE];

	tell(r, p, cue_make_insert(p, event, true, 0, length, auto_return), at_us, now_us);
}

static void back(struct ranges *r, uint32_t event, int64_t at_us, int64_t now_us)
{
	uint8_t p[CUE_MADE];

	tell(r, p, cue_make_insert(p, event, false, 0, -1, false), at_us, now_us);
}

/* What there is, without the sections' digits. */
static void expect(const struct ranges *r, int64_t since_us, const char *want)
{
	char *text, *got;
	size_t n, k = 0;
	FILE *f = open_memstream(&text, &n);

	ranges_write(r, since_us, f);
	fclose(f);
	got = calloc(1, n + 1);
	for (size_t i = 0; i < n; i++) {
		got[k++] = text[i];
		if (i > 1 && !memcmp(text + i - 1, "0x", 2))
			i += strspn(text + i + 1, "0123456789ABCDEF");
	}
	assert_string_equal(got, want);
	free(text);
	free(got);
}

static void expect_removed(const struct ranges *r, int64_t since_us, const char *want)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	ranges_write_removed(r, since_us, f);
	fclose(f);
	assert_string_equal(text, want);
	free(text);
}

#define HEAD "#EXT-X-DATERANGE:ID=\"7-1795361010\",START-DATE=\"2026-11-22T15:23:30.250Z\""

static void test_pair(void **state)
{
	struct ranges r = {0};
	int64_t at = T0 + 10250 * MS_US;

	out(&r, 7, at, T0, 90000 * 30, false);
	expect(&r, INT64_MIN, HEAD ",PLANNED-DURATION=30.000,SCTE35-OUT=0x\n");
	out(&r, 7, at + 3, T0 + SEC_US, 90000 * 20, false); /* a repetition, whatever it says */
	expect(&r, INT64_MIN, HEAD ",PLANNED-DURATION=30.000,SCTE35-OUT=0x\n");
	back(&r, 7, at + 29 * SEC_US, T0 + 30 * SEC_US);
	back(&r, 7, at + 29 * SEC_US + 7, T0 + 31 * SEC_US);
	expect(&r, INT64_MIN,
	       HEAD ",DURATION=29.000,PLANNED-DURATION=30.000,SCTE35-OUT=0x,SCTE35-IN=0x\n");
	expect(&r, T0 + 30 * SEC_US + 1, "");
	/* It goes with its last segment, and is remembered as long as wanted. */
	assert_false(ranges_pass(&r, at + 28 * SEC_US, T0 + 60 * SEC_US, 6 * SEC_US));
	assert_true(ranges_pass(&r, at + 30 * SEC_US, T0 + 61 * SEC_US, 6 * SEC_US));
	expect(&r, INT64_MIN, "");
	expect_removed(&r, T0 + 61 * SEC_US, "7-1795361010");
	expect_removed(&r, T0 + 62 * SEC_US, "");
	assert_false(ranges_pass(&r, at + 31 * SEC_US, T0 + 68 * SEC_US, 6 * SEC_US));
	expect_removed(&r, INT64_MIN, "");
	ranges_finish(&r);
}

static void test_ends(void **state)
{
	struct ranges r = {0};
	uint8_t p[CUE_MADE];
	int64_t at = T0 + 10250 * MS_US;

	/* Returns by itself: the duration is told when that has happened. */
	out(&r, 7, at, T0, 90000 * 5, true);
	assert_false(ranges_pass(&r, T0, at + 4 * SEC_US, SEC_US));
	assert_true(ranges_pass(&r, T0, at + 5 * SEC_US, SEC_US));
	expect(&r, at + 5 * SEC_US, HEAD ",DURATION=5.000,PLANNED-DURATION=5.000,SCTE35-OUT=0x\n");
	/* The event's number is used again. */
	out(&r, 7, at + 6 * SEC_US, at + 5 * SEC_US, -1, false);
	assert_int_equal(r.at.len, 2);
	assert_string_equal(r.at.at[1].id, "7-1795361016");
	/* Cancelled before it begins; not after. */
	out(&r, 8, at + 20 * SEC_US, at + 10 * SEC_US, -1, false);
	tell(&r, p, cue_make_cancel(p, 8), 0, at + 11 * SEC_US);
	tell(&r, p, cue_make_cancel(p, 7), 0, at + 11 * SEC_US);
	expect_removed(&r, INT64_MIN, "8-1795361030");
	ranges_finish(&r);
	/* In, of an out that nobody saw. */
	back(&r, 7, at, T0);
	expect(&r, INT64_MIN, HEAD ",SCTE35-CMD=0x\n");
	assert_true(ranges_pass(&r, at + 1, at + SEC_US, SEC_US));
	ranges_finish(&r);
}

/* Each type of segment is a range of its own. */
static void test_segments(void **state)
{
	struct ranges r = {0};
	uint8_t p[CUE_MADE], room[64];
	struct wr d = wr_of(room, sizeof(room));
	int64_t at = T0 + 10250 * MS_US;

	cue_make_segment(&d, 7, 0x34, 90000 * 9);
	cue_make_segment(&d, 7, 0x10, -1);
	tell(&r, p, cue_make_signal(p, 0, &d), at, T0);
	d = wr_of(room, sizeof(room));
	cue_make_segment(&d, 7, 0x35, -1);
	tell(&r, p, cue_make_signal(p, 0, &d), at + 9 * SEC_US, T0 + 9 * SEC_US);
	expect(&r, INT64_MIN,
	       "#EXT-X-DATERANGE:ID=\"7-34-1795361010\",START-DATE=\"2026-11-22T15:23:30.250Z\","
	       "DURATION=9.000,PLANNED-DURATION=9.000,SCTE35-OUT=0x,SCTE35-IN=0x\n"
	       "#EXT-X-DATERANGE:ID=\"7-10-1795361010\",START-DATE=\"2026-11-22T15:23:30.250Z\","
	       "SCTE35-CMD=0x\n");
	ranges_finish(&r);
}

static void test_bounds(void **state)
{
	struct ranges r = {0};
	struct emsgs e = {0};
	uint8_t big[EMSG_SIZE_MAX + 1] = {0};

	for (int i = 0; i < 3 * RANGES_MAX; i++) {
		out(&r, (uint32_t)i, T0 + i * SEC_US, T0, -1, false);
		assert_true(r.at.len <= RANGES_MAX);
	}
	assert_int_equal(r.at.at[RANGES_MAX - 1].event, 3 * RANGES_MAX - 1);
	ranges_finish(&r);
	assert_int_equal(emsgs_add(&e, (struct emsg){0}, big, sizeof(big)), -EMSGSIZE);
	for (int i = 0; i < 3 * EMSG_MAX; i++)
		assert_int_equal(emsgs_add(&e, (struct emsg){.id = (uint32_t)i}, big, 10), 0);
	struct boxes b = {0};
	int64_t told = 0;
	emsgs_put(&e, 90000, INT64_MAX, &told, &b);
	assert_int_equal(b.out.len, EMSG_MAX * (12 + 20 + 25 + 1 + 10));
	size_t n = b.out.len;
	emsgs_put(&e, 90000, INT64_MAX, &told, &b);
	assert_int_equal(b.out.len, n);
	vec_free(&b.out);
	emsgs_finish(&e);
}

/* ---- in a presentation ---- */

static const struct cmaf_events events;

static struct media_info *source(bool sides)
{
	struct media_info *i = media_info_create();

	i->utc = true;
	i->n = 2;
	feed_video(&i->track[0], "360p", 640, 360, (struct ratio){30, 1});
	feed_audio(&i->track[1], "audio", 48000);
	if (sides) {
		i->sides = 2;
		i->track[2] = (struct media_track){
		    .kind = MEDIA_DATA, .codec = MEDIA_SCTE35, .tb = {1, 90000}};
		i->track[3] = i->track[2];
		i->track[3].codec = MEDIA_ID3;
	}
	return i;
}

static struct cmaf *make(struct media_info *info)
{
	static const struct cmaf_conf conf = {
	    .segment_us = SEC_US, .part_us = 200 * MS_US, .window = 12, .latency_us = SEC_US};
	struct cmaf *c;
	char err[CMAF_ERR] = "";

	assert_int_equal(cmaf_create(&c, &conf, info, 0, &events, NULL, err), 0);
	return c;
}

static int give(struct cmaf *c, const struct media_info *info, int track, const void *p, size_t n,
		int64_t now_us)
{
	struct media_packet *s = media_packet_create(n);

	memcpy(s->data, p, n);
	s->track = track;
	s->pts = s->dts = base_scale(now_us, 90000, SEC_US);
	int rc = cmaf_beside(c, &info->track[track], s, 0);
	media_packet_unref(s);
	return rc;
}

/* Messages before the chunks of t whose segments begin at from_us or later. */
static int count(const struct cmaf_track *t, int64_t from_us, const char *scheme, int64_t time)
{
	const struct cmaf_segment *s;
	int n = 0;

	list_for (s, &t->segments, link) {
		for (size_t i = 0; i < s->chunk.len && cmaf_us(t, s->start) >= from_us; i++) {
			struct rd r = rd_of(s->chunk.at[i]->data, s->chunk.at[i]->len);

			for (;;) {
				const uint8_t *box = r.p;
				uint32_t size = rd_u32(&r), type = rd_u32(&r);

				assert_non_null(rd_bytes(&r, size - 8));
				if (type != 0x656d7367)
					break;
				struct rd m = rd_of(box + 12, size - 12);
				assert_int_equal(rd_u32(&m), t->scale);
				n += (int64_t)rd_u64(&m) == time &&
				     !strcmp((const char *)m.p + 8, scheme);
			}
		}
	}
	return n;
}

static char *text_of(const struct cmaf *c, int track, enum cmaf_delta delta)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (track < 0)
		cmaf_dash(c, "/t", f);
	else
		cmaf_hls_media(c, c->track[track], delta, f);
	fclose(f);
	return text;
}

static void has(const struct cmaf *c, int track, enum cmaf_delta delta, const char *what, bool want)
{
	char *text = text_of(c, track, delta);

	if (!strstr(text, what) == want)
		fail_msg("%s\n%s: %d", text, what, want);
	free(text);
}

static void test_presentation(void **state)
{
	struct media_info *info = source(true);
	struct cmaf *c = make(info);
	static const uint8_t tag[] = {'I', 'D', '3', 4, 0, 0, 0, 0, 0, 0};
	int64_t at = T0 + 3500 * MS_US;
	uint8_t p[CUE_MADE];
	const char *scte = "urn:scte:scte35:2013:bin", *id3 = "https://aomedia.org/emsg/ID3";

	feed_run(c, info, 30, T0, T0 + 1500 * MS_US);
	size_t n = cue_make_insert(p, 7, true, ticks(at), 90000, true);
	assert_int_equal(give(c, info, 2, p, n, T0 + 1500 * MS_US), 0);
	assert_int_equal(give(c, info, 3, tag, sizeof(tag), T0 + 1500 * MS_US), 0);
	p[n - 1] ^= 1;
	assert_int_equal(give(c, info, 2, p, n, T0 + 1500 * MS_US), -EINVAL);
	assert_int_equal(give(c, info, 3, "ID2456789012", 12, T0 + 1500 * MS_US), -EINVAL);
	feed_run(c, info, 30, T0 + 1500 * MS_US, T0 + 6 * SEC_US);
	/* At once, and at the beginnings of segments 2 and 3, which is before its time. */
	const struct cmaf_track *v = c->track[0], *a = c->track[1];
	int64_t time = base_scale(at, v->scale, SEC_US);
	assert_int_equal(count(v, 0, scte, time), 3);
	assert_int_equal(count(v, T0 + 2 * SEC_US, scte, time), 2);
	assert_int_equal(count(v, T0 + 4 * SEC_US, scte, time), 0);
	assert_int_equal(count(v, 0, id3, base_scale(T0 + 1500 * MS_US, v->scale, SEC_US)), 1);
	assert_int_equal(count(a, 0, scte, base_scale(at, a->scale, SEC_US)), 0);
	for (int i = 0; i < 2; i++)
		has(c, i, CMAF_WHOLE,
		    "ID=\"7-1795361003\",START-DATE=\"2026-11-22T15:23:23.500Z\",DURATION=1.000,"
		    "PLANNED-DURATION=1.000,SCTE35-OUT=0xFC30",
		    true);
	has(c, 0, CMAF_WHOLE, "CAN-SKIP-DATERANGES=YES", true);
	has(c, -1, 0, "<InbandEventStream schemeIdUri=\"urn:scte:scte35:2013:bin\"", true);
	/* Beyond CAN-SKIP-UNTIL it is left out of updates of the second version alone. */
	feed_run(c, info, 30, T0 + 6 * SEC_US, T0 + 12 * SEC_US);
	has(c, 0, CMAF_SKIP, "DATERANGE:ID=\"7-", true);
	has(c, 0, CMAF_SKIP, "VERSION:9", true);
	has(c, 0, CMAF_SKIP_RANGES, "DATERANGE:ID=\"7-", false);
	has(c, 0, CMAF_SKIP_RANGES, ",RECENTLY-REMOVED-DATERANGES=\"\"", true);
	has(c, 0, CMAF_SKIP_RANGES, "VERSION:10", true);
	feed_run(c, info, 30, T0 + 12 * SEC_US, T0 + 20 * SEC_US);
	has(c, 0, CMAF_WHOLE, "DATERANGE:ID", false);
	has(c, 0, CMAF_SKIP_RANGES, ",RECENTLY-REMOVED-DATERANGES=\"7-1795361003\"", true);
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Without cues nothing is as if there were any, and a source that could have some has the same media. */
static void test_without(void **state)
{
	struct media_info *info[2] = {source(false), source(true)};
	struct cmaf *c[2];

	for (int i = 0; i < 2; i++) {
		c[i] = make(info[i]);
		feed_run(c[i], info[i], 30, T0, T0 + 12 * SEC_US);
		has(c[i], 0, CMAF_WHOLE, "CAN-SKIP-DATERANGES=YES", i);
		for (enum emsg_kind k = 0; k < EMSG_KINDS; k++)
			has(c[i], -1, 0, emsg_scheme(k), i);
		assert_null(c[i]->messages);
	}
	char *v1 = text_of(c[0], 0, CMAF_SKIP), *v2 = text_of(c[0], 0, CMAF_SKIP_RANGES);
	assert_string_equal(v1, v2);
	free(v1);
	free(v2);
	assert_int_equal(c[0]->bytes, c[1]->bytes);
	for (int i = 0; i < 2; i++) {
		cmaf_destroy(c[i]);
		media_info_unref(info[i]);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_insert),	 cmocka_unit_test(test_signal),
    cmocka_unit_test(test_published),	 cmocka_unit_test(test_lies),
    cmocka_unit_test(test_pair),	 cmocka_unit_test(test_ends),
    cmocka_unit_test(test_segments),	 cmocka_unit_test(test_bounds),
    cmocka_unit_test(test_presentation), cmocka_unit_test(test_without),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
