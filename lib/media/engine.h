/* engine: one live source in (or one of several, see failover.h), a ladder of renditions on the UTC timeline out.
 *
 *   input thread: wait, demux, timeline ──┬─ packets ─► video thread: decode, frame grid ─┐
 *                                         │   ┌─────────────── pictures, a door each rung ┘
 *                                         │   └─► scaling thread ─┬─ pictures ─► rung thread: encode
 *                                         │                       └─ pictures ─► rung thread …
 *                                         └─ packets ─► audio thread: decode, resample, encode
 *   all of them ─► one list ─► the loop's thread (events, muxing)
 *
 * Everything is decoded once. The queues are bounded: packets by backpressure on the source, pictures by dropping one at
 * the encoder's door, never one that has to be a key frame (a source that is not live waits instead). Sound is never
 * dropped. Key frames stand where the frame's index is a multiple of the GOP, at the same instants in all rungs; the output
 * begins at such an instant.
 *
 * While a live source is silent or gone its last picture is repeated, with silence, on the timeline, HOLD later than it
 * would have been, and after slate_us a slate; when it comes back, even with another size or codec, it is taken in again.
 * Pictures that the decoder calls damaged, and those that follow, are left out up to the next key frame, but not for long.
 *
 * Several inputs are read at once, each by a thread of its own; those that are not active keep what came since their last key
 * frame, so that taking over costs a moment of decoding. All of them are on the same timeline. */
#ifndef GEX_MEDIA_ENGINE_H
#define GEX_MEDIA_ENGINE_H

#include "loop/loop.h"
#include "media/alerts.h"
#include "media/failover.h"
#include "media/ladder.h"
#include "media/overlay.h"
#include "media/thumb.h"
#include "media/sound.h"
#include "media/timeline.h"
#include "media/upright.h"

/* What is told of an input: its faults, then what its packets tell (enum alert). */
#define ENGINE_ALERTS (FAILOVER_FAULTS + ALERTS)

struct engine;

/* Where bytes come from: stream_source's functions, or a test's. All but cancel are called on the input thread. */
struct engine_source {
	void *arg;
	/* Waits for a connection: 0; -ENODATA when there will be none; -EINTR when cancelled; another error is tried again. */
	int (*wait)(void *arg);
	ssize_t (*read)(void *arg, void *p, size_t n);
	int64_t (*seek)(void *arg, int64_t at); /* media_reader's; may be NULL */
	const char *(*peer)(void *arg);		/* for logs; "" for none */
	void (*cancel)(
	    void *arg);	    /* from any thread: wait and read end with -EINTR, now and later */
	const char *format; /* FFmpeg's name, NULL: probe */
	const char *url;    /* instead of all the above: what libavformat opens itself (http) */
	bool live;	    /* false: a file, read as fast as it can be encoded */
	bool paced;	    /* a file in real time */
	bool loops;	    /* it ends and begins again all the time, which is not told */
	bool once;	    /* it comes to an end and that is all (a pipe): no lost() then */
};

struct engine_conf {
	struct engine_source source[INPUTS_MAX]; /* in order of preference */
	int sources;
	int64_t loss_us, return_us, fault_us[FAILOVER_FAULTS]; /* failover.h */
	int64_t alert_us[FAILOVER_FAULTS]; /* after so long a fault is told; 0: never */
	struct alerts_conf alerts;
	enum upright_mode deinterlace;
	struct overlay_conf overlay[OVERLAYS_MAX]; /* strings: for as long as the engine lives */
	int overlays;
	struct thumb_conf thumb[THUMBS_MAX]; /* the same */
	int thumbs;
	int64_t slate_us;	/* the last picture stands so long; NEVER_US: no slate */
	const char *slate_file; /* NULL: a picture with slate_text; both for engine_create only */
	const char *slate_text;
	struct rung rung[LADDER_MAX];
	int rungs;	 /* 0: as one that is automatic */
	bool sound_only; /* no pictures, whatever the source has */
	bool cascade;	 /* smaller rungs are scaled from larger ones */
	int64_t gop_us;
	struct sound sound[SOUNDS_MAX];
	int sounds;	   /* 0: one for each track of the first source, */
	struct sound like; /* made like this; bitrate 0: no sound */
	double silence_db; /* sound that stays below it is none (dBFS) */
};

