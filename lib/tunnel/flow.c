/* Flows: datagrams. The application's side and the sender. */
#include "tunnel/internal.h"
#include <errno.h>

#define PIECE_MIN 256

/* ---- queues of datagrams ---- */

static void append(struct tn_dgrams *q, struct tn_dgram *d)
{
	if (!q->first)
		q->last = &q->first;
	d->next = NULL;
	*q->last = d;
	q->last = &d->next;
	q->bytes += sizeof(*d) + d->len;
	*q->sum += sizeof(*d) + d->len;
}

int tn_dgrams_add(struct tn_dgrams *q, const void *data, size_t n, uint64_t seq, int64_t now_us)
{
	struct tn_dgram *d = malloc(sizeof(*d) + n);

	if (!d)
		return -ENOMEM;
	*d = (struct tn_dgram){.len = (uint32_t)n, .seq = seq, .since_us = now_us};
	if (n)
		memcpy(d->data, data, n);
	append(q, d);
	return 0;
}

/* Takes out the one at that place. */
static struct tn_dgram *take_out(struct tn_dgrams *q, struct tn_dgram **at)
{
	struct tn_dgram *d = *at;

	*at = d->next;
	if (!d->next)
		q->last = at;
	q->bytes -= sizeof(*d) + d->len;
	*q->sum -= sizeof(*d) + d->len;
	return d;
}

static void dgram_free(struct tn_dgram *d)
{
	tn_spans_finish(&d->again);
	free(d);
}

void tn_dgrams_drop(struct tn_dgrams *q)
{
	dgram_free(take_out(q, &q->first));
}

void tn_dgrams_finish(struct tn_dgrams *q)
{
	while (q->first)
		tn_dgrams_drop(q);
}

/* ---- life ---- */

struct tunnel_flow *tn_flow_make(struct tunnel *t, uint64_t id, const struct tunnel_open *open)
{
	struct tunnel_flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->node.id = id;
	f->t = t;
	f->local = (id & 1) == t->server;
	f->held = true;
	f->open = *open;
	f->used_us = t->now_us;
	f->snd.kind = f->ev.kind = TN_FLOW;
	f->out.sum = &t->flows_out;
	f->kept.sum = &t->flows_kept;
	f->in.sum = &t->flows_in;
	list_init(&f->snd.link);
	list_init(&f->ev.link);
	if (tn_idmap_put(&t->flows, &f->node) < 0) {
		free(f);
		return NULL;
	}
	list_append(&t->flow_age, &f->age);
	*(f->local ? &t->n_flows_local : &t->n_flows_peer) += 1;
	return f;
}

void tn_flow_free(struct tunnel_flow *f)
{
	struct tunnel *t = f->t;

	*(f->local ? &t->n_flows_local : &t->n_flows_peer) -= 1;
	tn_idmap_remove(&t->flows, &f->node);
	list_remove(&f->age);
	list_remove(&f->snd.link);
	list_remove(&f->ev.link);
	tn_dgrams_finish(&f->out);
	tn_dgrams_finish(&f->kept);
	tn_dgrams_finish(&f->in);
	free(f->seen.bits);
	free(f);
}

void tn_flow_used(struct tunnel_flow *f)
{
	f->used_us = f->t->now_us;
	list_remove(&f->age);
	list_append(&f->t->flow_age, &f->age);
}

unsigned tn_flow_level(const struct tunnel_flow *f)
{
	switch (f->open.class) {
	case TUNNEL_INTERACTIVE:
		return 1;
	case TUNNEL_LIVE:
		return 2;
	case TUNNEL_BULK:
		return 3;
	case TUNNEL_AUTO:
	case TUNNEL_GAME:
		break;
	}
	return 0;
}

static struct tunnel_flow *oldest(const struct tunnel *t)
{
	return list_first(&t->flow_age, struct tunnel_flow, age);
}

int64_t tn_flow_due(const struct tunnel *t)
{
	const struct tunnel_flow *f = oldest(t);

	return f ? f->used_us + t->conf.flow_idle_us : NEVER_US;
}

