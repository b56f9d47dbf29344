#include "media/resize.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ONE 128			    /* a weight of 1 */
#define NEGATIVE 60		    /* how much of the weights of a pixel may be below 0 */
#define BIAS (-128 * ONE + ONE / 2) /* to the middle of int16_t, and to round */
#define TAPS_MAX 66
#define ROWS 4
#define SOON 4	     /* rows */
#define BLOCK_MAX 32 /* results along a row that are made at a time */
#define PIECE 64     /* what a row of the source has at least */
#define NOWHERE (1 << 30)
#define SLACK 64 /* behind a row between the passes, for whole loads */

/* What one pixel, or row, of the result is made of. */
struct taps {
	int first;
	int8_t weight[TAPS_MAX];
};

/* One side of a plane. */
struct side {
	int in, out;
	int n;	   /* of taps; even, the last may be 0 */
	int ahead; /* how many of the source go by for one of the result */
	struct taps *taps;
};

/* How a processor makes a row: so many results at a time, in parts that have a window each. */
static const struct way {
	int block, parts, window;
} ways[] = {[RESIZE_AVX2] = {16, 2, 16}, [RESIZE_AVX512] = {32, 1, 64}};

/* Two bytes for each result of a block. */
struct step {
	uint8_t pick[2 * BLOCK_MAX];
	int8_t weight[2 * BLOCK_MAX];
	int32_t at[2]; /* each part's window */
};

struct plane {
	struct side down, along;
	struct step *step;
	int *begin; /* the steps of block i: begin[i] ... begin[i + 1] - 1 */
	int blocks;
};

struct resize {
	struct plane plane[2]; /* brightness, colours */
	enum resize_by by;
	uint8_t *row[ROWS];
};

/* ---- weights ---- */

static double cubic(double x)
{
	const double c = RESIZE_CUBIC_C;

	x = fabs(x);
	if (x < 1)
		return (2 - c) * x * x * x + (c - 3) * x * x + 1;
	return x < 2 ? -c * x * x * x + 5 * c * x * x - 8 * c * x + 4 * c : 0;
}

/* Rounds w[n], whose sum is 1, to weights whose sum is ONE: where the sum is wrong, what was rounded by most gives in. */
static bool quantize(const double *w, int8_t *to, int n)
{
	int rounded[TAPS_MAX], sum = 0, negative = 0;

	for (int i = 0; i < n; i++)
		sum += rounded[i] = (int)lround(w[i] * ONE);
	while (sum != ONE) {
		int by = sum < ONE ? 1 : -1, at = 0;

		for (int i = 1; i < n; i++)
			if ((w[i] * ONE - rounded[i]) * by > (w[at] * ONE - rounded[at]) * by)
				at = i;
		rounded[at] += by;
		sum += by;
	}
	for (int i = 0; i < n; i++) {
		if (rounded[i] >= ONE)
			return false;
		negative -= MIN(rounded[i], 0);
		to[i] = (int8_t)rounded[i];
	}
	return negative <= NEGATIVE;
}

/* 255 times the sum of the two is an int16_t, whatever the bytes are. */
static bool fit_together(int w, int w2)
{
	return MAX(w, 0) + MAX(w2, 0) <= ONE;
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

/* ---- in C ---- */

static uint8_t narrow(int sum)
{
	int v = (sum + ONE / 2) >> 7;

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

/* ---- with AVX2, with AVX-512 ---- */

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))

enum resize_by resize_best(void)
{
	if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw"))
		return RESIZE_AVX512;
	return __builtin_cpu_supports("avx2") ? RESIZE_AVX2 : RESIZE_PLAIN;
}

/* Taps are taken two by two, from the two halves of them: so no two that are large meet, see fit_together. */
static int16_t two(const struct side *s, int y, int k)
{
	const int8_t *w = s->taps[y].weight;

	return (int16_t)((uint8_t)w[k] | (uint8_t)w[k + s->n / 2] << 8);
}

/* Rows that will be wanted soon. Decoded pictures are seldom in the cache any more; half of the time would be waiting for them. */
static const uint8_t *soon(const struct side *s, int y, const uint8_t *in, int stride)
{
	return in + (ptrdiff_t)MIN(s->taps[y].first + s->n + SOON, s->in - s->ahead) * stride;
}

static inline void fetch(const struct side *s, const uint8_t *p, int stride)
{
	for (int k = 0; k < s->ahead; k++, p += stride)
		_mm_prefetch((const void *)p, _MM_HINT_T0);
}

