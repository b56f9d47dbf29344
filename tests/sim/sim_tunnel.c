/* The tunnel in virtual time: scenarios times seeds. Asserts that bytes arrive exactly and in
 *order, that ends and resets arrive, that memory stays within its bounds, that nothing spins, and
 *the figures that each scenario promises.
 *
 *	sim_tunnel [-v] [-s SCENARIO] [-f FIRST_SEED] [-t TRACE_MS] [SEEDS]
 * SEEDS may be in the environment. */
#include "link.h"
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define ENDS_MAX 4096
#define FLOWS_MAX 64
#define STEPS_MAX 60000000

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
	struct link link;
	struct tunnel *client;
	struct acceptor *acceptor;
	struct tunnel *server; /* made by the acceptor */
	struct tunnel_addr addr[2];
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
	uint64_t flow_sent, flow_back, flow_seen[8192 / 64];
	int64_t flow_next_us, flow_end_us, flow_worst_us, flow_gap_us;
	size_t flow_len;
	int64_t moved_us;
	uint64_t steps, most_buffered;
};

struct scenario {
	const char *name, *what;
	void (*set)(struct sim *);
	void (*check)(struct sim *);
	int64_t limit_us; /* of virtual time */
	bool once;	  /* heavy: a tenth of the seeds */
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

/* ---- the application on both sides ---- */

static uint8_t pattern(uint64_t id, int side, uint64_t off)
{
	return (uint8_t)((off * 2654435761u >> 11) + id * 31 + (uint64_t)side * 97);
}

static void fill(uint8_t *p, uint64_t id, int side, uint64_t off, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(id, side, off + i);
}

static void end_done(struct sim *m, struct end *e)
{
	e->done_us = m->now_us;
	tunnel_stream_release(e->s);
	e->s = NULL;
	m->done++;
}

static void end_write(struct sim *m, struct end *e)
{
	uint8_t buf[16384];

	while (e->sent < e->send && !e->reset) {
		size_t n = MIN(MIN(sizeof(buf), e->send - e->sent), e->reset_at - e->sent);
		ssize_t w;

		if (n == 0) {
			e->reset = true;
			m->resets++;
			tunnel_stream_reset(e->s, TUNNEL_RST_APP + 7);
			end_done(m, e);
			return;
		}
		fill(buf, e->id, e->side, e->sent, n);
		w = tunnel_stream_write(e->s, buf, n);
		CHECK(m, w >= 0);
		e->sent += (uint64_t)w;
		if ((size_t)w < n)
			return;
	}
	if (!e->finished && !e->reset) {
		e->finished = true;
		tunnel_stream_finish(e->s);
	}
}

static void end_read(struct sim *m, struct end *e)
{
	const void *p;
	size_t n;

	if (e->stopped || !e->s)
		return;
	while ((n = tunnel_stream_peek(e->s, &p)) > 0) {
		if (e->got == 0)
			e->first_us = m->now_us;
		for (size_t i = 0; i < n; i++)
			CHECK(m, ((const uint8_t *)p)[i] == pattern(e->id, !e->side, e->got + i));
		e->got += n;
		CHECK(m, e->got <= e->recv);
		tunnel_stream_consume(e->s, n);
	}
	if (tunnel_stream_ended(e->s) && !e->ended) {
		e->ended = true;
		CHECK(m, e->got == e->recv);
	}
	if (e->ended && e->finished)
		end_done(m, e);
}

static struct end *end_make(struct sim *m, struct tunnel_stream *s, int side)
{
	uint64_t id = tunnel_stream_id(s);
	const struct plan *p = &m->plan[id / 2];
	struct end *e = calloc(1, sizeof(*e));

