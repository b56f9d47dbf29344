/* AV1 as av01 ("AV1 Codec ISO Media File Format Binding"). Section numbers are those of the bitstream
 * specification. */
#include <errno.h>

#include "cmaf/av1.h"
#include "cmaf/coder.h"
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

bool obu_next(const uint8_t **at, const uint8_t *end, struct obu *o)
{
	struct rd r = rd_of(*at, (size_t)(end - *at));

	if (!rd_left(&r))
		return false;
	unsigned head = rd_u8(&r);
	*o = (struct obu){.type = head >> 3 & 15, .p = *at};
	if (head & 0x80 || (head & 4 && !rd_left(&r)))
		return false;
	unsigned layers = head & 4 ? rd_u8(&r) : 0;
	o->temporal = layers >> 5;
	o->spatial = layers >> 3 & 3;
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

static int config(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		  char name[CODER_NAME])
{
	struct av1_sequence s;
	struct obu o;

	if (!find_sequence(p, n, &o))
		return -ENODATA;
	if (!av1_sequence_read(&o, &s))
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
    .codec = MEDIA_AV1,
    .entry = "av01",
    .box = "av1C",
    .usual = "av01.0.04M.08",
    .config = config,
    .has_config = has_config,
    .size = size,
    .copy = copy,
    .sets = sizeof(struct av1_state),
    .learn = av1_learn,
    .split = av1_subsamples,
};
