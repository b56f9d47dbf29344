/* The header of a frame of AV1 (5.9) up to its tiles, and the frames that others refer to (7.20). */
#include "cmaf/av1.h"
#include "cmaf/split.h"

#define NONE AV1_PER_FRAME /* no primary reference */

int av1_distance(const struct av1_sequence *s, unsigned a, unsigned b)
{
	int d = (int)a - (int)b, m = s->hint_bits ? 1 << (s->hint_bits - 1) : 0;

	return s->order_hint ? (d & (m - 1)) - (d & m) : 0;
}

uint32_t av1_ns(struct bits *b, uint32_t n)
{
	unsigned w = split_bits((uint64_t)n + 1);
	uint32_t m = (uint32_t)((UINT64_C(1) << w) - n), v = w ? bits_get(b, w - 1) : 0;

	return v < m ? v : (v << 1) - m + bits_one(b);
}

/* ---- sizes ---- */

static void read_superres(struct av1_header *h)
{
	h->upscaled = h->width;
	if (h->seq->superres && bits_one(&h->b)) {
		uint32_t to = bits_get(&h->b, 3) + 9;

		h->width = (h->upscaled * 8 + to / 2) / to;
	}
}

static void read_size(struct av1_header *h)
{
	h->width = h->seq->width;
	h->height = h->seq->height;
	if (h->size_override) {
		h->width = bits_get(&h->b, h->seq->width_bits) + 1;
		h->height = bits_get(&h->b, h->seq->height_bits) + 1;
	}
	read_superres(h);
	if (bits_one(&h->b))
		bits_skip(&h->b, 32); /* of what is shown */
}

static void read_size_of_refs(struct av1_header *h, const struct av1_ref *refs)
{
	for (int i = 0; i < AV1_PER_FRAME; i++) {
		if (!bits_one(&h->b))
			continue;
		h->width = refs[h->ref[i]].upscaled;
		h->height = refs[h->ref[i]].height;
		read_superres(h);
		return;
	}
	read_size(h);
}

/* ---- references ---- */

/* 7.8: of the frames that are not taken yet the one nearest to the current, after (and the furthest) or before it; -1: none. */
static int find_ref(const int *at, unsigned taken, int sign, bool furthest)
{
	int best = -1;

	for (int i = 0; i < AV1_REFS; i++) {
		if (taken >> i & 1 || (sign < 0 ? at[i] >= 0 : at[i] < 0))
			continue;
		if (best < 0 || (furthest || sign < 0 ? at[i] >= at[best] : at[i] < at[best]))
			best = i;
	}
	return best;
}

static void set_refs(struct av1_header *h, const struct av1_ref *refs, unsigned last, unsigned gold)
{
	static const uint8_t behind[3] = {6, 4, 5}, rest[5] = {1, 2, 4, 5, 6};
	int at[AV1_REFS], set[AV1_PER_FRAME], oldest = 0;
	unsigned taken = 1u << last | 1u << gold;

	for (int i = 0; i < AV1_REFS; i++) {
		at[i] = av1_distance(h->seq, refs[i].hint, h->hint);
		oldest = at[i] < at[oldest] ? i : oldest;
	}
	for (int i = 0; i < AV1_PER_FRAME; i++)
		set[i] = -1;
	set[0] = (int)last;
	set[3] = (int)gold;
	for (int i = 0; i < 3; i++) {
		set[behind[i]] = find_ref(at, taken, 1, !i);
		if (set[behind[i]] >= 0)
			taken |= 1u << set[behind[i]];
	}
	for (int i = 0; i < 5; i++) {
		if (set[rest[i]] >= 0)
			continue;
		set[rest[i]] = find_ref(at, taken, -1, false);
		if (set[rest[i]] >= 0)
			taken |= 1u << set[rest[i]];
	}
	for (int i = 0; i < AV1_PER_FRAME; i++)
		h->ref[i] = (unsigned)(set[i] < 0 ? oldest : set[i]);
}

