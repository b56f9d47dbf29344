/* A queue of items that owns its references; of fan only. */
#ifndef GEX_FAN_QUEUE_H
#define GEX_FAN_QUEUE_H

#include "fan/fan.h"

/* What an item costs beside its bytes, so that a flood of empty ones is bounded too. */
#define FAN_ITEM_COST 64

struct fan_slot {
	struct fan_item it;
	bool start;
};

struct fan_queue {
	const struct fan_ops *ops;
	VEC(struct fan_slot) v;
	size_t head; /* v.at[head … v.len - 1] are queued */
	size_t bytes;
};

static inline size_t fan_queue_len(const struct fan_queue *q)
{
	return q->v.len - q->head;
}

static inline struct fan_slot *fan_queue_at(const struct fan_queue *q, size_t i)
{
	return &q->v.at[q->head + i];
}

/* Appends, with a reference of its own. 0 or -ENOMEM. */
int fan_queue_push(struct fan_queue *q, const struct fan_slot *s) MUST_USE;
/* The same before the first. */
int fan_queue_push_front(struct fan_queue *q, const struct fan_slot *s) MUST_USE;
/* Takes the first out; the reference goes to the caller. */
bool fan_queue_pop(struct fan_queue *q, struct fan_item *out);
/* Time from the first to the last item, 0 for a jump back. */
int64_t fan_queue_us(const struct fan_queue *q);
/* Keeps the items for which keep() is true, in order; returns how many went. */
size_t fan_queue_filter(struct fan_queue *q, bool (*keep)(void *arg, const struct fan_slot *s),
			void *arg);
/* Drops all; returns how many. */
size_t fan_queue_clear(struct fan_queue *q);
void fan_queue_finish(struct fan_queue *q);

#endif
