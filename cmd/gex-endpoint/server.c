/* Takes the tunnels, and hands their streams and flows to services. */
#include <errno.h>
#include <stdio.h>

#include "log/log.h"
#include "os/os.h"
#include "server.h"

#define WATCH_US SEC_US

/* ---- tunnels ---- */

static const char *peer_text(const struct tunnel_addr *at, char text[NET_ADDR_TEXT])
{
	struct net_addr addr;

	carrier_peer(at, &addr);
	return net_addr_format(&addr, text, NET_ADDR_TEXT);
}

static void session_begin(struct server *s, struct tunnel *t)
{
	struct key_meter *key = keys_meter(&s->keys, tunnel_key_name(t));
	struct session *x = key ? calloc(1, sizeof(*x)) : NULL;
	char text[NET_ADDR_TEXT] = "?";
	struct tunnel_path_stats first = {0};

	if (!x) {
		tunnel_close(t, 0, "no memory");
		return;
	}
	x->key = key;
	key->tunnels++;
	if (tunnel_path_stats(t, 0, &first))
		peer_text(&first.peer, text);
	x->of = s;
	x->tunnel = t;
	x->since_us = loop_now_us(s->loop);
	snprintf(x->peer, sizeof(x->peer), "%s, key %s", text, tunnel_key_name(t));
	tunnel_set_user(t, x);
	relay_link_init(&x->link, s->relay, t, s->carrier);
	list_append(&s->sessions, &x->in);
	s->nsessions++;
	metric_add(s->tunnels_total, 1);
	log_info("tunnel", "%s: up over %s", x->peer,
		 carrier_kind_name(carrier_path_kind(s->carrier, first.path)));
	if (server_draining(s))
		tunnel_close(t, 0, "the endpoint stops");
}

static void session_end(struct session *x)
{
	struct server *s = x->of;

	relay_link_finish(&x->link);
	relay_figures_end(&s->figures, x->tunnel);
	tunnel_destroy(x->tunnel);
	list_remove(&x->in);
	x->key->tunnels--;
	s->nsessions--;
	free(x);
}

static void on_tunnel_closed(struct server *s, struct tunnel *t)
{
	struct session *x = tunnel_user(t);
	const char *text = "";
	uint32_t code = 0;
	int reason = tunnel_reason(t, &code, &text);

	if (!x) {
		tunnel_destroy(t);
		return;
	}
	if (reason == -ETIMEDOUT)
		text = "silent for too long";
	else if (!reason)
		text = "closed here";
	log_info("tunnel", "%s: down after %lld s: %s", x->peer,
		 (long long)((loop_now_us(s->loop) - x->since_us) / SEC_US),
		 text && *text ? text : strerror(-reason));
	session_end(x);
}

/* ---- services ---- */

static struct service *service_for(struct server *s, const struct session *x,
				   const struct tunnel_open *open, enum net_proto proto)
{
	struct service *found = service_find(s, open->service);

	if (found && !found->backend)
		found = NULL;
	if (!keys_allow(&s->keys, x->key->name, open->service)) {
		metric_add(x->key->denied, 1);
		if (log_allow(&s->denied_limit, 5, 10 * SEC_US, loop_now_us(s->loop)))
			log_warn("tunnel", "%s: the key may not use service \"%s\"", x->peer,
				 open->service);
		return NULL;
	}
	if (found && relay_backend_proto(found->backend) == proto) {
		metric_add(x->key->opened, 1);
		return found;
	}
	metric_add(s->unknown_total, 1);
	if (log_allow(&s->unknown_limit, 5, 10 * SEC_US, loop_now_us(s->loop)))
		log_warn("tunnel", "%s: asks for %s service \"%s\", which is %s", x->peer,
			 net_proto_name(proto), open->service,
			 found ? "not of that kind" : "not here");
	return NULL;
}

static void on_stream(struct server *s, struct tunnel_stream *stream, struct session *x)
{
	struct service *to = x && !server_draining(s)
				 ? service_for(s, x, tunnel_stream_info(stream), NET_TCP)
				 : NULL;

	if (to) {
		relay_connect(&x->link, stream, to->backend);
		return;
	}
	tunnel_stream_reset(stream,
			    x && server_draining(s) ? TUNNEL_RST_REFUSED : TUNNEL_RST_NO_SERVICE);
	tunnel_stream_release(stream);
}

