#include "media/encode.h"

#include <errno.h>

/* In which n / fps is a whole number: 1/90000 for all usual rates, 30000/1001 and 12.5 too, so that MPEG-TS is exact; else
 * some multiple of the frame rate. */
static struct ratio video_tb(struct ratio fps)
{
	if (90000 * fps.den % fps.num == 0)
		return (struct ratio){1, 90000};
	return (struct ratio){1, fps.num < 1000 ? fps.num * 1000 : fps.num};
}

static int set_extra(struct media_track *t, const AVCodecContext *cc)
{
	t->extra = buf_copy(cc->extradata, (size_t)cc->extradata_size);
	return t->extra ? 0 : -ENOMEM;
}

static int open_codec(struct encoder *e, const AVCodec *c, AVDictionary **o, char *err)
{
	char words[MEDIA_ERR];
	int rc = avcodec_open2(e->cc, c, o);

	av_dict_free(o);
	if (rc < 0)
		return mav_say(err, "encoder %s, track %s: %s", c->name, e->track->name,
			       mav_words(rc, words)),
		       mav_errno(rc);
	e->pkt = av_packet_alloc();
	e->base = INT64_MIN;
	return e->pkt ? set_extra(e->track, e->cc) : -ENOMEM;
}

static int alloc(struct encoder *e, const char *name, struct media_track *t, int index,
		 const AVCodec **c, char *err)
{
	*e = (struct encoder){.track = t, .index = index};
	*c = avcodec_find_encoder_by_name(name);
	e->cc = *c ? avcodec_alloc_context3(*c) : NULL;
	if (!*c)
		return mav_say(err, "this libavcodec has no encoder %s", name), -ENOTSUP;
	return e->cc ? 0 : -ENOMEM;
}

int encoder_open_video(struct encoder *e, const struct rung *r, const AVFrame *like,
		       struct media_track *t, int index, char *err)
{
	AVDictionary *o = NULL;
	const AVCodec *c;
	int rc;

	*t = (struct media_track){.kind = MEDIA_VIDEO,
				  .codec = MEDIA_H264,
				  .codec_name = "h264",
				  .tb = video_tb(r->fps),
				  .bitrate = r->bitrate,
				  .width = r->width,
				  .height = r->height,
				  .sar = {1, 1},
				  .fps = r->fps};
	str_copy(t->name, sizeof(t->name), r->name);
	if ((rc = alloc(e, "libx264", t, index, &c, err)))
		return rc;
	e->cc->width = r->width;
	e->cc->height = r->height;
	e->cc->pix_fmt = AV_PIX_FMT_YUV420P;
	e->cc->sample_aspect_ratio = (AVRational){1, 1};
	e->cc->framerate = mav_ratio(r->fps);
	e->cc->time_base = av_inv_q(e->cc->framerate);
	e->cc->bit_rate = e->cc->rc_max_rate = r->bitrate;
	e->cc->rc_buffer_size = (int)(r->bitrate * 3 / 4);
	e->cc->max_b_frames = 0;
	e->cc->thread_count = 1;
	e->cc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP;
	e->cc->color_range = AVCOL_RANGE_MPEG;
	e->cc->colorspace = like->colorspace == AVCOL_SPC_RGB ? AVCOL_SPC_BT709 : like->colorspace;
	e->cc->color_primaries = like->color_primaries;
	e->cc->color_trc = like->color_trc;
	e->ticks = t->tb.den * r->fps.den / r->fps.num;
	av_dict_set(&o, "preset", *r->preset ? r->preset : "veryfast", 0);
	av_dict_set(&o, "tune", "zerolatency", 0);
	av_dict_set(&o, "profile", "high", 0);
	av_dict_set(&o, "forced-idr", "1", 0);
	/* Key frames stand where the grid wants them and nowhere else. */
	av_dict_set(&o, "x264-params", "keyint=infinite:scenecut=0:open-gop=0", 0);
	return open_codec(e, c, &o, err);
}

int encoder_open_audio(struct encoder *e, int64_t bitrate, struct media_track *t, int index,
		       char *err)
{
	AVDictionary *o = NULL;
	const AVCodec *c;
	int rc;

	*t = (struct media_track){.kind = MEDIA_AUDIO,
				  .codec = MEDIA_AAC,
				  .codec_name = "aac",
				  .name = "audio",
				  .tb = {1, AUDIO_RATE},
				  .bitrate = bitrate,
				  .sample_rate = AUDIO_RATE,
				  .channels = 2,
				  .frame_samples = AUDIO_FRAME,
				  .fps = {0, 1}};
	if ((rc = alloc(e, "aac", t, index, &c, err)))
		return rc;
	e->cc->sample_fmt = AV_SAMPLE_FMT_FLTP;
	e->cc->sample_rate = AUDIO_RATE;
	av_channel_layout_default(&e->cc->ch_layout, 2);
	e->cc->bit_rate = bitrate;
	e->cc->time_base = (AVRational){1, AUDIO_RATE};
	e->cc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	e->ticks = 1;
	return open_codec(e, c, &o, err);
}

int encoder_send(struct encoder *e, AVFrame *f)
{
	int64_t pts = f ? f->pts : 0;

	if (f) {
		if (e->base == INT64_MIN)
			e->base = f->pts;
		f->pts -= e->base;
	}
	int rc = avcodec_send_frame(e->cc, f);
	if (f)
		f->pts = pts;
	return rc < 0 ? mav_errno(rc) : 0;
}

struct media_packet *encoder_receive(struct encoder *e)
{
	if (avcodec_receive_packet(e->cc, e->pkt) < 0)
		return NULL;
	struct media_packet *p = mav_packet_to_media(e->pkt);
	if (p) {
		p->track = e->index;
		p->pts = (e->pkt->pts + e->base) * e->ticks;
		p->dts = (e->pkt->dts + e->base) * e->ticks;
		p->duration = (e->track->kind == MEDIA_AUDIO ? AUDIO_FRAME : 1) * e->ticks;
	}
	av_packet_unref(e->pkt);
	return p;
}

void encoder_close(struct encoder *e)
{
	avcodec_free_context(&e->cc);
	av_packet_free(&e->pkt);
}
