/* What the files of resize share: resize_plan.c makes a plan, resize.c goes by it in C, resize_x86.c with AVX2 and AVX-512. */
#ifndef GEX_MEDIA_RESIZE_PLAN_H
#define GEX_MEDIA_RESIZE_PLAN_H

#include "media/resize.h"

#define RESIZE_ONE 128 /* a weight of 1 */
#define TAPS_MAX 66
#define RESIZE_ROWS 4	/* that are made at a time */
#define BLOCK_MAX 32	/* results along a row that are made at a time */
#define RESIZE_PIECE 64 /* what a row of the source has at least */

/* What one pixel, or row, of the result is made of. */
struct taps {
	int first;
	int8_t weight[TAPS_MAX];
};

/* One side of a plane. */
struct side {
	int in, out;
	int n;	   /* of taps; even, the last may be 0 */
	int ahead; /* how many of the source go by for one of the result */
	struct taps *taps;
};

/* Two bytes for each result of a block. */
struct step {
	uint8_t pick[2 * BLOCK_MAX];
	int8_t weight[2 * BLOCK_MAX];
	int32_t at[2]; /* each part's window */
};

struct plane {
	struct side down, along;
	struct step *step;
	int *begin; /* the steps of block i: begin[i] ... begin[i + 1] - 1 */
	int blocks;
};

/* middle: where a pixel's middle is, 0.5, or 0.25 of colours that lie to the left. Else as resize_create. */
int resize_plane_init(struct plane *p, int in_width, int in_height, int width, int height,
		      double middle, enum resize_by by) MUST_USE;
void resize_plane_finish(struct plane *p);

#ifdef __x86_64__
/* Row y of the columns' pass; all that a block's rows are made of along them. */
void resize_down_avx2(const struct side *s, int y, const uint8_t *in, int stride, int width,
		      uint8_t *out);
void resize_down_avx512(const struct side *s, int y, const uint8_t *in, int stride, int width,
			uint8_t *out);
void resize_along_avx2(const struct plane *p, uint8_t *const in[RESIZE_ROWS], uint8_t *out,
		       int stride);
void resize_along_avx512(const struct plane *p, uint8_t *const in[RESIZE_ROWS], uint8_t *out,
			 int stride);
#endif

#endif
