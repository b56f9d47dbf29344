/* The inside of a demuxer, shared by demux.c (packets) and probe.c (what the tracks are). Not for
 * other modules. */
#ifndef GEX_MEDIA_DEMUX_H
#define GEX_MEDIA_DEMUX_H

#include <stdatomic.h>

#include "log/log.h"
#include "media/av.h"
#include "media/pace.h"

#define MEDIA_STREAMS_MAX 64 /* of a container; what comes after is not looked at */
#define HEAD_BYTES \
	2048 /* what the MPEG-TS demuxer may read ahead for its tables and then forgets */
#define PROBE_BYTES (5 << 20)
#define PROBE_US (5 * SEC_US)

#define REORDER_MAX 16

struct demux_stream {
	AVBSFContext *bsf;
	AVCodecContext *dec; /* while probing: learns from frames what the container does not say */
	struct buf *extra;
	int width, height, reorder;
	struct ratio sar, fps;
	int sample_rate, channels, frame_samples;
	int64_t anchor; /* the last time that the container told, and how many frames ago that was
			   (-1: never) */
	int64_t since;
	int64_t order[REORDER_MAX + 1]; /* the latest pts of a stream without dts, sorted */
	bool ordered;
	int track; /* -1: not one of info's */
	bool seen;
	bool lost; /* a damaged packet was left out before the next one */
};

/* A packet read while probing; handed on by media_demux_read. */
struct early {
	struct list node;
	struct media_packet *packet; /* .track: the container's stream until info is made */
};

#define PULL_OPENED 4 /* segments of several playlists, in turn */

/* What is pulled by HTTP. */
struct media_pull {
	char *opened[PULL_OPENED]; /* the URLs fetched last, playlists apart */
	int next;
	int64_t looked_us; /* when a playlist was measured */
	struct pace_depth depth;
};

struct media_demux {
	AVFormatContext *fc;
	AVIOContext *pb;
	struct media_reader reader;
	const _Atomic bool *cancel;
	/* Of what is pulled by HTTP: */
	const char *url; /* the caller's, while it is being opened and read */
	int (*open_default)(AVFormatContext *s, AVIOContext **pb, const char *url, int flags,
			    AVDictionary **opts);
	struct log_limit refused;
	struct media_pull pull;
	int read_rc; /* the reader's last word: 0, -ENODATA at the end, or its error */
	int64_t bytes, damaged;
	int64_t opened_us;
	AVPacket *pkt;
	int fed; /* the stream whose filters may have more, or -1 */
	bool ts, ts_utc;
	bool sides;	 /* packets of data are wanted */
	int64_t near_us; /* time of the last packet of any track, unwrapped */
	bool near_us_set;
	struct list early;
	struct media_info *info;
	struct demux_stream stream[MEDIA_STREAMS_MAX];
};

/* The next packet in normal form into d->pkt (stream_index: the container's). 0 or a negative
 * errno. */
int media_demux_next(struct media_demux *d) MUST_USE;
/* Is the stream one that could become a track? */
bool media_demux_wanted(const struct media_demux *d, int stream);
/* Is it one of data that is passed on? */
bool media_demux_side(const struct media_demux *d, int stream);
/* Makes the stream's filters. 0 or an FFmpeg error. */
int media_demux_filter(struct media_demux *d, int stream) MUST_USE;

/* ---- pull.c: what is fetched by HTTP ---- */

/* Before the URL, which outlives d, is opened. */
void media_pull_prepare(struct media_demux *d, const char *url, AVDictionary **o);
/* After that: leaves all but the best variant out. */
void media_pull_choose(struct media_demux *d);
void media_pull_finish(struct media_demux *d);
/* Do both URLs, of http or https, have one host and port? */
bool media_pull_same_origin(const char *a, const char *b);

/* Reads until the tracks are known and makes info. */
int media_probe(struct media_demux *d, char *err) MUST_USE;
/* Takes note of new parameter sets on d->pkt: makes a new info when they differ. 0 or -ENOMEM. */
int media_probe_changed(struct media_demux *d) MUST_USE;
/* Is a 33-bit time, put next to now, one of a stream made by gex-transcode? */
bool media_probe_near_utc(const struct media_demux *d, int64_t ts_us, int64_t now_us);
/* Fills in a duration that the container does not tell. */
void media_probe_complete(const struct media_demux *d, struct media_packet *p);

#endif
