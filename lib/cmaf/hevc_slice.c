/* Where the header of a slice segment of HEVC ends (ISO/IEC 23008-2, 7.3.6): encryption leaves it clear. */
#include "cmaf/hevc_slice.h"

#include <errno.h>

#include "cmaf/split.h"

enum { SLICE_B, SLICE_P, SLICE_I };

struct slice_at {
	struct bits b;
	const struct hevc_sps *sps;
	const struct hevc_pps *pps;
	int type; /* of the NAL unit */
	unsigned kind;
	bool bad, chroma, temporal_mvp, sao;
	unsigned used; /* references of the current picture */
	unsigned lists, refs[2];
};

static void skip_se(struct bits *b)
{
	bits_ue(b);
}

/* ---- references ---- */

static unsigned count_used(const struct hevc_rps *r)
{
	unsigned n = 0;

	for (int side = 0; side < 2; side++)
		for (int i = 0; i < r->n[side]; i++)
			n += r->used[side][i];
	return n;
}

static void read_long_term(struct slice_at *s)
{
	const struct hevc_sps *sps = s->sps;
	struct bits *b = &s->b;
	uint32_t listed = sps->nlong ? bits_ue(b) : 0, all = bits_ue(b) + listed;

	s->bad |= listed > 32 || all > 64;
	for (uint32_t i = 0; i < all && !s->bad && !bits_over(b); i++) {
		if (i < listed) {
			unsigned at = bits_get(b, split_bits(sps->nlong));

			s->used += at < 32 && (sps->long_used >> at & 1);
		} else {
			bits_skip(b, sps->poc_bits);
			s->used += bits_one(b);
		}
		if (bits_one(b))
			bits_ue(b);
	}
}

static void read_order(struct slice_at *s)
{
	const struct hevc_sps *sps = s->sps;
	struct bits *b = &s->b;
	struct hevc_rps own;

	bits_skip(b, sps->poc_bits);
	if (!bits_one(b)) {
		hevc_read_rps(b, sps->rps, sps->nrps, true, &own, &s->bad);
		s->used = count_used(&own);
	} else {
		unsigned at = bits_get(b, split_bits(sps->nrps));

		s->bad |= at >= sps->nrps;
		s->used = s->bad ? 0 : count_used(&sps->rps[at]);
	}
	if (sps->long_term)
		read_long_term(s);
	if (sps->temporal_mvp)
		s->temporal_mvp = bits_one(b);
}

static void skip_modification(struct slice_at *s)
{
	unsigned n = split_bits(s->used);

	if (!s->pps->modification || s->used < 2)
		return;
	for (unsigned l = 0; l < s->lists; l++)
		if (bits_one(&s->b))
			bits_skip(&s->b, n * s->refs[l]);
}

static void skip_weights_of(struct slice_at *s, unsigned n)
{
	struct bits *b = &s->b;
	bool luma[HEVC_REFS], chroma[HEVC_REFS] = {false};

	for (unsigned i = 0; i < n; i++)
		luma[i] = bits_one(b);
	for (unsigned i = 0; i < n && s->chroma; i++)
		chroma[i] = bits_one(b);
	for (unsigned i = 0; i < n; i++)
		for (int k = (luma[i] ? 2 : 0) + (chroma[i] ? 4 : 0); k; k--)
			skip_se(b);
}

static void skip_weights(struct slice_at *s)
{
	if (s->kind == SLICE_P ? !s->pps->weighted : !s->pps->weighted_b)
		return;
	bits_ue(&s->b);
	if (s->chroma)
		skip_se(&s->b);
	for (unsigned l = 0; l < s->lists; l++)
		skip_weights_of(s, s->refs[l]);
}

static void read_inter(struct slice_at *s)
{
	struct bits *b = &s->b;
	bool from_l0 = true;

	s->lists = s->kind == SLICE_B ? 2 : 1;
	s->refs[0] = s->pps->refs[0];
	s->refs[1] = s->pps->refs[1];
	if (bits_one(b))
		for (unsigned l = 0; l < s->lists; l++)
			s->refs[l] = bits_ue(b) + 1;
	s->bad |= s->refs[0] >= HEVC_REFS || s->refs[1] >= HEVC_REFS;
	if (s->bad)
		return;
	skip_modification(s);
	if (s->kind == SLICE_B)
		bits_one(b);
	if (s->pps->cabac_init)
		bits_one(b);
	if (s->temporal_mvp) {
		from_l0 = s->kind != SLICE_B || bits_one(b);
		if (s->refs[!from_l0] > 1)
			bits_ue(b);
	}
	skip_weights(s);
	bits_ue(b);
}

