/* watch: is a picture black, or has it stood still for long? Looked at by the means of 64 x 36 cells of its luma, of which a few
 * lines are read, a few times a second: the noise of an encoder is not seen, a pointer that moves is. Pure; times are those of
 * the pictures. Not for other modules. */
#ifndef GEX_MEDIA_WATCH_H
#define GEX_MEDIA_WATCH_H

#include "media/av.h"
#include "media/failover.h"

#define WATCH_W 64
#define WATCH_H 36
#define WATCH_STEP_US (100 * MS_US) /* no more than one look in so long */

struct watch {
	int64_t black_us, frozen_us; /* how long before it counts; 0: never */
	bool begun;
	int64_t next_us;   /* of the next look */
	int64_t bright_us; /* when it was last not black */
	int64_t moved_us;
	uint8_t
	    still[WATCH_W * WATCH_H]; /* the cells of the picture that has stood since moved_us */
};

/* Another source. */
void watch_begin(struct watch *w);
/* Looks at a picture of instant us. on: the faults that there were, bits by enum media_fault; returns those that there are. What
 * is black does not count as frozen. */
unsigned watch_look(struct watch *w, const AVFrame *f, int64_t us, unsigned on);
#define WATCH_FAULTS (1u << FAULT_BLACK | 1u << FAULT_FROZEN)

/* Means of the cells, 0 to 255. False: nothing is known about such a format. */
bool watch_cells(const AVFrame *f, uint8_t cell[WATCH_W * WATCH_H]);

#endif
