#include <errno.h>

#include "log/log.h"
#include "media/lag.h"
#include "media/pipeline.h"
#include "media/slate.h"
#include "media/upright.h"
#include "os/os.h"

#define HOLE_MAX \
	60 /* frames that may be missing between the output's start and the first picture */

#define MEASURE_US \
	(500 * MS_US) /* tell how much a source sends; less would be its first key frame */

#define BROKEN_US \
	(1500 * \
	 MS_US) /* pictures that may be damaged are left out for so long; then they are better than none */

struct video {
	struct engine *e;
	int input; /* whose packets are decoded */
	AVCodecContext *dec;
	AVPacket *pkt;
	AVFrame *frame;
	AVFrame *second;   /* empty but while a picture of a second field is passed on */
	int64_t framed_us; /* of the last frame */
	struct upright upright;
	struct watch watch;
	bool watched;
	int turn;
	bool failed;
	bool copies;		 /* no rung is encoded, so nothing is decoded */
	struct media_info *info; /* of what is decoded */
	int track;
	struct lag lag;
	struct log_limit lags;
	bool lost;	   /* packets are missing before what is decoded */
	int64_t broken_us; /* of the first picture left out, NEVER_US: all is well */
	int64_t shown_us;  /* of the last picture of a source */
	int64_t bytes,
	    since_us;	/* of the source before the rungs are made; NEVER_US: nothing has come */
	AVFrame *slate; /* made or lent by the engine */
};

static bool counts(const void *picture)
{
	const struct picture *p = picture;

	return p->frame;
}

static bool may_go(const void *picture)
{
	const struct picture *p = picture;

	return !p->key;
}

static const struct queue_door door = {PICTURES_MAX, counts, may_go};

static bool is_key(const struct stage *s, int64_t n)
{
	return grid_gop_of(s->conf.fps, s->gop, n) != grid_gop_of(s->conf.fps, s->gop, n - 1);
}

static void give(struct engine *e, struct stage *s, const AVFrame *frame, int64_t n)
{
	struct picture *p = calloc(1, sizeof(*p));

	grid_taken(&s->grid, n);
	if (!p || (frame && !(p->frame = av_frame_clone(frame)))) {
		free(p);
		s->dropped++;
		return;
	}
	p->n = n;
	p->us = grid_us(s->conf.fps, n);
	p->key = is_key(s, n);
	s->repeated += !frame;
	struct picture *gone = NULL;
	if (engine_waits(e))
		gone = queue_push(&s->queue, p) ? NULL : p;
	else if ((gone = queue_offer(&s->queue, p, &door)))
		s->dropped++;
	picture_destroy(gone);
	scaling_poke(e);
}

/* The captions of f go with frame n of the rung, or the first after it that is encoded. */
static void pass_captions(struct stage *s, const AVFrame *f, int64_t n)
{
	const AVFrameSideData *said = f ? av_frame_get_side_data(f, AV_FRAME_DATA_A53_CC) : NULL;

	if (said)
		captions_put(&s->captions, n, said->data, said->size);
}

/* f NULL: the last picture again. */
static void place(struct engine *e, struct stage *s, const AVFrame *f, int64_t us)
{
	int64_t n;

	if (!s->grid.begun) {
		n = grid_nearest(s->conf.fps, us);
		if (n < s->first || !f)
			return;
		pass_captions(s, f, n);
		/* Output begins at the GOP's first frame, even when the source has a hole there. */
		for (int64_t k = s->first; k <= n && k < s->first + HOLE_MAX; k++)
			give(e, s, f, k);
		s->grid.next = n + 1;
		return;
	}
	if (!grid_place(&s->grid, us, &n)) {
		pass_captions(s, f, s->grid.next);
		return;
	}
	pass_captions(s, f, n);
	while (s->grid.next < n)
		give(e, s, NULL, s->grid.next);
	give(e, s, f, n);
}

/* Is the picture damaged, or does it follow one that is, with no key frame between? What is never mended is shown in the
 * end. */
static bool is_broken(struct video *v, const AVFrame *f)
{
	bool bad = v->lost || f->flags & AV_FRAME_FLAG_CORRUPT || f->decode_error_flags;

	v->lost = false;
	if (!bad && (v->broken_us == NEVER_US || f->key_frame)) {
		v->broken_us = NEVER_US;
		return false;
	}
	if (v->broken_us == NEVER_US)
		v->broken_us = f->pts;
	if (f->pts - v->broken_us > BROKEN_US || f->pts < v->broken_us) {
		if (!bad)
			v->broken_us = NEVER_US;
		return false;
	}
	v->e->broken++;
	return true;
}

static void look(struct video *v, const AVFrame *f)
{
	unsigned has;

	if (!v->watched || !watch_look(&v->watch, f, f->pts, &has))
		return;
	engine_fault(v->e, v->input, FAULT_BLACK, has >> FAULT_BLACK & 1);
	engine_fault(v->e, v->input, FAULT_FROZEN, has >> FAULT_FROZEN & 1);
}