/* On the loop's thread. */
struct engine_events {
	void (*opened)(void *arg, int input, const char *what);
	void (*lost)(void *arg, int input, const char *reason);
	/* Another input than before is encoded from here on; why: failover_why_text. */
	void (*switched)(void *arg, int input, const char *why);
	/* Once: the renditions, before the first packet. */
	void (*start)(void *arg, struct media_info *info);
	/* The callee does not own p. took_us: what encoding (and scaling) it took. */
	void (*packet)(void *arg, struct media_packet *p, int64_t took_us);
	/* The last event: the source came to its end (0), or cannot be read at all (-EINVAL, …; reason is one line). */
	void (*end)(void *arg, int err, const char *reason);
	/* How many bytes the sinks still hold; only a source that is not live waits for them. */
	size_t (*queued)(void *arg);
	/* A fault of an input has lasted for alert_us, or what its packets tell has begun (kind: of ENGINE_ALERTS); or it is over.
	 * May be NULL. */
	void (*alert)(void *arg, int input, int kind, bool on);
};

struct engine_rung_stats {
	int64_t frames, dropped, repeated;
	int64_t captioned;	     /* frames with captions */
	bool instead;		     /* by the processor, since the card could not be had */
	int queued;		     /* at the door */
	int ready;		     /* scaled, before the encoder */
	int64_t scale_us, encode_us; /* spent in both */
};
struct engine_input_stats {
	int64_t opened;
	bool present, active;
	unsigned alerted;	       /* bits by kind */
	int64_t alerts[ENGINE_ALERTS]; /* how often each began */
};
struct engine_sound_stats {
	double momentary, short_term, integrated; /* LUFS, of what the source sends */
	double gain;				  /* dB, by which it is changed now */
	int64_t limited;			  /* samples made lower for their peaks */
};
struct engine_stats {
	int64_t frames_in, packets_in, bytes_in; /* of all inputs */
	int64_t damaged, undecoded;
	int64_t skipped; /* pictures that were not decoded, since the machine lagged */
	int64_t broken;	 /* pictures left out because of damage before or in them */
	int64_t repairs[TIMELINE_REPAIRS]; /* of all inputs */
	int64_t switches[FAILOVER_WHYS];   /* how often another input came */
	int64_t slates;			   /* and the slate */
	bool slate;			   /* it is there now */
	int64_t silence_samples, cut_samples;
	int64_t side_packets, side_dropped; /* cues and timed metadata passed on, and left out */
	int64_t decode_us;		    /* spent in decoding pictures and making them upright */
	int queued;			    /* packets that wait to be decoded */
	int64_t overrun; /* packets lost because the loop's thread took none for long */
	bool present;	 /* the active source is there */
	int inputs;
	struct engine_input_stats input[INPUTS_MAX];
	int thumbs;
	struct {
		const char *name;
		int64_t written, failed;
	} thumb[THUMBS_MAX];
	int rungs;
	struct engine_rung_stats rung[LADDER_MAX];
	int sounds;
	struct engine_sound_stats sound[SOUNDS_MAX];
};

/* Starts the threads. conf is copied, but not what the sources' pointers point to. 0, or a negative errno with one line in err
 * (MEDIA_ERR bytes). */
int engine_create(struct engine **out, struct loop *l, const struct engine_conf *conf,
		  const struct engine_events *ev, void *arg, char *err) MUST_USE;
void engine_stats(struct engine *e, struct engine_stats *st);
/* Ends the source; what was read is encoded and given out, then end() comes. */
void engine_stop(struct engine *e);
/* At once; no event comes after this. NULL is allowed. */
void engine_destroy(struct engine *e);

#endif
