/* Inside cmaf: what cut.c, track.c, store.c and cmaf.c share. */
#ifndef GEX_CMAF_CUT_H
#define GEX_CMAF_CUT_H

#include "cmaf/box.h"
#include "cmaf/protect.h"

#define CUT_SAMPLES 64 /* to a chunk, at most */
#define NO_NUMBER INT64_MIN

/* A track's segmenter: where it stands. */
struct cmaf_cut {
	struct ratio tb; /* of the packets */
	bool started;	 /* a segment has begun; `next` holds */
	int64_t next;	 /* where the next frame should begin */
	int64_t last_dts;
	int64_t
	    cts_off; /* pts - dts of the last key frame: dts plus this is the time that cuts go by */
	int64_t waiting_us;  /* since this instant for a key frame on the grid; 0: not waiting */
	int64_t last_number; /* of the newest segment or gap */
	struct cmaf_segment *cur;
	int cell;	     /* of the grid, in which the part in progress lies */
	uint32_t part_first; /* its first chunk */
	int64_t part_start;
	size_t part_size;
	bool part_key;
	struct sample pend[CUT_SAMPLES]; /* the chunk in progress */
	size_t npend;
	struct subsamples subs, split; /* its, of encrypted video; of the frame at hand */
	int64_t pend_dur;
	void *sets;  /* the coder's, of video that is to be encrypted; NULL: none */
	int keyless; /* segments in a row without a key frame at their beginning */
	bool warned, warned_slices;
	int64_t told;	       /* messages that its chunks have had (emsg.h) */
	bool standing;	       /* a slate is what it has last, or gets next */
	struct cmaf_init *was; /* while new parameters wait for their segment: those before */
};

/* ---- store.c ---- */
/* Of t, with these coder's parameters, of which it takes a reference; key NULL: in clear. NULL without memory. */
struct cmaf_init *init_create(const struct cmaf_track *t, struct buf *config, const char *codec,
			      struct cmaf_key *key);
struct cmaf_init *init_ref(struct cmaf_init *i);
void init_unref(struct cmaf_init *i);
/* A new segment at the end of t. NULL without memory. */
struct cmaf_segment *store_add(struct cmaf *c, struct cmaf_track *t, int64_t number, int64_t start);
int store_chunk(struct cmaf *c, struct cmaf_track *t, struct cmaf_segment *s,
		struct buf *b); /* takes b */
/* s is complete: its chunks become one encrypted file (AES-128). -ENOMEM. */
int store_seal(struct cmaf *c, struct cmaf_track *t, struct cmaf_segment *s);
/* Lets go what is beyond the window or the memory. */
void store_trim(struct cmaf *c, struct cmaf_track *t);
void store_clear(struct cmaf *c, struct cmaf_track *t);

/* ---- beside.c ---- */
/* The tracks of data that a source has. */
void beside_learn(struct cmaf *c, const struct media_info *info);
/* Do chunks of t carry messages? */
bool beside_carries(const struct cmaf *c, const struct cmaf_track *t);
/* The messages before the chunk that comes next in t. */
void beside_put(const struct cmaf *c, struct cmaf_track *t, struct boxes *b);
/* A segment has ended: date ranges that are over go. */
void beside_pass(struct cmaf *c);
void beside_finish(struct cmaf *c);

/* ---- texts.c ---- */
/* The texts that conf wants. -ENOMEM: texts_destroy takes what there is. */
int texts_create(struct cmaf *c) MUST_USE;
void texts_destroy(struct cmaf *c);
/* Captions in a packet of media. */
void texts_hear(struct cmaf *c, const struct media_packet *p, int64_t offset_us);
/* s is complete: so are those of the texts. */
void texts_cut(struct cmaf *c, const struct cmaf_track *of, const struct cmaf_segment *s);

/* A segment of a text, from one time to another in its scale, in which nothing is said. NULL without memory. */
struct buf *texts_blank(const struct cmaf_track *t, int64_t from, int64_t to) MUST_USE;

/* ---- slate.c ---- */
/* Lets t's newest key frame stand, or its silence, up to `until` in its scale. */
void slate_stand(struct cmaf *c, struct cmaf_track *t, int64_t until);

/* ---- cut.c ---- */
/* A discontinuity at segment `number`, in every track; none where one has had that segment already. */
void cut_break(struct cmaf *c, int64_t number);
/* Segment `number` begins at x, in t's scale, behind gaps for those that are missing; key: with a key frame. 0 or -ENOMEM. */
int cut_begin(struct cmaf *c, struct cmaf_track *t, int64_t x, int64_t number, bool key);
/* Gaps up to, without, segment `number`; when that is more than anybody has a use for, the past is forgotten. 0 or -ENOMEM. */
int cut_fill_gaps(struct cmaf *c, struct cmaf_track *t, int64_t number);
/* The chunk in progress is complete. 0, or a negative errno: its samples are lost. */
int cut_end_chunk(struct cmaf *c, struct cmaf_track *t);
/* The part in progress is complete; last: and with it the segment. Errors as above. */
int cut_end_part(struct cmaf *c, struct cmaf_track *t, bool last);
/* Ends a segment that no more will come of; where that leaves a hole, a discontinuity is noted. The same. */
int cut_end_short(struct cmaf *c, struct cmaf_track *t);
/* Forgets the chunk in progress. */
void cut_drop(struct cmaf_cut *cut);

/* ---- track.c ---- */
int track_packet(struct cmaf *c, struct cmaf_track *t, struct media_packet *p, int64_t offset_us);
/* The source is away: ends a segment whose time is over at utc_us; where that leaves a hole, a
 * discontinuity is noted. Then, when that is done in every track, adds the gaps. */
void track_away(struct cmaf *c, struct cmaf_track *t, int64_t utc_us);
void track_gap(struct cmaf *c, struct cmaf_track *t, int64_t utc_us);
/* Puts p, of which it takes references, in the place of frames, as far as whole ones (of pictures, parts) fit before
 * `until`: its media come again only with the next segment. -EAGAIN: there is no key for it, or a gap already; -EINVAL, -ENOMEM. */
int track_stand(struct cmaf *c, struct cmaf_track *t, struct media_packet *p, int64_t until);
/* Completes the segment in progress. */
void track_end(struct cmaf *c, struct cmaf_track *t);
void track_reset(struct cmaf_track *t);

/* ---- params.c ---- */
/* Parameters from track.extra or a key frame. 0; -ENODATA when there are none in it. */
int track_config(struct cmaf *c, struct cmaf_track *t, const uint8_t *p, size_t n);
/* Segment `number` begins at x: notes its parameters, where they are new. */
void track_note_params(struct cmaf *c, struct cmaf_track *t, int64_t number, int64_t x);
/* The parameters of t in segment `number`, those of now when it has none yet; NULL: not known. */
struct cmaf_init *track_params(const struct cmaf_track *t, int64_t number);
/* The init segment of t by these parameters (of track_params) under k: a reference, or NULL without parameters or
 * without memory. */
struct cmaf_init *track_init_for(const struct cmaf_track *t, struct cmaf_init *params,
				 struct cmaf_key *k);
/* Forgets parameters that no segment from `number` on has. */
void track_forget(struct cmaf_track *t, int64_t number);

#endif
