#include <errno.h>

#include "log/log.h"
#include "media/pipeline.h"
#include "os/os.h"

#define HOLE_MAX \
	60 /* frames that may be missing between the output's start and the first picture */

struct video {
	struct engine *e;
	AVCodecContext *dec;
	AVPacket *pkt;
	AVFrame *frame;
	bool failed;
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
	p->key = grid_gop_of(s->conf.fps, s->gop, n) != grid_gop_of(s->conf.fps, s->gop, n - 1);
	s->repeated += !frame;
	if (!e->conf.source.live && !e->conf.source.paced) {
		if (!queue_push(&s->queue, p))
			picture_destroy(p);
		return;
	}
	struct picture *gone = queue_offer(&s->queue, p, &door);
	if (!gone)
		return;
	s->dropped++;
	picture_destroy(gone);
}

static void place(struct engine *e, struct stage *s, const AVFrame *f)
{
	int64_t n;

	if (!s->grid.begun) {
		n = grid_nearest(s->conf.fps, f->pts);
		if (n < s->first)
			return;
		/* Output begins at the GOP's first frame, even when the source has a hole there. */
		for (int64_t k = s->first; k <= n && k < s->first + HOLE_MAX; k++)
			give(e, s, f, k);
		s->grid.next = n + 1;
		return;
	}
	if (!grid_place(&s->grid, f->pts, &n))
		return;
	while (s->grid.next < n)
		give(e, s, NULL, s->grid.next);
	give(e, s, f, n);
}

static void on_frame(struct video *v)
{
	struct engine *e = v->e;
	int64_t start = engine_start_us(e);

	if (start == NEVER_US || v->failed)
		return;
	if (!e->rungs && engine_build(e, v->frame)) {
		v->failed = true;
		return;
	}
	if (v->frame->pts == AV_NOPTS_VALUE)
		return;
	for (int i = 0; i < e->rungs; i++)
		place(e, &e->rung[i], v->frame);
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
	v->dec = engine_decoder(&w->info->track[w->track], err);
	if (!v->dec)
		log_warn("video", "%s", err);
	if (!v->dec && !v->e->rungs)
		engine_fail(v->e, -EINVAL, err);
}

static void decode(struct video *v, const struct work *w)
{
	mav_packet_borrow(v->pkt, w->packet);
	v->pkt->pts = w->out_us;
	v->pkt->dts = AV_NOPTS_VALUE;
	int rc = v->dec ? avcodec_send_packet(v->dec, v->pkt) : AVERROR_DECODER_NOT_FOUND;
	av_packet_unref(v->pkt);
	if (rc < 0)
		v->e->undecoded++;
	if (v->dec)
		receive(v);
}

/* When the next place of a live source will have been empty for HOLD_US (monotonic). */
static int64_t due(const struct engine *e)
{
	int64_t next = NEVER_US;

	for (int i = 0; e->conf.source.live && i < e->rungs; i++) {
		const struct stage *s = &e->rung[i];

		if (s->grid.begun)
			next = MIN(next,
				   grid_us(s->conf.fps, s->grid.next) + HOLD_US - e->utc_base_us);
	}
	return next;
}

/* Those places get the last picture again. Only when nothing waits to be decoded: a machine that was held up is no loss of
 * the source. */
static void fill(struct engine *e)
{
	int64_t now = engine_utc_us(e);

	for (int i = 0; e->conf.source.live && i < e->rungs; i++) {
		struct stage *s = &e->rung[i];

		while (s->grid.begun && grid_us(s->conf.fps, s->grid.next) + HOLD_US <= now)
			give(e, s, NULL, s->grid.next);
	}
}

void *video_main(void *arg)
{
	struct video v = {.e = arg, .pkt = av_packet_alloc(), .frame = av_frame_alloc()};
	struct engine *e = arg;
	bool ended = !v.pkt || !v.frame;

	while (!ended) {
		struct work *w = queue_pop(&e->video_queue, due(e), &ended);

		if (w && w->packet)
			decode(&v, w);
		else if (w)
			new_source(&v, w);
		else if (!ended)
			fill(e);
		work_destroy(w);
	}
	flush(&v);
	for (int i = 0; i < e->rungs; i++)
		queue_close(&e->rung[i].queue);
	pthread_mutex_lock(&e->lock);
	e->no_picture_came = !e->no_picture;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	av_packet_free(&v.pkt);
	av_frame_free(&v.frame);
	engine_stage_done(e);
	return NULL;
}
