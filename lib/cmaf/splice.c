#include "cmaf/splice.h"

#include <errno.h>

#include "media/cue.h"

#define PTS_MASK ((INT64_C(1) << 33) - 1)
#define CUEI 0x43554549u
#define SEGMENTATION 2	     /* splice_descriptor_tag */
#define LENGTH_UNKNOWN 0xfff /* of a command, as old encoders write it */
#define CRC_SIZE 4

/* 33 bits, behind 7 that are the caller's. */
static int64_t read_33(struct rd *r, uint8_t *before)
{
	*before = rd_u8(r);
	return (int64_t)(*before & 1) << 32 | rd_u32(r);
}

static int64_t read_time(struct rd *r)
{
	uint8_t flags;

	if (rd_left(r) && !(*r->p & 0x80))
		return rd_u8(r), SPLICE_NONE;
	return read_33(r, &flags);
}

/* Of components each its own time: that of the first stands for all. */
static void read_components(struct rd *r, struct splice *s, bool at_once)
{
	int n = rd_u8(r);

	for (int i = 0; i < n && !r->bad; i++) {
		rd_u8(r);
		int64_t pts = at_once ? SPLICE_NONE : read_time(r);
		s->pts = i ? s->pts : pts;
	}
}

static void read_insert(struct rd *r, struct splice *s)
{
	uint8_t flags;

	s->id = rd_u32(r);
	s->cancel = rd_u8(r) & 0x80;
	if (s->cancel)
		return;
	flags = rd_u8(r);
	s->out = flags & 0x80;
	if (!(flags & 0x40))
		read_components(r, s, flags & 0x10);
	else if (!(flags & 0x10))
		s->pts = read_time(r);
	if (flags & 0x20) {
		uint8_t before;

		s->duration = read_33(r, &before);
		s->auto_return = before & 0x80;
	}
	rd_bytes(r, 4); /* unique_program_id, avail_num, avails_expected */
}

static void read_segmentation(struct rd *r, struct splice *s)
{
	struct splice_segment g = {.duration = SPLICE_NONE};
	uint8_t flags;

	g.id = rd_u32(r);
	g.cancel = rd_u8(r) & 0x80;
	if (!g.cancel) {
		flags = rd_u8(r);
		if (!(flags & 0x80))
			rd_bytes(r, 6u * rd_u8(r));
		if (flags & 0x40) {
			g.duration = (int64_t)rd_u8(r) << 32;
			g.duration |= rd_u32(r);
		}
		rd_u8(r); /* upid type */
		rd_bytes(r, rd_u8(r));
		g.type = rd_u8(r);
		rd_u16(r); /* segment_num, segments_expected; those of sub-segments may follow */
	}
	if (!r->bad && s->segments < SPLICE_SEGMENTS)
		s->segment[s->segments++] = g;
}

/* False: one does not fit in what it is in. */
static bool read_descriptors(struct rd *r, struct splice *s)
{
	size_t n = rd_u16(r);
	const uint8_t *p = rd_bytes(r, n);
	struct rd loop = rd_of(p ? p : r->p, p ? n : 0);

	while (rd_left(&loop)) {
		int tag = rd_u8(&loop);
		size_t len = rd_u8(&loop);
		const uint8_t *in = rd_bytes(&loop, len);
		struct rd one = rd_of(in ? in : loop.p, in ? len : 0);

		if (rd_u32(&one) == CUEI && tag == SEGMENTATION && s->command == SPLICE_TIME_SIGNAL)
			read_segmentation(&one, s);
		if (one.bad)
			return false;
	}
	return p;
}

/* The command's own bytes; false: they are not as many as it says. */
static bool read_command(struct rd *r, struct splice *s, size_t len)
{
	const uint8_t *from = r->p;

	if (s->command == SPLICE_INSERT)
		read_insert(r, s);
	else if (s->command == SPLICE_TIME_SIGNAL)
		s->pts = read_time(r);
	else if (len != LENGTH_UNKNOWN)
		rd_bytes(r, len);
	else if (s->command != SPLICE_NULL)
		return false;
	return !r->bad && (len == LENGTH_UNKNOWN || (size_t)(r->p - from) == len);
}

int splice_read(struct splice *s, const uint8_t *p, size_t n)
{
	uint8_t flags;

	*s = (struct splice){.pts = SPLICE_NONE, .duration = SPLICE_NONE};
	if (!cue_valid(p, n))
		return -EINVAL;
	struct rd r = rd_of(p + 3, n - 3 - CRC_SIZE);
	if (rd_u8(&r)) /* protocol_version */
		return -EINVAL;
	int64_t adjustment = read_33(&r, &flags);
	rd_u16(&r); /* cw_index, tier */
	size_t len = rd_u16(&r) & 0xfff;
	s->command = rd_u8(&r);
	if (flags & 0x80) {
		s->command = SPLICE_ENCRYPTED;
		return r.bad ? -EINVAL : 0;
	}
	if (!read_command(&r, s, len) || !read_descriptors(&r, s) || r.bad)
		return -EINVAL;
	if (s->pts != SPLICE_NONE)
		s->pts = (s->pts + adjustment) & PTS_MASK;
	return 0;
}

bool splice_type_is_out(int type)
{
	switch (type) {
	case 0x22: /* break */
	case 0x30: /* advertisement of the provider, of the distributor */
	case 0x32:
	case 0x34: /* placement opportunity of either, and of overlays */
	case 0x36:
	case 0x38:
	case 0x3a:
	case 0x44: /* block of advertisements of either */
	case 0x46:
		return true;
	default:
		return false;
	}
}