static void read_refs(struct av1_header *h, const struct av1_ref *refs)
{
	struct bits *b = &h->b;
	bool brief = h->seq->order_hint && bits_one(b);

	if (brief) {
		unsigned last = bits_get(b, 3);

		set_refs(h, refs, last, bits_get(b, 3));
	}
	for (int i = 0; i < AV1_PER_FRAME; i++) {
		if (!brief)
			h->ref[i] = bits_get(b, 3);
		if (h->seq->frame_ids)
			bits_skip(b, h->seq->delta_id_bits);
	}
}

static void read_inter(struct av1_header *h, const struct av1_ref *refs)
{
	struct bits *b = &h->b;

	read_refs(h, refs);
	if (h->size_override && !h->resilient)
		read_size_of_refs(h, refs);
	else
		read_size(h);
	h->high_precision = !h->integer_mv && bits_one(b);
	if (!bits_one(b))
		bits_skip(b, 2);
	bits_one(b);
	if (!h->resilient && h->seq->ref_mvs)
		bits_one(b);
}

/* ---- tiles, 5.9.15 ---- */

static unsigned tile_log2(uint64_t unit, uint64_t n)
{
	unsigned k = 0;

	while (unit << k < n)
		k++;
	return k;
}

static unsigned grow(struct bits *b, unsigned k, unsigned most)
{
	while (k < most && bits_one(b))
		k++;
	return k;
}

static unsigned even(unsigned blocks, unsigned log2)
{
	unsigned each = (blocks + (1u << log2) - 1) >> log2;

	return (blocks + each - 1) / each;
}

/* Each is told; *widest. */
static unsigned uneven(struct bits *b, unsigned blocks, unsigned most, unsigned *widest)
{
	unsigned n = 0;

	*widest = 0;
	for (unsigned at = 0; at < blocks && !bits_over(b); n++) {
		unsigned size = av1_ns(b, MIN(blocks - at, most)) + 1;

		*widest = MAX(*widest, size);
		at += size;
	}
	return n;
}

static void read_tiles(struct av1_header *h)
{
	struct bits *b = &h->b;
	unsigned block = h->seq->large_blocks ? 7 : 6, widest, cols, rows;
	unsigned across = (h->width + (1u << block) - 1) >> block;
	unsigned down = (h->height + (1u << block) - 1) >> block;
	unsigned most_wide = 4096u >> block, area = (4096u * 2304u) >> 2 * block;
	unsigned least_cols = tile_log2(most_wide, across);
	unsigned least = MAX(least_cols, tile_log2(area, (uint64_t)across * down));

	if (!across || !down) { /* of a frame that has never come */
		h->bad = true;
		return;
	}
	if (bits_one(b)) {
		h->cols_log2 = grow(b, least_cols, tile_log2(1, MIN(across, 64)));
		cols = even(across, h->cols_log2);
		h->rows_log2 = grow(b, least > h->cols_log2 ? least - h->cols_log2 : 0,
				    tile_log2(1, MIN(down, 64)));
		rows = even(down, h->rows_log2);
	} else {
		cols = uneven(b, across, most_wide, &widest);
		h->cols_log2 = tile_log2(1, cols);
		area = least ? (across * down) >> (least + 1) : across * down;
		rows = uneven(b, down, MAX(area / MAX(widest, 1), 1), &widest);
		h->rows_log2 = tile_log2(1, rows);
	}
	h->bad |= cols > 64 || rows > 64;
	h->tiles = cols * rows;
	if (!h->cols_log2 && !h->rows_log2)
		return;
	bits_skip(b, h->cols_log2 + h->rows_log2);
	h->tile_bytes = bits_get(b, 2) + 1;
}

/* ---- the beginning ---- */

static void skip_presentation(struct av1_header *h)
{
	if (h->seq->decoder_model && !h->seq->equal_interval)
		bits_skip(&h->b, h->seq->presentation_bits);
}

static void skip_removal(struct av1_header *h, const struct obu *o)
{
	const struct av1_sequence *s = h->seq;

	if (!s->decoder_model || !bits_one(&h->b))
		return;
	for (unsigned i = 0; i < s->points; i++) {
		unsigned layers = s->point[i];
		bool in =
		    !layers || ((layers >> o->temporal & 1) && (layers >> (o->spatial + 8) & 1));

		if (s->modelled[i] && in)
			bits_skip(&h->b, s->removal_bits);
	}
}

