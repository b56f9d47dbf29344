/* Flows: what arrives. Datagrams pass as they come; doubles are dropped; pieces are put together.
 */
#include "tunnel/internal.h"

#define SEEN_BITS 64
#define PIECES_MAX 256 /* with holes between them; a sender makes no more of a datagram */

/* True the first time. Numbers too far behind count as seen. */
static bool first_time(struct tunnel_flow *f, uint64_t seq)
{
	if (seq >= f->seen_next) {
		uint64_t step = seq + 1 - f->seen_next;

		f->seen = step < SEEN_BITS ? f->seen << step : 0;
		f->seen |= 1;
		f->seen_next = seq + 1;
		return true;
	}
	uint64_t behind = f->seen_next - 1 - seq;

	if (behind >= SEEN_BITS || f->seen >> behind & 1)
		return false;
	f->seen |= UINT64_C(1) << behind;
	return true;
}

static bool seen(const struct tunnel_flow *f, uint64_t seq)
{
	uint64_t behind = f->seen_next - 1 - seq;

	return seq < f->seen_next && (behind >= SEEN_BITS || f->seen >> behind & 1);
}

/* The flow of a frame; the peer's are made by a frame that opens. */
static struct tunnel_flow *flow_for(struct tunnel *t, const struct tn_flow_frame *fr)
{
	struct tn_id *e = tn_idmap_get(&t->flows, fr->id);
	struct tunnel_flow *f;

	if (e)
		return container_of(e, struct tunnel_flow, node);
	if ((fr->id & 1) == t->server || !fr->has_open) {
		bool local = (fr->id & 1) == t->server;

		tn_note_add(t, local ? TN_F_FLOW_CLOSE : TN_F_FLOW_GONE, fr->id);
		return NULL;
	}
	if (t->n_flows_peer >= t->conf.flows_max) {
		t->stats.flow_drops_receive++;
		return NULL;
	}
	f = tn_flow_make(t, fr->id, &fr->open);
	if (f)
		tn_event(t, &f->ev, TUNNEL_EV_FLOW_OPENED);
	return f;
}

static void deliver(struct tunnel_flow *f, const void *data, size_t n)
{
	struct tunnel *t = f->t;

	while (f->in.first && f->in.bytes + n > t->conf.flow_queue) {
		tn_dgrams_drop(&f->in);
		t->stats.flow_drops_receive++;
	}
	if (t->flows_in + n > t->conf.flows_queue || tn_dgrams_add(&f->in, data, n, 0) < 0) {
		t->stats.flow_drops_receive++;
		return;
	}
	t->stats.flow_received++;
	tn_event(t, &f->ev, TUNNEL_EV_FLOW_READABLE);
}

/* ---- pieces ---- */

static void partial_finish(struct tn_partial *p)
{
	free(p->data);
	tn_spans_finish(&p->got);
	memset(p, 0, sizeof(*p));
}

/* The one that these pieces belong to, or a free one, or the oldest, which is lost with that. */
static struct tn_partial *partial_for(struct tunnel *t, const struct tn_flow_frame *f)
{
	struct tn_partial *best = &t->partial[0];

	for (size_t i = 0; i < TN_PARTIALS; i++) {
		struct tn_partial *p = &t->partial[i];

		if (p->data && p->flow == f->id && p->seq == f->seq)
			return p->len == f->total ? p : NULL;
		if (!p->data || (best->data && p->since_us < best->since_us))
			best = p;
	}
	if (best->data)
		t->stats.flow_drops_pieces++;
	partial_finish(best);
	best->data = malloc(MAX(f->total, 1));
	if (!best->data)
		return NULL;
	best->flow = f->id;
	best->seq = f->seq;
	best->len = f->total;
	best->since_us = t->now_us;
	return best;
}

static void take_piece(struct tunnel_flow *fl, const struct tn_flow_frame *f)
{
	struct tn_partial *p;

	if (seen(fl, f->seq))
		return;
	p = partial_for(fl->t, f);
	if (!p)
		return;
	if (f->len)
		memcpy(p->data + f->off, f->data, f->len);
	if (tn_spans_add(&p->got, f->off, f->off + f->len) < 0)
		return;
	if (p->got.n > PIECES_MAX) {
		fl->t->stats.flow_drops_pieces++;
		partial_finish(p);
		return;
	}
	if (p->got.n != 1 || p->got.at[0].lo != 0 || p->got.at[0].hi != p->len)
		return;
	if (first_time(fl, f->seq))
		deliver(fl, p->data, p->len);
	partial_finish(p);
}

void tn_flow_take(struct tunnel *t, const struct tn_flow_frame *f)
{
	struct tunnel_flow *fl = flow_for(t, f);

	if (!fl)
		return;
	tn_flow_used(fl);
	if (f->piece)
		take_piece(fl, f);
	else if (first_time(fl, f->seq))
		deliver(fl, f->data, f->len);
}
