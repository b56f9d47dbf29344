/* The udp kind of path: one socket, polled. */
#include "carrier/path.h"

#include <errno.h>

#include "crypt/crypt.h"
#include "log/log.h"
#include "loop/uv.h"

#define SOCKET_BUFFER ((size_t)8 << 20)
#define SOCKET_BUFFER_MIN (2 << 20)
#define RECV_TURN ((size_t)128 << 10) /* bytes received before others get their turn */

struct udp_path {
	struct carrier_path base;
	struct udp_socket sock;
	uv_poll_t poll;
	bool connected, closed, blocked;
	size_t largest; /* message of the last batch */
	struct log_limit limit;
	/* Addresses of this host that peers have used, when bound to all: answers go out from the
	 * same one. An address of the core names them by index + 1. */
	struct net_addr locals[16];
	uint8_t nlocals;
};

/* Byte of a tunnel_addr, after the net_addr, that holds the local index. */
#define LOCAL_AT sizeof(struct net_addr)
_Static_assert(LOCAL_AT < TUNNEL_ADDR_HOST, "a tunnel_addr holds a net_addr and an index");

/* An IPv4 address is one host, and so is an IPv6 network of 64 bits. Keyed, so that nobody can choose
 * addresses that count as another's. */
static uint32_t host_of(const struct net_addr *a)
{
	static uint64_t key;
	struct net_addr host = {.family = a->family};

	while (!key)
		crypt_random(&key, sizeof(key));
	memcpy(host.ip, a->ip, a->family == 6 ? 8 : 4);
	return (uint32_t)(net_addr_hash(&host, key) >> 16);
}

void carrier_addr(const struct net_addr *a, struct tunnel_addr *out)
{
	uint32_t host = host_of(a);

	*out = (struct tunnel_addr){.len = LOCAL_AT};
	memcpy(out->bytes, a, sizeof(*a));
	memcpy(out->bytes + TUNNEL_ADDR_HOST, &host, sizeof(host));
}

void carrier_peer(const struct tunnel_addr *t, struct net_addr *out)
{
	memcpy(out, t->bytes, sizeof(*out));
	if (t->len > LOCAL_AT + 1)
		out->zone = 0; /* a connection's serial number is in its place */
}

static uint8_t local_index(struct udp_path *p, const struct net_addr *local)
{
	for (uint8_t i = 0; i < p->nlocals; i++)
		if (net_addr_equal(&p->locals[i], local))
			return i + 1;
	if (p->nlocals == ARRAY_LEN(p->locals))
		return 0; /* the kernel chooses by its routes */
	p->locals[p->nlocals++] = *local;
	return p->nlocals;
}

static void take(struct udp_path *p, const struct udp_message *m)
{
	struct tunnel_addr from;
	size_t n;

	if (!m->peer.family)
		return;
	carrier_addr(&m->peer, &from);
	if (m->local.family) {
		from.len = LOCAL_AT + 1;
		from.bytes[LOCAL_AT] = local_index(p, &m->local);
	}
	for (size_t off = 0; off < m->len && !p->closed; off += n) {
		n = udp_next(m, off);
		carrier_receive(&p->base, m->data + off, n, &from);
	}
}

/* So many messages as the last ones were large: a batch of whole runs is a megabyte. */
static unsigned batch_now(const struct udp_path *p)
{
	return (unsigned)CLAMP(RECV_TURN / 2 / p->largest, (size_t)2, (size_t)UDP_BATCH);
}

/* It looks like loss of the line, and is not. */
static void note_dropped(struct udp_path *p, uint32_t n)
{
	struct carrier *c = p->base.carrier;

	carrier_counts(c)->dropped += n;
	if (log_allow(&p->limit, 1, 10 * SEC_US, loop_now_us(carrier_loop(c))))
		log_warn("udp",
			 "%llu datagrams lost in this host so far: its receive buffer was full "
			 "(processor busy, or net.core.rmem_max too small)",
			 (unsigned long long)carrier_counts(c)->dropped);
}

