#include "media/watch.h"

#include <libavutil/pixdesc.h>

#define LINES 4			  /* read of each cell */
#define DARK 10			  /* per cent of the way from black to white */
#define DARK_CELLS 98		  /* per cent of a black picture */
#define STILL 4			  /* of 255: what a cell may change by and stand still */
#define SEQUENCE_US (15 * SEC_US) /* pictures that are so far apart do not follow each other */

#define UNREADABLE \
	(AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_PAL | \
	 AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER)

/* The sum of n samples, `step` bytes apart. */
static int64_t sum(const uint8_t *p, int n, const AVComponentDescriptor *c)
{
	uint32_t s = 0;

	if (c->step == 1) {
		for (int i = 0; i < n; i++)
			s += p[i];
	} else if (c->depth <= 8) {
		for (int i = 0; i < n; i++)
			s += p[i * c->step];
	} else {
		for (int i = 0; i < n; i++)
			s += (uint32_t)(p[i * c->step] | p[i * c->step + 1] << 8) >> c->shift;
	}
	return s;
}

bool watch_cells(const AVFrame *f, uint8_t cell[WATCH_W * WATCH_H])
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);

	if (!d || d->flags & UNREADABLE || d->comp[0].depth < 8 || f->width < WATCH_W ||
	    f->height < WATCH_H)
		return false;
	const AVComponentDescriptor *c = &d->comp[0];
	for (int row = 0; row < WATCH_H; row++) {
		int top = f->height * row / WATCH_H, bottom = f->height * (row + 1) / WATCH_H,
		    lines = MIN(LINES, bottom - top);
		int64_t s[WATCH_W] = {0};

		for (int i = 0; i < lines; i++) {
			int y = top + (bottom - top) * i / lines;
			const uint8_t *p =
			    f->data[c->plane] + (ptrdiff_t)y * f->linesize[c->plane] + c->offset;

			for (int col = 0; col < WATCH_W; col++) {
				int x = f->width * col / WATCH_W;

				s[col] +=
				    sum(p + x * c->step, f->width * (col + 1) / WATCH_W - x, c);
			}
		}
		for (int col = 0; col < WATCH_W; col++) {
			int w = f->width * (col + 1) / WATCH_W - f->width * col / WATCH_W;

			cell[row * WATCH_W + col] =
			    (uint8_t)(s[col] / (w * lines) >> (c->depth - 8));
		}
	}
	return true;
}

static bool is_dark(const AVFrame *f, const uint8_t cell[WATCH_W * WATCH_H])
{
	bool full = f->color_range == AVCOL_RANGE_JPEG || f->format == AV_PIX_FMT_YUVJ420P ||
		    av_pix_fmt_desc_get(f->format)->flags & AV_PIX_FMT_FLAG_RGB;
	int limit = full ? 255 * DARK / 100 : 16 + 219 * DARK / 100, n = 0;

	for (int i = 0; i < WATCH_W * WATCH_H; i++)
		n += cell[i] <= limit;
	return n * 100 >= WATCH_W * WATCH_H * DARK_CELLS;
}

static bool has_moved(const uint8_t a[WATCH_W * WATCH_H], const uint8_t b[WATCH_W * WATCH_H])
{
	int most = 0;

	for (int i = 0; i < WATCH_W * WATCH_H; i++)
		most = MAX(most, abs(a[i] - b[i]));
	return most > STILL;
}

void watch_begin(struct watch *w)
{
	w->begun = false;
}

bool watch_look(struct watch *w, const AVFrame *f, int64_t us, unsigned *has)
{
	uint8_t cell[WATCH_W * WATCH_H];

	if (w->begun && us < w->next_us && us > w->next_us - SEQUENCE_US)
		return false;
	*has = 0;
	if (!watch_cells(f, cell))
		return true;
	bool anew = !w->begun || llabs(us - w->next_us) > SEQUENCE_US;
	if (is_dark(f, cell))
		*has = 1u << FAULT_BLACK;
	else if (!anew && !has_moved(cell, w->still))
		*has = 1u << FAULT_FROZEN;
	if (*has != 1u << FAULT_FROZEN)
		memcpy(w->still, cell, sizeof(cell));
	w->begun = true;
	w->next_us = us + WATCH_STEP_US;
	return true;
}
