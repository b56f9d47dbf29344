#include "media/layer.h"

#include <errno.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <math.h>

void layer_free(struct layer *l)
{
	for (int p = 0; p < 3; p++) {
		free(l->plane[p]);
		free(l->under[p]);
	}
	free(l->through[0]);
	free(l->through[1]);
	*l = (struct layer){0};
}

static bool make_room(struct layer *l, size_t n)
{
	bool ok = true;

	layer_free(l);
	for (int p = 0; p < 3; p++) {
		l->plane[p] = malloc(n);
		l->under[p] = malloc(n);
		ok &= l->plane[p] && l->under[p];
	}
	for (int c = 0; c < 2; c++)
		ok &= !!(l->through[c] = malloc(n));
	l->cap = ok ? n : 0;
	return ok;
}

int layer_size(struct layer *l, int w, int h)
{
	w = (w + 1) / 2 * 2;
	h = (h + 1) / 2 * 2;
	size_t n = (size_t)w * (size_t)h;

	if (n > l->cap && !make_room(l, n))
		return layer_free(l), -ENOMEM;
	l->w = w;
	l->h = h;
	for (int p = 0; p < 3; p++)
		memset(l->plane[p], 0, n);
	memset(l->through[0], 255, n);
	memset(l->through[1], 255, n);
	return 0;
}

/* ---- laying it ---- */

/* The hot loop: to = from + to * through / 255, rounded. */
static void blend_row(uint8_t *restrict to, const uint8_t *restrict from,
		      const uint8_t *restrict through, int n)
{
	for (int i = 0; i < n; i++) {
		uint16_t v = (uint16_t)(to[i] * through[i] + 128);

		to[i] = (uint8_t)(from[i] + ((v + (v >> 8)) >> 8));
	}
}

void layer_lay(struct layer *l, AVFrame *f)
{
	for (int p = 0; p < 3; p++) {
		int s = p > 0, w = l->w >> s, h = l->h >> s;

		for (int y = 0; y < h; y++) {
			uint8_t *to = f->data[p] + (ptrdiff_t)((l->y >> s) + y) * f->linesize[p] +
				      (l->x >> s);
			ptrdiff_t at = (ptrdiff_t)y * w;

			memcpy(l->under[p] + at, to, (size_t)w);
			blend_row(to, l->plane[p] + at, l->through[s] + at, w);
		}
	}
}

void layer_lift(const struct layer *l, AVFrame *f)
{
	for (int p = 0; p < 3; p++) {
		int s = p > 0, w = l->w >> s;

		av_image_copy_plane(f->data[p] + (ptrdiff_t)(l->y >> s) * f->linesize[p] +
					(l->x >> s),
				    f->linesize[p], l->under[p], w, w, l->h >> s);
	}
}

/* ---- making it ---- */

/* Y, Cb, Cr of 8 bits, limited range, of a colour multiplied by alpha: the offsets are, too. */
static void to_yuv(const float *rgba, bool bt601, float yuv[3])
{
	float kr = bt601 ? 0.299f : 0.2126f, kb = bt601 ? 0.114f : 0.0722f;
	float r = rgba[0], g = rgba[1], b = rgba[2], a = rgba[3] / 255;
	float y = kr * r + (1 - kr - kb) * g + kb * b;

	yuv[0] = 16 * a + y * 219 / 255;
	yuv[1] = 128 * a + (b - y) / (2 - 2 * kb) * 224 / 255;
	yuv[2] = 128 * a + (r - y) / (2 - 2 * kr) * 224 / 255;
}

static uint8_t byte(float v)
{
	return (uint8_t)CLAMP(lroundf(v), 0, 255);
}

void layer_from_rgba(struct layer *l, const float *rgba, bool bt601, float opacity)
{
	for (int y = 0; y < l->h; y += 2)
		for (int x = 0; x < l->w; x += 2) {
			float sum[4] = {0}, yuv[3];

			for (int k = 0; k < 4; k++) {
				ptrdiff_t i = (ptrdiff_t)(y + k / 2) * l->w + x + k % 2;
				const float *from = rgba + 4 * i;

				to_yuv(from, bt601, yuv);
				l->plane[0][i] = byte(yuv[0] * opacity);
				l->through[0][i] = byte(255 - from[3] * opacity);
				for (int c = 0; c < 4; c++)
					sum[c] += from[c] / 4;
			}
			ptrdiff_t i = (ptrdiff_t)(y / 2) * (l->w / 2) + x / 2;
			to_yuv(sum, bt601, yuv);
			l->plane[1][i] = byte(yuv[1] * opacity);
			l->plane[2][i] = byte(yuv[2] * opacity);
			l->through[1][i] = byte(255 - sum[3] * opacity);
		}
}

