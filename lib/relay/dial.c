/* The server side of a stream: finds the backend's addresses and connects to one after the other
 * until one takes it. What the client sent meanwhile waits in the stream. */
#include <errno.h>
#include <unistd.h>

#include "os/os.h"
#include "relay/backend.h"

#define PORT_TRIES 64

/* One connect(2) under way. */
struct attempt {
	uv_poll_t poll;
	struct relay_dial *dial; /* NULL: given up */
	int fd;
};

struct relay_dial {
	struct list link; /* in backend->dials */
	struct relay_backend *backend;
	struct relay_conn *conn;
	struct resolve_wait wait;
	struct loop_timer timer;
	struct attempt *attempt;
	struct net_addr addr[RESOLVE_ADDRS];
	size_t n, next;
	int err; /* of the last attempt */
};

int relay_backend_create(struct relay_backend **out, struct relay *r,
			 const struct relay_backend_conf *conf)
{
	struct relay_backend *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return -ENOMEM;
	b->relay = r;
	b->conf = *conf;
	list_init(&b->dials);
	list_init(&b->flows);
	rc = resolve_create(&b->name, r->loop,
			    conf->spec.host.host[0] ? conf->spec.host.host : "localhost",
			    conf->resolve_us);
	if (rc) {
		free(b);
		return rc;
	}
	*out = b;
	return 0;
}

enum net_proto relay_backend_proto(const struct relay_backend *b)
{
	return b->conf.spec.proto;
}

void relay_backend_destroy(struct relay_backend *b)
{
	if (!b)
		return;
	while (!list_empty(&b->dials))
		conn_abort(list_first(&b->dials, struct relay_dial, link)->conn,
			   TUNNEL_RST_REFUSED);
	serve_end_all(b);
	resolve_destroy(b->name);
	free(b);
}

bool backend_log_allowed(struct relay_backend *b)
{
	return log_allow(&b->conf.meter->limit, 5, 10 * SEC_US, loop_now_us(b->relay->loop));
}

int backend_port(const struct relay_backend *b, unsigned offset)
{
	return offset < b->conf.spec.ports ? (int)(b->conf.spec.host.port + offset) : -ERANGE;
}

static void on_attempt_closed(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct attempt, poll));
}

/* Stops watching; the descriptor is the caller's again. */
static int attempt_end(struct relay_dial *d)
{
	struct attempt *a = d->attempt;
	int fd = a->fd;

	d->attempt = NULL;
	a->dial = NULL;
	uv_close((uv_handle_t *)&a->poll, on_attempt_closed);
	return fd;
}

void dial_cancel(struct relay_dial *d)
{
	d->conn->dial = NULL;
	list_remove(&d->link);
	resolve_cancel(&d->wait);
	loop_timer_stop(&d->timer);
	if (d->attempt)
		close(attempt_end(d));
	free(d);
}

static void dial_failed(struct relay_dial *d, const char *why)
{
	struct relay_backend *b = d->backend;
	char spec[NET_SPEC_TEXT];

	metric_add(b->conf.meter->failed, 1);
	if (backend_log_allowed(b))
		log_warn(b->conf.name, "backend %s: %s",
			 net_spec_format(&b->conf.spec, spec, sizeof(spec)), why);
	conn_abort(d->conn, TUNNEL_RST_REFUSED);
}

static void dial_done(struct relay_dial *d, int fd)
{
	struct relay_conn *c = d->conn;

	dial_cancel(d);
	conn_set_options(fd);
	conn_start(c, fd);
}

static void next(struct relay_dial *d);

static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct attempt *a = container_of(poll, struct attempt, poll);
	struct relay_dial *d = a->dial;
	socklen_t n = sizeof(d->err);
	int err = 0;

	if (!d)
		return;
	getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &err, &n);
	if (!err && status < 0)
		err = ECONNABORTED;
	int fd = attempt_end(d);

	if (!err) {
		dial_done(d, fd);
		return;
	}
	close(fd);
	d->err = -err;
	next(d);
}

/* The address does not answer. */
static void on_slow(void *arg)
{
	struct relay_dial *d = arg;

	d->err = -ETIMEDOUT;
	if (d->attempt)
		close(attempt_end(d));
	next(d);
}

