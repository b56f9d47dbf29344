/* The parameter sets of HEVC, as far as slices' headers go by them (ISO/IEC 23008-2, 7.3.2 and 7.3.7). */
#include "cmaf/hevc.h"
#include "cmaf/hevc_slice.h"
#include "cmaf/split.h"

/* A ue() of at most max; more sets *bad. */
static unsigned small(struct bits *b, unsigned max, bool *bad)
{
	uint32_t v = bits_ue(b);

	*bad |= v > max;
	return MIN(v, max);
}

static void skip_se(struct bits *b)
{
	bits_ue(b);
}

/* ---- sets of references ---- */

static void add_ref(struct hevc_rps *r, int side, int32_t delta, bool used)
{
	if (r->n[side] == HEVC_REFS)
		return;
	r->delta[side][r->n[side]] = delta;
	r->used[side][r->n[side]++] = used;
}

/* What the set `from` gives, moved by delta, on one side: (7-61) and (7-62). */
static void move_refs(struct hevc_rps *out, const struct hevc_rps *from, int side, int32_t delta,
		      const bool *used, const bool *keep)
{
	int far = !side, nfar = from->n[far], nnear = from->n[side], sign = side ? 1 : -1;
	int base[2] = {0, from->n[0]}, all = from->n[0] + from->n[1];

	for (int j = nfar; j-- > 0;)
		if ((from->delta[far][j] + delta) * sign > 0 && keep[base[far] + j])
			add_ref(out, side, from->delta[far][j] + delta, used[base[far] + j]);
	if (delta * sign > 0 && keep[all])
		add_ref(out, side, delta, used[all]);
	for (int j = 0; j < nnear; j++)
		if ((from->delta[side][j] + delta) * sign > 0 && keep[base[side] + j])
			add_ref(out, side, from->delta[side][j] + delta, used[base[side] + j]);
}

static void read_moved(struct bits *b, const struct hevc_rps *sets, unsigned index, bool in_slice,
		       struct hevc_rps *out, bool *bad)
{
	unsigned back = in_slice ? small(b, index - 1, bad) + 1 : 1;
	const struct hevc_rps *from = &sets[index - back];
	bool used[2 * HEVC_REFS + 1], keep[2 * HEVC_REFS + 1];
	bool negative = bits_one(b);
	int32_t delta = (int32_t)small(b, 0x7fff, bad) + 1;

	for (int j = 0; j <= from->n[0] + from->n[1]; j++) {
		used[j] = bits_one(b);
		keep[j] = used[j] || bits_one(b);
	}
	for (int side = 0; side < 2; side++)
		move_refs(out, from, side, negative ? -delta : delta, used, keep);
}

void hevc_read_rps(struct bits *b, const struct hevc_rps *sets, unsigned index, bool in_slice,
		   struct hevc_rps *out, bool *bad)
{
	unsigned n[2];

	*out = (struct hevc_rps){.n = {0, 0}};
	if (index && bits_one(b)) {
		read_moved(b, sets, index, in_slice, out, bad);
		return;
	}
	for (int side = 0; side < 2; side++)
		n[side] = small(b, HEVC_REFS, bad);
	for (int side = 0; side < 2; side++) {
		int32_t at = 0;

		for (unsigned i = 0; i < n[side]; i++) {
			at += (int32_t)(small(b, 0x7fff, bad) + 1) * (side ? 1 : -1);
			add_ref(out, side, at, bits_one(b));
		}
	}
}

/* ---- the sequence ---- */

