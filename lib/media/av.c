#include "media/av.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "log/log.h"

int mav_errno(int averr)
{
	switch (averr) {
	case AVERROR_EOF:
		return -ENODATA;
	case AVERROR_EXIT:
		return -EINTR;
	case AVERROR_INVALIDDATA:
	case AVERROR_DEMUXER_NOT_FOUND:
	case AVERROR_DECODER_NOT_FOUND:
	case AVERROR_PATCHWELCOME:
		return -EINVAL;
	}
	/* FFmpeg's own codes are four-letter tags, far below any errno. */
	return averr >= 0 ? 0 : averr > -4096 ? averr : -EIO;
}

void mav_say(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, MEDIA_ERR, fmt, ap);
	va_end(ap);
}

const char *mav_words(int averr, char *b)
{
	if (av_strerror(averr, b, MEDIA_ERR) < 0)
		snprintf(b, MEDIA_ERR, "error %d", averr);
	return b;
}

static const struct {
	enum media_codec codec;
	enum AVCodecID id;
} codecs[] = {
    {MEDIA_H264, AV_CODEC_ID_H264}, {MEDIA_HEVC, AV_CODEC_ID_HEVC}, {MEDIA_AV1, AV_CODEC_ID_AV1},
    {MEDIA_VP9, AV_CODEC_ID_VP9},   {MEDIA_AAC, AV_CODEC_ID_AAC},   {MEDIA_OPUS, AV_CODEC_ID_OPUS},
    {MEDIA_MP3, AV_CODEC_ID_MP3},
};

static const uint32_t side_tag[] = {
    [MEDIA_SCTE35] = MKTAG('S', 'C', '3', '5'), [MEDIA_ID3] = MKTAG('I', 'D', '3', 'T')};

enum media_codec mav_side_codec(const AVCodecParameters *par)
{
	if (par->codec_id == AV_CODEC_ID_SCTE_35 || par->codec_tag == side_tag[MEDIA_SCTE35])
		return MEDIA_SCTE35;
	if (par->codec_id == AV_CODEC_ID_TIMED_ID3 || par->codec_tag == side_tag[MEDIA_ID3])
		return MEDIA_ID3;
	return MEDIA_OTHER;
}

int mav_streams(const char *format, const struct media_info *info)
{
	bool ts = !strcmp(format, "mpegts");
	int n = info->n + (ts || media_mux_thumbnails(format) ? info->sides : 0);

	while (ts && n > info->n && info->track[n - 1].codec == MEDIA_JPEG)
		n--;
	return n;
}

static void data_parameters(AVCodecParameters *par, const struct media_track *t)
{
	if (t->codec == MEDIA_JPEG) {
		par->codec_type = AVMEDIA_TYPE_VIDEO;
		par->codec_id = AV_CODEC_ID_MJPEG;
		par->width = t->width;
		par->height = t->height;
		return;
	}
	par->codec_type = AVMEDIA_TYPE_DATA;
	par->codec_id = t->codec == MEDIA_ID3 ? AV_CODEC_ID_TIMED_ID3 : AV_CODEC_ID_SCTE_35;
}

enum media_codec mav_codec_from_id(enum AVCodecID id)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
		if (codecs[i].id == id)
			return codecs[i].codec;
	return MEDIA_OTHER;
}

enum AVCodecID mav_codec_to_id(const struct media_track *t)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
		if (codecs[i].codec == t->codec)
			return codecs[i].id;
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(t->codec_name);
	return d ? d->id : AV_CODEC_ID_NONE;
}

int mav_parameters_from_track(AVCodecParameters *par, const struct media_track *t)
{
	if (t->kind == MEDIA_DATA)
		return data_parameters(par, t), 0;
	par->codec_type = t->kind == MEDIA_VIDEO ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO;
	par->codec_id = mav_codec_to_id(t);
	par->bit_rate = t->bitrate;
	par->format = t->sample_format - 1;
	par->codec_tag = t->sample_tag;
	par->bits_per_coded_sample = t->sample_bits;
	if (t->kind == MEDIA_VIDEO) {
		par->width = t->width;
		par->height = t->height;
		par->video_delay = t->reorder;
		par->sample_aspect_ratio = mav_ratio(t->sar);
	} else {
		par->sample_rate = t->sample_rate;
		par->frame_size = t->frame_samples;
		av_channel_layout_default(&par->ch_layout, t->channels);
	}
	if (!t->extra || !t->extra->len)
		return 0;
	par->extradata = av_mallocz(t->extra->len + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!par->extradata)
		return -ENOMEM;
	memcpy(par->extradata, t->extra->data, t->extra->len);
	par->extradata_size = (int)t->extra->len;
	return 0;
}

void mav_packet_borrow(AVPacket *pkt, const struct media_packet *p)
{
	pkt->data = (uint8_t *)p->data;
	pkt->size = (int)p->size;
	pkt->pts = p->pts;
	pkt->dts = p->dts;
	pkt->duration = p->duration;
	pkt->stream_index = p->track;
	pkt->flags = p->key ? AV_PKT_FLAG_KEY : 0;
}

