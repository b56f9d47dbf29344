/* Keeps one tunnel up. At any time there is at most one attempt (a handshake under way) and one
 * current link; links that were replaced go on serving their connections until these end or the
 * link is dead beyond doubt.
 *
 * A current link that falls silent is only suspected: a second tunnel is tried beside it, and takes
 * over if it comes up while the first stays silent. So an outage of the line costs no connection,
 * and a restarted endpoint is found in a moment. A host's "nobody listens there" (ICMP) is taken as
 * a hint in the same way, as anybody could forge it.
 *
 * The handshake is made over one path, each of the configured ones in turn, with carrier = auto over
 * udp and then over tls; the others join when the tunnel is up (paths.c). A tunnel that falls silent
 * keeps its connections for `resume`: the one that replaces it takes the new ones only. */
#include <errno.h>

#include "link.h"
#include "os/os.h"

#define TICK_US (100 * MS_US)
#define TICK_TRYING_US (10 * MS_US) /* while an attempt is under way */
#define RESOLVE_US (2 * SEC_US)

static double summed_state(void *arg)
{
	const struct links *ls = arg;

	return ls->current ? 1 : 0;
}

static void sum_figures(void *arg, struct tunnel_stats *out)
{
	struct links *ls = arg;
	struct link *l;

	list_for (l, &ls->all, in) {
		struct tunnel_stats s;

		tunnel_stats(l->tunnel, &s);
		relay_figures_add(out, &s);
	}
}

static uint64_t dropped_by(const struct link *l)
{
	struct carrier_stats s;

	carrier_stats(l->carrier, &s);
	return s.dropped;
}

static double summed_dropped(void *arg)
{
	const struct links *ls = arg;
	uint64_t n = ls->dropped;
	struct link *l;

	list_for (l, &ls->all, in)
		n += dropped_by(l);
	return (double)n;
}

/* ---- the life of a link ---- */

static void link_destroy(struct link *l)
{
	struct links *ls = l->of;

	if (ls->current == l)
		ls->current = NULL;
	if (ls->attempt == l)
		ls->attempt = NULL;
	relay_link_finish(&l->relay);
	relay_figures_end(&ls->figures, l->tunnel);
	ls->dropped += dropped_by(l);
	carrier_destroy(l->carrier);
	tunnel_destroy(l->tunnel);
	list_remove(&l->in);
	ls->n--;
	crypt_wipe(&l->key, sizeof(l->key));
	free(l);
}

/* Not when it has been heard of since. */
static bool still_suspect(struct link *l)
{
	struct tunnel_stats s;

	tunnel_stats(l->tunnel, &s);
	l->suspect = l->suspect && s.heard_us == l->suspected_us;
	return l->suspect;
}

static void came_up(struct link *l)
{
	struct links *ls = l->of;
	int64_t now = loop_now_us(ls->loop);

	ls->attempt = NULL;
	if (ls->current && !still_suspect(ls->current)) {
		tunnel_close(l->tunnel, 0, "not needed");
		return;
	}
	if (ls->current) {
		ls->current->relay.stale = true;
		ls->current->replaced_us = now;
	}
	ls->current = l;
	ls->failures = 0;
	ls->refused = 0;
	ls->limit = (struct log_limit){0};
	metric_add(ls->connects_total, 1);
	log_info("tunnel", "%s: up after %.1f ms%s%s", l->where, (double)(now - l->began_us) / 1e3,
		 l->leg[0].kind == CARRIER_UDP ? "" : " over ",
		 l->leg[0].kind == CARRIER_UDP ? "" : carrier_kind_name(l->leg[0].kind));
	legs_begin(l);
	ls->route = 0;
	attempt_first(ls);
	ls->conf.up(ls->conf.arg);
	legs_tend(l, now);
}

static void went_down(struct link *l)
{
	struct links *ls = l->of;
	bool was_attempt = l == ls->attempt, was_current = l == ls->current;
	char where[sizeof(l->where)], why[sizeof(l->where) + TUNNEL_REASON_MAX];
	const char *text = "";
	uint32_t code = 0;
	int reason = tunnel_reason(l->tunnel, &code, &text);

	str_copy(where, sizeof(where), l->where);
	if (reason == -ECONNRESET)
		snprintf(why, sizeof(why), "closed by the endpoint: %s",
			 *text ? text : "no reason given");
	else if (reason == -ETIMEDOUT)
		snprintf(why, sizeof(why), was_attempt ? "no answer" : "silent for too long");
	else
		snprintf(why, sizeof(why), "%s%s%s", strerror(-reason), text && *text ? ": " : "",
			 text ? text : "");
	if (was_current && !ls->drain.closing)
		log_warn("tunnel", "%s: down, %zu connections reset: %s", where, l->relay.nconns,
			 why);
	link_destroy(l);
	if (was_attempt && reason == -EACCES)
		attempt_refused(ls, where);
	else if (was_attempt)
		attempt_failed(ls, where, why, LOG_WARN);
	else if (was_current) {
		/* Not after the pause that attempts beside it have come to meanwhile. */
		loop_timer_stop(&ls->retry);
		ls->failures = 0;
		attempt_in(ls, RETRY_FIRST_US);
	}
}