static void on_flow(struct server *s, struct tunnel_flow *flow, struct session *x)
{
	struct service *to =
	    x && !server_draining(s) ? service_for(s, x, tunnel_flow_info(flow), NET_UDP) : NULL;

	if (to)
		relay_attach(&x->link, flow, to->backend);
	else
		tunnel_flow_release(flow);
}

/* A path of it came up, fell silent, moved or went. */
static void on_path(struct server *s, struct session *x, unsigned number)
{
	char text[NET_ADDR_TEXT];
	struct tunnel_path_stats p;

	if (!x || !log_allow(&x->limit, 10, 60 * SEC_US, loop_now_us(s->loop)))
		return;
	if (!tunnel_path_stats(x->tunnel, number, &p))
		log_info("tunnel", "%s: path %u is left", x->peer, number);
	else if (p.state == TUNNEL_PATH_UP)
		log_info("tunnel", "%s: path %u is up, from %s over %s", x->peer, number,
			 peer_text(&p.peer, text),
			 carrier_kind_name(carrier_path_kind(s->carrier, p.path)));
	else if (p.state == TUNNEL_PATH_DOWN)
		log_info("tunnel", "%s: path %u is silent", x->peer, number);
}

static void on_events(void *arg)
{
	struct server *s = arg;
	struct tunnel_event ev;

	while (acceptor_event(s->acceptor, &ev)) {
		if (relay_event(&ev))
			continue;
		if (ev.type == TUNNEL_EV_CONNECTED)
			session_begin(s, ev.tunnel);
		else if (ev.type == TUNNEL_EV_CLOSED)
			on_tunnel_closed(s, ev.tunnel);
		else if (ev.type == TUNNEL_EV_PATH)
			on_path(s, tunnel_user(ev.tunnel), ev.path);
		else if (ev.type == TUNNEL_EV_STREAM_OPENED)
			on_stream(s, ev.stream, tunnel_user(ev.tunnel));
		else if (ev.type == TUNNEL_EV_FLOW_OPENED)
			on_flow(s, ev.flow, tunnel_user(ev.tunnel));
	}
	relay_flush(s->relay);
}

/* ---- watching ---- */

/* Handshakes fail without an event, since anybody can begin one. */
static void on_watch(void *arg)
{
	struct server *s = arg;
	struct acceptor_failure f;
	char text[NET_ADDR_TEXT];

	while (acceptor_failure(s->acceptor, &f))
		if (log_allow(&s->handshake_limit, 5, 10 * SEC_US, loop_now_us(s->loop)))
			log_warn("tunnel", "%s, key %s: %s", peer_text(&f.from, text),
				 *f.key_name ? f.key_name : "not told",
				 f.why != -EACCES ? "no handshake of this version"
				 : crypt_ring_find(&s->keys.ring, f.key_name)
				     ? "wrong key, the one of that name here is another"
				     : "wrong key, there is none of that name here");
	loop_timer_in(&s->watch, WATCH_US);
}

/* ---- the end ---- */

static size_t busy(const void *arg)
{
	const struct server *s = arg;
	const struct session *x;
	size_t n = 0;

	list_for (x, &s->sessions, in) {
		struct tunnel_stats st;

		tunnel_stats(x->tunnel, &st);
		if (!st.resuming) /* silent: they do not end in time */
			n += x->link.nconns;
	}
	return n;
}

static void goodbye(void *arg)
{
	struct server *s = arg;
	struct session *x;

	list_for (x, &s->sessions, in)
		tunnel_close(x->tunnel, 0, "the endpoint stops");
	carrier_kick(s->carrier);
}

static size_t tunnels(const void *arg)
{
	return server_tunnels(arg);
}

static const struct relay_drain_ops drain_ops = {busy, goodbye, tunnels};

/* ---- the whole ---- */

static int cannot_listen(const char *kind, const struct net_addr *a, int r, char *err, size_t cap)
{
	char text[NET_ADDR_TEXT];

	snprintf(err, cap, "cannot listen on %s:%s: %s", kind,
		 net_addr_format(a, text, sizeof(text)), strerror(-r));
	return r;
}

/* A port that the kernel chose for udp is that of tls too. */
static int open_at(struct server *s, const struct conf *c, const struct crypt_ring *ring,
		   struct net_addr *a, char *err, size_t cap)
{
	char text[NET_ADDR_TEXT];
	int r;

