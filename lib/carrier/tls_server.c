/* The server's side of the tls carrier: a listening socket and its connections.
 *
 * Nobody is anybody before his handshake has shown that he has a key, and that has to be done in
 * TLS_SHAKE_US. At most PENDING_MAX may be at it at a time; then the oldest of the host with the most
 * gives way to the newest, so that those who only connect keep nobody out. Each connection is an address of its own to the
 * tunnel, which is never used again. */
#include "carrier/tls.h"

#include <errno.h>
#include <unistd.h>

#include "log/log.h"

#define PENDING_MAX 256
#define BUCKETS 64 /* of hosts, by hash */
#define BACKLOG 256
#define ACCEPT_ROUNDS 32
#define PAUSE_US (100 * MS_US) /* without descriptors or memory */
#define SWEEP_US (10 * SEC_US)
#define IDLE_US (180 * SEC_US) /* an open connection nothing comes from */

/* Where an address holds the connection's slot, and its serial number: in the place of the zone,
 * which nobody wants to know of a connection. */
#define SLOT_AT sizeof(struct net_addr)
#define SERIAL_AT offsetof(struct net_addr, zone)
_Static_assert(SLOT_AT + 2 <= TUNNEL_ADDR_HOST, "a tunnel_addr holds a net_addr and a slot");
_Static_assert(sizeof(((struct net_addr *)0)->zone) == sizeof(uint32_t), "and a serial number");

struct tls_server {
	struct carrier_path base;
	struct crypt_ring ring;
	int fd;
	uv_poll_t poll;
	struct loop_timer pause, sweep;
	struct server_conn **slot;
	uint32_t slots, serial;
	unsigned open, npending, conns; /* conns: that have memory still */
	struct list pending, dirty;
	bool closed, poll_closed;
	struct log_limit limit;
};

struct server_conn {
	struct tls_conn base;
	struct tls_server *of;
	struct list pending, dirty;
	uint16_t slot;
	bool held;
};

static struct tls_server *server_of(struct carrier_path *p)
{
	return container_of(p, struct tls_server, base);
}

static struct server_conn *conn_of(struct tls_conn *c)
{
	return container_of(c, struct server_conn, base);
}

static void maybe_free(struct tls_server *s)
{
	if (!s->closed || s->conns || !s->poll_closed)
		return;
	crypt_wipe(&s->ring, sizeof(s->ring));
	free(s->slot);
	free(s);
}

/* ---- connections ---- */

static void settle(struct server_conn *x)
{
	if (list_empty(&x->pending))
		return;
	list_remove(&x->pending);
	x->of->npending--;
}

static void drop(struct server_conn *x)
{
	struct tls_server *s = x->of;

	if (list_empty(&x->pending))
		s->open--;
	settle(x);
	list_remove(&x->dirty);
	s->slot[x->slot] = NULL;
	if (x->held && !s->closed)
		carrier_hold(&s->base, &x->base.addr, false);
	tls_conn_close(&x->base);
}

static void on_opened(struct tls_conn *c)
{
	struct server_conn *x = conn_of(c);

	settle(x);
	x->of->open++;
	carrier_counts(c->path->carrier)->tls_opened++;
}

static void on_room(struct tls_conn *c)
{
	conn_of(c)->held = false;
	carrier_hold(c->path, &c->addr, false);
	carrier_unblocked(c->path);
}

static void on_ended(struct tls_conn *c, int why)
{
	struct server_conn *x = conn_of(c);
	struct tls_server *s = x->of;
	struct carrier_stats *counts = carrier_counts(s->base.carrier);
	char peer[NET_ADDR_TEXT];
	struct net_addr at;

	carrier_peer(&c->addr, &at);
	net_addr_format(&at, peer, sizeof(peer));
	if (list_empty(&x->pending)) {
		log_debug("tls", "%s: connection ended: %s", peer, strerror(-why));
	} else {
		counts->tls_refused++;
		if (log_allow(&s->limit, 2, 10 * SEC_US,
			      loop_now_us(carrier_loop(s->base.carrier))))
			log_warn("tls", "%s: no tunnel: %s", peer,
				 why == -EACCES	     ? "it has no key of ours"
				 : why == -ETIMEDOUT ? "no handshake in time"
				 : why == -EPROTO    ? "not TLS 1.3 as it should be"
						     : strerror(-why));
	}
	drop(x);
}

