/* Datagrams of an open tunnel: header, frames, seal, and the books of what was sent. */
#include "tunnel/packet.h"
#include <errno.h>

#define MTU_TRIES 3
#define NUMBER_NEAR (1 << 14) /* two bytes tell such a number from those that the peer has */

/* Its ACK is not recovered, so the peer may miss it. */
static void guard(struct tn_build *b, const uint8_t *frames)
{
	tn_repair_take(b->t, b->p, b->s, frames + b->from, b->to - b->from, b->guard, b->mark,
		       b->game, b->percent);
	if (b->s->guard_us)
		b->s->acks = 0;
}

/* Closes the packet: header before, seal around, books kept. */
static size_t seal(struct tn_build *b, uint8_t *buf)
{
	struct tunnel *t = b->t;
	struct tn_path *p = b->p;
	struct wr h = wr_of(buf, b->head);
	bool is_long = b->head == TN_HEADER_LEN;
	int r = tn_keys_turn(&p->out, &t->key_life, p->next, p->largest_acked, t->now_us);
	int64_t last_us = p->asking && p->flight && !b->s->refs ? p->last_sent_us : NEVER_US;
	size_t n, size;

	tn_fill_cut(b);
	n = wr_len(&b->w);
	size = b->head + n + CRYPT_TAG_LEN;
	wr_u8(&h, (uint8_t)(TN_FLAG_FIXED | (is_long ? TN_FLAG_LONG : 0) | p->number << 3 |
			    (p->out.epoch & TN_FLAG_PHASE)));
	wr_u32(&h, t->id_out);
	if (is_long)
		wr_u32(&h, (uint32_t)p->next);
	else
		wr_u16(&h, (uint16_t)p->next);
	if (b->guard)
		guard(b, buf + b->head);
	else if (b->s->refs)
		tn_repair_beside(p, size, t->now_us);
	if (r < 0 || crypt_seal(p->out.now, p->number, p->next, buf, b->head, buf + b->head, n,
				buf + b->head) < 0) {
		tn_closed(t, -EIO);
		return 0;
	}
	if (b->eliciting) {
		tn_sent_mark(t, p, b->s, size + TN_UDP_IP);
		if (last_us != NEVER_US)
			p->last_sent_us = last_us;
		else
			p->sent_lazy = !b->soon;
		p->asking = p->asking && b->s->crossed;
		p->probes -= p->probes > 0;
		p->acks_alone = 0;
		p->ping = p->ping && b->s->crossed; /* what proves nothing does not do */
		b->s->lazy = !b->soon;
	}
	if (b->symbols && p->flight)
		p->last_sent_us = t->now_us; /* the peer's answer may be to this */
	if (b->symbols || b->eliciting)
		p->tokens -= (int64_t)size + TN_UDP_IP;
	b->s->left_us = t->now_us;
	tn_loss_sent(p, t->now_us);
	p->next++;
	p->n.packets_sent++;
	p->n.bytes_sent += size;
	t->stats.packets_sent++;
	t->stats.bytes_sent += size;
	return size;
}

static void begin(struct tn_build *b, uint8_t *buf, size_t size)
{
	bool near = b->p->state == TN_PATH_UP && b->p->next - b->p->largest_acked < NUMBER_NEAR;

	b->s = tn_sent_slot(b->p, b->p->next);
	memset(b->s, 0, offsetof(struct tn_sent, ref));
	b->head = near ? TN_HEADER_MIN : TN_HEADER_LEN;
	b->w = wr_of(buf + b->head, size - b->head - CRYPT_TAG_LEN);
}

/* Everything was sent and more could be: what is measured now says little of the path. */
static void note_idle(struct tunnel *t, struct tn_path *p, int level)
{
	if (level == TN_LEVELS - 1 && tn_due_wanted(t, p) == TN_LEVELS)
		p->limited_until = MAX(p->delivered + p->in_flight, 1);
}

