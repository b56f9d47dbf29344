/* The header of a frame of AV1 behind its tiles: quantizer, filters, motion, grain (5.9.12 and on). All of it has to be read to
 * find its end. */
#include "cmaf/av1.h"

/* ---- quantizer and segments ---- */

static bool read_delta(struct bits *b)
{
	return bits_one(b) && bits_get(b, 7);
}

static void read_quantizer(struct av1_header *h)
{
	struct bits *b = &h->b;
	bool apart = false;

	h->quantizer = bits_get(b, 8);
	h->deltas = read_delta(b);
	if (!h->seq->mono) {
		apart = h->seq->separate_uv && bits_one(b);
		for (int i = 0; i < (apart ? 4 : 2); i++)
			h->deltas |= read_delta(b);
	}
	if (bits_one(b))
		bits_skip(b, h->seq->separate_uv ? 12 : 8);
}

static void read_segment(struct av1_header *h, int i)
{
	static const uint8_t width[8] = {9, 7, 7, 7, 7, 3, 0, 0}; /* with their signs */

	for (int k = 0; k < 8; k++) {
		bool has = bits_one(&h->b);
		uint32_t v = has ? bits_get(&h->b, width[k]) : 0;

		if (k)
			continue;
		h->segments.changes[i] = has;
		h->segments.by[i] = (int16_t)(v & 0x100 ? (int)v - 0x200 : (int)v);
	}
}

static void read_segments(struct av1_header *h, const struct av1_ref *refs)
{
	struct bits *b = &h->b;
	bool update = true;

	h->segments = (struct av1_segments){.on = bits_one(b)};
	if (!h->segments.on)
		return;
	if (h->primary < AV1_PER_FRAME) {
		const struct av1_segments *was = &refs[h->ref[h->primary]].segments;

		if (bits_one(b))
			bits_one(b);
		update = bits_one(b);
		memcpy(h->segments.changes, was->changes, sizeof(was->changes));
		memcpy(h->segments.by, was->by, sizeof(was->by));
	}
	for (int i = 0; i < 8 && update; i++)
		read_segment(h, i);
}

/* 7.12.2: are all segments coded without loss? */
static bool is_lossless(const struct av1_header *h)
{
	for (int i = 0; i < 8; i++) {
		int q = (int)h->quantizer;

		if (h->segments.on && h->segments.changes[i])
			q = CLAMP(q + h->segments.by[i], 0, 255);
		if (q || h->deltas)
			return false;
	}
	return true;
}

static void skip_deltas(struct av1_header *h)
{
	if (!h->quantizer || !bits_one(&h->b))
		return;
	bits_skip(&h->b, 2);
	if (!h->intrabc && bits_one(&h->b))
		bits_skip(&h->b, 3);
}

/* ---- filters ---- */

static void skip_flagged(struct bits *b, int values, unsigned bits)
{
	while (values--)
		if (bits_one(b))
			bits_skip(b, bits);
}

static void skip_loop_filter(struct av1_header *h)
{
	struct bits *b = &h->b;

	if (h->lossless || h->intrabc)
		return;
	bool on = bits_get(b, 12);
	if (on && !h->seq->mono)
		bits_skip(b, 12);
	bits_skip(b, 3);
	if (bits_one(b) && bits_one(b))
		skip_flagged(b, 8 + 2, 7);
}

static void skip_cdef(struct av1_header *h)
{
	if (h->lossless || h->intrabc || !h->seq->cdef)
		return;
	bits_skip(&h->b, 2);
	for (unsigned n = 1u << bits_get(&h->b, 2); n; n--)
		bits_skip(&h->b, h->seq->mono ? 6 : 12);
}

static void skip_restoration(struct av1_header *h)
{
	struct bits *b = &h->b;
	bool any = false, chroma = false;

	if ((h->lossless && h->width == h->upscaled) || h->intrabc || !h->seq->restoration)
		return;
	for (int i = 0; i < (h->seq->mono ? 1 : 3); i++) {
		bool on = bits_get(b, 2);

		any |= on;
		chroma |= on && i;
	}
	if (!any)
		return;
	if (bits_one(b) && !h->seq->large_blocks)
		bits_one(b);
	if (chroma && h->seq->sub_x && h->seq->sub_y)
		bits_one(b);
}

/* ---- references ---- */

