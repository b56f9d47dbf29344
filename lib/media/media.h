/* media: everything that touches FFmpeg, zimg and FreeType; nobody else includes them.
 *
 * What crosses the border is plain: a media_info says which tracks a stream has, a media_packet is
 * one coded frame of one track. Packets stand in one normal form wherever they come from: H.264 and
 * HEVC as Annex B access units, the parameter sets in track.extra (Annex B too) and repeated
 * in-band at key frames as the source does; AAC raw, its AudioSpecificConfig in track.extra.
 * Timestamps are exact in the track's time base and, for a stream of this toolkit, count from the
 * Unix epoch: pts * tb is the UTC instant at which the frame entered (see timeline.h for streams
 * that do not).
 *
 * Demuxing, decoding and encoding block, so they run on threads of their own (stream's input
 * thread, the engine of gex-transcode); muxing does not block and is done wherever the bytes are
 * wanted. No object here may be used by two threads at once; packets and infos are immutable once
 * shared and may. */
#ifndef GEX_MEDIA_H
#define GEX_MEDIA_H

#include <sys/types.h>

#include "base/base.h"
#include "buf/buf.h"

#define MEDIA_TRACKS_MAX 32

enum media_kind { MEDIA_VIDEO, MEDIA_AUDIO, MEDIA_DATA };

enum media_codec {
	MEDIA_H264,
	MEDIA_HEVC,
	MEDIA_AV1,
	MEDIA_VP9,
	MEDIA_AAC,
	MEDIA_OPUS,
	MEDIA_MP3,
	MEDIA_SCTE35, /* data: a splice_info_section a packet */
	MEDIA_ID3,    /* data: an ID3 tag a packet */
	MEDIA_JPEG,   /* data: a thumbnail, a JPEG a packet, each at its instant */
	MEDIA_OTHER,  /* carried by demux only so that a tool can name what it refuses:
			track.codec_name */
};

struct media_track {
	enum media_kind kind;
	enum media_codec codec;
	char codec_name[24]; /* as FFmpeg names it */
	char name[32];	 /* rung or language track: "720p", "audio"; made from the height when the
			    container has none */
	char lang[8];	 /* ISO 639-2/T, or empty */
	char label[64];	 /* what people are shown instead of the name; or empty */
	bool standard;	 /* of several of sound: the one for who does not choose */
	struct ratio tb; /* seconds a timestamp unit */
	int64_t bitrate; /* bit/s, 0: not known */
	/* video */
	int width, height;
	struct ratio sar, fps; /* fps 0/1: not known */
	int reorder;	       /* frames that come before one that is shown earlier */
	int turn;	       /* quarters, clockwise, by which pictures are to be turned */
	/* audio */
	int sample_rate, channels;
	int frame_samples; /* 0: not known */
	struct buf *extra; /* NULL: none (yet) */
	/* raw tracks (a Y4M or WAV pipe): FFmpeg's number of the pixel or sample format + 1, and
	 * the bits of a sample, or the tag that stands for both; else 0 */
	int sample_format, sample_bits;
	unsigned sample_tag;
};

/* Immutable and reference-counted: the tracks of a stream. A change of tracks is a new info. */
struct media_info {
	_Atomic int refs;
	int n;
	int sides; /* behind those n: tracks of data (cues, timed metadata, thumbnails last), for who asks for them */
	bool utc; /* timestamps count from the Unix epoch (a stream made by gex-transcode) */
	struct media_track track[MEDIA_TRACKS_MAX];
};
struct media_info *media_info_create(void); /* zeroed, one reference; NULL without memory */
struct media_info *media_info_ref(struct media_info *i);
void media_info_unref(struct media_info *i); /* the last frees extra of all tracks */
/* The track named, else NULL; "video"/"audio" match the first of the kind, a language ("ko", "kor") the first sound in it. */
const struct media_track *media_info_find(const struct media_info *i, const char *name);

struct media_packet {
	_Atomic int refs;
	int track; /* index into the info */
	bool key;
	bool loss;		    /* something of its track was lost before it */
	int64_t pts, dts, duration; /* in the track's tb; duration 0: not known */
	size_t size;
	uint8_t data[]; /* size bytes, then BUF_PADDING zeros */
};
struct media_packet *media_packet_create(
    size_t size); /* one reference, data not set; NULL without memory */
struct media_packet *media_packet_ref(struct media_packet *p);
void media_packet_unref(struct media_packet *p);
/* UTC (or stream) time of the packet in microseconds. */
int64_t media_packet_us(const struct media_info *i, const struct media_packet *p);

/* ---- bytes in: what a source gives to the demuxer. Called on the demuxer's thread; may block.
 * ---- */
