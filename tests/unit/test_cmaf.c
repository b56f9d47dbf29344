#include "unit.h"

#include <errno.h>

#include "cmaf_feed.h"

/* Numbers of the epoch, so that the 64-bit arithmetic is the real one. */
#define T0 (INT64_C(1795361000) * SEC_US)

struct seen {
	int chunks, parts, segments, evicted;
};

static void on_chunk(void *arg, struct cmaf_track *t, struct cmaf_segment *s, struct buf *b)
{
	((struct seen *)arg)->chunks++;
	assert_false(s->complete);
}

static void on_part(void *arg, struct cmaf_track *t, struct cmaf_segment *s)
{
	((struct seen *)arg)->parts++;
	assert_true(s->part.len > 0);
}

static void on_segment(void *arg, struct cmaf_track *t, struct cmaf_segment *s)
{
	((struct seen *)arg)->segments++;
	assert_true(s->complete);
}

static void on_evicted(void *arg, struct cmaf_track *t, struct cmaf_segment *s)
{
	((struct seen *)arg)->evicted++;
}

static const struct cmaf_events events = {on_chunk, on_part, on_segment, on_evicted};

static struct cmaf_conf conf(void)
{
	return (struct cmaf_conf){
	    .segment_us = SEC_US, .part_us = 200 * MS_US, .window = 6, .latency_us = SEC_US};
}

static struct cmaf *make(const struct cmaf_conf *cc, struct media_info *info, struct seen *seen)
{
	struct cmaf *c;
	char err[CMAF_ERR] = "";

	assert_int_equal(cmaf_create(&c, cc, info, 0, &events, seen, err), 0);
	return c;
}

static struct media_info *info_of(struct ratio fps, int rate)
{
	struct media_info *i = media_info_create();

	i->utc = true;
	i->n = 2;
	feed_video(&i->track[0], "360p", 640, 360, fps);
	feed_audio(&i->track[1], "audio", rate);
	return i;
}

/* ---- the laws of a track ---- */

static void check_chunks(const struct cmaf_track *t, const struct cmaf_segment *s)
{
	size_t at = 0, size = 0;

	for (size_t i = 0; i < s->part.len; i++) {
		assert_int_equal(s->part.at[i].first, at);
		at += s->part.at[i].n;
		size += s->part.at[i].size;
	}
	assert_int_equal(at, s->chunk.len);
	assert_int_equal(size, s->size);
}

/* The 85 % rule (4.4.4.9): all but the last part of a segment; and none is longer than the
 * target. */
static void check_parts(const struct cmaf *c, const struct cmaf_track *t,
			const struct cmaf_segment *s)
{
	for (size_t i = 0; i < s->part.len; i++) {
		int64_t us = cmaf_us(t, s->part.at[i].dur);

		assert_true(us <= c->part_target_us);
		if (i + 1 < s->part.len)
			assert_true(us * 100 >= c->part_target_us * 85);
		if (i)
			assert_int_equal(s->part.at[i].start,
					 s->part.at[i - 1].start + s->part.at[i - 1].dur);
	}
}

static void check_track(const struct cmaf *c, const struct cmaf_track *t)
{
	const struct cmaf_segment *s, *before = NULL;

	list_for (s, &t->segments, link) {
		int64_t line = cmaf_grid_start(&c->grid, t->scale, s->number, 0);

		if (!s->complete)
			continue;
		assert_true(llabs(s->start - line) <= t->frame / 2 + 1);
		assert_int_equal(s->part.len, c->grid.parts);
		assert_true(s->part.at[0].independent);
		check_chunks(t, s);
		check_parts(c, t, s);
		if (before) {
			assert_int_equal(s->number, before->number + 1);
			assert_int_equal(s->start, before->end);
		}
		before = s;
	}
	assert_non_null(before);
}

static void run_rates(struct ratio fps, int64_t gop, int rate)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of(fps, rate);
	struct cmaf *c = make(&cc, info, &seen);

	assert_false(cmaf_ready(c));
	feed_run(c, info, gop, T0 + 123456, T0 + 20 * SEC_US);
	assert_true(cmaf_ready(c));
	assert_true(seen.evicted > 0);
	for (int i = 0; i < 2; i++) {
		check_track(c, c->track[i]);
		assert_in_range(c->track[i]->n, 2 * cc.window + 1, 2 * cc.window + 2);
	}
	cmaf_destroy(c);
	media_info_unref(info);
}

