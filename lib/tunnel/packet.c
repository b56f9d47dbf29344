/* Datagrams of an open tunnel: what goes into the next one, and when it goes. */
#include "tunnel/internal.h"
#include <errno.h>

#define OVER_CWND (32 * TUNNEL_DGRAM_MAX) /* the urgent may exceed the window by this */
#define DEBT_MAX (24 * TUNNEL_DGRAM_MAX)  /* and the pace by this, or DEBT_US of it */
#define DEBT_US (20 * MS_US)
#define ACKS_ALONE 24 /* after so many packets with only an ACK, one asks for an ACK itself */
#define MTU_TRIES 3

struct build {
	struct tunnel *t;
	struct tn_path *p;
	struct wr w;
	struct tn_sent *s;
	bool eliciting;
};

/* ---- what may go now ---- */

static int64_t debt(const struct tn_path *p)
{
	int64_t rate = (int64_t)p->rate.ops->pacing(&p->rate);

	return CLAMP(base_scale(rate, DEBT_US, SEC_US), 2 * TUNNEL_DGRAM_MAX, DEBT_MAX);
}

/* The lowest priority that may send now; -1: none. */
static int level_now(const struct tn_path *p)
{
	uint64_t cwnd = p->rate.ops->cwnd(&p->rate);

	if (p->probes)
		return TN_LEVELS - 1;
	if (p->in_flight >= cwnd + OVER_CWND || p->tokens <= -debt(p))
		return -1;
	return p->in_flight < cwnd && p->tokens > 0 ? TN_LEVELS - 1 : 1;
}

/* The highest priority that waits for this path. */
static int level_wanted(const struct tunnel *t, const struct tn_path *p)
{
	for (int i = 0; i < TN_LEVELS; i++)
		if (!list_empty(&t->ready[i]) && tn_paths_takes(t, p, i))
			return i;
	return TN_LEVELS;
}

static bool echo_due(const struct tunnel *t, const struct tn_path *p)
{
	return t->echo_n && tn_paths_controls(t, p) && t->echo[t->echo_head].due_us <= t->now_us;
}

static bool control_wanted(const struct tunnel *t, const struct tn_path *p)
{
	return p->ping || (tn_paths_controls(t, p) &&
			   (t->max_data_wanted || t->note_n || !list_empty(&t->updates)));
}

static bool mtu_wanted(const struct tunnel *t, const struct tn_path *p)
{
	return p->mtu_us <= t->now_us && p->mtu_try > p->dgram && p->largest_acked > 0;
}

/* A new path is measured with padding where there is no data, so that the first stream that has much
 * to send finds the line's rate known. */
static bool warm_wanted(const struct tunnel *t, const struct tn_path *p)
{
	return t->state == TUNNEL_OPEN && p->warm_left >= p->dgram && p->largest_acked > 0 &&
	       tn_rate_searching(&p->rate);
}

/* ---- frames that are not data ---- */

static struct tn_ref *new_ref(struct build *b, uint8_t kind, uint64_t id)
{
	struct tn_ref *r = &b->s->ref[b->s->refs++];

	*r = (struct tn_ref){.kind = kind, .id = id};
	b->eliciting = true;
	return r;
}

static bool has_room(const struct build *b, size_t n)
{
	return wr_left(&b->w) >= n && b->s->refs < TN_REFS;
}

static void put_max_data(struct build *b)
{
	struct tunnel *t = b->t;

	if (!t->max_data_wanted || !has_room(b, 9))
		return;
	t->data_max = MAX(t->data_max, t->data_read + t->conf.tunnel_window);
	wr_u8(&b->w, TN_F_MAX_DATA);
	wr_varint(&b->w, t->data_max);
	new_ref(b, TN_REF_MAX_DATA, 0);
	t->max_data_wanted = false;
}

static void put_update(struct build *b, struct tunnel_stream *s)
{
	if (s->rst_wanted) {
		wr_u8(&b->w, TN_F_RESET);
		wr_varint(&b->w, s->node.id);
		wr_varint(&b->w, s->code);
		wr_varint(&b->w, s->next);
		new_ref(b, TN_REF_RESET, s->node.id);
		s->rst_wanted = false;
		s->rst_sent = true;
	} else if (s->max_wanted && s->final == UINT64_MAX && !s->rst_sent) {
		s->max = MAX(s->max, s->in.start + s->window);
		wr_u8(&b->w, TN_F_MAX_STREAM);
		wr_varint(&b->w, s->node.id);
		wr_varint(&b->w, s->max);
		new_ref(b, TN_REF_MAX_STREAM, s->node.id);
	}
	s->max_wanted = false;
	list_remove(&s->update);
}

