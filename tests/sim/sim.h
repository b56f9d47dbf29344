/* Tunnels in virtual time: the pairs of ends (a client and its server), the applications on both,
 * and the machine that moves them and checks what holds always.
 *
 * A scenario sets up one `struct sim`, a pair of ends on m->link[0]. More links are more paths: a
 * path's number is its link's, on both sides. More pairs on the same links come from sim_beside.
 * run() moves all of them. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "../amiss.h"
#include "link.h"
#include <errno.h>
#include <inttypes.h>

#define LINKS_MAX 4
#define ENDS_MAX 4096
#define FLOW_SEQ_MAX 65536
#define STEPS_NOW_MAX 1000
#define BACKLOG_US (20 * MS_US) /* what a reliable link takes before it holds */

/* One end of a stream, as the test's application sees it. */
struct end {
	struct tunnel_stream *s;
	int side;
	uint64_t id, send, sent, recv, got;
	uint64_t reset_at; /* reset when so many bytes were sent; UINT64_MAX: never */
	bool finished, ended, reset, stopped;
	int64_t opened_us, first_us, done_us;
};

/* What is to pass in stream n: known to both sides' applications. */
struct plan {
	uint64_t up, down, reset_at;
	enum tunnel_class class;
	bool stopped; /* the client does not read */
};

struct sim {
	const struct scenario *sc;
	struct link *link;	  /* LINKS_MAX of them, the first pair's */
	struct sim *first, *next; /* the pairs beside it */
	unsigned n;		  /* which of them it is */
	struct tunnel *client;
	struct acceptor *acceptor;
	bool guest;	       /* the acceptor is the first pair's */
	struct tunnel *server; /* made by the acceptor */
	struct tunnel_addr addr[LINKS_MAX][2];
	int64_t now_us, grain_us;
	uint64_t rng, seed;
	struct plan plan[ENDS_MAX];
	unsigned n_plans, n_opened;
	struct end *end[2][ENDS_MAX];
	unsigned done, resets;
	int client_reason, server_reason;
	bool client_closed, server_closed, connected;
	int64_t connected_us;
	/* flows */
	struct tunnel_flow *flow[2];
	uint64_t flow_sent, flow_back, flow_seen[FLOW_SEQ_MAX / 64];
	int64_t flow_next_us, flow_end_us, flow_worst_us, flow_gap_us;
	size_t flow_len;
	bool flow_full; /* its queue may be full at times */
	/* echoes through a stream, and the round trips of all echoes */
	struct tunnel_stream *echo[2];
	uint64_t echo_sent, echo_back;
	int64_t *echo_us;
	bool echo_both; /* echoes of both kinds in turn */
	size_t n_rtt;
	float *rtt_ms;
	int64_t moved_us;
	struct tunnel_addr also; /* the client is reached there as well, on link 0; len 0: none */
	bool deaf;		 /* and not at its own address there */
	uint64_t unheard;	 /* bytes for that */
	uint64_t steps, most_buffered;
	int64_t was_us;
	unsigned steps_now; /* at the same time */
};

struct scenario {
	const char *name, *what;
	void (*set)(struct sim *);
	void (*check)(struct sim *);
	int64_t limit_us; /* of virtual time */
	unsigned every;	  /* only each such seed: the heavy ones cost more */
};

static bool verbose;
static int64_t trace_us; /* -t MS: a line of figures so often */

