/* tcp-load: one end of the TCP transfers that the bench times, and the server of them all.
 *
 *   tcp-load serve HOST PORT [--ready-fd N]
 *   tcp-load get HOST PORT [-t TIME] [-s TIME] [-c SIZE]     receives for TIME (15 s)
 *   tcp-load put HOST PORT [-t TIME] [-s TIME] [-c SIZE]     sends for TIME
 *   tcp-load fetch HOST PORT [-b SIZE] [-n COUNT]            COUNT (15) new connections, one after another
 *   tcp-load echo HOST PORT [-n COUNT] [-i TIME] [-b SIZE]   messages at a steady pace, each echoed
 *   tcp-load clock                                           prints the monotonic clock in seconds
 *
 * get and put print what the receiving end saw, every byte compared: bytes=, mbit= over all but the
 * first -s (5 s), cold_mbit= from the start to byte -c (50M), first_ms=, and the longest silence gap_ms=
 * with gap_end=, its end in seconds of the monotonic clock. Their time begins before connect(). The
 * transfer is ended by a reset.
 * fetch prints ms_p50= ms_p99= ms_max=, each from before connect() to the last byte.
 * echo prints sent=, received=, rtt_p50= rtt_p99= rtt_max= in ms; what does not wait for echoes does
 * not hide a stall. HOST is a numeric address; both ends are on one machine, so they share the clock.
 */
#include "../net/punctual.h"
#include "probe.h"

#include <poll.h>
#include <sys/epoll.h>

enum mode { MODE_SOURCE = 1, MODE_SINK, MODE_ECHO };

/* What a client says first. */
struct request {
	uint64_t mode;
	uint64_t bytes; /* source: so many; 0 = until it is reset */
	int64_t start_ns, skip_ns, end_ns;
	uint64_t cold;
};

/* The view of a receiver. */
struct meter {
	struct request q;
	uint64_t total, at_skip;
	int64_t cold_ns, first_ns, last_ns, gap_ns, gap_end_ns;
};

/* Checks and counts n bytes that have come. False when they are wrong. */
static bool meter_take(struct meter *m, const uint8_t *p, size_t n)
{
	int64_t now = now_ns();

	if (memcmp(p, pattern_at(m->total), n) != 0)
		return false;
	if (!m->total)
		m->first_ns = now - m->q.start_ns;
	else if (now - m->last_ns > m->gap_ns) {
		m->gap_ns = now - m->last_ns;
		m->gap_end_ns = now;
	}
	m->last_ns = now;
	m->total += n;
	if (now < m->q.start_ns + m->q.skip_ns)
		m->at_skip = m->total;
	if (!m->cold_ns && m->total >= m->q.cold)
		m->cold_ns = now - m->q.start_ns;
	return true;
}

static int meter_print(const struct meter *m, char *out, size_t size)
{
	int64_t cold_ns = m->cold_ns ? m->cold_ns : m->q.end_ns;
	uint64_t cold = m->cold_ns ? m->q.cold : m->total;

	return snprintf(out, size,
			"bytes=%llu\nmbit=%.2f\ncold_mbit=%.2f\nfirst_ms=%.1f\ngap_ms=%.1f\n"
			"gap_end=%.3f\n",
			(unsigned long long)m->total,
			(double)(m->total - m->at_skip) * 8e3 /
			    (double)(m->q.end_ns - m->q.skip_ns),
			(double)cold * 8e3 / (double)cold_ns, (double)m->first_ns / 1e6,
			(double)m->gap_ns / 1e6, (double)m->gap_end_ns / 1e9);
}

/* ---- the server: one thread, all connections ---- */

struct conn {
	int fd;
	size_t have; /* of the request */
	struct meter m;
	uint64_t sent;
	bool told;
	struct conn *next; /* those whose time ends */
	size_t held, held_at;
	uint8_t hold[]; /* CHUNK bytes of an echo that does not go out; only once it is an echo */
};

