/* engine: one live source in, a ladder of renditions on the UTC timeline out.
 *
 *   input thread: wait, demux, timeline ──┬─ packets ─► video thread: decode, frame grid ─┬─ pictures ─► rung thread: scale, encode
 *                                         │                                               ├─ pictures ─► rung thread …
 *                                         └─ packets ─► audio thread: decode, resample, encode
 *   all of them ─► one list ─► the loop's thread (events)
 *
 * Everything is decoded once. The queues are bounded: packets by backpressure on the source, pictures by dropping one at
 * the encoder's door, never one that has to be a key frame (a source that is not live waits instead). Sound is never
 * dropped. Key frames stand where the frame's index is a multiple of the GOP, at the same instants in all rungs; the output
 * begins at such an instant.
 *
 * While a live source is silent or gone its last picture is repeated, with silence, on the timeline, HOLD later than it
 * would have been; when it comes back, even with another size or codec, it is taken in again. */
#ifndef GEX_MEDIA_ENGINE_H
#define GEX_MEDIA_ENGINE_H

#include "loop/loop.h"
#include "media/ladder.h"
#include "media/timeline.h"

struct engine;

/* Where bytes come from: stream_source's functions, or a test's. All but cancel are called on the input thread. */
struct engine_source {
	void *arg;
	/* Waits for a connection: 0; -ENODATA when there will be none; -EINTR when cancelled; another error is tried again. */
	int (*wait)(void *arg);
	ssize_t (*read)(void *arg, void *p, size_t n);
	const char *(*peer)(void *arg); /* for logs; "" for none */
	void (*cancel)(
	    void *arg);	    /* from any thread: wait and read end with -EINTR, now and later */
	const char *format; /* FFmpeg's name, NULL: probe */
	const char *url; /* instead of all the above: what libavformat opens itself (http, rtmp) */
	bool live;	 /* false: a file, read as fast as it can be encoded */
	bool paced;	 /* a file in real time */
	bool once;	 /* it comes to an end and that is all (a pipe): no lost() then */
};

struct engine_conf {
	struct engine_source source;
	struct rung rung[LADDER_MAX];
	int rungs; /* 0: ladder_default */
	int64_t gop_us;
	int64_t audio_bitrate; /* 0: no sound */
};

/* On the loop's thread. */
struct engine_events {
	void (*opened)(void *arg, const char *what);
	void (*lost)(void *arg, const char *reason);
	/* Once: the renditions, before the first packet. */
	void (*start)(void *arg, struct media_info *info);
	/* The callee does not own p. took_us: what encoding (and scaling) it took. */
	void (*packet)(void *arg, struct media_packet *p, int64_t took_us);
	/* The last event: the source came to its end (0), or cannot be read at all (-EINVAL, …; reason is one line). */
	void (*end)(void *arg, int err, const char *reason);
	/* How many bytes the sinks still hold; only a source that is not live waits for them. */
	size_t (*queued)(void *arg);
};

struct engine_rung_stats {
	int64_t frames, dropped, repeated;
	int queued;
};
struct engine_stats {
	int64_t frames_in, packets_in, bytes_in, damaged, undecoded;
	int64_t repairs[TIMELINE_REPAIRS];
	int64_t silence_samples, cut_samples;
	int64_t overrun; /* packets lost because the loop's thread took none for long */
	int64_t opened;
	bool present; /* the source is there */
	int rungs;
	struct engine_rung_stats rung[LADDER_MAX];
};

/* Starts the threads. conf is copied, but not what the source's pointers point to. */
int engine_create(struct engine **out, struct loop *l, const struct engine_conf *conf,
		  const struct engine_events *ev, void *arg) MUST_USE;
void engine_stats(struct engine *e, struct engine_stats *st);
/* Ends the source; what was read is encoded and given out, then end() comes. */
void engine_stop(struct engine *e);
/* At once; no event comes after this. NULL is allowed. */
void engine_destroy(struct engine *e);

#endif