static void test_rates(void **state)
{
	run_rates((struct ratio){30, 1}, 30, 48000);
	run_rates((struct ratio){30000, 1001}, 30, 48000);
	run_rates((struct ratio){30000, 1001}, 30, 44100);
	run_rates((struct ratio){25, 1}, 25, 44100);
	run_rates((struct ratio){24000, 1001}, 24, 48000);
	run_rates((struct ratio){60, 1}, 60, 48000);
}

/* Two packagers, of which one starts later, agree on every byte of every segment that both have. */
static void agree(int64_t later_us, int at_least)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);
	struct cmaf *a = make(&cc, info, &seen), *b = make(&cc, info, &seen);
	int same = 0;

	feed_run(a, info, 30, T0, T0 + 6 * SEC_US);
	feed_run(b, info, 30, T0 + later_us, T0 + 6 * SEC_US);
	for (int i = 0; i < 2; i++) {
		const struct cmaf_segment *s;

		assert_string_equal(a->track[i]->init->name, b->track[i]->init->name);
		list_for (s, &b->track[i]->segments, link) {
			const struct cmaf_segment *o = cmaf_segment(a->track[i], s->number);

			if (!s->complete)
				continue;
			assert_non_null(o);
			assert_int_equal(s->chunk.len, o->chunk.len);
			for (size_t k = 0; k < s->chunk.len; k++) {
				assert_int_equal(s->chunk.at[k]->len, o->chunk.at[k]->len);
				assert_memory_equal(s->chunk.at[k]->data, o->chunk.at[k]->data,
						    o->chunk.at[k]->len);
			}
			same++;
		}
	}
	assert_in_range(same, at_least, 8);
	cmaf_destroy(a);
	cmaf_destroy(b);
	media_info_unref(info);
}

/* Wherever it starts: behind the first frame of a segment too. */
static void test_two_agree(void **state)
{
	agree(2700 * MS_US, 6);
	for (int64_t us = 0; us < 45 * MS_US; us += 4 * MS_US)
		agree(2 * SEC_US + us, us ? 6 : 8);
}

/* A part is there with its last frame: it does not wait for the next one. */
static void test_no_waiting(void **state)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);

	info->n = 1;
	struct cmaf *c = make(&cc, info, &seen);
	for (int64_t n = 0; n < 60; n++) {
		struct media_packet *p = feed_packet(info, 0, T0 / SEC_US * 30 + n, 30);

		assert_int_equal(cmaf_packet(c, p, 0), 0);
		media_packet_unref(p);
		assert_int_equal(seen.chunks, n + 1);
		assert_int_equal(seen.parts, (n + 1) / 6);
		assert_int_equal(seen.segments, (n + 1) / 30);
	}
	cmaf_destroy(c);
	info->n = 2;
	media_info_unref(info);
}

/* Parts of a segment are its bytes; each frame's payload is in them once, length-prefixed. */
static void test_payload(void **state)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);
	struct cmaf *c = make(&cc, info, &seen);

	feed_run(c, info, 30, T0, T0 + 2 * SEC_US);
	const struct cmaf_segment *s = cmaf_segment(c->track[0], T0 / SEC_US);
	assert_int_equal(s->chunk.len, 30);
	for (size_t i = 0; i < 30; i++) {
		const struct buf *b = s->chunk.at[i];
		const uint8_t *mdat = b->data + b->len - 8 - 4 - 396;
		struct rd r = rd_of(mdat, 12);

		assert_int_equal(rd_u32(&r), 8 + 4 + 396);
		assert_memory_equal(rd_bytes(&r, 4), "mdat", 4);
		assert_int_equal(rd_u32(&r), 396);
		assert_int_equal(mdat[12], i ? 0x41 : 0x65);
		assert_int_equal(mdat[13], 0x80 | ((T0 / SEC_US * 30 + (int64_t)i) & 15));
	}
	cmaf_destroy(c);
	media_info_unref(info);
}

/* ---- what goes wrong ---- */

