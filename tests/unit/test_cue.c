/* Cues and timed metadata: sections, their way through containers, and through the engine onto the timeline. */
#include "unit.h"

#include "log/log.h"
#include "media/cue.h"

#include "engine_run.h"

#define MASK ((INT64_C(1) << 33) - 1)
#define SECTION 25

/* A time_signal at pts, as an encoder of cues sends it; the CRC by cue_shift. */
static void section(uint8_t p[SECTION], int64_t pts)
{
	static const uint8_t head[SECTION] = {0xfc, 0x30, SECTION - 3, 0,    0,	   0, 0,
					      0,    0,	  0,	       0xff, 0xf0, 5, 6};

	memcpy(p, head, SECTION);
	p[14] = (uint8_t)(0xfe | (pts >> 32 & 1));
	for (int i = 0; i < 4; i++)
		p[15 + i] = (uint8_t)(pts >> (24 - 8 * i));
	cue_shift(p, SECTION, 0);
}

/* The time at which it wants to be done. */
static int64_t time_of(const uint8_t *p)
{
	int64_t v = p[4] & 1, at = p[14] & 1;

	for (int i = 0; i < 4; i++) {
		v = v << 8 | p[5 + i];
		at = at << 8 | p[15 + i];
	}
	return (v + at) & MASK;
}

static void sections(void **state)
{
	uint8_t p[SECTION], was[SECTION];

	section(p, 900000);
	assert_true(cue_valid(p, SECTION));
	assert_int_equal(time_of(p), 900000);
	memcpy(was, p, SECTION);
	for (int bit = 0; bit < SECTION * 8; bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(cue_valid(p, SECTION));
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t n = 0; n < SECTION; n++)
		assert_false(cue_valid(p, n));
	cue_shift(p, SECTION, 5);
	assert_true(cue_valid(p, SECTION));
	assert_int_equal(time_of(p), 900005);
	cue_shift(p, SECTION, -900006);
	assert_int_equal(time_of(p), MASK);
	cue_shift(p, SECTION, INT64_C(1790000000) * 90000);
	assert_true(cue_valid(p, SECTION));
	assert_int_equal(time_of(p), (INT64_C(1790000000) * 90000 - 1) & MASK);
	cue_shift(p, SECTION, 900001 - INT64_C(1790000000) * 90000);
	assert_memory_equal(p, was, SECTION);
}

/* A long section takes several packets, which say where it begins and count on. */
static void packets(void **state)
{
	uint8_t in[1000], out[CUE_PACKETS_MAX], back[CUE_PACKETS_MAX];
	size_t n, len = 0;
	int cc = 14;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	n = cue_packets(out, in, sizeof(in), 0x123, &cc);
	assert_int_equal(n, 6 * CUE_TS);
	assert_int_equal(cc, 20);
	for (size_t at = 0; at < n; at += CUE_TS) {
		size_t head = at ? 4 : 5;

		assert_int_equal(out[at], 0x47);
		assert_int_equal(out[at + 1], at ? 0x01 : 0x41);
		assert_int_equal(out[at + 2], 0x23);
		assert_int_equal(out[at + 3], 0x10 | ((at / CUE_TS + 14) & 15));
		memcpy(back + len, out + at + head, CUE_TS - head);
		len += CUE_TS - head;
	}
	assert_memory_equal(back, in, sizeof(in));
}

/* ---- in containers ---- */

static struct media_info *with_sides(void)
{
	struct media_info *i = two_tracks(false);

	i->sides = 2;
	i->track[2] = (struct media_track){.kind = MEDIA_DATA,
					   .codec = MEDIA_SCTE35,
					   .codec_name = "scte35",
					   .name = "scte35",
					   .tb = {1, 90000}};
	i->track[3] = i->track[2];
	i->track[3].codec = MEDIA_ID3;
	str_copy(i->track[3].name, sizeof(i->track[3].name), "id3");
	return i;
}

static const uint8_t tag[] = {'I', 'D', '3', 4, 0, 0, 0, 0, 0,	 15,  'T', 'X', 'X',
			      'X', 0,	0,   0, 5, 0, 0, 3, 'h', 'e', 'l', 'o'};

static void write_side(struct media_mux *m, int track, const void *p, size_t n, int64_t pts)
{
	struct media_packet *s = media_packet_create(n);

	assert_non_null(s);
	memcpy(s->data, p, n);
	s->track = track;
	s->pts = s->dts = pts;
	s->key = true;
	write_packet(m, s);
}

