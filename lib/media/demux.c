/* Demuxing. FFmpeg's own stream analysis (avformat_find_stream_info) is not used: it holds back up
 * to seconds of a live stream to count its frames. What a track needs (size, parameter sets, rates)
 * is taken from the container where it stands there, else from the first packets, which are kept
 * and handed on (probe.c). */
#include "media/demux.h"

#include <errno.h>

#include "log/log.h"
#include "os/os.h"

#define AVIO_SIZE 32768
#define FORMATS "nut,mpegts,flv,live_flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,wav,yuv4mpegpipe"
#define DAMAGED_RUN_MAX 4096 /* so many bad packets without a good one are no stream */

static int on_read(void *arg, uint8_t *p, int n)
{
	struct media_demux *d = arg;
	ssize_t got = d->read_rc < 0 ? d->read_rc : d->reader.read(d->reader.arg, p, (size_t)n);

	if (got > 0) {
		d->bytes += got;
		return (int)got;
	}
	d->read_rc = got ? (int)got : -ENODATA;
	return d->read_rc == -ENODATA ? AVERROR_EOF : d->read_rc;
}

static int64_t on_seek(void *arg, int64_t at, int whence)
{
	struct media_demux *d = arg;

	if (whence & AVSEEK_SIZE)
		return d->reader.seek(d->reader.arg, -1);
	if (whence != SEEK_SET || at < 0)
		return AVERROR(EINVAL);
	if (d->read_rc == -ENODATA)
		d->read_rc = 0;
	int64_t rc = d->reader.seek(d->reader.arg, at);
	return rc < 0 ? rc : at;
}

static int on_interrupt(void *arg)
{
	struct media_demux *d = arg;

	return d->cancel && atomic_load(d->cancel);
}

/* A container that names other files or URLs gets none of them. */
static int refuse_open(AVFormatContext *s, AVIOContext **pb, const char *url, int flags,
		       AVDictionary **opts)
{
	return AVERROR(EACCES);
}

static int failed(struct media_demux *d, int averr)
{
	if (d->read_rc < 0 && d->read_rc != -ENODATA)
		return d->read_rc;
	if (on_interrupt(d))
		return -EINTR;
	/* The demuxer wanted to seek in what flows. */
	return d->pb && averr == AVERROR(EPIPE) ? -EINVAL : mav_errno(averr);
}

static int say_failed(struct media_demux *d, int averr, char *err)
{
	char words[MEDIA_ERR];
	int rc = failed(d, averr);

	if (rc == -EINTR)
		mav_say(err, "cancelled");
	else if (d->read_rc == -ENODATA && !d->bytes)
		mav_say(err, "the input is empty");
	else if (rc == -EINVAL || rc == -ENODATA)
		mav_say(
		    err,
		    "not a media stream (looked for NUT, MPEG-TS, FLV, Matroska, MP4, WAV, Y4M)");
	else if (d->read_rc < 0)
		mav_say(err, "read: %s", strerror(-rc));
	else
		mav_say(err, "%s", mav_words(averr, words));
	return rc == -ENODATA ? -EINVAL : rc;
}

static void options(struct media_demux *d)
{
	d->fc->interrupt_callback = (AVIOInterruptCB){on_interrupt, d};
	d->fc->correct_ts_overflow = 0; /* unwrapped in one place, here */
	d->fc->probesize = HEAD_BYTES;
	d->fc->format_probesize = 256 << 10;
}

static int alloc(struct media_demux **out)
{
	struct media_demux *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	list_init(&d->early);
	for (int i = 0; i < MEDIA_STREAMS_MAX; i++)
		d->stream[i].since = -1;
	d->fed = -1;
	d->fc = avformat_alloc_context();
	d->pkt = av_packet_alloc();
	*out = d;
	return d->fc && d->pkt ? 0 : -ENOMEM;
}

static int opened(struct media_demux *d, char *err)
{
	d->opened_us = os_mono_us();
	d->ts = !strcmp(d->fc->iformat->name, "mpegts");
	int rc = media_probe(d, err);
	if (!rc)
		log_debug("demux", "%s, %d tracks, %lld bytes read", d->fc->iformat->name,
			  d->info->n, (long long)d->bytes);
	return rc;
}

