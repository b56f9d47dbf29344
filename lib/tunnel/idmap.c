#include "tunnel/bytes.h"
#include <errno.h>

static struct tn_id **slot(const struct tn_idmap *m, uint64_t id)
{
	return &m->at[(id * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (m->size - 1)];
}

static int grow(struct tn_idmap *m)
{
	struct tn_idmap big = {.size = m->size ? m->size * 2 : 16};

	big.at = calloc(big.size, sizeof(*big.at));
	if (!big.at)
		return -ENOMEM;
	for (size_t i = 0; i < m->size; i++) {
		struct tn_id *e, *next;

		for (e = m->at[i]; e; e = next) {
			struct tn_id **to = slot(&big, e->id);

			next = e->next;
			e->next = *to;
			*to = e;
		}
	}
	big.n = m->n;
	free(m->at);
	*m = big;
	return 0;
}

int tn_idmap_put(struct tn_idmap *m, struct tn_id *e)
{
	struct tn_id **to;

	if (m->n >= m->size && grow(m) < 0)
		return -ENOMEM;
	to = slot(m, e->id);
	e->next = *to;
	*to = e;
	m->n++;
	return 0;
}

struct tn_id *tn_idmap_get(const struct tn_idmap *m, uint64_t id)
{
	struct tn_id *e;

	if (!m->size)
		return NULL;
	for (e = *slot(m, id); e && e->id != id; e = e->next)
		;
	return e;
}

void tn_idmap_remove(struct tn_idmap *m, struct tn_id *e)
{
	struct tn_id **at;

	if (!m->size)
		return;
	for (at = slot(m, e->id); *at && *at != e; at = &(*at)->next)
		;
	if (!*at)
		return;
	*at = e->next;
	m->n--;
}

void tn_idmap_finish(struct tn_idmap *m)
{
	free(m->at);
	memset(m, 0, sizeof(*m));
}
