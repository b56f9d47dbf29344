/* Senders that share one simulated line: tunnels with a stream that never ends, and simple models
 * of the kernel's BBR (version 1, as in Linux: gains, filters and states of its published
 * description) and CUBIC (RFC 9438), which send empty packets of full size and are acknowledged
 * packet by packet. */
#ifndef SIM_RIVALS_H
#define SIM_RIVALS_H

#include <math.h>

#define RIVALS_MAX 4
#define RIVAL_LEN 1448u
#define RIVAL_WIRE (RIVAL_LEN + 28)
#define RIVAL_WINDOW 32768u

enum rival { RIVAL_GEX, RIVAL_BBR, RIVAL_CUBIC };

struct rival_sent {
	int64_t at_us, delivered_us;
	uint64_t delivered;
	uint8_t state; /* 1 in flight, 2 acknowledged, 3 lost */
};

/* A model of TCP: one packet, one number, never sent again. */
struct rival_tcp {
	struct rival_sent sent[RIVAL_WINDOW];
	uint64_t next, low, high, flight, delivered; /* packets */
	int64_t delivered_us, free_us, min_rtt_us, min_rtt_at_us, last_us;
	double cwnd, pace; /* packets, packets a us */
	/* BBR */
	enum { B_STARTUP, B_DRAIN, B_CRUISE, B_PROBE_RTT } mode;
	double bw[10], full;
	unsigned bw_at, full_rounds, phase;
	uint64_t round_end;
	int64_t phase_us, probe_end_us;
	/* CUBIC */
	double w_max, ssthresh;
	int64_t epoch_us;
	uint64_t recover;
};

struct rival_flow {
	enum rival kind;
	int64_t start_us;
	struct tunnel *t[2];
	struct tunnel_stream *s, *r;
	struct rival_tcp *tcp;
	uint64_t got, mark;
};

/* Flow i's address on a side. */
static struct tunnel_addr rival_addr(unsigned i, int side)
{
	return (struct tunnel_addr){2, {(uint8_t)i, (uint8_t)side}};
}

struct duel {
	struct link link;
	struct rival_flow flow[RIVALS_MAX];
	unsigned n;
	int64_t now_us, mark_us;
	double queue_sum;
	uint64_t queue_n;
};

static void duel_init(struct duel *d, const struct way *w, uint64_t seed)
{
	memset(d, 0, sizeof(*d));
	d->link.rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	d->link.way[0] = d->link.way[1] = *w;
	d->now_us = SEC_US;
}

static void duel_send(struct duel *d, unsigned i, int side, const void *data, size_t n)
{
	struct tunnel_addr from = rival_addr(i, !side), to = rival_addr(i, side);

	link_send(&d->link, side, &from, &to, data, n, d->now_us);
}

static void duel_add(struct duel *d, enum rival kind, int64_t after_us)
{
	struct rival_flow *f = &d->flow[d->n++];

	f->kind = kind;
	f->start_us = d->now_us + after_us;
	if (kind == RIVAL_GEX)
		return;
	f->tcp = calloc(1, sizeof(*f->tcp));
	assert(f->tcp);
	f->tcp->cwnd = 10;
	f->tcp->ssthresh = 1e9;
	f->tcp->min_rtt_us = NEVER_US;
	f->tcp->pace = 1;
}

static void duel_finish(struct duel *d)
{
	for (unsigned i = 0; i < d->n; i++) {
		tunnel_destroy(d->flow[i].t[0]);
		tunnel_destroy(d->flow[i].t[1]);
		free(d->flow[i].tcp);
	}
	link_finish(&d->link);
}

/* ---- BBR ---- */

static double bbr_bw(const struct rival_tcp *b)
{
	double max = 0;

	for (int i = 0; i < 10; i++)
		max = MAX(max, b->bw[i]);
	return max;
}

