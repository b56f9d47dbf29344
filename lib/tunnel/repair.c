/* Repair: the sender. */
#include "tunnel/internal.h"
#include <errno.h>

#define STEP_US (3 * MS_US) /* between a packet and its copy, and between copies */
#define COPIES_MAX 3

/* Later than this a symbol is worth less than what is sent again. */
static int64_t step_us(const struct tn_path *p)
{
	return CLAMP(p->srtt_us / 8, (int64_t)1, STEP_US);
}

/* How many copies a packet gets: part of them is owed to the next. */
static unsigned copies(struct tn_path *p, enum tn_guard guard)
{
	uint32_t *part = &p->repair.part[guard - TN_GUARD_FLOW];
	unsigned n;

	*part += 1 << 16;
	n = *part >> 16;
	*part &= 0xffff;
	return MIN(n, COPIES_MAX);
}

/* Bytes of frames in a packet. */
static size_t space(const struct tn_path *p)
{
	return p->dgram - TN_HEADER_LEN - CRYPT_TAG_LEN;
}

static struct tn_symbol *symbol_make(struct tn_path *p, size_t len)
{
	struct tn_symbol *y;

	if (p->repair.bytes + len > TN_REPAIR_BYTES)
		return NULL;
	y = calloc(1, sizeof(*y) + len);
	if (!y)
		return NULL;
	y->len = (uint16_t)len;
	p->repair.bytes += len;
	return y;
}

static void queue(struct tn_repair *r, struct tn_symbol *y)
{
	struct tn_symbol **at = &r->first;

	while (*at && (*at)->due_us <= y->due_us)
		at = &(*at)->next;
	y->next = *at;
	*at = y;
}

static void drop_first(struct tn_repair *r)
{
	struct tn_symbol *y = r->first;

	r->first = y->next;
	r->bytes -= y->len;
	free(y);
}

void tn_repair_finish(struct tn_repair *r)
{
	while (r->first)
		drop_first(r);
}

void tn_repair_take(struct tunnel *t, struct tn_path *p, struct tn_sent *s, uint64_t number,
		    const void *plain, size_t n, enum tn_guard guard)
{
	int64_t step = step_us(p);
	unsigned m = n + TN_REPAIR_HEAD <= space(p) ? copies(p, guard) : 0;

	for (unsigned i = 0; i < m; i++) {
		struct tn_symbol *y = symbol_make(p, n);

		if (!y)
			return;
		y->first = number;
		y->map = 1;
		y->path = (uint8_t)p->number;
		y->index = (uint8_t)i;
		y->due_us = t->now_us + (i + 1) * step;
		memcpy(y->data, plain, n);
		queue(&p->repair, y);
		s->guard_us = y->due_us;
	}
}

/* All that it covers has been acknowledged, or the path has become too narrow for it. */
static bool needless(const struct tunnel *t, const struct tn_path *via, const struct tn_symbol *y)
{
	const struct tn_path *p = t->path[y->path];

	return !p || space(via) < TN_REPAIR_HEAD + (size_t)y->len || y->first < p->low ||
	       tn_spans_has(&p->acked, y->first);
}

static void drop_needless(const struct tunnel *t, struct tn_path *p)
{
	struct tn_repair *r = &p->repair;

	while (r->first && r->first->due_us <= t->now_us && needless(t, p, r->first))
		drop_first(r);
}

int64_t tn_repair_due(const struct tunnel *t, struct tn_path *p)
{
	drop_needless(t, p);
	return tn_repair_wake(p);
}

int64_t tn_repair_wake(const struct tn_path *p)
{
	return p->repair.first ? p->repair.first->due_us : NEVER_US;
}

/* REPAIR: [path], number (how far back, or in full), [length], symbol. */
bool tn_repair_put(struct tunnel *t, struct tn_path *p, struct wr *w)
{
	struct tn_symbol *y;
	uint64_t number;
	bool other;

	if (tn_repair_due(t, p) > t->now_us)
		return false;
	y = p->repair.first;
	other = y->path != p->number;
	number = other ? y->first : p->next - y->first;
	if (wr_left(w) < 2 + varint_len(number) + 2 + y->len)
		return false;
	wr_u8(w, (uint8_t)(TN_F_REPAIR | (other ? TN_F_REPAIR_PATH : 0)));
	if (other)
		wr_varint(w, y->path);
	wr_varint(w, number);
	wr_varint(w, y->len);
	wr_bytes(w, y->data, y->len);
	t->stats.repair_packets_sent++;
	t->stats.repair_bytes_sent += y->len;
	drop_first(&p->repair);
	return true;
}
