/* Datagrams of an open tunnel: what goes into the next one, and when it goes. */
#include "tunnel/internal.h"
#include <errno.h>

#define OVER_CWND (32 * TUNNEL_DGRAM_MAX) /* the urgent may exceed the window by this */
#define DEBT_MAX (24 * TUNNEL_DGRAM_MAX)  /* and the pace by this, or DEBT_US of it */
#define DEBT_US (20 * MS_US)
#define ACKS_ALONE 24 /* after so many packets with only an ACK, one asks for an ACK itself */
#define MTU_TRIES 3
#define WARM_WAIT_US (100 * MS_US)
#define URGENT 2		/* levels below it are */
#define MANY_US (3 * MS_US / 2) /* between urgent packets: closer ones share symbols */
#define NUMBER_NEAR (1 << 14)	/* two bytes tell such a number from those that the peer has */
#define SMALL_LEN (TN_HEADER_LEN + 64 + CRYPT_TAG_LEN) /* room for an ACK and an answer */

struct build {
	struct tunnel *t;
	struct tn_path *p;
	struct wr w;
	size_t head; /* bytes before the frames */
	struct tn_sent *s;
	bool eliciting, symbols;
	bool game; /* has data of the highest class */
	bool soon; /* the ACK is not to wait */
	enum tn_guard guard;
	int percent;	    /* that may be spent on that, 0: the usual */
	enum tn_guard mark; /* the frames begin with KEEP, for a block of this kind */
	size_t tail, tail_end, tail_bytes; /* the last frame whose length can be left out */
	size_t from, to; /* the frames that can be recovered, between an ACK and symbols */
};

/* ---- what may go now ---- */

static int64_t debt(const struct tn_path *p)
{
	int64_t rate = (int64_t)p->rate.ops->pacing(&p->rate);

	return CLAMP(base_scale(rate, DEBT_US, SEC_US), 2 * TUNNEL_DGRAM_MAX, DEBT_MAX);
}

int tn_packet_level(const struct tn_path *p)
{
	uint64_t cwnd = p->rate.ops->cwnd(&p->rate);

	if (tn_held(p))
		return -1;
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
		if (!list_empty(&t->ready[i]) && tn_schedule_takes(t, p, i))
			return i;
	return TN_LEVELS;
}

static bool control_wanted(const struct tunnel *t, const struct tn_path *p)
{
	return p->ping || p->respond ||
	       (tn_schedule_controls(t, p) &&
		(t->max_data_wanted || t->note_n || t->gone_wanted || !list_empty(&t->updates)));
}

/* When the next probe for larger datagrams may go. */
static int64_t mtu_due(const struct tn_path *p)
{
	return p->mtu_try > p->dgram && p->largest_acked > 0 && p->state == TN_PATH_UP ? p->mtu_us
										       : NEVER_US;
}

static bool mtu_wanted(const struct tunnel *t, const struct tn_path *p)
{
	return mtu_due(p) <= t->now_us;
}

/* A new path is measured with padding where there is no data, so that the first stream that has much
 * to send finds the line's rate known. Not while the other side sends much, or its queue would pass
 * for ours; the client goes first. A further path costs nothing until a stream is spread over it,
 * which measures it then; nor is what moves to it when the others die to wait behind padding. */
static bool warm_now(const struct tunnel *t, const struct tn_path *p)
{
	return p->number == 0 ||
	       (t->n_up == 1 && t->n_local + t->n_peer + t->n_flows_local + t->n_flows_peer == 0);
}

static int64_t warm_due(const struct tunnel *t, const struct tn_path *p)
{
	if (!warm_now(t, p) || t->state != TUNNEL_OPEN || p->state != TN_PATH_UP ||
	    p->warm_left < p->dgram || p->largest_acked == 0 || !tn_rate_searching(&p->rate))
		return NEVER_US;
	if (t->server && !p->heavy)
		return p->heavy_us + 4 * p->srtt_us +
		       WARM_WAIT_US; /* its first may be on the way */
	return p->heavy_us + p->srtt_us + (t->server ? p->srtt_us / 2 : 0);
}

static bool warm_wanted(const struct tunnel *t, const struct tn_path *p)
{
	return warm_due(t, p) <= t->now_us;
}

/* ---- frames that are not data ---- */

static struct tn_ref *new_ref(struct build *b, uint8_t kind, uint64_t id)
{
	struct tn_ref *r = &b->s->ref[b->s->refs++];

