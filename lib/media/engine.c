#include <errno.h>
#include <stdio.h>

#include "log/log.h"
#include "media/pipeline.h"
#include "os/os.h"

#define SINKS_BYTES_MAX (4 << 20) /* so much may wait in the sinks of a source that can wait */
#define RETRY_US (5 * MS_US)

struct out {
	struct list node;
	enum event kind;
	struct media_packet *packet;
	struct media_info *info;
	int64_t n;
	char text[MEDIA_ERR];
};

void work_destroy(struct work *w)
{
	if (!w)
		return;
	media_info_unref(w->info);
	media_packet_unref(w->packet);
	free(w);
}

void picture_destroy(struct picture *p)
{
	if (!p)
		return;
	av_frame_free(&p->frame);
	free(p);
}

int64_t engine_utc_us(const struct engine *e)
{
	return os_mono_us() + e->utc_base_us;
}

int64_t engine_start_us(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	int64_t us = e->start_us;
	pthread_mutex_unlock(&e->lock);
	return us;
}

/* ---- events ---- */

static void out_destroy(struct out *o)
{
	media_packet_unref(o->packet);
	media_info_unref(o->info);
	free(o);
}

static void out_clear(struct list *l)
{
	struct out *o, *tmp;

	list_for_safe (o, tmp, l, node) {
		list_remove(&o->node);
		out_destroy(o);
	}
}