static void on_events(void *arg)
{
	struct link *l = arg;
	struct relay *r = l->of->relay;
	struct tunnel_event ev;

	while (tunnel_event(l->tunnel, &ev)) {
		if (relay_event(&ev))
			continue;
		if (ev.type == TUNNEL_EV_CONNECTED) {
			came_up(l);
		} else if (ev.type == TUNNEL_EV_CLOSED) {
			went_down(l);
			break;
		} else if (ev.type == TUNNEL_EV_PATH) {
			legs_look(l);
		} else if (ev.type ==
			   TUNNEL_EV_STREAM_OPENED) { /* an endpoint has no business to */
			tunnel_stream_reset(ev.stream, TUNNEL_RST_NO_SERVICE);
			tunnel_stream_release(ev.stream);
		} else if (ev.type == TUNNEL_EV_FLOW_OPENED) {
			tunnel_flow_release(ev.flow);
		}
	}
	relay_flush(r);
}

int link_create(struct links *ls, struct route *via, const struct net_addr *addr,
		const struct net_addr *peer, const char *where)
{
	struct link *l = calloc(1, sizeof(*l));
	struct tunnel_addr to;
	struct tunnel_conf conf;
	int r = -ENOMEM;

	if (!l)
		return r;
	l->of = ls;
	l->addr = *addr;
	l->began_us = loop_now_us(ls->loop);
	l->key = ls->conf.ring->key[ls->key % ls->conf.ring->n];
	str_copy(l->where, sizeof(l->where), where);
	r = carrier_create(&l->carrier, ls->loop, on_events, l);
	if (r)
		goto fail;
	r = leg_open(l, via, ls->kind, peer, &to);
	if (r < 0)
		goto fail;
	relay_setup_conf(&ls->conf.conf->tunnel, &conf);
	if (via->conf.automatic && ls->kind == CARRIER_UDP)
		conf.handshake_us = MIN(conf.handshake_us, ls->conf.conf->udp_after_us);
	r = tunnel_create(&conf, &l->key, r, &to, l->began_us, &l->tunnel);
	if (r)
		goto fail;
	relay_link_init(&l->relay, ls->relay, l->tunnel, l->carrier);
	carrier_drive_tunnel(l->carrier, l->tunnel);
	list_append(&ls->all, &l->in);
	ls->n++;
	ls->attempt = l;
	return 0;
fail:
	carrier_destroy(l->carrier);
	free(l);
	return r;
}

/* ---- watching ---- */

/* The other endpoint first, if there is one: this one is more likely dead than the line to it; unless
 * it has just answered as one that was started again does. */
static void suspect(struct link *l, const struct tunnel_stats *s)
{
	struct links *ls = l->of;

	if (!l->suspect) {
		log_debug("tunnel", "%s: %s, trying beside it", l->where,
			  s->disowned ? "unknown there" : "silent");
		if (!ls->attempt && !ls->resolving && !s->disowned) {
			ls->endpoint = (ls->endpoint + 1) % ls->nnames;
			ls->addr = ls->nnames > 1 ? 0 : ls->addr;
		}
	}
	l->suspect = true;
	l->suspected_us = s->heard_us;
	attempt_in(ls, 0);
}

/* A handshake that will come to nothing, as the carrier knows already. */
static void watch_attempt(struct link *l, bool refused)
{
	struct links *ls = l->of;
	int status = carrier_path_status(l->carrier, l->leg[0].path);
	char where[sizeof(l->where)];

	if (tunnel_state(l->tunnel) != TUNNEL_HANDSHAKE)
		return;
	str_copy(where, sizeof(where), l->where);
	if (status == -EACCES) {
		link_destroy(l);
		attempt_refused(ls, where);
	} else if (refused || (status && status != -EINPROGRESS)) {
		ls->refused_udp |= refused && ls->kind == CARRIER_UDP;
		link_destroy(l);
		attempt_failed(ls, where,
			       refused || status == -ECONNREFUSED ? "nobody listens there"
								  : strerror(-status),
			       LOG_WARN);
	}
}

static void watch_link(struct link *l, int64_t now)
{
	struct links *ls = l->of;
	struct carrier_stats cs;
	struct tunnel_stats ts;

	tunnel_stats(l->tunnel, &ts);
	carrier_stats(l->carrier, &cs);
	bool refused = cs.refused != l->refused;

	l->refused = cs.refused;
	if (l == ls->attempt) {
		watch_attempt(l, refused);
	} else if (l == ls->current) {
		still_suspect(l);
		if ((refused && ls->nroutes < 2 && !legs_connected(l)) || ts.disowned ||
		    now - ts.heard_us > 3 * ls->conf.conf->tunnel.keepalive_us + ts.rtt_us)
			suspect(l, &ts);
	} else if (l->replaced_us && !l->relay.nconns && !l->relay.nflows &&
		   tunnel_state(l->tunnel) == TUNNEL_OPEN) {
		tunnel_close(l->tunnel, 0, "replaced");
		carrier_kick(l->carrier);
	}
}

