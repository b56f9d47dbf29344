/* Makes 8-bit 4:2:0 pictures smaller: the usual case of a ladder, at half of what zimg takes for it. Polyphase and separable, bicubic
 * (Mitchell and Netravali's family, B = 0, C = RESIZE_CUBIC_C), the colours where H.264 has them by default, to the left.
 *
 * First columns: each row of the result from a few of the source, to a row of bytes as wide as the source; then, four of these at a
 * time, along the row. Weights are in 1/128, those of a pixel sum up to 128, and both passes add in 16 bits that wrap: what they come
 * to, less 16384, is between -23000 and 23000, so that products of bytes (pmaddubsw), sums and one shift are exact.
 * Along the row, 16 or 32 results at a time: what they are made of is in some windows of 16 or 64 bytes, out of which bytes are picked
 * two by two (pshufb, vpermb); which, is planned once for a shape.
 *
 * Not for other modules. */
#ifndef GEX_MEDIA_RESIZE_H
#define GEX_MEDIA_RESIZE_H

#include "base/base.h"

#define RESIZE_CUBIC_C 0.6

enum resize_by {
	RESIZE_PLAIN, /* in C, for tests: the same to the bit */
	RESIZE_AVX2,
	RESIZE_AVX512 /* with VBMI */
};
/* What this processor does fastest. */
enum resize_by resize_best(void);

struct resize;
/* Sizes in pixels. 0 or -ENOMEM; -ENOTSUP for what it is not made for: sides that do not shrink by a sixth at least, or to less than
 * a sixteenth, or are small. `by` must be something that this processor has. */
int resize_create(struct resize **out, int in_width, int in_height, int width, int height,
		  enum resize_by by) MUST_USE;
/* Rows of the result are written in whole pieces of 32 bytes: linesizes must be multiples of that. */
void resize_run(struct resize *r, uint8_t *const in[3], const int in_linesize[3],
		uint8_t *const out[3], const int out_linesize[3]);
void resize_destroy(struct resize *r);

#endif
