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
#include "machine.h"

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
