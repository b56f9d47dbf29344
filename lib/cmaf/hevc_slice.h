/* Inside cmaf: a set of references, in a sequence's parameters or in a slice's header. */
#ifndef GEX_CMAF_HEVC_SLICE_H
#define GEX_CMAF_HEVC_SLICE_H

#include "cmaf/hevc.h"

/* The set `index` (7.3.7), which may be told by those before it; in_slice: by any of them. *bad: it is damaged. */
void hevc_read_rps(struct bits *b, const struct hevc_rps *sets, unsigned index, bool in_slice,
		   struct hevc_rps *out, bool *bad);

#endif
