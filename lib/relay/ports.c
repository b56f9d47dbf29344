/* The client side of UDP: one flow for each address that sends to a port. Answers leave by the
 * port's own socket, from the address that the client sent to. */
#include <errno.h>

#include "relay/listener.h"

#define RECV_ROUNDS 8			 /* batches of one turn */
#define SOCKET_BUFFER ((size_t)16 << 20) /* small datagrams cost 8 times their bytes */

struct client {
	struct relay_flow base;
	struct client *next; /* in its bucket */
	struct relay_port *port;
	struct net_addr peer, local;
};

static struct client **bucket(struct relay_port *p, const struct net_addr *peer)
{
	return &p->buckets[net_addr_hash(peer, p->listener->relay->hash_key) & (p->nbuckets - 1)];
}

/* Twice the buckets when there are more clients than those. Without memory chains grow, and all
 * goes on. */
static void grow(struct relay_port *p)
{
	size_t old = p->nbuckets, n = old ? old * 2 : 64;
	struct client **was = p->buckets, **now = calloc(n, sizeof(*now));

	if (!now)
		return;
	p->buckets = now;
	p->nbuckets = n;
	for (size_t i = 0; i < old; i++)
		for (struct client *c = was[i], *next; c; c = next) {
			struct client **b = bucket(p, &c->peer);

			next = c->next;
			c->next = *b;
			*b = c;
		}
	free(was);
}

static void client_deliver(struct relay_flow *base, const uint8_t *data, size_t n)
{
	struct client *c = container_of(base, struct client, base);

	relay_tx(c->port->listener->relay, &c->port->sock, base->meter, &c->peer, &c->local, data,
		 n);
}

static void client_end(struct relay_flow *base)
{
	struct client *c = container_of(base, struct client, base);
	struct client **at = bucket(c->port, &c->peer);

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->port->nclients--;
	c->port->listener->nflows--;
	free(c);
}

static const struct flow_ops client_ops = {client_deliver, client_end};

static struct client *client_find(struct relay_port *p, const struct udp_message *m)
{
	for (struct client *c = *bucket(p, &m->peer); c; c = c->next)
		if (net_addr_equal(&c->peer, &m->peer) && net_addr_equal(&c->local, &m->local))
			return c;
	return NULL;
}

static struct client *client_create(struct relay_port *p, struct relay_link *k,
				    const struct udp_message *m)
{
	struct relay_listener *l = p->listener;
	struct net_addr local = m->local.family ? m->local : p->local;
	struct tunnel_flow *flow;
	struct tunnel_open open;
	struct client *c;

	if (l->nflows >= l->conf.flows_max)
		return NULL;
	local.port = p->local.port;
	listener_open(p, &open);
	listener_origin(&m->peer, &local, &open.origin);
	if (tunnel_flow_open(k->tunnel, &open, &flow))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c) {
		tunnel_flow_release(flow);
		return NULL;
	}
	if (p->nclients >= p->nbuckets)
		grow(p);
	c->port = p;
	c->peer = m->peer;
	c->local = m->local;
	c->next = *bucket(p, &m->peer);
	*bucket(p, &m->peer) = c;
	p->nclients++;
	l->nflows++;
	flow_start(&c->base, k, flow, l->conf.meter, &client_ops);
	return c;
}

/* The client's flow, on a link that lives. NULL: its datagrams are dropped. */
static struct client *client_of(struct relay_port *p, const struct udp_message *m)
{
	struct relay_listener *l = p->listener;
	struct client *c = client_find(p, m);
	struct relay_link *k;

	if (c && !c->base.owner->stale)
		return c;
	k = l->conf.pick(l->conf.arg);
	if (c && (!k || k == c->base.owner))
		return c;
	if (c)
		flow_end(&c->base);
	c = k ? client_create(p, k, m) : NULL;
	if (!c && k &&
	    log_allow(&l->conf.meter->limit, 5, 10 * SEC_US, loop_now_us(l->relay->loop)))
		log_warn(l->conf.name, "datagrams dropped: no room for another of %zu flows",
			 l->nflows);
	return c;
}

static void take(struct relay_port *p, const struct udp_message *m)
{
	struct client *c;
	size_t off = 0, n;

	if (!m->peer.family)
		return;
	c = client_of(p, m);
	if (!c) {
		metric_add(p->listener->conf.meter->dropped,
			   m->segment ? (int64_t)((m->len - 1) / m->segment) + 1 : 1);
		return;
	}
	do {
		n = udp_next(m, off);
		flow_send(&c->base, m->data + off, n);
		off += n;
	} while (off < m->len);
}

static void note_dropped(struct relay_port *p, uint32_t n)
{
	struct relay_listener *l = p->listener;

	metric_add(l->conf.meter->dropped, n);
	if (log_allow(&l->conf.meter->limit, 5, 10 * SEC_US, loop_now_us(l->relay->loop)))
		log_warn(l->conf.name,
			 "%u datagrams lost in this host so far: its receive buffer was full "
			 "(processor busy, or net.core.rmem_max too small)",
			 p->sock.dropped);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct relay_port *p = container_of(poll, struct relay_port, poll);
	struct relay *r = p->listener->relay;
	const struct udp_message *m;
	int n = UDP_BATCH;

	for (int round = 0; round < RECV_ROUNDS && n == UDP_BATCH; round++) {
		uint32_t dropped = p->sock.dropped;

		n = udp_recv(&p->sock, r->batch, UDP_BATCH, &m);
		if (p->sock.dropped != dropped)
			note_dropped(p, p->sock.dropped - dropped);
		for (int i = 0; i < n; i++)
			take(p, &m[i]);
	}
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_readable);
}

int port_open_udp(struct relay_port *p, const struct net_addr *addr)
{
	struct udp_conf conf = {.bind = *addr, .buffer = SOCKET_BUFFER, .runs = true};
	struct loop *l = p->listener->relay->loop;

	grow(p);
	if (!p->buckets)
		return -ENOMEM;
	int r = udp_open(&p->sock, &conf);

	if (r)
		return r;
	r = udp_local(&p->sock, &p->local);
	if (!r)
		r = uv_poll_init(loop_uv(l), &p->poll, p->sock.fd);
	if (r) {
		udp_close(&p->sock);
		return r;
	}
	p->fd = p->sock.fd;
	return uv_poll_start(&p->poll, UV_READABLE, on_readable);
}

void port_end_flows(struct relay_port *p)
{
	if (p->listener->conf.spec.proto == NET_TCP)
		return;
	for (size_t i = 0; i < p->nbuckets; i++)
		while (p->buckets[i])
			flow_end(&p->buckets[i]->base);
	relay_tx_forget(p->listener->relay, &p->sock);
}