static void bbr_round(struct rival_tcp *b, int64_t now_us)
{
	double bw = bbr_bw(b);

	b->bw_at = (b->bw_at + 1) % 10;
	b->bw[b->bw_at] = 0;
	if (b->mode != B_STARTUP)
		return;
	if (bw >= b->full * 1.25) {
		b->full = bw;
		b->full_rounds = 0;
	} else if (++b->full_rounds >= 3) {
		b->mode = B_DRAIN;
	}
	(void)now_us;
}

static void bbr_step(struct rival_tcp *b, uint64_t number, int64_t now_us)
{
	static const double gain[] = {1.25, 0.75, 1, 1, 1, 1, 1, 1};
	const struct rival_sent *s = &b->sent[number % RIVAL_WINDOW];
	int64_t rtt = now_us - s->at_us;
	bool expired = now_us - b->min_rtt_at_us > 10 * SEC_US;
	double bdp, g = 1;

	b->bw[b->bw_at] = MAX(b->bw[b->bw_at], (double)(b->delivered - s->delivered) /
						   (double)MAX(now_us - s->delivered_us, 1));
	if (rtt <= b->min_rtt_us || expired) {
		b->min_rtt_us = rtt;
		b->min_rtt_at_us = now_us;
	}
	if (s->delivered >= b->round_end) {
		b->round_end = b->delivered;
		bbr_round(b, now_us);
	}
	bdp = bbr_bw(b) * (double)b->min_rtt_us;
	if (expired && b->mode != B_PROBE_RTT) {
		b->mode = B_PROBE_RTT;
		b->probe_end_us = 0;
	}
	if (b->mode == B_DRAIN && (double)b->flight <= bdp) {
		b->mode = B_CRUISE;
		b->phase = 2 + (unsigned)(number % 6);
		b->phase_us = now_us;
	}
	if (b->mode == B_PROBE_RTT) {
		if (!b->probe_end_us && b->flight <= 4)
			b->probe_end_us = now_us + 200 * MS_US;
		if (b->probe_end_us && now_us > b->probe_end_us) {
			b->min_rtt_at_us = now_us;
			b->mode = B_CRUISE;
			b->phase = 2;
			b->phase_us = now_us;
		}
	}
	if (b->mode == B_CRUISE) {
		bool over = now_us - b->phase_us > b->min_rtt_us;

		if (b->phase == 0)
			over = over && (double)b->flight >= 1.25 * bdp;
		if (b->phase == 1)
			over = over || (double)b->flight <= bdp;
		if (over || now_us - b->phase_us > 2 * b->min_rtt_us) {
			b->phase = (b->phase + 1) % 8;
			b->phase_us = now_us;
		}
		g = gain[b->phase];
	}
	b->pace = bbr_bw(b) *
		  (b->mode == B_STARTUP ? 2.89
		   : b->mode == B_DRAIN ? 1 / 2.89
					: g) *
		  0.99;
	b->cwnd = b->mode == B_PROBE_RTT ? 4 : MAX(bdp * (b->mode < B_CRUISE ? 2.89 : 2) + 30, 10);
}

/* ---- CUBIC ---- */

static void cubic_acked(struct rival_tcp *c, int64_t now_us)
{
	double t, k, w;

	if (c->cwnd < c->ssthresh) {
		c->cwnd++;
		return;
	}
	k = cbrt(c->w_max * 0.3 / 0.4);
	t = (double)(now_us - c->epoch_us + c->min_rtt_us) / 1e6;
	w = 0.4 * (t - k) * (t - k) * (t - k) + c->w_max;
	c->cwnd += CLAMP((w - c->cwnd) / c->cwnd, 0.01 / c->cwnd, 0.5);
}

static void cubic_lost(struct rival_tcp *c, uint64_t number, int64_t now_us)
{
	if (number < c->recover)
		return;
	c->recover = c->next;
	c->w_max = c->cwnd;
	c->cwnd = c->ssthresh = MAX(c->cwnd * 0.7, 4);
	c->epoch_us = now_us;
}

/* ---- both ---- */

static void tcp_lost(struct rival_flow *f, uint64_t number, int64_t now_us)
{
	f->tcp->sent[number % RIVAL_WINDOW].state = 3;
	f->tcp->flight--;
	if (f->kind == RIVAL_CUBIC)
		cubic_lost(f->tcp, number, now_us);
}