/* In each second a cue for a second later, and a tag. */
static void put_sides(struct media_mux *m, int i, int64_t v)
{
	int64_t pts = base_rescale(v, (struct ratio){1001, 30000}, (struct ratio){1, 90000});
	uint8_t cue[SECTION];

	if (i % 30 != 10)
		return;
	section(cue, (pts + 90000) & MASK);
	write_side(m, 2, cue, SECTION, pts);
	write_side(m, 3, tag, sizeof(tag), pts);
}

/* Six seconds. */
static void record_sides(struct bytes *b, const char *format, struct media_info *info,
			 int64_t start_us)
{
	record_beside(b, format, info, start_us, 180, put_sides);
}

static void come_back(const char *format, int want)
{
	struct bytes b = {.step = 700};
	struct media_info *info = with_sides();
	struct media_reader r = {.read = give, .arg = &b};
	struct media_demux *d;
	struct media_packet *p;
	char err[MEDIA_ERR];
	int n[2] = {0}, rc, last = -1;

	record_sides(&b, format, info, 10 * SEC_US);
	if (media_demux_open(&d, &r, NULL, err))
		fail_msg("%s: %s", format, err);
	media_demux_sides(d);
	struct media_info *got = media_demux_info(d);
	assert_int_equal(got->n, 2);
	assert_int_equal(got->sides, want ? 2 : 0);
	while (!(rc = media_demux_read(d, &p))) {
		if (p->track >= got->n) {
			const struct media_track *t = &got->track[p->track];
			int k = t->codec == MEDIA_ID3;

			assert_int_equal(t->kind, MEDIA_DATA);
			if (k)
				assert_memory_equal(p->data, tag, sizeof(tag));
			else
				assert_true(cue_valid(p->data, p->size));
			/* In MPEG-TS a section has no time, but that of the clock when it came. */
			if (!k)
				assert_in_range(
				    (time_of(p->data) -
				     base_rescale(p->pts, t->tb, (struct ratio){1, 90000})) &
					MASK,
				    89900, 180000);
			n[k]++;
		} else {
			last = p->track;
		}
		media_packet_unref(p);
	}
	assert_true(last >= 0);
	assert_int_equal(rc, -ENODATA);
	/* What comes while the tracks are found out is not kept. */
	assert_in_range(n[0], want, want ? 6 : 0);
	assert_in_range(n[1], want, want ? 6 : 0);
	media_demux_close(d);
	media_info_unref(info);
	free(b.at);
}

static void containers_carry_them(void **state)
{
	come_back("nut", 5);
	come_back("mpegts", 5);
	come_back("flv", 0);
	come_back("mp4", 0);
}

/* ---- through the engine ---- */

struct cue_run {
	struct run run;
	int cues, tags;
	int64_t first_video;
	int64_t at[8];
};

static void on_packet(struct run *run, struct media_packet *p, const struct media_track *t)
{
	struct cue_run *r = container_of(run, struct cue_run, run);

	if (t->kind == MEDIA_VIDEO && !r->first_video)
		r->first_video = base_rescale(p->pts, t->tb, (struct ratio){1, 90000});
	if (t->codec == MEDIA_SCTE35 && r->cues < 8) {
		assert_true(cue_valid(p->data, p->size));
		r->at[r->cues++] = time_of(p->data);
	}
	r->tags += t->codec == MEDIA_ID3;
}

static void cues_go_with_the_pictures(void **state)
{
	static const char *const formats[] = {"nut", "mpegts"};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct cue_run r = {.run = {.bytes = {.step = 1000}, .packet = on_packet}};
		struct media_info *info = with_sides();

		record_sides(&r.run.bytes, formats[i], info, 10 * SEC_US);
		media_info_unref(info);
		run_all(&r.run, (const char *[]){"big=64x32,100k,preset=ultrafast"}, 1);
		assert_int_equal(r.run.err, 0);
		assert_int_equal(r.run.info->sides, 2);
		/* The first may come while the tracks are found out. */
		assert_in_range(r.cues, 4, 6);
		assert_in_range(r.tags, 4, 6);
		for (int k = 0; k < r.cues; k++) {
			/* A second behind frame 10 + 30 n. */
			int64_t off = (r.at[k] - r.first_video) & MASK;

			assert_in_range(off, 90000 + 9 * 3003, 90000 + 165 * 3003);
			assert_true(llabs((off - 90000) % 90090 - 30030) < 4000);
		}
		media_info_unref(r.run.info);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sections),
    cmocka_unit_test(packets),
    cmocka_unit_test(containers_carry_them),
    cmocka_unit_test(cues_go_with_the_pictures),
};

int main(void)
{
	media_setup_log();
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