int media_demux_open(struct media_demux **out, const struct media_reader *r, const char *format,
		     char *err)
{
	struct media_demux *d = NULL;
	AVDictionary *o = NULL;
	const AVInputFormat *f = format ? av_find_input_format(format) : NULL;
	int rc = -EINVAL;

	if (format && !f) {
		mav_say(err, "no such input format: %s", format);
		return rc;
	}
	if ((rc = alloc(&d))) {
		mav_say(err, "out of memory");
		goto fail;
	}
	d->reader = *r;
	uint8_t *room = av_malloc(AVIO_SIZE);
	bool seeks = r->seek && r->seek(r->arg, -1) >= 0;
	d->pb =
	    room ? avio_alloc_context(room, AVIO_SIZE, 0, d, on_read, NULL, seeks ? on_seek : NULL)
		 : NULL;
	if (!d->pb) {
		av_free(room);
		mav_say(err, "out of memory");
		rc = -ENOMEM;
		goto fail;
	}
	options(d);
	d->fc->pb = d->pb;
	d->fc->io_open = refuse_open;
	av_dict_set(&o, "format_whitelist", FORMATS, 0);
	int averr = avformat_open_input(&d->fc, "", f, &o);
	av_dict_free(&o);
	if (averr < 0) {
		rc = say_failed(d, averr, err);
		goto fail;
	}
	if ((rc = opened(d, err)))
		goto fail;
	*out = d;
	return 0;
fail:
	media_demux_close(d);
	return rc;
}

int media_demux_open_url(struct media_demux **out, const char *url, const _Atomic bool *cancel,
			 char *err)
{
	struct media_demux *d = NULL;
	AVDictionary *o = NULL;
	int rc = alloc(&d);

	if (rc) {
		mav_say(err, "out of memory");
		goto fail;
	}
	d->cancel = cancel;
	options(d);
	av_dict_set(&o, "format_whitelist", FORMATS ",hls", 0);
	av_dict_set(&o, "protocol_whitelist",
		    str_starts(url, "http") ? "http,https,tls,tcp,crypto" : "file", 0);
	if (str_starts(url, "http"))
		media_pull_prepare(d, url, &o);
	int averr = avformat_open_input(&d->fc, url, NULL, &o);
	av_dict_free(&o);
	if (averr < 0) {
		rc = say_failed(d, averr, err);
		goto fail;
	}
	if (d->url)
		media_pull_choose(d);
	if ((rc = opened(d, err)))
		goto fail;
	*out = d;
	return 0;
fail:
	media_demux_close(d);
	return rc;
}

struct media_info *media_demux_info(const struct media_demux *d)
{
	return d->info;
}

void media_demux_sides(struct media_demux *d)
{
	d->sides = true;
}

int64_t media_demux_damaged(const struct media_demux *d)
{
	return d->damaged;
}

bool media_demux_bursts(const struct media_demux *d)
{
	return !strcmp(d->fc->iformat->name, "hls");
}

int media_demux_ppm(const struct media_demux *d)
{
	return d->pull.depth.ppm;
}

/* A timestamp of `bits` bits is put next to the last one seen of any track. */
static int64_t unwrap(struct media_demux *d, const AVStream *st, int64_t v)
{
	int bits = st->pts_wrap_bits;
	struct ratio tb = mav_to_ratio(st->time_base);

	if (bits < 16 || bits > 48)
		return v;
	int64_t near = d->near_us_set ? base_rescale(d->near_us, (struct ratio){1, SEC_US}, tb) : v;
	int64_t span = INT64_C(1) << bits, diff = (v - near) & (span - 1);

	if (diff >= span / 2)
		diff -= span;
	return near + diff;
}

/* The first time of an MPEG-TS decides whether it counts from the epoch. */
static void anchor_utc(struct media_demux *d, const AVStream *st, int64_t v)
{
	int64_t now = os_utc_us();

	d->near_us = now;
	d->near_us_set = true;
	v = base_rescale(unwrap(d, st, v), mav_to_ratio(st->time_base), (struct ratio){1, SEC_US});
	d->ts_utc = media_probe_near_utc(d, v, now);
	d->near_us_set = d->ts_utc;
}