static void test_gap(void **state)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);
	struct cmaf *c = make(&cc, info, &seen);
	int64_t first = T0 / SEC_US;

	feed_run(c, info, 30, T0, T0 + 3500 * MS_US);
	cmaf_gap(c, T0 + 5200 * MS_US); /* the source is away */
	for (int i = 0; i < 2; i++) {
		assert_true(cmaf_segment(c->track[i], first + 3)->complete);
		assert_false(cmaf_segment(c->track[i], first + 3)->gap);
		assert_true(cmaf_segment(c->track[i], first + 4)->gap);
		assert_null(cmaf_segment(c->track[i], first + 5));
	}
	/* It returns in the middle of segment 6: that one is lost as a whole, and all are in place
	 * by number. */
	feed_run(c, info, 30, T0 + 6300 * MS_US, T0 + 9 * SEC_US);
	for (int i = 0; i < 2; i++) {
		assert_true(cmaf_segment(c->track[i], first + 5)->gap);
		assert_true(cmaf_segment(c->track[i], first + 6)->gap);
		const struct cmaf_segment *s = cmaf_segment(c->track[i], first + 7);
		assert_false(s->gap);
		assert_int_equal(s->part.len, 5);
	}
	/* Away for longer than the window: the past is forgotten. */
	feed_run(c, info, 30, T0 + 60 * SEC_US, T0 + 62 * SEC_US);
	assert_int_equal(list_first(&c->track[0]->segments, struct cmaf_segment, link)->number,
			 first + 60);
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Where the samples of chunk b begin, and what they last: tfdt, and the sum of trun or what tfhd says. */
static void read_chunk(const struct buf *b, int64_t *at, int64_t *lasts)
{
	/* moof 8, mfhd 16, traf 8: tfhd, tfdt and trun as box.c writes them for one sample */
	struct rd r = rd_of(b->data + 32, b->len - 32);

	rd_bytes(&r, 16);
	*lasts = rd_u32(&r);
	rd_bytes(&r, 4 + 12);
	*at = (int64_t)rd_u64(&r);
}

/* Frames that were left out: the parts last as long as ever, and media go on without a hole, whether
 * one frame is missing, the last of a part, more than a part has, or the key frame is late. */
static void test_left_out(void **state)
{
	static const int out[] = {3, 5, 10, 11, 12, 13, 18, 19, 20, 21, 22, 23, 24};
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);

	info->n = 1;
	struct cmaf *c = make(&cc, info, &seen);
	for (int64_t n = 0; n < 120; n++) {
		int64_t at = n % 30;
		bool missing = n >= 30 && n < 60 && at == 0;

		for (size_t i = 0; i < ARRAY_LEN(out) && n >= 30; i++)
			missing |= at == out[i];
		struct media_packet *p = feed_packet(info, 0, T0 / SEC_US * 30 + n, 30);
		p->key |= n == 31;
		if (!missing)
			assert_int_equal(cmaf_packet(c, p, 0), 0);
		media_packet_unref(p);
	}
	check_track(c, c->track[0]);
	const struct cmaf_segment *s;
	int64_t due = 0;
	list_for (s, &c->track[0]->segments, link) {
		for (size_t i = 0; i < s->chunk.len; i++) {
			int64_t at, lasts;

			read_chunk(s->chunk.at[i], &at, &lasts);
			assert_true(!due || at == due);
			due = at + lasts;
		}
	}
	assert_int_equal(due, (T0 / SEC_US + 4) * c->track[0]->scale);
	cmaf_destroy(c);
	info->n = 2;
	media_info_unref(info);
}

/* Pictures that come a second and more after their sound leave a hole that the sound has gone past: the
 * discontinuities of both stand at the same segments all the same. */
static void test_behind(void **state)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);
	struct cmaf *c = make(&cc, info, &seen);
	int64_t step = T0 / SEC_US * 48000 / 1024;

	feed_run(c, info, 30, T0, T0 + 2700 * MS_US);
	for (int64_t n = step + 127; n * 1024 < (T0 / SEC_US + 5) * 48000; n++) {
		struct media_packet *p = feed_packet(info, 1, n, 1);

		assert_int_equal(cmaf_packet(c, p, 0), 0);
		media_packet_unref(p);
	}
	for (int64_t n = T0 / SEC_US * 30 + 120; n < T0 / SEC_US * 30 + 200; n++) {
		struct media_packet *p = feed_packet(info, 0, n, 30);

		assert_int_equal(cmaf_packet(c, p, 0), 0);
		media_packet_unref(p);
	}
	for (int64_t n = T0 / SEC_US; n < T0 / SEC_US + 5; n++) {
		const struct cmaf_segment *a = cmaf_segment(c->track[0], n),
					  *b = cmaf_segment(c->track[1], n);

		assert_non_null(a);
		assert_non_null(b);
		assert_int_equal(a->discontinuity, b->discontinuity);
	}
	assert_true(cmaf_segment(c->track[0], T0 / SEC_US + 3)->gap);
	cmaf_destroy(c);
	media_info_unref(info);
}