	*r = (struct tn_ref){.kind = kind, .id = id};
	b->eliciting = true;
	b->soon = b->soon || kind != TN_REF_FLOW;
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
		b->eliciting = b->soon = true;
		if (n.type == TN_F_FLOW_CLOSE)
			new_ref(b, TN_REF_FLOW_CLOSE, n.id);
	}
}

static void put_gone(struct build *b)
{
	struct tunnel *t = b->t;

	while (t->gone_wanted && has_room(b, 2)) {
		unsigned number = (unsigned)__builtin_ctz(t->gone_wanted);

		wr_u8(&b->w, TN_F_PATH_GONE);
		wr_varint(&b->w, number);
		new_ref(b, TN_REF_PATH_GONE, number);
		t->gone_wanted &= (uint8_t)(t->gone_wanted - 1);
	}
}

static void put_response(struct build *b)
{
	struct tn_path *p = b->p;

	if (!p->respond || wr_left(&b->w) < 9)
		return;
	wr_u8(&b->w, TN_F_RESPONSE);
	wr_u64(&b->w, p->response);
	b->eliciting = true;
	p->respond = false;
}

static void put_control(struct build *b)
{
	struct tunnel *t = b->t;
	struct tunnel_stream *s;

	if (!tn_schedule_controls(t, b->p))
		return;
	put_max_data(b);
	while (has_room(b, 25) && (s = list_first(&t->updates, struct tunnel_stream, update)))
		put_update(b, s);
	put_notes(b);
	put_gone(b);
}

/* ---- data ---- */

/* A frame that began at `from` ends with n bytes, after their length. */
static void set_tail(struct build *b, size_t from, size_t n)
{
	b->tail = from;
	b->tail_end = wr_len(&b->w);
	b->tail_bytes = n;
}

/* The last frame needs no length. */
static void cut_tail(struct build *b)
{
	size_t n = varint_len(b->tail_bytes);
	uint8_t *end = b->w.p;

	if (b->tail_end == 0 || b->tail_end != wr_len(&b->w))
		return;
	b->w.start[b->tail] |= TN_F_REST;
	memmove(end - b->tail_bytes - n, end - b->tail_bytes, b->tail_bytes);
	b->w.p -= n;
	b->to = MIN(b->to, wr_len(&b->w));
}

static void set_guard(struct build *b, enum tn_guard guard, const struct tunnel_repair *repair)
{
	if (repair->percent < 0 || guard < b->guard)
		return;
	b->guard = guard;
	b->percent = repair->percent;
}

static bool put_stream(struct build *b, struct tunnel_stream *s)
{
	struct tn_line l = tn_repair_line(b->p);
	struct tn_ref r;

	if (!tn_stream_put(s, &b->w, &r, tn_plan_bursts(&l)))
		return false;
	*new_ref(b, TN_REF_STREAM, 0) = r;
	if (b->mark == TN_GUARD_BURST)
		set_guard(b, TN_GUARD_BURST, &s->open.repair);
	else if (r.flags & TN_REF_HARD)
		set_guard(b, TN_GUARD_AGAIN, &s->open.repair);
	else if (tn_stream_short(s, &r))
		set_guard(b, TN_GUARD_STREAM, &s->open.repair);
	list_remove(&s->snd.link); /* and to the end of the line */
	tn_stream_check(s);
	return true;
}

static bool put_flow(struct build *b, struct tunnel_flow *f)
{
	struct tn_ref r;
	size_t from = wr_len(&b->w);

	if (!tn_flow_put(f, &b->w, &r)) {
		if (tn_flow_sendable(f))
			return false;
		list_remove(&f->snd.link); /* all was too old */
		return true;
	}
	*new_ref(b, TN_REF_FLOW, 0) = r;
	set_tail(b, from, r.len);
	if (tn_flow_level(f) < URGENT)
		set_guard(b, TN_GUARD_FLOW, &f->open.repair);
	list_remove(&f->snd.link);
	if (tn_flow_sendable(f))
		list_append(&b->t->ready[tn_flow_level(f)], &f->snd.link);
	return true;
}

