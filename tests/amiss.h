/* What holds in a tunnel at any time, whatever the peer does: its books agree with what is there, and
 * nothing is larger than gex-tunnel(7) says. For simulations and fuzzers. */
#ifndef TESTS_AMISS_H
#define TESTS_AMISS_H

#include "tunnel/internal.h"

#define AMISS(cond) \
	do { \
		if (cond) \
			return #cond; \
	} while (0)

static inline const char *path_amiss(const struct tunnel *t, const struct tn_path *p)
{
	uint64_t bytes = 0, packets = 0;
	size_t symbols = 0;

	for (uint64_t n = p->low; p->sent && n < p->next; n++) {
		const struct tn_sent *x = &p->sent[n & (p->sent_cap - 1)];

		bytes += x->state == TN_SENT_FLIGHT ? x->size : 0;
		packets += x->state == TN_SENT_FLIGHT;
	}
	for (const struct tn_symbol *y = p->repair.first; y; y = y->next)
		symbols += y->len;
	AMISS(bytes != p->in_flight);
	AMISS(packets != p->flight);
	AMISS(p->sent_cap > TN_PACKETS_MAX);
	AMISS(p->recv.n > CRYPT_REPLAY_BITS);
	AMISS(p->low > p->next || p->low_flight > p->next || p->largest_acked > p->next);
	AMISS(symbols > 2 * TN_REPAIR_BYTES);
	AMISS(p->dgram > t->conf.dgram_max || p->dgram < TUNNEL_DGRAM_MIN);
	AMISS(p->repair.beside > 64 * 1024);
	AMISS(p->srtt_us <= 0 || p->rttvar_us < 0);
	return NULL;
}

static inline size_t ring_bytes(const struct tn_ring *r)
{
	uint8_t *const *at = r->cap ? r->at : r->few;
	size_t n = 0;

	for (size_t i = 0; i < (r->cap ? r->cap : TN_FEW); i++)
		n += at[i] ? TN_CHUNK : 0;
	return n;
}

static inline const char *streams_amiss(const struct tunnel *t)
{
	const struct tunnel_stream *s;
	uint64_t unread = 0, unacked = 0;
	size_t in = 0, out = 0;
	unsigned n = 0;

	list_for (s, &t->all_streams, all) {
		n++;
		in += ring_bytes(&s->in);
		out += ring_bytes(&s->out);
		unread += s->high - s->in.start;
		unacked += s->written - s->out.start;
		AMISS(s->got.n > TN_STREAM_GAPS + 1);
		AMISS(s->high > s->max);
		AMISS(s->next > s->written);
		AMISS(s->out.start > s->next && !s->rst_wanted && !s->rst_sent);
	}
	AMISS(n != t->n_local + t->n_peer);
	AMISS(t->n_local > t->conf.streams_max);
	AMISS(t->n_peer > 2 * t->conf.streams_max + 16);
	AMISS(t->peer_streams.n > TN_ID_GAPS + 1);
	AMISS(unread != t->data_high - t->data_read);
	AMISS(unread > t->conf.tunnel_window);
	AMISS(unacked != t->buffered_out);
	AMISS(unacked > t->conf.tunnel_buffer);
	AMISS(in > t->conf.tunnel_window + n * 2 * TN_CHUNK);
	AMISS(out > t->conf.tunnel_buffer + n * 2 * TN_CHUNK);
	return NULL;
}

static inline size_t dgrams_sum(const struct tn_dgrams *q)
{
	size_t sum = 0;

	for (const struct tn_dgram *d = q->first; d; d = d->next)
		sum += sizeof(*d) + d->len;
	return sum;
}

static inline const char *flows_amiss(const struct tunnel *t)
{
	const struct list *all[] = {&t->flow_age, &t->closed_flows};
	size_t in = 0, out = 0, kept = 0, room = t->conf.flow_queue + 2 * TUNNEL_FLOW_DGRAM_MAX;
	const struct tunnel_flow *f;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		list_for (f, all[i], age) {
			n++;
			in += dgrams_sum(&f->in);
			out += dgrams_sum(&f->out);
			kept += dgrams_sum(&f->kept);
			AMISS(f->in.bytes > room || f->out.bytes > room || f->kept.bytes > room);
		}
	AMISS(n != t->n_flows_local + t->n_flows_peer);
	AMISS(t->n_flows_local > t->conf.flows_max || t->n_flows_peer > t->conf.flows_max);
	AMISS(in != t->flows_in || out != t->flows_out || kept != t->flows_kept);
	room = t->conf.flows_queue + 2 * TUNNEL_FLOW_DGRAM_MAX;
	AMISS(in > room || out > room || kept > room);
	for (size_t i = 0; i < TN_PARTIALS; i++)
		AMISS(t->partial[i].len > TUNNEL_FLOW_DGRAM_MAX || t->partial[i].got.n > 256);
	return NULL;
}

/* NULL, or what does not hold. */
static inline const char *tunnel_amiss(const struct tunnel *t)
{
	const char *what = streams_amiss(t);
	const struct tn_path *p;
	unsigned up = 0;

	if (!what)
		what = flows_amiss(t);
	tn_paths_for (p, t) {
		up += p->state == TN_PATH_UP;
		if (!what)
			what = path_amiss(t, p);
	}
	AMISS(!what && t->keyed && up != t->n_up);
	return what;
}

#endif
