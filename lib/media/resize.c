#include "media/resize_plan.h"

#include <errno.h>
#include <stdlib.h>

#define SLACK 64 /* behind a row between the passes, for whole loads */

struct resize {
	struct plane plane[2]; /* brightness, colours */
	enum resize_by by;
	uint8_t *row[RESIZE_ROWS];
};

/* ---- in C ---- */

static uint8_t narrow(int sum)
{
	int v = (sum + RESIZE_ONE / 2) >> 7;

	return (uint8_t)MAX(0, MIN(v, 255));
}

static void down_plain(const struct side *s, int y, const uint8_t *in, int stride, int width,
		       uint8_t *out)
{
	const struct taps *t = &s->taps[y];

	for (int x = 0; x < width; x++) {
		int sum = 0;

		for (int k = 0; k < s->n; k++)
			sum += t->weight[k] * in[(ptrdiff_t)(t->first + k) * stride + x];
		out[x] = narrow(sum);
	}
}

static void along_plain(const struct side *s, const uint8_t *in, uint8_t *out)
{
	for (int x = 0; x < s->out; x++) {
		const struct taps *t = &s->taps[x];
		int sum = 0;

		for (int k = 0; k < s->n; k++)
			sum += t->weight[k] * in[t->first + k];
		out[x] = narrow(sum);
	}
}

/* ---- pictures ---- */

enum resize_by resize_best(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw"))
		return RESIZE_AVX512;
	if (__builtin_cpu_supports("avx2"))
		return RESIZE_AVX2;
#endif
	return RESIZE_PLAIN;
}

static int half(int size)
{
	return (size + 1) / 2;
}

int resize_create(struct resize **out, int in_width, int in_height, int width, int height,
		  enum resize_by by)
{
	struct resize *r = calloc(1, sizeof(*r));
	int rc = -ENOMEM;

	if (!r)
		return rc;
	r->by = by;
	if ((rc = resize_plane_init(&r->plane[0], in_width, in_height, width, height, 0.5, by)) ||
	    (rc = resize_plane_init(&r->plane[1], half(in_width), half(in_height), half(width),
				    half(height), 0.25, by)))
		goto fail;
	for (int k = 0; k < RESIZE_ROWS; k++)
		if (!(r->row[k] = calloc(1, (size_t)in_width + SLACK))) {
			rc = -ENOMEM;
			goto fail;
		}
	*out = r;
	return 0;
fail:
	resize_destroy(r);
	return rc;
}

void resize_destroy(struct resize *r)
{
	if (!r)
		return;
	resize_plane_finish(&r->plane[0]);
	resize_plane_finish(&r->plane[1]);
	for (int k = 0; k < RESIZE_ROWS; k++)
		free(r->row[k]);
	free(r);
}

/* Some rows of a plane, from y on. */
static void run(struct resize *r, const struct plane *p, int y, const uint8_t *in, int in_stride,
		uint8_t *out, int stride)
{
	int width = p->along.in;

	out += (ptrdiff_t)y * stride;
	switch (r->by) {
#ifdef __x86_64__
	case RESIZE_AVX2:
		for (int k = 0; k < RESIZE_ROWS; k++)
			resize_down_avx2(&p->down, y + k, in, in_stride, width, r->row[k]);
		resize_along_avx2(p, r->row, out, stride);
		return;
	case RESIZE_AVX512:
		for (int k = 0; k < RESIZE_ROWS; k++)
			resize_down_avx512(&p->down, y + k, in, in_stride, width, r->row[k]);
		resize_along_avx512(p, r->row, out, stride);
		return;
#endif
	default:
		for (int k = 0; k < RESIZE_ROWS; k++, out += stride) {
			down_plain(&p->down, y + k, in, in_stride, width, r->row[0]);
			along_plain(&p->along, r->row[0], out);
		}
	}
}

void resize_run(struct resize *r, uint8_t *const in[3], const int in_linesize[3],
		uint8_t *const out[3], const int out_linesize[3])
{
	for (int i = 0; i < 3; i++) {
		const struct plane *p = &r->plane[i > 0];

		/* The last rows may be made twice. */
		for (int y = 0; y < p->down.out; y += RESIZE_ROWS)
			run(r, p, MIN(y, p->down.out - RESIZE_ROWS), in[i], in_linesize[i], out[i],
			    out_linesize[i]);
	}
}
