/* srt_hub: the SRT ports at which this process takes publishers. Several inputs may share one: a caller is led to the seat
 * whose stream id it says, else to the one without any, and has to know that seat's passphrase. Seats belong to threads of
 * their own; whichever accepts a caller puts it where it belongs. */
#ifndef GEX_STREAM_SRT_HUB_H
#define GEX_STREAM_SRT_HUB_H

#include "stream/srt.h"

struct srt_hub;

struct srt_seat {
	struct list link;
	struct srt_hub *hub; /* NULL: not seated */
	const struct srt_end *end;
	_Atomic bool
	    busy; /* a publisher is there: others are refused, unless the URL says publisher=last */
	_Atomic bool called;  /* somebody may have come */
	_Atomic bool leaving; /* its input was cancelled: another may have its place */
	SRTSOCKET next;	      /* who came and was not yet taken; the hub's */
};

/* Takes the seat of end, which outlives it; listens, if nobody does there yet. 0; -EADDRINUSE when another process, or an
 * input with the same stream id, is there; another negative errno; with a reason. */
int srt_seat_init(struct srt_seat *s, const struct srt_end *end, char *err) MUST_USE;
void srt_seat_finish(struct srt_seat *s);
/* To be watched for SRT_EPOLL_IN; callers may also come while nothing shows. */
SRTSOCKET srt_seat_listener(const struct srt_seat *s);
/* The caller that has come for this seat, the last one if there were several; SRT_INVALID_SOCK. */
SRTSOCKET srt_seat_take(struct srt_seat *s);

#endif