static int begin_attempt(struct relay_dial *d, int fd)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->fd = fd;
	int r = uv_poll_init(loop_uv(d->backend->relay->loop), &a->poll, fd);

	if (r) {
		free(a);
		return r;
	}
	a->dial = d;
	d->attempt = a;
	uv_poll_start(&a->poll, UV_WRITABLE, on_connect);
	return loop_timer_in(&d->timer, d->backend->conf.connect_us);
}

/* A socket that is connected or connecting, from `port` or, with 0, one that the kernel chooses; or a negative
 * errno. */
static int connect_from(const struct net_addr *addr, uint16_t port, bool *connected)
{
	const struct net_addr from = {.family = addr->family, .port = port};
	struct sockaddr_storage ss;
	socklen_t n = net_addr_to_sockaddr(addr, &ss);
	const int one = 1;
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? errno : 0;

	if (!err) /* for who wants its port after it */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!err && port) {
		struct sockaddr_storage local;
		socklen_t len = net_addr_to_sockaddr(&from, &local);

		if (bind(fd, (struct sockaddr *)&local, len))
			err = errno;
	}
	if (!err && connect(fd, (struct sockaddr *)&ss, n))
		err = errno;
	*connected = !err;
	if (!err || err == EINPROGRESS)
		return fd;
	if (fd >= 0)
		close(fd);
	return -err;
}

/* All ports towards that backend are taken, most by connections that have ended and wait out their minute. The
 * kernel does not choose one of these, but lets it be chosen: with timestamps (RFC 6191) that is safe. */
static int connect_from_any(struct relay *r, const struct net_addr *addr, bool *connected)
{
	unsigned first, last;
	int fd = -EADDRNOTAVAIL;

	os_local_ports(&first, &last);
	for (int i = 0; i < PORT_TRIES && (fd == -EADDRNOTAVAIL || fd == -EADDRINUSE); i++)
		fd = connect_from(addr, (uint16_t)(first + r->next_port++ % (last - first + 1)),
				  connected);
	return fd;
}

/* Returns true when the dial is over (d is gone) or under way, false when this address failed at
 * once. */
static bool try_address(struct relay_dial *d, const struct net_addr *addr)
{
	bool connected;
	int fd = connect_from(addr, 0, &connected);

	if (fd == -EADDRNOTAVAIL)
		fd = connect_from_any(d->backend->relay, addr, &connected);
	if (fd < 0) {
		d->err = fd;
		return false;
	}
	if (connected) {
		dial_done(d, fd);
		return true;
	}
	d->err = begin_attempt(d, fd);
	if (!d->err)
		return true;
	if (d->attempt)
		attempt_end(d);
	close(fd);
	return false;
}

static void next(struct relay_dial *d)
{
	loop_timer_stop(&d->timer);
	while (d->next < d->n)
		if (try_address(d, &d->addr[d->next++]))
			return;
	dial_failed(d, strerror(-d->err));
}

/* Takes over the addresses; false when there are none yet. */
static bool have_addresses(struct relay_dial *d, unsigned port)
{
	const struct net_addr *a = resolve_addrs(d->backend->name, &d->n);

	for (size_t i = 0; i < d->n; i++) {
		d->addr[i] = a[i];
		d->addr[i].port = (uint16_t)port;
	}
	return d->n > 0;
}

static void on_resolved(void *arg, int err)
{
	struct relay_dial *d = arg;
	int port = backend_port(d->backend, tunnel_stream_info(d->conn->stream)->offset);

	if (have_addresses(d, (unsigned)port))
		next(d);
	else
		dial_failed(d, resolve_error(d->backend->name));
}

void relay_connect(struct relay_link *k, struct tunnel_stream *s, struct relay_backend *b)
{
	int port = backend_port(b, tunnel_stream_info(s)->offset);
	struct relay_dial *d = NULL;
	struct relay_conn *c;

	tunnel_stream_set_repair(s, &b->conf.repair);
	if (conn_create(k, s, b->conf.meter, &c))
		return;
	if (port >= 0)
		d = calloc(1, sizeof(*d));
	if (!d) {
		conn_abort(c, port < 0 ? TUNNEL_RST_NO_SERVICE : TUNNEL_RST_LIMIT);
		return;
	}
	d->backend = b;
	d->conn = c;
	d->wait = (struct resolve_wait){.fn = on_resolved, .arg = d};
	c->dial = d;
	list_append(&b->dials, &d->link);
	loop_timer_init(b->relay->loop, &d->timer, on_slow, d);
	if (have_addresses(d, (unsigned)port))
		next(d);
	else
		resolve_wait(b->name, &d->wait);
}
