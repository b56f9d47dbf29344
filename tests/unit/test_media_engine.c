#include "unit.h"

#include <errno.h>
#include <stdatomic.h>

#include "log/log.h"
#include "media/engine.h"
#include "media/queue.h"
#include "os/os.h"

#include "media_clip.h"

/* ---- the queue between two stages ---- */

struct thing {
	bool counts, stays;
};

static bool counts(const void *x)
{
	return ((const struct thing *)x)->counts;
}

static bool may_go(const void *x)
{
	return !((const struct thing *)x)->stays;
}

static void the_door_drops_what_may_go(void **state)
{
	static const struct queue_door door = {2, counts, may_go};
	struct thing key = {true, true}, a = {true, false}, b = {true, false},
		     again = {false, false};
	struct queue q = {0};
	bool ended;

	assert_int_equal(queue_init(&q, 4), 0);
	assert_null(queue_offer(&q, &key, &door));
	assert_null(queue_offer(&q, &a, &door));
	assert_ptr_equal(queue_offer(&q, &b, &door), &a);
	/* What does not count is taken while there is any room. */
	assert_null(queue_offer(&q, &again, &door));
	assert_null(queue_offer(&q, &again, &door));
	assert_ptr_equal(queue_offer(&q, &again, &door), &b);
	assert_ptr_equal(queue_offer(&q, &again, &door), &again);
	assert_ptr_equal(queue_pop(&q, 0, &ended), &key);
	assert_ptr_equal(queue_pop(&q, 0, &ended), &again);
	/* Keys stay, above the limit too. */
	assert_null(queue_offer(&q, &key, &door));
	assert_null(queue_offer(&q, &key, &door));
	assert_int_equal(queue_len(&q), 4);
	assert_ptr_equal(queue_offer(&q, &a, &door), &a);
	queue_close(&q);
	assert_ptr_equal(queue_offer(&q, &key, &door), &key);
	assert_false(queue_push(&q, &key));
	for (int i = 0; i < 4; i++) {
		assert_non_null(queue_pop(&q, NEVER_US, &ended));
		assert_false(ended);
	}
	assert_null(queue_pop(&q, NEVER_US, &ended));
	assert_true(ended);
	queue_finish(&q);
	queue_finish(&q);
}

/* ---- the engine, from a file in memory ---- */

struct run {
	struct loop *loop;
	struct engine *engine;
	struct bytes bytes;
	int connections, opened, lost, starts, packets;
	struct media_info *info;
	int64_t first[MEDIA_TRACKS_MAX], last[MEDIA_TRACKS_MAX], count[MEDIA_TRACKS_MAX];
	int err;
	char reason[MEDIA_ERR];
	int destroy_after; /* packets; 0: never */
	atomic_bool cancelled;
};

static int source_wait(void *arg)
{
	struct run *r = arg;

	return atomic_load(&r->cancelled) ? -EINTR : r->connections++ ? -ENODATA : 0;
}

static ssize_t source_read(void *arg, void *p, size_t n)
{
	struct run *r = arg;

	return atomic_load(&r->cancelled) ? -EINTR : give(&r->bytes, p, n);
}

static const char *source_peer(void *arg)
{
	return "";
}

static void source_cancel(void *arg)
{
	atomic_store(&((struct run *)arg)->cancelled, true);
}

static void on_opened(void *arg, int input, const char *what)
{
	((struct run *)arg)->opened++;
}

static void on_switched(void *arg, int input, const char *why)
{
}

static void on_lost(void *arg, int input, const char *reason)
{
	((struct run *)arg)->lost++;
}

static void on_start(void *arg, struct media_info *info)
{
	struct run *r = arg;

	r->starts++;
	r->info = media_info_ref(info);
}

static void on_packet(void *arg, struct media_packet *p, int64_t took_us)
{
	struct run *r = arg;
	const struct media_track *t = &r->info->track[p->track];

	int64_t step = t->kind == MEDIA_AUDIO ? 1024 : t->tb.den * t->fps.den / t->fps.num;

	assert_int_equal(r->starts, 1);
	assert_int_equal(p->pts, p->dts);
	if (!r->count[p->track])
		r->first[p->track] = p->pts;
	else
		assert_int_equal(p->pts - r->last[p->track], step);
	/* 30 frames a GOP at 30000/1001 frames a second, and at the 30 that the frames in MPEG-TS say. */
	if (t->kind == MEDIA_VIDEO)
		assert_int_equal(p->key, p->pts / step % 30 == 0);
	r->last[p->track] = p->pts;
	r->count[p->track]++;
	if (++r->packets != r->destroy_after)
		return;
	engine_destroy(r->engine);
	r->engine = NULL;
	loop_stop(r->loop, 0);
}

static void on_end(void *arg, int err, const char *reason)
{
	struct run *r = arg;

	r->err = err;
	str_copy(r->reason, sizeof(r->reason), reason);
	loop_stop(r->loop, 0);
}