static void on_gone(struct tls_conn *c)
{
	struct server_conn *x = conn_of(c);
	struct tls_server *s = x->of;

	free(x);
	s->conns--;
	maybe_free(s);
}

static const struct tls_conn_ops conn_ops = {on_opened, on_room, on_ended, on_gone};

static unsigned bucket_of(const struct server_conn *x)
{
	return x->base.addr.bytes[TUNNEL_ADDR_HOST] % BUCKETS;
}

/* Too many at their handshake: the oldest goes of those hosts that have the most. */
static void make_way(struct tls_server *s)
{
	unsigned n[BUCKETS] = {0}, most = 0;
	struct server_conn *x;

	if (s->npending < PENDING_MAX)
		return;
	list_for (x, &s->pending, pending)
		n[bucket_of(x)]++;
	for (unsigned i = 1; i < BUCKETS; i++)
		most = n[i] > n[most] ? i : most;
	list_for (x, &s->pending, pending)
		if (bucket_of(x) == most)
			break;
	carrier_counts(s->base.carrier)->tls_refused++;
	drop(x);
}

/* The serial number goes round the slots, so that a free one is found at once unless most are taken. */
static int take_slot(struct tls_server *s)
{
	for (uint32_t i = 0; i < s->slots; i++) {
		uint32_t at = (s->serial + i) % s->slots;

		if (!s->slot[at])
			return (int)at;
	}
	return -ENOBUFS;
}

static void name_conn(struct server_conn *x, const struct net_addr *peer, uint32_t serial)
{
	struct tunnel_addr *a = &x->base.addr;

	carrier_addr(peer, a);
	memcpy(a->bytes + SLOT_AT, &x->slot, sizeof(x->slot));
	memcpy(a->bytes + SERIAL_AT, &serial, sizeof(serial));
	a->len = (SLOT_AT + sizeof(x->slot)) | TUNNEL_ADDR_RELIABLE;
}

static int begin(struct tls_server *s, int fd, const struct sockaddr_storage *ss, socklen_t len)
{
	struct server_conn *x = NULL;
	struct net_addr peer;
	int slot, r = net_addr_from_sockaddr((const struct sockaddr *)ss, len, &peer);

	if (r)
		goto fail;
	make_way(s);
	slot = take_slot(s);
	r = slot < 0 ? slot : -ENOMEM;
	x = slot < 0 ? NULL : calloc(1, sizeof(*x));
	if (!x)
		goto fail;
	x->of = s;
	x->slot = (uint16_t)slot;
	list_init(&x->dirty);
	x->base.ops = &conn_ops;
	x->base.path = &s->base;
	name_conn(x, &peer, s->serial++);
	tls_socket_options(fd);
	r = tls_conn_start(&x->base, fd, false, true, &s->ring);
	if (r) {
		free(x);
		return r;
	}
	list_append(&s->pending, &x->pending);
	s->npending++;
	s->slot[slot] = x;
	s->conns++;
	return 0;
fail:
	close(fd);
	return r;
}

/* ---- accepting ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct tls_server *s = container_of(poll, struct tls_server, poll);
	struct sockaddr_storage ss;

	for (int i = 0; i < ACCEPT_ROUNDS; i++) {
		socklen_t len = sizeof(ss);
		int fd = accept4(s->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			if (begin(s, fd, &ss, len))
				carrier_counts(s->base.carrier)->tls_refused++;
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			uv_poll_stop(&s->poll);
			loop_timer_in(&s->pause, PAUSE_US);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			break;
	}
}

static void on_pause(void *arg)
{
	struct tls_server *s = arg;

	uv_poll_start(&s->poll, UV_READABLE, on_poll);
}

static void on_sweep(void *arg)
{
	struct tls_server *s = arg;
	int64_t now = loop_now_us(carrier_loop(s->base.carrier));

	for (uint32_t i = 0; i < s->slots; i++)
		if (s->slot[i] && now - s->slot[i]->base.heard_us > IDLE_US)
			drop(s->slot[i]);
	loop_timer_in(&s->sweep, SWEEP_US);
}

/* ---- what the carrier asks of it ---- */

static struct server_conn *find(struct tls_server *s, const struct tunnel_addr *to)
{
	uint16_t slot;

	memcpy(&slot, to->bytes + SLOT_AT, sizeof(slot));
	if (slot >= s->slots || !s->slot[slot] ||
	    memcmp(&s->slot[slot]->base.addr, to, sizeof(*to)) != 0)
		return NULL;
	return s->slot[slot];
}