#define CHECK(sim, cond) \
	do { \
		if (!(cond)) \
			failed(sim, #cond, __LINE__); \
	} while (0)

static void failed(const struct sim *m, const char *what, int line)
{
	struct tunnel_stats c = {0}, s = {0};

	if (m->client)
		tunnel_stats(m->client, &c);
	if (m->server)
		tunnel_stats(m->server, &s);
	fprintf(stderr,
		"sim_tunnel: %s seed %" PRIu64 " at %.6f s, line %d: not so: %s\n"
		"  opened %u done %u resets %u; client reason %d server reason %d\n"
		"  client sent %" PRIu64 " lost %" PRIu64 " in flight %" PRIu64 " cwnd %" PRIu64
		" rate %.1f; server sent %" PRIu64 " lost %" PRIu64 " in flight %" PRIu64
		" cwnd %" PRIu64 " rate %.1f Mbit/s\n",
		m->sc->name, m->seed, (double)m->now_us / 1e6, line, what, m->n_opened, m->done,
		m->resets, m->client_reason, m->server_reason, c.packets_sent, c.packets_lost,
		c.in_flight, c.cwnd, (double)c.rate_bps / 1e6, s.packets_sent, s.packets_lost,
		s.in_flight, s.cwnd, (double)s.rate_bps / 1e6);
	abort();
}

#include "app.h"

/* ---- events ---- */

static void on_reset(struct sim *m, struct end *e, const struct tunnel_event *ev)
{
	CHECK(m, ev->code == TUNNEL_RST_APP + 7 && m->plan[e->id / 2].reset_at != UINT64_MAX);
	e->reset = true;
	m->resets++;
	end_done(m, e);
}

static void on_closed(struct sim *m, int side)
{
	if (side) {
		m->server_reason = tunnel_reason(m->server, NULL, NULL);
		m->server_closed = true;
		tunnel_destroy(m->server);
		m->server = NULL;
	} else {
		m->client_reason = tunnel_reason(m->client, NULL, NULL);
		m->client_closed = true;
	}
	for (unsigned i = 0; i < m->n_plans; i++)
		if (m->end[side][i])
			m->end[side][i]->s = NULL;
	m->flow[side] = NULL;
	m->echo[side] = NULL;
}

static void on_event(struct sim *m, int side, const struct tunnel_event *ev)
{
	struct end *e = ev->stream ? tunnel_stream_user(ev->stream) : NULL;

	if (ev->stream && ev->stream == m->echo[side]) {
		echo_event(m, side, ev);
		return;
	}
	switch (ev->type) {
	case TUNNEL_EV_CONNECTED:
		m->connected = true;
		if (side)
			m->server = ev->tunnel;
		else
			m->connected_us = m->now_us;
		break;
	case TUNNEL_EV_CLOSED:
		on_closed(m, side);
		break;
	case TUNNEL_EV_STREAM_OPENED:
		if (strcmp(tunnel_stream_info(ev->stream)->service, "echo") == 0) {
			m->echo[1] = ev->stream;
			break;
		}
		accepted(m, ev->stream);
		break;
	case TUNNEL_EV_STREAM_READABLE:
		end_read(m, e);
		break;
	case TUNNEL_EV_STREAM_WRITABLE:
		end_write(m, e);
		end_read(m, e);
		break;
	case TUNNEL_EV_STREAM_RESET:
		on_reset(m, e, ev);
		break;
	case TUNNEL_EV_FLOW_OPENED:
		m->flow[1] = ev->flow;
		break;
	case TUNNEL_EV_FLOW_READABLE:
		flow_read(m, ev->flow, side);
		break;
	case TUNNEL_EV_PATH:
		break;
	case TUNNEL_EV_FLOW_CLOSED:
		tunnel_flow_release(ev->flow);
		m->flow[side] = NULL;
		break;
	}
}

/* ---- the machine ---- */

/* Whose server a tunnel of a shared acceptor is: told by the client's address. */
static struct sim *owner(struct sim *m, struct tunnel *t)
{
	struct tunnel_addr a;

	for (struct sim *s = m->first; s; s = s->next)
		for (int l = 0; s->acceptor == m->acceptor && l < LINKS_MAX; l++)
			if (tunnel_peer_addr(t, l, &a) &&
			    memcmp(&a, &s->addr[l][0], sizeof(a)) == 0)
				return s;
	return m;
}

static void server_event(struct sim *m, const struct tunnel_event *ev)
{
	struct sim *s = tunnel_user(ev->tunnel);

	if (!s) {
		s = owner(m, ev->tunnel);
		tunnel_set_user(ev->tunnel, s);
	}
	on_event(s, 1, ev);
}

/* To `to`, on side `side` of link l. */
static void send_on(struct sim *m, int l, int side, const struct tunnel_addr *to, const void *data,
		    size_t n)
{
	struct link *link = &m->link[l];
	const struct way *w = &link->way[side];

	link_send(link, side, &m->addr[l][!side], to, data, n, m->now_us);
	m->steps++;
	if (!w->reliable || w->free_us <= m->now_us + BACKLOG_US)
		return;
	if (side)
		tunnel_hold(m->client, l, to, true);
	else
		acceptor_hold(m->acceptor, l, to, true);
}

/* The backlog of link l has gone. */
static void unhold(struct sim *m, int l)
{
	if (m->link[l].way[1].free_us <= m->now_us)
		tunnel_hold(m->client, l, &m->addr[l][1], false);
	if (m->link[l].way[0].free_us <= m->now_us)
		acceptor_hold(m->acceptor, l, &m->addr[l][0], false);
}

static void pump(struct sim *m)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct tunnel_event ev;
	size_t n;
	int path;

	while (tunnel_event(m->client, &ev))
		on_event(m, 0, &ev);
	while (m->acceptor && !m->guest && acceptor_event(m->acceptor, &ev))
		server_event(m, &ev);
	while ((n = tunnel_output(m->client, buf, sizeof(buf), &path, &to, m->now_us)) > 0) {
		CHECK(m, path >= 0 && path < LINKS_MAX &&
			     memcmp(&to, &m->addr[path][1], sizeof(to)) == 0);
		send_on(m, path, 1, &to, buf, n);
	}
	while (m->acceptor && !m->guest &&
	       (n = acceptor_output(m->acceptor, buf, sizeof(buf), &path, &to, m->now_us)) > 0) {
		CHECK(m, path >= 0 && path < LINKS_MAX);
		send_on(m, path, 0, &to, buf, n);
	}
}

