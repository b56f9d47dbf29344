#include <errno.h>
#include <stdio.h>

#include "log/log.h"
#include "media/pipeline.h"
#include "media/slate.h"
#include "os/os.h"

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

bool engine_waits(const struct engine *e)
{
	return !e->live && !e->conf.source[0].paced;
}

/* Sets or clears a bit of an alert; true when that is a change. */
static bool set_alert(struct input *in, int kind, bool on)
{
	unsigned bit = 1u << kind;

	if (!(in->alerted & bit) == !on)
		return false;
	in->alerted ^= bit;
	in->alerts[kind] += on;
	return true;
}

void engine_fault(struct engine *e, int input, enum failover_fault kind, bool on)
{
	struct input *in = &e->input[input];
	int64_t now = os_mono_us(), after = e->conf.alert_us[kind];

	pthread_mutex_lock(&e->lock);
	failover_seen(&e->failover, input, kind, on, now);
	bool told = set_alert(
	    in, kind, on && after && now - e->failover.input[input].since_us[kind] >= after);
	pthread_mutex_unlock(&e->lock);
	if (told)
		engine_emit(e, EVENT_ALERT, NULL, (input * ENGINE_ALERTS + (int)kind) * 2 + on,
			    NULL);
}

void engine_packet_alerts(struct engine *e, int input, unsigned on)
{
	for (int i = 0; i < ALERTS; i++) {
		int kind = FAILOVER_FAULTS + i;

		if (set_alert(&e->input[input], kind, on >> i & 1))
			engine_emit(e, EVENT_ALERT, NULL,
				    (input * ENGINE_ALERTS + kind) * 2 + (on >> i & 1), NULL);
	}
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

static void ladder_for(struct engine *e, const AVFrame *first, const struct media_track *source)
{
	struct media_track like = {.codec = source->codec,
				   .width = source->width,
				   .height = source->height,
				   .sar = source->sar,
				   .fps = e->fps,
				   .bitrate = source->bitrate ? source->bitrate : e->video_bitrate};

	if (e->fields)
		like.fps.num *= 2;
	if (first) {
		like.width = first->width;
		like.height = first->height;
		like.sar = mav_to_ratio(first->sample_aspect_ratio);
	}
	if (!like.sar.num)
		like.sar = (struct ratio){1, 1};
	struct rung asked[LADDER_MAX];
	memcpy(asked, e->conf.rung, sizeof(asked));
	e->conf.rungs = ladder_expand(e->conf.rung, asked, e->conf.rungs, &like);
	for (int i = 0; i < e->conf.rungs; i++) {
		struct stage *s = &e->rung[i];

		s->conf = e->conf.rung[i];
		rung_fit(&s->conf, &like);
	}
}

static int build_rung(struct engine *e, int i, const AVFrame *first,
		      const struct media_track *source, char *err)
{
	struct stage *s = &e->rung[i];
	int rc;

	s->e = e;
	s->index = i;
	s->gop = (struct ratio){e->gop * e->fps.den, e->fps.num};
	s->grid = (struct grid){.fps = s->conf.fps};
	s->first = grid_nearest(s->conf.fps, engine_start_us(e));
	if (grid_us(s->conf.fps, s->first) < engine_start_us(e))
		s->first++;
	if (s->conf.fps.num * s->gop.num % (s->conf.fps.den * s->gop.den))
		log_warn(
		    s->conf.name,
		    "a GOP is no whole number of frames: key frames come up to one frame late");
	e->rungs = i + 1;
	if (s->conf.copy) {
		e->info->n++;
		return copy_build(s, source, &e->info->track[i]);
	}
	captions_init(&s->captions);
	if ((rc = queue_init(&s->queue, engine_waits(e) ? PICTURES_WAIT : PICTURES_CAP)) ||
	    (rc = queue_init(&s->ready, READY_MAX)) ||
	    (rc = scaler_create(&s->scaler, s->conf.width, s->conf.height)) ||
	    (rc = encoder_open_video(&s->enc, &s->conf, first, &e->info->track[i], i, err)))
		return rc;
	e->info->n++;
	if (!e->overlays)
		return 0;
	scaler_keep(s->scaler);
	return overlay_create(&s->overlay, e->overlays, s->conf.width, s->conf.height,
			      first->colorspace, err);
}

static int build_sounds(struct engine *e, char *err)
{
	for (int i = 0; i < e->sounds; i++) {
		int at = e->info->n, rc;

		rc = encoder_open_audio(&e->sound_enc[i], &e->sound[i], &e->info->track[at], at,
					err);
		if (rc)
			return rc;
		e->info->n++;
	}
	return 0;
}

static int run_stages(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	for (int i = 0; i < e->rungs; i++)
		e->stages += !e->rung[i].conf.copy;
	pthread_mutex_unlock(&e->lock);
	int rc = 0;
	for (int i = 0; i < e->rungs; i++) {
		struct stage *s = &e->rung[i];

		if (s->conf.copy)
			continue;
		if (!rc)
			rc = -pthread_create(&s->thread, NULL, rung_main, s);
		s->running = !rc;
		if (!rc)
			continue;
		pthread_mutex_lock(&e->lock);
		e->stages--;
		pthread_mutex_unlock(&e->lock);
	}
	if (!rc)
		rc = scaling_start(e);
	/* Then nobody else would. */
	for (int i = 0; rc && i < e->rungs; i++)
		queue_close(&e->rung[i].ready);
	return rc;
}

int engine_build(struct engine *e, const AVFrame *first, const struct media_track *source)
{
	char err[MEDIA_ERR] = "out of memory";
	int rc = 0;

	e->info = media_info_create();
	if (!e->info) {
		rc = -ENOMEM;
		goto fail;
	}
	e->info->utc = true;
	if (source)
		ladder_for(e, first, source);
	for (int i = 0; source && i < e->conf.rungs; i++)
		if ((rc = build_rung(e, i, first, source, err)))
			goto fail;
	if ((rc = build_sounds(e, err)))
		goto fail;
	side_build(e, first);
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

static void init(struct engine *e, struct loop *l, const struct engine_conf *conf)
{
	e->loop = l;
	e->conf = *conf;
	str_copy(e->slate_text, sizeof(e->slate_text), conf->slate_text ? conf->slate_text : "");
	e->live = conf->source[0].live || conf->sources > 1;
	e->start_us = NEVER_US;
	e->utc_base_us = os_utc_us() - os_mono_us();
	list_init(&e->out);
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->side_lock, NULL);
	cond_init(&e->changed);
	pthread_mutex_init(&e->scale_lock, NULL);
	cond_init(&e->scale_wake);
	loop_timer_init(l, &e->retry, engine_deliver, e);
	failover_init(&e->failover, conf->loss_us, conf->return_us);
	memcpy(e->failover.fault_us, conf->fault_us, sizeof(conf->fault_us));
	for (int i = 0; i < conf->sources; i++) {
		e->input[i].e = e;
		e->input[i].index = i;
		e->input[i].source = conf->source[i];
		list_init(&e->input[i].cache);
		alerts_init(&e->input[i].packets, &conf->alerts);
	}
	e->inputs_left = conf->sources;
	e->stages = 2 + conf->sources;
}

static int start(struct engine *e)
{
	int rc;

	if ((rc = queue_init(&e->video_queue, PACKETS_MAX)) ||
	    (rc = queue_init(&e->audio_queue, PACKETS_MAX)))
		return rc;
	if ((rc = -pthread_create(&e->video, NULL, video_main, e)))
		return rc;
	e->video_running = true;
	if ((rc = -pthread_create(&e->audio, NULL, audio_main, e)))
		return rc;
	e->audio_running = true;
	for (int i = 0; i < e->conf.sources && !rc; i++) {
		rc = -pthread_create(&e->input[i].thread, NULL, input_main, &e->input[i]);
		e->input[i].running = !rc;
	}
	return rc;
}

int engine_create(struct engine **out, struct loop *l, const struct engine_conf *conf,
		  const struct engine_events *ev, void *arg, char *err)
{
	struct engine *e = calloc(1, sizeof(*e));
	int rc = -ENOMEM;

	*err = 0;
	if (!e)
		return rc;
	init(e, l, conf);
	e->ev = *ev;
	e->arg = arg;
	if (conf->slate_file && (rc = slate_load(&e->slate, conf->slate_file, err)))
		goto fail;
	if (conf->overlays &&
	    (rc = overlays_create(&e->overlays, conf->overlay, conf->overlays, err)))
		goto fail;
	if (conf->thumbs &&
	    (rc = thumbs_create(&e->thumbs, conf->thumb, conf->thumbs, side_picture, e, err)))
		goto fail;
	if ((rc = start(e)))
		goto fail;
	*out = e;
	return 0;
fail:
	if (!*err)
		mav_say(err, "%s", strerror(-rc));
	engine_destroy(e);
	return rc;
}

static void input_stats(struct engine *e, struct engine_stats *st)
{
	pthread_mutex_lock(&e->lock);
	int active = e->failover.active;
	memcpy(st->switches, e->failover.changes, sizeof(st->switches));
	pthread_mutex_unlock(&e->lock);
	for (int i = 0; i < e->conf.sources; i++) {
		const struct input *in = &e->input[i];

		st->input[i] = (struct engine_input_stats){
		    .opened = in->opened, .present = in->present, .active = i == active};
		st->input[i].alerted = in->alerted;
		for (int k = 0; k < ENGINE_ALERTS; k++)
			st->input[i].alerts[k] = in->alerts[k];
		st->present |= in->present && i == active;
		for (int k = 0; k < TIMELINE_REPAIRS; k++)
			st->repairs[k] += in->repairs[k];
	}
}

static void sound_stats(struct engine *e, struct engine_stats *st)
{
	for (; st->sounds < e->sounds; st->sounds++) {
		struct sound_figures *f = &e->sound_figures[st->sounds];

		st->sound[st->sounds] =
		    (struct engine_sound_stats){.momentary = f->momentary / 100.0,
						.short_term = f->short_term / 100.0,
						.integrated = f->integrated / 100.0,
						.gain = f->gain / 100.0,
						.limited = f->limited};
	}
}

void engine_stats(struct engine *e, struct engine_stats *st)
{
	*st = (struct engine_stats){.frames_in = e->frames_in,
				    .packets_in = e->packets_in,
				    .bytes_in = e->bytes_in,
				    .damaged = e->damaged,
				    .undecoded = e->undecoded,
				    .skipped = e->skipped,
				    .broken = e->broken,
				    .slates = e->slates,
				    .slate = e->slated,
				    .silence_samples = e->silence,
				    .side_packets = e->side_packets,
				    .side_dropped = e->side_dropped,
				    .cut_samples = e->cut,
				    .overrun = e->overrun,
				    .decode_us = e->decode_us,
				    .queued = (int)queue_len(&e->video_queue),
				    .inputs = e->conf.sources};
	input_stats(e, st);
	for (; st->thumbs < e->conf.thumbs; st->thumbs++) {
		int i = st->thumbs;

		st->thumb[i].name = e->conf.thumb[i].name;
		st->thumb[i].written = thumbs_written(e->thumbs, i);
		st->thumb[i].failed = thumbs_failed(e->thumbs, i);
	}
	pthread_mutex_lock(&e->lock);
	bool built = e->built;
	pthread_mutex_unlock(&e->lock);
	if (built)
		sound_stats(e, st);
	for (; built && st->rungs < e->rungs; st->rungs++) {
		struct stage *s = &e->rung[st->rungs];

		st->rung[st->rungs] = (struct engine_rung_stats){
		    .frames = s->frames,
		    .dropped = s->dropped,
		    .repeated = s->repeated,
		    .scale_us = s->scale_us,
		    .encode_us = s->encode_us,
		    .ready = s->ready.made ? (int)queue_len(&s->ready) : 0,
		    .captioned = s->captioned,
		    .instead = s->enc.instead,
		    .queued = s->queue.made ? (int)queue_len(&s->queue) : 0};
	}
}

void engine_stop(struct engine *e)
{
	atomic_store(&e->cancel, true);
	for (int i = 0; i < e->conf.sources; i++)
		if (e->conf.source[i].cancel)
			e->conf.source[i].cancel(e->conf.source[i].arg);
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

static void drain_pictures(struct queue *q)
{
	bool ended;

	for (struct picture *p; q->made && (p = queue_pop(q, 0, &ended));)
		picture_destroy(p);
	queue_finish(q);
}

static void finish_rung(struct stage *s)
{
	drain_pictures(&s->queue);
	drain_pictures(&s->ready);
	encoder_close(&s->enc);
	scaling_finish(s);
	captions_finish(&s->captions);
	overlay_destroy(s->overlay);
}

static void join_all(struct engine *e)
{
	queue_close(&e->video_queue);
	queue_close(&e->audio_queue);
	for (int i = 0; i < e->conf.sources; i++)
		if (e->input[i].running)
			pthread_join(e->input[i].thread, NULL);
	if (e->video_running)
		pthread_join(e->video, NULL);
	for (int i = 0; i < e->rungs; i++) {
		queue_close(&e->rung[i].queue);
		queue_close(&e->rung[i].ready);
	}
	scaling_join(e);
	for (int i = 0; i < e->rungs; i++)
		if (e->rung[i].running)
			pthread_join(e->rung[i].thread, NULL);
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
	for (int i = 0; i < SOUNDS_MAX; i++)
		encoder_close(&e->sound_enc[i]);
	thumbs_destroy(e->thumbs);
	side_finish(e);
	media_info_unref(e->info);
	engine_events_clear(e);
	loop_timer_stop(&e->retry);
	e->gone = true;
	/* A call of deliver that is still to come (or that we are in) frees the memory. */
	if (!posted || e->retrying)
		engine_free(e);
}