/* One dimension, by a triangle as wide as a pixel of the coarser side: n lines of `from` pixels to `to`; steps in pixels. */
static void scale_lines(const float *in, float *out, int from, int to, int n, ptrdiff_t step,
			ptrdiff_t line, ptrdiff_t out_line)
{
	double ratio = (double)from / to, radius = MAX(ratio, 1.0);

	for (int i = 0; i < to; i++) {
		double centre = (i + 0.5) * ratio - 0.5;
		int first = MAX((int)ceil(centre - radius), 0),
		    last = MIN((int)floor(centre + radius), from - 1);

		for (int k = 0; k < n; k++) {
			double sum[4] = {0}, weights = 0;

			for (int s = first; s <= last; s++) {
				double w = 1 - fabs(s - centre) / radius;
				const float *p = in + 4 * (k * line + s * step);

				weights += w;
				for (int c = 0; c < 4; c++)
					sum[c] += w * p[c];
			}
			for (int c = 0; c < 4; c++)
				out[4 * (k * out_line + i * step) + c] =
				    (float)(weights > 0 ? sum[c] / weights : 0);
		}
	}
}

float *layer_scale(const float *rgba, int sw, int sh, int w, int h)
{
	/* Across, line by line, then down: there the steps are lines of the narrow picture. */
	float *mid = calloc((size_t)w * (size_t)sh, 4 * sizeof(*mid)),
	      *out = calloc((size_t)w * (size_t)h, 4 * sizeof(*out));

	if (mid && out) {
		scale_lines(rgba, mid, sw, w, sh, 1, sw, w);
		scale_lines(mid, out, sh, h, w, w, 1, 1);
	} else {
		free(out);
		out = NULL;
	}
	free(mid);
	return out;
}

/* ---- any picture ---- */

/* Component c of line y as 0 to 255. */
static void read_line(const AVFrame *f, const AVPixFmtDescriptor *d, int c, int y, float *to,
		      uint16_t *v)
{
	bool chroma = (c == 1 || c == 2) && !(d->flags & AV_PIX_FMT_FLAG_RGB);
	int sx = chroma ? d->log2_chroma_w : 0, sy = chroma ? d->log2_chroma_h : 0;

	av_read_image_line2(v, (const uint8_t **)f->data, f->linesize, d, 0, y >> sy, c,
			    AV_CEIL_RSHIFT(f->width, sx), 0, sizeof(*v));
	for (int x = 0; x < f->width; x++)
		to[x] = (float)v[x >> sx] * 255 / (float)((1 << d->comp[c].depth) - 1);
}

/* The same of a palette: 0xAARRGGBB each. */
static void read_palette(const AVFrame *f, int c, int y, float *to)
{
	static const int shift[] = {16, 8, 0, 24};
	const uint32_t *palette = (const uint32_t *)f->data[1];

	for (int x = 0; x < f->width; x++)
		to[x] = (float)(palette[f->data[0][(ptrdiff_t)y * f->linesize[0] + x]] >> shift[c] &
				255);
}

static bool is_limited(const AVFrame *f)
{
	const char *name = av_get_pix_fmt_name(f->format);

	return f->color_range != AVCOL_RANGE_JPEG && strncmp(name, "yuvj", 4);
}

/* One pixel of YUV (BT.601, that of pictures on disk) in place. */
static void to_rgb(float p[3], bool limited)
{
	float y = p[0], u = p[1] - 128, v = p[2] - 128;

	if (limited) {
		y = (y - 16) * 255 / 219;
		u = u * 255 / 224;
		v = v * 255 / 224;
	}
	p[0] = CLAMP(y + 1.402f * v, 0.0f, 255.0f);
	p[1] = CLAMP(y - 0.344136f * u - 0.714136f * v, 0.0f, 255.0f);
	p[2] = CLAMP(y + 1.772f * u, 0.0f, 255.0f);
}

float *layer_rgba(const AVFrame *f)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);

	if (!d ||
	    d->flags & (AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER))
		return NULL;
	bool pal = d->flags & AV_PIX_FMT_FLAG_PAL, rgb = pal || d->flags & AV_PIX_FMT_FLAG_RGB,
	     alpha = d->flags & AV_PIX_FMT_FLAG_ALPHA || pal;
	int n = pal ? 4 : d->nb_components, grey = !pal && n < 3, limited = !rgb && is_limited(f);
	float *out = malloc((size_t)f->width * (size_t)f->height * 4 * sizeof(*out)),
	      *line = malloc((size_t)f->width * 4 * sizeof(*line));
	uint16_t *raw = malloc(((size_t)f->width + 8) * sizeof(*raw));
	bool ok = out && line && raw;

	for (int y = 0; ok && y < f->height; y++) {
		for (int c = 0; c < n && pal; c++)
			read_palette(f, c, y, line + (ptrdiff_t)c * f->width);
		for (int c = 0; c < n && !pal; c++)
			read_line(f, d, c, y, line + (ptrdiff_t)c * f->width, raw);
		for (int x = 0; x < f->width; x++) {
			float *p = out + 4 * ((ptrdiff_t)y * f->width + x), *v = line + x;

			p[3] = alpha ? v[(ptrdiff_t)(n - 1) * f->width] : 255;
			for (int c = 0; c < 3; c++)
				p[c] = grey ? v[0] : v[(ptrdiff_t)c * f->width];
			if (!rgb && !grey)
				to_rgb(p, limited);
			for (int c = 0; c < 3; c++)
				p[c] *= p[3] / 255;
		}
	}
	if (!ok) {
		free(out);
		out = NULL;
	}
	free(line);
	free(raw);
	return out;
}
