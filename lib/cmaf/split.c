#include "cmaf/split.h"

#include <errno.h>

int split_add(struct subsamples *out, size_t first, size_t clear, size_t encrypted)
{
	do { /* 16 bits for what is clear */
		struct subsample s = {(uint16_t)MIN(clear, 0xffffu), 0};

		clear -= s.clear;
		s.encrypted = clear ? 0 : (uint32_t)encrypted;
		if (out->len - first >= SUBSAMPLES_MAX)
			return -E2BIG;
		if (vec_push(out, s))
			return -ENOMEM;
	} while (clear);
	return 0;
}

unsigned split_bits(uint64_t n)
{
	unsigned bits = 0;

	while ((UINT64_C(1) << bits) < n)
		bits++;
	return bits;
}
