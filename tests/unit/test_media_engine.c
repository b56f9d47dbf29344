#include "unit.h"

#include "log/log.h"
#include "media/queue.h"
#include "os/os.h"

#include "engine_run.h"

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
	assert_false(queue_is_over(&q));
	assert_ptr_equal(queue_offer(&q, &key, &door), &key);
	assert_false(queue_push(&q, &key));
	for (int i = 0; i < 4; i++) {
		assert_non_null(queue_pop(&q, NEVER_US, &ended));
		assert_false(ended);
	}
	assert_null(queue_pop(&q, NEVER_US, &ended));
	assert_true(ended);
	assert_true(queue_is_over(&q));
	queue_finish(&q);
	queue_finish(&q);
}

/* ---- the engine, from a file in memory ---- */

struct ladder_run {
	struct run run;
	int packets;
	int64_t first[MEDIA_TRACKS_MAX], last[MEDIA_TRACKS_MAX], count[MEDIA_TRACKS_MAX];
	int destroy_after; /* packets; 0: never */
};

static void on_packet(struct run *run, struct media_packet *p, const struct media_track *t)
{
	struct ladder_run *r = container_of(run, struct ladder_run, run);
	int64_t step = t->kind == MEDIA_AUDIO ? 1024 : t->tb.den * t->fps.den / t->fps.num;

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
	engine_destroy(run->engine);
	run->engine = NULL;
	loop_stop(run->loop, 0);
}

static void play(struct ladder_run *r)
{
	static const char *const rungs[] = {"big=64x32,100k,preset=ultrafast",
					    "same=,50k,preset=ultrafast"};

	r->run.packet = on_packet;
	run_all(&r->run, rungs, ARRAY_LEN(rungs));
}

static void a_file_becomes_a_ladder(void **state)
{
	static const char *const formats[] = {"nut", "mpegts", "flv"};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct ladder_run r = {.run = {.bytes = {.step = 1000}}};
		struct media_info *info = two_tracks(false);
		int64_t now = os_utc_us();

		record(&r.run.bytes, formats[i], info, 7 * SEC_US);
		media_info_unref(info);
		play(&r);
		assert_int_equal(r.run.err, 0);
		assert_int_equal(r.run.opened, 1);
		assert_int_equal(r.run.lost, 0);
		assert_true(r.run.info->utc);
		assert_int_equal(r.run.info->n, 3);
		assert_string_equal(r.run.info->track[0].name, "big");
		assert_string_equal(r.run.info->track[2].name, "audio");
		assert_int_equal(r.run.info->track[1].width, 32);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(r.count[k], FRAMES);
			assert_int_equal(r.first[k], r.first[0]);
		}
		int64_t start =
		    base_rescale(r.first[0], r.run.info->track[0].tb, (struct ratio){1, SEC_US});
		/* At the next second after it began, whenever it got to that. */
		assert_in_range(start, now - 10 * MS_US, os_utc_us() + SEC_US);
		int64_t sound =
		    base_rescale(r.first[2], r.run.info->track[2].tb, (struct ratio){1, SEC_US});
		assert_in_range(start - sound, 0, 50 * MS_US); /* one frame primes the encoder */
		assert_true(r.count[2] >= 92 && r.count[2] <= 98);
		media_info_unref(r.run.info);
	}
}

static void no_stream_ends_with_a_reason(void **state)
{
	struct ladder_run r = {0};

	assert_int_equal(keep(&r.run.bytes, "just words, and words, and words\n", 33), 0);
	play(&r);
	assert_int_equal(r.run.err, -EINVAL);
	assert_non_null(strstr(r.run.reason, "not a media stream"));
	assert_int_equal(r.run.starts + r.packets, 0);
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
		struct ladder_run r = {.destroy_after = after};

		record(&r.run.bytes, "nut", info, 0);
		play(&r);
		assert_int_equal(r.packets, after);
		media_info_unref(r.run.info);
	}
	for (int i = 0; i < 5; i++) {
		struct run r = {0};
		struct engine_conf conf = {0};

		record(&r.bytes, "nut", info, 0);
		run_create(&r, &conf, true);
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
