/* Repair: the sender. */
#include "tunnel/internal.h"
#include <errno.h>

#define STEP_US (3 * MS_US) /* between a packet and its copy, and between copies, at least */
#define COPIES_MAX 3
#define FIRST_MAX_US (52 * MS_US) /* later than this is felt */
#define BURST_MIN_US (1 * MS_US)  /* shorter ones do not reach from a packet to its copy */

/* When copies go where losses come in bursts, in tenths of a mean burst; how many of a thousand
 * bursts last so much longer than until the packet; and how many of a million packets may be left
 * without before another copy is worth it. A datagram that is lost delays nobody but itself, a
 * stream's packet all that come after it. */
static const struct plan {
	int64_t at[COPIES_MAX], last[COPIES_MAX];
	uint32_t left_ppm[COPIES_MAX];
} plans[] = {
    [TN_GUARD_FLOW] = {{35, 70, 99}, {30, 1, 1}, {1000, 4000, 4000}},
    [TN_GUARD_STREAM] = {{10, 25, 45}, {368, 82, 11}, {200, 200, 200}},
};

static int64_t offset_us(const struct tn_path *p, const struct plan *plan, unsigned i)
{
	int64_t step = CLAMP(p->srtt_us / 8, (int64_t)1, STEP_US);

	int64_t at = MAX((i + 1) * step, p->burst_us * plan->at[i] / 10);

	if (i == 0)
		at = MIN(at, MAX(FIRST_MAX_US, p->burst_us * 5 / 2));
	return MIN(at, MAX(p->srtt_us, (i + 1) * step));
}

/* Of a million packets, those that are lost with their first n copies. */
static uint32_t left_ppm(const struct tn_path *p, const struct plan *plan, unsigned n)
{
	uint64_t ppm = tn_loss_ppm(&p->loss), chance = 1000000;

	if (n == 0)
		return (uint32_t)ppm;
	for (unsigned i = 0; i < n; i++)
		chance = chance * ppm / 1000000;
	if (p->burst_us > BURST_MIN_US)
		chance += (uint64_t)plan->last[n - 1] * 1000;
	return (uint32_t)(ppm * MIN(chance, (uint64_t)1000000) / 1000000);
}

/* How many copies make the loss what it may be, in 1/65536. */
static uint32_t copies_wanted(const struct tn_path *p, const struct plan *plan)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < COPIES_MAX; i++) {
		uint64_t left = left_ppm(p, plan, i), next = left_ppm(p, plan, i + 1);

		if (left <= plan->left_ppm[i])
			break;
		if (next >= plan->left_ppm[i] || next >= left) {
			sum += 1 << 16;
			continue;
		}
		return sum + (uint32_t)(((left - plan->left_ppm[i]) << 16) / (left - next));
	}
	return sum;
}

bool tn_repair_next(const struct tn_path *p)
{
	return p->repair.part[0] + copies_wanted(p, &plans[TN_GUARD_FLOW]) >= 1 << 16;
}

/* How many copies a packet gets: part of one is owed to the next. */
static unsigned copies(struct tn_path *p, enum tn_guard guard)
{
	uint32_t *part = &p->repair.part[guard - TN_GUARD_FLOW];
	unsigned n;

	*part += copies_wanted(p, &plans[guard]);
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
	unsigned m = n + TN_REPAIR_HEAD <= space(p) ? copies(p, guard) : 0;

	for (unsigned i = 0; i < m; i++) {
		struct tn_symbol *y = symbol_make(p, n);

		if (!y)
			return;
		y->first = number;
		y->map = 1;
		y->path = (uint8_t)p->number;
		y->index = (uint8_t)i;
		y->due_us = t->now_us + offset_us(p, &plans[guard], i);
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
size_t tn_repair_put(struct tunnel *t, struct tn_path *p, struct wr *w)
{
	struct tn_symbol *y;
	uint64_t number;
	bool other;
	size_t n;

	if (tn_repair_due(t, p) > t->now_us)
		return 0;
	y = p->repair.first;
	other = y->path != p->number;
	number = other ? y->first : p->next - y->first;
	if (wr_left(w) < 2 + varint_len(number) + 2 + y->len)
		return 0;
	wr_u8(w, (uint8_t)(TN_F_REPAIR | (other ? TN_F_REPAIR_PATH : 0)));
	if (other)
		wr_varint(w, y->path);
	wr_varint(w, number);
	n = y->len;
	wr_varint(w, n);
	wr_bytes(w, y->data, n);
	t->stats.repair_packets_sent++;
	t->stats.repair_bytes_sent += n;
	drop_first(&p->repair);
	return n;
}
