/* Streams: what arrives, and the credit that lets it. */
#include "tunnel/internal.h"
#include <errno.h>

static bool is_reset(const struct tunnel_stream *s)
{
	return s->rst_wanted || s->rst_sent || s->rst_got;
}

/* Bytes that can be read now. */
static uint64_t readable(const struct tunnel_stream *s)
{
	if (s->got.n == 0 || s->got.at[0].lo > s->in.start)
		return 0;
	return s->got.at[0].hi - s->in.start;
}

/* ---- reading ---- */

size_t tunnel_stream_peek(const struct tunnel_stream *s, const void **data)
{
	struct iovec iov = {0};

	tunnel_stream_peekv(s, &iov, 1);
	*data = iov.iov_base;
	return iov.iov_len;
}

unsigned tunnel_stream_peekv(const struct tunnel_stream *s, struct iovec *iov, unsigned max)
{
	return is_reset(s) ? 0 : tn_ring_peek(&s->in, readable(s), iov, max);
}

/* The whole tunnel's credit: n more bytes are out of the way. */
void tn_data_read(struct tunnel *t, uint64_t n)
{
	t->data_read += n;
	if (t->data_read + t->conf.tunnel_window >= t->data_max + t->conf.tunnel_window / 4) {
		t->max_data_wanted = true;
		tn_touch(t);
	}
}

/* A reader that keeps up with its window within two round trips gets a larger one. */
static void stream_credit(struct tunnel_stream *s)
{
	struct tunnel *t = s->t;

	if (s->final != UINT64_MAX || s->in.start + s->window < s->max + s->window / 4)
		return;
	if (!s->max_wanted) {
		if (t->now_us - s->grown_us < 2 * tn_schedule_rtt_max(t))
			s->window = MIN(s->window * 2, t->conf.stream_window);
		s->grown_us = t->now_us;
	}
	s->max_wanted = true;
	tn_stream_update(s);
	tn_touch(t);
}

void tunnel_stream_consume(struct tunnel_stream *s, size_t n)
{
	if (is_reset(s))
		return;
	n = MIN(n, (size_t)readable(s));
	if (n == 0)
		return;
	tn_spans_remove(&s->got, 0, s->in.start + n);
	tn_ring_drop(&s->in, &s->t->pool, s->in.start + n, s->got.n == 0);
	s->t->stats.stream_bytes_received += n;
	tn_data_read(s->t, n);
	stream_credit(s);
}

size_t tunnel_stream_read(struct tunnel_stream *s, void *buf, size_t cap)
{
	size_t done = 0, n;
	const void *p;

	while (done < cap && (n = tunnel_stream_peek(s, &p)) > 0) {
		n = MIN(n, cap - done);
		memcpy((uint8_t *)buf + done, p, n);
		tunnel_stream_consume(s, n);
		done += n;
	}
	return done;
}

bool tunnel_stream_ended(const struct tunnel_stream *s)
{
	return !is_reset(s) && s->final != UINT64_MAX && s->in.start == s->final;
}

/* What has come, and will come, counts as read. */
void tn_stream_abandon(struct tunnel_stream *s)
{
	uint64_t end = s->high, n = end - s->in.start;

	tn_ring_drop(&s->in, &s->t->pool, end, true);
	tn_spans_finish(&s->got);
	tn_data_read(s->t, n);
}

/* ---- frames ---- */

static bool is_local_id(const struct tunnel *t, uint64_t id)
{
	return (id & 1) == t->server;
}

/* The stream of that id; made when the peer opens it. NULL: over already, or *r < 0. */
static struct tunnel_stream *stream_for(struct tunnel *t, uint64_t id, int *r)
{
	struct tunnel_stream *s = tn_stream_find(t, id);

	*r = 0;
	if (s)
		return s;
	if (is_local_id(t, id)) {
		if (id >= t->next_stream)
			*r = tn_broken(t, "stream that was not opened");
		return NULL;
	}
	if (tn_spans_has(&t->peer_streams, id >> 1))
		return NULL;
	if (t->n_peer >= 2 * t->conf.streams_max + 16 || t->peer_streams.n > TN_ID_GAPS) {
		*r = tn_broken(t, "too many streams");
		return NULL;
	}
	s = tn_stream_make(t, id);
	if (!s || tn_spans_add(&t->peer_streams, id >> 1, (id >> 1) + 1) < 0) {
		tn_closed(t, -ENOMEM);
		*r = -ENOMEM;
		return NULL;
	}
	return s;
}

static void announce(struct tunnel_stream *s, const struct tunnel_open *open)
{
	struct tunnel *t = s->t;

	s->open = *open;
	s->known = true;
	if (is_reset(s))
		return;
	if (t->n_peer > t->conf.streams_max) {
		tn_stream_reset(s, TUNNEL_RST_LIMIT);
		return;
	}
	s->held = true;
	t->stats.streams_accepted++;
	tn_event(t, &s->ev, TUNNEL_EV_STREAM_OPENED);
	if (readable(s) || tunnel_stream_ended(s))
		tn_event(t, &s->ev, TUNNEL_EV_STREAM_READABLE);
}