static size_t on_queued(void *arg)
{
	return 0;
}

static const struct engine_events events = {on_opened, on_lost, on_switched, on_start,
					    on_packet, on_end,	on_queued,   NULL};

static void play(struct run *r)
{
	struct engine_conf conf = {
	    .gop_us = SEC_US, .like = {.bitrate = 64000, .channels = 2}, .rungs = 2};
	char err[MEDIA_ERR];

	conf.sources = 1;
	conf.source[0] = (struct engine_source){.arg = r,
						.wait = source_wait,
						.read = source_read,
						.peer = source_peer,
						.cancel = source_cancel,
						.once = true};
	assert_int_equal(rung_parse(&conf.rung[0], "big=64x32,100k,preset=ultrafast", err), 0);
	assert_int_equal(rung_parse(&conf.rung[1], "same=,50k,preset=ultrafast", err), 0);
	assert_int_equal(loop_create(&r->loop), 0);
	assert_int_equal(engine_create(&r->engine, r->loop, &conf, &events, r, err), 0);
	loop_run(r->loop);
	engine_destroy(r->engine);
	loop_destroy(r->loop);
	free(r->bytes.at);
}

static void a_file_becomes_a_ladder(void **state)
{
	static const char *const formats[] = {"nut", "mpegts", "flv"};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct run r = {.bytes = {.step = 1000}};
		struct media_info *info = two_tracks(false);
		int64_t now = os_utc_us();

		record(&r.bytes, formats[i], info, 7 * SEC_US);
		media_info_unref(info);
		play(&r);
		assert_int_equal(r.err, 0);
		assert_int_equal(r.opened, 1);
		assert_int_equal(r.lost, 0);
		assert_true(r.info->utc);
		assert_int_equal(r.info->n, 3);
		assert_string_equal(r.info->track[0].name, "big");
		assert_string_equal(r.info->track[2].name, "audio");
		assert_int_equal(r.info->track[1].width, 32);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(r.count[k], FRAMES);
			assert_int_equal(r.first[k], r.first[0]);
		}
		int64_t start =
		    base_rescale(r.first[0], r.info->track[0].tb, (struct ratio){1, SEC_US});
		/* At the next second after it began, whenever it got to that. */
		assert_in_range(start, now - 10 * MS_US, os_utc_us() + SEC_US);
		int64_t sound =
		    base_rescale(r.first[2], r.info->track[2].tb, (struct ratio){1, SEC_US});
		assert_in_range(start - sound, 0, 50 * MS_US); /* one frame primes the encoder */
		assert_true(r.count[2] >= 92 && r.count[2] <= 98);
		media_info_unref(r.info);
	}
}

static void no_stream_ends_with_a_reason(void **state)
{
	struct run r = {0};

	assert_int_equal(keep(&r.bytes, "just words, and words, and words\n", 33), 0);
	play(&r);
	assert_int_equal(r.err, -EINVAL);
	assert_non_null(strstr(r.reason, "not a media stream"));
	assert_int_equal(r.starts + r.packets, 0);
}

static void stop_loop(void *loop)
{
	loop_stop(loop, 0);
}

/* In the middle of its own event, and before anything has come. */
static void it_can_be_destroyed_at_any_time(void **state)
{
	struct media_info *info = two_tracks(false);

	for (int after = 1; after < 150; after += 37) {
		struct run r = {.destroy_after = after};

		record(&r.bytes, "nut", info, 0);
		play(&r);
		assert_int_equal(r.packets, after);
		media_info_unref(r.info);
	}
	for (int i = 0; i < 5; i++) {
		struct run r = {0};
		struct engine_conf conf = {.gop_us = SEC_US,
					   .like = {.bitrate = 64000, .channels = 2}};
		char err[MEDIA_ERR];

		conf.sources = 1;
		conf.source[0] = (struct engine_source){.arg = &r,
							.wait = source_wait,
							.read = source_read,
							.peer = source_peer,
							.cancel = source_cancel,
							.live = true};
		record(&r.bytes, "nut", info, 0);
		assert_int_equal(loop_create(&r.loop), 0);
		assert_int_equal(engine_create(&r.engine, r.loop, &conf, &events, &r, err), 0);
		engine_destroy(r.engine);
		/* What the engine has posted is on its way still. */
		assert_int_equal(loop_post(r.loop, stop_loop, r.loop), 0);
		loop_run(r.loop);
		loop_destroy(r.loop);
		free(r.bytes.at);
	}
	media_info_unref(info);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_door_drops_what_may_go),
    cmocka_unit_test(a_file_becomes_a_ladder),
    cmocka_unit_test(no_stream_ends_with_a_reason),
    cmocka_unit_test(it_can_be_destroyed_at_any_time),
};

int main(void)
{
	media_setup_log();
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