static void read_type(struct av1_header *h)
{
	struct bits *b = &h->b;

	h->shown = true;
	if (h->seq->reduced) {
		h->type = AV1_KEY;
		h->resilient = true;
	} else {
		h->type = bits_get(b, 2);
		h->shown = bits_one(b);
		if (h->shown)
			skip_presentation(h);
		h->showable = h->shown ? h->type != AV1_KEY : bits_one(b);
		h->resilient =
		    h->type == AV1_SWITCH || (h->type == AV1_KEY && h->shown) || bits_one(b);
	}
	h->intra = h->type == AV1_KEY || h->type == AV1_INTRA_ONLY;
}

static void read_flags(struct av1_header *h, const struct obu *o, bool *fixed)
{
	const struct av1_sequence *s = h->seq;
	struct bits *b = &h->b;

	*fixed = bits_one(b); /* probabilities */
	h->screen_content = s->screen_content == AV1_SELECT ? bits_one(b) : s->screen_content;
	if (h->screen_content)
		h->integer_mv = s->integer_mv == AV1_SELECT ? bits_one(b) : s->integer_mv;
	if (s->frame_ids)
		bits_skip(b, s->id_bits);
	h->size_override = h->type == AV1_SWITCH || (!s->reduced && bits_one(b));
	h->hint = bits_get(b, s->hint_bits);
	h->primary = h->intra || h->resilient ? NONE : bits_get(b, 3);
	skip_removal(h, o);
	h->refresh =
	    h->type == AV1_SWITCH || (h->type == AV1_KEY && h->shown) ? 0xff : bits_get(b, 8);
}

/* What a decoder that has lost frames should take for them. */
static void read_hints(struct av1_header *h, struct av1_ref *refs)
{
	if ((h->intra && h->refresh == 0xff) || !h->resilient || !h->seq->order_hint)
		return;
	for (int i = 0; i < AV1_REFS; i++)
		refs[i].hint = bits_get(&h->b, h->seq->hint_bits);
}

static void read_header(struct av1_header *h, struct av1_ref *refs, const struct obu *o)
{
	struct bits *b = &h->b;
	bool fixed;

	h->shows_again = !h->seq->reduced && bits_one(b);
	if (h->shows_again) {
		h->again = bits_get(b, 3);
		skip_presentation(h);
		if (h->seq->frame_ids)
			bits_skip(b, h->seq->id_bits);
		return;
	}
	read_type(h);
	for (int i = 0; i < AV1_REFS && h->type == AV1_KEY && h->shown; i++)
		refs[i].hint = 0;
	read_flags(h, o, &fixed);
	read_hints(h, refs);
	if (h->intra) {
		read_size(h);
		h->intrabc = h->screen_content && h->upscaled == h->width && bits_one(b);
	} else {
		read_inter(h, refs);
	}
	if (!h->seq->reduced && !fixed)
		bits_one(b);
	read_tiles(h);
	av1_read_tools(h, refs);
}

/* ---- frames that others refer to ---- */

static void keep(struct av1_state *s, unsigned refresh, struct av1_ref r)
{
	for (int i = 0; i < AV1_REFS; i++)
		if (refresh >> i & 1)
			s->ref[i] = r;
}

void av1_frame_done(struct av1_state *s)
{
	const struct av1_header *h = &s->header;

	s->pending = false;
	keep(s, h->refresh,
	     (struct av1_ref){.type = h->type,
			      .hint = h->hint,
			      .upscaled = h->upscaled,
			      .width = h->width,
			      .height = h->height,
			      .segments = h->segments});
}

size_t av1_frame_header(struct av1_state *s, const struct obu *o)
{
	struct av1_header *h = &s->header;

	if (!s->known)
		return 0;
	*h = (struct av1_header){.seq = &s->seq,
				 .b = {.p = o->body, .end = o->body + o->body_n, .raw = true}};
	read_header(h, s->ref, o);
	s->pending = false;
	s->next = 0;
	if (h->bad || bits_over(&h->b))
		return 0;
	if (!h->shows_again)
		s->pending = true;
	else if (s->ref[h->again].type == AV1_KEY) /* it begins anew with it (7.21) */
		keep(s, 0xff, s->ref[h->again]);
	return (size_t)(h->b.p - o->body);
}
