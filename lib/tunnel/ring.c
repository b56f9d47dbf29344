#include "tunnel/bytes.h"
#include <errno.h>

#define RING_MIN 2048
#define RING_KEEP 8192 /* an empty ring of at most so much keeps its memory */

static void copy_in(struct tn_ring *r, uint64_t off, const uint8_t *data, size_t n)
{
	size_t at = off & (r->cap - 1), first = MIN(n, r->cap - at);

	memcpy(r->p + at, data, first);
	memcpy(r->p, data + first, n - first);
}

int tn_ring_reserve(struct tn_ring *r, uint64_t end)
{
	uint64_t need = end - r->start;
	struct tn_ring big = {.start = r->start, .cap = MAX(r->cap, (size_t)RING_MIN)};

	if (need <= r->cap)
		return 0;
	while (big.cap < need)
		big.cap *= 2;
	big.p = malloc(big.cap);
	if (!big.p)
		return -ENOMEM;
	if (r->cap) {
		size_t at = r->start & (r->cap - 1);

		copy_in(&big, r->start, r->p + at, r->cap - at);
		copy_in(&big, r->start + r->cap - at, r->p, at);
	}
	free(r->p);
	*r = big;
	return 0;
}

void tn_ring_put(struct tn_ring *r, uint64_t off, const void *data, size_t n)
{
	if (n)
		copy_in(r, off, data, n);
}

void tn_ring_get(const struct tn_ring *r, uint64_t off, void *out, size_t n)
{
	size_t at, first;

	if (n == 0)
		return;
	at = off & (r->cap - 1);
	first = MIN(n, r->cap - at);
	memcpy(out, r->p + at, first);
	memcpy((uint8_t *)out + first, r->p, n - first);
}

size_t tn_ring_peek(const struct tn_ring *r, size_t n, const void **data)
{
	size_t at;

	if (n == 0 || r->cap == 0)
		return 0;
	at = r->start & (r->cap - 1);
	*data = r->p + at;
	return MIN(n, r->cap - at);
}

void tn_ring_drop(struct tn_ring *r, uint64_t start, bool empty)
{
	r->start = start;
	if (empty && r->cap > RING_KEEP)
		tn_ring_finish(r);
}

void tn_ring_finish(struct tn_ring *r)
{
	free(r->p);
	r->p = NULL;
	r->cap = 0;
}
