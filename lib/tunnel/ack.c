#include "tunnel/internal.h"

#define ACK_DELAY_US (2 * MS_US)
#define ACK_EVERY_FIRST 2 /* packets, while the path is new */
#define ACK_EVERY 10
#define ACK_NEW 100
#define LEISURE_MAX_US (100 * MS_US)
#define HEAVY_US SEC_US /* who sends much wants to know how long its queue is */

int64_t tn_ack_leisure(const struct tn_path *p)
{
	return CLAMP(p->srtt_us / 2, ACK_DELAY_US, LEISURE_MAX_US);
}

void tn_ack_received(struct tn_path *p, uint64_t number, enum tn_wants wants, int64_t now_us)
{
	bool gap = p->recv_next && number != p->recv_next;

	tn_spans_add(&p->recv, number, number + 1);
	while (p->recv.n > TN_ACK_RANGES)
		tn_spans_remove(&p->recv, p->recv.at[0].lo, p->recv.at[0].hi);
	if (number >= p->recv_next) {
		p->recv_next = number + 1;
		p->recv_us = now_us;
	}
	if (wants == TN_WANTS_NO_ACK)
		return;
	p->ack_pending++;
	if (p->ack_pending >= ACK_EVERY)
		p->ack_now = true;
	if (wants == TN_WANTS_LAZY) {
		p->ack_us = MIN(p->ack_us, now_us + tn_ack_leisure(p));
		return;
	}
	p->ack_soon = true;
	if (gap || (number < ACK_NEW && p->ack_pending >= ACK_EVERY_FIRST))
		p->ack_now = true;
	p->ack_us = MIN(p->ack_us, now_us + ACK_DELAY_US);
}

/* The peer has an ACK up to `acks` - 1: what is older needs no other. */
void tn_ack_acked(struct tn_path *p, uint64_t acks)
{
	if (p->recv.n && acks - 1 > p->recv.at[0].lo)
		tn_spans_remove(&p->recv, 0, MIN(acks - 1, p->recv_next - 1));
}

/* ACK: [path], [clock], highest number, delay in 8 us, further ranges, length of the first less 1; then for each
 * further range how many are missing before it and its length, each less 1, downwards (RFC 9000, section 19.3). */
uint64_t tn_ack_put(const struct tn_path *p, struct wr *w, bool here, int64_t now_us)
{
	const struct tn_spans *s = &p->recv;
	uint64_t largest;
	bool timed;
	size_t n;

	if (s->n == 0 || wr_left(w) < 40)
		return 0;
	timed = here && p->heavy && now_us - p->heavy_us < HEAVY_US;
	largest = s->at[s->n - 1].hi - 1;
	n = MIN(s->n, 1 + (wr_left(w) - 40) / 8);
	wr_u8(w, timed ? TN_F_ACK_TIMED : here ? TN_F_ACK_HERE : TN_F_ACK);
	if (!here)
		wr_varint(w, p->number);
	if (timed)
		wr_varint(w, (uint64_t)p->recv_us / TN_CLOCK_UNIT_US % (1 << TN_CLOCK_BITS));
	wr_varint(w, largest);
	wr_varint(w, (uint64_t)MAX(now_us - p->recv_us, 0) / TN_ACK_UNIT_US);
	wr_varint(w, n - 1);
	wr_varint(w, largest - s->at[s->n - 1].lo);
	for (size_t i = s->n - 1; i > s->n - n; i--) {
		wr_varint(w, s->at[i].lo - s->at[i - 1].hi - 1);
		wr_varint(w, s->at[i - 1].hi - s->at[i - 1].lo - 1);
	}
	return largest + 1;
}

void tn_ack_sent(struct tn_path *p)
{
	p->ack_pending = 0;
	p->ack_now = p->ack_soon = false;
	p->ack_us = NEVER_US;
}
