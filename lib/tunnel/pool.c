/* Chunks come in slabs straight from the kernel, aligned so that a chunk finds its own, and a slab
 * goes back whole: with malloc a burst's memory would stay, pinned by what was allocated after it. */
#include "tunnel/bytes.h"
#include <sys/mman.h>

#define SLAB_SIZE ((size_t)64 * TN_CHUNK)
#define SLAB_CHUNKS 63 /* the first one's place is the slab's own */
#define SLABS_AGED 16  /* given back at a time: others want their turn */

struct chunk {
	struct chunk *next;
};

struct slab {
	struct list link;	  /* in pool->open while it has a chunk to give; the unused last */
	struct chunk *spare;	  /* given back */
	unsigned used, untouched; /* chunks */
};

void tn_pool_init(struct tn_pool *pool)
{
	*pool = (struct tn_pool){0};
	list_init(&pool->open);
}

static void slab_free(struct tn_pool *pool, struct slab *s)
{
	list_remove(&s->link);
	pool->slabs--;
	munmap(s, SLAB_SIZE);
}

/* Twice the size, and what is too much on both sides goes back. */
static struct slab *slab_create(struct tn_pool *pool)
{
	uint8_t *p = mmap(NULL, 2 * SLAB_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct slab *s;

	if (p == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)p & (SLAB_SIZE - 1);

	if (before)
		munmap(p, before);
	s = (struct slab *)(p + before);
	munmap(p + before + SLAB_SIZE, SLAB_SIZE - before);
	s->untouched = SLAB_CHUNKS;
	list_append(&pool->open, &s->link);
	pool->slabs++;
	return s;
}

uint8_t *tn_pool_take(struct tn_pool *pool)
{
	struct slab *s = list_first(&pool->open, struct slab, link);
	struct chunk *c;

	if (!s && !(s = slab_create(pool)))
		return NULL;
	c = s->spare;
	if (c)
		s->spare = c->next;
	else
		c = (struct chunk *)((uint8_t *)s + TN_CHUNK * (size_t)s->untouched--);
	if (++s->used == SLAB_CHUNKS)
		list_remove(&s->link);
	pool->used++;
	pool->peak = MAX(pool->peak, pool->used);
	return (uint8_t *)c;
}

void tn_pool_give(struct tn_pool *pool, uint8_t *p)
{
	struct slab *s = (struct slab *)((uintptr_t)p & ~(uintptr_t)(SLAB_SIZE - 1));
	struct chunk *c = (struct chunk *)p;

	if (!p)
		return;
	c->next = s->spare;
	s->spare = c;
	pool->used--;
	if (s->used-- == SLAB_CHUNKS)
		list_insert(&pool->open, &s->link);
	if (s->used)
		return;
	list_remove(&s->link);
	list_append(&pool->open, &s->link);
}

void tn_pool_age(struct tn_pool *pool, int64_t now_us)
{
	size_t keep = pool->peak / SLAB_CHUNKS + 1;

	if (now_us < pool->aged_us + TN_POOL_AGE_US)
		return;
	for (unsigned i = 0; i < SLABS_AGED && pool->slabs > keep; i++) {
		struct slab *s = list_last(&pool->open, struct slab, link);

		if (!s || s->used)
			break;
		slab_free(pool, s);
	}
	pool->aged_us = now_us;
	pool->peak = pool->used;
}

void tn_pool_finish(struct tn_pool *pool)
{
	struct slab *s;

	while (pool->slabs && (s = list_last(&pool->open, struct slab, link)) != NULL)
		slab_free(pool, s);
}
