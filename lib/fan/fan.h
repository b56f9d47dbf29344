/* fan: one producer, many readers, each with a bounded queue of its own; a slow one loses, and never slows another.
 *
 * What is fanned out is opaque (an item: a reference, a size, a time, a track, is it a key frame). The items of all tracks
 * make one stream. A reader begins, and after a loss goes on, at a START: a key frame of the leading video track (of a
 * stream without video: any item). From there it gets, of each other video track, what follows that track's first key frame
 * at or after the start, and of each audio track what stands at or after the start in time, even when it was pushed a
 * little before: so pictures can be decoded and sound and picture stay together. The start itself comes first.
 *
 * The items since the last start are kept (bounded in bytes and time), and a reader that joins is given them at once: it has
 * a picture without waiting for the next key frame. When they are more than the bound, it waits for the next start.
 *
 * When a reader's queue is full (bytes, or time between its ends):
 *  1. a disposable item is refused from half of the limit on; nothing depends on it, so the stream goes on;
 *  2. if a later start stands in the queue, all before it is dropped: the reader skips to the newest start;
 *  3. else the whole queue is dropped and the reader waits for the next start.
 * Everything dropped is counted. A reader that has not emptied its queue for hopeless_us since it began to lose is CUT: it
 * gets nothing any more and its owner ends it.
 *
 * Pure: no I/O, no clock, one thread (or a lock of the owner's). */
#ifndef GEX_FAN_H
#define GEX_FAN_H

#include "base/base.h"

#define FAN_TRACKS_MAX 32

struct fan;
struct fan_reader;

struct fan_item {
	void *p;     /* a reference */
	size_t size; /* bytes, for the limits */
	int64_t us;  /* stream time */
	int track;   /* 0 … FAN_TRACKS_MAX - 1; other items are refused */
	bool key;
	bool disposable; /* nothing depends on it */
};

struct fan_limits {
	size_t bytes, burst_bytes; /* of a queue; of what a joining reader is given at once */
	int64_t us, burst_us;
	int64_t hopeless_us; /* NEVER_US: no reader is ever cut */
};

struct fan_ops {
	void *(*ref)(void *p);
	void (*unref)(void *p);
};

struct fan_stats {
	int64_t taken,
	    dropped; /* items; dropped: from the queue or at its door, since the reader was made */
	int64_t skips;	     /* how often it lost some */
	size_t items, bytes; /* in the queue now */
};

/* 0 or -ENOMEM. */
int fan_create(struct fan **out, const struct fan_limits *limits,
	       const struct fan_ops *ops) MUST_USE;
/* All readers must have been destroyed or detached. NULL is allowed. */
void fan_destroy(struct fan *f);
/* Another stream begins: bit t of video tells that track t is video. What was kept for joining readers is forgotten;
 * readers keep what they have queued and go on at the next start. */
void fan_start(struct fan *f, uint32_t video);
/* Offers one item to every reader; each that takes it takes its own reference. Without memory the item is dropped and
 * counted. */
void fan_push(struct fan *f, const struct fan_item *it, int64_t now_us);

/* 0 or -ENOMEM. Must be destroyed before the fan, unless detached. */
int fan_reader_create(struct fan_reader **out, struct fan *f) MUST_USE;
void fan_reader_destroy(struct fan_reader *r);
/* Nothing more comes in; what is queued can still be taken. */
void fan_reader_detach(struct fan_reader *r);
/* The next item; the caller owns its reference. False: nothing is queued. */
bool fan_take(struct fan_reader *r, struct fan_item *out);
bool fan_reader_cut(const struct fan_reader *r);
struct fan_stats fan_reader_stats(const struct fan_reader *r);

#endif
