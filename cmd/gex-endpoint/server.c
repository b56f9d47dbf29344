#include <errno.h>
#include <stdio.h>

#include "endpoint.h"
#include "keys.h"
#include "log/log.h"
#include "os/os.h"
#include "relay/drain.h"

#define WATCH_US SEC_US

/* What is counted for a service stays when that goes, as connections may. */
struct service {
	struct list in; /* server.services */
	char *name;
	struct net_spec spec;
	struct tunnel_repair repair;
	int64_t connect_us, resolve_us;
	struct relay_backend *backend; /* NULL: the service has gone */
	struct relay_meter meter;
	bool wanted;
};

/* A tunnel with what runs in it. */
struct session {
	struct list in; /* server.sessions */
	struct server *of;
	struct tunnel *tunnel;
	struct relay_link link;
	struct key_meter *key;
	int64_t since_us;
	char peer[NET_ADDR_TEXT + TUNNEL_SERVICE_MAX + 8]; /* for the log */
	struct log_limit limit;				   /* for what is said of its paths */
};

struct server {
	struct loop *loop;
	struct relay *relay;
	struct carrier *carrier;
	struct acceptor *acceptor;
	struct keys keys;
	struct list sessions;
	size_t nsessions;
	struct relay_figures figures;
	struct metric *tunnels_total, *unknown_total;
	struct log_limit unknown_limit, denied_limit, handshake_limit;
	struct loop_timer watch;
	struct relay_drain drain;
	struct metrics *metrics;
	struct list services;
};

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

static struct service *service_named(const struct server *s, const char *name)
{
	struct service *x;

	list_for (x, &s->services, in)
		if (!strcmp(x->name, name))
			return x;
	return NULL;
}

