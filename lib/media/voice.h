/* voice: one rendition of sound, from a source's packets to coded frames on the timeline; a part of the engine's audio thread. */
#ifndef GEX_MEDIA_VOICE_H
#define GEX_MEDIA_VOICE_H

#include <libswresample/swresample.h>

#include "media/level.h"
#include "media/pipeline.h"
#include "media/splice.h"

/* The splice knows the place (samples since the epoch) of the sample that comes next; frames for the encoder begin at multiples
 * of its size, for every instance alike. */
struct voice {
	struct engine *e;
	int index;
	const struct sound *sound; /* once it has begun */
	struct encoder *enc;
	int input; /* whose packets are decoded */
	bool fed;  /* that input has a track for it */
	AVCodecContext *dec;
	AVPacket *pkt;
	AVFrame *frame, *block, *out;
	SwrContext *swr;
	int in_format, in_rate;
	AVChannelLayout in_layout;
	struct splice splice;
	struct level level;
	int64_t written; /* the place behind the last sample that came */
	int64_t given;	 /* and behind what is in out: they are LEVEL_DELAY apart */
	int skip;	 /* samples that the level gives before the first */
	int size;	 /* of a frame for the encoder */
	int have;	 /* samples in out */
	int stretch;	 /* what the resampler was last told */
	bool begun, failed;
	bool fresh; /* nothing is written yet */
};

/* 0 or -ENOMEM. */
int voice_init(struct voice *v, struct engine *e, int index) MUST_USE;
/* Encodes what is there and frees it; zeroed is allowed. */
void voice_finish(struct voice *v);
/* The engine is built, and output begins at `start` (samples since the epoch). 0 or a negative errno. */
int voice_begin(struct voice *v, int64_t start) MUST_USE;
/* w is of another source, or track; or tells that there is none (w->track < 0). */
void voice_source(struct voice *v, const struct work *w);
/* Decodes a packet. Sound before voice_begin is dropped. */
void voice_packet(struct voice *v, const struct work *w);
/* Decodes what the decoder still holds. */
void voice_flush(struct voice *v);
/* Silence up to the sample `to` (since the epoch) at least; counts: as loss. */
void voice_silence(struct voice *v, int64_t to, bool counts);

static inline int64_t voice_sample_at(int64_t us)
{
	return base_scale(us, AUDIO_RATE, SEC_US);
}

#endif
