/* stream_input: the thread that opens, demuxes and opens again, and the bounded queue to the loop. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log/log.h"
#include "loop/uv.h"
#include "media/pace.h"
#include "os/os.h"
#include "stream/packet.h"
#include "stream/source.h"

#define QUEUE_BYTES (8 << 20)
#define QUEUE_US (10 * SEC_US)
#define EVENT_COST 128
#define TURN 64 /* events delivered before the loop's other work gets its turn */
#define RETRY_MIN_US (200 * MS_US)
#define RETRY_MAX_US (3 * SEC_US)
#define STEADY_US (5 * SEC_US) /* a connection that held this long was no failure */
#define PACE_JUMP_US (10 * SEC_US)
#define JOIN_S 5

enum event_kind { OPENED, PACKET, LOST };

struct event {
	struct list link;
	enum event_kind kind;
	struct media_info *info;
	struct media_packet *packet;
	int64_t us; /* of the packet */
	bool final;
	char *reason;
};

struct stream_input {
	struct loop *loop;
	struct stream_url url;
	struct stream_input_events ev;
	void *arg;
	struct stream_source *source; /* NULL: libavformat opens the URL */
	pthread_t thread;
	bool silent, closing, paused; /* the loop's thread */
	bool paced;
	uv_async_t async;
	_Atomic bool cancelled, over;
	_Atomic int64_t dropped;
	/* Under the lock: */
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct list events;
	size_t bytes;
	/* The input's thread: */
	uint32_t need_key; /* video tracks that have lost something */
	bool shedding;
	struct pace pace;
	char told[MEDIA_ERR];
};

static void event_free(struct event *e)
{
	media_info_unref(e->info);
	media_packet_unref(e->packet);
	free(e->reason);
	free(e);
}

/* ---- the loop's side ---- */

static struct event *take(struct stream_input *in)
{
	struct event *e;

	pthread_mutex_lock(&in->lock);
	e = list_first(&in->events, struct event, link);
	if (e) {
		list_remove(&e->link);
		in->bytes -= EVENT_COST + (e->packet ? e->packet->size : 0);
		pthread_cond_signal(&in->room);
	}
	pthread_mutex_unlock(&in->lock);
	return e;
}

static void deliver(struct stream_input *in, struct event *e)
{
	struct media_packet *p = e->packet;

	switch (e->kind) {
	case OPENED:
		in->ev.opened(in->arg, e->info);
		break;
	case PACKET:
		e->packet = NULL;
		in->ev.packet(in->arg, p);
		break;
	case LOST:
		in->ev.lost(in->arg, e->reason ? e->reason : "lost", e->final);
		break;
	}
	event_free(e);
}

static void on_async(uv_async_t *h)
{
	struct stream_input *in = h->data;
	struct event *e;

	for (int i = 0; i < TURN; i++) {
		/* A callback may have called stream_input_destroy or stream_input_cancel. */
		if (in->silent || in->paused)
			return;
		e = take(in);
		if (!e)
			return;
		deliver(in, e);
	}
	if (!in->silent)
		uv_async_send(h);
}

/* ---- the queue, from the thread ---- */

static bool is_full(const struct stream_input *in, int64_t us)
{
	const struct event *e;

	if (in->bytes > QUEUE_BYTES)
		return true;
	list_for (e, &in->events, link)
		if (e->kind == PACKET)
			return us - e->us > QUEUE_US;
	return false;
}

static void put(struct stream_input *in, struct event *e)
{
	pthread_mutex_lock(&in->lock);
	list_append(&in->events, &e->link);
	in->bytes += EVENT_COST + (e->packet ? e->packet->size : 0);
	pthread_mutex_unlock(&in->lock);
	uv_async_send(&in->async);
}

static struct event *event_new(enum event_kind kind)
{
	struct event *e = calloc(1, sizeof(*e));

	if (e) {
		e->kind = kind;
		list_init(&e->link);
	}
	return e;
}

/* A source that can wait is made to; of another, packets are dropped. False: drop. */
static bool make_room(struct stream_input *in, int64_t us)
{
	bool can_wait = in->url.scheme != STREAM_SRT && in->url.scheme != STREAM_UDP &&
			in->url.scheme != STREAM_RTMP;
	bool full;

	pthread_mutex_lock(&in->lock);
	while ((full = is_full(in, us)) && can_wait && !in->cancelled)
		pthread_cond_wait(&in->room, &in->lock);
	pthread_mutex_unlock(&in->lock);
	return !full;
}

/* After a loss: nothing until a key frame of video (of any track when there is no video), then each video track from its
 * own key frame. */
