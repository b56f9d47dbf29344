#include "cmaf/cmaf.h"

#include <math.h>

static int64_t floor_div128(__int128 a, __int128 b)
{
	__int128 q = a / b;

	return (int64_t)(q - (a % b < 0));
}

int64_t cmaf_grid_number(const struct cmaf_grid *g, int64_t scale, int64_t x)
{
	__int128 since = (__int128)(x - base_scale(scale, g->origin.num, g->origin.den)) * g->d.den;

	return floor_div128(since, (__int128)g->d.num * scale);
}

int64_t cmaf_grid_start(const struct cmaf_grid *g, int64_t scale, int64_t n, int k)
{
	__int128 num = ((__int128)n * g->parts + k) * g->d.num * scale;
	__int128 den = (__int128)g->d.den * g->parts;

	return base_scale(scale, g->origin.num, g->origin.den) +
	       floor_div128(2 * num + den, 2 * den);
}

int64_t cmaf_grid_us(const struct cmaf_grid *g, int64_t n)
{
	return cmaf_grid_start(g, SEC_US, n, 0);
}

/* The shortest and longest part of a track whose frames are f seconds, cut at the frame nearest to
 * multiples of pitch. */
static void part_bounds(double pitch, double f, double *lo, double *hi)
{
	double frames = pitch / f;

	if (fabs(frames - round(frames)) < 1e-6) {
		*lo = *hi = round(frames) * f;
	} else {
		*lo = floor(frames) * f;
		*hi = ceil(frames) * f;
	}
}

static double part_ratio(double pitch, const struct ratio *frame, size_t n, double *target)
{
	double shortest = INFINITY;

	*target = 0;
	for (size_t i = 0; i < n; i++) {
		double lo, hi;

		part_bounds(pitch, (double)frame[i].num / (double)frame[i].den, &lo, &hi);
		shortest = fmin(shortest, lo);
		*target = fmax(*target, hi);
	}
	return shortest / *target;
}

int64_t cmaf_choose_parts(struct ratio d, int64_t want_us, const struct ratio *frame, size_t n,
			  int *parts, double *ratio)
{
	double whole = (double)d.num / (double)d.den, want = (double)want_us / 1e6;
	double best_off = INFINITY, target = 0;

	*ratio = 0;
	*parts = 1;
	for (int k = 1; k <= 100; k++) {
		double pitch = whole / k, t, off = fabs(pitch - want);
		double r = part_ratio(pitch, frame, n, &t);

		/* 0.85 is as good as any above; below it, nearer to it is better. */
		if (fmin(r, 0.85) > *ratio + 1e-9 || (r >= 0.85 - 1e-9 && off < best_off - 1e-9)) {
			*ratio = fmin(r, 0.85);
			*parts = k;
			best_off = off;
			target = t;
		}
	}
	part_ratio(whole / *parts, frame, n, &target);
	*ratio = part_ratio(whole / *parts, frame, n, &target);
	return (int64_t)ceil(target * 1e6 - 1e-6);
}
