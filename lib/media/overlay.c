#include "media/overlay.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "media/glyph.h"
#include "media/layer.h"
#include "media/slate.h"

#define TEXT_MAX 256
#define BOX 0.5f /* how dark the box behind a text is */
#define PICTURE_MAX 8192

const char *const overlay_place_name[OVERLAY_PLACES] = {
    "top-left", "top", "top-right", "centre", "bottom-left", "bottom", "bottom-right"};

struct overlays {
	int n;
	struct one {
		struct overlay_conf conf;
		float *rgba; /* of a picture */
		int w, h;
		struct font_file font;
	} one[OVERLAYS_MAX];
};

struct overlay {
	int n, width, height;
	bool bt601;
	struct drawn {
		const struct one *one;
		struct layer layer;
		struct font *font;
		char text[TEXT_MAX]; /* that the layer shows */
		bool on;
	} drawn[OVERLAYS_MAX];
};

/* ---- files ---- */

static int read_picture(struct one *o, char *err)
{
	AVFrame *f = NULL;
	int rc = slate_load(&f, o->conf.file, err);

	if (rc)
		return rc;
	o->w = f->width;
	o->h = f->height;
	if (o->w <= PICTURE_MAX && o->h <= PICTURE_MAX)
		o->rgba = layer_rgba(f);
	av_frame_free(&f);
	if (o->rgba)
		return 0;
	return mav_say(err, "%.150s: too large, or of a format that is not known", o->conf.file),
	       -EINVAL;
}

int overlays_create(struct overlays **out, const struct overlay_conf *conf, int n, char *err)
{
	struct overlays *o = calloc(1, sizeof(*o));
	int rc = 0;

	*err = 0;
	if (!o)
		return mav_say(err, "out of memory"), -ENOMEM;
	for (o->n = 0; o->n < n && !rc; o->n++) {
		struct one *k = &o->one[o->n];

		k->conf = conf[o->n];
		rc = k->conf.file ? read_picture(k, err)
				  : font_file_read(&k->font,
						   k->conf.font ? k->conf.font : OVERLAY_FONT, err);
	}
	if (rc) {
		overlays_destroy(o);
		return rc;
	}
	*out = o;
	return 0;
}

void overlays_destroy(struct overlays *o)
{
	if (!o)
		return;
	for (int i = 0; i < o->n; i++) {
		free(o->one[i].rgba);
		font_file_free(&o->one[i].font);
	}
	free(o);
}

/* ---- one rung's ---- */

/* Where on a line of `whole` pixels: -1 at its beginning, 0 in the middle, 1 at the end. Even. */
static int spot(int side, int whole, int part, int margin)
{
	int at = side < 0 ? margin : side > 0 ? whole - part - margin : (whole - part) / 2;

	return CLAMP(at, 0, whole - part) / 2 * 2;
}

static void set_place(const struct overlay *o, struct drawn *d)
{
	static const int8_t across[] = {-1, 0, 1, 0, -1, 0, 1}, down[] = {-1, -1, -1, 0, 1, 1, 1};
	const struct overlay_conf *c = &d->one->conf;
	int margin = o->height * c->margin / 100;

	d->layer.x = spot(across[c->at], o->width, d->layer.w, margin);
	d->layer.y = spot(down[c->at], o->height, d->layer.h, margin);
}

static int draw_picture(const struct overlay *o, struct drawn *d)
{
	const struct one *k = d->one;
	double h = o->height * k->conf.size / 100.0, w = h * k->w / k->h,
	       fit = MIN(1.0, MIN(o->width / MAX(w, 1.0), o->height / MAX(h, 1.0)));
	int iw = MAX((int)(w * fit / 2) * 2, 2), ih = MAX((int)(h * fit / 2) * 2, 2);
	float *rgba = layer_scale(k->rgba, k->w, k->h, iw, ih);

	if (!rgba || layer_size(&d->layer, iw, ih)) {
		free(rgba);
		return -ENOMEM;
	}
	layer_from_rgba(&d->layer, rgba, o->bt601, (float)k->conf.opacity / 100);
	free(rgba);
	set_place(o, d);
	d->on = true;
	return 0;
}

