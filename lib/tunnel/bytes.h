/* What streams keep their bytes in: rings of bytes addressed by stream offset, sets of offset
 * ranges, a map from ids to objects; and a heap of their timers. Pure containers; only for tunnel. */
#ifndef GEX_TUNNEL_BYTES_H
#define GEX_TUNNEL_BYTES_H

#include "base/base.h"
#include <sys/uio.h>

/* ---- pool: the chunks that the rings of a tunnel share. What a burst used is kept for the next one
 * as long as these follow each other; what nothing has needed for a while goes back to the kernel.
 * ---- */

#define TN_CHUNK 4096
#define TN_POOL_AGE_US (250 * MS_US)

struct tn_pool {
	struct list open;	  /* slabs of chunks, with some to give */
	size_t slabs, used, peak; /* used: chunks; peak: of it, since aged_us */
	int64_t aged_us;
};

void tn_pool_init(struct tn_pool *pool);
uint8_t *tn_pool_take(struct tn_pool *pool);		 /* TN_CHUNK bytes, or NULL */
void tn_pool_give(struct tn_pool *pool, uint8_t *chunk); /* NULL is allowed */
/* Now and then. */
void tn_pool_age(struct tn_pool *pool, int64_t now_us);
void tn_pool_finish(struct tn_pool *pool); /* after all rings */

/* ---- ring: bytes of a stream from `start` on, in chunks that come with the first byte in them and go
 * with the last: nothing is copied when it grows, an empty one has nothing but its struct.
 * Zero-initialise. One ring, one pool. ---- */

#define TN_FEW 2

struct tn_ring {
	uint8_t **at; /* chunk n is at [n & (cap - 1)] */
	size_t cap;   /* a power of two; 0: `few` is the table */
	uint8_t *few[TN_FEW];
	uint64_t start;
};

/* Holds n bytes at offset off, which is not below start. -ENOMEM: some of them are held. */
int tn_ring_put(struct tn_ring *r, struct tn_pool *pool, uint64_t off, const void *data,
		size_t n) MUST_USE;
/* Bytes that were put. */
void tn_ring_get(const struct tn_ring *r, uint64_t off, void *out, size_t n);
/* The n bytes from start on, where they lie, in at most `max` pieces. Returns the number of these. */
unsigned tn_ring_peek(const struct tn_ring *r, size_t n, struct iovec *iov, unsigned max);
/* Forgets everything below `start`; empty: nothing is held above it either. */
void tn_ring_drop(struct tn_ring *r, struct tn_pool *pool, uint64_t start, bool empty);
void tn_ring_finish(struct tn_ring *r, struct tn_pool *pool); /* keeps start */

/* ---- spans: a sorted set of disjoint ranges [lo, hi) that do not touch. Zero-initialise. ---- */

struct tn_span {
	uint64_t lo, hi;
};

struct tn_spans {
	struct tn_span *at;
	size_t n, cap;
};

int tn_spans_add(struct tn_spans *s, uint64_t lo, uint64_t hi);	   /* -ENOMEM */
int tn_spans_remove(struct tn_spans *s, uint64_t lo, uint64_t hi); /* -ENOMEM: a split needs one */
/* The first part of [lo, hi) that is not in the set; false when all of it is. */
bool tn_spans_gap(const struct tn_spans *s, uint64_t lo, uint64_t hi, struct tn_span *gap);
bool tn_spans_has(const struct tn_spans *s, uint64_t x);
void tn_spans_finish(struct tn_spans *s);

/* ---- idmap: chained hash table with the links inside the objects. ---- */

struct tn_id {
	struct tn_id *next;
	uint64_t id;
};

struct tn_idmap {
	struct tn_id **at;
	size_t n, size; /* size: a power of two, or 0 */
};

int tn_idmap_put(struct tn_idmap *m, struct tn_id *e); /* -ENOMEM */
struct tn_id *tn_idmap_get(const struct tn_idmap *m, uint64_t id);
void tn_idmap_remove(struct tn_idmap *m, struct tn_id *e); /* not in it: nothing happens */
void tn_idmap_finish(struct tn_idmap *m);

/* ---- heap: timers, the earliest first, with the places inside the objects. ---- */

struct tn_timer {
	int64_t at_us;
	size_t slot; /* + 1; 0: not in the heap */
};

struct tn_heap {
	struct tn_timer **at;
	size_t n, cap;
};

int tn_heap_reserve(struct tn_heap *h, size_t n); /* room for n timers. -ENOMEM */
/* Puts it in, or to another time; NEVER_US takes it out. There must be room. */
void tn_heap_set(struct tn_heap *h, struct tn_timer *x, int64_t at_us);
void tn_heap_remove(struct tn_heap *h, struct tn_timer *x); /* not in it: nothing happens */
static inline struct tn_timer *tn_heap_first(const struct tn_heap *h)
{
	return h->n ? h->at[0] : NULL;
}
void tn_heap_finish(struct tn_heap *h);

#endif