static void receive(struct udp_path *p)
{
	struct carrier_stats *counts = carrier_counts(p->base.carrier);
	const struct udp_message *msgs;
	unsigned max;
	size_t total = 0;
	int n;

	do {
		uint32_t dropped = p->sock.dropped;

		max = batch_now(p);
		counts->recv_calls++;
		n = udp_recv(&p->sock, carrier_batch(p->base.carrier), max, &msgs);
		if (n == -ECONNREFUSED)
			counts->refused++;
		if (p->sock.dropped != dropped)
			note_dropped(p, p->sock.dropped - dropped);
		p->largest = TUNNEL_DGRAM_MIN;
		for (int i = 0; i < n; i++) {
			p->largest = MAX(p->largest, msgs[i].len);
			total += msgs[i].len;
			take(p, &msgs[i]);
		}
	} while (n == (int)max && total < RECV_TURN && !p->closed);
	if (!p->closed)
		carrier_received(&p->base);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static int watch(struct udp_path *p)
{
	return uv_poll_start(&p->poll, UV_READABLE | (p->blocked ? UV_WRITABLE : 0), on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct udp_path *p = container_of(poll, struct udp_path, poll);

	if (status < 0 || (events & UV_READABLE)) {
		receive(p);
		if (p->closed)
			return;
		if (status <
		    0) /* libuv stopped at an error on the socket, which receive has taken off */
			watch(p);
	}
	if ((events & UV_WRITABLE) && p->blocked) {
		p->blocked = false;
		watch(p);
		carrier_unblocked(&p->base);
	}
}

static void note_error(struct udp_path *p, const struct carrier_run *run, int err)
{
	struct loop *l = carrier_loop(p->base.carrier);
	char to[NET_ADDR_TEXT];
	struct net_addr peer;

	if (err == -ECONNREFUSED) {
		carrier_counts(p->base.carrier)->refused++;
		return;
	}
	carrier_counts(p->base.carrier)->send_errors +=
	    run->segment ? (run->len - 1) / run->segment + 1 : 1;
	if (err == -EMSGSIZE) /* a probe for the path's size, answered */
		return;
	if (!log_allow(&p->limit, 1, 10 * SEC_US, loop_now_us(l)))
		return;
	carrier_peer(&run->to, &peer);
	log_warn("udp", "cannot send to %s: %s", net_addr_format(&peer, to, sizeof(to)),
		 strerror(-err));
}

static int path_send(struct carrier_path *base, const struct carrier_run *runs, unsigned n)
{
	struct udp_path *p = container_of(base, struct udp_path, base);
	struct udp_message msgs[UDP_BATCH];

	n = MIN(n, UDP_BATCH);
	for (unsigned i = 0; i < n; i++) {
		struct udp_message *m = &msgs[i];
		uint8_t local = runs[i].to.len > LOCAL_AT ? runs[i].to.bytes[LOCAL_AT] : 0;

		*m = (struct udp_message){
		    .data = runs[i].data, .len = runs[i].len, .segment = runs[i].segment};
		if (!p->connected)
			carrier_peer(&runs[i].to, &m->peer);
		if (local && local <= p->nlocals)
			m->local = p->locals[local - 1];
	}
	carrier_counts(base->carrier)->send_calls++;
	int r = udp_send(&p->sock, msgs, n);

	if (r == -EAGAIN) {
		p->blocked = true;
		carrier_counts(base->carrier)->blocked++;
		watch(p);
		return r;
	}
	if (r > 0)
		return r;
	note_error(p, runs, r);
	return 1;
}

static int path_local(const struct carrier_path *base, struct net_addr *out)
{
	return udp_local(&container_of(base, struct udp_path, base)->sock, out);
}

static void on_closed(uv_handle_t *h)
{
	struct udp_path *p = container_of((uv_poll_t *)h, struct udp_path, poll);

	carrier_unpin(p->base.carrier);
	free(p);
}

static void path_close(struct carrier_path *base)
{
	struct udp_path *p = container_of(base, struct udp_path, base);

	p->closed = true;
	uv_poll_stop(&p->poll);
	uv_close((uv_handle_t *)&p->poll, on_closed);
	udp_close(&p->sock);
}

/* Small buffers drop datagrams whenever we are away for a moment, which looks like loss of the line. */
static void check_buffer(const struct udp_path *p)
{
	int size = 0;
	socklen_t n = sizeof(size);

	/* The kernel tells twice what was asked for. */
	if (!getsockopt(p->sock.fd, SOL_SOCKET, SO_RCVBUF, &size, &n) &&
	    size / 2 < SOCKET_BUFFER_MIN)
		log_warn("udp",
			 "the kernel gives a receive buffer of %d KB only: set net.core.rmem_max "
			 "to %d or more",
			 size / 2 / 1024, SOCKET_BUFFER_MIN);
}

static const struct carrier_path_ops udp_path_ops = {
    .kind = CARRIER_UDP,
    .send = path_send,
    .local = path_local,
    .close = path_close,
};

int udp_path_create(struct carrier *c, int index, const struct carrier_to *to,
		    struct carrier_path **out)
{
	struct udp_conf conf = {.bind = to->bind,
				.peer = to->peer,
				.device = to->device,
				.buffer = SOCKET_BUFFER,
				.whole = true,
				.runs = true};
	struct udp_path *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->base = (struct carrier_path){&udp_path_ops, c, index};
	p->connected = to->peer.family != 0;
	p->largest = TUNNEL_DGRAM_MIN;
	r = udp_open(&p->sock, &conf);
	if (r)
		goto fail;
	if (!to->peer.family)
		check_buffer(p);
	r = uv_poll_init(loop_uv(carrier_loop(c)), &p->poll, p->sock.fd);
	if (r)
		goto fail;
	carrier_pin(c);
	r = watch(p);
	if (r)
		log_error("udp", "cannot watch a socket: %s", uv_strerror(r));
	*out = &p->base;
	return 0;
fail:
	udp_close(&p->sock);
	free(p);
	return r;
}
