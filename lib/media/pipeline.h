/* The inside of the engine, shared by its stages: engine.c (life), events.c, input.c, route.c, video.c, scaling.c, rung.c, audio.c, voice.c,
 * side.c. */
#ifndef GEX_MEDIA_PIPELINE_H
#define GEX_MEDIA_PIPELINE_H

#include <stdatomic.h>

#include "media/caption.h"
#include "log/log.h"
#include "media/encode.h"
#include "media/engine.h"
#include "media/failover.h"
#include "media/queue.h"
#include "media/scale.h"
#include "media/timeline.h"
#include "media/watch.h"

#define SIDES_MAX 3 /* tracks of data: cues, timed metadata, thumbnails */
#define SIDE_WAIT_MAX 64
#define HOLD_US \
	(300 * MS_US) /* how late a frame may come before the last is repeated in its place */
#define PACKETS_MAX 256
#define PICTURES_MAX 15 /* at an encoder's door; repeats, which cost little, are not counted */
#define PICTURES_CAP 64
#define PICTURES_WAIT 3 /* of a source that waits: few enough for the processor's cache */
#define READY_MAX 2	/* scaled pictures that wait for an encoder */
#define SCALERS_MAX 4
#define OUT_BYTES_MAX (32 << 20)
#define OUT_BYTES_WAIT (2 << 20) /* of a source that waits */

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
	int64_t since_us; /* it waits for its decoder (monotonic) */
};
void work_destroy(struct work *w);

/* From the video thread to a rung's scaler, from there to its encoder. */
struct picture {
	AVFrame *frame;	  /* NULL: the last one again */
	int64_t n;	  /* index on the rung's grid */
	int64_t us;	  /* its instant */
	int64_t scale_us; /* what scaling it took */
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
	int64_t first;	    /* frame of the output */
	struct ratio gop;   /* seconds; the same for all rungs */
	struct queue queue; /* at the encoder's door, not scaled yet */
	struct queue ready; /* scaled */
	struct encoder enc;
	/* The scaling threads', one of them at a time. */
	bool scaling, all_scaled; /* under scale_lock */
	struct scaler *scaler;
	struct log_limit scale_limit;
	struct stage
	    *above; /* whose pictures ours are made of, if they are of the same source; or NULL */
	struct scaler *cascade; /* from there */
	bool feeds;		/* others' are made of ours: */
	AVFrame *source, *made; /* the last of them, and what it was made of */
	struct captions captions;
	struct overlay *overlay; /* NULL: nothing is drawn on it */
	pthread_t thread;
	bool running;
	atomic_llong frames, dropped, repeated, captioned;
	atomic_llong scale_us, encode_us;
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
	atomic_uint alerted; /* bits by kind: what has lasted long enough to be told */
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
	pthread_t scaler[SCALERS_MAX];
	int scalers;
	pthread_mutex_t scale_lock; /* above the queues' own */
	pthread_cond_t scale_wake;
	bool
	    live; /* gaps are filled; frames are dropped when the machine lags, and the source is not held up */
	struct queue video_queue, audio_queue;
	atomic_int keys_waiting; /* key frames in the video queue */
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
	bool fields; /* twice as many pictures are made of it */
	int64_t
	    video_bitrate; /* the video thread's: of what came before the rungs were made; 0: too little came */
	int64_t gop;	 /* frames */
	bool built;	 /* encoders and info are there */
	bool no_picture; /* the first source has none */
	struct sound sound[SOUNDS_MAX];
	int sounds;
	enum media_codec side[SIDES_MAX]; /* data that the first source has, and thumbnails last */
	int sides;
	pthread_mutex_t side_lock; /* of what follows; taken before `lock` */
	struct media_packet
	    *side_wait[SIDE_WAIT_MAX]; /* until the encoders have come to its time */
	int side_waits;
	int64_t side_last[SIDES_MAX]; /* the last time, of 90 kHz */
	bool no_picture_came;	      /* the source ended before one could be decoded */
	int64_t start_us;	      /* NEVER_US until known */
	struct overlays *overlays;    /* NULL: none */
	struct thumbs *thumbs;	      /* NULL: none */
	AVFrame *slate;		      /* a file's picture, or NULL; the video thread's */
	char slate_text[64];	      /* else */
	int end_err;
	char end_reason[MEDIA_ERR];
	int stages; /* that still run behind the input */
	struct list out;
	size_t out_bytes;
	bool posted;

	atomic_bool cancel, slated;
	atomic_llong frames_in, packets_in, bytes_in, damaged, undecoded, skipped, broken, slates;
	atomic_llong side_packets, side_dropped, silence, cut, overrun, decode_us;
};

int64_t engine_utc_us(const struct engine *e);
/* A file as fast as it goes: it waits for encoders and readers. */
bool engine_waits(const struct engine *e);
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

/* ---- side.c: data beside pictures and sound, on the input's thread ---- */

/* Which data the output has: that of the first source. Under the lock. */
void side_choose(struct engine *e, const struct media_info *info);
/* Behind the other tracks of e->info. first: see engine_build. */
void side_build(struct engine *e, const AVFrame *first);
/* Gives out what waits and is not later than this: so it comes beside the pictures and sounds of its time. */
void side_release(struct engine *e, int64_t until_us);
void side_finish(struct engine *e);
/* thumbs_made_fn: a thumbnail for the track of them. */
void side_picture(void *engine, const AVPacket *jpeg, int64_t utc_us);
/* A packet of data, of an input that is active: onto the timeline. */
void side_packet(struct input *in, const struct media_info *info, const struct media_packet *p);

void *input_main(void *input);
void *video_main(void *engine);
void *audio_main(void *engine);
void *rung_main(void *stage);

/* ---- scaling.c ---- */
/* Starts the threads, when all rungs are there. */
int scaling_start(struct engine *e) MUST_USE;
/* A picture has come to a door, an encoder has room, a door is closed: look again. */
void scaling_poke(struct engine *e);
/* All queues are closed. */
void scaling_join(struct engine *e);
void scaling_finish(struct stage *s);

/* ---- copy.c: rungs that are not encoded; on the video thread ---- */
int copy_build(struct stage *s, const struct media_track *source, struct media_track *t) MUST_USE;
/* Another source, or other parameters of the same. */
void copy_source(struct stage *s, const struct media_track *source);
void copy_packet(struct stage *s, const struct work *w);

#endif
