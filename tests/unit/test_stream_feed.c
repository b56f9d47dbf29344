/* feed and select: packets to threads, tracks to streams. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>

#include "os/os.h"
#include "stream/feed.h"
#include "stream/packet.h"
#include "stream/select.h"

static void add(struct media_info *i, enum media_kind kind, const char *name, int height,
		int64_t bitrate)
{
	struct media_track *t = &i->track[i->n++];

	t->kind = kind;
	t->height = height;
	t->bitrate = bitrate;
	t->tb = (struct ratio){1, 1000};
	t->extra = buf_copy(name, strlen(name));
	str_copy(t->name, sizeof(t->name), name);
}

static struct media_info *ladder(void)
{
	struct media_info *i = media_info_create();

	assert_non_null(i);
	add(i, MEDIA_VIDEO, "360p", 360, 1);
	add(i, MEDIA_AUDIO, "audio", 0, 0);
	add(i, MEDIA_VIDEO, "720p", 720, 2);
	add(i, MEDIA_VIDEO, "720p-high", 720, 3);
	add(i, MEDIA_AUDIO, "audio-ko", 0, 0);
	str_copy(i->track[1].lang, sizeof(i->track[1].lang), "eng");
	str_copy(i->track[4].lang, sizeof(i->track[4].lang), "kor");
	return i;
}

static struct media_packet *packet(int track, int64_t ms, bool key)
{
	struct media_packet *p = media_packet_create(100);

	assert_non_null(p);
	/* What lies there by chance may look like a picture that nothing depends on. */
	memset(p->data, 0, p->size);
	p->track = track;
	p->pts = p->dts = ms;
	p->key = key;
	return p;
}

