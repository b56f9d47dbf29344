#include <errno.h>
#include <stdio.h>

#include "media/pipeline.h"
#include "os/os.h"

#define BACKOFF_US (300 * MS_US)
#define BACKOFF_URL_US SEC_US

/* Sleeps, unless cancelled. False: cancelled. */
static bool sleep_until(struct engine *e, int64_t until_us)
{
	pthread_mutex_lock(&e->lock);
	while (!e->cancel && !e->closing && os_mono_us() < until_us)
		cond_wait_until(&e->changed, &e->lock, until_us);
	pthread_mutex_unlock(&e->lock);
	return !e->cancel;
}

static bool push(struct engine *e, enum media_kind kind, struct work *w)
{
	if (queue_push(kind == MEDIA_VIDEO ? &e->video_queue : &e->audio_queue, w))
		return true;
	work_destroy(w);
	return false;
}

static bool push_track(struct engine *e, struct media_info *info, int track)
{
	struct work *w = track < 0 ? NULL : calloc(1, sizeof(*w));

	if (!w)
		return track < 0;
	w->info = media_info_ref(info);
	w->track = track;
	w->out_us = TIMELINE_NONE;
	return push(e, info->track[track].kind, w);
}

static int first_of(const struct media_info *info, enum media_kind kind)
{
	for (int i = 0; i < info->n; i++)
		if (info->track[i].kind == kind)
			return i;
	return -1;
}

/* What one connection of the source is being read with. */
struct run {
	struct media_demux *d;
	struct media_info *info;
	int video, audio;
	bool key_seen;
};

/* The first source decides what the output has. */
static void first_source(struct engine *e, const struct run *r)
{
	struct ratio fps = r->video < 0 ? (struct ratio){0, 1} : r->info->track[r->video].fps;

	for (int i = 0; i < e->conf.rungs && !fps.num; i++)
		fps = e->conf.rung[i].fps;
	if (!fps.num)
		fps = (struct ratio){30, 1};
	timeline_init(&e->timeline, e->conf.source.live, fps, grid_gop(fps, e->conf.gop_us));
	pthread_mutex_lock(&e->lock);
	e->no_picture = r->video < 0;
	e->no_sound = r->audio < 0 || !e->conf.audio_bitrate;
	pthread_mutex_unlock(&e->lock);
}

static void publish_timeline(struct engine *e)
{
	const struct timeline *t = &e->timeline;

	for (int i = 0; i < TIMELINE_REPAIRS; i++)
		e->repairs[i] = t->repairs[i];
	if (t->start_us == NEVER_US || e->start_us != NEVER_US) /* written here only */
		return;
	pthread_mutex_lock(&e->lock);
	e->start_us = t->start_us;
	pthread_mutex_unlock(&e->lock);
}

/* Takes p. False: the engine is being closed. */
static bool pass_on(struct engine *e, struct run *r, struct media_packet *p)
{
	const struct media_track *t = &r->info->track[p->track];
	struct ratio us = {1, SEC_US};
	struct work *w;

	e->packets_in++;
	e->bytes_in += (long long)p->size;
	bool wanted = p->track == r->video ? (r->key_seen |= p->key) : p->track == r->audio;
	if (!wanted || !(w = calloc(1, sizeof(*w)))) {
		media_packet_unref(p);
		return true;
	}
	e->frames_in += p->track == r->video;
	w->packet = p;
	w->track = p->track;
	w->out_us = timeline_map(&e->timeline, t->kind, base_rescale(p->dts, t->tb, us),
				 base_rescale(p->pts, t->tb, us),
				 base_rescale(p->duration, t->tb, us), engine_utc_us(e));
	publish_timeline(e);
	if (w->out_us == TIMELINE_NONE && t->kind == MEDIA_AUDIO) {
		work_destroy(w);
		return true;
	}
	if (e->conf.source.live || e->conf.source.paced) {
		int64_t ahead = timeline_ahead(&e->timeline, w->out_us, engine_utc_us(e));

		if (ahead)
			sleep_until(e, os_mono_us() + ahead);
	}
	return push(e, t->kind, w);
}

