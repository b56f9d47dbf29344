/* Streams: the application's side, and what is common to both directions. */
#include "tunnel/internal.h"
#include <errno.h>

#define UNSENT_MAX (1024 * 1024) /* bytes queued that wait for the line */
#define BURST_PAUSE_US SEC_US
#define BURST_LEAK (64 * 1024) /* bytes a second that make no burst */
#define BURST_BULK (256 * 1024)

struct tunnel_stream *tn_stream_find(struct tunnel *t, uint64_t id)
{
	struct tn_id *e = tn_idmap_get(&t->streams, id);

	return e ? container_of(e, struct tunnel_stream, node) : NULL;
}

struct tunnel_stream *tn_stream_make(struct tunnel *t, uint64_t id)
{
	struct tunnel_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->node.id = id;
	s->t = t;
	s->local = (id & 1) == t->server;
	s->final = UINT64_MAX;
	s->peer_max = s->window = s->max = TN_STREAM_CREDIT;
	s->grown_us = s->burst_us = t->now_us;
	s->snd.kind = s->ev.kind = TN_STREAM;
	list_init(&s->snd.link);
	list_init(&s->ev.link);
	list_init(&s->update);
	if (tn_idmap_put(&t->streams, &s->node) < 0) {
		free(s);
		return NULL;
	}
	list_append(&t->all_streams, &s->all);
	*(s->local ? &t->n_local : &t->n_peer) += 1;
	return s;
}

void tn_stream_free(struct tunnel_stream *s)
{
	struct tunnel *t = s->t;

	t->buffered_out -= s->written - s->out.start;
	*(s->local ? &t->n_local : &t->n_peer) -= 1;
	tn_idmap_remove(&t->streams, &s->node);
	list_remove(&s->all);
	list_remove(&s->snd.link);
	list_remove(&s->ev.link);
	list_remove(&s->update);
	tn_ring_finish(&s->out, &t->pool);
	tn_ring_finish(&s->in, &t->pool);
	tn_spans_finish(&s->acked);
	tn_spans_finish(&s->lost);
	tn_spans_finish(&s->hard);
	tn_spans_finish(&s->got);
	free(s);
}

static bool is_reset(const struct tunnel_stream *s)
{
	return s->rst_wanted || s->rst_sent || s->rst_got;
}

unsigned tn_stream_level(const struct tunnel_stream *s)
{
	switch (s->open.class) {
	case TUNNEL_GAME:
		return 0;
	case TUNNEL_INTERACTIVE:
		return 1;
	case TUNNEL_LIVE:
		return 2;
	case TUNNEL_BULK:
		return 3;
	case TUNNEL_AUTO:
		break;
	}
	return s->burst > BURST_BULK ? 3 : 1;
}

void tn_stream_check(struct tunnel_stream *s)
{
	bool queued = !list_empty(&s->snd.link), want = tn_stream_sendable(s);

	if (want && !queued)
		list_append(&s->t->ready[tn_stream_level(s)], &s->snd.link);
	else if (!want && queued)
		list_remove(&s->snd.link);
}

void tn_streams_check(struct tunnel *t)
{
	struct tunnel_stream *s;

	list_for (s, &t->all_streams, all) {
		tn_stream_check(s);
	}
}

static bool send_over(const struct tunnel_stream *s)
{
	return s->rst_acked || (s->fin_acked && s->out.start == s->written && !is_reset(s));
}

static bool receive_over(const struct tunnel_stream *s)
{
	return s->final != UINT64_MAX && (is_reset(s) || s->in.start == s->final);
}

void tn_stream_settle(struct tunnel_stream *s)
{
	if (!s->held && send_over(s) && receive_over(s))
		tn_stream_free(s);
	else
		tn_stream_check(s);
}

/* A control frame of this stream is to be sent. */
void tn_stream_update(struct tunnel_stream *s)
{
	if (list_empty(&s->update))
		list_append(&s->t->updates, &s->update);
}

/* ---- the application's calls: opening and writing ---- */

int tunnel_stream_open(struct tunnel *t, const struct tunnel_open *open, struct tunnel_stream **out)
{
	struct tunnel_stream *s;

	if (t->state == TUNNEL_CLOSING || t->state == TUNNEL_CLOSED)
		return -ESHUTDOWN;
	if (!memchr(open->service, '\0', sizeof(open->service)) || open->class > TUNNEL_BULK)
		return -EINVAL;
	if (t->n_local >= t->conf.streams_max)
		return -EAGAIN;
	s = tn_stream_make(t, t->next_stream);
	if (!s)
		return -ENOMEM;
	t->next_stream += 2;
	s->open = *open;
	s->known = s->held = s->open_wanted = true;
	t->stats.streams_opened++;
	tn_stream_check(s);
	tn_touch(t);
	*out = s;
	return 0;
}