/* A white text on a box that darkens. */
static void paint_text(struct drawn *d, const uint8_t *ink)
{
	struct layer *l = &d->layer;
	float opacity = (float)d->one->conf.opacity / 100;

	for (int y = 0; y < l->h; y += 2)
		for (int x = 0; x < l->w; x += 2) {
			float sum = 0;

			for (int k = 0; k < 4; k++) {
				ptrdiff_t i = (ptrdiff_t)(y + k / 2) * l->w + x + k % 2;
				float g = (float)ink[i] / 255, a = g + BOX * (1 - g);

				l->plane[0][i] =
				    (uint8_t)lroundf((235 * g + 16 * BOX * (1 - g)) * opacity);
				l->through[0][i] = (uint8_t)lroundf(255 * (1 - a * opacity));
				sum += a * opacity / 4;
			}
			ptrdiff_t i = (ptrdiff_t)(y / 2) * (l->w / 2) + x / 2;
			l->plane[1][i] = l->plane[2][i] = (uint8_t)lroundf(128 * sum);
			l->through[1][i] = (uint8_t)lroundf(255 * (1 - sum));
		}
}

/* The text that d is to show now; where there is no memory it stays as it was. */
static void draw_text(const struct overlay *o, struct drawn *d, const char *text)
{
	int w, h;

	if (d->on && !strcmp(text, d->text))
		return;
	font_measure(d->font, text, &w, &h);
	int pad = h / 4 + 1, bw = MIN(w + 2 * pad, o->width / 2 * 2 - 2),
	    bh = MIN(h + pad, o->height / 2 * 2 - 2);
	d->on = w && !layer_size(&d->layer, MAX(bw, 2), MAX(bh, 2));
	uint8_t *ink = d->on ? calloc((size_t)d->layer.w, (size_t)d->layer.h) : NULL;
	str_copy(d->text, sizeof(d->text), text);
	if (!ink) {
		d->on = false;
		return;
	}
	int top = pad / 2;
	font_draw(d->font, text, ink + (ptrdiff_t)top * d->layer.w + pad, d->layer.w,
		  d->layer.w - pad, d->layer.h - top);
	paint_text(d, ink);
	free(ink);
	set_place(o, d);
}

int overlay_create(struct overlay **out, const struct overlays *set, int width, int height,
		   enum AVColorSpace space, char *err)
{
	struct overlay *o = calloc(1, sizeof(*o));
	int rc = o ? 0 : -ENOMEM;

	for (int i = 0; i < set->n && !rc; i++) {
		struct drawn *d = &o->drawn[o->n++];

		o->width = width;
		o->height = height;
		o->bt601 = space == AVCOL_SPC_SMPTE170M || space == AVCOL_SPC_BT470BG;
		d->one = &set->one[i];
		rc = d->one->rgba
			 ? draw_picture(o, d)
			 : font_create(&d->font, &d->one->font, height * d->one->conf.size / 100);
	}
	if (rc) {
		overlay_destroy(o);
		return mav_say(err, "overlay: %s", strerror(-rc)), rc;
	}
	*out = o;
	return 0;
}

void overlay_destroy(struct overlay *o)
{
	if (!o)
		return;
	for (int i = 0; i < o->n; i++) {
		layer_free(&o->drawn[i].layer);
		font_destroy(o->drawn[i].font);
	}
	free(o);
}

/* ---- drawing ---- */

/* The format with %N filled in, of which strftime(3) knows nothing. */
static void fill_in(char *to, size_t cap, const char *text, int ms)
{
	size_t n = 0;

	while (*text && n + 4 < cap) {
		if (text[0] == '%' && text[1] == 'N') {
			n += (size_t)snprintf(to + n, cap - n, "%03d", ms % 1000);
			text += 2;
		} else {
			if (text[0] == '%' && text[1])
				to[n++] = *text++;
			to[n++] = *text++;
		}
	}
	to[n] = 0;
}

/* The format is the operator's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void tell_time(char *to, size_t cap, const struct overlay_conf *c, int64_t utc_us)
{
	time_t s = utc_us / SEC_US;
	char format[TEXT_MAX];
	struct tm tm;

	fill_in(format, sizeof(format), c->text, (int)(utc_us % SEC_US / 1000));
	if (!(c->local ? localtime_r(&s, &tm) : gmtime_r(&s, &tm)) ||
	    !strftime(to, cap, format, &tm))
		*to = 0;
}
#pragma GCC diagnostic pop

void overlay_draw(struct overlay *o, AVFrame *f, int64_t utc_us)
{
	char text[TEXT_MAX];

	for (int i = 0; i < o->n; i++) {
		struct drawn *d = &o->drawn[i];

		if (d->font) {
			tell_time(text, sizeof(text), &d->one->conf, utc_us);
			draw_text(o, d, text);
		}
		if (d->on)
			layer_lay(&d->layer, f);
	}
}

void overlay_undraw(struct overlay *o, AVFrame *f)
{
	for (int i = o->n; i--;)
		if (o->drawn[i].on)
			layer_lift(&o->drawn[i].layer, f);
}
