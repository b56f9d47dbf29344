#include "tunnel/internal.h"
#include <errno.h>

#define SENT_MIN 32
#define GRANULE_US (1 * MS_US)
#define PTO_VAR_MIN_US (4 * MS_US)
#define ACK_DELAY_MAX_US (5 * MS_US) /* of what wants an ACK soon */
#define DELAY_TOLD_MAX_US (120 * MS_US)
#define PTO_MAX_US (1 * SEC_US)
#define REORDER_MIN 3	      /* packets: RFC 9002, 6.1.1 */
#define REORDER_MAX 256	      /* more are told by time alone, as in RFC 8985 */
#define REORDER_EIGHTHS_MAX 4 /* of a round trip */
#define REORDER_CALM 16	      /* rounds without a spurious loss, then a step back */
#define MTU_DOUBT 3 /* probe timeouts in a row after which large datagrams may be what is lost */
#define MTU_AGAIN_US (30 * SEC_US)
#define LARGE_LOST 8 /* and none acknowledged for so long, although small ones are */
#define LARGE_LOST_US SEC_US

struct tn_sent *tn_sent_slot(const struct tn_path *p, uint64_t number)
{
	return &p->sent[number & (p->sent_cap - 1)];
}

/* ---- losses ---- */

static void requeue(struct tunnel *t, const struct tn_sent *s)
{
	for (size_t i = 0; i < s->refs; i++)
		tn_stream_lost(t, &s->ref[i]);
}

static void leave_flight(struct tn_path *p, const struct tn_sent *s)
{
	p->in_flight -= s->size;
	p->flight--;
}

static void narrow(struct tunnel *t, struct tn_path *p, int64_t again_us)
{
	p->dgram = TUNNEL_DGRAM_MIN;
	p->mtu_try = t->conf.dgram_max;
	p->mtu_tries = 0;
	p->mtu_us = t->now_us + again_us;
	p->large_lost = 0;
}

static bool is_large(const struct tn_sent *s)
{
	return s->size > TUNNEL_DGRAM_MIN + TN_UDP_IP && !s->mtu_probe;
}

/* A path that still takes small datagrams only (RFC 8899, section 4.3). */
static void large_lost(struct tunnel *t, struct tn_path *p, const struct tn_sent *s)
{
	if (!is_large(s) || p->dgram == TUNNEL_DGRAM_MIN)
		return;
	if (p->large_lost++ == 0)
		p->large_us = s->sent_us;
	if (p->large_lost > LARGE_LOST && s->sent_us > p->large_us + LARGE_LOST_US)
		narrow(t, p, 0);
}

static void declare_lost(struct tunnel *t, struct tn_path *p, struct tn_sent *s, uint64_t *bytes)
{
	leave_flight(p, s);
	s->state = TN_SENT_LOST;
	t->stats.packets_lost++;
	p->n.packets_lost++;
	if (!s->mtu_probe) {
		p->lost_bytes += s->size;
		*bytes += s->size;
	}
	large_lost(t, p, s);
	requeue(t, s);
}

static int64_t reorder_time(const struct tn_path *p)
{
	int64_t rtt = MAX(p->srtt_us, p->latest_us);

	return MAX(rtt + rtt * p->reorder_eighths / 8, GRANULE_US);
}

/* When a packet in flight, older than what was acknowledged, is lost. One that symbols can recover
 * has the time of the last of them. */
static int64_t loss_due(const struct tn_path *p, uint64_t number, const struct tn_sent *s)
{
	if (s->guard_us)
		return s->guard_us + reorder_time(p) + (s->lazy ? tn_ack_leisure(p) : 0);
	return number + p->reorder < p->largest_acked ? 0 : s->sent_us + reorder_time(p);
}

/* Packets that are far enough behind what was acknowledged, in numbers or in time: RFC 9002, 6.1.
 */
static uint64_t detect_lost(struct tunnel *t, struct tn_path *p)
{
	uint64_t bytes = 0;

	p->loss_us = NEVER_US;
	for (; p->low_flight < p->largest_acked; p->low_flight++) {
		struct tn_sent *s = tn_sent_slot(p, p->low_flight);

		int64_t due;

		if (s->state != TN_SENT_FLIGHT)
			continue;
		due = loss_due(p, p->low_flight, s);
		if (due > t->now_us) {
			p->loss_us = due;
			break;
		}
		declare_lost(t, p, s, &bytes);
	}
	return bytes;
}