static struct service *find(struct server *s, const struct session *x,
			    const struct tunnel_open *open, enum net_proto proto)
{
	struct service *found = service_named(s, open->service);

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
	struct service *to =
	    x && !server_draining(s) ? find(s, x, tunnel_stream_info(stream), NET_TCP) : NULL;

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
	    x && !server_draining(s) ? find(s, x, tunnel_flow_info(flow), NET_UDP) : NULL;

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

static void sum_figures(void *arg, struct tunnel_stats *out)
{
	struct server *s = arg;
	struct tunnel *t = NULL;

	while ((t = acceptor_next(s->acceptor, t))) {
		struct tunnel_stats x;

		tunnel_stats(t, &x);
		relay_figures_add(out, &x);
	}
}

#define ACCEPTOR_FIGURE(name, field) \
	static double name(void *arg) \
	{ \
		struct server *s = arg; \
		struct acceptor_stats x; \
\
		acceptor_stats(s->acceptor, &x); \
		return (double)x.field; \
	}
ACCEPTOR_FIGURE(read_handshakes, handshakes)
ACCEPTOR_FIGURE(read_wrong_key, wrong_key)
ACCEPTOR_FIGURE(read_timed_out, timed_out)
ACCEPTOR_FIGURE(read_failed, failed)
ACCEPTOR_FIGURE(read_tunnels, tunnels)
ACCEPTOR_FIGURE(read_stray, drops[TUNNEL_DROP_FORGED])

#define CARRIER_FIGURE(name, field) \
	static double name(void *arg) \
	{ \
		struct server *s = arg; \
		struct carrier_stats x; \
\
		carrier_stats(s->carrier, &x); \
		return (double)x.field; \
	}
CARRIER_FIGURE(read_dropped, dropped)
CARRIER_FIGURE(read_tls_opened, tls_opened)
CARRIER_FIGURE(read_tls_refused, tls_refused)

static void export_figures(struct server *s, struct metrics *m)
{
	relay_figures_export(&s->figures, m);
	s->tunnels_total =
	    metrics_counter(m, "gex_endpoint_tunnels_opened_total", "Tunnels taken.", NULL);
	s->unknown_total =
	    metrics_counter(m, "gex_endpoint_unknown_service_total",
			    "Connections and flows for a service that is not here.", NULL);
	metrics_counter_fn(m, "gex_endpoint_tunnel_drop_local_total",
			   "Datagrams of tunnels that found this host's receive buffer full.", NULL,
			   read_dropped, s);
	metrics_gauge_fn(m, "gex_endpoint_tunnels", "Tunnels now.", NULL, read_tunnels, s);
	metrics_counter_fn(m, "gex_endpoint_handshakes_total",
			   "Handshakes begun by proven addresses.", NULL, read_handshakes, s);
	metrics_counter_fn(m, "gex_endpoint_handshake_failures_total", "Handshakes that failed.",
			   "reason=\"key\"", read_wrong_key, s);
	metrics_counter_fn(m, "gex_endpoint_handshake_failures_total", "Handshakes that failed.",
			   "reason=\"timeout\"", read_timed_out, s);
	metrics_counter_fn(m, "gex_endpoint_handshake_failures_total", "Handshakes that failed.",
			   "reason=\"other\"", read_failed, s);
	metrics_counter_fn(m, "gex_endpoint_tls_connections_total",
			   "Connections of the tls carrier by peers with a key.", NULL,
			   read_tls_opened, s);
	metrics_counter_fn(m, "gex_endpoint_tls_refused_total",
			   "Connections of the tls carrier by anybody else, or too many at a time.",
			   NULL, read_tls_refused, s);
	metrics_counter_fn(m, "gex_endpoint_stray_datagrams_total",
			   "Datagrams that belong to no tunnel.", NULL, read_stray, s);
}

/* A key that may use a service which is not here: a slip of the pen, most likely. */
static void note_services(const struct server *s)
{
	char word[CRYPT_WORDS_MAX + 1];

	for (size_t i = 0; i < s->keys.ring.n; i++) {
		const struct crypt_key *k = &s->keys.ring.key[i];

		for (const char *p = k->words; *p;) {
			size_t n = strcspn(p, " ");
			const struct service *x;

			memcpy(word, p, n);
			word[n] = 0;
			x = service_named(s, word);
			if (!x || !x->backend)
				log_warn(NULL, "key %s may use service \"%s\", which is not here",
					 k->name, word);
			p += n + (p[n] == ' ');
		}
	}
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

static struct service *service_make(struct server *s, const char *name)
{
	struct service *x = calloc(1, sizeof(*x));

	if (x)
		x->name = str_ndup(name, strlen(name));
	if (!x || !x->name) {
		free(x);
		return NULL;
	}
	relay_meter_init(&x->meter, s->metrics, "endpoint", "service", name);
	list_append(&s->services, &x->in);
	return x;
}

static bool same_service(const struct service *x, const struct service_conf *c,
			 const struct conf *all)
{
	return x->backend && x->spec.proto == c->spec.proto && x->spec.ports == c->spec.ports &&
	       x->spec.host.port == c->spec.host.port &&
	       !strcmp(x->spec.host.host, c->spec.host.host) &&
	       x->repair.percent == c->repair.percent &&
	       x->repair.deadline_us == c->repair.deadline_us && x->connect_us == all->connect_us &&
	       x->resolve_us == all->resolve_us;
}

/* Connections to the backend that it had go on. */
static int service_set(struct server *s, const struct service_conf *c, const struct conf *all)
{
	struct service *x = service_named(s, c->name);
	struct relay_backend *backend = NULL;
	int r;

	if (!x)
		x = service_make(s, c->name);
	if (!x)
		return -ENOMEM;
	x->wanted = true;
	if (same_service(x, c, all))
		return 0;
	struct relay_backend_conf conf = {
	    .name = x->name,
	    .spec = c->spec,
	    .connect_us = all->connect_us,
	    .resolve_us = all->resolve_us,
	    .repair = c->repair,
	    .meter = &x->meter,
	};

	r = relay_backend_create(&backend, s->relay, &conf);
	if (r)
		return r;
	relay_backend_destroy(x->backend);
	x->backend = backend;
	x->spec = c->spec;
	x->repair = c->repair;
	x->connect_us = all->connect_us;
	x->resolve_us = all->resolve_us;
	return 0;
}

static int services_set(struct server *s, const struct conf *c)
{
	struct service *x;
	int r = 0;

	list_for (x, &s->services, in)
		x->wanted = false;
	for (size_t i = 0; !r && i < c->services.len; i++)
		r = service_set(s, c->services.at[i], c);
	list_for (x, &s->services, in) {
		if (r || x->wanted)
			continue;
		relay_backend_destroy(x->backend);
		x->backend = NULL;
	}
	return r;
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
	s->figures = (struct relay_figures){.sum = sum_figures, .arg = s, .tool = "endpoint"};
	export_figures(s, m);
	r = services_set(s, c);
	if (!r)
		r = keys_set(&s->keys, ring);
	if (r)
		goto fail;
	note_services(s);
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
	struct service *v, *next;
	struct session *x, *tmp;

	if (!s)
		return;
	loop_timer_stop(&s->watch);
	relay_drain_finish(&s->drain);
	list_for_safe (x, tmp, &s->sessions, in)
		session_end(x);
	list_for_safe (v, next, &s->services, in) {
		relay_backend_destroy(v->backend);
		free(v->name);
		free(v);
	}
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
	note_services(s);
	carrier_kick(s->carrier);
}

struct relay_figures *server_figures(struct server *s)
{
	return &s->figures;
}