/* Counts bytes up to `end` against both credits. */
static int take_credit(struct tunnel_stream *s, uint64_t end)
{
	struct tunnel *t = s->t;
	uint64_t more = end > s->high ? end - s->high : 0;

	if (end > s->max)
		return tn_broken(t, "more than the stream's credit");
	if (more > t->data_max - t->data_high)
		return tn_broken(t, "more than the tunnel's credit");
	t->data_high += more;
	s->high += more;
	return 0;
}

static int take_final(struct tunnel_stream *s, uint64_t final)
{
	if ((s->final != UINT64_MAX && s->final != final) || final < s->high)
		return tn_broken(s->t, "two ends of a stream");
	s->final = final;
	return 0;
}

static int store(struct tunnel_stream *s, const struct tn_stream_frame *f)
{
	uint64_t lo = MAX(f->off, s->in.start), end = f->off + f->len;
	struct tn_span gap;

	if (lo >= end)
		return 0;
	if (s->got.n > TN_STREAM_GAPS)
		return tn_broken(s->t, "a stream in too many pieces");
	while (tn_spans_gap(&s->got, lo, end, &gap)) {
		if (tn_ring_put(&s->in, &s->t->pool, gap.lo, f->data + (gap.lo - f->off),
				gap.hi - gap.lo) < 0 ||
		    tn_spans_add(&s->got, gap.lo, gap.hi) < 0)
			goto nomem;
		lo = gap.hi;
	}
	return 0;
nomem:
	tn_closed(s->t, -ENOMEM);
	return -ENOMEM;
}

/* The reader has read all there is, and a good part of the credit is on its way: what comes must wait
 * neither for what is lost nor for the credit, while the sender doubles its rate. So the window
 * settles at a few times what the line holds. */
static void credit_ahead(struct tunnel_stream *s)
{
	if (s->max_wanted || s->max - s->high > s->window / 4 * 3 || s->final != UINT64_MAX ||
	    s->window == s->t->conf.stream_window)
		return;
	s->window = MIN(s->window * 2, s->t->conf.stream_window);
	s->max_wanted = true;
	tn_stream_update(s);
}

int tn_stream_take(struct tunnel *t, const struct tn_stream_frame *f)
{
	uint64_t end = f->off + f->len, before;
	int r;
	struct tunnel_stream *s = stream_for(t, f->id, &r);
	bool ended;

	if (!s)
		return r;
	before = readable(s);
	ended = tunnel_stream_ended(s);
	if (s->final != UINT64_MAX && end > s->final)
		return tn_broken(t, "bytes beyond a stream's end");
	r = take_credit(s, end);
	if (r == 0 && f->fin)
		r = take_final(s, end);
	if (r < 0)
		return r;
	if (is_reset(s))
		tn_stream_abandon(s);
	else
		r = store(s, f);
	if (r < 0)
		return r;
	if (s->held && before == 0)
		credit_ahead(s);
	if (f->has_open && !s->known && !s->local)
		announce(s, &f->open);
	else if (s->held && (readable(s) > before || (!ended && tunnel_stream_ended(s))))
		tn_event(t, &s->ev, TUNNEL_EV_STREAM_READABLE);
	tn_stream_settle(s);
	return 0;
}

/* A RESET is answered by one, so that both know how many bytes the other had sent. */
int tn_stream_take_reset(struct tunnel *t, uint64_t id, uint64_t code, uint64_t final)
{
	int r;
	struct tunnel_stream *s = stream_for(t, id, &r);

	if (!s)
		return r;
	r = take_credit(s, final);
	if (r == 0)
		r = take_final(s, final);
	if (r < 0)
		return r;
	if (!s->rst_got && !s->rst_wanted && !s->rst_sent && s->held) {
		s->peer_code = (uint32_t)code;
		s->ev.bits &= ~(1u << TUNNEL_EV_STREAM_READABLE | 1u << TUNNEL_EV_STREAM_WRITABLE);
		tn_event(t, &s->ev, TUNNEL_EV_STREAM_RESET);
	}
	s->rst_got = true;
	tn_stream_abandon(s);
	tn_stream_reset(s, (uint32_t)code);
	tn_stream_settle(s);
	return 0;
}

int tn_stream_take_max(struct tunnel *t, uint64_t id, uint64_t max)
{
	int r;
	struct tunnel_stream *s = stream_for(t, id, &r);

	if (!s)
		return r;
	s->peer_max = MAX(s->peer_max, max);
	tn_stream_check(s);
	return 0;
}
