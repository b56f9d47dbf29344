#include "cmaf/avc.h"

#include <errno.h>

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

bool avc_next_nal(const uint8_t **at, const uint8_t *end, struct nal *out)
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

bool avc_in_sample(const struct nal *n)
{
	int t = nal_type(n);

	return t != NAL_SPS && t != NAL_PPS && t != NAL_DELIMITER && t != NAL_FILLER;
}

size_t avc_size(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct nal nal;
	size_t size = 0;

	while (avc_next_nal(&p, end, &nal))
		size += avc_in_sample(&nal) ? 4 + nal.n : 0;
	return size;
}

void avc_copy(const uint8_t *p, size_t n, uint8_t *out)
{
	const uint8_t *end = p + n;
	struct nal nal;

	while (avc_next_nal(&p, end, &nal)) {
		if (!avc_in_sample(&nal))
			continue;
		struct wr w = wr_of(out, 4 + nal.n);

		wr_u32(&w, (uint32_t)nal.n);
		wr_bytes(&w, nal.p, nal.n);
		out += 4 + nal.n;
	}
}

bool avc_has_config(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct nal nal;

	while (avc_next_nal(&p, end, &nal))
		if (nal_type(&nal) == NAL_SPS)
			return true;
	return false;
}

/* ---- the sequence parameter set: what avcC wants of it ---- */

struct sps {
	unsigned chroma, luma_depth, chroma_depth;
	bool high;
};

/* 7.3.2.1.1: the first fields; profiles from High on tell the chroma format and depths. */
static void read_sps(const struct nal *n, struct sps *s)
{
	static const uint8_t high[] = {100, 110, 122, 144, 244, 44, 83,
				       86,  118, 128, 138, 139, 134};
	struct bits b = {.p = n->p + 4, .end = n->p + n->n};

	*s = (struct sps){.chroma = 1};
	s->high = memchr(high, n->p[1], sizeof(high)) != NULL;
	if (!s->high)
		return;
	bits_ue(&b); /* id */
	s->chroma = bits_ue(&b) & 3;
	if (s->chroma == 3)
		bits_1(&b);
	s->luma_depth = bits_ue(&b) & 7;
	s->chroma_depth = bits_ue(&b) & 7;
}

static void put_sets(struct boxes *out, const struct nal *set, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		box_u16(out, (unsigned)set[i].n);
		box_bytes(out, set[i].p, set[i].n);
	}
}

static void add_set(struct nal *set, size_t *n, size_t cap, const struct nal *nal)
{
	for (size_t i = 0; i < *n; i++)
		if (set[i].n == nal->n && !memcmp(set[i].p, nal->p, nal->n))
			return;
	if (*n < cap && nal->n <= 0xffff)
		set[(*n)++] = *nal;
}

int avc_config(const uint8_t *p, size_t n, struct boxes *out)
{
	struct nal sps[8], pps[16], nal;
	size_t nsps = 0, npps = 0;
	struct sps s;

	for (const uint8_t *end = p + n; avc_next_nal(&p, end, &nal);) {
		if (nal_type(&nal) == NAL_SPS)
			add_set(sps, &nsps, ARRAY_LEN(sps), &nal);
		else if (nal_type(&nal) == NAL_PPS)
			add_set(pps, &npps, ARRAY_LEN(pps), &nal);
	}
	if (!nsps || !npps)
		return -ENODATA;
	if (sps[0].n < 5)
		return -EINVAL;
	read_sps(&sps[0], &s);
	box_u8(out, 1);
	box_bytes(out, sps[0].p + 1, 3); /* profile, constraints, level */
	box_u8(out, 0xff);		 /* lengths of 4 bytes */
	box_u8(out, 0xe0 | (unsigned)nsps);
	put_sets(out, sps, nsps);
	box_u8(out, (unsigned)npps);
	put_sets(out, pps, npps);
	if (s.high) {
		box_u8(out, 0xfc | s.chroma);
		box_u8(out, 0xf8 | s.luma_depth);
		box_u8(out, 0xf8 | s.chroma_depth);
		box_u8(out, 0);
	}
	return out->bad ? -ENOMEM : 0;
}