static size_t build_close(struct tn_build *b, uint8_t *buf)
{
	struct tunnel *t = b->t;
	size_t n = strlen(t->close_text);

	begin(b, buf, TUNNEL_DGRAM_MIN);
	wr_u8(&b->w, TN_F_CLOSE);
	wr_varint(&b->w, t->close_code);
	wr_varint(&b->w, n);
	wr_bytes(&b->w, t->close_text, n);
	return seal(b, buf);
}

/* A packet as large as the path may take: if it is acknowledged, it does. */
static void put_mtu_probe(struct tn_build *b)
{
	static const size_t sizes[] = {1400, 1350, 1280};
	struct tn_path *p = b->p;

	b->s->mtu_probe = true;
	tn_fill_padding(b);
	p->mtu_us = b->t->now_us + MAX(2 * p->srtt_us, SEC_US / 2);
	if (++p->mtu_tries < MTU_TRIES)
		return;
	p->mtu_tries = 0;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (sizes[i] >= p->mtu_try)
			continue;
		p->mtu_try = sizes[i];
		return;
	}
	p->mtu_us = NEVER_US;
}

/* There is nothing to say: a packet to learn something, if one is due. */
static size_t build_probe(struct tn_build *b, uint8_t *buf, int level)
{
	struct tunnel *t = b->t;
	struct tn_path *p = b->p;
	size_t n;

	if (tn_due_mtu(t, p)) {
		begin(b, buf, p->mtu_try);
		put_mtu_probe(b);
		return seal(b, buf);
	}
	if (!tn_due_warm(t, p)) {
		note_idle(t, p, level);
		return 0;
	}
	if (level < TN_LEVELS - 1)
		return 0;
	begin(b, buf, p->dgram);
	tn_fill_padding(b);
	n = seal(b, buf);
	p->warm_left -= n;
	t->stats.bytes_padded += n;
	return n;
}

size_t tn_packet_challenge(struct tunnel *t, struct tn_path *p, uint8_t *buf, uint64_t token)
{
	struct tn_build b = {.t = t, .p = p, .eliciting = true};

	if (tn_sent_reserve(t, p) < 0)
		return 0;
	begin(&b, buf, TUNNEL_DGRAM_MIN);
	wr_u8(&b.w, TN_F_CHALLENGE);
	wr_u64(&b.w, token);
	return seal(&b, buf);
}

static size_t build(struct tunnel *t, struct tn_path *p, uint8_t *buf)
{
	struct tn_build b = {.t = t, .p = p};
	size_t budget = tn_trial_budget(p);
	int level;

	if (tn_held(p) || tn_sent_reserve(t, p) < 0 || budget < TN_SMALL_LEN)
		return 0;
	if (t->state == TUNNEL_CLOSING)
		return build_close(&b, buf);
	tn_path_fill(p, t->now_us);
	level = tn_due_allowed(p);
	if (!tn_due_ack(t, p) && !tn_due_relay(t, p) && !tn_due_control(t, p) &&
	    !tn_repair_ready(t, p) && tn_due_wanted(t, p) > level)
		return build_probe(&b, buf, level);
	begin(&b, buf, MIN(p->dgram, budget));
	tn_fill_ack(&b);
	tn_loss_put(p, &b.w, t->now_us);
	tn_fill_response(&b); /* not to be recovered: it is worth something where it came from */
	if (!tn_fill_symbols(&b))
		tn_fill_frames(&b, level);
	if (p->ping &&
	    p->state == TN_PATH_NEW) { /* it must take this much, and the answer may be long */
		memset(b.w.p, TN_F_PADDING, wr_left(&b.w));
		b.w.p = b.w.end;
	}
	return wr_len(&b.w) ? seal(&b, buf) : 0;
}

size_t tn_packet_build(struct tunnel *t, struct tn_path *p, uint8_t *buf, size_t cap)
{
	size_t n = cap < TUNNEL_DGRAM_MAX ? 0 : build(t, p, buf);

	if (n)
		tn_trial_sent(p, buf, n);
	return n;
}