static void free_engine(struct engine *e)
{
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static void deliver_one(struct engine *e, struct out *o)
{
	switch (o->kind) {
	case EVENT_OPENED:
		e->ev.opened(e->arg, o->text);
		break;
	case EVENT_LOST:
		e->ev.lost(e->arg, o->text);
		break;
	case EVENT_START:
		e->ev.start(e->arg, o->info);
		break;
	case EVENT_PACKET:
		e->ev.packet(e->arg, o->packet, o->n);
		break;
	case EVENT_END:
		e->ev.end(e->arg, (int)o->n, o->text);
		break;
	}
}

static struct out *take(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	struct out *o = list_first(&e->out, struct out, node);
	if (o) {
		list_remove(&o->node);
		e->out_bytes -= o->packet ? o->packet->size : 0;
		pthread_cond_broadcast(&e->changed);
	} else {
		e->posted = false;
	}
	pthread_mutex_unlock(&e->lock);
	return o;
}

/* On the loop's thread, while e->posted. An event at a time, so that the owner may destroy the engine in any of them;
 * then the memory goes here. */
static void deliver(void *arg)
{
	struct engine *e = arg;

	e->retrying = false;
	while (!e->gone) {
		if (!e->conf.source.live && e->ev.queued(e->arg) > SINKS_BYTES_MAX) {
			e->retrying = !loop_timer_in(&e->retry, RETRY_US);
			if (e->retrying)
				return;
		}
		struct out *o = take(e);
		if (!o)
			return;
		deliver_one(e, o);
		out_destroy(o);
	}
	free_engine(e);
}

/* Only a source that can wait does. */
static void wait_for_room(struct engine *e)
{
	while (!e->conf.source.live && e->out_bytes > OUT_BYTES_MAX && !e->closing)
		pthread_cond_wait(&e->changed, &e->lock);
}

void engine_emit(struct engine *e, enum event kind, struct media_packet *p, int64_t n,
		 const char *text)
{
	struct out *o = calloc(1, sizeof(*o));
	bool post = false;

	if (!o) {
		media_packet_unref(p);
		return;
	}
	o->kind = kind;
	o->packet = p;
	o->n = n;
	if (text)
		str_copy(o->text, sizeof(o->text), text);
	pthread_mutex_lock(&e->lock);
	if (p)
		wait_for_room(e);
	if (kind == EVENT_START)
		o->info = media_info_ref(e->info);
	bool over = p && e->out_bytes > OUT_BYTES_MAX;
	if (e->closing || over) {
		e->overrun += over;
		pthread_mutex_unlock(&e->lock);
		out_destroy(o);
		return;
	}
	list_append(&e->out, &o->node);
	e->out_bytes += p ? p->size : 0;
	if (!e->posted)
		post = e->posted = true;
	/* Under the lock: engine_destroy must see a call as either made or never to be made. */
	if (post && loop_post(e->loop, deliver, e))
		e->posted = false;
	pthread_mutex_unlock(&e->lock);
}

void engine_stage_done(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	bool last = --e->stages == 0;
	int err = e->end_err;
	pthread_mutex_unlock(&e->lock);
	if (last)
		engine_emit(e, EVENT_END, NULL, err, e->end_reason);
}

void engine_fail(struct engine *e, int err, const char *reason)
{
	pthread_mutex_lock(&e->lock);
	if (!e->end_err) {
		e->end_err = err;
		str_copy(e->end_reason, sizeof(e->end_reason), reason);
	}
	pthread_mutex_unlock(&e->lock);
	engine_stop(e);
}

/* ---- building ---- */

AVCodecContext *engine_decoder(const struct media_track *t, char *err)
{
	const AVCodec *c = avcodec_find_decoder(mav_codec_to_id(t));
	AVCodecParameters *par = avcodec_parameters_alloc();
	AVCodecContext *cc = c ? avcodec_alloc_context3(c) : NULL;
	char words[MEDIA_ERR];
	int rc = AVERROR(ENOMEM);

	if (!c)
		mav_say(err, "no decoder for %s", t->codec_name);
	else if (!par || !cc || mav_parameters_from_track(par, t) ||
		 (rc = avcodec_parameters_to_context(cc, par)) < 0)
		mav_say(err, "decoder %s: %s", t->codec_name, mav_words(rc, words));
	else {
		cc->thread_count = 1; /* more threads cost a frame of delay each */
		cc->pkt_timebase = (AVRational){1, (int)SEC_US};
		rc = avcodec_open2(cc, c, NULL);
		if (rc < 0)
			mav_say(err, "decoder %s: %s", t->codec_name, mav_words(rc, words));
	}
	avcodec_parameters_free(&par);
	if (rc < 0)
		avcodec_free_context(&cc);
	return cc;
}

static void ladder_for(struct engine *e, const AVFrame *first)
{
	struct media_track like = {.width = first->width,
				   .height = first->height,
				   .fps = e->timeline.fps,
				   .sar = mav_to_ratio(first->sample_aspect_ratio)};

	if (!like.sar.num)
		like.sar = (struct ratio){1, 1};
	if (!e->conf.rungs)
		e->conf.rungs = ladder_default(e->conf.rung, &like);
	for (int i = 0; i < e->conf.rungs; i++) {
		struct stage *s = &e->rung[i];

		s->conf = e->conf.rung[i];
		rung_fit(&s->conf, &like);
	}
}

static int build_rung(struct engine *e, int i, const AVFrame *first, char *err)
{
	struct stage *s = &e->rung[i];
	int rc;

	s->e = e;
	s->index = i;
	s->gop = (struct ratio){e->timeline.gop * e->timeline.fps.den, e->timeline.fps.num};
	s->grid = (struct grid){.fps = s->conf.fps};
	s->first = grid_nearest(s->conf.fps, engine_start_us(e));
	if (grid_us(s->conf.fps, s->first) < engine_start_us(e))
		s->first++;
	if (s->conf.fps.num * s->gop.num % (s->conf.fps.den * s->gop.den))
		log_warn(
		    s->conf.name,
		    "a GOP is no whole number of frames: key frames come up to one frame late");
	e->rungs = i + 1;
	if ((rc = queue_init(&s->queue, PICTURES_CAP)) ||
	    (rc = scaler_create(&s->scaler, s->conf.width, s->conf.height)) ||
	    (rc = encoder_open_video(&s->enc, &s->conf, first, &e->info->track[i], i, err)))
		return rc;
	e->info->n++;
	return 0;
}

static int run_stages(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->stages += e->rungs;
	pthread_mutex_unlock(&e->lock);
	for (int i = 0; i < e->rungs; i++) {
		struct stage *s = &e->rung[i];
		int rc = -pthread_create(&s->thread, NULL, rung_main, s);

		if (rc) {
			pthread_mutex_lock(&e->lock);
			e->stages -= e->rungs - i;
			pthread_mutex_unlock(&e->lock);
			return rc;
		}
		s->running = true;
	}
	return 0;
}

int engine_build(struct engine *e, const AVFrame *first)
{
	char err[MEDIA_ERR] = "out of memory";
	int rc = 0;

	e->info = media_info_create();
	if (!e->info) {
		rc = -ENOMEM;
		goto fail;
	}
	e->info->utc = true;
	if (first)
		ladder_for(e, first);
	for (int i = 0; first && i < e->conf.rungs; i++)
		if ((rc = build_rung(e, i, first, err)))
			goto fail;
	if (!e->no_sound) {
		int i = e->info->n;

		if ((rc = encoder_open_audio(&e->audio_enc, e->conf.audio_bitrate,
					     &e->info->track[i], i, err)))
			goto fail;
		e->info->n++;
	}
	if ((rc = run_stages(e)))
		goto fail;
	engine_emit(e, EVENT_START, NULL, 0, NULL);
	pthread_mutex_lock(&e->lock);
	e->built = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return 0;
fail:
	engine_fail(e, rc, err);
	return rc;
}

bool engine_built(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	while (!e->built && !e->closing && !e->cancel && !e->no_picture_came)
		pthread_cond_wait(&e->changed, &e->lock);
	bool built = e->built;
	pthread_mutex_unlock(&e->lock);
	return built;
}

/* ---- life ---- */

int engine_create(struct engine **out, struct loop *l, const struct engine_conf *conf,
		  const struct engine_events *ev, void *arg)
{
	struct engine *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return -ENOMEM;
	e->loop = l;
	e->conf = *conf;
	e->ev = *ev;
	e->arg = arg;
	e->start_us = NEVER_US;
	e->utc_base_us = os_utc_us() - os_mono_us();
	list_init(&e->out);
	pthread_mutex_init(&e->lock, NULL);
	cond_init(&e->changed);
	loop_timer_init(l, &e->retry, deliver, e);
	e->stages = 3;
	if ((rc = queue_init(&e->video_queue, PACKETS_MAX)) ||
	    (rc = queue_init(&e->audio_queue, PACKETS_MAX)))
		goto fail;
	if ((rc = -pthread_create(&e->video, NULL, video_main, e)))
		goto fail;
	e->video_running = true;
	if ((rc = -pthread_create(&e->audio, NULL, audio_main, e)))
		goto fail;
	e->audio_running = true;
	if ((rc = -pthread_create(&e->input, NULL, input_main, e)))
		goto fail;
	e->input_running = true;
	*out = e;
	return 0;
fail:
	engine_destroy(e);
	return rc;
}

void engine_stats(struct engine *e, struct engine_stats *st)
{
	*st = (struct engine_stats){.frames_in = e->frames_in,
				    .packets_in = e->packets_in,
				    .bytes_in = e->bytes_in,
				    .damaged = e->damaged,
				    .undecoded = e->undecoded,
				    .silence_samples = e->silence,
				    .cut_samples = e->cut,
				    .overrun = e->overrun,
				    .opened = e->opened,
				    .present = e->present};
	for (int i = 0; i < TIMELINE_REPAIRS; i++)
		st->repairs[i] = e->repairs[i];
	pthread_mutex_lock(&e->lock);
	bool built = e->built;
	pthread_mutex_unlock(&e->lock);
	for (; built && st->rungs < e->rungs; st->rungs++) {
		struct stage *s = &e->rung[st->rungs];

		st->rung[st->rungs] =
		    (struct engine_rung_stats){.frames = s->frames,
					       .dropped = s->dropped,
					       .repeated = s->repeated,
					       .queued = (int)queue_len(&s->queue)};
	}
}

void engine_stop(struct engine *e)
{
	atomic_store(&e->cancel, true);
	if (e->conf.source.cancel)
		e->conf.source.cancel(e->conf.source.arg);
	pthread_mutex_lock(&e->lock);
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static void drain_works(struct queue *q)
{
	bool ended;

	for (struct work *w; q->made && (w = queue_pop(q, 0, &ended));)
		work_destroy(w);
	queue_finish(q);
}

static void finish_rung(struct stage *s)
{
	bool ended;

	for (struct picture *p; s->queue.made && (p = queue_pop(&s->queue, 0, &ended));)
		picture_destroy(p);
	queue_finish(&s->queue);
	encoder_close(&s->enc);
	scaler_destroy(s->scaler);
}

static void join_all(struct engine *e)
{
	queue_close(&e->video_queue);
	queue_close(&e->audio_queue);
	if (e->input_running)
		pthread_join(e->input, NULL);
	if (e->video_running)
		pthread_join(e->video, NULL);
	for (int i = 0; i < e->rungs; i++) {
		queue_close(&e->rung[i].queue);
		if (e->rung[i].running)
			pthread_join(e->rung[i].thread, NULL);
	}
	if (e->audio_running)
		pthread_join(e->audio, NULL);
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->closing = true;
	pthread_cond_broadcast(&e->changed);
	bool posted = e->posted;
	pthread_mutex_unlock(&e->lock);
	engine_stop(e);
	join_all(e);
	drain_works(&e->video_queue);
	drain_works(&e->audio_queue);
	for (int i = 0; i < e->rungs; i++)
		finish_rung(&e->rung[i]);
	encoder_close(&e->audio_enc);
	media_info_unref(e->info);
	out_clear(&e->out);
	loop_timer_stop(&e->retry);
	e->gone = true;
	/* A call of deliver that is still to come (or that we are in) frees the memory. */
	if (!posted || e->retrying)
		free_engine(e);
}
