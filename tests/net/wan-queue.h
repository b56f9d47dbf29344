/* wan-queue: the packets on their way in one direction of the link, ordered by the time they are
 * due and, at the same time, by arrival. Bounded: all memory is reserved by wan_queue_init and a
 * full queue gives no slot. Packets are read straight into a slot and written straight out of it.
 */
#ifndef GEX_TESTS_WAN_QUEUE_H
#define GEX_TESTS_WAN_QUEUE_H

#include "base/base.h"

#include <errno.h>
#include <sys/mman.h>

struct wan_entry {
	int64_t due_ns;
	uint64_t seq;
	uint32_t slot, len;
};

struct wan_queue {
	struct wan_entry *heap; /* smallest first */
	uint32_t *free;		/* last given back, first taken: few pages stay warm */
	uint8_t *memory;
	size_t slot_size;
	uint32_t len, free_len, cap, max;
	uint64_t seq;
};

static inline void wan_queue_finish(struct wan_queue *q)
{
	if (q->memory)
		munmap(q->memory, q->cap * q->slot_size);
	free(q->heap);
	free(q->free);
	*q = (struct wan_queue){0};
}

/* cap packets of at most size bytes. Returns 0 or -ENOMEM. Pages cost nothing until they are used.
 */
static inline int wan_queue_init(struct wan_queue *q, uint32_t cap, size_t size)
{
	void *memory;
	uint32_t i;

	*q = (struct wan_queue){.cap = cap, .slot_size = (size + 63) / 64 * 64};
	memory = mmap(NULL, cap * q->slot_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	q->memory = memory == MAP_FAILED ? NULL : memory;
	q->heap = calloc(cap, sizeof(*q->heap));
	q->free = calloc(cap, sizeof(*q->free));
	if (!q->memory || !q->heap || !q->free) {
		wan_queue_finish(q);
		return -ENOMEM;
	}
	for (i = 0; i < cap; i++)
		q->free[q->free_len++] = cap - 1 - i;
	return 0;
}

static inline uint8_t *wan_slot(const struct wan_queue *q, uint32_t slot)
{
	return q->memory + slot * q->slot_size;
}

/* Takes a slot to fill; false when all are in use. It goes on with wan_push or back with wan_give.
 */
static inline bool wan_take(struct wan_queue *q, uint32_t *slot)
{
	if (!q->free_len)
		return false;
	*slot = q->free[--q->free_len];
	return true;
}

static inline void wan_give(struct wan_queue *q, uint32_t slot)
{
	q->free[q->free_len++] = slot;
}

static inline bool wan_before(const struct wan_entry *a, const struct wan_entry *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static inline void wan_push(struct wan_queue *q, uint32_t slot, size_t len, int64_t due_ns)
{
	struct wan_entry e = {due_ns, q->seq++, slot, (uint32_t)len};
	uint32_t i = q->len++, up;

	while (i && wan_before(&e, &q->heap[up = (i - 1) / 2])) {
		q->heap[i] = q->heap[up];
		i = up;
	}
	q->heap[i] = e;
	q->max = MAX(q->max, q->len);
}

/* Takes out the first entry; the queue must not be empty. The caller gives its slot back. */
static inline struct wan_entry wan_pop(struct wan_queue *q)
{
	struct wan_entry first = q->heap[0], e = q->heap[--q->len];
	uint32_t i = 0, down;

	while ((down = 2 * i + 1) < q->len) {
		if (down + 1 < q->len && wan_before(&q->heap[down + 1], &q->heap[down]))
			down++;
		if (!wan_before(&q->heap[down], &e))
			break;
		q->heap[i] = q->heap[down];
		i = down;
	}
	q->heap[i] = e;
	return first;
}

static inline int64_t wan_next_due(const struct wan_queue *q)
{
	return q->len ? q->heap[0].due_ns : INT64_MAX;
}

#endif