struct server {
	int epoll, fd;
	struct conn *sinks;
};

static void watch(const struct server *s, struct conn *c, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = c};

	if (epoll_ctl(s->epoll, op, c ? c->fd : s->fd, &e))
		die("epoll");
}

static void conn_close(struct server *s, struct conn *c)
{
	struct conn **p = &s->sinks;

	while (*p && *p != c)
		p = &(*p)->next;
	if (*p)
		*p = c->next;
	close(c->fd);
	free(c);
}

/* Each returns false when the connection has ended. */
static bool would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool on_source(struct conn *c)
{
	uint64_t left = c->m.q.bytes ? c->m.q.bytes - c->sent : CHUNK;
	ssize_t n = send(c->fd, pattern_at(c->sent), MIN(left, CHUNK), MSG_NOSIGNAL);

	if (n < 0)
		return would_block(n);
	c->sent += (uint64_t)n;
	return !c->m.q.bytes || c->sent < c->m.q.bytes;
}

static bool on_sink(struct conn *c)
{
	static uint8_t buf[CHUNK];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		return would_block(n);
	return c->told || meter_take(&c->m, buf, (size_t)n);
}

/* The time of a sink is over: it says what it saw, and goes on reading until it is reset. */
static void tell_sinks(struct server *s)
{
	char text[256];
	struct conn *c;
	int n;

	for (c = s->sinks; c; c = c->next) {
		if (c->told || now_ns() < c->m.q.start_ns + c->m.q.end_ns)
			continue;
		n = meter_print(&c->m, text, sizeof(text));
		if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) == n)
			shutdown(c->fd, SHUT_WR);
		c->told = true;
	}
}

static bool on_echo(const struct server *s, struct conn *c)
{
	ssize_t n;

	if (!c->held) {
		n = recv(c->fd, c->hold, CHUNK, 0);
		if (n <= 0)
			return would_block(n);
		c->held = (size_t)n;
		c->held_at = 0;
	}
	n = send(c->fd, c->hold + c->held_at, c->held, MSG_NOSIGNAL);
	if (n < 0 && !would_block(n))
		return false;
	c->held_at += (size_t)MAX(n, 0);
	c->held -= (size_t)MAX(n, 0);
	watch(s, c, EPOLL_CTL_MOD, c->held ? EPOLLOUT : EPOLLIN);
	return true;
}

static bool on_request(struct server *s, struct conn **at)
{
	struct conn *c = *at;
	ssize_t n = recv(c->fd, (uint8_t *)&c->m.q + c->have, sizeof(c->m.q) - c->have, 0);

	if (n <= 0)
		return would_block(n);
	c->have += (size_t)n;
	if (c->have < sizeof(c->m.q))
		return true;
	if (c->m.q.mode == MODE_SINK) {
		c->next = s->sinks;
		s->sinks = c;
	} else if (c->m.q.mode == MODE_ECHO) {
		c = *at = realloc(c, sizeof(*c) + CHUNK);
		if (!c)
			die("memory");
	} else if (c->m.q.mode != MODE_SOURCE) {
		return false;
	}
	watch(s, c, EPOLL_CTL_MOD, c->m.q.mode == MODE_SOURCE ? EPOLLOUT : EPOLLIN);
	return true;
}

static void on_event(struct server *s, struct conn *c)
{
	bool go_on;

	if (c->have < sizeof(c->m.q))
		go_on = on_request(s, &c);
	else if (c->m.q.mode == MODE_SOURCE)
		go_on = on_source(c);
	else
		go_on = c->m.q.mode == MODE_SINK ? on_sink(c) : on_echo(s, c);
	if (!go_on)
		conn_close(s, c);
}

