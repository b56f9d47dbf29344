#include "tunnel/bytes.h"
#include <errno.h>

#define AT_MASK ((uint64_t)TN_CHUNK - 1)

/* The table's place for the chunk that holds offset off. */
static uint8_t **slot(struct tn_ring *r, uint64_t off)
{
	uint64_t i = off / TN_CHUNK;

	return r->cap ? &r->at[i & (r->cap - 1)] : &r->few[i & (TN_FEW - 1)];
}

static const uint8_t *chunk(const struct tn_ring *r, uint64_t off)
{
	return *slot((struct tn_ring *)r, off);
}

/* Makes the table long enough for the chunks from start to `end`. */
static int reserve(struct tn_ring *r, uint64_t end)
{
	uint64_t first = r->start / TN_CHUNK, need = (end - 1) / TN_CHUNK - first + 1;
	size_t had = r->cap ? r->cap : TN_FEW;
	struct tn_ring big = {.start = r->start, .cap = had};

	if (need <= had)
		return 0;
	while (big.cap < need)
		big.cap *= 2;
	big.at = calloc(big.cap, sizeof(*big.at));
	if (!big.at)
		return -ENOMEM;
	for (uint64_t i = first; i < first + had; i++)
		*slot(&big, i * TN_CHUNK) = *slot(r, i * TN_CHUNK);
	free(r->at);
	*r = big;
	return 0;
}

int tn_ring_put(struct tn_ring *r, struct tn_pool *pool, uint64_t off, const void *data, size_t n)
{
	const uint8_t *from = data;

	if (n && reserve(r, off + n) < 0)
		return -ENOMEM;
	while (n) {
		size_t at = off & AT_MASK, piece = MIN(n, TN_CHUNK - at);
		uint8_t **c = slot(r, off);

		if (!*c && !(*c = tn_pool_take(pool)))
			return -ENOMEM;
		memcpy(*c + at, from, piece);
		off += piece;
		from += piece;
		n -= piece;
	}
	return 0;
}

void tn_ring_get(const struct tn_ring *r, uint64_t off, void *out, size_t n)
{
	uint8_t *to = out;

	while (n) {
		size_t at = off & AT_MASK, piece = MIN(n, TN_CHUNK - at);

		memcpy(to, chunk(r, off) + at, piece);
		off += piece;
		to += piece;
		n -= piece;
	}
}

unsigned tn_ring_peek(const struct tn_ring *r, size_t n, struct iovec *iov, unsigned max)
{
	uint64_t off = r->start;
	unsigned count = 0;

	while (n && count < max) {
		size_t at = off & AT_MASK, piece = MIN(n, TN_CHUNK - at);

		iov[count++] = (struct iovec){(uint8_t *)chunk(r, off) + at, piece};
		off += piece;
		n -= piece;
	}
	return count;
}

/* Gives back the chunks in the table that begin in [from, to). */
static void give_range(struct tn_ring *r, struct tn_pool *pool, uint64_t from, uint64_t to)
{
	for (uint64_t off = from & ~AT_MASK; off < to; off += TN_CHUNK) {
		uint8_t **c = slot(r, off);

		tn_pool_give(pool, *c);
		*c = NULL;
	}
}

void tn_ring_drop(struct tn_ring *r, struct tn_pool *pool, uint64_t start, bool empty)
{
	uint64_t all = (r->cap ? r->cap : TN_FEW) * (uint64_t)TN_CHUNK;
	uint64_t end = MIN(start, (r->start & ~AT_MASK) + all);

	if (empty) {
		tn_ring_finish(r, pool);
		r->start = start;
		return;
	}
	give_range(r, pool, r->start, MIN(end, start & ~AT_MASK));
	r->start = start;
}

void tn_ring_finish(struct tn_ring *r, struct tn_pool *pool)
{
	uint64_t first = r->start & ~AT_MASK;

	give_range(r, pool, first, first + (r->cap ? r->cap : TN_FEW) * (uint64_t)TN_CHUNK);
	free(r->at);
	r->at = NULL;
	r->cap = 0;
}