/* A packet that was declared lost has arrived after all: be more patient from now on. */
static void spurious(struct tunnel *t, struct tn_path *p, uint64_t number)
{
	uint64_t behind = p->largest_acked > number ? p->largest_acked - number : 0;

	t->stats.packets_lost_spurious++;
	p->lost_bytes -= MIN(p->lost_bytes, tn_sent_slot(p, number)->size);
	p->reorder = MAX(p->reorder, behind + 1);
	if (p->reorder > REORDER_MAX)
		p->reorder = UINT32_MAX;
	if (p->calm_rounds > 0 && p->reorder_eighths < REORDER_EIGHTHS_MAX)
		p->reorder_eighths++;
	p->calm_rounds = 0;
}

/* Patience costs time with each real loss: where nothing is reordered any more it wears off. */
static void calm_round(struct tn_path *p)
{
	if (++p->calm_rounds % REORDER_CALM)
		return;
	p->reorder = MAX(MIN(p->reorder, (uint64_t)REORDER_MAX) / 2, (uint64_t)REORDER_MIN);
	p->reorder_eighths = MAX(p->reorder_eighths - 1, 1);
}

/* ---- acknowledgements ---- */

struct news {
	struct tn_rate_sample rate;
	uint64_t prior_delivered, prior_lost;
	int64_t prior_us, send_us;
	bool any, alive;
};

/* Delivery rate: the newest packet of the ACK decides over which interval it is measured. */
static void rate_news(struct tn_path *p, const struct tn_sent *s, struct news *n)
{
	if (n->any && s->delivered < n->prior_delivered)
		return;
	n->any = true;
	n->prior_delivered = s->delivered;
	n->prior_lost = s->lost;
	n->prior_us = s->delivered_us;
	n->send_us = s->sent_us - s->first_us;
	n->rate.app_limited = s->app_limited;
	p->first_us = s->sent_us;
}

static void mtu_acked(struct tn_path *p, const struct tn_sent *s)
{
	size_t got = s->size - TN_UDP_IP;

	p->dgram = MAX(p->dgram, got);
	p->mtu_tries = 0;
	p->mtu_us = NEVER_US;
}

static void packet_acked(struct tunnel *t, struct tn_path *p, uint64_t number, struct news *n)
{
	struct tn_sent *s = tn_sent_slot(p, number);

	if (s->state == TN_SENT_ACKED || s->state == TN_SENT_NONE)
		goto known;
	if (s->state == TN_SENT_LOST)
		spurious(t, p, number);
	else if (s->state == TN_SENT_FLIGHT)
		leave_flight(p, s);
	if (!s->crossed && !s->mtu_probe) {
		n->alive = true;
		p->proof = MAX(p->proof, number + 1);
	}
	if (is_large(s))
		p->large_lost = 0;
	if (s->state != TN_SENT_GIVEN) { /* that it has come says nothing of the line */
		p->delivered += s->size;
		p->delivered_us = t->now_us;
		n->rate.acked += s->size;
		rate_news(p, s, n);
	}
	if (s->mtu_probe)
		mtu_acked(p, s);
	for (size_t i = 0; i < s->refs; i++)
		tn_stream_acked(t, &s->ref[i]);
known:
	if (s->acks)
		tn_ack_acked(t->path[s->acks_path], s->acks);
	s->state = TN_SENT_ACKED;
}

/* Old numbers are forgotten: those acknowledged, and those lost so long ago that they do not come. Of
 * what came before a path fell silent the ACKs may have been lost with it: it is all kept until the path
 * is back, whose first ACK tells what need not go again. */
static void forget(struct tunnel *t, struct tn_path *p)
{
	int64_t old = t->now_us - 3 * p->srtt_us;
	uint64_t low = p->low;

	if (p->state == TN_PATH_DOWN)
		return;
	while (p->low < p->low_flight) {
		struct tn_sent *s = tn_sent_slot(p, p->low);

		if (s->state == TN_SENT_FLIGHT ||
		    (s->state != TN_SENT_NONE && s->state != TN_SENT_ACKED && s->sent_us > old))
			break;
		p->low++;
	}
	if (p->low > low)
		tn_spans_remove(&p->acked, 0, p->low);
}

static void rates(const struct tunnel *t, const struct tn_path *p, struct news *n)
{
	int64_t out_us = t->now_us - n->prior_us, dt = MAX(n->send_us, out_us);
	uint64_t got = p->delivered - n->prior_delivered;
	uint64_t lost = p->lost_bytes > n->prior_lost ? p->lost_bytes - n->prior_lost : 0;

	if (out_us <= 0 || dt < n->rate.min_rtt_us / 2)
		return;
	n->rate.goodput = got * SEC_US / (uint64_t)dt;
	n->rate.passed = (got + MIN(lost, got / 4)) * SEC_US / (uint64_t)dt;
	if (out_us > 2 * p->latest_us + ACK_DELAY_MAX_US)
		return;
	n->rate.out_arrived = got * SEC_US / (uint64_t)out_us;
	n->rate.out_lost = lost * SEC_US / (uint64_t)out_us;
}

