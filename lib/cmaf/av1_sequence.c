/* The sequence header of AV1 (5.5). */
#include "cmaf/av1.h"

/* 5.5.3, 5.5.4: whether each operating point tells of the decoder's buffer, and in how many bits. */
static unsigned read_timing(struct bits *b, struct av1_sequence *s)
{
	unsigned n;

	bits_skip(b, 64);
	s->equal_interval = bits_one(b);
	if (s->equal_interval) /* uvlc() is as ue() */
		bits_ue(b);
	s->decoder_model = bits_one(b);
	if (!s->decoder_model)
		return 0;
	n = bits_get(b, 5) + 1;
	bits_skip(b, 32);
	s->removal_bits = bits_get(b, 5) + 1;
	s->presentation_bits = bits_get(b, 5) + 1;
	return n;
}

/* Operating points: of the first the level and tier are kept. */
static void read_points(struct bits *b, struct av1_sequence *s)
{
	unsigned buffer = bits_one(b) ? read_timing(b, s) : 0;
	bool delays = bits_one(b);

	s->points = bits_get(b, 5) + 1;
	for (unsigned i = 0; i < s->points; i++) {
		s->point[i] = (uint16_t)bits_get(b, 12);
		unsigned level = bits_get(b, 5), tier = level > 7 ? bits_one(b) : 0;

		s->modelled[i] = buffer && bits_one(b);
		if (s->modelled[i])
			bits_skip(b, 2 * buffer + 1);
		if (delays && bits_one(b))
			bits_skip(b, 4);
		if (!i) {
			s->level = level;
			s->tier = tier;
		}
	}
}

/* Tools that only a stream of more than one picture has. */
static void read_tools(struct bits *b, struct av1_sequence *s)
{
	s->screen_content = s->integer_mv = AV1_SELECT;
	if (s->reduced)
		return;
	bits_skip(b, 2);
	s->warped = bits_one(b);
	bits_one(b);
	s->order_hint = bits_one(b);
	if (s->order_hint) {
		bits_one(b);
		s->ref_mvs = bits_one(b);
	}
	if (!bits_one(b))
		s->screen_content = bits_one(b);
	if (s->screen_content && !bits_one(b))
		s->integer_mv = bits_one(b);
	if (s->order_hint)
		s->hint_bits = bits_get(b, 3) + 1;
}

static void read_subsampling(struct bits *b, struct av1_sequence *s)
{
	if (s->profile == 1) {
		s->sub_x = s->sub_y = 0;
	} else if (s->profile == 2) {
		s->sub_x = s->twelve ? bits_one(b) : 1;
		s->sub_y = s->twelve && s->sub_x ? bits_one(b) : 0;
	}
	if (s->sub_x && s->sub_y)
		s->position = bits_get(b, 2);
}

/* 5.5.2 */
static void read_color(struct bits *b, struct av1_sequence *s)
{
	uint32_t described = 0;

	s->high = bits_one(b);
	s->twelve = s->profile == 2 && s->high && bits_one(b);
	s->depth = s->twelve ? 12 : s->high ? 10 : 8;
	s->mono = s->profile != 1 && bits_one(b);
	if (bits_one(b))
		described = bits_get(b, 24);
	s->sub_x = s->sub_y = 1;
	if (s->mono) {
		bits_one(b); /* range */
		return;
	}
	if (described == 0x010d00) { /* sRGB */
		s->sub_x = s->sub_y = 0;
	} else {
		bits_one(b);
		read_subsampling(b, s);
	}
	s->separate_uv = bits_one(b);
}

static void read_sizes(struct bits *b, struct av1_sequence *s)
{
	s->width_bits = bits_get(b, 4) + 1;
	s->height_bits = bits_get(b, 4) + 1;
	s->width = bits_get(b, s->width_bits) + 1;
	s->height = bits_get(b, s->height_bits) + 1;
	s->frame_ids = !s->reduced && bits_one(b);
	if (s->frame_ids) {
		s->delta_id_bits = bits_get(b, 4) + 2;
		s->id_bits = bits_get(b, 3) + s->delta_id_bits + 1;
	}
}

bool av1_sequence_read(const struct obu *o, struct av1_sequence *s)
{
	struct bits b = {.p = o->body, .end = o->body + o->body_n, .raw = true};

	*s = (struct av1_sequence){.profile = bits_get(&b, 3)};
	bits_one(&b);
	s->reduced = bits_one(&b);
	if (s->reduced)
		s->level = bits_get(&b, 5);
	else
		read_points(&b, s);
	read_sizes(&b, s);
	s->large_blocks = bits_one(&b);
	bits_skip(&b, 2);
	read_tools(&b, s);
	s->superres = bits_one(&b);
	s->cdef = bits_one(&b);
	s->restoration = bits_one(&b);
	read_color(&b, s);
	s->grain = bits_one(&b);
	return s->profile < 3 && !bits_over(&b);
}