/* A datagram has come out of link l; one to an address that nobody has any more is lost. */
static void deliver(struct sim *m, int l, const struct dgram *d)
{
	for (; m; m = m->next) {
		bool own = memcmp(&d->to, &m->addr[l][0], sizeof(d->to)) == 0;

		if (own && m->deaf && l == 0)
			m->unheard += d->len;
		else if (own || (m->also.len && memcmp(&d->to, &m->also, sizeof(d->to)) == 0))
			tunnel_input(m->client, d->data, d->len, l, &d->from, m->now_us);
		else if (!m->guest && memcmp(&d->to, &m->addr[l][1], sizeof(d->to)) == 0)
			acceptor_input(m->acceptor, d->data, d->len, l, &d->from, m->now_us);
	}
}

static void trace(const char *who, const struct tunnel *t, int64_t now_us)
{
	struct tunnel_path_stats s;

	for (unsigned i = 0; i < TUNNEL_PATHS; i++) {
		if (!tunnel_path_stats(t, i, &s))
			continue;
		printf("%8.3f %s path %u rate %7.2f delivery %7.2f Mbit/s cwnd %8" PRIu64
		       " in flight %8" PRIu64 " rtt %6.1f min %6.1f ms sent %7" PRIu64
		       " lost %6" PRIu64 "%s\n",
		       (double)now_us / 1e6, who, i, (double)s.rate_bps / 1e6,
		       (double)s.delivery_bps / 1e6, s.cwnd, s.in_flight, (double)s.rtt_us / 1e3,
		       (double)s.rtt_min_us / 1e3, s.packets_sent, s.packets_lost,
		       s.state == TUNNEL_PATH_UP ? "" : " not up");
	}
}

static void books(const struct sim *m, const struct tunnel *t)
{
	const char *what = tunnel_amiss(t);

	if (what)
		failed(m, what, __LINE__);
}