static void tell_rate(struct tunnel *t, struct tn_path *p, struct news *n)
{
	struct tn_rate_sample *s = &n->rate;

	s->now_us = t->now_us;
	s->min_rtt_us = p->min_rtt_us == NEVER_US ? 0 : p->min_rtt_us;
	s->in_flight = p->in_flight;
	if (n->any) {
		rates(t, p, n);
		if (n->prior_delivered >= p->round_end) {
			s->round = true;
			calm_round(p);
			p->round_end = p->delivered;
		}
	}
	if (p->limited_until && p->delivered > p->limited_until)
		p->limited_until = 0;
	p->rate.ops->on_ack(&p->rate, s);
}

/* The highest number acknowledged, of a packet that is still known, tells the round trip. */
static void take_time(struct tunnel *t, struct tn_path *p, uint64_t number,
		      const struct tn_ack_time *time, struct news *n)
{
	const struct tn_sent *s = tn_sent_slot(p, number);

	if (!time->same_way || s->crossed || !s->left_us ||
	    (s->state != TN_SENT_FLIGHT && s->state != TN_SENT_GIVEN && s->state != TN_SENT_NONE))
		return;
	tn_path_rtt(p, t->now_us - s->left_us, MIN(time->delay_us, DELAY_TOLD_MAX_US), t->now_us);
	n->rate.rtt_us = time->timed ? tn_path_there(p, s->left_us, time->clock) : p->latest_us;
	n->rate.back_us = p->latest_us - n->rate.rtt_us;
}

/* The ranges come highest first and do not overlap (the parser saw to that). */
int tn_acked(struct tunnel *t, struct tn_path *p, const struct tn_span *range, size_t n,
	     const struct tn_ack_time *time)
{
	struct news news = {0};
	struct tn_span gap;

	if (range[0].hi > p->next)
		return tn_broken(t, "ACK of a packet that was not sent");
	if (range[0].hi > p->largest_acked) {
		p->largest_acked = range[0].hi;
		if (range[0].hi > p->low)
			take_time(t, p, range[0].hi - 1, time, &news);
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t lo = MAX(range[i].lo, p->low);

		while (tn_spans_gap(&p->acked, lo, range[i].hi, &gap)) {
			for (uint64_t k = gap.lo; k < gap.hi; k++)
				packet_acked(t, p, k, &news);
			if (tn_spans_add(&p->acked, gap.lo, gap.hi) < 0)
				break;
			lo = gap.hi;
		}
	}
	news.rate.lost = detect_lost(t, p);
	if (news.any)
		tell_rate(t, p, &news);
	if (news.any || news.alive)
		p->pto_count = 0;
	if (news.alive)
		tn_life_acked(t, p);
	forget(t, p);
	return 0;
}

/* ---- sending ---- */

static int sent_resize(struct tn_path *p, size_t cap)
{
	struct tn_sent *to = calloc(cap, sizeof(*to));

	if (!to)
		return -ENOMEM;
	for (uint64_t n = p->low; n < p->next; n++)
		to[n & (cap - 1)] = *tn_sent_slot(p, n);
	free(p->sent);
	p->sent = to;
	p->sent_cap = cap;
	return 0;
}

/* When that fails the table stays as large as it is. */
void tn_sent_trim(struct tn_path *p)
{
	if (p->sent_cap > 8 * SENT_MIN && p->next - p->low < SENT_MIN)
		(void)!sent_resize(p, 2 * SENT_MIN);
}

int tn_sent_reserve(struct tunnel *t, struct tn_path *p)
{
	size_t cap = p->sent_cap ? p->sent_cap * 2 : SENT_MIN;

	if (p->next - p->low < p->sent_cap)
		return 0;
	if (p->sent_cap == TN_PACKETS_MAX) {
		/* The oldest number is given up, whatever became of it. */
		struct tn_sent *s = tn_sent_slot(p, p->low);
		uint64_t lost = 0;

		if (s->state == TN_SENT_FLIGHT)
			declare_lost(t, p, s, &lost);
		p->low++;
		p->low_flight = MAX(p->low_flight, p->low);
		tn_spans_remove(&p->acked, 0, p->low);
		return 0;
	}
	return sent_resize(p, cap);
}

