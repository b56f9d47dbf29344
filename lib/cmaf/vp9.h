/* Inside cmaf: what encryption wants to know of VP9 (its bitstream specification, 6.2). */
#ifndef GEX_CMAF_VP9_H
#define GEX_CMAF_VP9_H

#include "cmaf/box.h"

/* Of the pictures that others refer to: how wide they are, which their headers leave out. */
struct vp9_refs {
	uint32_t width[8];
};
/* Bytes of a frame's uncompressed header; all of it for one that only shows another again; 0: damaged. Follows the frame's place
 * among those that are referred to. */
size_t vp9_frame_header(struct vp9_refs *refs, const uint8_t *p, size_t n);
/* As coder.h's split. Of each frame in a superframe the uncompressed header stays clear, and as much behind it as makes what is
 * encrypted whole blocks ("VP Codec ISO Media File Format Binding", Common Encryption); so does the index. */
int vp9_subsamples(void *refs, const uint8_t *p, size_t n, struct subsamples *out);

#endif