static void on_accept(const struct server *s)
{
	int fd;
	struct conn *c;

	while ((fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (!c)
			die("memory");
		c->fd = fd;
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
		watch(s, c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static _Noreturn void serve(int argc, char **argv)
{
	struct server s = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct epoll_event e[64];
	int i, n;

	many_descriptors();
	s.fd = tcp_listen(argv[2], argv[3]);
	watch(&s, NULL, EPOLL_CTL_ADD, EPOLLIN);
	if (argc == 6 && !strcmp(argv[4], "--ready-fd"))
		say_ready(argv[5]);
	for (;;) {
		n = epoll_wait(s.epoll, e, 64, s.sinks ? 10 : -1);
		for (i = 0; i < n; i++) {
			if (e[i].data.ptr)
				on_event(&s, e[i].data.ptr);
			else
				on_accept(&s);
		}
		tell_sinks(&s);
	}
}

/* ---- the clients ---- */

struct options {
	const char *host, *port;
	int64_t time_us, skip_us, cold, bytes, count, interval_us;
};

static int ask(const struct options *o, struct request *q)
{
	int fd;

	q->start_ns = now_ns();
	q->skip_ns = o->skip_us * 1000;
	q->end_ns = o->time_us * 1000;
	q->cold = (uint64_t)o->cold;
	fd = tcp_connect(o->host, o->port);
	if (write(fd, q, sizeof(*q)) != sizeof(*q))
		die("request");
	return fd;
}

/* Waits for events until then; false when the time is over. */
static bool wait_until(int fd, short events, int64_t until_ns, short *got)
{
	struct pollfd p = {fd, events, 0};
	int64_t left = until_ns - now_ns();
	struct timespec t = {left / SEC_NS, left % SEC_NS};

	if (left <= 0)
		return false;
	*got = ppoll(&p, 1, &t, NULL) > 0 ? p.revents : 0;
	return true;
}

static int get(const struct options *o)
{
	static uint8_t buf[CHUNK];
	struct meter m = {.q = {.mode = MODE_SOURCE}};
	int fd = ask(o, &m.q);
	char text[256];
	short got;
	ssize_t n;

	while (wait_until(fd, POLLIN, m.q.start_ns + m.q.end_ns, &got)) {
		if (!got)
			continue;
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0)
			die("receive");
		errno = 0;
		if (!meter_take(&m, buf, (size_t)n))
			die("wrong bytes");
	}
	tcp_reset(fd);
	meter_print(&m, text, sizeof(text));
	fputs(text, stdout);
	return 0;
}

static int put(const struct options *o)
{
	struct request q = {.mode = MODE_SINK};
	int fd = ask(o, &q);
	/* The answer has a round trip to come, through whatever is queued. */
	int64_t until = q.start_ns + q.end_ns + 5 * SEC_NS;
	uint64_t sent = 0;
	char text[512];
	size_t len = 0;
	short got;
	ssize_t n;

	while (wait_until(fd, POLLIN | POLLOUT, until, &got)) {
		if (got & POLLIN) {
			n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
			if (n <= 0)
				break;
			len += (size_t)n;
		} else if (got) {
			n = send(fd, pattern_at(sent), CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
			sent += (uint64_t)MAX(n, 0);
			if (n < 0 && errno != EAGAIN)
				die("send");
		}
	}
	tcp_reset(fd);
	text[len] = '\0';
	errno = 0;
	if (!strstr(text, "gap_end="))
		die("no answer of the receiver");
	fputs(text, stdout);
	return 0;
}

static int64_t fetch_one(const struct options *o)
{
	static uint8_t buf[CHUNK];
	struct meter m = {.q = {.mode = MODE_SOURCE, .bytes = (uint64_t)o->bytes}};
	int fd = ask(o, &m.q);
	ssize_t n;

	while (m.total < m.q.bytes && (n = read(fd, buf, sizeof(buf))) > 0)
		if (!meter_take(&m, buf, (size_t)n))
			break;
	close(fd);
	errno = 0;
	if (m.total != m.q.bytes)
		die("short, or wrong bytes");
	return m.last_ns - m.q.start_ns;
}

static int fetch(const struct options *o)
{
	int64_t *ns = calloc((size_t)o->count, sizeof(*ns)), i;

	for (i = 0; i < o->count; i++)
		ns[i] = fetch_one(o);
	print_quantiles("ms", ns, (size_t)o->count);
	free(ns);
	return 0;
}

/* Takes echoes in until then; each begins with the time when it was sent. */
static int64_t take_echoes(int fd, int64_t until_ns, size_t size, int64_t *rtt, int64_t done)
{
	static uint8_t buf[CHUNK];
	static size_t have;
	int64_t at;
	short got;
	ssize_t n;

	while (wait_until(fd, POLLIN, until_ns, &got)) {
		if (!got)
			continue;
		n = recv(fd, buf + have, size - have, MSG_DONTWAIT);
		if (n <= 0)
			die("echo");
		have += (size_t)n;
		if (have < size)
			continue;
		memcpy(&at, buf, sizeof(at));
		rtt[done++] = now_ns() - at;
		have = 0;
	}
	return done;
}

static int echo(const struct options *o)
{
	uint8_t buf[CHUNK] = {0};
	int64_t *rtt = calloc((size_t)o->count, sizeof(*rtt)), done = 0, i, start, now;
	struct request q = {.mode = MODE_ECHO};
	size_t size = (size_t)o->bytes;
	int fd;

	be_punctual();
	fd = ask(o, &q);
	start = now_ns();
	for (i = 0; i < o->count; i++) {
		done = take_echoes(fd, start + i * o->interval_us * 1000, size, rtt, done);
		now = now_ns();
		memcpy(buf, &now, sizeof(now));
		if (send(fd, buf, size, MSG_NOSIGNAL) != (ssize_t)size)
			die("send");
	}
	start = now_ns();
	while (done < i && now_ns() < start + 5 * SEC_NS)
		done = take_echoes(fd, now_ns() + SEC_NS / 10, size, rtt, done);
	tcp_reset(fd);
	printf("sent=%jd\nreceived=%jd\n", (intmax_t)o->count, (intmax_t)done);
	print_quantiles("rtt", rtt, (size_t)done);
	free(rtt);
	return 0;
}

static int parse(struct options *o, int argc, char **argv)
{
	int opt, r = 0;

	while (!r && (opt = getopt(argc, argv, "t:s:c:b:n:i:")) != -1) {
		if (opt == 't')
			r = num_duration(optarg, &o->time_us);
		else if (opt == 's')
			r = num_duration(optarg, &o->skip_us);
		else if (opt == 'c')
			r = num_size(optarg, &o->cold);
		else if (opt == 'b')
			r = num_size(optarg, &o->bytes);
		else if (opt == 'n')
			r = num_int(optarg, &o->count);
		else
			r = num_duration(optarg, &o->interval_us);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct options o = {.time_us = 15 * SEC_US,
			    .skip_us = 5 * SEC_US,
			    .cold = 50000000,
			    .bytes = 100,
			    .count = 15,
			    .interval_us = 33333};
	const char *what = argc >= 4 ? argv[1] : "";

	if (argc == 2 && !strcmp(argv[1], "clock")) {
		printf("%.3f\n", (double)now_ns() / 1e9);
		return 0;
	}
	pattern_init();
	if (!strcmp(what, "serve"))
		serve(argc, argv);
	if (*what) {
		o.host = argv[2];
		o.port = argv[3];
	}
	if (!*what || parse(&o, argc - 3, argv + 3) || o.count < 1 || o.skip_us >= o.time_us) {
		fprintf(stderr, "usage: see the head of tests/bench/tcp-load.c\n");
		return 64;
	}
	if (!strcmp(what, "get"))
		return get(&o);
	if (!strcmp(what, "put"))
		return put(&o);
	if (!strcmp(what, "fetch"))
		return fetch(&o);
	return echo(&o);
}