/* An eliciting packet of `size` bytes (with UDP and IP) leaves. */
void tn_sent_mark(struct tunnel *t, struct tn_path *p, struct tn_sent *s, size_t size)
{
	if (p->flight == 0)
		p->first_us = p->delivered_us = t->now_us;
	s->state = TN_SENT_FLIGHT;
	s->sent_us = t->now_us;
	s->size = (uint16_t)size;
	s->delivered = p->delivered;
	s->lost = p->lost_bytes;
	s->delivered_us = p->delivered_us;
	s->first_us = p->first_us;
	s->app_limited = p->limited_until > 0;
	p->in_flight += size;
	p->flight++;
	p->last_sent_us = t->now_us;
	if (!s->crossed)
		p->plain_us = t->now_us;
}

/* ---- a path that fell silent ---- */

/* A packet whose loss or whose ACK tells whether the path lives: an MTU probe may be too large, and a
 * copy may have come another way. */
static bool is_plain(const struct tn_sent *s)
{
	return (s->state == TN_SENT_FLIGHT || s->state == TN_SENT_LOST) && !s->mtu_probe &&
	       !s->crossed;
}

int64_t tn_sent_suspect(struct tn_path *p)
{
	if (p->suspect_us != NEVER_US && p->suspect >= p->proof)
		return p->suspect_us;
	p->suspect_us = NEVER_US;
	p->suspect = MAX(MAX(p->suspect, p->proof), p->low);
	for (; p->suspect < p->next; p->suspect++) {
		const struct tn_sent *s = tn_sent_slot(p, p->suspect);

		if (!is_plain(s))
			continue;
		p->suspect_us = s->sent_us;
		p->suspect_lazy = s->lazy;
		break;
	}
	return p->suspect_us;
}

/* They are not losses: what the line does is not to be learnt from its death. */
void tn_sent_give(struct tunnel *t, struct tn_path *p)
{
	for (uint64_t k = p->low_flight; p->flight && k < p->next; k++) {
		struct tn_sent *s = tn_sent_slot(p, k);

		if (s->state != TN_SENT_FLIGHT)
			continue;
		leave_flight(p, s);
		s->state = TN_SENT_GIVEN;
		t->stats.packets_lost++;
		p->n.packets_lost++;
		requeue(t, s);
	}
	p->low_flight = p->next;
	p->proof = p->next;
	p->suspect_us = NEVER_US;
	p->loss_us = NEVER_US;
	p->pto_count = p->probes = 0;
	tn_repair_finish(&p->repair);
	forget(t, p);
}

/* ---- timers ---- */

int64_t tn_pto(const struct tn_path *p)
{
	int64_t delay = p->sent_lazy ? tn_ack_leisure(p) : 0;
	int64_t pto = p->srtt_us + MAX(4 * p->rttvar_us, PTO_VAR_MIN_US) + ACK_DELAY_MAX_US + delay;

	return MIN(pto << MIN(p->pto_count, 6u), MAX(pto, PTO_MAX_US));
}

/* When the peer's silence is worth a probe. */
int64_t tn_pto_due(const struct tn_path *p)
{
	return p->flight && p->state == TN_PATH_UP ? p->last_sent_us + tn_pto(p) : NEVER_US;
}

/* The path may have become narrower. */
static void mtu_back(struct tunnel *t, struct tn_path *p)
{
	if (p->pto_count != MTU_DOUBT || p->dgram == TUNNEL_DGRAM_MIN)
		return;
	narrow(t, p, MTU_AGAIN_US);
}

/* Silence: the oldest packet in flight goes out again in a probe, without being lost. */
static void probe(struct tunnel *t, struct tn_path *p)
{
	unsigned n = 0;

	t->stats.probes++;
	p->pto_count++;
	mtu_back(t, p);
	p->probes = 2;
	for (uint64_t k = p->low_flight; k < p->next && n < p->probes; k++) {
		struct tn_sent *s = tn_sent_slot(p, k);

		if (s->state != TN_SENT_FLIGHT)
			continue;
		requeue(t, s);
		n++;
	}
	p->ping = true;
	p->last_sent_us = t->now_us;
}

void tn_recover_timers(struct tunnel *t, struct tn_path *p)
{
	tn_mend_timer(p, t->now_us);
	if (p->loss_us <= t->now_us) {
		struct tn_rate_sample s = {.now_us = t->now_us, .in_flight = p->in_flight};

		s.min_rtt_us = p->min_rtt_us == NEVER_US ? 0 : p->min_rtt_us;
		s.lost = detect_lost(t, p);
		s.in_flight = p->in_flight;
		if (s.lost)
			p->rate.ops->on_ack(&p->rate, &s);
	}
	if (tn_pto_due(p) <= t->now_us)
		probe(t, p);
}