struct media_reader {
	/* Up to n bytes: > 0 read, 0 end of stream, negative errno (-EINTR: cancelled). */
	ssize_t (*read)(void *arg, void *p, size_t n);
	void *arg;
	/* Reading goes on from byte `at`: 0. With at < 0: how many bytes there are. A negative errno when it flows only; NULL: it
	 * always does. */
	int64_t (*seek)(void *arg, int64_t at);
};

/* ---- demux ---- */
struct media_demux;
#define MEDIA_ERR 256
/* Probes and opens. format: an FFmpeg demuxer's name ("nut", "mpegts"), or NULL to probe among
 * those that a live source may use (a text file, a playlist, an image are refused). Blocks until
 * the tracks are known (bounded: 5 s of reading or 5 MB). 0, or a negative errno with one line in
 * err (MEDIA_ERR bytes): -EINVAL what came is no stream that can be read, -EINTR cancelled,
 * -ETIMEDOUT, or what read() returned. The reader must outlive the demuxer. */
int media_demux_open(struct media_demux **out, const struct media_reader *r, const char *format,
		     char *err) MUST_USE;
/* The same for what libavformat opens by itself: http(s) pull, only from the URL's host; a file with its own
 * seeking. Cancel by setting *cancel from another thread. The URL must outlive the demuxer. */
int media_demux_open_url(struct media_demux **out, const char *url, const _Atomic bool *cancel,
			 char *err) MUST_USE;
/* The demuxer's own reference; take one to keep it. A read may put another info in its place
 * (parameter sets that the source changed): compare the pointer when that matters. */
struct media_info *media_demux_info(const struct media_demux *d);
/* The next packet in normal form; the caller owns it. 0; -ENODATA at the end of the stream; -EINTR
 * cancelled; another negative errno when the source failed. Damaged packets are counted and
 * skipped. */
int media_demux_read(struct media_demux *d, struct media_packet **out) MUST_USE;
int64_t media_demux_damaged(const struct media_demux *d);
/* From here on packets of data (info->sides) are given too. */
void media_demux_sides(struct media_demux *d);
/* Does it come by the segment, and has to be read at the pace of its times for that? */
bool media_demux_bursts(const struct media_demux *d);
/* By how much faster than at that pace, in parts per million: the origin's clock is not ours. */
int media_demux_ppm(const struct media_demux *d);
void media_demux_close(struct media_demux *d);

/* ---- mux ---- */
struct media_mux;
/* write: takes n bytes now (copy them), returns 0 or a negative errno, which media_mux_write then
 * returns. */
typedef int media_write_fn(void *arg, const void *p, size_t n);
/* NUT keeps everything (names, languages, bit rates, exact times; version 4 without syncpoints, since a reader would keep those
 * in memory), MPEG-TS languages of sound and times modulo 2^33, FLV and MP4 begin at zero: a track that began before the
 * first packet loses what lies before. */
/* format: "nut", "mpegts", "flv", "mp4" (fragmented). Writes the header at once. The muxer takes a
 * reference to info. 0, -EINVAL when the format cannot carry a track (the line in err says which),
 * or a negative errno. */
int media_mux_create(struct media_mux **out, const char *format, struct media_info *info,
		     media_write_fn *write, void *arg, char *err) MUST_USE;
/* One packet of one of info's tracks, flushed out at once. Packets of a track come in dts order. Data is left out where the format
 * cannot carry it (FLV, MP4; thumbnails in MPEG-TS). */
int media_mux_write(struct media_mux *m, const struct media_packet *p) MUST_USE;
/* mp4: from now on packets gather, and media_mux_fragment writes those since the last one as one fragment (a moof and a
 * mdat). Without this call each packet is a fragment of its own. */
void media_mux_gather(struct media_mux *m);
int media_mux_fragment(struct media_mux *m) MUST_USE;
/* Does the format carry a track of thumbnails? */
bool media_mux_thumbnails(const char *format);
/* Trailer, where the format has one. */
int media_mux_end(struct media_mux *m);
void media_mux_destroy(struct media_mux *m);

/* ---- push: a blocking connection to an RTMP(S) server through libavformat; for a thread of its
 * own ---- */
struct media_push;
/* Connects, shakes hands and writes the FLV header. *cancel set from another thread ends a blocked
 * call with -EINTR; no call blocks longer than timeout_us. TLS certificates are verified. err: one
 * line that never holds the URL's path (the stream key). */
int media_push_open(struct media_push **out, const char *url, struct media_info *info,
		    int64_t timeout_us, const _Atomic bool *cancel, char *err) MUST_USE;
int media_push_write(struct media_push *p, const struct media_packet *pkt) MUST_USE;
void media_push_close(struct media_push *p);

/* libav*'s own log lines go through log (level by level, one object "libav"); called once by each
 * tool that links media. */
void media_setup_log(void);

#endif
