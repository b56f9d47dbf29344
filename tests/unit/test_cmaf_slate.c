/* What stands for media that are not there: its boxes, where it stands, and for how long. */
#include "unit.h"

#include "cmaf/coder.h"
#include "cmaf_feed.h"

#define T0 (INT64_C(1795361000) * SEC_US)
#define NUMBER INT64_C(1795361010)

static const struct cmaf_events events;
static const struct cmaf_conf conf = {.segment_us = SEC_US,
				      .part_us = 200 * MS_US,
				      .chunk_us = 30 * MS_US,
				      .window = 6,
				      .latency_us = SEC_US};

static int setup(void **state)
{
	struct media_info *info;
	char err[CMAF_ERR];
	struct cmaf *c;

	info = media_info_create();
	info->n = 2;
	feed_video(&info->track[0], "360p", 640, 360, (struct ratio){30, 1});
	feed_audio(&info->track[1], "audio", 48000);
	info->utc = true;
	if (cmaf_create(&c, &conf, info, 0, &events, NULL, err))
		return -1;
	feed_run(c, info, 30, T0, T0 + 2500 * MS_US);
	media_info_unref(info);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	cmaf_destroy(*state);
	return 0;
}

/* Where the box of that type begins in b, at any depth; NULL: there is none. */
static const uint8_t *find(const struct buf *b, const char *type)
{
	const uint8_t *p = memmem(b->data, b->len, type, 4);

	return p ? p - 4 : NULL;
}

