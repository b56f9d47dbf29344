/* Streams: what leaves, what of it was acknowledged or lost. */
#include "tunnel/internal.h"

#define ROOM_EVENT (64 * 1024) /* WRITABLE is worth it from so many bytes of room */
#define FRAME_MIN 32	       /* a smaller piece of a long write is not worth a frame */
#define SHORT_LEN 1200
#define ALONG 2			/* times as much, of what was sent before */
#define BURST_GUARDED (3 << 19) /* bytes of a burst in which a loss is not to cost a round trip */

bool tn_stream_sendable(const struct tunnel_stream *s)
{
	if (s->rst_wanted || s->rst_sent || s->rst_got)
		return false;
	if (s->open_wanted || s->lost.n || s->fin_lost)
		return true;
	if (s->next < s->written)
		return s->next < s->peer_max && s->t->data_sent < s->t->data_peer_max;
	return s->fin && !s->fin_sent;
}

/* What goes next: lost bytes first, of them those that were lost more than once. *again: they were sent
 * before. */
static struct tn_span choose(const struct tunnel_stream *s, bool *again)
{
	const struct tunnel *t = s->t;
	struct tn_span x = {s->next, s->written};

	*again = true;
	if (s->hard.n)
		return s->hard.at[0];
	if (s->lost.n)
		return s->lost.at[0];
	if (s->open_wanted && s->next > 0)
		return (struct tn_span){0, 0};
	if (s->fin_lost)
		return (struct tn_span){s->written, s->written};
	*again = false;
	x.hi = MIN(x.hi, s->peer_max);
	x.hi = MIN(x.hi, x.lo + (t->data_peer_max - t->data_sent));
	x.hi = MAX(x.hi, x.lo);
	return x;
}

/* STREAM: id, offset, length, [open], bytes. */
static void put_frame(struct tunnel_stream *s, struct wr *w, const struct tn_ref *r)
{
	wr_u8(w, (uint8_t)(TN_F_STREAM | (r->flags & (TN_F_STREAM_FIN | TN_F_STREAM_OPEN))));
	wr_varint(w, r->id);
	wr_varint(w, r->off);
	wr_varint(w, r->len);
	if (r->flags & TN_F_STREAM_OPEN)
		tn_put_open(w, &s->open);
	if (r->len == 0 || wr_left(w) < r->len)
		return;
	tn_ring_get(&s->out, r->off, w->p, r->len);
	w->p += r->len;
}

static size_t head_len(const struct tunnel_stream *s, uint64_t off, bool open)
{
	return 1 + varint_len(s->node.id) + varint_len(off) + 2 +
	       (open ? tn_open_len(&s->open) : 0);
}

static void writable_check(struct tunnel_stream *s)
{
	if (!s->blocked ||
	    tunnel_stream_room(s) < MIN(s->t->conf.stream_buffer / 4, (size_t)ROOM_EVENT))
		return;
	s->blocked = false;
	tn_event(s->t, &s->ev, TUNNEL_EV_STREAM_WRITABLE);
}

static void sent_new(struct tunnel_stream *s, const struct tn_ref *r)
{
	uint64_t end = r->off + r->len;

	s->t->data_sent += end - s->next;
	s->next = end;
	writable_check(s);
}

/* A short write takes along those just before it that are not acknowledged: what comes first after a
 * burst of losses makes up for all that it took. */
static uint64_t take_along(const struct tunnel_stream *s, struct tn_span x, size_t left)
{
	uint64_t n = x.hi - x.lo, from = MAX(s->out.start, x.lo - MIN(x.lo, n * ALONG));

	if (x.hi < s->written || x.hi - from > SHORT_LEN || tn_stream_level(s) >= 2)
		return x.lo;
	return head_len(s, from, true) + (x.hi - from) > left ? x.lo : from;
}

bool tn_stream_put(struct tunnel_stream *s, struct wr *w, struct tn_ref *r, bool bursts)
{
	bool again, open, fin;
	struct tn_span x = choose(s, &again);
	size_t head, len;

	if (bursts && !again)
		x.lo = take_along(s, x, wr_left(w));
	open = x.lo == 0 && s->local && !s->open_acked;
	head = head_len(s, x.lo, open);
	if (wr_left(w) < head)
		return false;
	len = MIN(wr_left(w) - head, (size_t)(x.hi - x.lo));
	if (len < x.hi - x.lo && len < FRAME_MIN)
		return false;
	fin = s->fin && x.lo + len == s->written;
	*r = (struct tn_ref){
	    .kind = TN_REF_STREAM, .id = s->node.id, .off = x.lo, .len = (uint32_t)len};
	r->flags = (uint8_t)((fin ? TN_F_STREAM_FIN : 0) | (open ? TN_F_STREAM_OPEN : 0));
	put_frame(s, w, r);
	if (open)
		s->open_wanted = false;
	if (fin) {
		s->fin_sent = true;
		s->fin_lost = false;
	}
	if (again) {
		r->flags |= TN_REF_AGAIN | (s->hard.n ? TN_REF_HARD : 0);
		tn_spans_remove(&s->lost, x.lo, x.lo + len);
		tn_spans_remove(&s->hard, x.lo, x.lo + len);
		s->t->stats.bytes_resent += len;
	} else {
		sent_new(s, r);
	}
	return true;
}

