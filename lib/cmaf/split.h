/* Inside cmaf: which bytes of a picture cbcs leaves clear and which it encrypts (ISO/IEC 23001-7, 9.5 and 10). What a decoder, a
 * parser or a packager has to see stays clear: every header; what it decodes to pictures is encrypted. */
#ifndef GEX_CMAF_SPLIT_H
#define GEX_CMAF_SPLIT_H

#include "cmaf/box.h"

/* Appends a run to those of a sample, which begin at `first`. -E2BIG for more than SUBSAMPLES_MAX of them, -ENOMEM. */
int split_add(struct subsamples *out, size_t first, size_t clear, size_t encrypted) MUST_USE;
/* The number of bits that n values need: Ceil(Log2(n)). */
unsigned split_bits(uint64_t n);

#endif
