#include "cmaf/nal.h"

unsigned bits_one(struct bits *b)
{
	if (!b->left) {
		if (!b->raw && b->p < b->end && b->zeros >= 2 && *b->p == 3) {
			b->p++;
			b->zeros = 0;
		}
		b->cur = 0x1ff; /* behind the end */
		if (b->p < b->end)
			b->cur = *b->p++;
		b->zeros = b->cur ? 0 : b->zeros + 1;
		b->left = 8;
	}
	return b->cur >> --b->left & 1;
}

uint32_t bits_get(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 1 | bits_one(b);
	return v;
}

void bits_skip(struct bits *b, unsigned n)
{
	while (n--)
		bits_one(b);
}

uint32_t bits_ue(struct bits *b)
{
	unsigned zeros = 0;

	while (zeros < 31 && !bits_one(b))
		zeros++;
	return ((uint32_t)1 << zeros) - 1 + bits_get(b, zeros);
}

bool bits_over(const struct bits *b)
{
	return b->cur > 0xff;
}

/* The start code at or after p: 00 00 01. end when there is none. */
static const uint8_t *start_code(const uint8_t *p, const uint8_t *end)
{
	for (; end - p >= 3; p++) {
		if (p[2] > 1)
			p += 2;
		else if (!p[0] && !p[1] && p[2] == 1)
			return p;
	}
	return end;
}

bool nal_next(const uint8_t **at, const uint8_t *end, struct nal *out)
{
	do {
		const uint8_t *p = start_code(*at, end);

		if (end - p <= 3)
			return false;
		p += 3;
		const uint8_t *e = start_code(p, end);
		*at = e;
		while (e > p && !e[-1])
			e--;
		*out = (struct nal){p, (size_t)(e - p)};
	} while (!out->n);
	return true;
}

void nal_sets_add(struct nal_sets *s, const struct nal *n)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].n == n->n && !memcmp(s->at[i].p, n->p, n->n))
			return;
	if (s->n < NAL_SETS && n->n <= 0xffff)
		s->at[s->n++] = *n;
}

void nal_sets_put(const struct nal_sets *s, struct boxes *out)
{
	for (size_t i = 0; i < s->n; i++) {
		box_u16(out, (unsigned)s->at[i].n);
		box_bytes(out, s->at[i].p, s->at[i].n);
	}
}

size_t nal_sample_size(const uint8_t *p, size_t n, bool (*keep)(const struct nal *))
{
	const uint8_t *end = p + n;
	struct nal nal;
	size_t size = 0;

	while (nal_next(&p, end, &nal))
		size += keep(&nal) ? 4 + nal.n : 0;
	return size;
}

void nal_sample_copy(const uint8_t *p, size_t n, bool (*keep)(const struct nal *), uint8_t *out)
{
	const uint8_t *end = p + n;
	struct nal nal;

	while (nal_next(&p, end, &nal)) {
		if (!keep(&nal))
			continue;
		struct wr w = wr_of(out, 4 + nal.n);

		wr_u32(&w, (uint32_t)nal.n);
		wr_bytes(&w, nal.p, nal.n);
		out += 4 + nal.n;
	}
}