static void watch(struct sim *m)
{
	static int64_t next_us;
	struct tunnel_stats st;

	if (trace_us && (m->now_us >= next_us || m->now_us < next_us - trace_us)) {
		next_us = m->now_us + trace_us;
		trace("client", m->client, m->now_us);
		if (m->server)
			trace("server", m->server, m->now_us);
	}

	m->steps++;
	m->steps_now = m->now_us == m->was_us ? m->steps_now + 1 : 0;
	m->was_us = m->now_us;
	CHECK(m, m->steps_now < STEPS_NOW_MAX);
	if (m->steps % 64)
		return;
	books(m, m->client);
	if (!m->server)
		return;
	books(m, m->server);
	tunnel_stats(m->server, &st);
	m->most_buffered = MAX(m->most_buffered, st.buffered_send);
}

static int64_t grain(const struct sim *m, int64_t at)
{
	return m->grain_us && at != NEVER_US ? (at + m->grain_us - 1) / m->grain_us * m->grain_us
					     : at;
}

/* All pairs do what is due now; returns when the next thing is due. */
static int64_t settle(struct sim *m)
{
	int64_t wake = m->now_us;

	for (int i = 0; i < 3 && wake <= m->now_us; i++) {
		wake = NEVER_US;
		for (struct sim *s = m; s; s = s->next)
			pump(s);
		for (struct sim *s = m; s; s = s->next)
			wake = MIN(wake, MIN(tunnel_wake(s->client), acceptor_wake(s->acceptor)));
	}
	/* What is due now has been done: whoever says otherwise would spin. */
	CHECK(m, wake > m->now_us);
	return wake;
}

static int64_t next_arrival(const struct sim *m)
{
	int64_t at = NEVER_US;

	for (int l = 0; l < LINKS_MAX; l++) {
		at = MIN(at, link_next(&m->link[l]));
		for (int i = 0; i < 2; i++) {
			const struct way *w = &m->link[l].way[i];

			if (w->reliable && w->free_us > m->now_us)
				at = MIN(at, w->free_us);
		}
	}
	for (; m; m = m->next)
		at = MIN(at, m->flow_next_us);
	return at;
}

/* What the world does to a pair at this time. */
static void happen(struct sim *m)
{
	if (tunnel_state(m->client) > TUNNEL_OPEN)
		m->flow_next_us = NEVER_US;
	if (m->flow_next_us <= m->now_us)
		(m->echo_us && !(m->echo_both && m->echo_sent > m->flow_sent) ? echo_send
									      : flow_send)(m);
	if (m->moved_us && m->now_us >= m->moved_us) {
		m->addr[0][0].bytes[0]++;
		m->moved_us = 0;
	}
}

static void set_time(struct sim *m, int64_t now_us)
{
	for (; m; m = m->next)
		m->now_us = MAX(m->now_us, now_us);
}

static void arrive(struct sim *m)
{
	for (int l = 0; l < LINKS_MAX; l++) {
		while (link_next(&m->link[l]) <= m->now_us) {
			struct dgram *d = link_pop(&m->link[l]);

			deliver(m, l, d);
			free(d);
		}
		for (struct sim *s = m; s && m->link[l].way[0].reliable; s = s->next)
			unhold(s, l);
	}
}

/* Goes on, all pairs together, until `enough` of m, or nothing is left to happen before `until`. */
static void run(struct sim *m, int64_t until, bool (*enough)(const struct sim *))
{
	struct sim *all = m->first, *s;

	for (;;) {
		int64_t wake = settle(all), at;

		if (enough && enough(m))
			return;
		at = MIN(grain(all, wake), next_arrival(all));
		set_time(all, MIN(at, until));
		if (at > until || at == NEVER_US)
			return;
		for (s = all; s; s = s->next)
			happen(s);
		arrive(all);
		for (s = all; s; s = s->next)
			watch(s);
	}
}

static bool all_done(const struct sim *m)
{
	return m->client_closed || (m->n_opened == m->n_plans && m->done == 2 * m->n_plans);
}

static bool connected(const struct sim *m)
{
	return m->connected_us && m->server;
}

