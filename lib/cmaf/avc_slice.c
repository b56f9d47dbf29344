/* Where the header of an H.264 slice ends (ISO/IEC 14496-10, 7.3): encryption leaves it clear. */
#include "cmaf/avc.h"

#include <errno.h>

#include "cmaf/split.h"

static struct bits bits_of(const struct nal *n)
{
	return (struct bits){.p = n->p + 1, .end = n->p + n->n};
}

/* A se(): as long as an ue(). */
static void skip_se(struct bits *b)
{
	bits_ue(b);
}

/* A ue() that is at most max in what is allowed; max for more. */
static uint8_t small(struct bits *b, unsigned more, unsigned max)
{
	uint32_t v = bits_ue(b);

	return (uint8_t)(v > max - more ? max : v + more);
}

/* ---- parameter sets ---- */

static bool has_chroma_format(unsigned profile)
{
	static const uint8_t high[] = {100, 110, 122, 244, 44,	83, 86,
				       118, 128, 138, 139, 134, 135};

	return memchr(high, (int)profile, sizeof(high)) != NULL;
}

static int se(struct bits *b)
{
	uint32_t v = bits_ue(b);

	return (int)(v & 1 ? v / 2 + 1 : -(v / 2)) % 256;
}

static void skip_scaling_list(struct bits *b, int n)
{
	int last = 8, next = 8;

	for (int i = 0; i < n && !bits_over(b); i++) {
		if (next)
			next = (last + se(b) + 256) % 256;
		last = next ? next : last;
	}
}

static void read_chroma(struct bits *b, struct avc_sps *s)
{
	s->chroma = small(b, 0, 3);
	if (s->chroma == 3)
		s->separate_planes = bits_one(b);
	bits_ue(b);
	bits_ue(b);
	bits_one(b);
	if (!bits_one(b))
		return;
	for (int i = 0; i < (s->chroma == 3 ? 12 : 8); i++)
		if (bits_one(b))
			skip_scaling_list(b, i < 6 ? 16 : 64);
}

static void read_order(struct bits *b, struct avc_sps *s)
{
	s->poc_type = small(b, 0, 3);
	if (s->poc_type == 0) {
		s->poc_bits = small(b, 4, 17);
	} else if (s->poc_type == 1) {
		s->delta_always_zero = bits_one(b);
		skip_se(b);
		skip_se(b);
		for (uint32_t n = bits_ue(b); n-- && !bits_over(b);)
			skip_se(b);
	}
}

static void read_sps(const struct nal *nal, struct avc_sets *out)
{
	struct bits b = bits_of(nal);
	struct avc_sps s = {.chroma = 1};
	unsigned profile = bits_get(&b, 8);

	bits_get(&b, 16);
	uint32_t id = bits_ue(&b);
	if (has_chroma_format(profile))
		read_chroma(&b, &s);
	s.frame_num_bits = small(&b, 4, 17);
	read_order(&b, &s);
	bits_ue(&b); /* reference frames */
	bits_one(&b);
	bits_ue(&b); /* width and height */
	bits_ue(&b);
	s.frame_mbs_only = bits_one(&b);
	s.known = !bits_over(&b) && s.frame_num_bits <= 16 && s.poc_bits <= 16 && s.poc_type <= 2;
	if (id < ARRAY_LEN(out->sps))
		out->sps[id] = s;
}

static void read_pps(const struct nal *nal, struct avc_sets *out)
{
	struct bits b = bits_of(nal);
	struct avc_pps p = {0};
	uint32_t id = bits_ue(&b), sps = bits_ue(&b);

	p.sps = (uint8_t)MIN(sps, 255u);
	p.cabac = bits_one(&b);
	p.bottom_order = bits_one(&b);
	bool groups = bits_ue(&b); /* which no encoder of today makes */
	for (int i = 0; i < 2; i++)
		p.refs[i] = small(&b, 1, 33);
	p.weighted = bits_one(&b);
	p.weighted_b = (uint8_t)bits_get(&b, 2);
	for (int i = 0; i < 3; i++)
		skip_se(&b); /* quantisers */
	p.deblocking = bits_one(&b);
	bits_one(&b);
	p.redundant = bits_one(&b);
	p.known = !bits_over(&b) && !groups && sps < ARRAY_LEN(out->sps) && p.refs[0] <= 32 &&
		  p.refs[1] <= 32;
	if (id < ARRAY_LEN(out->pps))
		out->pps[id] = p;
}

void avc_sets_read(void *s, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct nal nal;

	while (nal_next(&p, end, &nal)) {
		if (avc_type(&nal) == NAL_SPS)
			read_sps(&nal, s);
		else if (avc_type(&nal) == NAL_PPS)
			read_pps(&nal, s);
	}
}

/* ---- the slice header, 7.3.3 ---- */

enum { SLICE_P, SLICE_B, SLICE_I, SLICE_SP, SLICE_SI };

struct slice_at {
	struct bits b;
	const struct avc_sps *sps;
	const struct avc_pps *pps;
	bool idr, reference, field, bad;
	unsigned type, lists; /* of references that it has */
	uint32_t refs[2];
};

static void skip_order(struct slice_at *s)
{
	struct bits *b = &s->b;
	bool both = s->pps->bottom_order && !s->field;

	if (s->sps->poc_type == 0) {
		bits_get(b, s->sps->poc_bits);
		if (both)
			skip_se(b);
	} else if (s->sps->poc_type == 1 && !s->sps->delta_always_zero) {
		skip_se(b);
		if (both)
			skip_se(b);
	}
}