/* A closed flow keeps its handle until release, but leaves the map. */
static void close_flow(struct tunnel_flow *f)
{
	f->closed = true;
	tn_idmap_remove(&f->t->flows, &f->node);
	list_remove(&f->age);
	list_append(&f->t->closed_flows, &f->age);
	list_remove(&f->snd.link);
	tn_dgrams_finish(&f->out);
	tn_dgrams_finish(&f->kept);
	f->n_again = 0;
	tn_event(f->t, &f->ev, TUNNEL_EV_FLOW_CLOSED);
}

void tn_flow_sweep(struct tunnel *t)
{
	while (tn_flow_due(t) <= t->now_us) {
		struct tunnel_flow *f = oldest(t);

		tn_note_add(t, TN_F_FLOW_CLOSE, f->node.id);
		close_flow(f);
	}
}

void tn_flow_take_note(struct tunnel *t, uint8_t type, uint64_t id)
{
	struct tn_id *e = tn_idmap_get(&t->flows, id);
	struct tunnel_flow *f = e ? container_of(e, struct tunnel_flow, node) : NULL;

	if (!f)
		return;
	if (type == TN_F_FLOW_GONE)
		f->open_acked = false; /* the next datagram opens it again */
	else
		close_flow(f);
}

/* ---- what comes too late ---- */

/* How old a datagram may become. What is later is worth nothing to most applications. */
static int64_t usual_deadline(const struct tunnel_flow *f)
{
	int64_t rtt = f->t->best->srtt_us;

	switch (f->open.class) {
	case TUNNEL_LIVE:
		return MAX(4 * rtt, 600 * MS_US);
	case TUNNEL_BULK:
		return MAX(5 * rtt, SEC_US);
	default:
		return MAX(4 * rtt, 400 * MS_US);
	}
}

/* 0: it is not sent again. */
static int64_t deadline(const struct tunnel_flow *f)
{
	if (f->open.repair.deadline_us)
		return MAX(f->open.repair.deadline_us, 0);
	return usual_deadline(f);
}

static bool late(const struct tunnel_flow *f, const struct tn_dgram *d)
{
	int64_t most = deadline(f);

	if (most == 0)
		most = usual_deadline(f);
	return f->t->now_us + f->t->best->srtt_us / 2 > d->since_us + most;
}

/* Of what waits: for the pace, or for a path when none is up. */
static void drop_late(struct tunnel_flow *f)
{
	while (f->out.first && f->out.first->sent == 0 && late(f, f->out.first)) {
		tn_dgrams_drop(&f->out);
		f->t->stats.flow_drops_late++;
	}
}

/* ---- the application's calls ---- */

int tunnel_flow_open(struct tunnel *t, const struct tunnel_open *open, struct tunnel_flow **out)
{
	struct tunnel_flow *f;

	if (t->state > TUNNEL_OPEN)
		return -ESHUTDOWN;
	if (!memchr(open->service, '\0', sizeof(open->service)) || open->class > TUNNEL_BULK)
		return -EINVAL;
	if (t->n_flows_local >= t->conf.flows_max)
		return -EAGAIN;
	f = tn_flow_make(t, t->next_flow, open);
	if (!f)
		return -ENOMEM;
	t->next_flow += 2;
	tn_touch(t);
	*out = f;
	return 0;
}

int tunnel_flow_send(struct tunnel_flow *f, const void *data, size_t n)
{
	struct tunnel *t = f->t;
	int r;

	if (f->closed || t->state > TUNNEL_OPEN)
		return -EPIPE;
	if (n > TUNNEL_FLOW_DGRAM_MAX)
		return -EMSGSIZE;
	drop_late(f);
	if (f->out.bytes + n > t->conf.flow_queue || t->flows_out + n > t->conf.flows_queue) {
		t->stats.flow_drops_send++;
		return -ENOBUFS;
	}
	r = tn_dgrams_add(&f->out, data, n, f->seq, t->now_us);
	if (r < 0)
		return r;
	f->seq++;
	tn_flow_used(f);
	if (list_empty(&f->snd.link))
		list_append(&t->ready[tn_flow_level(f)], &f->snd.link);
	tn_touch(t);
	return 0;
}