AVX2 static inline __m256i finish2(__m256i lo, __m256i hi)
{
	__m256i v = _mm256_packs_epi16(_mm256_srai_epi16(lo, 7), _mm256_srai_epi16(hi, 7));

	return _mm256_xor_si256(v, _mm256_set1_epi8((char)0x80));
}

AVX2 static inline __m256i load2(const uint8_t *p)
{
	return _mm256_loadu_si256((const void *)p);
}

AVX2 static void down_avx2(const struct side *s, int y, const uint8_t *in, int stride, int width,
			   uint8_t *out)
{
	__m256i weight[TAPS_MAX / 2], bias = _mm256_set1_epi16(BIAS);
	const uint8_t *later = soon(s, y, in, stride);
	int n = s->n / 2;

	in += (ptrdiff_t)s->taps[y].first * stride;
	for (int k = 0; k < n; k++)
		weight[k] = _mm256_set1_epi16(two(s, y, k));
	for (int x = 0; x < width; x += PIECE / 2) {
		int at = MIN(x, width - PIECE / 2); /* the last may overlap that before it */
		const uint8_t *a = in + at, *b = a + (ptrdiff_t)n * stride;
		__m256i lo = bias, hi = bias;

		for (int k = 0; k < n; k++, a += stride, b += stride) {
			__m256i p = load2(a), q = load2(b);
			__m256i pq = _mm256_unpacklo_epi8(p, q), pq2 = _mm256_unpackhi_epi8(p, q);

			lo = _mm256_add_epi16(lo, _mm256_maddubs_epi16(pq, weight[k]));
			hi = _mm256_add_epi16(hi, _mm256_maddubs_epi16(pq2, weight[k]));
		}
		fetch(s, later + at, stride);
		_mm256_storeu_si256((void *)(out + at), finish2(lo, hi));
	}
}

AVX2 static inline __m256i step_avx2(__m256i sum, const uint8_t *in, const struct step *t)
{
	__m128i v = _mm_loadu_si128((const void *)(in + t->at[0]));
	__m128i v2 = _mm_loadu_si128((const void *)(in + t->at[1]));
	__m256i picked = _mm256_shuffle_epi8(_mm256_set_m128i(v2, v), load2(t->pick));

	return _mm256_add_epi16(sum,
				_mm256_maddubs_epi16(picked, load2((const uint8_t *)t->weight)));
}

AVX2 static inline void store_avx2(uint8_t *to, int stride, __m256i a, __m256i b)
{
	__m256i ab = _mm256_permute4x64_epi64(finish2(a, b), 0xd8);

	_mm_storeu_si128((void *)to, _mm256_castsi256_si128(ab));
	_mm_storeu_si128((void *)(to + stride), _mm256_extracti128_si256(ab, 1));
}

AVX2 static void along_avx2(const struct plane *p, uint8_t *const in[ROWS], uint8_t *out,
			    int stride)
{
	for (int b = 0; b < p->blocks; b++, out += 16) {
		const struct step *t = &p->step[p->begin[b]], *end = &p->step[p->begin[b + 1]];
		__m256i s0 = _mm256_set1_epi16(BIAS), s1 = s0, s2 = s0, s3 = s0;

		for (; t < end; t++) {
			s0 = step_avx2(s0, in[0], t);
			s1 = step_avx2(s1, in[1], t);
			s2 = step_avx2(s2, in[2], t);
			s3 = step_avx2(s3, in[3], t);
		}
		store_avx2(out, stride, s0, s1);
		store_avx2(out + 2 * stride, stride, s2, s3);
	}
}

AVX512 static inline __m512i finish5(__m512i lo, __m512i hi)
{
	__m512i v = _mm512_packs_epi16(_mm512_srai_epi16(lo, 7), _mm512_srai_epi16(hi, 7));

	return _mm512_xor_si512(v, _mm512_set1_epi8((char)0x80));
}