static void on_picture(struct video *v, const AVFrame *f, bool broken)
{
	struct engine *e = v->e;

	for (int i = 0; i < e->rungs; i++) {
		if (e->rung[i].conf.copy)
			continue;
		place(e, &e->rung[i], broken ? NULL : f, f->pts);
		e->rung[i].slated &= broken;
	}
	if (broken)
		return;
	v->shown_us = f->pts;
	e->slated = false;
}

/* Half the distance of the source's frames. */
static int64_t field_us(const struct video *v, int64_t us)
{
	int64_t step = us - v->framed_us;

	if (step < 10 * MS_US || step > 100 * MS_US)
		step = SEC_US * v->e->fps.den / v->e->fps.num;
	return step / 2;
}

static void on_frame(struct video *v)
{
	struct engine *e = v->e;
	AVFrame *f = v->frame, *second = v->second;

	if (engine_start_us(e) == NEVER_US || v->failed || f->pts == AV_NOPTS_VALUE)
		return;
	bool broken = is_broken(v, f);
	if (!broken)
		look(v, f);
	if (!broken && upright_run(&v->upright, f, v->turn, second))
		return;
	e->fields |= !e->rungs && second->width;
	if (!e->rungs && engine_build(e, f, &v->info->track[v->track])) {
		v->failed = true;
		return;
	}
	on_picture(v, f, broken);
	if (e->thumbs && !broken)
		thumbs_offer(e->thumbs, f, f->pts, engine_waits(e));
	if (second->width) {
		second->pts = f->pts + field_us(v, f->pts);
		on_picture(v, second, false);
		av_frame_unref(second);
	}
	v->framed_us = f->pts;
}

static void receive(struct video *v)
{
	while (!avcodec_receive_frame(v->dec, v->frame)) {
		on_frame(v);
		av_frame_unref(v->frame);
	}
}

static void flush(struct video *v)
{
	if (v->dec && !avcodec_send_packet(v->dec, NULL))
		receive(v);
	avcodec_free_context(&v->dec);
}

static void new_source(struct video *v, const struct work *w)
{
	char err[MEDIA_ERR];

	flush(v);
	v->input = w->input;
	v->broken_us = NEVER_US;
	v->lost = false;
	v->bytes = 0;
	v->since_us = NEVER_US;
	v->turn = w->info->track[w->track].turn;
	upright_finish(&v->upright);
	watch_begin(&v->watch);
	media_info_unref(v->info);
	v->info = media_info_ref(w->info);
	v->track = w->track;
	for (int i = 0; i < v->e->rungs; i++) {
		grid_forget(&v->e->rung[i].grid);
		if (v->e->rung[i].conf.copy)
			copy_source(&v->e->rung[i], &w->info->track[w->track]);
	}
	if (v->copies)
		return;
	v->dec = engine_decoder(&w->info->track[w->track], err);
	if (!v->dec)
		log_warn("video", "%s", err);
	if (!v->dec && !v->e->rungs && v->e->conf.sources == 1)
		engine_fail(v->e, -EINVAL, err);
}

static void pass_through(struct video *v, const struct work *w)
{
	struct engine *e = v->e;

	/* The source has changed its parameters. */
	if (w->info != v->info) {
		media_info_unref(v->info);
		v->info = media_info_ref(w->info);
		for (int i = 0; i < e->rungs; i++)
			if (e->rung[i].conf.copy)
				copy_source(&e->rung[i], &w->info->track[w->track]);
	}
	if (v->copies && !e->rungs && engine_start_us(e) != NEVER_US && !v->failed)
		v->failed = engine_build(e, NULL, &w->info->track[w->track]);
	for (int i = 0; i < e->rungs; i++)
		if (e->rung[i].conf.copy)
			copy_packet(&e->rung[i], w);
}

static int64_t is_key_frame(const void *work)
{
	const struct work *w = work;

	return w->packet && w->packet->key;
}

/* Does the machine lag so far behind a source that does not wait that this is not to be decoded? */
static bool leave_out(struct video *v, const struct work *w)
{
	struct engine *e = v->e;
	const struct media_packet *p = w->packet;
	int64_t now = os_mono_us();
	struct lag_packet l = {
	    .waited_us = now - w->since_us, .key = p->key, .keys_behind = e->keys_waiting};

	if (engine_waits(e))
		return false;
	/* Only where it may matter: it is looked for. */
	if (l.waited_us > LAG_SOME_US)
		l.disposable = p->key ? queue_first(&e->video_queue, is_key_frame) == 1
				      : lag_disposable(&v->info->track[v->track], p);
	if (!lag_leaves_out(&v->lag, &l))
		return false;
	e->skipped++;
	/* The source is there, and its last picture better than the slate. */
	v->shown_us = MAX(v->shown_us, w->out_us);
	if (log_allow(&v->lags, 1, 10 * SEC_US, now))
		log_warn("video", "decoding is %.1f s late: pictures are left out",
			 (double)l.waited_us / 1e6);
	return true;
}