ssize_t tunnel_flow_recv(struct tunnel_flow *f, void *buf, size_t cap)
{
	struct tn_dgram *d = f->in.first;
	size_t n;

	if (!d)
		return -EAGAIN;
	n = MIN(d->len, cap);
	if (n)
		memcpy(buf, d->data, n);
	tn_dgrams_drop(&f->in);
	return (ssize_t)n;
}

void tunnel_flow_release(struct tunnel_flow *f)
{
	if (!f)
		return;
	if (!f->closed && (f->open_acked || !f->local || f->seq > 0))
		tn_note_add(f->t, TN_F_FLOW_CLOSE, f->node.id);
	tn_flow_free(f);
}

/* ---- what is not acknowledged ---- */

/* All of it has been sent. */
static void keep(struct tunnel_flow *f)
{
	struct tn_dgram *d = take_out(&f->out, &f->out.first);

	f->t->stats.flow_sent++;
	while (f->kept.first && !f->kept.first->again.n &&
	       (late(f, f->kept.first) || f->kept.bytes > f->t->conf.flow_queue))
		tn_dgrams_drop(&f->kept);
	if (deadline(f) == 0 || f->kept.bytes > f->t->conf.flow_queue ||
	    f->t->flows_kept > f->t->conf.flows_queue)
		dgram_free(d);
	else
		append(&f->kept, d);
}

static struct tn_dgram **find_kept(struct tunnel_flow *f, uint64_t seq)
{
	struct tn_dgram **at = &f->kept.first;

	while (*at && (*at)->seq != seq)
		at = &(*at)->next;
	return at;
}

static void forget_kept(struct tunnel_flow *f, struct tn_dgram **at)
{
	struct tn_dgram *d = take_out(&f->kept, at);

	f->n_again -= d->again.n > 0;
	dgram_free(d);
}

void tn_flow_acked(struct tunnel *t, const struct tn_ref *r)
{
	struct tn_id *e = tn_idmap_get(&t->flows, r->id);
	struct tunnel_flow *f = e ? container_of(e, struct tunnel_flow, node) : NULL;
	struct tn_dgram **at;

	if (!f)
		return;
	if (r->flags & TN_F_FLOW_OPEN)
		f->open_acked = true;
	at = find_kept(f, r->off >> 16);
	if (!*at)
		return;
	(*at)->acked += r->len;
	if ((*at)->acked >= (*at)->len)
		forget_kept(f, at);
}

void tn_flow_lost(struct tunnel *t, const struct tn_ref *r)
{
	struct tn_id *e = tn_idmap_get(&t->flows, r->id);
	struct tunnel_flow *f = e ? container_of(e, struct tunnel_flow, node) : NULL;
	struct tn_dgram **at;
	uint64_t off = r->off & 0xffff;
	bool first;

	if (!f || f->closed)
		return;
	at = find_kept(f, r->off >> 16);
	if (!*at)
		return;
	if (late(f, *at)) {
		t->stats.flow_drops_late++;
		forget_kept(f, at);
		return;
	}
	first = (*at)->again.n == 0;
	if (tn_spans_add(&(*at)->again, off, off + MAX(r->len, 1)) == 0)
		f->n_again += first;
	if (list_empty(&f->snd.link))
		list_append(&t->ready[tn_flow_level(f)], &f->snd.link);
}

/* ---- sending: FLOW: id, number, [open], [offset, total], length, bytes ---- */

bool tn_flow_sendable(const struct tunnel_flow *f)
{
	return f->out.first || f->n_again;
}

