/* range: the date ranges of playlists (RFC 8216bis, 4.4.5.1), made of cues (4.4.5.1.1, "Mapping SCTE-35"). A way out and the
 * way back in that has its event id are one range: it is told with the first, and gets its DURATION with the second, or
 * where a break that returns by itself is over. What a cue says that is neither is a range with SCTE35-CMD.
 *
 * What has been told of a range stays as it is: encoders repeat a cue, and a repetition changes nothing. A cancelled range
 * goes, and one that is over goes when the last segment that it touches is no more listed; the IDs of those that went are
 * kept for a while, for delta updates. Pure; all times in microseconds of UTC. */
#ifndef GEX_CMAF_RANGE_H
#define GEX_CMAF_RANGE_H

#include <stdio.h>

#include "buf/buf.h"
#include "cmaf/splice.h"

#define RANGES_MAX 64 /* beyond it the oldest goes */

struct range {
	char id[40];
	uint32_t event;
	int type; /* segmentation_type_id, 0: of a splice_insert */
	bool paired, auto_return;
	int64_t start_us, planned_us, end_us; /* SPLICE_NONE: not said */
	int64_t
	    changed_us; /* the newest media when something was told of it last, or when it went */
	bool gone;
	struct buf *out, *in; /* sections; of one that is not paired only out */
};

struct ranges {
	VEC(struct range) at;
};

/* Takes in what a section (p, n) says, which is s; it came at now_us, its own time is at_us. 0 or -ENOMEM. */
int ranges_cue(struct ranges *r, const struct splice *s, const uint8_t *p, size_t n, int64_t at_us,
	       int64_t now_us) MUST_USE;
/* Media are there until newest_us, and listed from oldest_us on; IDs of what went are kept for keep_us. True when something
 * changed. */
bool ranges_pass(struct ranges *r, int64_t oldest_us, int64_t newest_us, int64_t keep_us);
void ranges_finish(struct ranges *r);

/* EXT-X-DATERANGE of one that has not gone. */
void range_write(const struct range *a, FILE *f);
/* EXT-X-DATERANGE of each that changed at since_us or later (INT64_MIN: of all). */
void ranges_write(const struct ranges *r, int64_t since_us, FILE *f);
/* The IDs of those that went since then, separated by tabs. */
void ranges_write_removed(const struct ranges *r, int64_t since_us, FILE *f);

#endif