struct media_packet *mav_packet_to_media(const AVPacket *pkt)
{
	struct media_packet *p = media_packet_create((size_t)pkt->size);

	if (!p)
		return NULL;
	if (pkt->size)
		memcpy(p->data, pkt->data, (size_t)pkt->size);
	p->track = pkt->stream_index;
	p->key = pkt->flags & AV_PKT_FLAG_KEY;
	p->pts = pkt->pts;
	p->dts = pkt->dts;
	p->duration = MAX(pkt->duration, 0);
	return p;
}

bool mav_set_times(struct mav_base *b, AVPacket *pkt, const struct media_packet *p, struct ratio tb,
		   AVRational to)
{
	struct ratio us = {1, SEC_US}, out = mav_to_ratio(to);

	if (b->on && !b->set) {
		b->us = base_rescale(p->dts, tb, us);
		b->set = true;
	}
	int64_t base = b->on ? base_rescale(b->us, us, tb) : 0;
	if (b->on && p->dts < base)
		return false;
	pkt->pts = base_rescale(p->pts - base, tb, out);
	pkt->dts = base_rescale(p->dts - base, tb, out);
	pkt->duration = base_rescale(p->duration, tb, out);
	return true;
}

static int add_stream(AVFormatContext *fc, const struct media_track *t, char *err)
{
	AVStream *st = avformat_new_stream(fc, NULL);
	char rate[24];

	if (!st || mav_parameters_from_track(st->codecpar, t))
		return mav_say(err, "out of memory"), -ENOMEM;
	if (st->codecpar->codec_id == AV_CODEC_ID_NONE)
		return mav_say(err, "track %s: codec %s cannot be carried", t->name, t->codec_name),
		       -EINVAL;
	st->time_base = mav_ratio(t->tb);
	if (t->kind == MEDIA_DATA) {
		if (t->codec == MEDIA_JPEG)
			st->r_frame_rate = mav_ratio(t->fps);
		else if (!strcmp(fc->oformat->name, "nut"))
			st->codecpar->codec_tag = side_tag[t->codec];
		av_dict_set(&st->metadata, "title", t->name, 0);
		return 0;
	}
	/* MPEG-TS has no list of its own; what it does not know it would call data. */
	bool unknown = !strcmp(fc->oformat->name, "mpegts") &&
		       (t->codec == MEDIA_AV1 || t->codec == MEDIA_VP9);
	if (unknown || (fc->oformat->codec_tag &&
			!av_codec_get_tag(fc->oformat->codec_tag, st->codecpar->codec_id)))
		return mav_say(err, "track %s: %s cannot carry %s", t->name, fc->oformat->name,
			       t->codec_name),
		       -EINVAL;
	if (t->kind == MEDIA_VIDEO) {
		st->sample_aspect_ratio = mav_ratio(t->sar);
		st->avg_frame_rate = mav_ratio(t->fps);
	}
	if (t->standard)
		st->disposition |= AV_DISPOSITION_DEFAULT;
	av_dict_set(&st->metadata, "title", t->name, 0);
	if (*t->label && !strcmp(fc->oformat->name, "nut"))
		av_dict_set(&st->metadata, "label", t->label, 0);
	if (*t->lang)
		av_dict_set(&st->metadata, "language", t->lang, 0);
	snprintf(rate, sizeof(rate), "%lld", (long long)t->bitrate);
	if (t->bitrate && !strcmp(fc->oformat->name, "nut"))
		av_dict_set(&st->metadata, "bitrate", rate, 0);
	return 0;
}

int mav_add_streams(AVFormatContext *fc, const struct media_info *info, char *err)
{
	for (int i = 0; i < mav_streams(fc->oformat->name, info); i++) {
		int rc = add_stream(fc, &info->track[i], err);

		if (rc)
			return rc;
	}
	return 0;
}

/* libav* logs a line in pieces (prefix, parts, newline); each thread puts its own together. */
static void on_av_log(void *ctx, int level, const char *fmt, va_list ap)
{
	static _Thread_local char line[512];
	static _Thread_local int prefix = 1;
	enum log_level l = level <= AV_LOG_FATAL ? LOG_WARN : LOG_DEBUG;
	size_t have = strlen(line);

	if (level > AV_LOG_INFO || l > log_get_level())
		return;
	av_log_format_line2(ctx, level, fmt, ap, line + have, (int)(sizeof(line) - have), &prefix);
	have = strlen(line);
	if (!have || (line[have - 1] != '\n' && have < sizeof(line) - 1))
		return;
	while (have && (line[have - 1] == '\n' || line[have - 1] == ' '))
		line[--have] = 0;
	/* What FFmpeg calls an error is mostly one damaged packet; the caller of it says what it
	 * means for the tool. */
	if (have)
		log_write(l, "libav", "%s", line);
	line[0] = 0;
}

void media_setup_log(void)
{
	av_log_set_callback(on_av_log);
	av_log_set_level(AV_LOG_INFO);
}
