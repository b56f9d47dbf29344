/* Encoders of the engine at work: pictures frame by frame, sound. Not for other modules. */
#ifndef GEX_MEDIA_ENCODE_H
#define GEX_MEDIA_ENCODE_H

#include "media/caption.h"
#include "media/codec.h"
#include "media/sound.h"
#include "media/splice.h"

#define AUDIO_RATE SPLICE_RATE
#define AUDIO_FRAME_AAC 1024
#define AUDIO_FRAME_OPUS 960

struct encoder {
	AVCodecContext *cc;
	AVPacket *pkt;
	struct media_track *track; /* whose time base packets get */
	int index;		   /* of the track */
	int64_t base;		   /* what was subtracted from pts: codecs count from 0 */
	struct card card;
	bool instead; /* of the one that was asked for */
	/* Captions that the encoder does not write itself, of the frame whose packet comes next. */
	bool adds_captions;
	uint8_t said[CAPTION_FRAME * 3];
	size_t said_size;
	int64_t ticks; /* units of track->tb in one of the encoder's */
};

/* Opens and describes the track in *t (extra is made); t must outlive the encoder. like: a decoded frame, whose colours are
 * named in the stream. 0 or a negative errno with a reason. */
int encoder_open_video(struct encoder *e, const struct rung *r, const AVFrame *like,
		       struct media_track *t, int index, char *err) MUST_USE;
int encoder_open_audio(struct encoder *e, const struct sound *s, struct media_track *t, int index,
		       char *err) MUST_USE;
/* f->pts: frames (video) or samples (audio) since the epoch; its captions (side data) go into H.264, HEVC and AV1. NULL: no more. */
int encoder_send(struct encoder *e, AVFrame *f) MUST_USE;
/* The next packet; NULL when there is none now. */
struct media_packet *encoder_receive(struct encoder *e);
void encoder_close(struct encoder *e);

#endif