AVX512 static void down_avx512(const struct side *s, int y, const uint8_t *in, int stride,
			       int width, uint8_t *out)
{
	__m512i weight[TAPS_MAX / 2], bias = _mm512_set1_epi16(BIAS);
	const uint8_t *later = soon(s, y, in, stride);
	int n = s->n / 2;

	in += (ptrdiff_t)s->taps[y].first * stride;
	for (int k = 0; k < n; k++)
		weight[k] = _mm512_set1_epi16(two(s, y, k));
	for (int x = 0; x < width; x += PIECE) {
		int at = MIN(x, width - PIECE);
		const uint8_t *a = in + at, *b = a + (ptrdiff_t)n * stride;
		__m512i lo = bias, hi = bias;

		for (int k = 0; k < n; k++, a += stride, b += stride) {
			__m512i p = _mm512_loadu_si512(a), q = _mm512_loadu_si512(b);
			__m512i pq = _mm512_unpacklo_epi8(p, q), pq2 = _mm512_unpackhi_epi8(p, q);

			lo = _mm512_add_epi16(lo, _mm512_maddubs_epi16(pq, weight[k]));
			hi = _mm512_add_epi16(hi, _mm512_maddubs_epi16(pq2, weight[k]));
		}
		fetch(s, later + at, stride);
		_mm512_storeu_si512(out + at, finish5(lo, hi));
	}
}

AVX512 static inline __m512i step_avx512(__m512i sum, const uint8_t *in, const struct step *t)
{
	__m512i v = _mm512_loadu_si512(in + t->at[0]);
	__m512i picked = _mm512_permutexvar_epi8(_mm512_loadu_si512(t->pick), v);

	return _mm512_add_epi16(sum, _mm512_maddubs_epi16(picked, _mm512_loadu_si512(t->weight)));
}

AVX512 static inline void store_avx512(uint8_t *to, int stride, __m512i a, __m512i b)
{
	const __m512i rows = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
	__m512i ab = _mm512_permutexvar_epi64(rows, finish5(a, b));

	_mm256_storeu_si256((void *)to, _mm512_castsi512_si256(ab));
	_mm256_storeu_si256((void *)(to + stride), _mm512_extracti64x4_epi64(ab, 1));
}

AVX512 static void along_avx512(const struct plane *p, uint8_t *const in[ROWS], uint8_t *out,
				int stride)
{
	for (int b = 0; b < p->blocks; b++, out += 32) {
		const struct step *t = &p->step[p->begin[b]], *end = &p->step[p->begin[b + 1]];
		__m512i s0 = _mm512_set1_epi16(BIAS), s1 = s0, s2 = s0, s3 = s0;

		for (; t < end; t++) {
			s0 = step_avx512(s0, in[0], t);
			s1 = step_avx512(s1, in[1], t);
			s2 = step_avx512(s2, in[2], t);
			s3 = step_avx512(s3, in[3], t);
		}
		store_avx512(out, stride, s0, s1);
		store_avx512(out + 2 * stride, stride, s2, s3);
	}
}
#else
enum resize_by resize_best(void)
{
	return RESIZE_PLAIN;
}
#endif

/* ---- pictures ---- */

static void plane_finish(struct plane *p)
{
	free(p->down.taps);
	free(p->along.taps);
	free(p->step);
	free(p->begin);
}

static int plane_init(struct plane *p, int in_width, int in_height, int width, int height,
		      double middle, enum resize_by by)
{
	int rc;

	if (in_width < PIECE || height < ROWS)
		return -ENOTSUP;
	if ((rc = side_init(&p->down, in_height, height, 0.5)) ||
	    (rc = side_init(&p->along, in_width, width, middle)))
		return rc;
	return by == RESIZE_PLAIN ? 0 : plan(p, &ways[by]);
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
	if ((rc = plane_init(&r->plane[0], in_width, in_height, width, height, 0.5, by)) ||
	    (rc = plane_init(&r->plane[1], half(in_width), half(in_height), half(width),
			     half(height), 0.25, by)))
		goto fail;
	for (int k = 0; k < ROWS; k++)
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
	plane_finish(&r->plane[0]);
	plane_finish(&r->plane[1]);
	for (int k = 0; k < ROWS; k++)
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
		for (int k = 0; k < ROWS; k++)
			down_avx2(&p->down, y + k, in, in_stride, width, r->row[k]);
		along_avx2(p, r->row, out, stride);
		return;
	case RESIZE_AVX512:
		for (int k = 0; k < ROWS; k++)
			down_avx512(&p->down, y + k, in, in_stride, width, r->row[k]);
		along_avx512(p, r->row, out, stride);
		return;
#endif
	default:
		for (int k = 0; k < ROWS; k++, out += stride) {
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
		for (int y = 0; y < p->down.out; y += ROWS)
			run(r, p, MIN(y, p->down.out - ROWS), in[i], in_linesize[i], out[i],
			    out_linesize[i]);
	}
}