	assert(e && id / 2 < m->n_plans && !m->end[side][id / 2]);
	e->s = s;
	e->side = side;
	e->id = id;
	e->send = side ? p->down : p->up;
	e->recv = side ? p->up : p->down;
	e->reset_at = side ? p->reset_at : UINT64_MAX;
	e->stopped = !side && p->stopped;
	e->opened_us = m->now_us;
	tunnel_stream_set_user(s, e);
	m->end[side][id / 2] = e;
	return e;
}

static void open_next(struct sim *m)
{
	struct tunnel_open o = {.service = "web", .class = m->plan[m->n_opened].class, .offset = 3};
	struct tunnel_stream *s;

	o.origin = (struct tunnel_origin){.family = 4, .src = {10, 0, 0, 1}, .src_port = 4711};
	CHECK(m, tunnel_stream_open(m->client, &o, &s) == 0);
	end_write(m, end_make(m, s, 0));
	m->n_opened++;
}

static void accepted(struct sim *m, struct tunnel_stream *s)
{
	const struct tunnel_open *o = tunnel_stream_info(s);

	CHECK(m, strcmp(o->service, "web") == 0 && o->offset == 3 && o->origin.src_port == 4711 &&
		     o->origin.src[0] == 10);
	end_write(m, end_make(m, s, 1));
}

/* ---- flows: numbered datagrams with the time in them, sent back by the server ---- */

static void flow_send(struct sim *m)
{
	uint8_t buf[8192] = {0};
	struct wr w = wr_of(buf, sizeof(buf));
	struct tunnel_open o = {.service = "game", .class = TUNNEL_GAME};

	if (!m->flow[0])
		CHECK(m, tunnel_flow_open(m->client, &o, &m->flow[0]) == 0);
	wr_u64(&w, m->flow_sent++);
	wr_u64(&w, (uint64_t)m->now_us);
	fill(buf + 16, 1, 0, 16, m->flow_len - 16);
	CHECK(m, tunnel_flow_send(m->flow[0], buf, m->flow_len) == 0);
	m->flow_next_us =
	    m->now_us + m->flow_gap_us >= m->flow_end_us ? NEVER_US : m->now_us + m->flow_gap_us;
}

static void flow_read(struct sim *m, struct tunnel_flow *f, int side)
{
	uint8_t buf[8192];
	ssize_t n;

	while ((n = tunnel_flow_recv(f, buf, sizeof(buf))) >= 0) {
		struct rd r = rd_of(buf, sizeof(buf));
		uint64_t seq = rd_u64(&r);
		int64_t sent = (int64_t)rd_u64(&r);

		CHECK(m, (size_t)n == m->flow_len);
		for (size_t i = 16; i < (size_t)n; i++)
			CHECK(m, buf[i] == pattern(1, 0, i));
		if (side == 1) {
			CHECK(m, tunnel_flow_send(f, buf, (size_t)n) == 0);
			continue;
		}
		CHECK(m, seq < m->flow_sent && seq < 8192);
		CHECK(m, !(m->flow_seen[seq / 64] >> seq % 64 & 1));
		m->flow_seen[seq / 64] |= UINT64_C(1) << seq % 64;
		m->flow_back++;
		m->flow_worst_us = MAX(m->flow_worst_us, m->now_us - sent);
	}
}

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
}

static void on_event(struct sim *m, int side, const struct tunnel_event *ev)
{
	struct end *e = ev->stream ? tunnel_stream_user(ev->stream) : NULL;

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

static void pump(struct sim *m)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct tunnel_event ev;
	size_t n;
	int path;

	while (tunnel_event(m->client, &ev))
		on_event(m, 0, &ev);
	while (m->acceptor && acceptor_event(m->acceptor, &ev))
		on_event(m, 1, &ev);
	while ((n = tunnel_output(m->client, buf, sizeof(buf), &path, &to, m->now_us)) > 0) {
		CHECK(m, path == 0 && memcmp(&to, &m->addr[1], sizeof(to)) == 0);
		link_send(&m->link, 1, buf, n, m->now_us);
		m->steps++;
	}
	while (m->acceptor &&
	       (n = acceptor_output(m->acceptor, buf, sizeof(buf), &path, &to, m->now_us)) > 0) {
		if (memcmp(&to, &m->addr[0], sizeof(to)) == 0)
			link_send(&m->link, 0, buf, n, m->now_us);
		m->steps++;
	}
}

static void trace(const char *who, const struct tunnel *t, int64_t now_us)
{
	struct tunnel_stats s;

	tunnel_stats(t, &s);
	printf("%8.3f %s rate %7.2f delivery %7.2f Mbit/s cwnd %8" PRIu64 " in flight %8" PRIu64
	       " rtt %6.1f min %6.1f ms sent %7" PRIu64 " lost %6" PRIu64 "\n",
	       (double)now_us / 1e6, who, (double)s.rate_bps / 1e6, (double)s.delivery_bps / 1e6,
	       s.cwnd, s.in_flight, (double)s.rtt_us / 1e3, (double)s.rtt_min_us / 1e3,
	       s.packets_sent, s.packets_lost);
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

	CHECK(m, ++m->steps < STEPS_MAX);
	if (m->steps % 64 || !m->server)
		return;
	tunnel_stats(m->server, &st);
	CHECK(m, st.buffered_send <= 64 << 20 && st.buffered_receive <= 64 << 20);
	m->most_buffered = MAX(m->most_buffered, st.buffered_send);
}

