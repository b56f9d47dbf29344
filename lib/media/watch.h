/* watch: is a picture black, or is it the same as before? Looked at by the means of 64 x 36 cells of its luma, of which a few
 * lines are read, a few times a second: the noise of an encoder is not seen, a pointer that moves is. How long that may last
 * others say (failover.h). Pure; times are those of the pictures. Not for other modules. */
#ifndef GEX_MEDIA_WATCH_H
#define GEX_MEDIA_WATCH_H

#include "media/av.h"
#include "media/failover.h"

#define WATCH_W 64
#define WATCH_H 36
#define WATCH_STEP_US (100 * MS_US) /* no more than one look in so long */

struct watch {
	bool begun;
	int64_t next_us;		  /* of the next look */
	uint8_t still[WATCH_W * WATCH_H]; /* the cells of the picture that moved last */
};

/* Another source. */
void watch_begin(struct watch *w);
/* Looks at a picture of instant us, unless that was done a moment ago (false). *has: bits of FAULT_BLACK and FAULT_FROZEN; what
 * is black does not count as frozen. A single frame a second is enough, key frames for example. */
bool watch_look(struct watch *w, const AVFrame *f, int64_t us, unsigned *has);

/* Means of the cells, 0 to 255. False: nothing is known about such a format. */
bool watch_cells(const AVFrame *f, uint8_t cell[WATCH_W * WATCH_H]);

#endif