static void ring_of(struct crypt_ring *ring, unsigned n)
{
	memset(ring, 0, sizeof(*ring));
	ring->n = 1;
	snprintf(ring->key[0].name, sizeof(ring->key[0].name), "key%u", n / 10);
	ring->key[0].secret[0] = (uint8_t)n;
}

/* client_key other than 0: not the server's; under 10 it bears the server's name. */
static void connect_ends(struct sim *m, const struct tunnel_conf *conf, unsigned client_key)
{
	struct crypt_ring ring, mine;

	ring_of(&ring, 0);
	ring_of(&mine, client_key);
	if (!m->guest)
		CHECK(m, acceptor_create(conf, &ring, m->now_us, &m->acceptor) == 0);
	CHECK(m, tunnel_create(conf, &mine.key[0], 0, &m->addr[0][1], m->now_us, &m->client) == 0);
}

static void plan_add(struct sim *m, struct plan p)
{
	assert(m->n_plans < ENDS_MAX);
	if (p.reset_at == 0)
		p.reset_at = UINT64_MAX;
	m->plan[m->n_plans++] = p;
}

static void lines(struct sim *m, struct way w)
{
	m->link->way[0] = m->link->way[1] = w;
}

/* The line of the main job: 50 Mbit/s, 100 ms, 1 % each way. */
static const struct way main_line = {
    .rate_bps = 50000000, .queue_us = 75 * MS_US, .delay_us = 50 * MS_US, .loss_ppm = 10000};

static struct sim *sim_make(struct sim *first, const struct scenario *sc, uint64_t seed)
{
	struct sim *m = calloc(1, sizeof(*m)), **last = &first;

	assert(m);
	m->sc = sc;
	m->seed = seed;
	m->first = first ? first : m;
	while (*last) {
		m->n++;
		last = &(*last)->next;
	}
	*last = m;
	m->rng = (seed + m->n * 1000003) * UINT64_C(0x9e3779b97f4a7c15) + 1;
	m->flow_next_us = NEVER_US;
	for (int l = 0; l < LINKS_MAX; l++)
		for (int side = 0; side < 2; side++)
			m->addr[l][side] = (struct tunnel_addr){
			    5, {10, (uint8_t)l, (uint8_t)m->n, 0, (uint8_t)(side + 1)}};
	return m;
}

/* The first pair, and the links. */
static struct sim *sim_new(const struct scenario *sc, uint64_t seed)
{
	struct sim *m = sim_make(NULL, sc, seed);

	m->link = calloc(LINKS_MAX, sizeof(*m->link));
	assert(m->link);
	for (unsigned l = 0; l < LINKS_MAX; l++)
		m->link[l].rng = m->rng ^ 0x5555 ^ (uint64_t)l << 32;
	m->now_us = SEC_US + (int64_t)rnd_to(&m->rng, 1000000);
	m->grain_us = seed % 2 ? MS_US : 0; /* timers of half the runs are as coarse as libuv's */
	return m;
}

/* Another pair on the links of m, with a plan of its own: connect_ends it. guest: to m's acceptor,
 * which there must be. */
static struct sim *sim_beside(struct sim *m, bool guest)
{
	struct sim *s = sim_make(m->first, m->sc, m->seed);

	s->link = m->link;
	s->now_us = m->now_us;
	s->guest = guest;
	if (!guest)
		return s;
	s->acceptor = m->first->acceptor;
	for (int l = 0; l < LINKS_MAX; l++)
		s->addr[l][1] = m->first->addr[l][1];
	return s;
}

static void sim_destroy(struct sim *m)
{
	struct sim *next;

	for (int l = 0; l < LINKS_MAX; l++)
		link_finish(&m->link[l]);
	free(m->link);
	for (; m; m = next) {
		next = m->next;
		tunnel_destroy(m->client);
		if (!m->guest)
			acceptor_destroy(m->acceptor);
		for (int side = 0; side < 2; side++)
			for (unsigned i = 0; i < m->n_plans; i++)
				free(m->end[side][i]);
		free(m->echo_us);
		free(m->rtt_ms);
		free(m);
	}
}

#endif
