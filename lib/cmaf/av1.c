/* AV1 as av01 ("AV1 Codec ISO Media File Format Binding"). Section numbers are those of the bitstream
 * specification. */
#include <errno.h>

#include "cmaf/coder.h"
#include "cmaf/nal.h"

enum { OBU_SEQUENCE = 1, OBU_DELIMITER = 2, OBU_PADDING = 15 };

struct obu {
	int type;
	const uint8_t *p; /* with its head */
	size_t n;
	const uint8_t *body;
	size_t body_n;
};

/* 4.10.5 */
static bool read_leb128(struct rd *r, size_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < 8 && rd_left(r); i++) {
		unsigned v = rd_u8(r);

		*out |= (size_t)(v & 0x7f) << 7 * i;
		if (!(v & 0x80))
			return true;
	}
	return false;
}

/* The next one from *at on (5.3). What has no size goes to the end. */
static bool obu_next(const uint8_t **at, const uint8_t *end, struct obu *o)
{
	struct rd r = rd_of(*at, (size_t)(end - *at));

	if (!rd_left(&r))
		return false;
	unsigned head = rd_u8(&r);
	*o = (struct obu){.type = head >> 3 & 15, .p = *at};
	if (head & 0x80 || (head & 4 && !rd_left(&r)))
		return false;
	if (head & 4)
		rd_u8(&r);
	o->body_n = rd_left(&r);
	if (head & 2 && (!read_leb128(&r, &o->body_n) || o->body_n > rd_left(&r)))
		return false;
	o->body = rd_bytes(&r, o->body_n);
	o->n = (size_t)(end - *at) - rd_left(&r);
	*at += o->n;
	return true;
}

static bool in_sample(const struct obu *o)
{
	return o->type != OBU_DELIMITER && o->type != OBU_PADDING;
}

static size_t size(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct obu o;
	size_t total = 0;

	while (obu_next(&p, end, &o))
		total += in_sample(&o) ? o.n : 0;
	return total;
}

static void copy(const uint8_t *p, size_t n, uint8_t *out)
{
	const uint8_t *end = p + n;
	struct obu o;

	while (obu_next(&p, end, &o)) {
		if (!in_sample(&o))
			continue;
		memcpy(out, o.p, o.n);
		out += o.n;
	}
}

/* Extra of other containers is an av1C: four bytes, then what is looked for. */
static bool find_sequence(const uint8_t *p, size_t n, struct obu *o)
{
	const uint8_t *end = p + n;

	if (n > 4 && p[0] == 0x81)
		p += 4;
	while (obu_next(&p, end, o))
		if (o->type == OBU_SEQUENCE)
			return true;
	return false;
}

static bool has_config(const uint8_t *p, size_t n)
{
	struct obu o;

	return find_sequence(p, n, &o);
}

struct sequence {
	unsigned profile, level, tier, depth;
	bool high, twelve, mono;
	unsigned sub_x, sub_y, position;
};

/* 5.5.3, 5.5.4: whether each operating point tells of the decoder's buffer, and in how many bits. */
static unsigned skip_timing(struct bits *b)
{
	unsigned n;

	bits_skip(b, 64);
	if (bits_one(b)) /* of equal length: uvlc() is as ue() */
		bits_ue(b);
	if (!bits_one(b))
		return 0;
	n = bits_get(b, 5) + 1;
	bits_skip(b, 32 + 5 + 5);
	return n;
}

/* 5.5.1, operating points: of the first the level and tier are kept. */
static void read_points(struct bits *b, struct sequence *s)
{
	unsigned buffer = bits_one(b) ? skip_timing(b) : 0;
	bool delays = bits_one(b);
	unsigned points = bits_get(b, 5) + 1;

	for (unsigned i = 0; i < points; i++) {
		bits_skip(b, 12);
		unsigned level = bits_get(b, 5), tier = level > 7 ? bits_one(b) : 0;

		if (buffer && bits_one(b))
			bits_skip(b, 2 * buffer + 1);
		if (delays && bits_one(b))
			bits_skip(b, 4);
		if (!i) {
			s->level = level;
			s->tier = tier;
		}
	}
}

/* 5.5.1: tools that only a stream of more than one picture has. */
static void skip_tools(struct bits *b)
{
	bool order, screen = true;

	bits_skip(b, 4);
	order = bits_one(b);
	if (order)
		bits_skip(b, 2);
	if (!bits_one(b))
		screen = bits_one(b);
	if (screen && !bits_one(b))
		bits_one(b);
	if (order)
		bits_skip(b, 3);
}

/* 5.5.2 */
static void read_color(struct bits *b, struct sequence *s)
{
	uint32_t described = 0;

	s->high = bits_one(b);
	s->twelve = s->profile == 2 && s->high && bits_one(b);
	s->depth = s->twelve ? 12 : s->high ? 10 : 8;
	s->mono = s->profile != 1 && bits_one(b);
	if (bits_one(b))
		described = bits_get(b, 24);
	s->sub_x = s->sub_y = 1;
	if (s->mono)
		return;
	if (described == 0x010d00) { /* sRGB */
		s->sub_x = s->sub_y = 0;
		return;
	}
	bits_one(b); /* range */
	if (s->profile == 1) {
		s->sub_x = s->sub_y = 0;
	} else if (s->profile == 2) {
		s->sub_x = s->twelve ? bits_one(b) : 1;
		s->sub_y = s->twelve && s->sub_x ? bits_one(b) : 0;
	}
	if (s->sub_x && s->sub_y)
		s->position = bits_get(b, 2);
}

/* 5.5.1 */
static bool read_sequence(const struct obu *o, struct sequence *s)
{
	struct bits b = {.p = o->body, .end = o->body + o->body_n, .raw = true};
	bool still;

	*s = (struct sequence){.profile = bits_get(&b, 3)};
	bits_one(&b);
	still = bits_one(&b);
	if (still)
		s->level = bits_get(&b, 5);
	else
		read_points(&b, s);
	unsigned width = bits_get(&b, 4) + 1, height = bits_get(&b, 4) + 1;
	bits_skip(&b, width + height);
	if (!still && bits_one(&b)) /* numbers of frames */
		bits_skip(&b, 7);
	bits_skip(&b, 3);
	if (!still)
		skip_tools(&b);
	bits_skip(&b, 3);
	read_color(&b, s);
	return s->profile < 3 && !bits_over(&b);
}

static int config(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		  char name[CODER_NAME])
{
	struct sequence s;
	struct obu o;

	if (!find_sequence(p, n, &o))
		return -ENODATA;
	if (!read_sequence(&o, &s))
		return -EINVAL;
	box_u8(out, 0x81); /* version 1 */
	box_u8(out, s.profile << 5 | s.level);
	box_u8(out, s.tier << 7 | (unsigned)s.high << 6 | (unsigned)s.twelve << 5 |
			(unsigned)s.mono << 4 | s.sub_x << 3 | s.sub_y << 2 | s.position);
	box_u8(out, 0);
	box_bytes(out, o.p, o.n);
	snprintf(name, CODER_NAME, "av01.%u.%02u%c.%02u", s.profile, s.level, s.tier ? 'H' : 'M',
		 s.depth);
	return out->bad ? -ENOMEM : 0;
}

const struct coder coder_av1 = {
    MEDIA_AV1, "av01", "av1C", "av01.0.04M.08", config, has_config, size, copy, NULL,
};
