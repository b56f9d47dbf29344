/* The engine with a source in memory, on a loop of its own: for the tests of what it makes of one. */
#ifndef GEX_TESTS_ENGINE_RUN_H
#define GEX_TESTS_ENGINE_RUN_H

#include <errno.h>
#include <stdatomic.h>

#include "media/engine.h"

#include "media_clip.h"

struct run {
	struct bytes bytes; /* the source; it comes once */
	void (*packet)(struct run *r, struct media_packet *p, const struct media_track *t);
	struct loop *loop;
	struct engine *engine;
	int connections, opened, lost, starts;
	struct media_info *info;
	int err;
	char reason[MEDIA_ERR];
	atomic_bool cancelled;
};

static int run_wait(void *arg)
{
	struct run *r = arg;

	return atomic_load(&r->cancelled) ? -EINTR : r->connections++ ? -ENODATA : 0;
}

static ssize_t run_read(void *arg, void *p, size_t n)
{
	struct run *r = arg;

	return atomic_load(&r->cancelled) ? -EINTR : give(&r->bytes, p, n);
}

static const char *run_peer(void *arg)
{
	return "";
}

static void run_cancel(void *arg)
{
	atomic_store(&((struct run *)arg)->cancelled, true);
}

static void run_opened(void *arg, int input, const char *what)
{
	((struct run *)arg)->opened++;
}

static void run_lost(void *arg, int input, const char *reason)
{
	((struct run *)arg)->lost++;
}

static void run_switched(void *arg, int input, const char *why)
{
}

static void run_start(void *arg, struct media_info *info)
{
	struct run *r = arg;

	r->starts++;
	r->info = media_info_ref(info);
}

static void run_packet(void *arg, struct media_packet *p, int64_t took_us)
{
	struct run *r = arg;

	assert_int_equal(r->starts, 1);
	r->packet(r, p, &r->info->track[p->track]);
}

static void run_end(void *arg, int err, const char *reason)
{
	struct run *r = arg;

	r->err = err;
	str_copy(r->reason, sizeof(r->reason), reason);
	loop_stop(r->loop, 0);
}

static size_t run_queued(void *arg)
{
	return 0;
}

/* A loop, and the engine on it; live: the source has no end. */
static void run_create(struct run *r, struct engine_conf *conf, bool live)
{
	static const struct engine_events events = {.opened = run_opened,
						    .lost = run_lost,
						    .switched = run_switched,
						    .start = run_start,
						    .packet = run_packet,
						    .end = run_end,
						    .queued = run_queued};
	char err[MEDIA_ERR];

	conf->gop_us = SEC_US;
	conf->like = (struct sound){.bitrate = 64000, .channels = 2};
	conf->sources = 1;
	conf->source[0] = (struct engine_source){.arg = r,
						 .wait = run_wait,
						 .read = run_read,
						 .peer = run_peer,
						 .cancel = run_cancel,
						 .live = live,
						 .once = !live};
	assert_int_equal(loop_create(&r->loop), 0);
	assert_int_equal(engine_create(&r->engine, r->loop, conf, &events, r, err), 0);
}

/* From the beginning to the end; r->info is the caller's. */
static void run_all(struct run *r, const char *const *rungs, int n)
{
	struct engine_conf conf = {.rungs = n};
	char err[MEDIA_ERR];

	for (int i = 0; i < n; i++)
		assert_int_equal(rung_parse(&conf.rung[i], rungs[i], err), 0);
	run_create(r, &conf, false);
	loop_run(r->loop);
	engine_destroy(r->engine);
	loop_destroy(r->loop);
	free(r->bytes.at);
}

#endif