static void put_notes(struct build *b)
{
	struct tunnel *t = b->t;

	while (t->note_n && has_room(b, 9)) {
		struct tn_note n = t->note[--t->note_n];

		wr_u8(&b->w, n.type);
		wr_varint(&b->w, n.id);
		b->eliciting = true;
		if (n.type == TN_F_FLOW_CLOSE)
			new_ref(b, TN_REF_FLOW_CLOSE, n.id);
	}
}

static void put_control(struct build *b)
{
	struct tunnel *t = b->t;
	struct tunnel_stream *s;

	if (!tn_paths_controls(t, b->p))
		return;
	put_max_data(b);
	while (has_room(b, 25) && (s = list_first(&t->updates, struct tunnel_stream, update)))
		put_update(b, s);
	put_notes(b);
}

static void put_echoes(struct build *b)
{
	struct tunnel *t = b->t;

	while (echo_due(t, b->p) && has_room(b, 1)) {
		const struct tn_echo *e = &t->echo[t->echo_head];
		struct tunnel_stream *s = tn_stream_find(t, e->id);
		struct tn_ref r;

		if (s && tn_stream_unacked(s, e->off, e->len)) {
			if (!tn_stream_put_echo(s, &b->w, e, &r))
				return;
			*new_ref(b, TN_REF_STREAM, 0) = r;
		}
		t->echo_head = (t->echo_head + 1) % TN_ECHOES;
		t->echo_n--;
	}
}

/* ---- data ---- */

static bool put_stream(struct build *b, struct tunnel_stream *s)
{
	struct tn_ref r;

	if (!tn_stream_put(s, &b->w, &r))
		return false;
	*new_ref(b, TN_REF_STREAM, 0) = r;
	list_remove(&s->snd.link); /* and to the end of the line */
	tn_stream_check(s);
	return true;
}

static bool put_flow(struct build *b, struct tunnel_flow *f)
{
	struct tn_ref r;
	bool has_ref;

	if (!tn_flow_put(f, &b->w, &r, &has_ref))
		return false;
	if (has_ref)
		*new_ref(b, TN_REF_FLOW_OPEN, 0) = r;
	b->eliciting = true;
	list_remove(&f->snd.link);
	if (f->out.first)
		list_append(&b->t->ready[tn_flow_level(f)], &f->snd.link);
	return true;
}

static void put_data(struct build *b, int level)
{
	for (int i = 0; i <= level; i++) {
		struct tn_sender *s;

		while (has_room(b, 1) && tn_paths_takes(b->t, b->p, i) &&
		       (s = list_first(&b->t->ready[i], struct tn_sender, link)) != NULL) {
			bool put = s->kind == TN_STREAM
				       ? put_stream(b, container_of(s, struct tunnel_stream, snd))
				       : put_flow(b, container_of(s, struct tunnel_flow, snd));
			if (!put)
				return;
		}
	}
}

static void put_padding(struct build *b)
{
	b->eliciting = true;
	wr_u8(&b->w, TN_F_PING);
	memset(b->w.p, TN_F_PADDING, wr_left(&b->w));
	b->w.p = b->w.end;
}