static bool path_put(struct carrier_path *base, const struct tunnel_addr *to, const void *dgram,
		     size_t n)
{
	struct tls_server *s = server_of(base);
	struct server_conn *x = find(s, to);

	if (!x) { /* it has ended, and the tunnel does not know yet */
		carrier_counts(base->carrier)->send_errors++;
		return true;
	}
	x->held = !tls_conn_put(&x->base, dgram, n);
	if (s->slot[x->slot] == x && list_empty(&x->dirty))
		list_append(&s->dirty, &x->dirty);
	return !x->held;
}

static void path_flush(struct carrier_path *base)
{
	struct tls_server *s = server_of(base);
	struct server_conn *x;

	while ((x = list_first(&s->dirty, struct server_conn, dirty)) != NULL) {
		list_remove(&x->dirty);
		tls_conn_flush(&x->base);
	}
}

static int path_local(const struct carrier_path *base, struct net_addr *out)
{
	const struct tls_server *s = container_of(base, struct tls_server, base);
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getsockname(s->fd, (struct sockaddr *)&ss, &n))
		return -errno;
	return net_addr_from_sockaddr((struct sockaddr *)&ss, n, out);
}

static void path_set_ring(struct carrier_path *base, const struct crypt_ring *ring)
{
	server_of(base)->ring = *ring;
}

static void on_poll_closed(uv_handle_t *h)
{
	struct tls_server *s = container_of((uv_poll_t *)h, struct tls_server, poll);
	struct carrier *c = s->base.carrier;

	s->poll_closed = true;
	maybe_free(s);
	carrier_unpin(c);
}

static void path_close(struct carrier_path *base)
{
	struct tls_server *s = server_of(base);

	s->closed = true;
	loop_timer_stop(&s->pause);
	loop_timer_stop(&s->sweep);
	for (uint32_t i = 0; i < s->slots; i++)
		if (s->slot[i])
			drop(s->slot[i]);
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_poll_closed);
	close(s->fd);
}

static const struct carrier_path_ops ops = {
    .kind = CARRIER_TLS,
    .put = path_put,
    .flush = path_flush,
    .local = path_local,
    .set_ring = path_set_ring,
    .close = path_close,
};

/* As udp_open: "all" is both families, or IPv4's on a host without IPv6. */
static int open_listening(const struct net_addr *at, int *out)
{
	static const int on = 1;
	struct net_addr a = *at;
	struct sockaddr_storage ss;
	int fd = -1, r, only = at->family == 6;

	r = tls_socket_open(a.family, &(struct net_addr){0}, NULL, &fd);
	if (r == -EAFNOSUPPORT && !a.family) {
		a.family = 4; /* all zero: INADDR_ANY */
		r = tls_socket_open(4, &(struct net_addr){0}, NULL, &fd);
	}
	if (r)
		return r;
	if (a.family != 4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	socklen_t n = net_addr_to_sockaddr(&a, &ss);

	if (bind(fd, (struct sockaddr *)&ss, n) || listen(fd, BACKLOG)) {
		r = -errno;
		close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

int tls_server_create(struct carrier *c, int index, const struct net_addr *bind,
		      const struct crypt_ring *ring, unsigned max, struct carrier_path **out)
{
	struct tls_server *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return r;
	s->base = (struct carrier_path){&ops, c, index};
	s->ring = *ring;
	s->fd = -1;
	s->slots = MIN(max + PENDING_MAX, 65535u);
	list_init(&s->pending);
	list_init(&s->dirty);
	s->slot = calloc(s->slots, sizeof(*s->slot));
	if (!s->slot)
		goto fail;
	r = open_listening(bind, &s->fd);
	if (!r)
		r = uv_poll_init(loop_uv(carrier_loop(c)), &s->poll, s->fd);
	if (r)
		goto fail;
	carrier_pin(c);
	loop_timer_init(carrier_loop(c), &s->pause, on_pause, s);
	loop_timer_init(carrier_loop(c), &s->sweep, on_sweep, s);
	loop_timer_in(&s->sweep, SWEEP_US);
	uv_poll_start(&s->poll, UV_READABLE, on_poll);
	*out = &s->base;
	return 0;
fail:
	if (s->fd >= 0)
		close(s->fd);
	s->closed = s->poll_closed = true;
	maybe_free(s);
	return r;
}