size_t tunnel_stream_room(const struct tunnel_stream *s)
{
	const struct tunnel *t = s->t;
	uint64_t kept = s->written - s->out.start, unsent = s->written - s->next, room;

	if (s->fin || is_reset(s) || t->state > TUNNEL_OPEN)
		return 0;
	room = kept < t->conf.stream_buffer ? t->conf.stream_buffer - kept : 0;
	room = MIN(room, unsent < UNSENT_MAX ? UNSENT_MAX - unsent : 0);
	return MIN(room, t->buffered_out < t->conf.tunnel_buffer
			     ? t->conf.tunnel_buffer - t->buffered_out
			     : 0);
}

/* A stream that carries little all the time is not bulk. */
static void count_burst(struct tunnel_stream *s, size_t n)
{
	int64_t now_us = s->t->now_us, idle_us = MIN(now_us - s->burst_us, 60 * SEC_US);
	uint64_t leak = (uint64_t)base_scale(BURST_LEAK, idle_us, SEC_US);

	s->burst = (idle_us > BURST_PAUSE_US || s->burst < leak ? 0 : s->burst - leak) + n;
	s->burst_us = now_us;
}

ssize_t tunnel_stream_write(struct tunnel_stream *s, const void *data, size_t n)
{
	struct tunnel *t = s->t;
	size_t take = MIN(n, tunnel_stream_room(s));

	if (s->fin || is_reset(s) || t->state > TUNNEL_OPEN)
		return -EPIPE;
	if (take < n) {
		s->blocked = true;
		t->starved = t->starved || t->conf.tunnel_buffer <= t->buffered_out + take;
	}
	if (take == 0)
		return 0;
	if (tn_ring_put(&s->out, &t->pool, s->written, data, take) < 0)
		return -ENOMEM;
	s->written += take;
	t->buffered_out += take;
	t->stats.stream_bytes_sent += take;
	count_burst(s, take);
	tn_stream_check(s);
	tn_touch(t);
	return (ssize_t)take;
}

void tunnel_stream_finish(struct tunnel_stream *s)
{
	if (s->fin || is_reset(s))
		return;
	s->fin = true;
	s->blocked = false;
	tn_stream_check(s);
	tn_touch(s->t);
}

/* ---- ending ---- */

/* Nothing more is sent of it but RESET. */
void tn_stream_reset(struct tunnel_stream *s, uint32_t code)
{
	struct tunnel *t = s->t;

	if (s->rst_wanted || s->rst_sent)
		return;
	t->stats.streams_reset++;
	t->buffered_out -= s->written - s->out.start;
	tn_ring_drop(&s->out, &t->pool, s->written, true);
	tn_spans_finish(&s->acked);
	tn_spans_finish(&s->lost);
	tn_spans_finish(&s->hard);
	s->code = code;
	s->rst_wanted = true;
	s->blocked = false;
	tn_stream_abandon(s);
	tn_stream_update(s);
	tn_stream_check(s);
	tn_touch(t);
}

void tunnel_stream_reset(struct tunnel_stream *s, uint32_t code)
{
	if (s->t->state == TUNNEL_CLOSED)
		return;
	/* Both directions are over already: there is nothing to break off. */
	if (send_over(s) && receive_over(s))
		return;
	tn_stream_reset(s, code);
}

void tunnel_stream_release(struct tunnel_stream *s)
{
	if (!s)
		return;
	s->held = false;
	s->user = NULL;
	s->ev.bits = 0;
	list_remove(&s->ev.link);
	if (!is_reset(s) && !(s->fin && tunnel_stream_ended(s)))
		tn_stream_reset(s, TUNNEL_RST_CANCEL);
	tn_stream_settle(s);
}

/* ---- small answers ---- */

const struct tunnel_open *tunnel_stream_info(const struct tunnel_stream *s)
{
	return &s->open;
}

void tunnel_stream_set_repair(struct tunnel_stream *s, const struct tunnel_repair *repair)
{
	s->open.repair = *repair;
}

uint64_t tunnel_stream_id(const struct tunnel_stream *s)
{
	return s->node.id;
}

void tunnel_stream_set_user(struct tunnel_stream *s, void *user)
{
	s->user = user;
}

void *tunnel_stream_user(const struct tunnel_stream *s)
{
	return s->user;
}
