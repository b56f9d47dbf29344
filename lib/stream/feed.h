/* feed: packets from the loop to threads that may block (a push to a server, a disk). One feed, and a tap for each thread,
 * with a bounded queue: fan decides what a slow thread loses, and a tap begins, and goes on after a loss, at a key frame. */
#ifndef GEX_STREAM_FEED_H
#define GEX_STREAM_FEED_H

#include "fan/fan.h"
#include "media/media.h"

struct stream_feed;
struct stream_tap;

/* ---- the loop's side ---- */

/* Limits of each tap's queue. 0 or -ENOMEM. */
int stream_feed_create(struct stream_feed **out, size_t bytes, int64_t us) MUST_USE;
/* The tracks that follow; takes a reference. */
void stream_feed_start(struct stream_feed *f, struct media_info *info);
/* Takes a reference of its own. Before stream_feed_start nothing happens. */
void stream_feed_write(struct stream_feed *f, struct media_packet *p);
/* No more will come: taps give what they have, then -ENODATA. */
void stream_feed_end(struct stream_feed *f);
/* All taps must have been destroyed. */
void stream_feed_destroy(struct stream_feed *f);

int stream_tap_create(struct stream_tap **out, struct stream_feed *f) MUST_USE;
/* From any thread, while the tap lives. */
struct fan_stats stream_tap_stats(struct stream_tap *t);
/* When its thread has ended. */
void stream_tap_destroy(struct stream_tap *t);
/* Ends stream_tap_take, now and later, with -EINTR. */
void stream_tap_cancel(struct stream_tap *t);

/* ---- the thread's side ---- */

/* The next packet, which the caller then owns, and its tracks: *info is the tap's until the next call. 0; -EAGAIN when none
 * came in timeout_us; -ENODATA, -EINTR. */
int stream_tap_take(struct stream_tap *t, struct media_info **info, struct media_packet **p,
		    int64_t timeout_us) MUST_USE;
/* Drops what is queued (not counted as dropped) and begins anew at the last key frame. 0 or -ENOMEM. */
int stream_tap_restart(struct stream_tap *t) MUST_USE;
/* Sleeps. 0, or at once -EINTR when cancelled, -ENODATA when the feed has ended. */
int stream_tap_sleep(struct stream_tap *t, int64_t us);

#endif