static bool usable(struct stream_input *in, const struct media_info *info,
		   const struct media_packet *p)
{
	uint32_t bit = 1u << p->track, video = stream_video_mask(info);

	if (in->shedding && (!video || (video & bit && p->key)))
		in->shedding = false;
	if (in->shedding)
		return false;
	if (p->key)
		in->need_key &= ~bit;
	return !(in->need_key & bit);
}

/* Takes p over. */
static void post_packet(struct stream_input *in, const struct media_info *info,
			struct media_packet *p)
{
	int64_t us = media_packet_us(info, p);
	bool room = make_room(in, us);
	struct event *e;

	if (!room) {
		in->shedding = true;
		in->need_key = stream_video_mask(info);
	}
	e = room && usable(in, info, p) ? event_new(PACKET) : NULL;
	if (!e) {
		in->dropped++;
		media_packet_unref(p);
		return;
	}
	e->packet = p;
	e->us = us;
	put(in, e);
}

static void post_opened(struct stream_input *in, struct media_info *info)
{
	struct event *e = event_new(OPENED);

	if (!e)
		return;
	e->info = media_info_ref(info);
	put(in, e);
}

static void post_lost(struct stream_input *in, const char *reason, bool final)
{
	struct event *e = event_new(LOST);

	if (!e)
		return;
	e->reason = strdup(reason);
	e->final = final;
	put(in, e);
}

/* ---- the thread ---- */

/* Or -EINTR. */
static int wait_us(struct stream_input *in, int64_t us)
{
	int64_t end_us = os_mono_us() + us;

	if (in->source)
		return source_sleep(in->source, us);
	while (!in->cancelled && os_mono_us() < end_us)
		nanosleep(&(struct timespec){.tv_nsec = 20 * MS_US * 1000}, NULL);
	return in->cancelled ? -EINTR : 0;
}

static void tell_tracks(struct stream_input *in, const struct media_info *info)
{
	const char *peer = in->source ? stream_source_peer(in->source) : "";
	char text[256] = "";
	size_t n = 0;

	for (int i = 0; i < info->n && n < sizeof(text) - 1; i++) {
		const struct media_track *t = &info->track[i];

		n +=
		    (size_t)(t->kind == MEDIA_VIDEO
				 ? snprintf(text + n, sizeof(text) - n, "%s%s %s %dx%d",
					    i ? ", " : "", t->name, t->codec_name, t->width,
					    t->height)
				 : snprintf(text + n, sizeof(text) - n, "%s%s %s %d Hz",
					    i ? ", " : "", t->name, t->codec_name, t->sample_rate));
	}
	if (!strcmp(peer, in->url.shown))
		peer = "";
	log_info(in->url.shown, "source is here%s%s: %s", *peer ? " from " : "", peer, text);
}

/* Waits until p is due by the wall clock. */
static void hold(struct stream_input *in, const struct media_demux *d,
		 const struct media_info *info, const struct media_packet *p)
{
	int64_t us = base_rescale(p->dts, info->track[p->track].tb, (struct ratio){1, SEC_US});
	int64_t wait = pace_wait(&in->pace, us, os_mono_us(), media_demux_ppm(d));

	if (wait)
		wait_us(in, wait);
}

static int open_demux(struct stream_input *in, struct media_demux **d, char *err)
{
	struct media_reader reader = {stream_source_read, in->source, stream_source_seek};
	int r;

	err[0] = 0;
	if (!in->source)
		return media_demux_open_url(d, in->url.path, &in->cancelled, err);
	r = stream_source_wait(in->source);
	if (r) {
		stream_fail(err, r, "%s", r == -ENODATA ? "the end" : strerror(-r));
		return r;
	}
	return media_demux_open(d, &reader, stream_url_input_format(&in->url), err);
}

/* Reads until the source ends; leaves the reason in err. */
static int pump(struct stream_input *in, struct media_demux *d, char *err)
{
	struct media_info *info = NULL;
	struct media_packet *p;
	int r;

	if (in->ev.sides)
		media_demux_sides(d);
	in->shedding = false;
	in->need_key = 0;
	in->pace = (struct pace){.late_us = PACE_JUMP_US, .ahead_us = PACE_JUMP_US};
	while (!in->cancelled && !(r = media_demux_read(d, &p))) {
		if (media_demux_info(d) != info) {
			media_info_unref(info);
			info = media_info_ref(media_demux_info(d));
			tell_tracks(in, info);
			post_opened(in, info);
		}
		if (in->paced || media_demux_bursts(d))
			hold(in, d, info, p);
		post_packet(in, info, p);
	}
	if (in->cancelled)
		r = -EINTR;
	stream_fail(err, r, "%s", r == -ENODATA ? "the stream has ended" : strerror(-r));
	media_info_unref(info);
	return r;
}

