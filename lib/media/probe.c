#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "media/demux.h"
#include "media/language.h"
#include "media/upright.h"
#include "os/os.h"

#define LONE_US \
	SEC_US /* a container that tells its tracks as they come: wait so long for the other kind \
		*/
#define EXTRA_MAX (64 << 10)
#define SILENT_US \
	(2 * SEC_US) /* a track announced that sends nothing is given up after so much of the \
			others */

static bool is_video(const AVStream *st)
{
	return st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
	       !(st->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

/* JPEG beside video of another codec is of thumbnails; alone it is the video, as of many cameras. */
static bool is_thumbnails(const struct media_demux *d, int stream)
{
	const AVStream *st = d->fc->streams[stream];

	if (!is_video(st) || st->codecpar->codec_id != AV_CODEC_ID_MJPEG)
		return false;
	for (unsigned i = 0; i < d->fc->nb_streams; i++) {
		const AVStream *o = d->fc->streams[i];

		if (is_video(o) && o->codecpar->codec_id != AV_CODEC_ID_MJPEG &&
		    o->codecpar->codec_id != AV_CODEC_ID_NONE)
			return true;
	}
	return false;
}

bool media_demux_wanted(const struct media_demux *d, int stream)
{
	const AVStream *st = d->fc->streams[stream];
	enum AVMediaType t = st->codecpar->codec_type;

	return (t == AVMEDIA_TYPE_VIDEO || t == AVMEDIA_TYPE_AUDIO) && !is_thumbnails(d, stream) &&
	       st->codecpar->codec_id != AV_CODEC_ID_NONE && st->discard != AVDISCARD_ALL &&
	       !(st->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

bool media_demux_side(const struct media_demux *d, int stream)
{
	const AVStream *st = d->fc->streams[stream];

	return ((st->codecpar->codec_type == AVMEDIA_TYPE_DATA &&
		 mav_side_codec(st->codecpar) != MEDIA_OTHER) ||
		is_thumbnails(d, stream)) &&
	       st->discard != AVDISCARD_ALL;
}

static bool needs_extra(enum AVCodecID id)
{
	return id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC || id == AV_CODEC_ID_AAC;
}

static bool complete(const struct media_demux *d, int i)
{
	const AVCodecParameters *par = d->fc->streams[i]->codecpar;
	const struct demux_stream *s = &d->stream[i];

	if (needs_extra(par->codec_id) && !s->extra)
		return false;
	if (par->codec_type == AVMEDIA_TYPE_VIDEO)
		return s->width > 0 && s->height > 0 && (s->fps.num || s->seen);
	return s->sample_rate > 0 && s->channels > 0;
}

static bool is_set(enum AVCodecID id, uint8_t head)
{
	int type = id == AV_CODEC_ID_H264 ? head & 31 : head >> 1 & 63;

	return id == AV_CODEC_ID_H264 ? type == 7 || type == 8 : type >= 32 && type <= 34;
}

/* Parameter sets in one spelling (4-byte start codes, no other units), so that the same sets are
 * the same bytes whatever container they come from. Writes at most 2 n + 4 bytes. */
static size_t spell_sets(enum AVCodecID id, const uint8_t *p, size_t n, uint8_t *out)
{
	static const uint8_t code[] = {0, 0, 0, 1};
	size_t len = 0, at = 0;

	while (at + 3 < n && (p[at] || p[at + 1] || p[at + 2] != 1))
		at++;
	while (at + 3 < n) {
		size_t from = at + 3, to = from;

		while (to < n && !(to + 3 <= n && !p[to] && !p[to + 1] && p[to + 2] == 1))
			to++;
		at = to;
		while (to > from && !p[to - 1])
			to--;
		if (to == from || !is_set(id, p[from]))
			continue;
		memcpy(out + len, code, sizeof(code));
		memcpy(out + len + sizeof(code), p + from, to - from);
		len += sizeof(code) + to - from;
	}
	return len;
}

static int keep_extra(struct demux_stream *s, const uint8_t *p, size_t n, bool *changed)
{
	enum AVCodecID id = s->bsf ? s->bsf->par_out->codec_id : AV_CODEC_ID_NONE;

	if (!p || !n || n > EXTRA_MAX)
		return 0;
	struct buf *b = buf_create(2 * n + 4);
	if (!b)
		return -ENOMEM;
	if (id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC)
		b->len = spell_sets(id, p, n, b->data);
	else
		memcpy(b->data, p, b->len = n);
	memset(b->data + b->len, 0, BUF_PADDING);
	if (!b->len ||
	    (s->extra && s->extra->len == b->len && !memcmp(s->extra->data, b->data, b->len))) {
		buf_unref(b);
		return 0;
	}
	buf_unref(s->extra);
	s->extra = b;
	*changed = true;
	return 0;
}

/* Containers round frame rates (FLV to 29.97, Matroska to nanoseconds): the rate that was meant. 0/1 for none. */
static struct ratio meant_fps(AVRational q)
{
	double v = q.num > 0 && q.den > 0 ? av_q2d(q) : 0, up = ceil(v - 0.005);

	if (v <= 0 || v >= 1000)
		return (struct ratio){0, 1};
	if (fabs(v - up) < 0.005)
		return (struct ratio){(int64_t)up, 1};
	if (fabs(v - up * 1000 / 1001) < 0.005)
		return (struct ratio){(int64_t)up * 1000, 1001};
	av_reduce(&q.num, &q.den, q.num, q.den, 60000);
	return (struct ratio){q.num, q.den};
}

/* What the container says, once the filters are there (they rewrite the parameter sets). */
static int learn_header(struct media_demux *d, int i)
{
	AVStream *st = d->fc->streams[i];
	struct demux_stream *s = &d->stream[i];
	const AVCodecParameters *par = s->bsf ? s->bsf->par_out : st->codecpar;
	AVRational fps = st->avg_frame_rate.num ? st->avg_frame_rate : st->r_frame_rate;
	bool changed,
	    flv_aac = par->codec_id == AV_CODEC_ID_AAC && strstr(d->fc->iformat->name, "flv");

	if (!s->width || !s->height)
		s->width = par->width, s->height = par->height;
	/* FLV says 44.1 kHz stereo of any AAC. */
	if ((!s->sample_rate || !s->channels) && !flv_aac)
		s->sample_rate = par->sample_rate, s->channels = par->ch_layout.nb_channels;
	if (!s->frame_samples)
		s->frame_samples = par->frame_size;
	if (par->sample_aspect_ratio.num > 0)
		s->sar = mav_to_ratio(par->sample_aspect_ratio);
	else if (st->sample_aspect_ratio.num > 0)
		s->sar = mav_to_ratio(st->sample_aspect_ratio);
	/* A fragmented MP4 tells the average of the fragments it has seen. */
	if (!s->fps.num && strncmp(d->fc->iformat->name, "mov", 3))
		s->fps = meant_fps(fps);
	if (!s->extra && s->bsf &&
	    keep_extra(s, par->extradata, (size_t)par->extradata_size, &changed))
		return -ENOMEM;
	return 0;
}

static int open_decoder(struct demux_stream *s)
{
	const AVCodec *c = avcodec_find_decoder(s->bsf->par_out->codec_id);

	s->dec = c ? avcodec_alloc_context3(c) : NULL;
	if (!s->dec)
		return -ENOMEM;
	int rc = avcodec_parameters_to_context(s->dec, s->bsf->par_out);
	if (rc >= 0 && s->extra && !s->dec->extradata) {
		s->dec->extradata = av_mallocz(s->extra->len + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!s->dec->extradata)
			return -ENOMEM;
		memcpy(s->dec->extradata, s->extra->data, s->extra->len);
		s->dec->extradata_size = (int)s->extra->len;
	}
	s->dec->thread_count = 1;
	return rc < 0 ? rc : avcodec_open2(s->dec, c, NULL);
}

/* Decodes a packet to learn what only the coded frames say. */
static void learn_frame(struct demux_stream *s, const AVPacket *pkt)
{
	AVFrame *f = av_frame_alloc();

	if (!f || (!s->dec && open_decoder(s) < 0))
		goto end;
	int rc = avcodec_send_packet(s->dec, pkt);
	if (rc >= 0)
		avcodec_receive_frame(s->dec, f);
	if (s->dec->width > 0 && s->dec->height > 0) {
		s->width = s->dec->width;
		s->height = s->dec->height;
		s->reorder = s->dec->has_b_frames;
		s->seen = true;
		if (s->dec->sample_aspect_ratio.num > 0)
			s->sar = mav_to_ratio(s->dec->sample_aspect_ratio);
		if (!s->fps.num)
			s->fps = meant_fps(s->dec->framerate);
	}
	if (s->dec->sample_rate > 0 && s->dec->ch_layout.nb_channels > 0) {
		s->sample_rate = s->dec->sample_rate;
		s->channels = s->dec->ch_layout.nb_channels;
		s->frame_samples = s->dec->frame_size;
	}
end:
	av_frame_free(&f);
}

static int learn(struct media_demux *d, const AVPacket *pkt)
{
	struct demux_stream *s = &d->stream[pkt->stream_index];
	size_t n = 0;
	const uint8_t *p = av_packet_get_side_data(pkt, AV_PKT_DATA_NEW_EXTRADATA, &n);
	bool changed;
	int rc = keep_extra(s, p, n, &changed);

	if (!rc)
		rc = learn_header(d, pkt->stream_index);
	if (!rc && !complete(d, pkt->stream_index))
		learn_frame(s, pkt);
	return rc;
}

/* All that can be known is known. elapsed: stream time read so far. */
static bool known(struct media_demux *d, int64_t elapsed_us)
{
	int kinds = 0, ready = 0, waiting = 0;
	bool listed = d->ts ? d->fc->nb_programs > 0 : !(d->fc->ctx_flags & AVFMTCTX_NOHEADER);

	for (unsigned i = 0; i < MIN(d->fc->nb_streams, MEDIA_STREAMS_MAX); i++) {
		if (!media_demux_wanted(d, (int)i))
			continue;
		if (complete(d, (int)i))
			ready++;
		else
			waiting++;
		kinds |= d->fc->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO ? 1 : 2;
	}
	if (!ready)
		return false;
	if (waiting)
		return elapsed_us > SILENT_US;
	return listed || kinds == 3 || elapsed_us > LONE_US;
}

static int keep_early(struct media_demux *d)
{
	struct early *e = malloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->packet = mav_packet_to_media(d->pkt);
	if (!e->packet) {
		free(e);
		return -ENOMEM;
	}
	e->packet->loss = d->stream[d->pkt->stream_index].lost;
	d->stream[d->pkt->stream_index].lost = false;
	list_append(&d->early, &e->node);
	return 0;
}

static bool has_sound(const struct media_info *info)
{
	for (int i = 0; i < info->n; i++)
		if (info->track[i].kind == MEDIA_AUDIO)
			return true;
	return false;
}

static void name_track(struct media_info *info, struct media_track *t, const char *title)
{
	char made[24], tag[4];

	language_tag(tag, t->lang);
	if (t->kind == MEDIA_VIDEO)
		snprintf(made, sizeof(made), "%dp", t->height);
	else if (*tag && has_sound(info))
		snprintf(made, sizeof(made), "audio-%s", tag);
	else
		snprintf(made, sizeof(made), "audio");
	str_copy(t->name, sizeof(t->name), title && *title ? title : made);
	for (char *c = t->name; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '/' || *c == '"' || *c == 0x7f)
			*c = '_';
	for (int n = 2; n <= MEDIA_TRACKS_MAX; n++) {
		bool taken = false;

		for (int k = 0; k < info->n; k++)
			taken |= !strcmp(info->track[k].name, t->name);
		if (!taken)
			return;
		str_copy(made, sizeof(made), t->name);
		snprintf(t->name, sizeof(t->name), "%.20s-%d", made, n);
	}
}

static const char *tag(AVDictionary *d, const char *key)
{
	const AVDictionaryEntry *e = av_dict_get(d, key, NULL, 0);

	return e ? e->value : NULL;
}

/* Of a stream of this toolkit the title is the track's name; others tell by it what they have. */
static void label_track(const struct media_demux *d, struct media_track *t, AVDictionary *said)
{
	const char *label = tag(said, "label");

	if (!label && t->kind == MEDIA_AUDIO && !tag(d->fc->metadata, "gex_utc"))
		label = tag(said, "title");
	str_copy(t->label, sizeof(t->label), label ? label : "");
	for (char *c = t->label; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '"' || *c == 0x7f)
			*c = ' ';
}

static void describe(struct media_demux *d, int i, struct media_info *info)
{
	AVStream *st = d->fc->streams[i];
	const struct demux_stream *s = &d->stream[i];
	struct media_track *t = &info->track[info->n];
	const char *lang = tag(st->metadata, "language"), *rate = tag(st->metadata, "bitrate");

	t->kind = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO ? MEDIA_VIDEO : MEDIA_AUDIO;
	t->codec = mav_codec_from_id(st->codecpar->codec_id);
	str_copy(t->codec_name, sizeof(t->codec_name), avcodec_get_name(st->codecpar->codec_id));
	t->tb = mav_to_ratio(s->bsf ? s->bsf->time_base_out : st->time_base);
	t->bitrate = st->codecpar->bit_rate;
	if (rate && num_int(rate, &t->bitrate))
		t->bitrate = 0;
	t->width = s->width;
	t->height = s->height;
	const void *matrix = av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, NULL);
	t->turn = matrix ? upright_turn(matrix) : 0;
	t->reorder = MAX(s->reorder, st->codecpar->video_delay);
	t->sar = s->sar.num ? s->sar : (struct ratio){1, 1};
	t->fps = s->fps.num ? s->fps : (struct ratio){0, 1};
	t->sample_rate = s->sample_rate;
	t->channels = s->channels;
	t->frame_samples = s->frame_samples ? s->frame_samples : t->codec == MEDIA_AAC ? 1024 : 0;
	t->sample_format = st->codecpar->format + 1;
	t->sample_tag =
	    st->codecpar->codec_id == AV_CODEC_ID_RAWVIDEO ? st->codecpar->codec_tag : 0;
	t->sample_bits = st->codecpar->bits_per_coded_sample;
	t->extra = s->extra ? buf_ref(s->extra) : NULL;
	if (lang)
		language_code(t->lang, lang);
	t->standard = st->disposition & AV_DISPOSITION_DEFAULT;
	label_track(d, t, st->metadata);
	name_track(info, t, tag(st->metadata, "title"));
	info->n++;
}

/* NUT says so in its metadata. MPEG-TS cannot carry the epoch: its 33 bits are near the clock's,
 * and no other maker claims the service. */
static bool is_utc(struct media_demux *d)
{
	const char *flag = tag(d->fc->metadata, "gex_utc");

	return (flag && !strcmp(flag, "1")) || d->ts_utc;
}

bool media_probe_near_utc(const struct media_demux *d, int64_t ts_us, int64_t now_us)
{
	const AVProgram *p = d->fc->nb_programs ? d->fc->programs[0] : NULL;
	const char *maker = p ? tag(p->metadata, "service_provider") : NULL;

	return llabs(ts_us - now_us) <= 60 * SEC_US && (!maker || !strcmp(maker, MAV_PROVIDER));
}

/* Data stands behind what is seen and heard. */
static void add_side(struct media_demux *d, int i, struct media_info *info)
{
	static const char *const names[] = {
	    [MEDIA_SCTE35] = "scte35", [MEDIA_ID3] = "id3", [MEDIA_JPEG] = "thumbnails"};
	const AVStream *st = d->fc->streams[i];
	const struct demux_stream *s = &d->stream[i];
	struct media_track *t = &info->track[info->n + info->sides];

	if (info->n + info->sides == MEDIA_TRACKS_MAX)
		return;
	t->kind = MEDIA_DATA;
	t->codec = is_thumbnails(d, i) ? MEDIA_JPEG : mav_side_codec(st->codecpar);
	t->width = s->width;
	t->height = s->height;
	t->fps = s->fps;
	str_copy(t->codec_name, sizeof(t->codec_name), names[t->codec]);
	str_copy(t->name, sizeof(t->name), t->codec_name);
	t->tb = mav_to_ratio(st->time_base);
	d->stream[i].track = info->n + info->sides++;
}

static int make_info(struct media_demux *d, char *err)
{
	struct media_info *info = media_info_create();
	struct early *e, *tmp;

	if (!info)
		return mav_say(err, "out of memory"), -ENOMEM;
	for (int i = 0; i < MEDIA_STREAMS_MAX; i++) {
		struct demux_stream *s = &d->stream[i];

		s->track = -1;
		avcodec_free_context(&s->dec);
		if (i >= (int)d->fc->nb_streams)
			continue;
		if (media_demux_side(d, i))
			continue;
		if (!media_demux_wanted(d, i) || !complete(d, i) || info->n == MEDIA_TRACKS_MAX) {
			d->fc->streams[i]->discard = AVDISCARD_ALL;
			continue;
		}
		s->track = info->n;
		describe(d, i, info);
	}
	if (!info->n) {
		media_info_unref(info);
		mav_say(err, "the %s stream has no video or audio that can be read",
			d->fc->iformat->name);
		return -EINVAL;
	}
	for (int last = 0; last < 2; last++)
		for (int i = 0; i < (int)MIN(d->fc->nb_streams, MEDIA_STREAMS_MAX); i++)
			if (media_demux_side(d, i) && is_thumbnails(d, i) == last)
				add_side(d, i, info);
	info->utc = is_utc(d);
	d->info = info;
	list_for_safe (e, tmp, &d->early, node) {
		e->packet->track = d->stream[e->packet->track].track;
		if (e->packet->track >= 0) {
			media_probe_complete(d, e->packet);
			continue;
		}
		list_remove(&e->node);
		media_packet_unref(e->packet);
		free(e);
	}
	return 0;
}

int media_probe(struct media_demux *d, char *err)
{
	int64_t first_us = 0;
	int rc;

	for (unsigned i = 0; i < MIN(d->fc->nb_streams, MEDIA_STREAMS_MAX); i++) {
		/* Without its parameter sets (FLV, MPEG-TS) a stream's filters are made at its
		 * first packet. */
		if (media_demux_wanted(d, (int)i) && d->fc->streams[i]->codecpar->extradata_size)
			rc = media_demux_filter(d, (int)i);
		if ((rc = learn_header(d, (int)i)))
			return mav_say(err, "out of memory"), rc;
	}
	while (!known(d, d->near_us_set ? d->near_us - first_us : 0)) {
		bool first = !d->near_us_set;

		if (d->bytes > PROBE_BYTES || os_mono_us() - d->opened_us > PROBE_US)
			break;
		rc = media_demux_next(d);
		if (rc == -ENODATA)
			break;
		if (rc) {
			mav_say(err, "%s", rc == -EINTR ? "cancelled" : strerror(-rc));
			return rc;
		}
		if (first)
			first_us = d->near_us;
		if (!(rc = learn(d, d->pkt)))
			rc = keep_early(d);
		av_packet_unref(d->pkt);
		if (rc)
			return mav_say(err, "out of memory"), rc;
	}
	return make_info(d, err);
}

/* The same info with one track's parameter sets and size replaced. */
static struct media_info *info_with(const struct media_info *from, int track,
				    const struct demux_stream *s)
{
	struct media_info *info = media_info_create();

	if (!info)
		return NULL;
	info->n = from->n;
	info->sides = from->sides;
	info->utc = from->utc;
	memcpy(info->track, from->track, sizeof(info->track));
	for (int k = 0; k < info->n; k++) {
		struct media_track *t = &info->track[k];

		t->extra = k == track ? s->extra : t->extra;
		if (t->extra)
			buf_ref(t->extra);
	}
	info->track[track].width = s->width;
	info->track[track].height = s->height;
	info->track[track].sample_rate = s->sample_rate;
	info->track[track].channels = s->channels;
	return info;
}

int media_probe_changed(struct media_demux *d)
{
	struct demux_stream *s = &d->stream[d->pkt->stream_index];
	size_t n = 0;
	const uint8_t *p = av_packet_get_side_data(d->pkt, AV_PKT_DATA_NEW_EXTRADATA, &n);
	bool changed = false;
	int rc = keep_extra(s, p, n, &changed);

	if (rc || !changed)
		return rc;
	learn_frame(s, d->pkt);
	avcodec_free_context(&s->dec);
	struct media_info *info = info_with(d->info, s->track, s);
	if (!info)
		return -ENOMEM;
	media_info_unref(d->info);
	d->info = info;
	return 0;
}

void media_probe_complete(const struct media_demux *d, struct media_packet *p)
{
	const struct media_track *t = &d->info->track[p->track];

	if (p->duration)
		return;
	if (t->kind == MEDIA_AUDIO && t->frame_samples)
		p->duration =
		    base_rescale(t->frame_samples, (struct ratio){1, t->sample_rate}, t->tb);
	else if (t->kind == MEDIA_VIDEO && t->fps.num)
		p->duration = base_rescale(1, (struct ratio){t->fps.den, t->fps.num}, t->tb);
}
