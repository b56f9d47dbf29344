/* Inside cmaf: NAL units of H.264 (ISO/IEC 14496-10), and what encryption wants to know of them. */
#ifndef GEX_CMAF_AVC_H
#define GEX_CMAF_AVC_H

#include "cmaf/nal.h"

enum {
	NAL_SLICE = 1,
	NAL_PARTITION_A = 2,
	NAL_PARTITION_C = 4,
	NAL_IDR = 5,
	NAL_SPS = 7,
	NAL_PPS = 8,
	NAL_DELIMITER = 9,
	NAL_FILLER = 12,
	NAL_EXTENSION = 20,
	NAL_EXTENSION_3D = 21,
};

static inline int avc_type(const struct nal *n)
{
	return n->p[0] & 31;
}

/* What the sample entry says, and what players ignore, is not repeated in the samples. */
bool avc_in_sample(const struct nal *n);

/* ---- avc_slice.c ---- */

/* Of the parameter sets what is needed to find the end of a slice's header. */
struct avc_sps {
	bool known, separate_planes, frame_mbs_only, delta_always_zero;
	uint8_t chroma, frame_num_bits, poc_type, poc_bits;
};
struct avc_pps {
	bool known, cabac, bottom_order, weighted, deblocking, redundant;
	uint8_t sps, weighted_b, refs[2];
};
struct avc_sets {
	struct avc_sps sps[32];
	struct avc_pps pps[256];
};
/* Takes those of an Annex B stream. */
void avc_sets_read(void *sets, const uint8_t *p, size_t n);
/* Bytes of a slice from the NAL unit's header to the end of the slice's; 0 when that is not to be known:
 * damaged, of a parameter set that has not come, or with slice groups. */
size_t avc_slice_header(const struct avc_sets *s, const struct nal *nal);
/* The parts of an access unit, as a sample has it, that cbcs leaves clear and encrypts, appended to out. -EINVAL
 * when it cannot be told for a slice, -E2BIG for more than SUBSAMPLES_MAX, -ENOMEM. */
int avc_subsamples(void *sets, const uint8_t *p, size_t n, struct subsamples *out);

#endif