static void tcp_acked(struct rival_flow *f, uint64_t number, int64_t now_us)
{
	struct rival_tcp *b = f->tcp;
	struct rival_sent *s = &b->sent[number % RIVAL_WINDOW];

	if (s->state != 1)
		return;
	s->state = 2;
	b->flight--;
	b->delivered++;
	b->delivered_us = b->last_us = now_us;
	b->high = MAX(b->high, number + 1);
	if (f->kind == RIVAL_BBR)
		bbr_step(b, number, now_us);
	else
		b->min_rtt_us = MIN(b->min_rtt_us, now_us - s->at_us);
	if (f->kind == RIVAL_CUBIC)
		cubic_acked(b, now_us);
	for (; b->low + 3 < b->high; b->low++)
		if (b->sent[b->low % RIVAL_WINDOW].state == 1)
			tcp_lost(f, b->low, now_us);
}

static int64_t tcp_wake(const struct rival_flow *f, int64_t now_us)
{
	const struct rival_tcp *b = f->tcp;

	if (now_us < f->start_us)
		return f->start_us;
	if ((double)b->flight < b->cwnd && b->next - b->low < RIVAL_WINDOW - 1)
		return MAX(b->free_us, now_us);
	return b->last_us + SEC_US;
}

static void tcp_send(struct duel *d, unsigned i)
{
	struct rival_flow *f = &d->flow[i];
	struct rival_tcp *b = f->tcp;

	if (b->flight && d->now_us >= b->last_us + SEC_US) { /* a timeout: all is lost */
		for (; b->low < b->next; b->low++)
			if (b->sent[b->low % RIVAL_WINDOW].state == 1)
				tcp_lost(f, b->low, d->now_us);
		b->last_us = d->now_us;
	}
	while ((double)b->flight < b->cwnd && b->next - b->low < RIVAL_WINDOW - 1 &&
	       b->free_us <= d->now_us) {
		uint8_t data[RIVAL_LEN] = {0};

		b->sent[b->next % RIVAL_WINDOW] = (struct rival_sent){
		    d->now_us, b->flight ? b->delivered_us : d->now_us, b->delivered, 1};
		memcpy(data, &b->next, sizeof(b->next));
		duel_send(d, i, 1, data, sizeof(data));
		b->next++;
		b->flight++;
		b->last_us = MAX(b->last_us, b->flight == 1 ? d->now_us : 0);
		b->free_us = MAX(b->free_us, d->now_us - 1000);
		if (f->kind == RIVAL_BBR)
			b->free_us += (int64_t)(1 / b->pace);
	}
}

static void tcp_take(struct duel *d, const struct dgram *g)
{
	unsigned i = g->to.bytes[0];
	struct rival_flow *f = &d->flow[i];
	uint64_t number;

	memcpy(&number, g->data, sizeof(number));
	if (g->to.bytes[1]) {
		f->got += RIVAL_LEN;
		duel_send(d, i, 0, &number, sizeof(number));
	} else {
		tcp_acked(f, number, d->now_us);
	}
}

/* ---- tunnels ---- */

static void gex_start(struct duel *d, unsigned i)
{
	struct rival_flow *f = &d->flow[i];
	struct crypt_secrets sec = {.suite = CRYPT_AES128GCM, .server_id = 7, .client_id = 8};
	struct tunnel_open o = {.service = "web", .class = TUNNEL_BULK};

	if (f->t[0] || d->now_us < f->start_us)
		return;
	for (int k = 0; k < 2; k++) {
		struct tunnel_addr to = rival_addr(i, !k);

		if (tunnel_create_keyed(NULL, &sec, k, 0, &to, d->now_us, &f->t[k]) < 0)
			abort();
	}
	if (tunnel_stream_open(f->t[0], &o, &f->s) < 0)
		abort();
}

