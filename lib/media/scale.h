/* Pictures of any format to 8-bit 4:2:0 of one size: by resize.h what that can do, else by zimg (packed ones are taken apart before,
 * slowly; those of high dynamic range become BT.709, see tone.h); fitted with black bars when the shapes differ. Not for other
 * modules. */
#ifndef GEX_MEDIA_SCALE_H
#define GEX_MEDIA_SCALE_H

#include "media/av.h"

struct scaler;
int scaler_create(struct scaler **out, int width, int height) MUST_USE;
/* *out: in itself when nothing has to be done, else a picture of the scaler's, valid until the next call, or for as long as the caller
 * keeps a reference to it. 0, or a negative
 * errno with a reason: -ENOTSUP for a pixel format that no source has (of floats, of a
 * palette, on a card). */
int scaler_run(struct scaler *s, AVFrame *in, AVFrame **out, char *err) MUST_USE;
/* From now on *out is always the scaler's own picture, which the caller may draw on until the next call. */
void scaler_keep(struct scaler *s);
void scaler_destroy(struct scaler *s);

#endif
