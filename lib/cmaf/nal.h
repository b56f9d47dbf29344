/* Inside cmaf: bits, and the NAL units of H.264 and HEVC (ISO/IEC 14496-10 and 23008-2, Annex B). */
#ifndef GEX_CMAF_NAL_H
#define GEX_CMAF_NAL_H

#include "cmaf/box.h"

/* ---- bits, most significant first ---- */

struct bits {
	const uint8_t *p, *end;
	bool raw;	/* no emulation prevention: 00 00 03 is three bytes of it */
	unsigned zeros; /* before p, to skip emulation prevention */
	unsigned left, cur;
};
/* Behind the end there are ones: those end a ue() at once. */
unsigned bits_one(struct bits *b);
uint32_t bits_get(struct bits *b, unsigned n); /* n <= 32 */
void bits_skip(struct bits *b, unsigned n);
uint32_t bits_ue(struct bits *b); /* Exp-Golomb, 9.1 */
bool bits_over(const struct bits *b);

/* ---- NAL units ---- */

struct nal {
	const uint8_t *p;
	size_t n;
};
/* The next one of a stream from *at on, without the zeros that trail it; never an empty one. */
bool nal_next(const uint8_t **at, const uint8_t *end, struct nal *out);

/* Parameter sets of a kind, each once. */
#define NAL_SETS 16
struct nal_sets {
	struct nal at[NAL_SETS];
	size_t n;
};
void nal_sets_add(struct nal_sets *s, const struct nal *n);
void nal_sets_put(const struct nal_sets *s,
		  struct boxes *out); /* each behind its length of 16 bits */

/* The units that keep() takes as a sample: each behind its length of 32 bits. */
size_t nal_sample_size(const uint8_t *p, size_t n, bool (*keep)(const struct nal *));
void nal_sample_copy(const uint8_t *p, size_t n, bool (*keep)(const struct nal *), uint8_t *out);

#endif
