/* Flows: what arrives. Datagrams pass as they come; doubles are dropped; pieces are put together.
 */
#include "tunnel/internal.h"
#include <errno.h>

#define SEEN_MIN 64
#define SEEN_MAX 16384
#define SEEN_US SEC_US /* a number that comes again after so long may not be known any more */
#define PIECES_MAX 256 /* with holes between them; a sender makes no more of a datagram */

/* ---- numbers that came ---- */

static uint64_t *word_of(struct tn_seen *s, uint64_t seq)
{
	return s->bits ? &s->bits[seq / 64 % (s->size / 64)] : &s->word;
}

static bool has(struct tn_seen *s, uint64_t seq)
{
	return *word_of(s, seq) >> seq % 64 & 1;
}

static void set(struct tn_seen *s, uint64_t seq, bool to)
{
	uint64_t bit = UINT64_C(1) << seq % 64;

	*word_of(s, seq) = to ? *word_of(s, seq) | bit : *word_of(s, seq) & ~bit;
}

/* Four times the size; numbers that had been too far behind go on counting as seen. Without memory
 * it stays as it is. */
static void grow(struct tn_seen *s)
{
	struct tn_seen big = *s;

	big.size = s->size * 4;
	big.bits = malloc(big.size / 8);
	if (!big.bits)
		return;
	memset(big.bits, 0xff, big.size / 8);
	for (uint64_t n = s->next > s->size ? s->next - s->size : 0; n < s->next; n++)
		set(&big, n, has(s, n));
	free(s->bits);
	*s = big;
}

/* All of it has been gone round: too quickly, and it grows. */
static void turn(struct tn_seen *s, int64_t now_us)
{
	if (s->next - s->turned < s->size)
		return;
	if (now_us - s->turned_us < SEEN_US && s->size < SEEN_MAX)
		grow(s);
	s->turned = s->next;
	s->turned_us = now_us;
}

/* Numbers too far behind count as seen. */
static bool seen(struct tunnel_flow *f, uint64_t seq)
{
	struct tn_seen *s = &f->seen;

	return seq < s->next && (s->next - 1 - seq >= s->size || has(s, seq));
}

/* True the first time. */
static bool first_time(struct tunnel_flow *f, uint64_t seq)
{
	struct tn_seen *s = &f->seen;

	if (!s->size)
		s->size = SEEN_MIN;
	if (seen(f, seq))
		return false;
	if (seq >= s->next && seq - s->next >= s->size)
		s->next = seq + 1 - s->size;
	for (; s->next <= seq; s->next++)
		set(s, s->next, false);
	set(s, seq, true);
	turn(s, f->t->now_us);
	return true;
}

/* Has the peer opened a flow of that id before? It opens none twice: what was sent again to one that
 * has ended would pass as new. */
static bool was_open(const struct tunnel *t, uint64_t id)
{
	return tn_spans_has(&t->peer_flows, id >> 1);
}

/* Ids that the peer has not used may be skipped for good; so many are remembered. */
static int note_open(struct tunnel *t, uint64_t id)
{
	struct tn_spans *s = &t->peer_flows;
	uint64_t n = id >> 1;

	if (s->n > TN_ID_GAPS && tn_spans_add(s, 0, s->at[1].lo) < 0)
		return -ENOMEM;
	return tn_spans_add(s, n, n + 1);
}

/* A new flow of the peer's. */
static struct tunnel_flow *flow_open(struct tunnel *t, const struct tn_flow_frame *fr)
{
	struct tunnel_flow *f;

	if (t->n_flows_peer >= t->conf.flows_max || note_open(t, fr->id) < 0) {
		t->stats.flow_drops_receive++;
		return NULL;
	}
	f = tn_flow_make(t, fr->id, &fr->open);
	if (f)
		tn_event(t, &f->ev, TUNNEL_EV_FLOW_OPENED);
	return f;
}

/* The flow of a frame; the peer's are made by a frame that opens. */
static struct tunnel_flow *flow_for(struct tunnel *t, const struct tn_flow_frame *fr)
{
	struct tn_id *e = tn_idmap_get(&t->flows, fr->id);
	bool local = (fr->id & 1) == t->server;

	if (e)
		return container_of(e, struct tunnel_flow, node);
	if (local || was_open(t, fr->id))
		tn_note_add(t, TN_F_FLOW_CLOSE, fr->id);
	else if (fr->has_open)
		return flow_open(t, fr);
	else
		tn_note_add(t, TN_F_FLOW_GONE, fr->id);
	return NULL;
}

static void deliver(struct tunnel_flow *f, const void *data, size_t n)
{
	struct tunnel *t = f->t;

	while (f->in.first && f->in.bytes + n > t->conf.flow_queue) {
		tn_dgrams_drop(&f->in);
		t->stats.flow_drops_receive++;
	}
	if (t->flows_in + n > t->conf.flows_queue ||
	    tn_dgrams_add(&f->in, data, n, 0, t->now_us) < 0) {
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
