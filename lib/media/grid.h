/* grid: frame n of a rendition stands at n/fps since the epoch; which frame of a source goes to which place. Pure. */
#ifndef GEX_MEDIA_GRID_H
#define GEX_MEDIA_GRID_H

#include "base/base.h"

struct grid {
	struct ratio fps;
	int64_t next; /* index of the frame that comes next */
	bool begun;
	/* What the source has been like: its last frame, the mean distance of its frames, whether the last one was near that, and
	 * how far its frames lie from their places (the mean, for a source that keeps this grid's rate). */
	int64_t last_us, step_us, phase_us;
	bool even;
};

int64_t grid_us(struct ratio fps, int64_t n);
int64_t grid_nearest(struct ratio fps, int64_t us);
/* Frames of one GOP of gop_us, at least one. */
int64_t grid_gop(struct ratio fps, int64_t gop_us);
/* Which GOP (of gop seconds, counted from the epoch) frame n is in. It begins one when the frame before is in another; at its
 * very instant when a GOP is a whole number of frames, else at the first frame after. */
int64_t grid_gop_of(struct ratio fps, struct ratio gop, int64_t n);
/* The place of a frame at us: *n. Each place gets the nearest frame: one whose place is taken, or whose successor will be
 * nearer to it (of a source that keeps its rate), is to be dropped: false. Of a source at this grid's own rate it is the mean
 * that decides, so that jitter does not make its frames hop. Places g->next to *n - 1 are for repeats of the frame before;
 * the caller sets g->next by grid_taken. */
bool grid_place(struct grid *g, int64_t us, int64_t *n);
/* Another source: what is known of the last one's frames does not hold. */
void grid_forget(struct grid *g);
static inline void grid_taken(struct grid *g, int64_t n)
{
	g->next = n + 1;
	g->begun = true;
}

#endif
