/* splice: what a splice information section (ANSI/SCTE 35) says: a splice_insert, or a time_signal with its segmentation
 * descriptors. Strict: a command or descriptor that is
 * not as long as it says is refused. Of other commands, and of encrypted sections, only
 * the command is known. Pure. */
#ifndef GEX_CMAF_SPLICE_H
#define GEX_CMAF_SPLICE_H

#include "base/base.h"

#define SPLICE_CLOCK 90000 /* ticks a second of all times here */
#define SPLICE_SEGMENTS 8  /* more descriptors than that are passed over */
#define SPLICE_NONE (-1)   /* a time or duration that is not said */

enum splice_command {
	SPLICE_NULL = 0,
	SPLICE_INSERT = 5,
	SPLICE_TIME_SIGNAL = 6,
	SPLICE_ENCRYPTED = 256, /* it cannot be told */
};

struct splice_segment {
	uint32_t id;
	bool cancel; /* then nothing else of it is said */
	int type;    /* segmentation_type_id */
	int64_t duration;
};

struct splice {
	int command; /* of enum splice_command, or another of the standard's */
	int64_t pts; /* modulo 2^33, pts_adjustment taken in; SPLICE_NONE: at once */
	/* splice_insert */
	uint32_t id;
	bool cancel, out, auto_return;
	int64_t duration;
	/* time_signal */
	struct splice_segment segment[SPLICE_SEGMENTS];
	int segments;
};

/* 0; -EINVAL: no such section, its CRC is wrong, or it does not add up. */
int splice_read(struct splice *s, const uint8_t *p, size_t n) MUST_USE;

/* Does a segment of this type (table 23: breaks, advertisements, placement opportunities) begin at a way out of the
 * programme? The type behind it is the way back in. */
bool splice_type_is_out(int type);

#endif
