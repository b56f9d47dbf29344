/* timeline: where time is made. Maps what a source calls time to UTC, once, so that nothing downstream ever sees a jump, a
 * wrap, a drift or another source's clock. Pure: the caller says when each packet arrived. Beside it stand the grid, on which
 * frames are laid, and the splice, by which sound is.
 *
 * A live source's first times are compared with the clock for a while (settling), because the first packets of a
 * connection come late and in a burst; the offset then stands, moved by less than one frame so that the video's frames
 * lie on the grid, and output begins at the next multiple of the GOP. After that out = pts + offset, and the offset changes
 *  - slowly, by at most SLEW_PPM, so that the least delay between a packet's time and its arrival stays what it was: the drift
 *    of the source's clock. The grid then repeats or drops a frame, sound is stretched;
 *  - at once for a jump: the source's time does not go on from its last packet. Both tracks take the same new offset, each at
 *    its own packet, and out goes on by the time that passed;
 *  - by 2^33 ticks of 90 kHz, the wrap of MPEG-TS, in case nobody before has undone it;
 *  - for times ahead of the clock (skip): a backlog was sent in a burst. After SKIP_MAX_US of that the source is not live but
 *    a fast pipe, and the caller holds it back by timeline_ahead;
 *  - for lateness that does not go away: the source paused without letting its time pass, or the slower of its tracks comes
 *    later than the output waits. Then the other track may be ahead of the clock by the distance between them.
 * A track whose first time is nowhere near the other's gets an offset of its own (skew), and so does one that gets ahead of the
 * clock alone; sound that comes a second time is not to be used (double); pictures that step back by less than BACK_US are let
 * through (disorder).
 * A source that counts UTC itself (another gex-transcode) keeps its time as it is. One that is not live (a file) begins at the
 * next GOP at once, and only its jumps and wraps are repaired. */
#ifndef GEX_MEDIA_TIMELINE_H
#define GEX_MEDIA_TIMELINE_H

#include "media/grid.h"
#include "media/media.h"

#define TIMELINE_NONE INT64_MIN /* not to be shown */
#define TIMELINE_SKIP_MAX_US (3 * SEC_US)
#define TIMELINE_TRACKS 9 /* 0: the picture (MEDIA_VIDEO), 1 (MEDIA_AUDIO) and more: sounds */

enum timeline_repair {
	REPAIR_JUMP,
	REPAIR_WRAP,
	REPAIR_SKIP,
	REPAIR_LATE,
	REPAIR_SKEW,
	REPAIR_DOUBLE,
	REPAIR_DISORDER,
	REPAIR_DRIFT, /* milliseconds by which drift has moved the offset, either way */
	TIMELINE_REPAIRS
};
/* For metrics and people. */
extern const char *const timeline_repair_name[TIMELINE_REPAIRS];

struct timeline_track {
	bool seen;
	int64_t offset_us;
	int64_t dts_us, end_us,
	    arrival_us;	  /* of the last packet; end: of all, in the source's time */
	int64_t delay_us; /* its arrival - out */
	int64_t back_us;  /* since when sound comes that was there before; NEVER_US */
	int64_t least_us; /* the least delay of this window; NEVER_US: no packet */
};

struct timeline {
	bool live;
	struct ratio fps; /* of the grid that video is laid on */
	int64_t gop;	  /* frames */
	bool has_video, utc, anchored, settled;
	int64_t offset_us, settle_at_us;
	int64_t skipped_us; /* times ahead of the clock, less those that were late */
	int64_t last_us;    /* the end of the last packet mapped, of any track */
	/* The output's first instant, a multiple of the GOP; NEVER_US until it is known. The caller may set it: another source
	 * has begun. */
	int64_t start_us;
	struct timeline_track track[TIMELINE_TRACKS];

	int64_t window_us; /* the end of this window of arrivals */
	int late_windows;  /* one after the other */
	int64_t lead_us;   /* by which the faster track may be ahead of the clock */
	int windows;	   /* since the drift was last measured */
	int64_t drift_us;  /* the least delay of the leading track in these windows */
	int64_t usual_us;  /* and what it is to be; NEVER_US: not known yet */
	int64_t slew_ppm, slewed_at_us;
	int64_t slew_rest; /* of the offset, in 1e-12 s */
	int64_t slewed_us; /* in all, without sign */

	int64_t repairs[TIMELINE_REPAIRS];
};

void timeline_init(struct timeline *t, bool live, struct ratio fps, int64_t gop);
/* A source begins (again): the next time has nothing to do with those before. utc: it counts since the epoch. */
void timeline_source(struct timeline *t, bool utc, bool has_video);
/* One packet, in the order of arrival; video from a key frame on. The UTC time of its pts, or TIMELINE_NONE. */
int64_t timeline_map(struct timeline *t, int track, int64_t dts_us, int64_t pts_us,
		     int64_t duration_us, int64_t arrival_us);
/* What is told beside the pictures and the sound, in the same clock: its UTC as theirs is now, or TIMELINE_NONE while theirs is not
 * known. */
int64_t timeline_beside(const struct timeline *t, int64_t pts_us);
/* How long a packet mapped to out_us should be held back, for a source that is faster than time. */
int64_t timeline_ahead(const struct timeline *t, int64_t out_us, int64_t now_us);

#endif