static const char *names(const struct media_info *i)
{
	static char out[200];

	out[0] = 0;
	for (int t = 0; i && t < i->n; t++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s ", i->track[t].name);
	return out;
}

static void choose(const char *a, const char *b, int max_audio, const char *want)
{
	char *list[2] = {(char *)a, (char *)b}, err[MEDIA_ERR];
	struct media_info *i = ladder();
	struct stream_select s = {0};

	stream_select_finish(&s);
	assert_int_equal(stream_select_start(&s, i, list, !!a + !!b, max_audio, err), 0);
	assert_string_equal(names(s.info), want);
	stream_select_finish(&s);
	media_info_unref(i);
}

static void test_select(void **state)
{
	choose(NULL, NULL, 9, "audio 720p-high audio-ko ");
	choose(NULL, NULL, 1, "audio 720p-high ");
	choose("360p", NULL, 1, "360p audio ");
	choose("360p", "audio-ko", 1, "360p audio-ko ");
	choose("720p", "360p", 0, "360p 720p ");
	/* Sound by its language; and the standard one where there is room for one only. */
	choose("ko", NULL, 1, "720p-high audio-ko ");
	choose("720p", "eng", 1, "audio 720p ");
}

static void test_select_packets(void **state)
{
	struct media_info *i = ladder();
	struct media_packet *p = packet(2, 0, true), *q = packet(0, 0, true);
	struct stream_select s = {0};
	char *name = "720p", *none = "480p", err[MEDIA_ERR];

	stream_select_finish(&s);
	assert_false(stream_select_packet(&s, p));
	assert_int_equal(stream_select_start(&s, i, &name, 1, 1, err), 0);
	assert_true(stream_select_packet(&s, p));
	assert_int_equal(p->track, 1);
	assert_false(stream_select_packet(&s, q));
	assert_int_equal(stream_select_start(&s, i, &none, 1, 1, err), -ENOENT);
	assert_string_equal(
	    err, "the stream has no '480p'; it has 360p, audio, 720p, 720p-high, audio-ko");
	assert_false(stream_select_packet(&s, q));
	stream_select_finish(&s);
	media_packet_unref(p);
	media_packet_unref(q);
	media_info_unref(i);
}

static void test_same_tracks(void **state)
{
	struct media_info *a = ladder(), *b = ladder();

	assert_true(stream_same_tracks(a, b));
	b->utc = true;
	assert_false(stream_same_tracks(a, b));
	a->utc = true;
	assert_true(stream_same_tracks(a, b));
	buf_unref(b->track[3].extra);
	b->track[3].extra = NULL;
	assert_false(stream_same_tracks(a, b));
	media_info_unref(a);
	media_info_unref(b);
}

static struct media_info *simple(void)
{
	struct media_info *i = media_info_create();

	assert_non_null(i);
	add(i, MEDIA_VIDEO, "v", 1, 1);
	return i;
}

static void write_one(struct stream_feed *f, int64_t ms, bool key)
{
	struct media_packet *p = packet(0, ms, key);

	stream_feed_write(f, p);
	media_packet_unref(p);
}

static int64_t take(struct stream_tap *t, struct media_info **i)
{
	struct media_packet *p;
	int64_t ms;
	int r = stream_tap_take(t, i, &p, 0);

	if (r)
		return r;
	ms = p->pts;
	media_packet_unref(p);
	return ms;
}

static void test_feed_changes_tracks(void **state)
{
	struct media_info *a = simple(), *b = simple(), *i;
	struct stream_feed *f;
	struct stream_tap *t;

	assert_int_equal(stream_feed_create(&f, 1 << 20, 10 * SEC_US), 0);
	assert_int_equal(stream_tap_create(&t, f), 0);
	write_one(f, 1, true);
	assert_int_equal(take(t, &i), -EAGAIN);
	stream_feed_start(f, a);
	write_one(f, 10, false);
	write_one(f, 20, true);
	write_one(f, 30, false);
	stream_feed_start(f, b);
	write_one(f, 5, true);
	/* What is queued of the old tracks comes first, with them. */
	assert_int_equal(take(t, &i), 20);
	assert_ptr_equal(i, a);
	assert_int_equal(take(t, &i), 30);
	assert_int_equal(take(t, &i), 5);
	assert_ptr_equal(i, b);
	/* A restart gives the stream since the last key frame, of which nothing counts as dropped. */
	write_one(f, 6, false);
	assert_int_equal(stream_tap_restart(t), 0);
	assert_int_equal(take(t, &i), 5);
	assert_int_equal(take(t, &i), 6);
	assert_int_equal(stream_tap_stats(t).dropped, 0);
	stream_feed_end(f);
	assert_int_equal(take(t, &i), -ENODATA);
	stream_tap_cancel(t);
	assert_int_equal(take(t, &i), -EINTR);
	assert_int_equal(stream_tap_sleep(t, 100 * SEC_US), -EINTR);
	stream_tap_destroy(t);
	stream_feed_destroy(f);
	media_info_unref(a);
	media_info_unref(b);
}

#define PACKETS 20000

struct reader {
	struct stream_tap *tap;
	int got, wrong;
	int slow_us;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct media_packet *p;
	struct media_info *i;
	int64_t last = -1;
	int e;

	while ((e = stream_tap_take(r->tap, &i, &p, SEC_US)) != -ENODATA) {
		if (e)
			continue;
		/* In order, and after each gap a key frame. */
		if (p->pts <= last || (p->pts != last + 1 && !p->key))
			r->wrong++;
		last = p->pts;
		r->got++;
		media_packet_unref(p);
		if (r->slow_us && r->got % 50 == 0)
			stream_tap_sleep(r->tap, r->slow_us);
	}
	return NULL;
}

static void test_feed_threads(void **state)
{
	struct reader r[3] = {{.slow_us = 0}, {.slow_us = 2000}, {.slow_us = 20000}};
	struct media_info *i = simple();
	struct stream_feed *f;
	pthread_t th[3];

	/* A slow tap holds a hundred and some packets. */
	assert_int_equal(stream_feed_create(&f, 20000, 100 * SEC_US), 0);
	stream_feed_start(f, i);
	for (int k = 0; k < 3; k++) {
		assert_int_equal(stream_tap_create(&r[k].tap, f), 0);
		assert_int_equal(pthread_create(&th[k], NULL, read_all, &r[k]), 0);
	}
	for (int n = 0; n < PACKETS; n++) {
		write_one(f, n, n % 30 == 0);
		if (n % 100 == 0)
			stream_tap_sleep(r[0].tap, 1000);
	}
	stream_feed_end(f);
	for (int k = 0; k < 3; k++) {
		struct fan_stats s;

		pthread_join(th[k], NULL);
		s = stream_tap_stats(r[k].tap);
		assert_int_equal(r[k].wrong, 0);
		assert_int_equal(s.taken, r[k].got);
		assert_int_equal(s.taken + s.dropped, PACKETS);
		stream_tap_destroy(r[k].tap);
	}
	assert_true(r[2].got < PACKETS);
	stream_feed_destroy(f);
	media_info_unref(i);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_select),	 cmocka_unit_test(test_select_packets),
    cmocka_unit_test(test_same_tracks),	 cmocka_unit_test(test_feed_changes_tracks),
    cmocka_unit_test(test_feed_threads),
};

RUN_TESTS(tests)