static size_t head_len(const struct tunnel_flow *f, const struct tn_dgram *d, bool piece)
{
	size_t n = 1 + varint_len(f->node.id) + varint_len(d->seq) + 4;

	if (f->local && !f->open_acked)
		n += tn_open_len(&f->open);
	return n + (piece ? 8 : 0);
}

/* Bytes [off, off + len) of it. */
static void put_frame(const struct tunnel_flow *f, const struct tn_dgram *d, struct wr *w,
		      size_t off, size_t len)
{
	bool open = f->local && !f->open_acked, piece = len < d->len;

	wr_u8(w,
	      (uint8_t)(TN_F_FLOW | (open ? TN_F_FLOW_OPEN : 0) | (piece ? TN_F_FLOW_PIECE : 0)));
	wr_varint(w, f->node.id);
	wr_varint(w, d->seq);
	if (open)
		tn_put_open(w, &f->open);
	if (piece) {
		wr_varint(w, off);
		wr_varint(w, d->len);
	}
	wr_varint(w, len);
	wr_bytes(w, d->data + off, len);
}

/* As much of [off, end) of it as has room. Returns how much, or -1. */
static ssize_t put_some(const struct tunnel_flow *f, const struct tn_dgram *d, size_t off,
			size_t end, struct wr *w, struct tn_ref *r)
{
	size_t space = (size_t)(w->end - w->start), left = wr_left(w), len = end - off;
	bool piece = len < d->len || head_len(f, d, false) + d->len + 64 > space;
	size_t head = head_len(f, d, piece);

	if (left < head + (piece ? MIN(len, (size_t)PIECE_MIN) : len))
		return -1;
	len = MIN(len, left - head);
	*r = (struct tn_ref){.kind = TN_REF_FLOW, .id = f->node.id, .len = (uint32_t)len};
	r->off = d->seq << 16 | off;
	r->flags = f->local && !f->open_acked ? TN_F_FLOW_OPEN : 0;
	put_frame(f, d, w, off, len);
	return (ssize_t)len;
}

/* The oldest piece that was lost, unless it has become too old meanwhile. */
static bool put_again(struct tunnel_flow *f, struct wr *w, struct tn_ref *r)
{
	struct tn_dgram **at = &f->kept.first;
	struct tn_span x;
	ssize_t len;

	while (*at && ((*at)->again.n == 0 || late(f, *at))) {
		if ((*at)->again.n == 0) {
			at = &(*at)->next;
			continue;
		}
		f->t->stats.flow_drops_late++;
		forget_kept(f, at);
	}
	if (!*at)
		return false;
	x = (*at)->again.at[0];
	len = put_some(f, *at, x.lo, MIN(x.hi, (*at)->len), w, r);
	if (len < 0)
		return false;
	tn_spans_remove(&(*at)->again, x.lo, x.lo + (uint64_t)MAX(len, 1));
	f->n_again -= (*at)->again.n == 0;
	f->t->stats.flow_resent++;
	return true;
}

/* One datagram, or as much of a large one as has room. */
bool tn_flow_put(struct tunnel_flow *f, struct wr *w, struct tn_ref *r)
{
	struct tn_dgram *d;
	ssize_t len;

	if (f->n_again && put_again(f, w, r))
		return true;
	drop_late(f);
	d = f->out.first;
	if (!d)
		return false;
	len = put_some(f, d, d->sent, d->len, w, r);
	if (len < 0)
		return false;
	d->sent += (uint32_t)len;
	if (d->sent == d->len)
		keep(f);
	return true;
}

/* ---- small answers ---- */

const struct tunnel_open *tunnel_flow_info(const struct tunnel_flow *f)
{
	return &f->open;
}

void tunnel_flow_set_repair(struct tunnel_flow *f, const struct tunnel_repair *repair)
{
	f->open.repair = *repair;
}

uint64_t tunnel_flow_id(const struct tunnel_flow *f)
{
	return f->node.id;
}

void tunnel_flow_set_user(struct tunnel_flow *f, void *user)
{
	f->user = user;
}

void *tunnel_flow_user(const struct tunnel_flow *f)
{
	return f->user;
}
