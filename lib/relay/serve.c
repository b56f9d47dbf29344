/* The server side of a flow: a connected UDP socket of its own, so that the backend tells clients
 * apart by their ports. Until the backend's name is known, datagrams wait in the tunnel's bounded
 * queue. */
#include <errno.h>

#include "relay/backend.h"

struct served {
	struct relay_flow base;
	struct list of_backend;
	struct relay_backend *backend;
	struct resolve_wait wait;
	struct udp_socket sock;
	uv_poll_t poll;
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
	resolve_cancel(&f->wait);
	if (f->sock.fd < 0) {
		free(f);
		return;
	}
	relay_tx_forget(f->backend->relay, &f->sock);
	uv_close((uv_handle_t *)&f->poll, on_closed);
	udp_close(&f->sock);
}

static void deliver(struct relay_flow *base, const uint8_t *data, size_t n)
{
	struct served *f = container_of(base, struct served, base);
	static const struct net_addr none;

	relay_tx(f->backend->relay, &f->sock, base->meter, &none, &none, data, n);
}

static const struct flow_ops served_ops = {deliver, end};

static void receive(struct served *f)
{
	const struct udp_message *m;
	int count = udp_recv(&f->sock, f->backend->relay->batch, &m);

	for (int i = 0; i < count; i++) {
		size_t off = 0, n;

		do {
			n = udp_next(&m[i], off);
			flow_send(&f->base, m[i].data + off, n);
			off += n;
		} while (off < m[i].len);
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct served *f = container_of(poll, struct served, poll);

	receive(f); /* an error, such as a port unreachable, is taken off by it; UDP goes on */
	if (status < 0 && !f->ended)
		uv_poll_start(poll, UV_READABLE, on_poll);
}

static int open_socket(struct served *f, const struct net_addr *addr)
{
	struct udp_conf conf = {.peer = *addr, .runs = true};
	int r = udp_open(&f->sock, &conf);

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
	f->backend = b;
	f->sock.fd = -1;
	f->wait = (struct resolve_wait){.fn = on_resolved, .arg = f};
	list_append(&b->flows, &f->of_backend);
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
