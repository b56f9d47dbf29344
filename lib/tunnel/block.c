/* Repair: blocks of packets that are protected together. */
#include "tunnel/internal.h"
#include <errno.h>

#define PIECES_MAX 16	      /* of the urgent: more would have to wait for each other */
#define WINDOW_US (3 * MS_US) /* and not for longer */
#define DRY_US (2 * MS_US)    /* a burst is over when nothing follows for so long */
#define BURST_PARTS 4	      /* or when its block is older than this part of a round trip */

static uint64_t number_of(const struct tn_block *b, unsigned bit)
{
	return b->first + bit;
}

void tn_block_finish(struct tn_block *b)
{
	for (unsigned i = 0; i < b->rows; i++)
		free(b->row[i]);
	memset(b, 0, sizeof(*b));
}

static int64_t window_us(const struct tn_path *p, enum tn_guard guard)
{
	return guard == TN_GUARD_BURST ? MAX(p->srtt_us / BURST_PARTS, WINDOW_US) : WINDOW_US;
}

static unsigned pieces_max(enum tn_guard guard)
{
	return guard == TN_GUARD_BURST ? TN_RS_DATA : PIECES_MAX;
}

/* Its packets are not lost before that time and a round trip have passed. */
static void set_guard(const struct tn_path *p, const struct tn_block *b, int64_t at_us)
{
	for (uint64_t m = b->map; m; m &= m - 1) {
		uint64_t number = number_of(b, (unsigned)__builtin_ctzll(m));

		if (number >= p->low && number < p->next)
			tn_sent_slot(p, number)->guard_us = at_us;
	}
}

static void open_block(const struct tunnel *t, struct tn_path *p, struct tn_block *b,
		       enum tn_guard guard)
{
	struct tn_line l = tn_repair_line(p);
	unsigned rows = tn_plan_rows(&l, guard, pieces_max(guard));

	b->first = p->next;
	b->cap = tn_repair_space(p);
	b->since_us = t->now_us;
	b->close_us = t->now_us + window_us(p, guard);
	for (b->rows = 0; b->rows < rows; b->rows++) {
		b->row[b->rows] = tn_symbol_make(p, b->cap);
		if (!b->row[b->rows])
			break;
	}
}

static void close_block(const struct tunnel *t, struct tn_path *p, struct tn_block *b)
{
	struct tn_line l = tn_repair_line(p);
	unsigned m = b->k == 1 ? 1 : tn_plan_rows(&l, b->guard, b->k);
	bool burst = b->guard == TN_GUARD_BURST;
	int64_t last = burst ? t->now_us : b->since_us + tn_plan_offset(&l, b->guard, 0);

	m = MIN(m, b->rows);
	for (unsigned i = 0; i < m; i++)
		if (!tn_repair_pay(&p->repair, b->guard, b->len))
			m = i;
	set_guard(p, b, m ? MAX(last, t->now_us) : 0);
	for (unsigned i = 0; i < m; i++) {
		struct tn_symbol *y = b->row[i];

		y->first = b->first;
		y->map = b->map;
		y->path = (uint8_t)p->number;
		y->index = (uint8_t)i;
		y->len = (uint16_t)b->len;
		y->due_us = b->since_us + (last - b->since_us) * (i + 1) / m;
		if (b->k == 1) { /* a copy, without the length */
			y->len -= TN_PIECE_HEAD;
			memmove(y->data, y->data + TN_PIECE_HEAD, y->len);
		}
		(burst ? tn_symbol_queue_bulk : tn_symbol_queue)(p, y);
		b->row[i] = NULL;
	}
	tn_block_finish(b);
}

void tn_block_add(const struct tunnel *t, struct tn_path *p, struct tn_block *b, const void *plain,
		  size_t n, enum tn_guard guard)
{
	uint8_t piece[TN_PIECE_HEAD + TUNNEL_DGRAM_MAX], all[TN_RS_ROWS], *sum[TN_RS_ROWS];
	struct wr w = wr_of(piece, sizeof(piece));

	if (b->k &&
	    (p->next - b->first >= TN_RS_DATA || b->guard != guard || TN_PIECE_HEAD + n > b->cap))
		close_block(t, p, b);
	if (TN_PIECE_HEAD + n > tn_repair_space(p))
		return;
	if (b->k == 0)
		open_block(t, p, b, guard);
	b->guard = guard;
	wr_u16(&w, (uint16_t)n);
	wr_bytes(&w, plain, n);
	for (unsigned i = 0; i < b->rows; i++) {
		sum[i] = b->row[i]->data;
		all[i] = (uint8_t)i;
	}
	if (b->rows)
		tn_rs_add(sum, all, b->rows, b->k, piece, wr_len(&w));
	b->k++;
	b->map |= UINT64_C(1) << (p->next - b->first);
	b->len = MAX(b->len, wr_len(&w));
	if (b->rows)
		tn_sent_slot(p, p->next)->guard_us = b->close_us;
	if (b->k == pieces_max(guard))
		b->close_us = t->now_us; /* once this packet is among those sent */
}

void tn_block_dry(const struct tunnel *t, struct tn_path *p, bool dry)
{
	struct tn_block *b = &p->repair.burst;

	if (b->k && b->k < TN_RS_DATA)
		b->close_us = MIN(b->since_us + window_us(p, TN_GUARD_BURST),
				  dry ? t->now_us + DRY_US : NEVER_US);
}

int64_t tn_block_due(const struct tn_block *b)
{
	return b->k ? b->close_us : NEVER_US;
}

void tn_block_timer(const struct tunnel *t, struct tn_path *p, struct tn_block *b)
{
	if (tn_block_due(b) <= t->now_us)
		close_block(t, p, b);
}