/* 5.9.22: is there a reference on either side, or two before? */
static bool may_skip(const struct av1_header *h, const struct av1_ref *refs)
{
	const struct av1_sequence *s = h->seq;
	bool before = false, after = false, second = false;
	unsigned nearest = 0;

	for (int i = 0; i < AV1_PER_FRAME; i++) {
		unsigned hint = refs[h->ref[i]].hint;
		int d = av1_distance(s, hint, h->hint);

		if (d < 0 && (!before || av1_distance(s, hint, nearest) > 0)) {
			nearest = hint;
			before = true;
		}
		after |= d > 0;
	}
	for (int i = 0; i < AV1_PER_FRAME && before; i++)
		second |= av1_distance(s, refs[h->ref[i]].hint, nearest) < 0;
	return before && (after || second);
}

static void skip_modes(struct av1_header *h, const struct av1_ref *refs)
{
	struct bits *b = &h->b;
	bool select;

	if (!h->lossless)
		bits_one(b); /* transforms */
	select = !h->intra && bits_one(b);
	if (select && h->seq->order_hint && may_skip(h, refs))
		bits_one(b);
	if (!h->intra && !h->resilient && h->seq->warped)
		bits_one(b);
	bits_one(b);
}

/* 5.9.26: where a value lies among n does not depend on what it was before. */
static void skip_subexp(struct bits *b, uint32_t n)
{
	uint32_t at = 0;

	for (unsigned i = 0; !bits_over(b); i++) {
		unsigned width = i ? 3 + i - 1 : 3;

		if (n <= at + (3u << width)) {
			av1_ns(b, n - at);
			return;
		}
		if (!bits_one(b)) {
			bits_skip(b, width);
			return;
		}
		at += 1u << width;
	}
}

static void skip_motion(struct av1_header *h)
{
	struct bits *b = &h->b;

	for (int i = 0; i < AV1_PER_FRAME && !h->intra; i++) {
		bool zoom, shift = false;
		int n = 0; /* parameters besides the shift */

		if (!bits_one(b))
			continue;
		zoom = bits_one(b);
		if (!zoom)
			shift = bits_one(b);
		n = zoom ? 2 : shift ? 0 : 4;
		while (n--)
			skip_subexp(b, (2u << 12) + 1);
		for (n = 0; n < 2; n++)
			skip_subexp(b, (2u << (shift ? 9 - !h->high_precision : 12)) + 1);
	}
}

/* ---- grain, 5.9.30 ---- */

static unsigned skip_points(struct bits *b)
{
	unsigned n = bits_get(b, 4);

	bits_skip(b, 16 * n);
	return n;
}

static void skip_grain_pattern(struct av1_header *h)
{
	struct bits *b = &h->b;
	const struct av1_sequence *s = h->seq;
	unsigned luma = skip_points(b), cb = 0, cr = 0;
	bool from_luma = !s->mono && bits_one(b);

	if (!s->mono && !from_luma && !(s->sub_x && s->sub_y && !luma)) {
		cb = skip_points(b);
		cr = skip_points(b);
	}
	bits_skip(b, 2);
	unsigned lag = bits_get(b, 2), n = 2 * lag * (lag + 1), chroma = n + (luma != 0);
	if (luma)
		bits_skip(b, 8 * n);
	if (from_luma || cb)
		bits_skip(b, 8 * chroma);
	if (from_luma || cr)
		bits_skip(b, 8 * chroma);
	bits_skip(b, 4);
	bits_skip(b, (cb ? 25u : 0) + (cr ? 25u : 0));
	bits_skip(b, 2);
}

static void skip_grain(struct av1_header *h)
{
	struct bits *b = &h->b;

	if (!h->seq->grain || (!h->shown && !h->showable) || !bits_one(b))
		return;
	bits_skip(b, 16);
	if (h->type == AV1_INTER && !bits_one(b))
		bits_skip(b, 3);
	else
		skip_grain_pattern(h);
}

void av1_read_tools(struct av1_header *h, const struct av1_ref *refs)
{
	read_quantizer(h);
	read_segments(h, refs);
	h->lossless = is_lossless(h);
	skip_deltas(h);
	skip_loop_filter(h);
	skip_cdef(h);
	skip_restoration(h);
	skip_modes(h, refs);
	skip_motion(h);
	skip_grain(h);
}
