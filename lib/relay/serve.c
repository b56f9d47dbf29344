/* The server side of a flow: a connected UDP socket of its own, so that the backend tells clients
 * apart by their ports. Until the backend's name is known, datagrams wait in the tunnel's bounded
 * queue.
 *
 * A client keeps its port towards the backend when gex-listen or gex-endpoint is started again: the port
 * follows from the client's address, and a flow makes way for the same client's newer one through the
 * same listener. So a session over UDP (SRT, a game, a VPN) goes on where a TCP connection would be reset. */
#include <errno.h>

#include "net/srt_peer.h"
#include "relay/backend.h"

/* Ports below the range that Linux gives out by itself (ip_local_port_range begins at 32768). */
#define PORT_FIRST 20000
#define PORT_COUNT 12768
#define PORT_TRIES 4
#define RECV_FEW 4 /* datagrams of one turn: there are thousands of such sockets, with one each */

struct served {
	struct relay_flow base;
	struct list of_backend, of_client; /* of_client: in the backend's bucket of its client */
	struct relay_backend *backend;
	struct resolve_wait wait;
	struct udp_socket sock;
	uv_poll_t poll;
	struct srt_peer srt;
	bool ended;
};

static void on_closed(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct served, poll));
}

static void end(struct relay_flow *base)
{
	struct served *f = container_of(base, struct served, base);

	f->ended = true;
	list_remove(&f->of_backend);
	list_remove(&f->of_client);
	resolve_cancel(&f->wait);
	if (f->sock.fd < 0) {
		free(f);
		return;
	}
	relay_tx_forget(f->backend->relay, &f->sock);
	uv_close((uv_handle_t *)&f->poll, on_closed);
	udp_close(&f->sock);
}

/* Nobody listens at the backend. Most clients find out by themselves; an SRT caller is told. */
static void on_refused(struct served *f)
{
	uint8_t bye[SRT_SHUTDOWN_LEN];
	size_t n = srt_peer_shutdown(&f->srt, bye);

	f->sock.refused = false;
	if (!n)
		return;
	f->srt = (struct srt_peer){0};
	flow_send(&f->base, bye, n);
	if (backend_log_allowed(f->backend))
		log_warn(f->backend->conf.name, "backend is gone; its SRT caller has been told");
}

static void deliver(struct relay_flow *base, const uint8_t *data, size_t n)
{
	struct served *f = container_of(base, struct served, base);
	static const struct net_addr none;

	srt_peer_note(&f->srt, data, n, false);
	if (f->sock.refused)
		on_refused(f);
	relay_tx(f->backend->relay, &f->sock, base->meter, &none, &none, data, n);
}

static const struct flow_ops served_ops = {deliver, end};

static void receive(struct served *f)
{
	const struct udp_message *m;
	int count = udp_recv(&f->sock, f->backend->relay->batch, RECV_FEW, &m);

	for (int i = 0; i < count; i++) {
		size_t off = 0, n;

		do {
			n = udp_next(&m[i], off);
			srt_peer_note(&f->srt, m[i].data + off, n, true);
			flow_send(&f->base, m[i].data + off, n);
			off += n;
		} while (off < m[i].len);
	}
	if (f->sock.refused)
		on_refused(f);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct served *f = container_of(poll, struct served, poll);

	receive(f); /* an error, such as a port unreachable, is taken off by it; UDP goes on */
	if (status < 0 && !f->ended)
		uv_poll_start(poll, UV_READABLE, on_poll);
}

/* FNV-1a: the same in every process, which is all that is asked of it. */
static uint32_t mix(uint32_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}

static uint32_t client_hash(const struct tunnel_open *o)
{
	uint32_t h = mix(2166136261u, o->service, strlen(o->service));

	h = mix(h, o->origin.src, sizeof(o->origin.src));
	h = mix(h, &o->origin.src_port, sizeof(o->origin.src_port));
	return mix(h, &o->offset, sizeof(o->offset));
}

static struct list *bucket(struct relay_backend *b, const struct tunnel_open *o)
{
	struct list *l = &b->clients[client_hash(o) % BACKEND_BUCKETS];

	if (!l->next)
		list_init(l);
	return l;
}

static uint16_t usual_port(const struct tunnel_open *o, uint8_t attempt)
{
	uint32_t h = mix(client_hash(o), &attempt, 1);

	return (uint16_t)(PORT_FIRST + h % PORT_COUNT);
}

