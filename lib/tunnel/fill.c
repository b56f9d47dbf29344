/* The frames of a datagram. */
#include "tunnel/packet.h"

#define ACKS_ALONE 24 /* after so many packets with only an ACK, one asks for an ACK itself */
#define URGENT 2      /* levels below it are */
#define MANY_US (3 * MS_US / 2) /* between urgent packets: closer ones share symbols */

/* ---- acknowledgements ---- */

/* An ACK at leisure waits for the last ride before its time, and takes a copy rather than what is
 * going to be copied. */
static bool ack_waits(const struct tunnel *t, struct tn_path *p)
{
	if (p->ack_soon || tn_due_ack(t, p))
		return false;
	if (p->ack_us > t->now_us + p->repair.gap_us * 4 / 3)
		return true;
	return tn_due_wanted(t, p) < 2 && tn_repair_next(p) && !tn_repair_ready(t, p);
}

void tn_fill_ack(struct tn_build *b)
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

/* ---- frames that are not data ---- */

static struct tn_ref *new_ref(struct tn_build *b, uint8_t kind, uint64_t id)
{
	struct tn_ref *r = &b->s->ref[b->s->refs++];

	*r = (struct tn_ref){.kind = kind, .id = id};
	b->eliciting = true;
	b->soon = b->soon || kind != TN_REF_FLOW;
	return r;
}

static bool has_room(const struct tn_build *b, size_t n)
{
	return wr_left(&b->w) >= n && b->s->refs < TN_REFS;
}

static void put_max_data(struct tn_build *b)
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

static void put_update(struct tn_build *b, struct tunnel_stream *s)
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

static void put_notes(struct tn_build *b)
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

static void put_gone(struct tn_build *b)
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

void tn_fill_response(struct tn_build *b)
{
	struct tn_path *p = b->p;

	if (!p->respond || wr_left(&b->w) < 9)
		return;
	wr_u8(&b->w, TN_F_RESPONSE);
	wr_u64(&b->w, p->response);
	b->eliciting = true;
	p->respond = false;
}

static void put_control(struct tn_build *b)
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
static void set_tail(struct tn_build *b, size_t from, size_t n)
{
	b->tail = from;
	b->tail_end = wr_len(&b->w);
	b->tail_bytes = n;
}

/* The last frame needs no length. */
void tn_fill_cut(struct tn_build *b)
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

bool tn_fill_symbols(struct tn_build *b)
{
	size_t from = wr_len(&b->w), n;

	for (; (n = tn_repair_put(b->t, b->p, &b->w)) > 0; from = wr_len(&b->w)) {
		set_tail(b, from, n);
		b->symbols = true;
	}
	return b->symbols;
}

static void set_guard(struct tn_build *b, enum tn_guard guard, const struct tunnel_repair *repair)
{
	if (repair->percent < 0 || guard < b->guard)
		return;
	b->guard = guard;
	b->percent = repair->percent;
}

static bool put_stream(struct tn_build *b, struct tunnel_stream *s)
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

static bool put_flow(struct tn_build *b, struct tunnel_flow *f)
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

static void put_data(struct tn_build *b, int level)
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

void tn_fill_padding(struct tn_build *b)
{
	b->eliciting = b->soon = true;
	wr_u8(&b->w, TN_F_PING);
	memset(b->w.p, TN_F_PADDING, wr_left(&b->w));
	b->w.p = b->w.end;
}

/* Of what kind of block will what is sent now be a part? */
static enum tn_guard mark_for(const struct tunnel *t, const struct tn_path *p, int level)
{
	int wanted = tn_due_wanted(t, p);
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
	int level = tn_due_wanted(t, p);
	const struct tn_sender *s;

	if (level < URGENT || level == TN_LEVELS)
		return level < URGENT;
	s = list_first(&t->ready[level], struct tn_sender, link);
	return s->kind == TN_STREAM && container_of(s, struct tunnel_stream, snd)->hard.n;
}

static void put_ping(struct tn_build *b)
{
	if (!b->p->ping && (!b->s->acks || b->eliciting || ++b->p->acks_alone <= ACKS_ALONE))
		return;
	wr_u8(&b->w, TN_F_PING);
	b->eliciting = b->soon = true;
}

/* What can be recovered. A symbol must have room for what stands before it. */
void tn_fill_frames(struct tn_build *b, int level)
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
	tn_block_dry(b->t, b->p, tn_due_wanted(b->t, b->p) == TN_LEVELS);
}
