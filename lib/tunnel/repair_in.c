/* Repair: the receiver. What came of blocks is kept for a while, and so are symbols that do not
 * suffice yet. */
#include "tunnel/internal.h"
#include <errno.h>

#define KEEP_US (2 * SEC_US) /* without news, nothing is kept for longer */

static bool have(const struct tn_path *p, uint64_t number)
{
	return crypt_replay_seen(&p->replay, number) || crypt_replay_seen(&p->mended, number);
}

/* What was lost passes as if it had come. */
static int recover(struct tunnel *t, struct tn_path *p, uint64_t number, const void *data, size_t n)
{
	enum tn_wants wants;
	int r;

	crypt_replay_mark(&p->mended, number);
	t->stats.repair_recovered++;
	t->mending = true;
	r = tn_frames_take(t, p, &p->at, data, n, &wants);
	t->mending = false;
	if (r == 0)
		tn_ack_received(p, number, wants, t->now_us);
	p->relay_ack = p->relay_ack || (wants && p->state != TN_PATH_UP);
	return r;
}

/* ---- what is kept ---- */

static void forget(struct tn_mend *m, unsigned i)
{
	free(m->symbol[i]);
	m->symbol[i] = m->symbol[--m->n];
}

void tn_mend_finish(struct tn_mend *m)
{
	while (m->n)
		forget(m, m->n - 1);
	for (size_t i = 0; m->kept && i < TN_KEPT; i++)
		free(m->kept[i].data);
	free(m->kept);
	m->kept = NULL;
}

void tn_mend_timer(struct tn_path *p, int64_t now_us)
{
	if (p->mend.used_us + KEEP_US <= now_us)
		tn_mend_finish(&p->mend);
}

static const struct tn_kept *kept(const struct tn_path *p, uint64_t number)
{
	const struct tn_kept *k = p->mend.kept ? &p->mend.kept[number % TN_KEPT] : NULL;

	return k && k->data && k->number == number ? k : NULL;
}

/* ---- blocks ---- */

struct block {
	uint8_t at[TN_RS_ROWS], row[TN_RS_ROWS], *sum[TN_RS_ROWS];
	uint64_t number[TN_RS_ROWS]; /* of those that are missing */
	unsigned lost, rows;
	size_t len;
};

/* What is missing of the symbol's block; false when that is more than can be recovered. */
static bool missing(const struct tn_path *p, const struct tn_symbol *y, struct block *b)
{
	unsigned at = 0;

	b->lost = 0;
	for (uint64_t m = y->map; m; m &= m - 1, at++) {
		uint64_t number = y->first + (unsigned)__builtin_ctzll(m);

		if (have(p, number))
			continue;
		if (b->lost == TN_RS_ROWS)
			return false;
		b->at[b->lost] = (uint8_t)at;
		b->number[b->lost++] = number;
	}
	return true;
}

/* Takes the pieces that are there out of the sums; false when one is not kept any more. */
static bool subtract(const struct tn_path *p, const struct tn_symbol *y, struct block *b)
{
	unsigned at = 0;

	for (uint64_t m = y->map; m; m &= m - 1, at++) {
		uint64_t number = y->first + (unsigned)__builtin_ctzll(m);
		const struct tn_kept *k;

		if (!have(p, number))
			continue;
		k = kept(p, number);
		if (!k || k->len > b->len)
			return false;
		tn_rs_add(b->sum, b->row, b->rows, at, k->data, k->len);
	}
	return true;
}

static bool same_block(const struct tn_symbol *a, const struct tn_symbol *b)
{
	return a->first == b->first && a->map == b->map;
}

static void forget_block(struct tn_mend *m, const struct tn_symbol *y)
{
	uint64_t first = y->first, map = y->map; /* y may be one of them */

	for (unsigned i = m->n; i-- > 0;)
		if (m->symbol[i]->first == first && m->symbol[i]->map == map)
			forget(m, i);
}

/* Copies of as many symbols of the block of y as are needed become its missing pieces. False: they do
 * not. */
