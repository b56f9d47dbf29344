/* Which pixels a result is made of, with which weights, and in which steps along a row. */
#include "media/resize_plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NEGATIVE 60 /* how much of the weights of a pixel may be below 0 */
#define NOWHERE (1 << 30)

/* How a processor makes a row: so many results at a time, in parts that have a window each. */
static const struct way {
	int block, parts, window;
} ways[] = {[RESIZE_AVX2] = {16, 2, 16}, [RESIZE_AVX512] = {32, 1, 64}};

/* ---- weights ---- */

static double cubic(double x)
{
	const double c = RESIZE_CUBIC_C;

	x = fabs(x);
	if (x < 1)
		return (2 - c) * x * x * x + (c - 3) * x * x + 1;
	return x < 2 ? -c * x * x * x + 5 * c * x * x - 8 * c * x + 4 * c : 0;
}

/* Rounds w[n], whose sum is 1, to weights whose sum is RESIZE_ONE: where the sum is wrong, what was rounded by most gives in. */
static bool quantize(const double *w, int8_t *to, int n)
{
	int rounded[TAPS_MAX], sum = 0, negative = 0;

	for (int i = 0; i < n; i++)
		sum += rounded[i] = (int)lround(w[i] * RESIZE_ONE);
	while (sum != RESIZE_ONE) {
		int by = sum < RESIZE_ONE ? 1 : -1, at = 0;

		for (int i = 1; i < n; i++)
			if ((w[i] * RESIZE_ONE - rounded[i]) * by >
			    (w[at] * RESIZE_ONE - rounded[at]) * by)
				at = i;
		rounded[at] += by;
		sum += by;
	}
	for (int i = 0; i < n; i++) {
		if (rounded[i] >= RESIZE_ONE)
			return false;
		negative -= MIN(rounded[i], 0);
		to[i] = (int8_t)rounded[i];
	}
	return negative <= NEGATIVE;
}

/* 255 times the sum of the two is an int16_t, whatever the bytes are. */
static bool fit_together(int w, int w2)
{
	return MAX(w, 0) + MAX(w2, 0) <= RESIZE_ONE;
}

/* The weights of result i; those beyond the source's ends go to what is at the end. */
static bool weigh(const struct side *s, int i, double offset)
{
	double scale = (double)s->in / s->out, at = (i + offset) * scale - offset, sum = 0;
	int from = (int)ceil(at - 2 * scale), first = MAX(0, MIN(from, s->in - s->n));
	double w[TAPS_MAX] = {0};

	for (int k = from; k < at + 2 * scale; k++) {
		double x = cubic((k - at) / scale);

		w[MAX(0, MIN(k, s->in - 1)) - first] += x;
		sum += x;
	}
	for (int k = 0; k < s->n; k++)
		w[k] /= sum;
	s->taps[i].first = first;
	if (!quantize(w, s->taps[i].weight, s->n))
		return false;
	for (int k = 0; k < s->n / 2; k++)
		if (!fit_together(s->taps[i].weight[k], s->taps[i].weight[k + s->n / 2]))
			return false;
	return true;
}

/* offset: where a pixel's middle is, 0.5, or 0.25 of colours that lie to the left. */
static int side_init(struct side *s, int in, int out, double offset)
{
	double scale = (double)in / out;

	s->in = in;
	s->out = out;
	s->ahead = (int)ceil(scale);
	s->n = ((int)ceil(4 * scale) + 1) / 2 * 2;
	if (scale < 1.2 || s->n > TAPS_MAX - 2 || s->n > in)
		return -ENOTSUP;
	s->taps = calloc((size_t)out, sizeof(*s->taps));
	if (!s->taps)
		return -ENOMEM;
	for (int i = 0; i < out; i++)
		if (!weigh(s, i, offset))
			return -ENOTSUP;
	return 0;
}

/* ---- the plan along a row ---- */

/* The first tap of result i that has a weight and is not taken yet; its place, or NOWHERE. */
static int left(const struct side *s, int i, int *next)
{
	while (i < s->out && *next < s->n && !s->taps[i].weight[*next])
		++*next;
	return i < s->out && *next < s->n ? s->taps[i].first + *next : NOWHERE;
}

/* Takes what is left of the taps of result i, two of them at most, if it is in the window at `at`. */
static void take(const struct side *s, int i, int *next, int at, int window, uint8_t pick[2],
		 int8_t weight[2])
{
	for (int k = 0; k < 2; k++) {
		int x = left(s, i, next) - at, w = x < window ? s->taps[i].weight[*next] : 0;

		if (!w || !fit_together(weight[0], w))
			return;
		pick[k] = (uint8_t)x;
		weight[k] = (int8_t)w;
		++*next;
	}
}

/* A step of a part, whose results begin with i; its window is at the first of the taps that are left. False: none is. */
static bool plan_part(const struct side *s, const struct way *way, int i, int part, int *next,
		      struct step *t)
{
	int n = way->block / way->parts, at = NOWHERE;

	for (int k = part * n; k < (part + 1) * n; k++)
		at = MIN(at, left(s, i + k, &next[k]));
	if (at == NOWHERE)
		return false;
	t->at[part] = at;
	for (int k = part * n; k < (part + 1) * n; k++)
		take(s, i + k, &next[k], at, way->window, &t->pick[2 * k], &t->weight[2 * k]);
	return true;
}

static bool plan_step(const struct side *s, const struct way *way, int i, int *next, struct step *t)
{
	bool some = false;

	*t = (struct step){0};
	for (int part = 0; part < way->parts; part++)
		some |= plan_part(s, way, i, part, next, t);
	return some;
}

static int plan(struct plane *p, const struct way *way)
{
	int have = 0, cap = 0;
	struct step t;

	p->blocks = (p->along.out + way->block - 1) / way->block;
	p->begin = calloc((size_t)p->blocks + 1, sizeof(*p->begin));
	if (!p->begin)
		return -ENOMEM;
	for (int b = 0; b < p->blocks; b++) {
		int next[BLOCK_MAX] = {0};

		while (plan_step(&p->along, way, b * way->block, next, &t)) {
			if (have == cap) {
				cap = cap * 2 + 64;
				struct step *more = realloc(p->step, (size_t)cap * sizeof(*more));
				if (!more)
					return -ENOMEM;
				p->step = more;
			}
			p->step[have++] = t;
		}
		p->begin[b + 1] = have;
	}
	return 0;
}

/* ---- a plane ---- */

void resize_plane_finish(struct plane *p)
{
	free(p->down.taps);
	free(p->along.taps);
	free(p->step);
	free(p->begin);
}

int resize_plane_init(struct plane *p, int in_width, int in_height, int width, int height,
		      double middle, enum resize_by by)
{
	int rc;

	if (in_width < RESIZE_PIECE || height < RESIZE_ROWS)
		return -ENOTSUP;
	if ((rc = side_init(&p->down, in_height, height, 0.5)) ||
	    (rc = side_init(&p->along, in_width, width, middle)))
		return rc;
	return by == RESIZE_PLAIN ? 0 : plan(p, &ways[by]);
}