static void put_data(struct build *b, int level)
{
	for (int i = 0; i <= level; i++) {
		struct tn_sender *s;

		/* A copy is not to carry what is not urgent. */
		while ((i < URGENT || b->guard < TN_GUARD_AGAIN) && has_room(b, 1) &&
		       tn_schedule_takes(b->t, b->p, i) &&
		       (s = list_first(&b->t->ready[i], struct tn_sender, link)) != NULL) {
			bool put = s->kind == TN_STREAM
				       ? put_stream(b, container_of(s, struct tunnel_stream, snd))
				       : put_flow(b, container_of(s, struct tunnel_flow, snd));
			if (!put)
				return;
			b->game = b->game || i == 0;
		}
	}
}

static void put_padding(struct build *b)
{
	b->eliciting = b->soon = true;
	wr_u8(&b->w, TN_F_PING);
	memset(b->w.p, TN_F_PADDING, wr_left(&b->w));
	b->w.p = b->w.end;
}

/* Of what kind of block will what is sent now be a part? */
static enum tn_guard mark_for(const struct tunnel *t, const struct tn_path *p, int level)
{
	int wanted = level_wanted(t, p);
	struct tn_line l = tn_repair_line(p);
	const struct tn_sender *s;

	if (wanted > level || (wanted == 0 && tn_schedule_spare(t, p)))
		return TN_GUARD_NONE;
	s = list_first(&t->ready[wanted], struct tn_sender, link);
	if (s->kind == TN_STREAM &&
	    (p->repair.burst.k || tn_stream_burst(container_of(s, struct tunnel_stream, snd))))
		return tn_plan_rows(&l, TN_GUARD_BURST, TN_RS_DATA) ? TN_GUARD_BURST
								    : TN_GUARD_NONE;
	if (wanted < URGENT && p->repair.gap_us < MANY_US && tn_plan_rows(&l, TN_GUARD_FLOW, 2))
		return TN_GUARD_FLOW;
	return TN_GUARD_NONE;
}

/* May what is sent now have copies? */
static bool copy_wanted(const struct tunnel *t, const struct tn_path *p)
{
	int level = level_wanted(t, p);
	const struct tn_sender *s;

	if (level < URGENT || level == TN_LEVELS)
		return level < URGENT;
	s = list_first(&t->ready[level], struct tn_sender, link);
	return s->kind == TN_STREAM && container_of(s, struct tunnel_stream, snd)->hard.n;
}

static void put_ping(struct build *b)
{
	if (!b->p->ping && (!b->s->acks || b->eliciting || ++b->p->acks_alone <= ACKS_ALONE))
		return;
	wr_u8(&b->w, TN_F_PING);
	b->eliciting = b->soon = true;
}