bool tn_stream_short(const struct tunnel_stream *s, const struct tn_ref *r)
{
	return r->off + r->len == s->written && r->len <= SHORT_LEN && tn_stream_level(s) < 2;
}

bool tn_stream_burst(const struct tunnel_stream *s)
{
	return s->burst <= BURST_GUARDED && (s->lost.n || s->written - s->next > SHORT_LEN);
}

/* Streams that could not write because the tunnel's buffer was full. */
static void feed_starved(struct tunnel *t)
{
	struct tunnel_stream *s;

	if (!t->starved || t->buffered_out > t->conf.tunnel_buffer / 4 * 3)
		return;
	t->starved = false;
	list_for (s, &t->all_streams, all) {
		writable_check(s);
	}
}

static void bytes_acked(struct tunnel_stream *s, const struct tn_ref *r)
{
	uint64_t lo = MAX(r->off, s->out.start), hi = MAX(r->off + r->len, lo);
	uint64_t front = s->out.start, fresh = 0, from = lo;
	struct tn_span gap;

	for (; tn_spans_gap(&s->acked, from, hi, &gap); from = gap.hi)
		fresh += gap.hi - gap.lo;
	s->t->stats.bytes_wasted += r->len - fresh;
	tn_spans_remove(&s->lost, lo, hi);
	tn_spans_remove(&s->hard, lo, hi);
	if (lo == front) {
		front = hi;
		tn_spans_remove(&s->acked, lo, hi);
		if (s->acked.n && s->acked.at[0].lo == front) {
			front = s->acked.at[0].hi;
			tn_spans_remove(&s->acked, 0, front);
		}
	} else if (tn_spans_add(&s->acked, lo, hi) < 0) {
		return; /* it is sent again, no harm */
	}
	s->t->buffered_out -= front - s->out.start;
	tn_ring_drop(&s->out, &s->t->pool, front, front == s->written);
}

static void stream_acked(struct tunnel_stream *s, const struct tn_ref *r)
{
	if (r->flags & TN_F_STREAM_OPEN) {
		s->open_acked = true;
		s->open_wanted = false;
	}
	if (r->flags & TN_F_STREAM_FIN) {
		s->fin_acked = true;
		s->fin_lost = false;
	}
	if (!s->rst_wanted && !s->rst_sent)
		bytes_acked(s, r);
	writable_check(s);
}

void tn_stream_acked(struct tunnel *t, const struct tn_ref *r)
{
	struct tunnel_stream *s;

	if (r->kind == TN_REF_FLOW) {
		tn_flow_acked(t, r);
		return;
	}
	s = r->kind == TN_REF_STREAM || r->kind == TN_REF_RESET ? tn_stream_find(t, r->id) : NULL;
	if (!s)
		return;
	if (r->kind == TN_REF_RESET)
		s->rst_acked = true;
	else
		stream_acked(s, r);
	tn_stream_settle(s);
	feed_starved(t);
}

static void bytes_lost(struct tunnel_stream *s, const struct tn_ref *r)
{
	uint64_t lo = MAX(r->off, s->out.start), hi = r->off + r->len;
	struct tn_span gap;

	while (lo < hi && tn_spans_gap(&s->acked, lo, hi, &gap)) {
		tn_spans_add(&s->lost, gap.lo, gap.hi);
		if (r->flags & TN_REF_AGAIN)
			tn_spans_add(&s->hard, gap.lo, gap.hi);
		lo = gap.hi;
	}
	if (r->flags & TN_F_STREAM_OPEN && !s->open_acked)
		s->open_wanted = true;
	if (r->flags & TN_F_STREAM_FIN && !s->fin_acked)
		s->fin_lost = true;
}

void tn_stream_lost(struct tunnel *t, const struct tn_ref *r)
{
	struct tunnel_stream *s;

	if (r->kind == TN_REF_MAX_DATA)
		t->max_data_wanted = true;
	if (r->kind == TN_REF_FLOW)
		tn_flow_lost(t, r);
	if (r->kind == TN_REF_PATH_GONE && t->path[r->id]->state == TN_PATH_GONE)
		t->gone_wanted |= (uint8_t)(1u << r->id);
	if (r->kind == TN_REF_FLOW_CLOSE)
		tn_note_add(t, TN_F_FLOW_CLOSE, r->id);
	if (r->kind != TN_REF_STREAM && r->kind != TN_REF_RESET && r->kind != TN_REF_MAX_STREAM)
		return;
	s = tn_stream_find(t, r->id);
	if (!s)
		return;
	if (r->kind == TN_REF_RESET && !s->rst_acked) {
		s->rst_wanted = true;
		tn_stream_update(s);
	} else if (r->kind == TN_REF_MAX_STREAM && s->final == UINT64_MAX) {
		s->max_wanted = true;
		tn_stream_update(s);
	} else if (r->kind == TN_REF_STREAM && !s->rst_wanted && !s->rst_sent) {
		bytes_lost(s, r);
	}
	tn_stream_check(s);
}