/* NUT tells pts only: in a stream of which `delay` frames come early, each is decoded at the least of the delay + 1 latest. */
static int64_t dts_of(struct demux_stream *s, const AVStream *st, int64_t pts)
{
	AVRational fps = st->avg_frame_rate.num ? st->avg_frame_rate : st->r_frame_rate;
	int delay = st->codecpar->video_delay;

	if (delay <= 0 || delay > REORDER_MAX || fps.num <= 0)
		return pts;
	int64_t frame = av_rescale_q(1, av_inv_q(fps), st->time_base);
	if (!s->ordered || llabs(pts - s->order[delay]) > (delay + 1) * 10 * frame)
		for (int i = 0; i <= delay; i++)
			s->order[i] = pts - (delay + 1 - i) * frame;
	s->ordered = true;
	s->order[0] = pts;
	for (int i = 0; i < delay && s->order[i] > s->order[i + 1]; i++) {
		int64_t later = s->order[i];

		s->order[i] = s->order[i + 1];
		s->order[i + 1] = later;
	}
	return s->order[0];
}

static void unwrap_packet(struct media_demux *d, const AVStream *st, AVPacket *pkt)
{
	if (pkt->dts == AV_NOPTS_VALUE)
		pkt->dts = dts_of(&d->stream[pkt->stream_index], st, pkt->pts);
	if (d->ts && !d->near_us_set)
		anchor_utc(d, st, pkt->dts);
	pkt->dts = unwrap(d, st, pkt->dts);
	d->near_us = base_rescale(pkt->dts, mav_to_ratio(st->time_base), (struct ratio){1, SEC_US});
	d->near_us_set = true;
	pkt->pts = pkt->pts == AV_NOPTS_VALUE ? pkt->dts : unwrap(d, st, pkt->pts);
}

/* The filters that bring a stream's packets into normal form; made at the first packet, when FLV
 * and the like have told the parameter sets. */
static const char *filters_of(const AVCodecParameters *par)
{
	switch (par->codec_id) {
	case AV_CODEC_ID_H264:
		return "h264_mp4toannexb,extract_extradata";
	case AV_CODEC_ID_HEVC:
		return "hevc_mp4toannexb,extract_extradata";
	case AV_CODEC_ID_AAC:
		return "aac_adtstoasc";
	case AV_CODEC_ID_AV1:
		return "extract_extradata";
	default:
		return "null";
	}
}

int media_demux_filter(struct media_demux *d, int stream)
{
	const AVStream *st = d->fc->streams[stream];
	struct demux_stream *s = &d->stream[stream];
	int rc = av_bsf_list_parse_str(filters_of(st->codecpar), &s->bsf);

	if (rc < 0)
		return rc;
	rc = avcodec_parameters_copy(s->bsf->par_in, st->codecpar);
	s->bsf->time_base_in = st->time_base;
	if (rc >= 0)
		rc = av_bsf_init(s->bsf);
	if (rc < 0)
		av_bsf_free(&s->bsf);
	return rc;
}

/* Several audio frames in one PES packet: only the first has a time. */
static bool follow_on(struct demux_stream *s, const AVStream *st, AVPacket *pkt)
{
	if (s->since < 0 || !s->frame_samples || !s->sample_rate)
		return false;
	int64_t samples = ++s->since * s->frame_samples;
	pkt->dts = s->anchor + base_rescale(samples, (struct ratio){1, s->sample_rate},
					    mav_to_ratio(st->time_base));
	pkt->pts = pkt->dts;
	return true;
}

/* A frame of the container's into its filters. */
static int feed(struct media_demux *d, AVPacket *pkt)
{
	const AVStream *st = d->fc->streams[pkt->stream_index];
	struct demux_stream *s = &d->stream[pkt->stream_index];

	/* Not by AVFMT_FLAG_DISCARD_CORRUPT: nobody would hear of the loss. */
	if (!pkt->size || pkt->flags & AV_PKT_FLAG_CORRUPT) {
		s->lost = true;
		return AVERROR_INVALIDDATA;
	}
	if (pkt->dts == AV_NOPTS_VALUE && pkt->pts == AV_NOPTS_VALUE) {
		if (!follow_on(s, st, pkt))
			return AVERROR_INVALIDDATA;
	} else {
		unwrap_packet(d, st, pkt);
		s->anchor = pkt->dts;
		s->since = 0;
	}
	int rc = s->bsf ? 0 : media_demux_filter(d, pkt->stream_index);
	return rc < 0 ? rc : av_bsf_send_packet(s->bsf, pkt);
}

