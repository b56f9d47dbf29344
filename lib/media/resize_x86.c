/* The two passes with AVX2, and with AVX-512. */
#include "media/resize_plan.h"

#ifdef __x86_64__
#include <immintrin.h>

#define BIAS (-128 * RESIZE_ONE + RESIZE_ONE / 2) /* to the middle of int16_t, and to round */
#define SOON 4					  /* rows */

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))

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

AVX2 void resize_down_avx2(const struct side *s, int y, const uint8_t *in, int stride, int width,
			   uint8_t *out)
{
	__m256i weight[TAPS_MAX / 2], bias = _mm256_set1_epi16(BIAS);
	const uint8_t *later = soon(s, y, in, stride);
	int n = s->n / 2;

	in += (ptrdiff_t)s->taps[y].first * stride;
	for (int k = 0; k < n; k++)
		weight[k] = _mm256_set1_epi16(two(s, y, k));
	for (int x = 0; x < width; x += RESIZE_PIECE / 2) {
		int at = MIN(x, width - RESIZE_PIECE / 2); /* the last may overlap that before it */
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

AVX2 void resize_along_avx2(const struct plane *p, uint8_t *const in[RESIZE_ROWS], uint8_t *out,
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

AVX512 void resize_down_avx512(const struct side *s, int y, const uint8_t *in, int stride,
			       int width, uint8_t *out)
{
	__m512i weight[TAPS_MAX / 2], bias = _mm512_set1_epi16(BIAS);
	const uint8_t *later = soon(s, y, in, stride);
	int n = s->n / 2;

	in += (ptrdiff_t)s->taps[y].first * stride;
	for (int k = 0; k < n; k++)
		weight[k] = _mm512_set1_epi16(two(s, y, k));
	for (int x = 0; x < width; x += RESIZE_PIECE) {
		int at = MIN(x, width - RESIZE_PIECE);
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

AVX512 void resize_along_avx512(const struct plane *p, uint8_t *const in[RESIZE_ROWS], uint8_t *out,
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
#endif
