#include "media/encode.h"

#include <errno.h>
#include <stdio.h>

#include "log/log.h"
#include "media/tone.h"

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
	if (!cc->extradata_size)
		return 0; /* VP9 has none */
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

static void set_picture(struct encoder *e, const struct rung *r, const AVFrame *like)
{
	AVCodecContext *cc = e->cc;

	cc->width = r->width;
	cc->height = r->height;
	cc->pix_fmt = AV_PIX_FMT_YUV420P;
	cc->sample_aspect_ratio = (AVRational){1, 1};
	cc->framerate = mav_ratio(r->fps);
	cc->time_base = av_inv_q(cc->framerate);
	cc->bit_rate = r->bitrate;
	cc->rc_max_rate = r->bitrate;
	cc->rc_buffer_size = (int)(r->bitrate * 3 / 4);
	cc->gop_size = INT16_MAX;
	cc->max_b_frames = 0;
	cc->thread_count = 1;
	cc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP;
	cc->color_range = AVCOL_RANGE_MPEG;
	cc->colorspace = like->colorspace == AVCOL_SPC_RGB ? AVCOL_SPC_BT709 : like->colorspace;
	cc->color_primaries = like->color_primaries;
	cc->color_trc = like->color_trc;
	if (tone_wanted(like)) {
		cc->colorspace = AVCOL_SPC_BT709;
		cc->color_primaries = AVCOL_PRI_BT709;
		cc->color_trc = AVCOL_TRC_BT709;
	}
	e->ticks = e->track->tb.den * r->fps.den / r->fps.num;
}

static int open_as(struct encoder *e, const struct codec *k, const struct rung *r,
		   const AVFrame *like, struct media_track *t, int index, char *err)
{
	AVDictionary *o = NULL;
	const AVCodec *c;

	*t = (struct media_track){.kind = MEDIA_VIDEO,
				  .codec = k->id,
				  .tb = video_tb(r->fps),
				  .bitrate = r->bitrate,
				  .width = r->width,
				  .height = r->height,
				  .sar = {1, 1},
				  .fps = r->fps};
	str_copy(t->codec_name, sizeof(t->codec_name), k->title);
	str_copy(t->name, sizeof(t->name), r->name);
	int rc = alloc(e, k->encoder, t, index, &c, err);
	if (rc)
		return rc;
	set_picture(e, r, like);
	if ((rc = card_open(&e->card, k->wants, e->cc, err)))
		return rc;
	e->adds_captions = !strcmp(k->encoder, "libx265") || !strcmp(k->encoder, "libaom-av1");
	k->tell(&o, r);
	return open_codec(e, c, &o, err);
}

int encoder_open_video(struct encoder *e, const struct rung *r, const AVFrame *like,
		       struct media_track *t, int index, char *err)
{
	const struct codec *k = codec_named(r->codec);
	int rc = open_as(e, k, r, like, t, index, err);

	if (!rc || !k->instead)
		return rc;
	log_warn(r->name, "%s: %s; the processor encodes %s instead", k->name, err, k->instead);
	encoder_close(e);
	rc = open_as(e, codec_named(k->instead), r, like, t, index, err);
	e->instead = true;
	return rc;
}

int encoder_open_audio(struct encoder *e, const struct sound *s, struct media_track *t, int index,
		       char *err)
{
	bool opus = s->opus;
	AVDictionary *o = NULL;
	const AVCodec *c;
	int rc;

	*t = (struct media_track){.kind = MEDIA_AUDIO,
				  .codec = opus ? MEDIA_OPUS : MEDIA_AAC,
				  .standard = s->standard,
				  .tb = {1, AUDIO_RATE},
				  .bitrate = s->bitrate,
				  .sample_rate = AUDIO_RATE,
				  .channels = s->channels,
				  .frame_samples = opus ? AUDIO_FRAME_OPUS : AUDIO_FRAME_AAC,
				  .fps = {0, 1}};
	str_copy(t->codec_name, sizeof(t->codec_name), opus ? "opus" : "aac");
	str_copy(t->name, sizeof(t->name), s->name);
	str_copy(t->lang, sizeof(t->lang), s->lang);
	str_copy(t->label, sizeof(t->label), s->label);
	if ((rc = alloc(e, opus ? "libopus" : "aac", t, index, &c, err)))
		return rc;
	e->cc->sample_fmt = opus ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP;
	e->cc->sample_rate = AUDIO_RATE;
	e->cc->ch_layout = mix_layout(s->channels);
	e->cc->bit_rate = s->bitrate;
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
	const AVFrameSideData *said =
	    f && e->adds_captions ? av_frame_get_side_data(f, AV_FRAME_DATA_A53_CC) : NULL;
	if (said && said->size <= sizeof(e->said)) {
		memcpy(e->said, said->data, said->size);
		e->said_size = said->size;
	}
	AVFrame *as = f ? card_picture(&e->card, f) : NULL;
	int rc = f && !as ? AVERROR(ENOMEM) : avcodec_send_frame(e->cc, as);
	if (f)
		f->pts = pts;
	return rc < 0 ? mav_errno(rc) : 0;
}

struct media_packet *encoder_receive(struct encoder *e)
{
	if (avcodec_receive_packet(e->cc, e->pkt) < 0)
		return NULL;
	struct media_packet *p = mav_packet_to_media(e->pkt);
	if (p && e->said_size) {
		p = captions_into(p, e->track->codec, e->said, e->said_size);
		e->said_size = 0;
	}
	if (p) {
		p->track = e->index;
		p->pts = (e->pkt->pts + e->base) * e->ticks;
		p->dts = (e->pkt->dts + e->base) * e->ticks;
		p->duration =
		    (e->track->kind == MEDIA_AUDIO ? e->track->frame_samples : 1) * e->ticks;
	}
	av_packet_unref(e->pkt);
	return p;
}

void encoder_close(struct encoder *e)
{
	avcodec_free_context(&e->cc);
	av_packet_free(&e->pkt);
	card_close(&e->card);
}
