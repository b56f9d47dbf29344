/* Pictures that stand for a source that is gone: one made of a text, or a file's. Not for other modules. */
#ifndef GEX_MEDIA_SLATE_H
#define GEX_MEDIA_SLATE_H

#include "media/av.h"

/* A dark picture (8-bit 4:2:0) with the text in its middle, in capitals; a sign without a glyph is left blank. NULL without
 * memory. */
AVFrame *slate_draw(int width, int height, const char *text);
/* The first picture of a file that FFmpeg knows: PNG, JPEG, WebP, BMP, a clip. 0, or a negative errno with one line in err. */
int slate_load(AVFrame **out, const char *path, char *err) MUST_USE;

#endif