static bool solve(const struct tn_path *p, const struct tn_symbol *y, struct block *b,
		  uint8_t *into)
{
	const struct tn_mend *m = &p->mend;

	b->rows = 0;
	b->len = y->len;
	for (unsigned i = 0; i < m->n && b->rows < b->lost; i++) {
		if (!same_block(m->symbol[i], y) || m->symbol[i]->len != y->len)
			continue;
		b->row[b->rows] = m->symbol[i]->index;
		b->sum[b->rows] = into + b->rows * b->len;
		memcpy(b->sum[b->rows++], m->symbol[i]->data, b->len);
	}
	return b->rows == b->lost && subtract(p, y, b) &&
	       tn_rs_solve(b->sum, b->row, b->at, b->lost, b->len) == 0;
}

/* What is recovered may change everything, so nothing of the block is used after that. */
static int recover_all(struct tunnel *t, struct tn_path *p, const struct tn_symbol *y,
		       struct block *b)
{
	uint8_t *into = malloc((size_t)b->lost * y->len);
	bool ok = into && solve(p, y, b, into);
	int r = 0;

	forget_block(&p->mend, y);
	t->stats.repair_failed += !ok;
	for (unsigned i = 0; ok && i < b->lost && r == 0; i++) {
		size_t n = (size_t)b->sum[i][0] << 8 | b->sum[i][1];

		if (n + 2 <= b->len)
			r = recover(t, p, b->number[i], b->sum[i] + 2, n);
	}
	free(into);
	return r;
}

/* Recovers the block of a symbol that waits, if it can be now. */
static int try_block(struct tunnel *t, struct tn_path *p, const struct tn_symbol *y)
{
	unsigned n = 0;
	struct block b;
	bool possible = missing(p, y, &b);

	for (unsigned i = 0; i < p->mend.n; i++)
		n += same_block(p->mend.symbol[i], y);
	if (possible && b.lost > n)
		return 0;
	if (possible && b.lost)
		return recover_all(t, p, y, &b);
	forget_block(&p->mend, y);
	return 0;
}

int tn_mend_keep(struct tunnel *t, struct tn_path *p, uint64_t number, const uint8_t *data,
		 size_t n)
{
	struct tn_mend *m = &p->mend;
	struct tn_kept *k;

	m->used_us = t->now_us;
	if (!m->kept)
		m->kept = calloc(TN_KEPT, sizeof(*m->kept));
	if (!m->kept)
		return 0;
	k = &m->kept[number % TN_KEPT];
	free(k->data);
	k->data = malloc(2 + n);
	if (!k->data)
		return 0;
	k->number = number;
	k->len = 2 + n;
	k->data[0] = (uint8_t)(n >> 8);
	k->data[1] = (uint8_t)n;
	memcpy(k->data + 2, data, n);
	for (unsigned i = 0; i < m->n; i++) {
		const struct tn_symbol *y = m->symbol[i];

		if (number - y->first < 64 && y->map >> (number - y->first) & 1)
			return try_block(t, p, y);
	}
	return 0;
}

int tn_repair_input(struct tunnel *t, struct tn_path *p, const struct tn_symbol *head,
		    const uint8_t *data)
{
	struct tn_mend *m = &p->mend;
	struct tn_symbol *y;
	struct block b;

	t->stats.repair_received++;
	if (missing(p, head, &b) && b.lost == 0) {
		t->stats.repair_wasted++;
		return 0;
	}
	if (head->map == 1)
		return recover(t, p, head->first, data, head->len);
	for (unsigned i = 0; i < m->n; i++)
		if (same_block(m->symbol[i], head) && m->symbol[i]->index == head->index)
			return 0;
	if (m->n == TN_SYMBOLS)
		forget_block(m, m->symbol[0]);
	y = malloc(sizeof(*y) + head->len);
	if (!y)
		return 0;
	*y = *head;
	memcpy(y->data, data, head->len);
	m->symbol[m->n++] = y;
	m->used_us = t->now_us;
	return try_block(t, p, y);
}