	if (c->udp) {
		r = carrier_listen(s->carrier, CARRIER_UDP, a, ring, 0);
		if (r < 0 || (r = carrier_local(s->carrier, r, a)) < 0)
			return cannot_listen("udp", a, r, err, cap);
	}
	if (c->tls) {
		r = carrier_listen(s->carrier, CARRIER_TLS, a, ring, (unsigned)c->max_tunnels);
		if (r < 0 || (r = carrier_local(s->carrier, r, a)) < 0)
			return cannot_listen("tls", a, r, err, cap);
	}
	log_info("tunnel", "listening on %s:%s",
		 !c->tls  ? "udp"
		 : c->udp ? "udp and tls"
			  : "tls",
		 net_addr_format(a, text, sizeof(text)));
	return 0;
}

static int open_srt(struct server *s, const struct crypt_ring *ring, struct net_addr *a, char *err,
		    size_t cap)
{
	char text[NET_ADDR_TEXT];
	int r = carrier_listen(s->carrier, CARRIER_SRT, a, ring, 0);

	if (r < 0 || (r = carrier_local(s->carrier, r, a)) < 0)
		return cannot_listen("srt", a, r, err, cap);
	log_info("tunnel", "listening on srt:%s", net_addr_format(a, text, sizeof(text)));
	return 0;
}

int server_set(struct server *s, const struct conf *c)
{
	struct tunnel_conf tc;
	int r = services_set(s, c);

	relay_setup_conf(&c->tunnel, &tc);
	tc.tunnels_max = (unsigned)c->max_tunnels;
	acceptor_set_conf(s->acceptor, &tc);
	carrier_kick(s->carrier);
	return r;
}

int server_create(struct server **out, struct loop *l, struct relay *relay, const struct conf *c,
		  const struct crypt_ring *ring, struct metrics *m, char *err, size_t cap)
{
	struct server *s = calloc(1, sizeof(*s));
	struct tunnel_conf tc;
	struct net_addr *a;
	int r = -ENOMEM;

	if (!s)
		return r;
	s->loop = l;
	s->relay = relay;
	s->metrics = m;
	list_init(&s->sessions);
	list_init(&s->services);
	keys_init(&s->keys, m);
	loop_timer_init(l, &s->watch, on_watch, s);
	relay_drain_init(&s->drain, l, &drain_ops, s);
	relay_setup_conf(&c->tunnel, &tc);
	tc.tunnels_max = (unsigned)c->max_tunnels;
	r = acceptor_create(&tc, ring, loop_now_us(l), &s->acceptor);
	if (r)
		goto fail;
	figures_export(s, m);
	r = services_set(s, c);
	if (!r)
		r = keys_set(&s->keys, ring);
	if (r)
		goto fail;
	services_note(s);
	r = carrier_create(&s->carrier, l, on_events, s);
	if (r)
		goto fail;
	vec_for (a, &c->listen) {
		r = open_at(s, c, ring, a, err, cap);
		if (r)
			goto fail;
	}
	vec_for (a, &c->listen_srt) {
		r = open_srt(s, ring, a, err, cap);
		if (r)
			goto fail;
	}
	carrier_drive_acceptor(s->carrier, s->acceptor);
	loop_timer_in(&s->watch, WATCH_US);
	*out = s;
	return 0;
fail:
	server_destroy(s);
	return r;
}

void server_destroy(struct server *s)
{
	struct session *x, *tmp;

	if (!s)
		return;
	loop_timer_stop(&s->watch);
	relay_drain_finish(&s->drain);
	list_for_safe (x, tmp, &s->sessions, in)
		session_end(x);
	services_finish(s);
	carrier_destroy(s->carrier);
	acceptor_destroy(s->acceptor);
	keys_finish(&s->keys);
	free(s);
}

size_t server_tunnels(const struct server *s)
{
	return s->nsessions;
}

void server_drain(struct server *s, int64_t drain_us)
{
	relay_drain_begin(&s->drain, drain_us);
}

bool server_draining(const struct server *s)
{
	return relay_draining(&s->drain);
}

void server_set_keys(struct server *s, const struct crypt_ring *ring)
{
	struct session *x;

	list_for (x, &s->sessions, in) {
		if (keys_keep(&s->keys, ring, x->key->name))
			continue;
		log_info("tunnel", "%s: ends, as its key was taken away", x->peer);
		tunnel_close(x->tunnel, 0, "the key was taken away");
	}
	acceptor_set_ring(s->acceptor, ring);
	carrier_set_ring(s->carrier, ring);
	if (keys_set(&s->keys, ring))
		log_error("tunnel", "no memory to count what each key does");
	services_note(s);
	carrier_kick(s->carrier);
}

struct relay_figures *server_figures(struct server *s)
{
	return &s->figures;
}
