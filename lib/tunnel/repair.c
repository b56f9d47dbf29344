/* Repair: copies, and the symbols that wait to be sent. */
#include "tunnel/internal.h"
#include <errno.h>

#define CREDIT_MAX (64 * 1024)
#define NEAR_US MS_US /* a round trip; and how much may be lost there */
#define NEAR_PPM 50000
/* Of bulk that passes beside, either way, so much may be spent on what is urgent; when it has paused
 * for so long, it does not pass any more. */
#define BESIDE_PCT 2
#define BESIDE_US (200 * MS_US)
#define RICH (8 * 1024)
#define EXPIRED_US (200 * MS_US) /* what could not be sent so long after its time is not worth it */

/* The peer is in the same house: what is lost there is lost by full queues, which more packets do not
 * make shorter, and is sent again within milliseconds. */
static bool near(const struct tn_path *p)
{
	return p->min_rtt_us < NEAR_US && tn_loss_ppm(&p->loss) < NEAR_PPM;
}

struct tn_line tn_repair_line(const struct tn_path *p)
{
	bool needless = tn_reliable(p) || near(p);

	return (struct tn_line){.ppm = needless ? 0 : tn_loss_ppm(&p->loss),
				.burst_us = p->burst_us,
				.rtt_us = p->srtt_us,
				.unsure = !needless && tn_loss_unsure(&p->loss),
				.rich = p->repair.beside >= RICH};
}

size_t tn_repair_space(const struct tn_path *p)
{
	return p->dgram - TN_HEADER_LEN - CRYPT_TAG_LEN - TN_REPAIR_HEAD;
}

/* ---- the budget ---- */

/* What may be spent of the bytes that are protected, in percent, where nobody says. */
static const int usual[] = {
    [TN_GUARD_BURST] = 25, [TN_GUARD_AGAIN] = 300, [TN_GUARD_FLOW] = 250, [TN_GUARD_STREAM] = 450};

static void earn(struct tn_repair *r, enum tn_guard guard, size_t n, int percent)
{
	int64_t more = (int64_t)n * (percent ? percent : usual[guard]) / 100;

	r->credit[guard] = MIN(r->credit[guard] + more, CREDIT_MAX);
}

void tn_repair_beside(struct tn_path *p, size_t n, int64_t now_us)
{
	struct tn_repair *r = &p->repair;

	if (now_us - r->beside_us > BESIDE_US)
		r->beside = 0;
	r->beside_us = now_us;
	r->beside = MIN(r->beside + (int64_t)n * BESIDE_PCT / 100, CREDIT_MAX);
}

bool tn_repair_pay(struct tn_repair *r, enum tn_guard guard, size_t n)
{
	if (guard >= TN_GUARD_FLOW && r->beside >= RICH) {
		r->beside -= (int64_t)n;
		return true;
	}
	if (r->credit[guard] < (int64_t)n)
		return false;
	r->credit[guard] -= (int64_t)n;
	return true;
}

/* ---- the queues ---- */

struct tn_symbol *tn_symbol_make(struct tn_path *p, size_t len)
{
	struct tn_symbol *y;

	if (p->repair.bytes + len > TN_REPAIR_BYTES)
		return NULL;
	y = calloc(1, sizeof(*y) + len);
	if (y)
		y->len = (uint16_t)len;
	return y;
}

void tn_symbol_queue(struct tn_path *p, struct tn_symbol *y)
{
	struct tn_symbol **at = &p->repair.first;

	while (*at && (*at)->due_us <= y->due_us)
		at = &(*at)->next;
	y->next = *at;
	*at = y;
	p->repair.bytes += y->len;
}

void tn_symbol_queue_bulk(struct tn_path *p, struct tn_symbol *y)
{
	struct tn_repair *r = &p->repair;

	y->next = NULL;
	*(r->bulk ? &r->last->next : &r->bulk) = y;
	r->last = y;
	r->bytes += y->len;
}

static void drop(struct tn_repair *r, struct tn_symbol **at)
{
	struct tn_symbol *y = *at;

	*at = y->next;
	r->bytes -= y->len;
	free(y);
}

void tn_repair_finish(struct tn_repair *r)
{
	while (r->first)
		drop(r, &r->first);
	while (r->bulk)
		drop(r, &r->bulk);
	tn_block_finish(&r->block);
	tn_block_finish(&r->burst);
}

/* ---- what is sent is protected ---- */

/* Another path for the first copy: what takes the packet is not there, so that it goes at once. Not
 * one that is so much longer that sending again is as fast, unless all is sent on two. */
static struct tn_path *other_path(const struct tunnel *t, const struct tn_path *p, size_t n,
				  bool game)
{
	struct tn_path *by = tn_schedule_spare(t, p);

	if (!by || n > tn_repair_space(by) || (!game && by->srtt_us > 3 * p->srtt_us))
		return NULL;
	return by;
}

bool tn_repair_next(const struct tn_path *p)
{
	struct tn_line l = tn_repair_line(p);

	return p->repair.part[TN_GUARD_FLOW] + tn_plan_copies(&l, TN_GUARD_FLOW) >= 1 << 16;
}

/* How many copies a packet gets: part of one is owed to the next. */
static unsigned copies(struct tn_path *p, const struct tn_line *l, enum tn_guard guard)
{
	uint32_t *part = &p->repair.part[guard];
	unsigned n;

	*part += tn_plan_copies(l, guard);
	n = *part >> 16;
	*part &= 0xffff;
	return n;
}