static uint64_t be(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* What the samples of a chunk, all of the same length but the last ones, last. */
static uint64_t lasts(const struct buf *b, uint32_t *n)
{
	const uint8_t *trun = find(b, "trun"), *tfhd = find(b, "tfhd"), *at = trun + 20;
	uint32_t flags = (uint32_t)be(trun + 8, 4) & 0xffffff;
	uint64_t sum = 0;

	*n = (uint32_t)be(trun + 12, 4);
	for (uint32_t i = 0; i < *n; i++) {
		sum += flags & 0x100 ? be(at, 4) : be(tfhd + 16, 4);
		at +=
		    (flags & 0x100 ? 4 : 0) + 4 + (flags & 0x400 ? 4 : 0) + (flags & 0x800 ? 4 : 0);
	}
	return sum;
}

static void test_still(void **state)
{
	struct cmaf *c = *state;
	struct cmaf_track *t = c->track[0];
	struct buf *b = cmaf_slate(c, t, t->init, NUMBER, INT64_MIN, false);
	uint32_t n;

	assert_int_equal(lasts(b, &n), t->scale);
	assert_int_equal(n, 4);
	assert_int_equal(be(find(b, "tfdt") + 12, 8), NUMBER * t->scale);
	assert_memory_equal(b->data + 4, "styp", 4);
	assert_null(find(b, "emsg"));
	/* The newest key frame, as a sample has it. */
	const uint8_t *mdat = find(b, "mdat") + 8;
	assert_int_equal(be(mdat, 4), 396);
	assert_int_equal(mdat[4], 0x65);
	assert_int_equal(mdat[5], 0x80 | ((NUMBER - 8) * 30 & 15));
	buf_unref(b);
}

static void test_silence(void **state)
{
	struct cmaf *c = *state;
	struct cmaf_track *t = c->track[1];
	struct buf *b = cmaf_slate(c, t, t->init, NUMBER, INT64_MIN, false);
	/* CPE, without a band in both channels; END. */
	const uint8_t frame[] = {0x21, 0x00, 0x00, 0x00, 0x00, 0x1c};
	uint32_t n;

	assert_int_equal(lasts(b, &n), 47 * 1024);
	assert_int_equal(n, 47);
	const uint8_t *mdat = find(b, "mdat") + 8;
	assert_int_equal(be(find(b, "trun") + 20, 4), sizeof(frame));
	assert_memory_equal(mdat, frame, sizeof(frame));
	buf_unref(b);
}

/* For the rest of a segment in progress, up to its end. */
static void test_tail(void **state)
{
	struct cmaf *c = *state;
	struct cmaf_track *t = c->track[0];
	struct cmaf_segment *s = cmaf_last(t);
	uint32_t n;

	assert_int_equal(cmaf_short(c, t, s), s->end);
	struct buf *b = cmaf_slate(c, t, t->init, s->number, s->end, false);
	uint64_t from = be(find(b, "tfdt") + 12, 8);
	assert_int_equal(from, s->end);
	assert_int_equal(from + lasts(b, &n), (uint64_t)(s->number + 1) * (uint64_t)t->scale);
	buf_unref(b);
	assert_int_equal(cmaf_short(c, t, cmaf_segment(t, s->number - 1)), INT64_MIN);
}

/* Without what could be shown it says no more than that there is nothing. */
static void test_nothing(void **state)
{
	struct cmaf *c = *state;
	struct cmaf_track *t = c->track[0];
	struct buf *b = cmaf_slate(c, t, NULL, NUMBER, INT64_MIN, true);
	const uint8_t *emsg = find(b, "emsg");

	assert_null(find(b, "moof"));
	assert_int_equal(emsg[8], 1);
	assert_int_equal(be(emsg + 12, 4), t->scale);
	assert_true(be(emsg + 16, 8) < (uint64_t)(NUMBER * t->scale));
	assert_string_equal((const char *)emsg + 32, "urn:mpeg:dash:event:2012");
	assert_string_equal((const char *)emsg + 32 + 25, "1");
	assert_int_equal(((const char *)emsg + 32 + 27)[10], 'T');
	buf_unref(b);
}

static void test_whose(void **state)
{
	struct cmaf *c = *state;
	struct cmaf_track *t = c->track[0];

	assert_true(cmaf_init_fits(c, t, NUMBER, t->init->name));
	assert_false(cmaf_init_fits(c, t, NUMBER, "init-00000000.mp4"));
	assert_ptr_equal(cmaf_init_find(t, t->init->name), t->init);
	assert_null(cmaf_init_find(t, "init-00000000.mp4"));
}

/* Nothing is missing and nothing is marked, in parts that are as long as those of media. */
static void goes_on(const struct cmaf *c, const struct cmaf_track *t, int64_t first, int64_t last)
{
	int64_t end = cmaf_segment(t, first)->start;

	for (int64_t n = first; n <= last; n++) {
		const struct cmaf_segment *s = cmaf_segment(t, n);

		assert_non_null(s);
		assert_true(s->complete && s->independent && !s->gap && !s->discontinuity);
		assert_int_equal(s->part.len, 5);
		for (size_t k = 0; k < s->part.len; k++) {
			assert_int_equal(s->part.at[k].start, end);
			assert_true(cmaf_us(t, s->part.at[k].dur) <= c->part_target_us);
			end += s->part.at[k].dur;
		}
		assert_int_equal(s->end, end);
	}
}

/* The source is away for 3 s, and comes back in the middle of a segment. */
static void test_stand(void **state)
{
	struct cmaf *c = *state;
	int64_t first = T0 / SEC_US, back = T0 + 5700 * MS_US;

	for (int64_t at = T0 + 2500 * MS_US; at < back; at += 100 * MS_US)
		assert_true(cmaf_stand(c, at - 300 * MS_US));
	int64_t dropped = c->track[0]->dropped;
	feed_run(c, c->info, 30, back, T0 + 8 * SEC_US + 100 * MS_US);
	assert_int_equal(c->track[0]->dropped - dropped, 9);
	for (int i = 0; i < c->n; i++)
		goes_on(c, c->track[i], first, first + 7);
	/* Its source ended in the middle of a part, which begins with no key frame. */
	assert_false(cmaf_segment(c->track[0], first + 2)->part.at[2].independent);
	assert_true(cmaf_segment(c->track[0], first + 2)->part.at[3].independent);
	/* Media again: its own key frame, and not the one that stood. */
	const struct cmaf_segment *was = cmaf_segment(c->track[0], first + 5),
				  *is = cmaf_segment(c->track[0], first + 6);
	assert_int_equal(was->chunk.len, 5);
	assert_int_equal(is->chunk.len, 30);
	assert_int_equal(cmaf_discontinuities(c), 0);
}

/* Then gaps, and media after them. */
static void test_stand_and_gap(void **state)
{
	struct cmaf *c = *state;
	int64_t first = T0 / SEC_US;

	assert_true(cmaf_stand(c, T0 + 3500 * MS_US));
	cmaf_gap(c, T0 + 6 * SEC_US);
	assert_true(cmaf_segment(c->track[0], first + 5)->gap);
	feed_run(c, c->info, 30, T0 + 7 * SEC_US, T0 + 9 * SEC_US + 100 * MS_US);
	for (int i = 0; i < c->n; i++) {
		assert_true(cmaf_segment(c->track[i], first + 6)->gap);
		assert_true(cmaf_segment(c->track[i], first + 8)->complete);
		assert_false(cmaf_segment(c->track[i], first + 8)->gap);
	}
}

/* The source's time jumps by 3 s, from a segment that was a frame short: what is missing is bridged. */
static void test_bridge(void **state)
{
	struct cmaf *c = *state;
	int64_t first = T0 / SEC_US;

	c->conf.slate = true;
	feed_run(c, c->info, 30, T0 + 2500 * MS_US, T0 + 2960 * MS_US);
	feed_run(c, c->info, 30, T0 + 6 * SEC_US, T0 + 8 * SEC_US + 100 * MS_US);
	for (int i = 0; i < c->n; i++) {
		assert_false(cmaf_segment(c->track[i], first + 2)->gap);
		goes_on(c, c->track[i], first + 3, first + 7);
	}
}

/* New parameters come in the middle of a segment: the picture before them stands until they can begin. */
static void test_change(void **state)
{
	struct cmaf *c = *state;
	struct cmaf_track *t = c->track[0];
	int64_t first = T0 / SEC_US;
	struct media_info *changed = media_info_create();

	c->conf.slate = true;
	changed->n = 2;
	changed->utc = true;
	feed_video(&changed->track[0], "360p", 426, 240, (struct ratio){30, 1});
	feed_audio(&changed->track[1], "audio", 48000);
	changed->track[0].extra->data[7] = 31;
	assert_int_equal(cmaf_resume(c, changed), 0);
	feed_run(c, changed, 30, T0 + 2600 * MS_US, T0 + 5 * SEC_US + 100 * MS_US);
	const struct cmaf_segment *was = cmaf_segment(t, first + 2),
				  *is = cmaf_segment(t, first + 3);
	assert_true(was->init != is->init);
	assert_int_equal(was->end, is->start);
	assert_int_equal(is->init->width, 426);
	assert_true(is->discontinuity && cmaf_segment(c->track[1], first + 3)->discontinuity);
	assert_true(cmaf_init_fits(c, t, first + 2, was->init->name));
	assert_false(cmaf_init_fits(c, t, first + 3, was->init->name));
	struct buf *b = cmaf_slate(c, t, was->init, first + 3, INT64_MIN, true);
	assert_non_null(find(b, "emsg"));
	assert_non_null(find(b, "moof"));
	buf_unref(b);
	media_info_unref(changed);
}

/* Nothing has come of one track: nothing stands in any. */
static void test_stand_nothing(void **state)
{
	struct cmaf *c = *state;

	media_packet_unref(c->track[0]->init->still);
	c->track[0]->init->still = NULL;
	int64_t end = cmaf_last(c->track[1])->end;
	assert_false(cmaf_stand(c, T0 + 4 * SEC_US));
	assert_int_equal(cmaf_last(c->track[1])->end, end);
}

static struct buf *aac(uint8_t a, uint8_t b)
{
	uint8_t esds[31] = {0};

	esds[26] = a;
	esds[27] = b;
	return buf_copy(esds, sizeof(esds));
}

static void test_silences(void **state)
{
	uint8_t out[CODER_SILENCE], head[11] = {0, 2};
	struct buf *b;

	(void)state;
	for (unsigned layout = 0; layout < 16; layout++) {
		b = aac(0x11, (uint8_t)(0x80 | layout << 3));
		size_t n = coder_aac.silence(b, 21333, out);
		assert_true((n > 0) == (layout >= 1 && layout <= 7));
		assert_true(n < sizeof(out));
		buf_unref(b);
	}
	b = buf_copy(head, sizeof(head));
	assert_int_equal(coder_opus.silence(b, 20000, out), 3);
	assert_memory_equal(out, "\xfc\xff\xfe", 3);
	assert_int_equal(coder_opus.silence(b, 60000, out), 8);
	assert_memory_equal(out, "\xff\x03\xff\xfe\xff\xfe\xff\xfe", 8);
	buf_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_still, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tail, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_whose, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stand, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stand_and_gap, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bridge, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_change, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stand_nothing, setup, teardown),
	    cmocka_unit_test(test_silences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
