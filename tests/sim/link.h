/* A simulated link in virtual time, for the tests of the tunnel: each direction has a rate with a
 * drop-tail queue, a delay with jitter, losses (random, in bursts, by mask), doubles and outages; or
 * it is a TCP connection over such a line.
 * Everything comes from one seed. */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include "tunnel/tunnel.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>

struct way {
	int64_t rate_bps; /* 0: no limit */
	int64_t queue_us; /* what the queue holds, in time at that rate */
	int64_t delay_us, jitter_us;
	bool ordered; /* the jitter wanders, and nobody overtakes, as behind another queue */
	unsigned loss_ppm, dup_ppm, reorder_ppm; /* a reordered one comes up to reorder_us later */
	int64_t reorder_us;
	int64_t bad_us,
	    good_us;   /* bursts: mean lengths of the two states; all is lost in the bad */
	uint64_t mask; /* of the first 64 datagrams, those lost */
	int64_t out_from_us, out_to_us;
	size_t mtu;    /* longer ones are lost; 0: all pass */
	bool reliable; /* what is lost comes later, and holds up what follows, as in TCP */
	/* state */
	int64_t free_us, state_us, jit_at_us, last_us;
	int64_t jit[2]; /* the value before, and the one at jit_at_us */
	bool bad;
	uint64_t n, lost, dropped;
};

struct dgram {
	int64_t at_us;
	uint64_t order;
	struct tunnel_addr from, to;
	uint16_t len;
	uint8_t data[TUNNEL_DGRAM_MAX];
};

struct link {
	struct way way[2]; /* to the client, to the server */
	uint64_t rng, order;
	struct dgram **heap;
	size_t n, cap;
};

static inline uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static inline uint64_t rnd_to(uint64_t *s, uint64_t n)
{
	return n ? rnd(s) % n : 0;
}

static inline bool before(const struct dgram *a, const struct dgram *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static inline void link_push(struct link *l, struct dgram *d)
{
	size_t i;

	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 256;
		l->heap = realloc(l->heap, l->cap * sizeof(*l->heap));
		assert(l->heap);
	}
	for (i = l->n++; i && before(d, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = d;
}

static inline struct dgram *link_pop(struct link *l)
{
	struct dgram *top = l->heap[0], *d = l->heap[--l->n];
	size_t i = 0;

	for (size_t c; (c = 2 * i + 1) < l->n; i = c) {
		if (c + 1 < l->n && before(l->heap[c + 1], l->heap[c]))
			c++;
		if (!before(l->heap[c], d))
			break;
		l->heap[i] = l->heap[c];
	}
	if (l->n)
		l->heap[i] = d;
	return top;
}

static inline int64_t link_next(const struct link *l)
{
	return l->n ? l->heap[0]->at_us : NEVER_US;
}

/* How long a state without memory lasts. */
static inline int64_t way_exponential(int64_t mean_us, uint64_t *rng)
{
	return (int64_t)(-log((double)(1 + rnd_to(rng, 1000000)) / 1e6) * (double)mean_us);
}

static inline bool way_loses(struct way *w, uint64_t *rng, int64_t now_us)
{
	bool lost = w->n < 64 && w->mask >> w->n & 1;

	w->n++;
	while (w->bad_us && w->state_us <= now_us) {
		w->bad = !w->bad;
		w->state_us += 1 + way_exponential(w->bad ? w->bad_us : w->good_us, rng);
	}
	lost = lost || (w->bad_us && w->bad) || rnd_to(rng, 1000000) < w->loss_ppm ||
	       (now_us >= w->out_from_us && now_us < w->out_to_us);
	w->lost += lost;
	return lost;
}

/* A straight line from one random value to the next, each reached after twice the jitter. */
static inline int64_t way_wander(struct way *w, uint64_t *rng, int64_t now_us)
{
	int64_t step = 2 * w->jitter_us;

	if (now_us - w->jit_at_us > step)
		w->jit_at_us = now_us;
	while (w->jit_at_us <= now_us) {
		w->jit_at_us += step;
		w->jit[0] = w->jit[1];
		w->jit[1] = (int64_t)rnd_to(rng, (uint64_t)w->jitter_us);
	}
	return w->jit[1] + (w->jit[0] - w->jit[1]) * (w->jit_at_us - now_us) / step;
}

static inline int64_t way_arrival(struct way *w, uint64_t *rng, int64_t at_us)
{
	if (!w->ordered || !w->jitter_us)
		return at_us + w->delay_us + (int64_t)rnd_to(rng, (uint64_t)w->jitter_us);
	w->last_us = MAX(w->last_us, at_us + w->delay_us + way_wander(w, rng, at_us));
	return w->last_us;
}

/* Sent again until it arrives: after a round trip, then twice as long each time. */
static inline int64_t way_again(struct way *w, uint64_t *rng, int64_t at_us)
{
	int64_t late = 0, again = 2 * w->delay_us;

	for (; way_loses(w, rng, at_us + late) && late < 60 * SEC_US; again *= 2)
		late += again;
	w->last_us = MAX(w->last_us, at_us + late + w->delay_us);
	return w->last_us;
}

static inline void link_put(struct link *l, int64_t at_us, const struct tunnel_addr *from,
			    const struct tunnel_addr *to, const void *data, size_t n)
{
	struct dgram *d = malloc(sizeof(*d));

	assert(d && n <= sizeof(d->data));
	d->at_us = at_us;
	d->order = l->order++;
	d->from = *from;
	d->to = *to;
	d->len = (uint16_t)n;
	memcpy(d->data, data, n);
	link_push(l, d);
}

/* Sends a copy of the datagram; side: where to, 0 client, 1 server. */
static inline void link_send(struct link *l, int side, const struct tunnel_addr *from,
			     const struct tunnel_addr *to, const void *data, size_t n,
			     int64_t now_us)
{
	struct way *w = &l->way[side];
	int64_t at = now_us;
	unsigned copies = 1;

	if (w->rate_bps) {
		w->free_us = MAX(w->free_us, now_us);
		if (w->free_us - now_us > w->queue_us) {
			w->dropped++;
			return;
		}
		w->free_us += ((int64_t)n + 28) * 8 * SEC_US / w->rate_bps;
		at = w->free_us;
	}
	if (w->reliable) {
		link_put(l, way_again(w, &l->rng, at), from, to, data, n);
		return;
	}
	if (way_loses(w, &l->rng, now_us) || (w->mtu && n > w->mtu))
		return;
	if (rnd_to(&l->rng, 1000000) < w->dup_ppm)
		copies++;
	while (copies--) {
		int64_t there = way_arrival(w, &l->rng, at);

		if (rnd_to(&l->rng, 1000000) < w->reorder_ppm)
			there += (int64_t)rnd_to(&l->rng, (uint64_t)w->reorder_us);
		link_put(l, there, from, to, data, n);
	}
}

static inline void link_finish(struct link *l)
{
	while (l->n)
		free(link_pop(l));
	free(l->heap);
}

#endif
