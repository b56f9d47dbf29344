#include "tunnel/bytes.h"
#include <errno.h>

/* The first span whose end is beyond x. */
static size_t find(const struct tn_spans *s, uint64_t x)
{
	size_t lo = 0, hi = s->n;

	if (s->n && s->at[s->n - 1].hi <= x)
		return s->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->at[mid].hi <= x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int insert_at(struct tn_spans *s, size_t i, struct tn_span x)
{
	if (s->n == s->cap && vec_reserve_((void **)&s->at, &s->cap, s->n + 1, sizeof(*s->at)))
		return -ENOMEM;
	memmove(&s->at[i + 1], &s->at[i], (s->n - i) * sizeof(*s->at));
	s->at[i] = x;
	s->n++;
	return 0;
}

static void erase(struct tn_spans *s, size_t i, size_t n)
{
	if (n == 0)
		return;
	memmove(&s->at[i], &s->at[i + n], (s->n - i - n) * sizeof(*s->at));
	s->n -= n;
}

int tn_spans_add(struct tn_spans *s, uint64_t lo, uint64_t hi)
{
	size_t i, j;

	if (lo >= hi)
		return 0;
	i = lo ? find(s, lo - 1) : 0; /* the first that touches or lies beyond */
	if (i == s->n || s->at[i].lo > hi)
		return insert_at(s, i, (struct tn_span){lo, hi});
	for (j = i; j + 1 < s->n && s->at[j + 1].lo <= hi; j++)
		;
	s->at[i].lo = MIN(s->at[i].lo, lo);
	s->at[i].hi = MAX(s->at[j].hi, hi);
	erase(s, i + 1, j - i);
	return 0;
}

int tn_spans_remove(struct tn_spans *s, uint64_t lo, uint64_t hi)
{
	size_t i, j;

	if (lo >= hi)
		return 0;
	i = find(s, lo);
	if (i < s->n && s->at[i].lo < lo) {
		struct tn_span rest = {hi, s->at[i].hi};

		if (rest.lo < rest.hi && insert_at(s, i + 1, rest) < 0)
			return -ENOMEM;
		s->at[i].hi = lo;
		i++;
	}
	for (j = i; j < s->n && s->at[j].hi <= hi; j++)
		;
	erase(s, i, j - i);
	if (i < s->n && s->at[i].lo < hi)
		s->at[i].lo = hi;
	return 0;
}

bool tn_spans_gap(const struct tn_spans *s, uint64_t lo, uint64_t hi, struct tn_span *gap)
{
	size_t i = find(s, lo);

	if (i < s->n && s->at[i].lo <= lo)
		lo = s->at[i++].hi;
	if (lo >= hi)
		return false;
	gap->lo = lo;
	gap->hi = i < s->n ? MIN(hi, s->at[i].lo) : hi;
	return true;
}

bool tn_spans_has(const struct tn_spans *s, uint64_t x)
{
	size_t i = find(s, x);

	return i < s->n && s->at[i].lo <= x;
}

void tn_spans_finish(struct tn_spans *s)
{
	free(s->at);
	memset(s, 0, sizeof(*s));
}