static void read_refs(struct slice_at *s)
{
	s->refs[0] = s->pps->refs[0];
	s->refs[1] = s->pps->refs[1];
	if (!s->lists || !bits_one(&s->b))
		return;
	for (unsigned i = 0; i < s->lists; i++)
		s->refs[i] = bits_ue(&s->b) + 1;
	s->bad |= s->refs[0] > 32 || s->refs[1] > 32;
}

static void skip_modification(struct slice_at *s)
{
	for (unsigned i = 0; i < s->lists; i++) {
		if (!bits_one(&s->b))
			continue;
		while (bits_ue(&s->b) != 3 && !bits_over(&s->b))
			bits_ue(&s->b);
	}
}

static void skip_weights(struct slice_at *s)
{
	bool has = s->type == SLICE_B ? s->pps->weighted_b == 1 : s->lists && s->pps->weighted;
	bool chroma = s->sps->chroma && !s->sps->separate_planes;

	if (!has)
		return;
	bits_ue(&s->b);
	if (chroma)
		bits_ue(&s->b);
	for (unsigned l = 0; l < s->lists; l++) {
		for (uint32_t i = 0; i < s->refs[l] && !bits_over(&s->b); i++) {
			for (int k = bits_one(&s->b) ? 2 : 0; k; k--)
				skip_se(&s->b);
			for (int k = chroma && bits_one(&s->b) ? 4 : 0; k; k--)
				skip_se(&s->b);
		}
	}
}

static void skip_marking(struct slice_at *s)
{
	if (!s->reference)
		return;
	if (s->idr) {
		bits_get(&s->b, 2);
		return;
	}
	if (!bits_one(&s->b))
		return;
	for (uint32_t op; (op = bits_ue(&s->b)) && !bits_over(&s->b);) {
		if (op != 5)
			bits_ue(&s->b);
		if (op == 3)
			bits_ue(&s->b);
	}
}

static bool read_sets(struct slice_at *s, const struct avc_sets *sets)
{
	bits_ue(&s->b); /* first macroblock */
	s->type = bits_ue(&s->b) % 5;
	s->lists = s->type == SLICE_B ? 2 : s->type == SLICE_P || s->type == SLICE_SP;
	uint32_t id = bits_ue(&s->b);
	if (id >= ARRAY_LEN(sets->pps) || !sets->pps[id].known)
		return false;
	s->pps = &sets->pps[id];
	s->sps = &sets->sps[s->pps->sps];
	return s->sps->known;
}

static void skip_picture(struct slice_at *s)
{
	struct bits *b = &s->b;

	if (s->sps->separate_planes)
		bits_get(b, 2);
	bits_get(b, s->sps->frame_num_bits);
	if (!s->sps->frame_mbs_only) {
		s->field = bits_one(b);
		if (s->field)
			bits_one(b);
	}
	if (s->idr)
		bits_ue(b);
	skip_order(s);
	if (s->pps->redundant)
		bits_ue(b);
	if (s->type == SLICE_B)
		bits_one(b);
}

static void skip_quantiser(struct slice_at *s)
{
	struct bits *b = &s->b;

	if (s->pps->cabac && s->lists)
		bits_ue(b);
	skip_se(b);
	if (s->type == SLICE_SP)
		bits_one(b);
	if (s->type == SLICE_SP || s->type == SLICE_SI)
		skip_se(b);
	if (s->pps->deblocking && bits_ue(b) != 1) {
		skip_se(b);
		skip_se(b);
	}
}

size_t avc_slice_header(const struct avc_sets *sets, const struct nal *nal)
{
	struct slice_at s = {
	    .b = bits_of(nal), .idr = avc_type(nal) == NAL_IDR, .reference = nal->p[0] >> 5 & 3};

	if (!read_sets(&s, sets))
		return 0;
	skip_picture(&s);
	read_refs(&s);
	skip_modification(&s);
	skip_weights(&s);
	skip_marking(&s);
	skip_quantiser(&s);
	return s.bad || bits_over(&s.b) ? 0 : (size_t)(s.b.p - nal->p);
}

/* ---- subsamples ---- */

/* Slices in a form whose headers are not known here, so that they could only go in clear. */
static bool is_foreign(int type)
{
	return (type >= NAL_PARTITION_A && type <= NAL_PARTITION_C) || type == NAL_EXTENSION ||
	       type == NAL_EXTENSION_3D;
}

int avc_subsamples(void *s, const uint8_t *p, size_t n, struct subsamples *out)
{
	const uint8_t *end = p + n;
	size_t first = out->len, clear = 0;
	struct nal nal;
	int rc = 0;

	while (!rc && nal_next(&p, end, &nal)) {
		int type = avc_type(&nal);

		if (!avc_in_sample(&nal))
			continue;
		clear += 4;
		if (type != NAL_SLICE && type != NAL_IDR) {
			clear += nal.n;
			rc = is_foreign(type) ? -EINVAL : 0;
			continue;
		}
		size_t header = avc_slice_header(s, &nal);
		if (!header)
			return -EINVAL;
		rc = split_add(out, first, clear + header, nal.n - header);
		clear = 0;
	}
	if (!rc && clear)
		rc = split_add(out, first, clear, 0);
	return rc;
}