/* Filters may hold several packets of the stream last fed. */
static int drain(struct media_demux *d)
{
	int i = d->fed, rc = av_bsf_receive_packet(d->stream[i].bsf, d->pkt);

	if (rc >= 0)
		d->pkt->stream_index = i;
	else
		d->fed = -1;
	return rc;
}

int media_demux_next(struct media_demux *d)
{
	for (int bad = 0; bad < DAMAGED_RUN_MAX;) {
		int rc = d->fed >= 0 ? drain(d) : AVERROR(EAGAIN);

		if (rc >= 0)
			return 0;
		if (rc != AVERROR(EAGAIN))
			d->damaged++, bad++;
		if ((rc = av_read_frame(d->fc, d->pkt)) < 0) {
			if (rc == AVERROR(EAGAIN))
				continue;
			if (rc == AVERROR_INVALIDDATA && d->read_rc >= 0) {
				d->damaged++, bad++;
				continue;
			}
			return failed(d, rc);
		}
		int i = d->pkt->stream_index;
		bool side = i < MEDIA_STREAMS_MAX && d->sides && media_demux_side(d, i);
		if (i >= MEDIA_STREAMS_MAX || !(side || media_demux_wanted(d, i))) {
			av_packet_unref(d->pkt);
			continue;
		}
		if ((rc = feed(d, d->pkt)) >= 0) {
			d->fed = i;
			continue;
		}
		av_packet_unref(d->pkt);
		d->damaged++, bad++;
	}
	return -EINVAL;
}

/* FFmpeg's MPEG-TS takes the first five bytes of a tag for the header of an access unit and leaves them out: ID3, the version, which
 * is 2.4 in a stream ("Timed Metadata for HTTP Live Streaming"), and its revision. What is left tells the size. NULL without memory. */
static struct media_packet *whole_tag(struct media_packet *p)
{
	static const uint8_t head[] = {'I', 'D', '3', 4, 0};
	size_t size = 0;

	for (size_t i = 1; i < 5 && p && p->size >= 5; i++)
		size = size << 7 | (p->data[i] & 127);
	if (!p || p->size < 5 || !memcmp(p->data, head, 3) || size != p->size - 5)
		return p;
	struct media_packet *whole = media_packet_create(p->size + sizeof(head));
	if (whole) {
		memcpy(whole->data, head, sizeof(head));
		memcpy(whole->data + sizeof(head), p->data, p->size);
		whole->track = p->track;
		whole->key = p->key;
		whole->pts = p->pts;
		whole->dts = p->dts;
	}
	media_packet_unref(p);
	return whole;
}

int media_demux_read(struct media_demux *d, struct media_packet **out)
{
	struct early *e = list_first(&d->early, struct early, node);

	if (e) {
		list_remove(&e->node);
		*out = e->packet;
		free(e);
		return 0;
	}
	for (;;) {
		int rc = media_demux_next(d);

		if (rc)
			return rc;
		struct demux_stream *s = &d->stream[d->pkt->stream_index];
		int track = s->track;
		if (track < 0) {
			av_packet_unref(d->pkt);
			continue;
		}
		if ((rc = media_probe_changed(d))) {
			av_packet_unref(d->pkt);
			return rc;
		}
		d->pkt->stream_index = track;
		*out = mav_packet_to_media(d->pkt);
		av_packet_unref(d->pkt);
		if (d->ts && d->info->track[track].codec == MEDIA_ID3)
			*out = whole_tag(*out);
		if (!*out)
			return -ENOMEM;
		(*out)->loss = s->lost;
		s->lost = false;
		media_probe_complete(d, *out);
		return 0;
	}
}

void media_demux_close(struct media_demux *d)
{
	struct early *e, *tmp;

	if (!d)
		return;
	list_for_safe (e, tmp, &d->early, node) {
		media_packet_unref(e->packet);
		free(e);
	}
	for (int i = 0; i < MEDIA_STREAMS_MAX; i++) {
		av_bsf_free(&d->stream[i].bsf);
		avcodec_free_context(&d->stream[i].dec);
		buf_unref(d->stream[i].extra);
	}
	avformat_close_input(&d->fc);
	if (d->pb)
		av_freep(&d->pb->buffer);
	avio_context_free(&d->pb);
	av_packet_free(&d->pkt);
	media_info_unref(d->info);
	media_pull_finish(d);
	free(d);
}
