/* The inside of the engine, shared by its stages: engine.c (life), events.c, input.c, video.c, rung.c, audio.c, voice.c. */
#ifndef GEX_MEDIA_PIPELINE_H
#define GEX_MEDIA_PIPELINE_H

#include <stdatomic.h>

#include "media/caption.h"
#include "media/encode.h"
#include "media/engine.h"
#include "media/failover.h"
#include "media/queue.h"
#include "media/scale.h"
#include "media/timeline.h"
#include "media/watch.h"

#define HOLD_US \
	(300 * MS_US) /* how late a frame may come before the last is repeated in its place */
#define PACKETS_MAX 256
#define PICTURES_MAX 15 /* at an encoder's door; repeats, which cost little, are not counted */
#define PICTURES_CAP 64
#define OUT_BYTES_MAX (32 << 20)

#define CACHE_BYTES \
	(32 << 20) /* of an input that is not active: what came since its last key frame */
#define CACHE_WORKS 2000

/* From an input to a decoder: a track's parameters (packet NULL; none, track -1: what it decodes is not there), or a packet. */
struct work {
	struct list node; /* while cached */
	int input; /* a decoder takes packets of the input only whose track it was given last */
	struct media_info *info;
	struct media_packet *packet;
	int track, voice; /* voice: the rendition of sound, -1: for the pictures */
	int64_t out_us;	  /* UTC of the packet's pts, or TIMELINE_NONE */
};
void work_destroy(struct work *w);

/* From the video thread to a rung. */
struct picture {
	AVFrame *frame; /* NULL: the last one again */
	int64_t n;	/* index on the rung's grid */
	bool key;
};
void picture_destroy(struct picture *p);

struct stage {
	struct engine *e;
	int index;
	struct rung conf;
	struct grid grid; /* the video thread's */
	bool slated;	  /* its last picture was the slate */
	/* Of a rung that is not encoded, the video thread's: the packets' track must be like ours, they go on from a key frame, their
	 * times rise. */
	bool alike, running_on;
	int64_t last_dts;
	int64_t first;	  /* frame of the output */
	struct ratio gop; /* seconds; the same for all rungs */
	struct queue queue;
	struct encoder enc;
	struct scaler *scaler;
	struct captions captions;
	struct overlay *overlay; /* NULL: nothing is drawn on it */
	pthread_t thread;
	bool running;
	atomic_llong frames, dropped, repeated, captioned;
};

/* One source, read on a thread of its own. */
struct input {
	struct engine *e;
	int index;
	struct engine_source source;
	pthread_t thread;
	bool running, timed; /* timed: its timeline is made */
	bool fed;	     /* the decoders were given its tracks, and packets since */
	struct timeline timeline;
	struct list cache;
	size_t cache_bytes;
	int cached;
	atomic_bool present;
	atomic_llong opened, repairs[TIMELINE_REPAIRS];
	/* Bits by enum failover_fault, set by engine_fault: what was seen in it last, and what has lasted long enough to be told. */
	atomic_uint seen, alerted;
	atomic_llong alerts[ENGINE_ALERTS];
	struct alerts packets;	  /* of what they tell */
	AVCodecContext *idle_dec; /* idle.c */
	struct media_info *idle_info;
	struct watch idle_watch;
	bool idle_known; /* it has seen a picture */
	AVCodecContext *idle_ear;
	struct media_info *idle_ear_info;
};

enum event {
	EVENT_OPENED,
	EVENT_LOST,
	EVENT_SWITCH,
	EVENT_ALERT,
	EVENT_START,
	EVENT_PACKET,
	EVENT_END
};

struct engine {
	struct loop *loop;
	struct engine_conf conf;
	struct engine_events ev;
	void *arg;
	bool gone, retrying; /* the loop's thread only */
	struct loop_timer retry;
	/* Times of the last packet, and of those that sinks may still hold. */
	int64_t given_us, least_us, most_us;

