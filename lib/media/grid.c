#include "media/grid.h"

#define SLACK_US 500   /* rounded timestamps do not make a frame hop */
#define STEP_SHARE 32  /* of a frame in the mean distance */
#define PHASE_SHARE 16 /* and in the mean phase */

int64_t grid_us(struct ratio fps, int64_t n)
{
	return base_scale(n, SEC_US * fps.den, fps.num);
}

int64_t grid_nearest(struct ratio fps, int64_t us)
{
	return base_scale(us, fps.num, fps.den * SEC_US);
}

int64_t grid_gop(struct ratio fps, int64_t gop_us)
{
	return MAX(grid_nearest(fps, gop_us), 1);
}

int64_t grid_gop_of(struct ratio fps, struct ratio gop, int64_t n)
{
	/* n / fps / gop; the products exceed 64 bits. */
	__int128 num = (__int128)n * fps.den * gop.den, den = (__int128)fps.num * gop.num;

	return (int64_t)(num / den - (num % den < 0));
}

void grid_forget(struct grid *g)
{
	g->last_us = g->step_us = g->phase_us = 0;
	g->even = false;
}

/* Takes note of the distance to the frame before. */
static void measure(struct grid *g, int64_t us, int64_t frame)
{
	int64_t step = us - g->last_us;

	g->even = g->step_us && llabs(step - g->step_us) < g->step_us / 4;
	if (!g->last_us || step <= 0 || step > SEC_US)
		g->step_us = 0;
	else if (!g->step_us)
		g->step_us = llabs(step - frame) < frame / 20 ? frame : step;
	else
		g->step_us += (step - g->step_us) / STEP_SHARE;
	g->last_us = us;
}

bool grid_place(struct grid *g, int64_t us, int64_t *n)
{
	int64_t frame = grid_us(g->fps, 1), off = us - grid_us(g->fps, g->next);

	measure(g, us, frame);
	*n = grid_nearest(g->fps, us);
	if (!g->begun)
		return true;
	/* Within 1 % it is the same rate, give or take a drift. */
	bool same = g->step_us && llabs(g->step_us - frame) < frame / 100;
	if (!same || llabs(off - g->phase_us) > frame / 4)
		g->phase_us = off;
	else
		off = g->phase_us += (off - g->phase_us) / PHASE_SHARE;
	if (g->even && llabs(off + g->step_us) + SLACK_US < llabs(off)) {
		g->phase_us += frame; /* the place waits, the next frame is nearer by one step */
		return false;
	}
	if (llabs(off) <= frame / 2 + SLACK_US)
		*n = g->next;
	else if (same)
		*n = g->next + (off > 0 ? (off + frame / 2) / frame : -1);
	g->phase_us -= (*n - g->next) * frame;
	return *n >= g->next;
}