/* ---- the rest ---- */

static void skip_filters(struct slice_at *s)
{
	const struct hevc_pps *p = s->pps;
	struct bits *b = &s->b;
	bool off = p->no_deblocking;

	skip_se(b);
	if (p->chroma_offsets) {
		skip_se(b);
		skip_se(b);
	}
	if (p->offset_list)
		bits_one(b);
	if (p->override && bits_one(b)) {
		off = bits_one(b);
		if (!off) {
			skip_se(b);
			skip_se(b);
		}
	}
	if (p->across && (s->sao || !off))
		bits_one(b);
}

static void read_independent(struct slice_at *s)
{
	struct bits *b = &s->b;

	bits_skip(b, s->pps->extra);
	s->kind = bits_ue(b);
	s->bad |= s->kind > SLICE_I;
	if (s->pps->output)
		bits_one(b);
	if (s->sps->separate_planes)
		bits_get(b, 2);
	if (s->type != HEVC_IDR && s->type != HEVC_IDR_LAST)
		read_order(s);
	if (s->sps->sao) {
		s->sao = bits_one(b);
		if (s->chroma)
			s->sao |= bits_one(b);
	}
	if (s->kind != SLICE_I && !s->bad)
		read_inter(s);
	skip_filters(s);
}

static void skip_entries(struct slice_at *s)
{
	struct bits *b = &s->b;
	uint32_t n = s->pps->entries ? bits_ue(b) : 0;

	if (n) {
		unsigned bits = bits_ue(b) + 1;

		s->bad |= bits > 32 || n > 1u << 16;
		for (; n && !s->bad && !bits_over(b); n--)
			bits_skip(b, bits);
	}
	if (s->pps->extension)
		for (uint32_t k = bits_ue(b); k && !bits_over(b); k--)
			bits_skip(b, 8);
}

static bool find_sets(struct slice_at *s, const struct hevc_sets *sets)
{
	uint32_t id = bits_ue(&s->b);

	if (id >= ARRAY_LEN(sets->pps) || !sets->pps[id].known)
		return false;
	s->pps = &sets->pps[id];
	s->sps = &sets->sps[s->pps->sps];
	s->chroma = s->sps->chroma && !s->sps->separate_planes;
	return s->sps->known;
}

size_t hevc_slice_header(const struct hevc_sets *sets, const struct nal *nal)
{
	struct slice_at s = {.type = hevc_type(nal),
			     .b = {.p = nal->p + MIN(nal->n, 2), .end = nal->p + nal->n}};
	bool dependent = false;

	if (nal->n < 3 || nal->p[0] & 1 || nal->p[1] >> 3) /* of another layer */
		return 0;
	bool first = bits_one(&s.b);
	if (s.type >= HEVC_BLA && s.type <= HEVC_IRAP_LAST)
		bits_one(&s.b);
	if (!find_sets(&s, sets))
		return 0;
	if (!first) {
		dependent = s.pps->dependent && bits_one(&s.b);
		bits_skip(&s.b, split_bits(s.sps->blocks));
	}
	if (!dependent)
		read_independent(&s);
	skip_entries(&s);
	bool aligned = bits_one(&s.b);
	return s.bad || !aligned || bits_over(&s.b) ? 0 : (size_t)(s.b.p - nal->p);
}

int hevc_subsamples(void *sets, const uint8_t *p, size_t n, struct subsamples *out)
{
	const uint8_t *end = p + n;
	size_t first = out->len, clear = 0;
	struct nal nal;
	int rc = 0;

	while (!rc && nal_next(&p, end, &nal)) {
		if (!hevc_in_sample(&nal))
			continue;
		clear += 4;
		if (hevc_type(&nal) >= HEVC_VPS) {
			clear += nal.n;
			continue;
		}
		size_t header = hevc_slice_header(sets, &nal);
		if (!header)
			return -EINVAL;
		rc = split_add(out, first, clear + header, nal.n - header);
		clear = 0;
	}
	if (!rc && clear)
		rc = split_add(out, first, clear, 0);
	return rc;
}
