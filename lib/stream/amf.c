#include "stream/amf.h"

#define DEPTH_MAX 8

/* ---- written ---- */

void amf_number(struct wr *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	wr_u8(w, AMF_NUMBER);
	wr_u64(w, bits);
}

void amf_key(struct wr *w, const char *s)
{
	wr_u16(w, (uint16_t)strlen(s));
	wr_bytes(w, s, strlen(s));
}

void amf_string(struct wr *w, const char *s)
{
	wr_u8(w, AMF_STRING);
	amf_key(w, s);
}

void amf_member(struct wr *w, const char *key, const char *value)
{
	amf_key(w, key);
	amf_string(w, value);
}

void amf_end(struct wr *w)
{
	amf_key(w, "");
	wr_u8(w, AMF_END);
}

/* ---- read ---- */

double amf_read_number(struct rd *r)
{
	uint64_t bits;
	double v;

	if (rd_u8(r) != AMF_NUMBER)
		r->bad = true;
	bits = rd_u64(r);
	memcpy(&v, &bits, sizeof(v));
	return r->bad ? 0 : v;
}

void amf_read_text(struct rd *r, char *out, size_t cap)
{
	size_t n = rd_u16(r);
	const uint8_t *p = rd_bytes(r, n);

	*out = 0;
	if (!p || n >= cap || memchr(p, 0, n))
		return;
	memcpy(out, p, n);
	out[n] = 0;
}

void amf_read_string(struct rd *r, char *out, size_t cap)
{
	if (rd_u8(r) != AMF_STRING)
		r->bad = true;
	amf_read_text(r, out, cap);
}

static void skip_value(struct rd *r, int depth);

static void skip_members(struct rd *r, int depth)
{
	while (!r->bad) {
		size_t n = rd_u16(r);

		rd_bytes(r, n);
		if (!n && rd_left(r) && *r->p == AMF_END) {
			rd_u8(r);
			return;
		}
		skip_value(r, depth);
	}
}

static void skip_value(struct rd *r, int depth)
{
	uint32_t n;

	if (depth > DEPTH_MAX)
		r->bad = true;
	switch (r->bad ? -1 : rd_u8(r)) {
	case AMF_NUMBER:
		rd_bytes(r, 8);
		break;
	case AMF_BOOL:
		rd_u8(r);
		break;
	case AMF_STRING:
		rd_bytes(r, rd_u16(r));
		break;
	case AMF_ARRAY:
		rd_u32(r);
		skip_members(r, depth + 1);
		break;
	case AMF_OBJECT:
		skip_members(r, depth + 1);
		break;
	case AMF_NULL:
	case AMF_UNDEFINED:
		break;
	case AMF_STRICT:
		for (n = rd_u32(r); n && !r->bad; n--)
			skip_value(r, depth + 1);
		break;
	case AMF_DATE:
		rd_bytes(r, 10);
		break;
	case AMF_LONG_STRING:
		rd_bytes(r, rd_u32(r));
		break;
	default:
		r->bad = true;
	}
}

void amf_skip(struct rd *r)
{
	skip_value(r, 0);
}
