/* Bits of a NAL unit (ISO/IEC 14496-10, 7.2 and 9.1), without what emulation prevention put in. */
#ifndef GEX_CMAF_BITS_H
#define GEX_CMAF_BITS_H

#include "base/base.h"

struct bits {
	const uint8_t *p, *end; /* p: of the byte after the one in which the next bit lies */
	unsigned zeros;		/* before p, to skip emulation prevention */
	unsigned left, cur;
	bool over; /* more was read than there is */
};

static inline unsigned bits_1(struct bits *b)
{
	if (!b->left) {
		if (b->p < b->end && b->zeros >= 2 && *b->p == 3) {
			b->p++;
			b->zeros = 0;
		}
		b->over |= b->p >= b->end;
		b->cur = b->p < b->end ? *b->p++ : 0xff; /* ones end a ue() at once */
		b->zeros = b->cur ? 0 : b->zeros + 1;
		b->left = 8;
	}
	return b->cur >> --b->left & 1;
}

static inline uint32_t bits_u(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 1 | bits_1(b);
	return v;
}

static inline uint32_t bits_ue(struct bits *b)
{
	unsigned zeros = 0;

	while (zeros < 31 && !bits_1(b))
		zeros++;
	return ((uint32_t)1 << zeros) - 1 + bits_u(b, zeros);
}

static inline int32_t bits_se(struct bits *b)
{
	uint32_t v = bits_ue(b);

	return v & 1 ? (int32_t)(v / 2 + 1) : -(int32_t)(v / 2);
}

#endif
