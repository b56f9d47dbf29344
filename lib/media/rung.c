#include <errno.h>

#include "log/log.h"
#include "media/pipeline.h"
#include "os/os.h"

static void give_out(struct stage *s, int64_t since_us)
{
	for (struct media_packet *p; (p = encoder_receive(&s->enc));) {
		s->frames++;
		engine_emit(s->e, EVENT_PACKET, p, os_mono_us() - since_us, NULL);
	}
}

/* The captions that are due; those that came with a picture which is passed on unscaled are among them. */
static void caption(struct stage *s, AVFrame *own, int64_t n)
{
	uint8_t cc[CAPTION_FRAME * 3];
	size_t size = captions_take(&s->captions, n, cc);

	av_frame_remove_side_data(own, AV_FRAME_DATA_A53_CC);
	AVFrameSideData *to = size ? av_frame_new_side_data(own, AV_FRAME_DATA_A53_CC, size) : NULL;
	if (!to)
		return;
	memcpy(to->data, cc, size);
	s->captioned++;
}

/* f stays the scaler's or the caller's; a frame of our own bears what differs. */
static int encode(struct stage *s, const AVFrame *f, AVFrame *own, const struct picture *p)
{
	av_frame_unref(own);
	if (av_frame_ref(own, f) < 0)
		return -ENOMEM;
	own->pts = p->n;
	own->pict_type = p->key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	own->sample_aspect_ratio = (AVRational){1, 1};
	caption(s, own, p->n);
	if (!s->overlay)
		return encoder_send(&s->enc, own);
	overlay_draw(s->overlay, own, grid_us(s->conf.fps, p->n));
	int rc = encoder_send(&s->enc, own);
	overlay_undraw(s->overlay, own);
	return rc;
}

/* The next picture; the last one again when it is a repeat, or could not be scaled. */
static bool next(struct stage *s, struct picture *p, AVFrame *last)
{
	if (!p->frame)
		return last->width;
	av_frame_unref(last);
	av_frame_move_ref(last, p->frame);
	return true;
}

void *rung_main(void *arg)
{
	struct stage *s = arg;
	AVFrame *last = av_frame_alloc(), *own = av_frame_alloc();
	struct log_limit limit = {0};
	bool ended = !last || !own;

	os_thread_name(s->conf.name);
	while (!ended) {
		struct picture *p = queue_pop(&s->ready, NEVER_US, &ended);
		int64_t since = os_mono_us();

		if (!p)
			continue;
		if (queue_len(&s->queue))
			scaling_poke(s->e);
		if (!next(s, p, last))
			s->dropped++;
		else if (encode(s, last, own, p) && log_allow(&limit, 1, 10 * SEC_US, since))
			log_error(s->conf.name, "the encoder failed on a frame");
		s->encode_us += os_mono_us() - since;
		give_out(s, since - p->scale_us);
		picture_destroy(p);
	}
	if (!encoder_send(&s->enc, NULL))
		give_out(s, os_mono_us());
	av_frame_free(&last);
	av_frame_free(&own);
	engine_stage_done(s->e);
	return NULL;
}
