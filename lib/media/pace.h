/* pace: when a packet is due that could be read sooner: what comes by the segment, or from a file, as if it came frame by frame;
 * and, for a live playlist, how much faster or slower than by its times, so that its end stays as far away as it was. The server's
 * clock is not ours: at 100 ppm a day takes 8.6 s, and a playlist holds about that. Pure. */
#ifndef GEX_MEDIA_PACE_H
#define GEX_MEDIA_PACE_H

#include "base/base.h"

#define PACE_PPM 400 /* less than the timeline follows a drift by */

struct pace {
	int64_t late_us, ahead_us; /* what is farther off is a pause or a jump: it begins anew */
	bool begun;
	int64_t us, mono_us; /* a time of the source, and when it was due */
	int ppm;
};

/* How long a packet of time us has to wait; 0: it is due. ppm: by how much faster than its times the source is read. */
int64_t pace_wait(struct pace *p, int64_t us, int64_t now_us, int ppm);

/* How far the end of a live playlist is. */
struct pace_depth {
	bool known;
	int64_t usual_us;
	int ppm;
};

/* Of an HLS media playlist (RFC 8216): what comes behind the last segment that was opened, which is found by the last part of its
 * URL; all when none of them is there any more. *segment_us: the longest. False: the playlist has ended, or is none. */
bool pace_left(const char *playlist, char *const *opened, int n, int64_t *left_us,
	       int64_t *segment_us);
/* So much was left when the next segment was wanted. Sets d->ppm. */
void pace_deep(struct pace_depth *d, int64_t left_us, int64_t segment_us);

#endif
