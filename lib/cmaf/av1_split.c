#include <errno.h>

#include "cmaf/av1.h"
#include "cmaf/split.h"

/* Where runs stand while they are made. */
struct runs {
	struct subsamples *out;
	size_t first, clear;
};

static int add_tile(struct runs *r, size_t n)
{
	int rc = split_add(r->out, r->first, r->clear, n);

	r->clear = 0;
	return rc;
}

/* 5.11.1, from `at` on in the body: the tiles of a group. */
static int split_tiles(struct av1_state *s, const struct obu *o, size_t at, struct runs *r)
{
	const struct av1_header *h = &s->header;
	struct bits b = {.p = o->body + at, .end = o->body + o->body_n, .raw = true};
	unsigned from = 0, to = h->tiles - 1, width = h->cols_log2 + h->rows_log2;
	size_t start = at;
	int rc = 0;

	if (!s->pending)
		return -EINVAL;
	if (h->tiles > 1 && bits_one(&b)) {
		from = bits_get(&b, width);
		to = bits_get(&b, width);
	}
	if (bits_over(&b) || from != s->next || to < from || to >= h->tiles)
		return -EINVAL;
	at = (size_t)(b.p - o->body);
	r->clear += at - start;
	for (unsigned i = from; i <= to && !rc; i++) {
		size_t size = o->body_n - at;

		if (i < to) {
			if (size < h->tile_bytes)
				return -EINVAL;
			size = 1;
			for (unsigned k = 0; k < h->tile_bytes; k++)
				size += (size_t)o->body[at++] << 8 * k;
			r->clear += h->tile_bytes;
		}
		if (!size || size > o->body_n - at)
			return -EINVAL;
		rc = add_tile(r, size);
		at += size;
	}
	s->next = to + 1;
	if (s->next == h->tiles)
		av1_frame_done(s);
	return rc;
}

static int split_unit(struct av1_state *s, const struct obu *o, struct runs *r)
{
	size_t head = o->n - o->body_n, n = 0;

	if (o->type == OBU_SEQUENCE)
		s->known = av1_sequence_read(o, &s->seq);
	if (o->type == OBU_FRAME || (o->type == OBU_FRAME_HEADER && !s->pending)) {
		n = av1_frame_header(s, o);
		if (!n)
			return -EINVAL;
	}
	if (o->type == OBU_FRAME || o->type == OBU_TILE_GROUP) {
		r->clear += head + n;
		return split_tiles(s, o, n, r);
	}
	r->clear += o->n;
	return 0;
}

void av1_learn(void *state, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct av1_state *s = state;
	struct obu o;

	if (n > 4 && p[0] == 0x81) /* an av1C */
		p += 4;
	while (obu_next(&p, end, &o))
		if (o.type == OBU_SEQUENCE)
			s->known = av1_sequence_read(&o, &s->seq);
}

int av1_subsamples(void *state, const uint8_t *p, size_t n, struct subsamples *out)
{
	const uint8_t *end = p + n;
	struct runs r = {out, out->len, 0};
	struct obu o;
	int rc = 0;

	while (!rc && obu_next(&p, end, &o))
		if (o.type != OBU_DELIMITER && o.type != OBU_PADDING)
			rc = split_unit(state, &o, &r);
	if (!rc && r.clear)
		rc = split_add(out, r.first, r.clear, 0);
	return rc;
}