static void skip_scaling(struct bits *b)
{
	for (int size = 0; size < 4; size++) {
		for (int matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {
			if (!bits_one(b)) {
				bits_ue(b);
				continue;
			}
			for (int n = MIN(64, 16 << 2 * size) + (size > 1); n; n--)
				skip_se(b);
		}
	}
}

/* Up to the sizes of blocks. */
static void read_picture(struct bits *b, struct hevc_sps *s, unsigned layers, bool *bad)
{
	s->chroma = (uint8_t)small(b, 3, bad);
	if (s->chroma == 3)
		s->separate_planes = bits_one(b);
	uint64_t width = bits_ue(b), height = bits_ue(b);
	if (bits_one(b))
		for (int i = 0; i < 4; i++)
			bits_ue(b);
	bits_ue(b); /* depths */
	bits_ue(b);
	s->poc_bits = (uint8_t)(small(b, 12, bad) + 4);
	for (unsigned i = bits_one(b) ? 0 : layers; i <= layers; i++)
		for (int k = 0; k < 3; k++)
			bits_ue(b);
	unsigned log2 = small(b, 3, bad) + 3;
	log2 += small(b, 3, bad);
	uint64_t block = UINT64_C(1) << log2;
	s->blocks = ((width + block - 1) / block) * ((height + block - 1) / block);
}

static void read_tools(struct bits *b, struct hevc_sps *s)
{
	for (int i = 0; i < 4; i++) /* transforms */
		bits_ue(b);
	if (bits_one(b) && bits_one(b))
		skip_scaling(b);
	bits_one(b);
	s->sao = bits_one(b);
	if (bits_one(b)) { /* PCM */
		bits_skip(b, 8);
		bits_ue(b);
		bits_ue(b);
		bits_one(b);
	}
}

static void read_references(struct bits *b, struct hevc_sps *s, bool *bad)
{
	s->nrps = (uint8_t)small(b, HEVC_RPS - 1, bad);
	for (unsigned i = 0; i < s->nrps && !bits_over(b); i++)
		hevc_read_rps(b, s->rps, i, false, &s->rps[i], bad);
	s->long_term = bits_one(b);
	if (s->long_term)
		s->nlong = (uint8_t)small(b, 32, bad);
	for (unsigned i = 0; i < s->nlong; i++) {
		bits_skip(b, s->poc_bits);
		s->long_used |= (uint32_t)bits_one(b) << i;
	}
	s->temporal_mvp = bits_one(b);
}

static void read_sps(const struct nal *n, struct hevc_sets *out)
{
	struct bits b = {.p = n->p + MIN(n->n, 2), .end = n->p + n->n};
	bool bad = false;

	bits_skip(&b, 4);
	unsigned layers = bits_get(&b, 3);
	bits_one(&b);
	unsigned profile = bits_get(&b, 8) & 31;
	bits_skip(&b, 88);
	hevc_skip_layers(&b, layers);
	uint32_t id = bits_ue(&b);
	if (id >= ARRAY_LEN(out->sps))
		return;
	struct hevc_sps *s = &out->sps[id];
	*s = (struct hevc_sps){.known = false};
	read_picture(&b, s, layers, &bad);
	read_tools(&b, s);
	read_references(&b, s, &bad);
	/* Pictures of screen content may refer to themselves. */
	s->known = !bad && !bits_over(&b) && s->blocks && profile != 9 && profile != 11;
}

/* ---- the picture ---- */

static bool read_tiles(struct bits *b, bool *bad)
{
	bool tiles = bits_one(b), rows = bits_one(b);

	if (tiles) {
		unsigned n = small(b, 64, bad);

		n += small(b, 64, bad);
		for (n = bits_one(b) ? 0 : n; n; n--)
			bits_ue(b);
		bits_one(b);
	}
	return tiles || rows;
}

static void read_filter(struct bits *b, struct hevc_pps *p)
{
	p->across = bits_one(b);
	if (!bits_one(b))
		return;
	p->override = bits_one(b);
	p->no_deblocking = bits_one(b);
	if (p->no_deblocking)
		return;
	skip_se(b);
	skip_se(b);
}

/* Extensions other than the first, for ranges, have headers that are not known here. */
static bool read_extensions(struct bits *b, struct hevc_pps *p, bool transform_skip)
{
	if (!bits_one(b))
		return true;
	bool range = bits_one(b);
	bool others = bits_get(b, 7) != 0;
	if (range) {
		if (transform_skip)
			bits_ue(b);
		bits_one(b);
		p->offset_list = bits_one(b);
	}
	return !others;
}

static void read_pps(const struct nal *n, struct hevc_sets *out)
{
	struct bits b = {.p = n->p + MIN(n->n, 2), .end = n->p + n->n};
	struct hevc_pps p = {.known = false};
	bool bad = false;
	uint32_t id = bits_ue(&b);

	p.sps = (uint8_t)small(&b, ARRAY_LEN(out->sps) - 1, &bad);
	p.dependent = bits_one(&b);
	p.output = bits_one(&b);
	p.extra = (uint8_t)bits_get(&b, 3);
	bits_one(&b);
	p.cabac_init = bits_one(&b);
	for (int i = 0; i < 2; i++)
		p.refs[i] = (uint8_t)(small(&b, HEVC_REFS - 2, &bad) + 1);
	skip_se(&b);
	bits_one(&b);
	bool transform_skip = bits_one(&b);
	if (bits_one(&b))
		bits_ue(&b);
	skip_se(&b);
	skip_se(&b);
	p.chroma_offsets = bits_one(&b);
	p.weighted = bits_one(&b);
	p.weighted_b = bits_one(&b);
	bits_one(&b);
	p.entries = read_tiles(&b, &bad);
	read_filter(&b, &p);
	if (bits_one(&b))
		skip_scaling(&b);
	p.modification = bits_one(&b);
	bits_ue(&b);
	p.extension = bits_one(&b);
	p.known = read_extensions(&b, &p, transform_skip) && !bad && !bits_over(&b);
	if (id < ARRAY_LEN(out->pps))
		out->pps[id] = p;
}

void hevc_sets_read(void *sets, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct nal nal;

	while (nal_next(&p, end, &nal)) {
		if (hevc_type(&nal) == HEVC_SPS)
			read_sps(&nal, sets);
		else if (hevc_type(&nal) == HEVC_PPS)
			read_pps(&nal, sets);
	}
}
