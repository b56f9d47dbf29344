#include "cmaf/box.h"

static uint8_t *room(struct boxes *b, size_t n)
{
	if (b->bad || vec_reserve_((void **)&b->out.at, &b->out.cap, b->out.len + n, 1)) {
		b->bad = true;
		return NULL;
	}
	uint8_t *p = b->out.at + b->out.len;
	b->out.len += n;
	return p;
}

void box_bytes(struct boxes *b, const void *p, size_t n)
{
	uint8_t *to = n ? room(b, n) : NULL;

	if (to)
		memcpy(to, p, n);
}

static void be(struct boxes *b, uint64_t v, size_t n)
{
	uint8_t *to = room(b, n);

	for (size_t i = n; to && i-- > 0; v >>= 8)
		to[i] = (uint8_t)v;
}

void box_u8(struct boxes *b, unsigned v)
{
	be(b, v, 1);
}

void box_u16(struct boxes *b, unsigned v)
{
	be(b, v, 2);
}

void box_u32(struct boxes *b, uint32_t v)
{
	be(b, v, 4);
}

void box_u64(struct boxes *b, uint64_t v)
{
	be(b, v, 8);
}

size_t box_begin(struct boxes *b, const char *type)
{
	size_t at = b->out.len;

	box_u32(b, 0);
	box_bytes(b, type, 4);
	return at;
}

size_t box_begin_full(struct boxes *b, const char *type, unsigned version, uint32_t flags)
{
	size_t at = box_begin(b, type);

	box_u32(b, version << 24 | flags);
	return at;
}

void box_end(struct boxes *b, size_t at)
{
	if (b->bad)
		return;
	struct wr w = wr_of(b->out.at + at, 4);
	wr_u32(&w, (uint32_t)(b->out.len - at));
}

/* ---- chunks ---- */

#define FLAGS_SYNC 0x02000000u	   /* depends on no other */
#define FLAGS_NON_SYNC 0x01010000u /* depends on others, no sync sample */

static void put_tfhd(struct boxes *b, uint32_t track_id, const struct sample *s)
{
	size_t at =
	    box_begin_full(b, "tfhd", 0, 0x020000 | 0x8 | 0x20); /* base is moof; duration, flags */

	box_u32(b, track_id);
	box_u32(b, s[0].dur);
	box_u32(b, s[0].key ? FLAGS_SYNC : FLAGS_NON_SYNC);
	box_end(b, at);
}

/* What differs within the chunk is written for each sample, and nothing else. */
static uint32_t trun_flags(const struct sample *s, size_t n)
{
	uint32_t flags = 0x1 | 0x200; /* data offset, sizes */

	for (size_t i = 0; i < n; i++) {
		flags |= s[i].dur != s[0].dur ? 0x100 : 0;
		flags |= s[i].key != s[0].key ? 0x400 : 0;
		flags |= s[i].cts ? 0x800 : 0;
	}
	return flags;
}

static size_t put_trun(struct boxes *b, const struct sample *s, size_t n)
{
	uint32_t flags = trun_flags(s, n);
	size_t at = box_begin_full(b, "trun", 1, flags);

	box_u32(b, (uint32_t)n);
	size_t offset_at = b->out.len;
	box_u32(b, 0);
	for (size_t i = 0; i < n; i++) {
		if (flags & 0x100)
			box_u32(b, s[i].dur);
		box_u32(b, s[i].size);
		if (flags & 0x400)
			box_u32(b, s[i].key ? FLAGS_SYNC : FLAGS_NON_SYNC);
		if (flags & 0x800)
			box_u32(b, (uint32_t)s[i].cts);
	}
	box_end(b, at);
	return offset_at;
}

/* Which bytes of each sample are encrypted (ISO/IEC 23001-7, 7.2; the IV is constant, so there is none
 * here), and where that stands. */
static void put_encryption(struct boxes *b, size_t moof, const struct sample *s, size_t n,
			   const struct subsamples *subs)
{
	const struct subsample *sub = subs->at;
	size_t at = box_begin_full(b, "saiz", 0, 0);

	box_u8(b, 0);
	box_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		box_u8(b, 2 + 6 * s[i].nsubs);
	box_end(b, at);
	at = box_begin_full(b, "saio", 0, 0);
	box_u32(b, 1);
	box_u32(b, (uint32_t)(b->out.len + 4 + 16 - moof)); /* behind the head of senc */
	box_end(b, at);
	at = box_begin_full(b, "senc", 0, 2);
	box_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		box_u16(b, s[i].nsubs);
		for (uint32_t k = 0; k < s[i].nsubs; k++, sub++) {
			box_u16(b, sub->clear);
			box_u32(b, sub->encrypted);
		}
	}
	box_end(b, at);
}

static void put_moof(struct boxes *b, uint32_t track_id, uint32_t sequence, const struct sample *s,
		     size_t n, const struct subsamples *subs)
{
	size_t moof = box_begin(b, "moof");
	size_t at = box_begin_full(b, "mfhd", 0, 0);

	box_u32(b, sequence);
	box_end(b, at);
	size_t traf = box_begin(b, "traf");
	put_tfhd(b, track_id, s);
	at = box_begin_full(b, "tfdt", 1, 0);
	box_u64(b, (uint64_t)s[0].dts);
	box_end(b, at);
	size_t offset_at = put_trun(b, s, n);
	if (subs && subs->len)
		put_encryption(b, moof, s, n, subs);
	box_end(b, traf);
	box_end(b, moof);
	if (!b->bad) {
		struct wr w = wr_of(b->out.at + offset_at, 4);

		wr_u32(&w, (uint32_t)(b->out.len - moof + 8));
	}
}

struct buf *box_chunk(uint32_t track_id, uint32_t sequence, const struct sample *s, size_t n,
		      const struct subsamples *subs, const struct boxes *before, size_t payload,
		      uint8_t **data)
{
	struct boxes b = {.bad = before && before->bad};
	struct buf *out = NULL;

	if (before)
		box_bytes(&b, before->out.at, before->out.len);

	put_moof(&b, track_id, sequence, s, n, subs);
	box_u32(&b, (uint32_t)(payload + 8));
	box_bytes(&b, "mdat", 4);
	if (!b.bad)
		out = buf_create(b.out.len + payload);
	if (out) {
		memcpy(out->data, b.out.at, b.out.len);
		*data = out->data + b.out.len;
	}
	vec_free(&b.out);
	return out;
}
