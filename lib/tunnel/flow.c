/* Flows: datagrams. The application's side and the sender. */
#include "tunnel/internal.h"
#include <errno.h>

#define PIECE_MIN 256

/* ---- queues of datagrams ---- */

int tn_dgrams_add(struct tn_dgrams *q, const void *data, size_t n, uint64_t seq)
{
	struct tn_dgram *d = malloc(sizeof(*d) + n);

	if (!d)
		return -ENOMEM;
	d->next = NULL;
	d->len = (uint32_t)n;
	d->sent = 0;
	d->seq = seq;
	if (n)
		memcpy(d->data, data, n);
	if (!q->first)
		q->last = &q->first;
	*q->last = d;
	q->last = &d->next;
	q->bytes += sizeof(*d) + n;
	return 0;
}

void tn_dgrams_drop(struct tn_dgrams *q)
{
	struct tn_dgram *d = q->first;

	q->first = d->next;
	q->bytes -= sizeof(*d) + d->len;
	free(d);
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
	tn_dgrams_finish(&f->in);
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

void tn_flows_flush(struct tunnel *t)
{
	struct tunnel_flow *f;

	list_for (f, &t->flow_age, age) {
		while (f->out.first) {
			tn_dgrams_drop(&f->out);
			t->stats.flow_drops_send++;
		}
		list_remove(&f->snd.link);
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
	if (t->resuming_us != NEVER_US) { /* lost on a dead line; late, it would be worth nothing */
		t->stats.flow_drops_send++;
		tn_flow_used(f);
		return 0;
	}
	if (f->out.bytes + n > t->conf.flow_queue) {
		t->stats.flow_drops_send++;
		return -ENOBUFS;
	}
	r = tn_dgrams_add(&f->out, data, n, f->seq);
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

/* ---- sending: FLOW: id, number, [open], [offset, total], length, bytes ---- */

static size_t head_len(const struct tunnel_flow *f, const struct tn_dgram *d, bool piece)
{
	size_t n = 1 + varint_len(f->node.id) + varint_len(d->seq) + 4;

	if (f->local && !f->open_acked)
		n += tn_open_len(&f->open);
	return n + (piece ? 8 : 0);
}

static void put_frame(struct tunnel_flow *f, struct wr *w, size_t len, bool piece)
{
	struct tn_dgram *d = f->out.first;
	bool open = f->local && !f->open_acked;

	wr_u8(w,
	      (uint8_t)(TN_F_FLOW | (open ? TN_F_FLOW_OPEN : 0) | (piece ? TN_F_FLOW_PIECE : 0)));
	wr_varint(w, f->node.id);
	wr_varint(w, d->seq);
	if (open)
		tn_put_open(w, &f->open);
	if (piece) {
		wr_varint(w, d->sent);
		wr_varint(w, d->len);
	}
	wr_varint(w, len);
	wr_bytes(w, d->data + d->sent, len);
}

/* One datagram, or as much of a large one as has room. */
bool tn_flow_put(struct tunnel_flow *f, struct wr *w, struct tn_ref *r, bool *has_ref)
{
	struct tn_dgram *d = f->out.first;
	size_t space = (size_t)(w->end - w->start), left = wr_left(w), len = d->len - d->sent;
	bool piece = d->sent > 0 || head_len(f, d, false) + d->len + 64 > space;
	size_t head = head_len(f, d, piece);

	if (left < head + (piece ? MIN(len, (size_t)PIECE_MIN) : len))
		return false;
	len = MIN(len, left - head);
	*has_ref = f->local && !f->open_acked;
	*r = (struct tn_ref){.kind = TN_REF_FLOW_OPEN, .id = f->node.id};
	put_frame(f, w, len, piece);
	d->sent += (uint32_t)len;
	if (d->sent == d->len) {
		tn_dgrams_drop(&f->out);
		f->t->stats.flow_sent++;
	}
	return true;
}

void tn_flow_acked(struct tunnel *t, const struct tn_ref *r)
{
	struct tn_id *e = tn_idmap_get(&t->flows, r->id);

	if (e)
		container_of(e, struct tunnel_flow, node)->open_acked = true;
}

/* ---- small answers ---- */

const struct tunnel_open *tunnel_flow_info(const struct tunnel_flow *f)
{
	return &f->open;
}

struct tunnel *tunnel_flow_tunnel(const struct tunnel_flow *f)
{
	return f->t;
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
