#include "media/glyph.h"

#include <errno.h>
#include <ft2build.h>
#include FT_FREETYPE_H
#include <stdio.h>

#define FILE_MAX (64L << 20)

struct font {
	FT_Library lib;
	FT_Face face;
	int ascent, height;
};

int font_file_read(struct font_file *f, const char *path, char *err)
{
	FILE *in = fopen(path, "rbe");
	struct font *probe = NULL;
	long len = -1;
	int rc = in ? 0 : -errno;

	*f = (struct font_file){0};
	if (in && !fseek(in, 0, SEEK_END))
		len = ftell(in);
	if (!rc && (len <= 0 || len > FILE_MAX))
		rc = -EINVAL;
	if (!rc && !(f->data = malloc((size_t)len)))
		rc = -ENOMEM;
	if (!rc) {
		rewind(in);
		f->len = fread(f->data, 1, (size_t)len, in);
		rc = font_create(&probe, f, 16);
		font_destroy(probe);
	}
	if (in)
		fclose(in);
	if (!rc)
		return 0;
	font_file_free(f);
	snprintf(err, MEDIA_ERR, "font %.150s: %s", path,
		 rc == -EINVAL ? "not a font" : strerror(-rc));
	return rc;
}

void font_file_free(struct font_file *f)
{
	free(f->data);
	*f = (struct font_file){0};
}

int font_create(struct font **out, const struct font_file *file, int px)
{
	struct font *f = calloc(1, sizeof(*f));
	int rc = -ENOMEM;

	if (!f || FT_Init_FreeType(&f->lib))
		goto fail;
	rc = -EINVAL;
	if (FT_New_Memory_Face(f->lib, file->data, (FT_Long)file->len, 0, &f->face) ||
	    FT_Set_Pixel_Sizes(f->face, 0, (FT_UInt)MAX(px, 6)))
		goto fail;
	f->ascent = (int)(f->face->size->metrics.ascender + 32) >> 6;
	f->height = f->ascent - (int)((f->face->size->metrics.descender - 32) >> 6);
	*out = f;
	return 0;
fail:
	font_destroy(f);
	return rc;
}

void font_destroy(struct font *f)
{
	if (!f)
		return;
	if (f->face)
		FT_Done_Face(f->face);
	if (f->lib)
		FT_Done_FreeType(f->lib);
	free(f);
}

/* The next character of UTF-8; what is none is a question mark. */
static uint32_t next_char(const char **p)
{
	const uint8_t *s = (const uint8_t *)*p;
	int more = *s < 0x80 ? 0 : *s >> 5 == 6 ? 1 : *s >> 4 == 14 ? 2 : *s >> 3 == 30 ? 3 : -1;
	uint32_t c = more <= 0 ? *s : *s & (0x3fu >> more);

	for (int i = 1; i <= more; i++) {
		if (s[i] >> 6 != 2)
			more = -1;
		else
			c = c << 6 | (s[i] & 0x3f);
	}
	*p += more < 0 ? 1 : more + 1;
	return more < 0 ? '?' : c;
}

void font_measure(struct font *f, const char *text, int *w, int *h)
{
	FT_Pos x = 0;

	while (*text)
		if (!FT_Load_Char(f->face, next_char(&text), FT_LOAD_DEFAULT))
			x += f->face->glyph->advance.x;
	*w = (int)((x + 63) >> 6);
	*h = f->height;
}

static void put(const FT_GlyphSlot g, int x, int y, uint8_t *to, int row, int w, int h)
{
	const FT_Bitmap *b = &g->bitmap;

	for (int r = 0; r < (int)b->rows; r++)
		for (int c = 0; c < (int)b->width; c++) {
			int px = x + g->bitmap_left + c, py = y - g->bitmap_top + r;
			uint8_t v = b->buffer[r * b->pitch + c];

			if (px >= 0 && px < w && py >= 0 && py < h)
				to[(ptrdiff_t)py * row + px] = MAX(to[(ptrdiff_t)py * row + px], v);
		}
}

void font_draw(struct font *f, const char *text, uint8_t *to, int row, int w, int h)
{
	FT_Pos x = 0;

	while (*text) {
		if (FT_Load_Char(f->face, next_char(&text), FT_LOAD_RENDER))
			continue;
		if (f->face->glyph->bitmap.pixel_mode == FT_PIXEL_MODE_GRAY)
			put(f->face->glyph, (int)(x >> 6), f->ascent, to, row, w, h);
		x += f->face->glyph->advance.x;
	}
}