/* What can be recovered. A symbol must have room for what stands before it. */
static void put_frames(struct build *b, int level)
{
	uint8_t *end = b->w.end;
	size_t most = tn_repair_space(b->p) - TN_PIECE_HEAD;

	b->mark = mark_for(b->t, b->p, level);
	if (b->mark)
		wr_u8(&b->w, TN_F_KEEP);
	b->from = wr_len(&b->w);
	put_control(b);
	if ((b->mark || copy_wanted(b->t, b->p)) && b->w.start + b->from + most < end)
		b->w.end = b->w.start + b->from + most;
	if (b->w.p < b->w.end)
		put_data(b, level);
	b->w.end = end;
	put_ping(b);
	b->to = wr_len(&b->w);
	if (b->mark && b->to == b->from)
		b->w.p--;
	tn_block_dry(b->t, b->p, level_wanted(b->t, b->p) == TN_LEVELS);
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

static bool ack_due(const struct tunnel *t, const struct tn_path *p)
{
	return p->ack_pending && (p->ack_now || p->ack_us <= t->now_us);
}

/* An ACK at leisure waits for the last ride before its time, and takes a copy rather than what is
 * going to be copied. */
static bool ack_waits(const struct tunnel *t, struct tn_path *p)
{
	if (p->ack_soon || ack_due(t, p))
		return false;
	if (p->ack_us > t->now_us + p->repair.gap_us * 4 / 3)
		return true;
	return level_wanted(t, p) < 2 && tn_repair_next(p) && !tn_repair_ready(t, p);
}

static void put_ack(struct build *b)
{
	struct tunnel *t = b->t;
	struct tn_path *p = b->p, *other;

	/* An ACK from before an outage may have been lost in it: a probe tells again. */
	if (p->state == TN_PATH_DOWN || (p->ack_pending && !ack_waits(t, p))) {
		b->s->acks = tn_ack_put(p, &b->w, true, t->now_us);
		b->s->acks_path = (uint8_t)p->number;
		if (b->s->acks)
			tn_ack_sent(p);
	}
	if (!tn_schedule_controls(t, p))
		return;
	/* What came on a path that may not be able to answer. */
	tn_paths_for (other, t) {
		if (other->relay_ack && other != p)
			tn_ack_put(other, &b->w, false, t->now_us);
		other->relay_ack = false;
	}
}

static bool relay_due(const struct tunnel *t, const struct tn_path *p)
{
	const struct tn_path *other;

	if (t->n_up == 0 || !tn_schedule_controls(t, p))
		return false;
	tn_paths_for (other, t) {
		if (other->relay_ack)
			return true;
	}
	return false;
}

/* Its ACK is not recovered, so the peer may miss it. */
static void guard(struct build *b, const uint8_t *frames)
{
	tn_repair_take(b->t, b->p, b->s, frames + b->from, b->to - b->from, b->guard, b->mark,
		       b->game, b->percent);
	if (b->s->guard_us)
		b->s->acks = 0;
}

static bool put_symbols(struct build *b)
{
	size_t from = wr_len(&b->w), n;

	for (; (n = tn_repair_put(b->t, b->p, &b->w)) > 0; from = wr_len(&b->w)) {
		set_tail(b, from, n);
		b->symbols = true;
	}
	return b->symbols;
}

/* Closes the packet: header before, seal around, books kept. */
static size_t seal(struct build *b, uint8_t *buf)
{
	struct tunnel *t = b->t;
	struct tn_path *p = b->p;
	struct wr h = wr_of(buf, b->head);
	bool is_long = b->head == TN_HEADER_LEN;
	int r = tn_keys_turn(&p->out, &t->key_life, p->next, p->largest_acked, t->now_us);
	int64_t last_us = p->asking && p->flight && !b->s->refs ? p->last_sent_us : NEVER_US;
	size_t n, size;

	cut_tail(b);
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

static void begin(struct build *b, uint8_t *buf, size_t size)
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

size_t tn_packet_challenge(struct tunnel *t, struct tn_path *p, uint8_t *buf, uint64_t token)
{
	struct build b = {.t = t, .p = p, .eliciting = true};

	if (tn_sent_reserve(t, p) < 0)
		return 0;
	begin(&b, buf, TUNNEL_DGRAM_MIN);
	wr_u8(&b.w, TN_F_CHALLENGE);
	wr_u64(&b.w, token);
	return seal(&b, buf);
}

static size_t build(struct tunnel *t, struct tn_path *p, uint8_t *buf)
{
	struct build b = {.t = t, .p = p};
	size_t budget = tn_trial_budget(p);
	int level;

	if (tn_held(p) || tn_sent_reserve(t, p) < 0 || budget < SMALL_LEN)
		return 0;
	if (t->state == TUNNEL_CLOSING)
		return build_close(&b, buf);
	tn_path_fill(p, t->now_us);
	level = tn_packet_level(p);
	if (!ack_due(t, p) && !relay_due(t, p) && !control_wanted(t, p) && !tn_repair_ready(t, p) &&
	    level_wanted(t, p) > level)
		return build_probe(&b, buf, level);
	begin(&b, buf, MIN(p->dgram, budget));
	put_ack(&b);
	tn_loss_put(p, &b.w, t->now_us);
	put_response(&b); /* not to be recovered: it is worth something where it came from */
	if (!put_symbols(&b))
		put_frames(&b, level);
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

int64_t tn_packet_wake(const struct tunnel *t, struct tn_path *p)
{
	bool bulk = tn_repair_bulk(p) || warm_wanted(t, p);
	int wanted = MIN(level_wanted(t, p), bulk ? TN_LEVELS - 1 : TN_LEVELS);
	int64_t at = MIN(tn_life_wake(t, p), tn_trial_wake(p));

	if (tn_trial_budget(p) < SMALL_LEN || tn_held(p))
		return at;
	if (control_wanted(t, p) || wanted <= tn_packet_level(p) ||
	    (p->ack_pending && p->ack_now) || relay_due(t, p))
		return t->now_us;
	if (p->ack_pending)
		at = MIN(at, p->ack_us);
	if (wanted < TN_LEVELS)
		at = MIN(at, pace_wake(t, p, wanted));
	at = MIN(at, MIN(tn_repair_wake(p), mtu_due(p)));
	if (warm_due(t, p) > t->now_us)
		at = MIN(at, warm_due(t, p));
	return MIN(at, MIN(p->loss_us, tn_pto_due(p)));
}
