/* timeline: where time is made. Maps what a source calls time to UTC, once, so that nothing downstream ever sees a jump, a
 * wrap or another source's clock; and the frame grid, on which frame n of a rendition stands at n/fps since the epoch.
 * Pure: the caller says when each packet arrived.
 *
 * A live source's first times are compared with the clock for a while (settling), because the first packets of a
 * connection come late and in a burst; the offset then stands, moved by less than one frame so that the video's frames
 * lie on the grid, and output begins at the next multiple of the GOP. A source that is not live (a file) begins there at
 * once. After that the mapping is rigid (out = pts + offset) and a new offset is taken only for
 *  - a jump: the source's time does not go on from its last packet. Both tracks take the same new offset, each at its own
 *    packet, and out goes on by the time that passed;
 *  - 2^33 ticks of 90 kHz, the wrap of MPEG-TS, in case nobody before has undone it;
 *  - times ahead of the clock: a backlog was sent in a burst. It is skipped; after SKIP_MAX_US of that the source is not
 *    live but a fast pipe, and the caller holds it back by timeline_ahead;
 *  - lateness that does not go away: the source paused without letting its time pass.
 * A source that counts UTC itself (another gex-transcode) keeps its time as it is.
 * The drift of the source's clock is not corrected here: the grid repeats or drops a frame, audio a few samples. */
#ifndef GEX_MEDIA_TIMELINE_H
#define GEX_MEDIA_TIMELINE_H

#include "media/media.h"

#define TIMELINE_NONE INT64_MIN /* not to be shown: before the start */
#define TIMELINE_SKIP_MAX_US (3 * SEC_US)

struct timeline_track {
	bool seen;
	int64_t offset_us;
	int64_t dts_us, arrival_us; /* of the last packet */
};

struct timeline {
	bool live;
	struct ratio fps; /* of the grid that video is laid on */
	int64_t gop;	  /* frames */
	bool has_video, utc, anchored, settled;
	int64_t offset_us, settle_at_us, late_since_us;
	int64_t skipped_us;
	int64_t last_us; /* the end of the last packet mapped, of any track */
	int64_t
	    start_us; /* the output's first instant, a multiple of the GOP; NEVER_US until it is known */
	struct timeline_track track[2];	      /* by enum media_kind */
	int64_t jumps, wraps, skips, relates; /* repairs made, by kind */
};

void timeline_init(struct timeline *t, bool live, struct ratio fps, int64_t gop);
/* A source begins (again): the next time has nothing to do with those before. utc: it counts since the epoch. */
void timeline_source(struct timeline *t, bool utc, bool has_video);
/* One packet, in the order of arrival; video from a key frame on. The UTC time of its pts, or TIMELINE_NONE. */
int64_t timeline_map(struct timeline *t, enum media_kind kind, int64_t dts_us, int64_t pts_us,
		     int64_t duration_us, int64_t arrival_us);
/* How long a packet mapped to out_us should be held back, for a source that is faster than time. */
int64_t timeline_ahead(const struct timeline *t, int64_t out_us, int64_t now_us);

/* ---- the frame grid of one rendition ---- */

struct grid {
	struct ratio fps;
	int64_t next; /* index of the frame that comes next */
	bool begun;
};
int64_t grid_us(struct ratio fps, int64_t n);
int64_t grid_nearest(struct ratio fps, int64_t us);
/* Frames of one GOP of gop_us, at least one. */
int64_t grid_gop(struct ratio fps, int64_t gop_us);
/* Which GOP (of gop seconds, counted from the epoch) frame n is in. It begins one when the frame before is in another; at its
 * very instant when a GOP is a whole number of frames, else at the first frame after. */
int64_t grid_gop_of(struct ratio fps, struct ratio gop, int64_t n);
/* The place of a frame at us: *n. A frame goes on from the last (next) while it is within 3/4 of a frame of that place, so
 * that jitter does not make it hop. False: its place is taken, drop it. Places g->next to *n - 1 are for repeats of the
 * frame before; the caller sets g->next by grid_taken. */
bool grid_place(const struct grid *g, int64_t us, int64_t *n);
static inline void grid_taken(struct grid *g, int64_t n)
{
	g->next = n + 1;
	g->begun = true;
}

#endif