/* Reads until the source fails or ends. */
static int run_source(struct engine *e, struct run *r)
{
	struct media_packet *p;
	int64_t damaged = 0;
	int rc;

	while (!(rc = media_demux_read(r->d, &p))) {
		e->damaged += media_demux_damaged(r->d) - damaged;
		damaged = media_demux_damaged(r->d);
		if (media_demux_info(r->d) != r->info) {
			media_info_unref(r->info);
			r->info = media_info_ref(media_demux_info(r->d));
			/* Parameter sets of H.264 come in-band too; those of AAC do not. */
			if (p->track == r->audio && !push_track(e, r->info, r->audio))
				rc = -EINTR;
		}
		if (!pass_on(e, r, p) || rc)
			return -EINTR;
	}
	return rc;
}

static int open_source(struct engine *e, struct media_demux **d, char *err)
{
	const struct engine_source *s = &e->conf.source;

	if (s->url)
		return media_demux_open_url(d, s->url, &e->cancel, err);
	struct media_reader reader = {s->read, s->arg};
	return media_demux_open(d, &reader, s->format, err);
}

static void say_opened(struct engine *e, const struct run *r)
{
	const char *peer = e->conf.source.peer ? e->conf.source.peer(e->conf.source.arg) : "";
	char what[MEDIA_ERR];
	int n = snprintf(what, sizeof(what), "%s%s", peer, *peer ? ": " : "");

	if (r->video >= 0) {
		const struct media_track *t = &r->info->track[r->video];

		n += snprintf(what + n, sizeof(what) - (size_t)n, "%s %dx%d at %.4g fps",
			      t->codec_name, t->width, t->height,
			      t->fps.num ? (double)t->fps.num / (double)t->fps.den : 0.0);
	}
	if (r->audio >= 0 && n < (int)sizeof(what)) {
		const struct media_track *t = &r->info->track[r->audio];

		snprintf(what + n, sizeof(what) - (size_t)n, "%s%s %d Hz, %d channels",
			 r->video >= 0 ? ", " : "", t->codec_name, t->sample_rate, t->channels);
	}
	engine_emit(e, EVENT_OPENED, NULL, 0, what);
}

static int one_connection(struct engine *e, bool *begun, char *err)
{
	struct run r = {0};
	struct media_demux *d = NULL;
	int rc = open_source(e, &d, err);

	if (rc)
		return rc;
	r.d = d;
	r.info = media_info_ref(media_demux_info(d));
	r.video = first_of(r.info, MEDIA_VIDEO);
	r.audio = first_of(r.info, MEDIA_AUDIO);
	if (!*begun)
		first_source(e, &r);
	*begun = true;
	/* A later source may have what the first had not; the output cannot. */
	r.video = e->no_picture ? -1 : r.video;
	r.audio = e->no_sound ? -1 : r.audio;
	e->opened++;
	e->present = true;
	say_opened(e, &r);
	timeline_source(&e->timeline, r.info->utc, r.video >= 0);
	if (push_track(e, r.info, r.video) && push_track(e, r.info, r.audio))
		rc = run_source(e, &r);
	e->present = false;
	snprintf(err, MEDIA_ERR, "%s", rc == -ENODATA ? "the source ended" : strerror(-rc));
	media_info_unref(r.info);
	media_demux_close(d);
	return rc;
}

static int wait_source(struct engine *e)
{
	const struct engine_source *s = &e->conf.source;

	if (e->cancel)
		return -EINTR;
	return s->url ? 0 : s->wait(s->arg);
}

void *input_main(void *arg)
{
	struct engine *e = arg;
	bool begun = false, tried = false;
	char err[MEDIA_ERR] = "";
	int rc = 0, last = 0;

	for (;;) {
		rc = wait_source(e);
		if (rc == -ENODATA || rc == -EINTR)
			break;
		if (!rc) {
			tried = true;
			last = one_connection(e, &begun, err);
			if (last == -EINTR)
				break;
		} else {
			snprintf(err, sizeof(err), "%s", strerror(-rc));
		}
		if (!e->conf.source.once)
			engine_emit(e, EVENT_LOST, NULL, 0, err);
		if (!sleep_until(e, os_mono_us() + (e->conf.source.url ? BACKOFF_URL_US
						    : rc || !begun     ? BACKOFF_US
								       : 0)))
			break;
	}
	/* A file that could not be read at all. */
	if (tried && !begun && rc == -ENODATA && last)
		engine_fail(e, last, err);
	queue_close(&e->video_queue);
	queue_close(&e->audio_queue);
	engine_stage_done(e);
	return NULL;
}
