/* layer: a small picture with transparency in the form in which it is laid on YUV420P: its planes are multiplied by their opacity.
 * Pure. Not for other modules. */
#ifndef GEX_MEDIA_LAYER_H
#define GEX_MEDIA_LAYER_H

#include "media/av.h"

struct layer {
	int w, h;	     /* even */
	size_t cap;	     /* pixels that the memory is for */
	uint8_t *plane[3];   /* luma w x h, chroma half of both */
	uint8_t *through[2]; /* of luma, of chroma: 255 where what is below is seen */
	uint8_t *under[3];   /* what was there before layer_lay */
	int x, y;
};

/* Room for w x h pixels (made even), all of it transparent. 0 or -ENOMEM. */
int layer_size(struct layer *l, int w, int h) MUST_USE;
void layer_free(struct layer *l);

/* From w x h pixels of R, G, B, A (0 to 255, multiplied by A): fills a layer of that size. opacity: 0 to 1. */
void layer_from_rgba(struct layer *l, const float *rgba, bool bt601, float opacity);
/* rgba of sw x sh pixels scaled to w x h. NULL without memory. */
float *layer_scale(const float *rgba, int sw, int sh, int w, int h);
/* The pixels of any picture that FFmpeg decodes, R, G, B, A, multiplied by A; NULL without memory, or for a format that is not
 * known. */
float *layer_rgba(const AVFrame *f);

/* On f at (l->x, l->y), where it has to fit; and away again. */
void layer_lay(struct layer *l, AVFrame *f);
void layer_lift(const struct layer *l, AVFrame *f);

#endif