/* How much the source sends, as long as a ladder may want to know it. */
static void measure(struct video *v, const struct work *w)
{
	int64_t us =
	    base_rescale(w->packet->dts, w->info->track[w->track].tb, (struct ratio){1, SEC_US});

	if (v->e->rungs)
		return;
	if (v->since_us == NEVER_US)
		v->since_us = us;
	if (us - v->since_us >= MEASURE_US)
		v->e->video_bitrate = base_scale(v->bytes * 8, SEC_US, us - v->since_us);
	v->bytes += (int64_t)w->packet->size;
}

static void decode(struct video *v, const struct work *w)
{
	int64_t since = os_mono_us();

	if (w->input != v->input)
		return;
	measure(v, w);
	pass_through(v, w);
	if (v->copies || leave_out(v, w))
		return;
	v->lost = (v->lost || w->packet->loss) && !w->packet->key;
	mav_packet_borrow(v->pkt, w->packet);
	v->pkt->pts = w->out_us;
	v->pkt->dts = AV_NOPTS_VALUE;
	int rc = v->dec ? avcodec_send_packet(v->dec, v->pkt) : AVERROR_DECODER_NOT_FOUND;
	av_packet_unref(v->pkt);
	if (rc < 0)
		v->e->undecoded++;
	if (v->dec)
		receive(v);
	v->e->decode_us += os_mono_us() - since;
}

/* When the next place of a live source will have been empty for HOLD_US (monotonic). */
static int64_t due(const struct engine *e)
{
	int64_t next = NEVER_US;

	for (int i = 0; e->live && i < e->rungs; i++) {
		const struct stage *s = &e->rung[i];

		if (s->grid.begun)
			next = MIN(next,
				   grid_us(s->conf.fps, s->grid.next) + HOLD_US - e->utc_base_us);
	}
	return next;
}

static AVFrame *slate_of(struct video *v)
{
	struct engine *e = v->e;

	if (!v->slate && e->slate)
		v->slate = av_frame_clone(e->slate);
	for (int i = 0; !v->slate && i < e->rungs; i++)
		if (!e->rung[i].conf.copy)
			v->slate = slate_draw(e->rung[i].conf.width, e->rung[i].conf.height,
					      e->slate_text);
	return v->slate;
}

/* Is it time for the slate? */
static bool is_gone(struct video *v, int64_t now)
{
	struct engine *e = v->e;

	if (e->conf.slate_us == NEVER_US || now - v->shown_us < e->conf.slate_us || !slate_of(v))
		return false;
	e->slates += !e->slated;
	e->slated = true;
	return true;
}

/* Places whose time is over get the last picture again, or the slate. Only when nothing waits to be decoded: a machine that
 * was held up is no loss of the source. */
static void fill(struct video *v)
{
	struct engine *e = v->e;
	int64_t now = engine_utc_us(e);

	for (int i = 0; e->live && i < e->rungs; i++) {
		struct stage *s = &e->rung[i];

		while (s->grid.begun && grid_us(s->conf.fps, s->grid.next) + HOLD_US <= now) {
			bool gone = is_gone(v, now), anew = !s->slated || is_key(s, s->grid.next);

			if (gone && e->thumbs)
				thumbs_offer(e->thumbs, v->slate, now, false);
			give(e, s, gone && anew ? v->slate : NULL, s->grid.next);
			s->slated = gone;
		}
	}
}

void *video_main(void *arg)
{
	struct video v = {.e = arg,
			  .input = -1,
			  .broken_us = NEVER_US,
			  .since_us = NEVER_US,
			  .pkt = av_packet_alloc(),
			  .frame = av_frame_alloc(),
			  .second = av_frame_alloc()};
	struct engine *e = arg;
	os_thread_name("decode");
	bool ended = !v.pkt || !v.frame || !v.second;

	v.upright.mode = e->conf.deinterlace;
	for (int k = FAULT_BLACK; k <= FAULT_FROZEN; k++)
		v.watched |= e->conf.alert_us[k] || e->conf.fault_us[k];

	v.copies = e->conf.rungs > 0 && !e->thumbs;
	for (int i = 0; i < e->conf.rungs; i++)
		v.copies &= e->conf.rung[i].copy;

	while (!ended) {
		struct work *w = queue_pop(&e->video_queue, due(e), &ended);

		if (w && w->packet) {
			e->keys_waiting -= w->packet->key;
			decode(&v, w);
		} else if (w) {
			new_source(&v, w);
		}
		work_destroy(w);
		if (!ended && !queue_len(&e->video_queue))
			fill(&v);
	}
	flush(&v);
	if (e->thumbs)
		thumbs_flush(e->thumbs);
	for (int i = 0; i < e->rungs; i++)
		queue_close(&e->rung[i].queue);
	scaling_poke(e);
	pthread_mutex_lock(&e->lock);
	e->no_picture_came = !e->no_picture;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	av_packet_free(&v.pkt);
	av_frame_free(&v.frame);
	av_frame_free(&v.second);
	av_frame_free(&v.slate);
	media_info_unref(v.info);
	upright_finish(&v.upright);
	engine_stage_done(e);
	return NULL;
}
