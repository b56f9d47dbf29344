#include "tunnel/bytes.h"
#include <errno.h>

int tn_heap_reserve(struct tn_heap *h, size_t n)
{
	if (n > h->cap && vec_reserve_((void **)&h->at, &h->cap, n, sizeof(*h->at)))
		return -ENOMEM;
	return 0;
}

static void put(struct tn_heap *h, size_t i, struct tn_timer *x)
{
	h->at[i] = x;
	x->slot = i + 1;
}

static void up(struct tn_heap *h, size_t i, struct tn_timer *x)
{
	for (; i && x->at_us < h->at[(i - 1) / 2]->at_us; i = (i - 1) / 2)
		put(h, i, h->at[(i - 1) / 2]);
	put(h, i, x);
}

static void down(struct tn_heap *h, size_t i, struct tn_timer *x)
{
	for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
		if (c + 1 < h->n && h->at[c + 1]->at_us < h->at[c]->at_us)
			c++;
		if (h->at[c]->at_us >= x->at_us)
			break;
		put(h, i, h->at[c]);
	}
	put(h, i, x);
}

static void settle(struct tn_heap *h, size_t i, struct tn_timer *x)
{
	if (i && x->at_us < h->at[(i - 1) / 2]->at_us)
		up(h, i, x);
	else
		down(h, i, x);
}

void tn_heap_remove(struct tn_heap *h, struct tn_timer *x)
{
	size_t i = x->slot - 1;
	struct tn_timer *last;

	if (!x->slot)
		return;
	x->slot = 0;
	last = h->at[--h->n];
	if (last != x)
		settle(h, i, last);
}

void tn_heap_set(struct tn_heap *h, struct tn_timer *x, int64_t at_us)
{
	x->at_us = at_us;
	if (at_us == NEVER_US)
		tn_heap_remove(h, x);
	else if (x->slot)
		settle(h, x->slot - 1, x);
	else
		up(h, h->n++, x);
}

void tn_heap_finish(struct tn_heap *h)
{
	free(h->at);
	memset(h, 0, sizeof(*h));
}