	struct input input[INPUTS_MAX];
	pthread_t video, audio;
	bool video_running, audio_running;
	bool
	    live; /* gaps are filled; frames are dropped when the machine lags, and the source is not held up */
	bool waits; /* a file as fast as it goes: it waits for encoders and readers */
	struct queue video_queue, audio_queue;
	struct stage rung[LADDER_MAX];
	int rungs;
	struct encoder sound_enc[SOUNDS_MAX];
	struct sound_figures {
		atomic_int momentary, short_term, integrated, gain; /* 0.01 LUFS, 0.01 dB */
		atomic_llong limited;
	} sound_figures[SOUNDS_MAX];
	struct media_info *info;
	int64_t
	    utc_base_us; /* UTC - monotonic, fixed at the start: the clock may be set meanwhile */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* built, closing, room in out */
	bool closing;
	int inputs_left;
	struct failover failover;
	bool begun; /* the first source has come; fps, gop and which tracks there are go by it */
	struct ratio fps;
	bool fields;	 /* twice as many pictures are made of it */
	int64_t gop;	 /* frames */
	bool built;	 /* encoders and info are there */
	bool no_picture; /* the first source has none */
	struct sound sound[SOUNDS_MAX];
	int sounds;
	bool no_picture_came;	   /* the source ended before one could be decoded */
	int64_t start_us;	   /* NEVER_US until known */
	struct overlays *overlays; /* NULL: none */
	struct thumbs *thumbs;	   /* NULL: none */
	AVFrame *slate;		   /* a file's picture, or NULL; the video thread's */
	char slate_text[64];	   /* else */
	int end_err;
	char end_reason[MEDIA_ERR];
	int stages; /* that still run behind the input */
	struct list out;
	size_t out_bytes;
	bool posted;

	atomic_bool cancel, slated;
	atomic_llong frames_in, packets_in, bytes_in, damaged, undecoded, broken, slates;
	atomic_llong silence, cut, overrun, decode_us;
};

int64_t engine_utc_us(const struct engine *e);
/* The start instant, NEVER_US while unknown. */
int64_t engine_start_us(struct engine *e);
/* Hands an event over; takes p or text's copy. n: what encoding took, which input, or the error. Waits for room only for a
 * source that is not live. */
void engine_emit(struct engine *e, enum event kind, struct media_packet *p, int64_t n,
		 const char *text);
void engine_events_clear(struct engine *e);
/* The loop timer's function. */
void engine_deliver(void *engine);
/* For both engine_destroy and the last call of engine_deliver. */
void engine_free(struct engine *e);
/* A stage has come to its end; the last one posts EVENT_END. */
void engine_stage_done(struct engine *e);
/* Makes the rungs, once, from the first picture and its track (NULL: there are no pictures; first may be NULL when nothing is to
 * be encoded). 0 or an error that end() tells. */
int engine_build(struct engine *e, const AVFrame *first, const struct media_track *source);
/* Waits until that has happened; false: it never will. */
bool engine_built(struct engine *e);
/* A decoder has looked at a picture, or a block of sound, of an input, and it has the fault or has it not. To be told of each
 * of them: failover decides, and what lasts is told as an alert. */
void engine_fault(struct engine *e, int input, enum failover_fault kind, bool on);
/* What an input's packets tell, as bits by enum alert. */
void engine_packet_alerts(struct engine *e, int input, unsigned on);
/* Ends everything with this reason. */
void engine_fail(struct engine *e, int err, const char *reason);
/* A decoder for a track; NULL and a reason. */
AVCodecContext *engine_decoder(const struct media_track *t, char *err);

/* ---- idle.c: on the input's thread ---- */
/* A packet of an input that is not active. */
void idle_look(struct input *in, const struct work *w, bool key);
void idle_end(struct input *in);

void *input_main(void *input);
void *video_main(void *engine);
void *audio_main(void *engine);
void *rung_main(void *stage);

/* ---- copy.c: rungs that are not encoded; on the video thread ---- */
int copy_build(struct stage *s, const struct media_track *source, struct media_track *t) MUST_USE;
/* Another source, or other parameters of the same. */
void copy_source(struct stage *s, const struct media_track *source);
void copy_packet(struct stage *s, const struct work *w);

#endif
