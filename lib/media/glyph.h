/* glyph: text of a TrueType or OpenType font as opacity, by FreeType, whose only includer this is. Not for other modules. */
#ifndef GEX_MEDIA_GLYPH_H
#define GEX_MEDIA_GLYPH_H

#include "base/base.h"
#include "media/media.h"

/* The bytes of a font file; the same for all threads. */
struct font_file {
	uint8_t *data;
	size_t len;
};
/* 0, or a negative errno with one line in err (MEDIA_ERR bytes): -EINVAL for what is no font. */
int font_file_read(struct font_file *f, const char *path, char *err) MUST_USE;
void font_file_free(struct font_file *f);

/* A font at one size; a thread's own. */
struct font;
/* px: the height of its letters and what hangs below them. file must outlive it. */
int font_create(struct font **out, const struct font_file *file, int px) MUST_USE;
void font_destroy(struct font *f);
/* Pixels that a line of UTF-8 takes. */
void font_measure(struct font *f, const char *text, int *w, int *h);
/* Writes the line's opacity, 0 to 255, into an image with `row` bytes a row and room for w x h pixels. */
void font_draw(struct font *f, const char *text, uint8_t *to, int row, int w, int h);

#endif