static bool same_listener(const struct tunnel *a, const struct tunnel *b)
{
	struct tunnel_addr at, bt;
	struct net_addr an, bn;

	if (strcmp(tunnel_key_name(a), tunnel_key_name(b)) || !tunnel_peer_addr(a, 0, &at) ||
	    !tunnel_peer_addr(b, 0, &bt))
		return false;
	carrier_peer(&at, &an);
	carrier_peer(&bt, &bn);
	an.port = bn.port;
	return net_addr_equal(&an, &bn);
}

/* The flow that the same client had through a tunnel before this one, whose end we have not noticed yet. */
static struct served *predecessor(struct served *f)
{
	const struct tunnel_open *o = tunnel_flow_info(f->base.flow);
	struct served *old;

	list_for (old, bucket(f->backend, o), of_client) {
		const struct tunnel_open *was = tunnel_flow_info(old->base.flow);

		if (old != f && old->base.owner != f->base.owner &&
		    !memcmp(&was->origin, &o->origin, sizeof(o->origin)) &&
		    was->offset == o->offset &&
		    same_listener(old->base.owner->tunnel, f->base.owner->tunnel))
			return old;
	}
	return NULL;
}

static int open_at_port(struct served *f, const struct net_addr *addr)
{
	struct udp_conf conf = {.peer = *addr, .runs = true};
	const struct tunnel_open *o = tunnel_flow_info(f->base.flow);
	int r = -EADDRINUSE;

	for (uint8_t i = 0; o->origin.family && r == -EADDRINUSE && i < PORT_TRIES; i++) {
		conf.bind = (struct net_addr){.family = addr->family, .port = usual_port(o, i)};
		r = udp_open(&f->sock, &conf);
		struct served *old = r == -EADDRINUSE && !i ? predecessor(f) : NULL;
		if (old) {
			flow_end(&old->base);
			r = udp_open(&f->sock, &conf);
		}
	}
	if (!r)
		return 0;
	conf.bind = (struct net_addr){0};
	return udp_open(&f->sock, &conf);
}

static int open_socket(struct served *f, const struct net_addr *addr)
{
	int r = open_at_port(f, addr);

	if (r)
		return r;
	r = uv_poll_init(loop_uv(f->backend->relay->loop), &f->poll, f->sock.fd);
	if (r) {
		udp_close(&f->sock);
		return r;
	}
	return uv_poll_start(&f->poll, UV_READABLE, on_poll);
}

static void fail(struct served *f, const char *why)
{
	struct relay_backend *b = f->backend;
	char spec[NET_SPEC_TEXT];

	metric_add(b->conf.meter->failed, 1);
	if (backend_log_allowed(b))
		log_warn(b->conf.name, "backend %s: %s",
			 net_spec_format(&b->conf.spec, spec, sizeof(spec)), why);
	flow_end(&f->base);
}

/* With an address at hand. The first is as good as another: UDP gives no sign to prefer one. */
static void begin(struct served *f)
{
	const struct tunnel_event readable = {.type = TUNNEL_EV_FLOW_READABLE};
	size_t n;
	const struct net_addr *a = resolve_addrs(f->backend->name, &n);
	struct net_addr addr;

	if (!n) {
		fail(f, resolve_error(f->backend->name));
		return;
	}
	addr = *a;
	addr.port = (uint16_t)backend_port(f->backend, tunnel_flow_info(f->base.flow)->offset);
	int r = open_socket(f, &addr);

	if (r) {
		fail(f, strerror(-r));
		return;
	}
	f->base.waiting = false;
	flow_event(&f->base, &readable);
	relay_flush(f->backend->relay);
}

static void on_resolved(void *arg, int err)
{
	begin(arg);
}

void relay_attach(struct relay_link *k, struct tunnel_flow *t, struct relay_backend *b)
{
	struct served *f = NULL;
	size_t n;

	if (backend_port(b, tunnel_flow_info(t)->offset) >= 0)
		f = calloc(1, sizeof(*f));
	if (!f) {
		tunnel_flow_release(t);
		return;
	}
	tunnel_flow_set_repair(t, &b->conf.repair);
	f->backend = b;
	f->sock.fd = -1;
	f->wait = (struct resolve_wait){.fn = on_resolved, .arg = f};
	list_append(&b->flows, &f->of_backend);
	list_append(bucket(b, tunnel_flow_info(t)), &f->of_client);
	flow_start(&f->base, k, t, b->conf.meter, &served_ops);
	resolve_addrs(b->name, &n);
	if (n) {
		begin(f);
		return;
	}
	f->base.waiting = true;
	resolve_wait(b->name, &f->wait);
}

void serve_end_all(struct relay_backend *b)
{
	while (!list_empty(&b->flows))
		flow_end(&list_first(&b->flows, struct served, of_backend)->base);
}