static void on_tick(void *arg)
{
	struct links *ls = arg;
	int64_t now = loop_now_us(ls->loop);
	struct link *l, *tmp;

	list_for_safe (l, tmp, &ls->all, in)
		watch_link(l, now);
	list_for (l, &ls->all, in)
		legs_tend(l, now);
	loop_timer_in(&ls->tick, ls->attempt ? TICK_TRYING_US : TICK_US);
}

/* ---- the end ---- */

static size_t busy(const void *arg)
{
	const struct links *ls = arg;
	const struct link *l;
	size_t n = 0;

	list_for (l, &ls->all, in)
		if (!l->suspect) /* silent: they do not end in time */
			n += l->relay.nconns;
	return n;
}

static void goodbye(void *arg)
{
	struct links *ls = arg;
	struct link *l;

	loop_timer_stop(&ls->retry);
	list_for (l, &ls->all, in) {
		tunnel_close(l->tunnel, 0, "the listener stops");
		carrier_kick(l->carrier);
	}
}

static size_t tunnels(const void *arg)
{
	const struct links *ls = arg;

	return ls->n;
}

static const struct relay_drain_ops drain_ops = {busy, goodbye, tunnels};

/* ---- the whole ---- */

int links_create(struct links **out, struct loop *l, struct relay *r, const struct links_conf *conf)
{
	size_t n = conf->conf->endpoints.len;
	struct links *ls = calloc(1, sizeof(*ls) + n * sizeof(ls->name[0]));
	int rc = 0;

	if (!ls)
		return -ENOMEM;
	ls->loop = l;
	ls->relay = r;
	ls->conf = *conf;
	list_init(&ls->all);
	list_init(&ls->routes);
	attempt_init(ls);
	loop_timer_init(l, &ls->tick, on_tick, ls);
	relay_drain_init(&ls->drain, l, &drain_ops, ls);
	for (; !rc && ls->nnames < n; ls->nnames++)
		rc = resolve_create(&ls->name[ls->nnames], l,
				    conf->conf->endpoints.at[ls->nnames].host, RESOLVE_US);
	if (!rc)
		rc = routes_set(ls, conf->conf);
	if (rc) {
		links_destroy(ls);
		return rc;
	}
	attempt_first(ls);
	ls->figures = (struct relay_figures){.sum = sum_figures, .arg = ls, .tool = "listen"};
	relay_figures_export(&ls->figures, conf->metrics);
	metrics_counter_fn(conf->metrics, "gex_listen_tunnel_drop_local_total",
			   "Datagrams of tunnels that found this host's receive buffer full.", NULL,
			   summed_dropped, ls);
	metrics_gauge_fn(conf->metrics, "gex_listen_tunnel_up", "1 while there is a tunnel.", NULL,
			 summed_state, ls);
	ls->connects_total = metrics_counter(conf->metrics, "gex_listen_tunnel_connects_total",
					     "Tunnels that came up.", NULL);
	ls->failures_total = metrics_counter(conf->metrics, "gex_listen_tunnel_failures_total",
					     "Attempts to connect that failed.", NULL);
	*out = ls;
	return 0;
}

void links_start(struct links *ls)
{
	ls->began = true;
	loop_timer_in(&ls->tick, TICK_US);
	attempt_now(ls);
}

int links_reload(struct links *ls)
{
	int r = routes_set(ls, ls->conf.conf);
	struct tunnel_conf conf;
	struct link *l;

	relay_setup_conf(&ls->conf.conf->tunnel, &conf);
	list_for (l, &ls->all, in)
		tunnel_set_conf(l->tunnel, &conf);
	attempt_first(ls);
	return r;
}

void links_paths(struct links *ls, char *dst, size_t cap)
{
	*dst = 0;
	if (ls->current)
		legs_text(ls->current, dst, cap);
}

struct relay_link *links_current(struct links *ls)
{
	return ls->current ? &ls->current->relay : NULL;
}

void links_drain(struct links *ls, int64_t drain_us)
{
	relay_drain_begin(&ls->drain, drain_us);
}

bool links_draining(const struct links *ls)
{
	return relay_draining(&ls->drain);
}

void links_destroy(struct links *ls)
{
	struct link *l, *tmp;

	if (!ls)
		return;
	loop_timer_stop(&ls->retry);
	loop_timer_stop(&ls->tick);
	relay_drain_finish(&ls->drain);
	list_for_safe (l, tmp, &ls->all, in)
		link_destroy(l);
	routes_finish(ls);
	for (size_t i = 0; i < ls->nnames; i++)
		resolve_destroy(ls->name[i]);
	free(ls);
}

struct relay_figures *links_figures(struct links *ls)
{
	return &ls->figures;
}

const char *links_state(const struct links *ls)
{
	if (ls->drain.closing)
		return "stopping";
	if (!ls->current)
		return "connecting";
	return ls->current->suspect ? "silent" : "up";
}
