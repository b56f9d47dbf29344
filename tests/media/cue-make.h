/* Splice information sections (SCTE 35), as an encoder of cues writes them. */
#ifndef GEX_TESTS_CUE_MAKE_H
#define GEX_TESTS_CUE_MAKE_H

#include "media/cue.h"

#define CUE_MADE 128 /* bytes, at most */

static inline void cue_make_33(struct wr *w, unsigned before, int64_t v)
{
	wr_u8(w, (uint8_t)(before | (v >> 32 & 1)));
	wr_u32(w, (uint32_t)v);
}

/* cmd: the command's bytes, desc: the descriptors'. Returns the section's size. */
static inline size_t cue_make(uint8_t out[CUE_MADE], unsigned type, const struct wr *cmd,
			      const struct wr *desc)
{
	struct wr w = wr_of(out, CUE_MADE);
	size_t nc = wr_len(cmd), nd = desc ? wr_len(desc) : 0;

	wr_u8(&w, 0xfc);
	wr_u16(&w, (uint16_t)(0x3000 | (11 + nc + 2 + nd + 4)));
	wr_u8(&w, 0);
	cue_make_33(&w, 0, 0);
	wr_u8(&w, 0);
	wr_u8(&w, 0xff);
	wr_u16(&w, (uint16_t)(0xf000 | nc));
	wr_u8(&w, (uint8_t)type);
	wr_bytes(&w, cmd->start, nc);
	wr_u16(&w, (uint16_t)nd);
	if (nd)
		wr_bytes(&w, desc->start, nd);
	wr_u32(&w, 0);
	cue_shift(out, wr_len(&w), 0); /* the CRC */
	return wr_len(&w);
}

/* A splice_insert; pts < 0: at once; ticks < 0: no break_duration. */
static inline size_t cue_make_insert(uint8_t out[CUE_MADE], uint32_t event, bool leave, int64_t pts,
				     int64_t ticks, bool auto_return)
{
	uint8_t cmd[32];
	struct wr w = wr_of(cmd, sizeof(cmd));

	wr_u32(&w, event);
	wr_u8(&w, 0x7f);
	wr_u8(&w, (uint8_t)((leave ? 0x80 : 0) | 0x4f | (ticks >= 0 ? 0x20 : 0) |
			    (pts < 0 ? 0x10 : 0)));
	if (pts >= 0)
		cue_make_33(&w, 0xfe, pts);
	if (ticks >= 0)
		cue_make_33(&w, auto_return ? 0xfe : 0x7e, ticks);
	wr_u32(&w, 0x00010000);
	return cue_make(out, 5, &w, NULL);
}

static inline size_t cue_make_cancel(uint8_t out[CUE_MADE], uint32_t event)
{
	uint8_t cmd[8];
	struct wr w = wr_of(cmd, sizeof(cmd));

	wr_u32(&w, event);
	wr_u8(&w, 0xff);
	return cue_make(out, 5, &w, NULL);
}

/* One segmentation_descriptor, with a upid of two bytes. */
static inline void cue_make_segment(struct wr *w, uint32_t event, int type, int64_t ticks)
{
	wr_u8(w, 2);
	wr_u8(w, (uint8_t)(17 + (ticks >= 0 ? 5 : 0)));
	wr_u32(w, 0x43554549);
	wr_u32(w, event);
	wr_u8(w, 0x7f);
	wr_u8(w, ticks >= 0 ? 0xff : 0xbf);
	if (ticks >= 0) {
		wr_u8(w, (uint8_t)(ticks >> 32));
		wr_u32(w, (uint32_t)ticks);
	}
	wr_u8(w, 1);
	wr_u8(w, 2);
	wr_u16(w, 0x4142);
	wr_u8(w, (uint8_t)type);
	wr_u16(w, 0x0101);
}

/* A time_signal; pts < 0: at once. */
static inline size_t cue_make_signal(uint8_t out[CUE_MADE], int64_t pts, const struct wr *desc)
{
	uint8_t cmd[8];
	struct wr w = wr_of(cmd, sizeof(cmd));

	if (pts < 0)
		wr_u8(&w, 0x7f);
	else
		cue_make_33(&w, 0xfe, pts);
	return cue_make(out, 6, &w, desc);
}

#endif
