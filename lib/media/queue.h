/* A bounded queue of pointers between two threads of the engine. Not for other modules. */
#ifndef GEX_MEDIA_QUEUE_H
#define GEX_MEDIA_QUEUE_H

#include <pthread.h>

#include "base/base.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	void **item;
	size_t cap, head, len;
	bool closed, made;
};
int queue_init(struct queue *q, size_t cap) MUST_USE;
void queue_finish(struct queue *q); /* must be empty; zeroed is allowed */
/* Waits for room. False when the queue is closed: the caller keeps x. */
bool queue_push(struct queue *q, void *x);
/* Never waits: when the entries that count number `limit` (or all the queue holds its capacity) the first of them that may_go
 * leaves, else x itself. Returns what has to be dropped, or NULL. */
struct queue_door {
	size_t limit;
	bool (*counts)(const void *x);
	bool (*may_go)(const void *x);
};
void *queue_offer(struct queue *q, void *x, const struct queue_door *door);
/* The next entry; NULL when none came until the monotonic instant, or when the queue is closed and empty (*ended). */
void *queue_pop(struct queue *q, int64_t until_us, bool *ended);
/* What `of` says of the next entry, which stays; NEVER_US when there is none. */
int64_t queue_first(struct queue *q, int64_t (*of)(const void *x));
/* No more pushes; what is in it can still be popped. */
void queue_close(struct queue *q);
size_t queue_len(struct queue *q);
/* Closed and empty. */
bool queue_is_over(struct queue *q);

/* pthread_cond_t on the monotonic clock, and a wait on it until an instant (NEVER_US: for ever). */
void cond_init(pthread_cond_t *c);
void cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until_us);

#endif
