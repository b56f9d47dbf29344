/* What the files of this module share of FFmpeg: names of codecs, errors, and the two ways between
 * a media_track and FFmpeg's parameters. Not for other modules. */
#ifndef GEX_MEDIA_AV_H
#define GEX_MEDIA_AV_H

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>

#include "media/media.h"

#define MAV_PROVIDER "G-Express" /* the service provider that our MPEG-TS names */

/* A negative errno for an FFmpeg error: -ENODATA at the end, -EINVAL for what cannot be read,
 * -EINTR when cancelled. */
int mav_errno(int averr);
/* Prints into err (MEDIA_ERR bytes). */
void mav_say(char *err, const char *fmt, ...) PRINTF(2, 3);
/* FFmpeg's words for one of its errors; the buffer is the caller's. */
const char *mav_words(int averr, char *b /* MEDIA_ERR */);

enum media_codec mav_codec_from_id(enum AVCodecID id);
/* Of a stream of data: MEDIA_OTHER is nothing that is passed on. In NUT it is told by a tag of ours. */
enum media_codec mav_side_codec(const AVCodecParameters *par);
/* How many of info's tracks a format carries: without those of data, or with them. */
int mav_streams(const char *format, const struct media_info *info);
enum AVCodecID mav_codec_to_id(const struct media_track *t);

static inline AVRational mav_ratio(struct ratio r)
{
	return (AVRational){(int)r.num, (int)r.den};
}

static inline struct ratio mav_to_ratio(AVRational r)
{
	return r.den > 0 ? (struct ratio){r.num, r.den} : (struct ratio){0, 1};
}

/* Describes a track to FFmpeg (muxer's stream, decoder). 0 or -ENOMEM. */
int mav_parameters_from_track(AVCodecParameters *par, const struct media_track *t) MUST_USE;
/* A packet that borrows p's bytes; p must outlive it. pkt is one of av_packet_alloc, unreferenced.
 */
void mav_packet_borrow(AVPacket *pkt, const struct media_packet *p);
/* The inverse: copies. NULL without memory. */
struct media_packet *mav_packet_to_media(const AVPacket *pkt);

/* For formats that count in few bits from zero (FLV, MP4 as written here): the first packet's dts
 * becomes zero. */
struct mav_base {
	bool on, set;
	int64_t us;
};
/* Sets pkt's times from p's (in tb) in units of `to`; exact when they are the same. False: p is
 * before the base (a track that began a little earlier than the first packet) and cannot be
 * written. */
bool mav_set_times(struct mav_base *b, AVPacket *pkt, const struct media_packet *p, struct ratio tb,
		   AVRational to);

/* The streams of info in a muxer's context, made in order. 0 or a negative errno with the line in
 * err. */
int mav_add_streams(AVFormatContext *fc, const struct media_info *info, char *err) MUST_USE;

#endif