static int64_t grain(const struct sim *m, int64_t at)
{
	return m->grain_us && at != NEVER_US ? (at + m->grain_us - 1) / m->grain_us * m->grain_us
					     : at;
}

/* Goes on until nothing is left to happen before `until`. */
static void run(struct sim *m, int64_t until, bool (*enough)(const struct sim *))
{
	for (;;) {
		int64_t at, wake = m->now_us;

		for (int i = 0; i < 3 && wake <= m->now_us; i++) {
			pump(m);
			wake = MIN(tunnel_wake(m->client), acceptor_wake(m->acceptor));
		}
		/* What is due now has been done: whoever says otherwise would spin. */
		CHECK(m, wake > m->now_us);
		if (enough && enough(m))
			return;
		at = MIN(grain(m, wake), MIN(link_next(&m->link), m->flow_next_us));
		if (at > until || at == NEVER_US) {
			m->now_us = MAX(m->now_us, MIN(until, at));
			return;
		}
		m->now_us = MAX(m->now_us, at);
		if (m->flow_next_us <= m->now_us && !m->client_closed)
			flow_send(m);
		if (m->moved_us && m->now_us >= m->moved_us) {
			m->addr[0].bytes[0]++;
			m->moved_us = 0;
		}
		while (link_next(&m->link) <= m->now_us) {
			struct dgram *d = link_pop(&m->link);

			if (d->to)
				acceptor_input(m->acceptor, d->data, d->len, 0, &m->addr[0],
					       m->now_us);
			else
				tunnel_input(m->client, d->data, d->len, 0, &m->addr[1], m->now_us);
			free(d);
		}
		watch(m);
	}
}

static bool all_done(const struct sim *m)
{
	return m->client_closed || (m->n_opened == m->n_plans && m->done == 2 * m->n_plans);
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
	CHECK(m, acceptor_create(conf, &ring, m->now_us, &m->acceptor) == 0);
	CHECK(m, tunnel_create(conf, &mine.key[0], 0, &m->addr[1], m->now_us, &m->client) == 0);
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
	m->link.way[0] = m->link.way[1] = w;
}

/* The line of the main job: 50 Mbit/s, 100 ms, 1 % each way. */
static const struct way main_line = {
    .rate_bps = 50000000, .queue_us = 75 * MS_US, .delay_us = 50 * MS_US, .loss_ppm = 10000};

#include "scenarios.h"

/* ---- main ---- */

static void sim_finish(struct sim *m)
{
	tunnel_destroy(m->client);
	acceptor_destroy(m->acceptor);
	for (int side = 0; side < 2; side++)
		for (unsigned i = 0; i < m->n_plans; i++)
			free(m->end[side][i]);
	link_finish(&m->link);
}

static void run_one(const struct scenario *sc, uint64_t seed)
{
	struct sim *m = calloc(1, sizeof(*m));

	assert(m);
	m->sc = sc;
	m->seed = seed;
	m->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	m->link.rng = m->rng ^ 0x5555;
	m->now_us = SEC_US + (int64_t)rnd_to(&m->rng, 1000000);
	m->flow_next_us = NEVER_US;
	m->grain_us = seed % 2 ? MS_US : 0; /* timers of half the runs are as coarse as libuv's */
	m->addr[0] = (struct tunnel_addr){4, {10, 0, 0, 1}};
	m->addr[1] = (struct tunnel_addr){4, {10, 0, 0, 2}};
	sc->set(m);
	sc->check(m);
	sim_finish(m);
	free(m);
}

int main(int argc, char **argv)
{
	const char *only = NULL, *env = getenv("SEEDS");
	uint64_t seeds = env ? strtoull(env, NULL, 10) : 50, first = 1;
	int c;

	while ((c = getopt(argc, argv, "vs:f:t:")) != -1) {
		if (c == 'v')
			verbose = true;
		else if (c == 's')
			only = optarg;
		else if (c == 't')
			trace_us = strtoll(optarg, NULL, 10) * MS_US;
		else if (c == 'f')
			first = strtoull(optarg, NULL, 10);
		else
			return 64;
	}
	if (optind < argc)
		seeds = strtoull(argv[optind], NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		uint64_t n = scenarios[i].once ? (seeds + 9) / 10 : seeds;

		if (only && strcmp(only, scenarios[i].name) != 0)
			continue;
		for (uint64_t k = 0; k < n; k++)
			run_one(&scenarios[i], first + k);
		figures(&scenarios[i], n);
	}
	return 0;
}