/* A packet as large as the path may take: if it is acknowledged, it does. */
static void put_mtu_probe(struct build *b)
{
	static const size_t sizes[] = {1400, 1350, 1280};
	struct tn_path *p = b->p;

	b->s->mtu_probe = true;
	put_padding(b);
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

/* ---- the whole ---- */

static void put_ack(struct build *b)
{
	struct tn_path *p = b->p;

	if (p->ack_pending == 0)
		return;
	b->s->acks = tn_ack_put(p, &b->w, b->t->now_us);
	b->s->acks_path = (uint8_t)p->number;
}

static bool ack_due(const struct tunnel *t, const struct tn_path *p)
{
	return p->ack_pending && (p->ack_now || p->ack_us <= t->now_us);
}

/* Closes the packet: header before, seal around, books kept. */
static size_t seal(struct build *b, uint8_t *buf)
{
	struct tunnel *t = b->t;
	struct tn_path *p = b->p;
	struct wr h = wr_of(buf, TN_HEADER_LEN);
	size_t n = wr_len(&b->w), size = TN_HEADER_LEN + n + CRYPT_TAG_LEN;
	int r = tn_keys_turn(&p->out, &t->key_life, p->next, p->largest_acked, t->now_us);

	wr_u8(&h, (uint8_t)(TN_FLAG_FIXED | p->number << 3 | (p->out.epoch & TN_FLAG_PHASE)));
	wr_u64(&h, t->id_out);
	wr_u32(&h, (uint32_t)p->next);
	if (r < 0 || crypt_seal(p->out.now, p->number, p->next, buf, TN_HEADER_LEN,
				buf + TN_HEADER_LEN, n, buf + TN_HEADER_LEN) < 0) {
		tn_closed(t, -EIO);
		return 0;
	}
	if (b->eliciting) {
		tn_sent_mark(t, p, b->s, size + TN_UDP_IP);
		p->tokens -= (int64_t)size + TN_UDP_IP;
		p->probes -= p->probes > 0;
		p->acks_alone = 0;
		p->ping = false;
	}
	p->next++;
	p->spoke_us = t->now_us;
	t->stats.packets_sent++;
	t->stats.bytes_sent += size;
	return size;
}

static void begin(struct build *b, uint8_t *buf, size_t size)
{
	b->s = tn_sent_slot(b->p, b->p->next);
	memset(b->s, 0, offsetof(struct tn_sent, ref));
	b->w = wr_of(buf + TN_HEADER_LEN, size - TN_HEADER_LEN - CRYPT_TAG_LEN);
}

/* Everything was sent and more could be: what is measured now says little of the path. */
static void note_idle(struct tunnel *t, struct tn_path *p, int level)
{
	if (level == TN_LEVELS - 1 && level_wanted(t, p) == TN_LEVELS)
		p->limited_until = MAX(p->delivered + p->in_flight, 1);
}

static size_t build_close(struct build *b, uint8_t *buf)
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

/* There is nothing to say: a packet to learn something, if one is due. */
static size_t build_probe(struct build *b, uint8_t *buf, int level)
{
	struct tunnel *t = b->t;
	struct tn_path *p = b->p;
	size_t n;

	if (mtu_wanted(t, p)) {
		begin(b, buf, p->mtu_try);
		put_mtu_probe(b);
		return seal(b, buf);
	}
	if (!warm_wanted(t, p)) {
		note_idle(t, p, level);
		return 0;
	}
	if (level < TN_LEVELS - 1)
		return 0;
	begin(b, buf, p->dgram);
	put_padding(b);
	n = seal(b, buf);
	p->warm_left -= n;
	t->stats.bytes_padded += n;
	return n;
}

size_t tn_packet_build(struct tunnel *t, struct tn_path *p, uint8_t *buf, size_t cap)
{
	struct build b = {.t = t, .p = p};
	int level;

	if (cap < TUNNEL_DGRAM_MAX || tn_sent_reserve(t, p) < 0)
		return 0;
	if (t->state == TUNNEL_CLOSING)
		return build_close(&b, buf);
	tn_path_fill(p, t->now_us);
	level = level_now(p);
	if (!ack_due(t, p) && !control_wanted(t, p) && !echo_due(t, p) &&
	    level_wanted(t, p) > level)
		return build_probe(&b, buf, level);
	begin(&b, buf, p->dgram);
	put_ack(&b);
	put_control(&b);
	put_echoes(&b);
	put_data(&b, level);
	if (p->ping || (b.s->acks && !b.eliciting && ++p->acks_alone > ACKS_ALONE)) {
		wr_u8(&b.w, TN_F_PING);
		b.eliciting = true;
	}
	return wr_len(&b.w) ? seal(&b, buf) : 0;
}

/* When the pace lets the next burst go. */
static int64_t pace_wake(const struct tunnel *t, const struct tn_path *p, int wanted)
{
	int64_t rate = (int64_t)p->rate.ops->pacing(&p->rate), level = wanted > 1 ? 0 : -debt(p);
	int64_t quantum = CLAMP(rate / 1000, (int64_t)1, tn_path_burst(p) / 2);
	uint64_t cwnd = p->rate.ops->cwnd(&p->rate) + (wanted > 1 ? 0 : OVER_CWND);

	if (p->in_flight >= cwnd)
		return NEVER_US;
	return p->tokens_us + (level + quantum - p->tokens) * SEC_US / rate + 1;
}

int64_t tn_packet_wake(const struct tunnel *t, const struct tn_path *p)
{
	int wanted =
	    warm_wanted(t, p) ? MIN(level_wanted(t, p), TN_LEVELS - 1) : level_wanted(t, p);
	int64_t at = p->spoke_us + t->conf.keepalive_us;

	if (control_wanted(t, p) || wanted <= level_now(p) || (p->ack_pending && p->ack_now))
		return t->now_us;
	if (p->ack_pending)
		at = MIN(at, p->ack_us);
	if (wanted < TN_LEVELS)
		at = MIN(at, pace_wake(t, p, wanted));
	if (t->echo_n && tn_paths_controls(t, p))
		at = MIN(at, t->echo[t->echo_head].due_us);
	if (p->mtu_try > p->dgram && p->largest_acked > 0)
		at = MIN(at, p->mtu_us);
	return MIN(at, MIN(p->loss_us, tn_pto_due(p)));
}