static void test_late_and_damaged(void **state)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);
	struct cmaf *c = make(&cc, info, &seen);

	feed_run(c, info, 30, T0, T0 + 2 * SEC_US);
	int64_t frames = c->track[0]->frames;
	struct media_packet *p = feed_packet(info, 0, T0 / SEC_US * 30 + 3, 30);
	assert_int_equal(cmaf_packet(c, p, 0), 0);
	p->track = 7;
	assert_int_equal(cmaf_packet(c, p, 0), 0);
	p->track = 0;
	p->dts = p->pts = T0 / SEC_US * 30 + 60;
	memset(p->data, 0xff, p->size); /* no NAL unit in it */
	assert_int_equal(cmaf_packet(c, p, 0), 0);
	media_packet_unref(p);
	assert_int_equal(c->track[0]->frames, frames);
	assert_int_equal(c->track[0]->dropped, 2);
	cmaf_destroy(c);
	media_info_unref(info);
}

static void test_resume(void **state)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000),
			  *other = info_of((struct ratio){30, 1}, 48000);
	struct cmaf *c = make(&cc, info, &seen);
	int64_t first = T0 / SEC_US;
	char before[32];

	feed_run(c, info, 30, T0, T0 + 2 * SEC_US);
	assert_int_equal(cmaf_resume(c, other), 0); /* nothing has changed */
	feed_run(c, other, 30, T0 + 2 * SEC_US, T0 + 3 * SEC_US);
	assert_false(cmaf_segment(c->track[0], first + 2)->discontinuity);

	str_copy(before, sizeof(before), c->track[0]->init->name);
	struct media_info *changed = info_of((struct ratio){30, 1}, 48000);
	changed->track[0].extra->data[7] = 31; /* another level */
	assert_int_equal(cmaf_resume(c, changed), 0);
	feed_run(c, changed, 30, T0 + 3 * SEC_US, T0 + 5 * SEC_US);
	assert_string_not_equal(before, c->track[0]->init->name);
	for (int i = 0; i < 2; i++)
		assert_true(cmaf_segment(c->track[i], first + 3)->discontinuity);
	assert_false(cmaf_segment(c->track[0], first + 4)->discontinuity);

	str_copy(other->track[0].name, sizeof(other->track[0].name), "720p");
	assert_int_equal(cmaf_resume(c, other), -ESTALE);
	cmaf_destroy(c);

	/* Where names are of what the pictures are, the track keeps its own. */
	info->utc = other->utc = changed->utc = false;
	c = make(&cc, info, &seen);
	str_copy(before, sizeof(before), c->track[0]->name);
	assert_int_equal(cmaf_resume(c, other), 0);
	assert_string_equal(c->track[0]->name, before);
	str_copy(changed->track[0].name, sizeof(changed->track[0].name), other->track[1].name);
	assert_int_equal(cmaf_resume(c, changed), -ESTALE);
	cmaf_destroy(c);
	media_info_unref(changed);
	media_info_unref(other);
	media_info_unref(info);
}

static void test_refused(void **state)
{
	struct cmaf_conf cc = conf();
	struct cmaf *c;
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);
	char err[CMAF_ERR] = "";

	info->track[1].codec = MEDIA_MP3;
	str_copy(info->track[1].codec_name, sizeof(info->track[1].codec_name), "mp3");
	assert_int_equal(cmaf_create(&c, &cc, info, 0, &events, NULL, err), -EINVAL);
	assert_string_equal(err, "track audio is mp3: what can be packaged is H.264, HEVC, AV1, "
				 "VP9, AAC, Opus");
	info->track[1].codec = MEDIA_AAC;
	str_copy(info->track[1].name, sizeof(info->track[1].name), "360p");
	assert_int_equal(cmaf_create(&c, &cc, info, 0, &events, NULL, err), -EINVAL);
	info->n = 0;
	assert_int_equal(cmaf_create(&c, &cc, info, 0, &events, NULL, err), -EINVAL);
	info->n = 2;
	media_info_unref(info);
}

static void test_memory(void **state)
{
	struct seen seen = {0};
	struct cmaf_conf cc = conf();
	struct media_info *info = info_of((struct ratio){30, 1}, 48000);

	cc.memory = 60000;
	struct cmaf *c = make(&cc, info, &seen);
	feed_run(c, info, 30, T0, T0 + 10 * SEC_US);
	assert_true(c->bytes <= 60000 + 20000);
	assert_true(c->evicted_early > 0);
	cmaf_destroy(c);
	media_info_unref(info);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rates),      cmocka_unit_test(test_two_agree),
	    cmocka_unit_test(test_no_waiting), cmocka_unit_test(test_payload),
	    cmocka_unit_test(test_gap),	       cmocka_unit_test(test_late_and_damaged),
	    cmocka_unit_test(test_left_out),   cmocka_unit_test(test_behind),
	    cmocka_unit_test(test_resume),     cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