static void gex_pump(struct duel *d, unsigned i)
{
	static uint8_t zero[65536];
	struct rival_flow *f = &d->flow[i];
	struct tunnel_event ev;
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	const void *p;
	int path;
	size_t n;

	gex_start(d, i);
	if (!f->t[0])
		return;
	for (int k = 0; k < 2; k++)
		while (tunnel_event(f->t[k], &ev))
			if (k && ev.type == TUNNEL_EV_STREAM_OPENED)
				f->r = ev.stream;
	while (f->r && (n = tunnel_stream_peek(f->r, &p)) > 0) {
		f->got += n;
		tunnel_stream_consume(f->r, n);
	}
	while (tunnel_stream_room(f->s) >= sizeof(zero))
		if (tunnel_stream_write(f->s, zero, sizeof(zero)) < 0)
			abort();
	for (int k = 0; k < 2; k++)
		while ((n = tunnel_output(f->t[k], buf, sizeof(buf), &path, &to, d->now_us)) > 0)
			duel_send(d, i, !k, buf, n);
}

static int64_t gex_wake(const struct rival_flow *f)
{
	return f->t[0] ? MIN(tunnel_wake(f->t[0]), tunnel_wake(f->t[1])) : f->start_us;
}

/* ---- the machine ---- */

static void duel_take(struct duel *d, const struct dgram *g)
{
	struct rival_flow *f = &d->flow[g->to.bytes[0]];

	if (f->tcp)
		tcp_take(d, g);
	else
		tunnel_input(f->t[g->to.bytes[1]], g->data, g->len, 0, &g->from, d->now_us);
}

static void duel_watch(struct duel *d)
{
	static int64_t next_us;

	d->queue_sum += (double)MAX(d->link.way[1].free_us - d->now_us, 0);
	d->queue_n++;
	if (!trace_us || (d->now_us < next_us && d->now_us > next_us - trace_us))
		return;
	next_us = d->now_us + trace_us;
	for (unsigned i = 0; i < d->n; i++) {
		const struct rival_tcp *b = d->flow[i].tcp;

		if (b)
			printf("%8.3f %u tcp mode %d cwnd %.0f flight %" PRIu64
			       " pace %.1f Mbit/s min %.1f queue %.1f ms\n",
			       (double)d->now_us / 1e6, i, (int)b->mode, b->cwnd, b->flight,
			       b->pace * RIVAL_WIRE * 8, (double)b->min_rtt_us / 1e3,
			       (double)MAX(d->link.way[1].free_us - d->now_us, 0) / 1e3);
		else if (d->flow[i].t[0])
			trace(i ? "gex1" : "gex0", d->flow[i].t[0], d->now_us);
	}
}

static void duel_run(struct duel *d, int64_t us)
{
	int64_t until = d->now_us + us;

	while (d->now_us < until) {
		int64_t at = NEVER_US;

		for (unsigned i = 0; i < d->n; i++) {
			struct rival_flow *f = &d->flow[i];

			if (f->tcp && d->now_us >= f->start_us)
				tcp_send(d, i);
			else if (!f->tcp)
				gex_pump(d, i);
			at = MIN(at, f->tcp ? tcp_wake(f, d->now_us) : gex_wake(f));
		}
		at = MIN(at, link_next(&d->link));
		d->now_us = MAX(d->now_us + (at <= d->now_us), MIN(at, until));
		while (link_next(&d->link) <= d->now_us) {
			struct dgram *g = link_pop(&d->link);

			duel_take(d, g);
			free(g);
		}
		duel_watch(d);
	}
}

static void duel_mark(struct duel *d)
{
	for (unsigned i = 0; i < d->n; i++)
		d->flow[i].mark = d->flow[i].got;
	d->mark_us = d->now_us;
	d->queue_sum = 0;
	d->queue_n = 0;
}

/* Since the mark. */
static double duel_mbit(const struct duel *d, unsigned i)
{
	return (double)(d->flow[i].got - d->flow[i].mark) * 8 / (double)(d->now_us - d->mark_us);
}

static double duel_queue_ms(const struct duel *d)
{
	return d->queue_sum / (double)MAX(d->queue_n, 1) / 1e3;
}

#endif