static bool put_copy(const struct tn_path *p, struct tn_path *by, const void *plain, size_t n,
		     int64_t due_us)
{
	struct tn_symbol *y = tn_symbol_make(by, n);

	if (!y)
		return false;
	y->first = p->next;
	y->map = 1;
	y->path = (uint8_t)p->number;
	y->due_us = due_us;
	memcpy(y->data, plain, n);
	tn_symbol_queue(by, y);
	return true;
}

static void copy(struct tunnel *t, struct tn_path *p, struct tn_sent *s, const void *plain,
		 size_t n, enum tn_guard guard, bool game)
{
	struct tn_line l = tn_repair_line(p);
	struct tn_path *other = other_path(t, p, n, game);
	unsigned m = n <= tn_repair_space(p) ? copies(p, &l, guard) : 0;

	if (other && (m || game) && tn_repair_pay(&p->repair, guard, n) &&
	    put_copy(p, other, plain, n, t->now_us)) {
		s->crossed = true;
		s->guard_us = t->now_us + MAX(other->srtt_us - p->srtt_us, 0) / 2;
		m -= m > 0;
	}
	for (unsigned i = 0; i < m && tn_repair_pay(&p->repair, guard, n); i++) {
		int64_t at = t->now_us + tn_plan_offset(&l, guard, i);

		if (!put_copy(p, p, plain, n, at))
			return;
		s->guard_us = MAX(s->guard_us, at);
	}
}

void tn_repair_take(struct tunnel *t, struct tn_path *p, struct tn_sent *s, const void *plain,
		    size_t n, enum tn_guard guard, bool marked, bool game, int percent)
{
	struct tn_repair *r = &p->repair;

	if (t->now_us - r->beside_us > BESIDE_US)
		r->beside = 0;
	if (guard >= TN_GUARD_FLOW) {
		r->gap_us += (MIN(t->now_us - r->urgent_us, SEC_US) - r->gap_us) / 8;
		r->urgent_us = t->now_us;
	}
	earn(r, guard, n, percent);
	if (marked)
		tn_block_add(t, p, guard == TN_GUARD_BURST ? &r->burst : &r->block, plain, n,
			     guard);
	else
		copy(t, p, s, plain, n, guard, game);
}

/* ---- sending symbols ---- */

/* All that it covers has been acknowledged, or the path has become too narrow, or it is late. */
static bool needless(const struct tunnel *t, const struct tn_path *by, const struct tn_symbol *y)
{
	const struct tn_path *p = t->path[y->path];

	if (!p || tn_repair_space(by) < y->len || y->due_us + EXPIRED_US < t->now_us)
		return true;
	for (uint64_t m = y->map; m; m &= m - 1) {
		uint64_t number = y->first + (unsigned)__builtin_ctzll(m);

		if (number >= p->low && !tn_spans_has(&p->acked, number))
			return false;
	}
	return true;
}

int64_t tn_repair_wake(const struct tn_path *p)
{
	const struct tn_repair *r = &p->repair;
	int64_t at = r->first ? r->first->due_us : NEVER_US;

	return MIN(at, MIN(tn_block_due(&r->block), tn_block_due(&r->burst)));
}

bool tn_repair_bulk(const struct tn_path *p)
{
	return p->repair.bulk != NULL;
}

/* The queue whose first symbol is to be sent now; NULL: none. */
static struct tn_symbol **ready(const struct tunnel *t, struct tn_path *p)
{
	struct tn_repair *r = &p->repair;

	tn_block_timer(t, p, &r->block);
	tn_block_timer(t, p, &r->burst);
	while (r->first && r->first->due_us <= t->now_us && needless(t, p, r->first))
		drop(r, &r->first);
	while (r->bulk && needless(t, p, r->bulk))
		drop(r, &r->bulk);
	if (r->first && r->first->due_us <= t->now_us)
		return &r->first;
	return r->bulk && tn_due_allowed(p) == TN_LEVELS - 1 ? &r->bulk : NULL;
}

bool tn_repair_ready(const struct tunnel *t, struct tn_path *p)
{
	return ready(t, p) != NULL;
}

/* Which packets of the block, and which sum it is: index, length of the map in bytes, map. */
static void put_map(struct wr *w, const struct tn_symbol *y)
{
	uint64_t rest = y->map >> 1;
	unsigned n = (unsigned)(64 - __builtin_clzll(rest) + 7) / 8;

	wr_u8(w, y->index);
	wr_u8(w, (uint8_t)n);
	for (unsigned i = 0; i < n; i++)
		wr_u8(w, (uint8_t)(rest >> 8 * i));
}

/* REPAIR: [path], number (how far back, or in full), [index, map], [length], symbol. */
size_t tn_repair_put(struct tunnel *t, struct tn_path *p, struct wr *w)
{
	struct tn_symbol **at = ready(t, p), *y;
	bool other, block;
	size_t n;

	if (!at || wr_left(w) < TN_REPAIR_HEAD + (size_t)(*at)->len)
		return 0;
	y = *at;
	other = y->path != p->number;
	block = y->map != 1;
	n = y->len;
	wr_u8(w, (uint8_t)(TN_F_REPAIR | (other ? TN_F_REPAIR_PATH : 0) |
			   (block ? TN_F_REPAIR_BLOCK : 0)));
	if (other)
		wr_varint(w, y->path);
	wr_varint(w, other ? y->first : p->next - y->first);
	if (block)
		put_map(w, y);
	wr_varint(w, n);
	wr_bytes(w, y->data, n);
	t->stats.repair_packets_sent++;
	t->stats.repair_bytes_sent += n;
	drop(&p->repair, at);
	return n;
}
