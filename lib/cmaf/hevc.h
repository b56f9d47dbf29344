/* Inside cmaf: NAL units of HEVC (ISO/IEC 23008-2), and what encryption wants to know of them. */
#ifndef GEX_CMAF_HEVC_H
#define GEX_CMAF_HEVC_H

#include "cmaf/nal.h"

enum {
	HEVC_BLA = 16, /* the first of the pictures that begin a sequence */
	HEVC_IDR = 19,
	HEVC_IDR_LAST = 20,
	HEVC_IRAP_LAST = 23,
	HEVC_VPS = 32, /* the first that is no slice */
	HEVC_SPS = 33,
	HEVC_PPS = 34,
	HEVC_DELIMITER = 35,
	HEVC_FILLER = 38,
};

static inline int hevc_type(const struct nal *n)
{
	return n->p[0] >> 1 & 63;
}

/* What the sample entry says, and what players ignore, is not repeated in the samples. */
bool hevc_in_sample(const struct nal *n);
/* 7.3.3: what stands for each temporal layer, in profile_tier_level. */
void hevc_skip_layers(struct bits *b, unsigned layers);

/* ---- hevc_slice.c ---- */

#define HEVC_RPS 65 /* sets of references: 64 of a sequence, and one in a slice */
#define HEVC_REFS 16
struct hevc_rps {
	uint8_t n[2];		     /* before and after the picture */
	int32_t delta[2][HEVC_REFS]; /* of the order of output */
	bool used[2][HEVC_REFS];
};

/* Of the parameter sets what is needed to find the end of a slice's header. */
struct hevc_sps {
	bool known, separate_planes, sao, long_term, temporal_mvp;
	uint8_t chroma, poc_bits, nrps, nlong;
	uint64_t blocks; /* coding tree blocks of a picture */
	struct hevc_rps rps[HEVC_RPS];
	uint32_t long_used; /* by bits */
};
struct hevc_pps {
	bool known, dependent, output, cabac_init, chroma_offsets, weighted, weighted_b, entries,
	    across, override, no_deblocking, modification, extension, offset_list;
	uint8_t sps, extra, refs[2];
};
struct hevc_sets {
	struct hevc_sps sps[16];
	struct hevc_pps pps[64];
};
/* Takes those of an Annex B stream. */
void hevc_sets_read(void *sets, const uint8_t *p, size_t n);
/* Bytes of a slice from the NAL unit's header to the end of the slice segment's; 0 when that is not to be known: damaged, of a
 * parameter set that has not come, of another layer, or of a profile with other headers (screen content). */
size_t hevc_slice_header(const struct hevc_sets *s, const struct nal *nal);
/* The parts of an access unit, as a sample has it, that cbcs leaves clear and encrypts, appended to out. -EINVAL
 * when it cannot be told for a slice, -E2BIG for more than SUBSAMPLES_MAX, -ENOMEM. */
int hevc_subsamples(void *sets, const uint8_t *p, size_t n, struct subsamples *out);

#endif
