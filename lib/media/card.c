#include "media/card.h"

#include <errno.h>

#define POOL \
	20 /* pictures in the card's memory: what an encoder refers to, and some on their way */

static int open_memory(struct card *c, AVCodecContext *cc, char *err)
{
	AVBufferRef *device = NULL;
	char words[MEDIA_ERR];
	int rc = av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_VAAPI, NULL, NULL, 0);

	if (rc < 0)
		return mav_say(err, "no device of VA-API: %s", mav_words(rc, words)), mav_errno(rc);
	c->frames = av_hwframe_ctx_alloc(device);
	av_buffer_unref(&device); /* the frames hold it */
	if (!c->frames)
		return -ENOMEM;
	AVHWFramesContext *fc = (AVHWFramesContext *)c->frames->data;
	fc->format = AV_PIX_FMT_VAAPI;
	fc->sw_format = AV_PIX_FMT_NV12;
	fc->width = cc->width;
	fc->height = cc->height;
	fc->initial_pool_size = POOL;
	rc = av_hwframe_ctx_init(c->frames);
	if (rc < 0)
		return mav_say(err, "memory of VA-API: %s", mav_words(rc, words)), mav_errno(rc);
	cc->pix_fmt = AV_PIX_FMT_VAAPI;
	cc->hw_frames_ctx = av_buffer_ref(c->frames);
	return cc->hw_frames_ctx ? 0 : -ENOMEM;
}

int card_open(struct card *c, enum card_wants wants, AVCodecContext *cc, char *err)
{
	*c = (struct card){.wants = wants};
	if (wants == CARD_NOTHING)
		return 0;
	cc->pix_fmt = AV_PIX_FMT_NV12;
	c->nv12 = av_frame_alloc();
	c->up = av_frame_alloc();
	if (!c->nv12 || !c->up)
		return -ENOMEM;
	return wants == CARD_MEMORY ? open_memory(c, cc, err) : 0;
}

void card_interleave(AVFrame *nv12, const AVFrame *f)
{
	for (int y = 0; y < f->height; y++)
		memcpy(nv12->data[0] + y * nv12->linesize[0], f->data[0] + y * f->linesize[0],
		       (size_t)f->width);
	for (int y = 0; y < (f->height + 1) / 2; y++) {
		const uint8_t *u = f->data[1] + y * f->linesize[1],
			      *v = f->data[2] + y * f->linesize[2];
		uint8_t *to = nv12->data[1] + y * nv12->linesize[1];

		for (int x = 0; x < (f->width + 1) / 2; x++) {
			to[2 * x] = u[x];
			to[2 * x + 1] = v[x];
		}
	}
}

/* One of our own, since the encoder may still hold the last. */
static bool make_nv12(AVFrame *to, const AVFrame *f)
{
	if (!to->width || !av_frame_is_writable(to)) {
		av_frame_unref(to);
		to->format = AV_PIX_FMT_NV12;
		to->width = f->width;
		to->height = f->height;
		if (av_frame_get_buffer(to, 0) < 0)
			return false;
	}
	for (int i = to->nb_side_data; i--;)
		av_frame_remove_side_data(to, to->side_data[i]->type);
	if (av_frame_copy_props(to, f) < 0)
		return false;
	card_interleave(to, f);
	return true;
}

AVFrame *card_picture(struct card *c, AVFrame *f)
{
	if (c->wants == CARD_NOTHING)
		return f;
	if (!make_nv12(c->nv12, f))
		return NULL;
	if (c->wants == CARD_NV12)
		return c->nv12;
	av_frame_unref(c->up);
	if (av_hwframe_get_buffer(c->frames, c->up, 0) < 0 ||
	    av_hwframe_transfer_data(c->up, c->nv12, 0) < 0 ||
	    av_frame_copy_props(c->up, c->nv12) < 0)
		return NULL;
	return c->up;
}

void card_close(struct card *c)
{
	av_frame_free(&c->nv12);
	av_frame_free(&c->up);
	av_buffer_unref(&c->frames);
}
