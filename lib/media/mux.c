#include <errno.h>

#include "media/av.h"
#include "media/cue.h"

#define AVIO_SIZE (188 * 348) /* whole packets of MPEG-TS */
#define MAP_PID 0x1000	      /* of FFmpeg's MPEG-TS, as that of stream 0 */
#define FIRST_PID 0x100

struct media_mux {
	AVFormatContext *fc;
	AVIOContext *pb;
	AVPacket *pkt;
	struct media_info *info;
	media_write_fn *write;
	void *arg;
	int write_rc;
	bool header, fragments;
	int cues, cues_cc; /* MPEG-TS: the track of SCTE 35, or -1, and its packets' counter */
	struct mav_base base;
};

static int on_write(void *arg, uint8_t *p, int n)
{
	struct media_mux *m = arg;

	for (int at = 0; m->cues >= 0 && at + CUE_TS <= n; at += CUE_TS)
		cue_announce(p + at, MAP_PID, FIRST_PID + m->cues);
	if (!m->write_rc)
		m->write_rc = m->write(m->arg, p, (size_t)n);
	return m->write_rc ? m->write_rc : n;
}

/* Per format: no frame is held back for the next one's start (accelerating options measured on
 * FFmpeg 5.1), no index that grows for as long as the stream runs. */
static void options(struct media_mux *m, AVDictionary **o)
{
	const char *f = m->fc->oformat->name;

	m->fc->flags |= AVFMT_FLAG_FLUSH_PACKETS;
	m->fc->flush_packets = 1;
	m->fc->max_delay = 0;
	m->fc->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
	if (!strcmp(f, "mpegts")) {
		av_dict_set(o, "omit_video_pes_length", "0", 0);
		av_dict_set(o, "pes_payload_size", "0", 0);
		av_dict_set(o, "mpegts_copyts", "1", 0);
		av_dict_set(&m->fc->metadata, "service_provider", MAV_PROVIDER, 0);
		av_dict_set(&m->fc->metadata, "service_name", "live", 0);
	} else if (!strcmp(f, "nut")) {
		av_dict_set(o, "write_index", "0", 0);
		/* NUT 4 without syncpoints: a reader of FFmpeg 5.1 keeps each one it has seen for ever. */
		av_dict_set(o, "syncpoints", "none", 0);
		m->fc->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
		if (m->info->utc)
			av_dict_set(&m->fc->metadata, "gex_utc", "1", 0);
	} else if (!strcmp(f, "mp4")) {
		av_dict_set(o, "movflags",
			    "frag_custom+frag_discont+empty_moov+default_base_moof+skip_trailer",
			    0);
		m->fragments = true;
	}
	m->base.on = !strcmp(f, "flv") || !strcmp(f, "mp4");
	if (!strcmp(f, "flv"))
		av_dict_set(o, "flvflags", "no_duration_filesize", 0);
}

static int open_io(struct media_mux *m)
{
	uint8_t *room = av_malloc(AVIO_SIZE);

	m->pb = room ? avio_alloc_context(room, AVIO_SIZE, 1, m, NULL, on_write, NULL) : NULL;
	if (!m->pb) {
		av_free(room);
		return -ENOMEM;
	}
	m->fc->pb = m->pb;
	return 0;
}

static int write_header(struct media_mux *m, char *err)
{
	AVDictionary *o = NULL;
	char words[MEDIA_ERR];

	options(m, &o);
	int rc = avformat_write_header(m->fc, &o);
	av_dict_free(&o);
	if (rc < 0) {
		mav_say(err, "%s: %s", m->fc->oformat->name, mav_words(rc, words));
		return m->write_rc ? m->write_rc : mav_errno(rc);
	}
	m->header = true;
	avio_flush(m->pb);
	return m->write_rc;
}

int media_mux_create(struct media_mux **out, const char *format, struct media_info *info,
		     media_write_fn *write, void *arg, char *err)
{
	struct media_mux *m = calloc(1, sizeof(*m));
	int rc = -ENOMEM;

	*err = 0;
	if (!m)
		goto fail;
	m->write = write;
	m->arg = arg;
	m->info = media_info_ref(info);
	m->cues = -1;
	for (int i = info->n; i < info->n + info->sides && !strcmp(format, "mpegts"); i++)
		if (info->track[i].codec == MEDIA_SCTE35 && m->cues < 0)
			m->cues = i;
	m->pkt = av_packet_alloc();
	if (!m->pkt)
		goto fail;
	if (avformat_alloc_output_context2(&m->fc, NULL, format, NULL) < 0) {
		mav_say(err, "no such output format: %s", format);
		rc = -EINVAL;
		goto fail;
	}
	if ((rc = open_io(m)) || (rc = mav_add_streams(m->fc, info, err)) ||
	    (rc = write_header(m, err)))
		goto fail;
	*out = m;
	return 0;
fail:
	if (!*err)
		mav_say(err, "%s", strerror(-rc));
	media_mux_destroy(m);
	return rc;
}

/* Its time is in the section; the packet comes when it has to be known. */
static int write_cue(struct media_mux *m, const struct media_packet *p)
{
	uint8_t out[CUE_PACKETS_MAX];

	if (!cue_valid(p->data, p->size))
		return 0;
	size_t n = cue_packets(out, p->data, p->size, FIRST_PID + p->track, &m->cues_cc);
	if (!m->write_rc)
		m->write_rc = m->write(m->arg, out, n);
	return m->write_rc;
}

int media_mux_write(struct media_mux *m, const struct media_packet *p)
{
	if (p->track < 0 || p->track >= m->info->n + m->info->sides || p->size > INT32_MAX)
		return -EINVAL;
	if (p->track >= (int)m->fc->nb_streams)
		return 0;
	if (p->track == m->cues)
		return write_cue(m, p);
	mav_packet_borrow(m->pkt, p);
	int rc = 0;
	if (mav_set_times(&m->base, m->pkt, p, m->info->track[p->track].tb,
			  m->fc->streams[p->track]->time_base))
		rc = av_write_frame(m->fc, m->pkt);
	av_packet_unref(m->pkt);
	if (rc >= 0 && m->fragments)
		rc = av_write_frame(m->fc, NULL);
	if (m->write_rc)
		return m->write_rc;
	return rc < 0 ? mav_errno(rc) : 0;
}

void media_mux_gather(struct media_mux *m)
{
	m->fragments = false;
}

int media_mux_fragment(struct media_mux *m)
{
	int rc = av_write_frame(m->fc, NULL);

	if (m->write_rc)
		return m->write_rc;
	return rc < 0 ? mav_errno(rc) : 0;
}

bool media_mux_thumbnails(const char *format)
{
	return !strcmp(format, "nut");
}

int media_mux_end(struct media_mux *m)
{
	if (!m->header || m->write_rc)
		return m->write_rc;
	m->header = false;
	int rc = av_write_trailer(m->fc);
	avio_flush(m->pb);
	return m->write_rc ? m->write_rc : rc < 0 ? mav_errno(rc) : 0;
}

void media_mux_destroy(struct media_mux *m)
{
	if (!m)
		return;
	if (m->header) {
		/* The muxer frees its own state only by the trailer, which nobody is to see. */
		m->write_rc = -ECANCELED;
		av_write_trailer(m->fc);
	}
	if (m->fc)
		avformat_free_context(m->fc);
	if (m->pb)
		av_freep(&m->pb->buffer);
	avio_context_free(&m->pb);
	av_packet_free(&m->pkt);
	media_info_unref(m->info);
	free(m);
}