/* Will this source not come back? */
static bool is_final(const struct stream_input *in)
{
	return in->url.scheme == STREAM_PIPE || (in->url.scheme == STREAM_FILE && !in->url.loop);
}

static void tell_failure(struct stream_input *in, const char *err)
{
	if (strcmp(err, in->told))
		log_warn(in->url.shown, "%s; trying again", err);
	str_copy(in->told, sizeof(in->told), err);
}

static void *run(void *arg)
{
	struct stream_input *in = arg;
	int64_t delay_us = RETRY_MIN_US;

	while (!in->cancelled) {
		struct media_demux *d = NULL;
		char err[MEDIA_ERR];
		int64_t since_us = os_mono_us();
		int r = open_demux(in, &d, err);
		bool opened = !r;

		if (opened) {
			in->told[0] = 0;
			since_us = os_mono_us();
			r = pump(in, d, err);
			media_demux_close(d);
		}
		if (r == -EINTR)
			break;
		/* The next file of a list follows at once; the end is when there is none. */
		if (in->url.list && opened)
			continue;
		bool final = is_final(in) && !(in->url.list && r != -ENODATA);
		if (opened || final)
			post_lost(in, err, final);
		else
			tell_failure(in, err);
		if (final)
			break;
		if (opened && os_mono_us() - since_us > STEADY_US)
			delay_us = RETRY_MIN_US;
		if (wait_us(in, delay_us))
			break;
		delay_us = MIN(delay_us * 2, RETRY_MAX_US);
	}
	in->over = true;
	return NULL;
}

/* ---- life ---- */

static void free_input(struct stream_input *in)
{
	struct event *e;

	while ((e = take(in)))
		event_free(e);
	stream_source_destroy(in->source);
	stream_url_finish(&in->url);
	pthread_cond_destroy(&in->room);
	pthread_mutex_destroy(&in->lock);
	free(in);
}

static void on_close(uv_handle_t *h)
{
	free_input(h->data);
}

static bool is_regular(const struct stream_url *u)
{
	struct stat st;

	return u->scheme == STREAM_FILE && !stat(u->path, &st) && S_ISREG(st.st_mode);
}

int stream_input_create(struct stream_input **out, struct loop *l, const struct stream_url *u,
			const struct stream_input_events *ev, void *arg, char *err)
{
	struct stream_input *in = calloc(1, sizeof(*in));
	int r;

	*out = NULL;
	if (!in)
		return stream_fail(err, -ENOMEM, "out of memory");
	in->loop = l;
	in->ev = *ev;
	in->arg = arg;
	in->async.data = in;
	list_init(&in->events);
	pthread_mutex_init(&in->lock, NULL);
	pthread_cond_init(&in->room, NULL);
	r = stream_url_copy(&in->url, u);
	if (r) {
		stream_fail(err, r, "out of memory");
		goto fail;
	}
	in->paced = u->realtime < 0 ? is_regular(u) : u->realtime;
	if (u->scheme != STREAM_HTTP) {
		r = stream_source_create(&in->source, u, err);
		if (r)
			goto fail;
	}
	r = uv_async_init(loop_uv(l), &in->async, on_async);
	if (r) {
		stream_fail(err, r, "%s", uv_strerror(r));
		goto fail;
	}
	r = -pthread_create(&in->thread, NULL, run, in);
	if (r) {
		stream_fail(err, r, "no thread: %s", strerror(-r));
		uv_close((uv_handle_t *)&in->async, on_close);
		return r;
	}
	*out = in;
	return 0;
fail:
	free_input(in);
	return r;
}

void stream_input_pause(struct stream_input *in, bool pause)
{
	in->paused = pause;
	if (!pause)
		uv_async_send(&in->async);
}

int64_t stream_input_dropped(const struct stream_input *in)
{
	return in->dropped;
}

void stream_input_cancel(struct stream_input *in)
{
	if (!in || in->silent)
		return;
	in->silent = true;
	in->cancelled = true;
	if (in->source)
		stream_source_cancel(in->source);
	pthread_mutex_lock(&in->lock);
	pthread_cond_broadcast(&in->room);
	pthread_mutex_unlock(&in->lock);
}

bool stream_input_over(const struct stream_input *in)
{
	return !in || in->over;
}

void stream_input_destroy(struct stream_input *in)
{
	struct timespec limit;

	if (!in || in->closing)
		return;
	stream_input_cancel(in);
	in->closing = true;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += JOIN_S;
	if (pthread_timedjoin_np(in->thread, NULL, &limit)) {
		/* Memory that a thread still uses is not freed; the process is ending anyway. */
		log_error(in->url.shown, "the input's thread does not end");
		return;
	}
	/* What it had open is free when this returns. */
	stream_source_destroy(in->source);
	in->source = NULL;
	uv_close((uv_handle_t *)&in->async, on_close);
}
