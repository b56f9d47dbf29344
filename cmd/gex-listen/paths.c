/* The paths of a link. A route is what the configuration says: from where, to where, by what; a leg
 * is a path of one link's tunnel by such a route. Every tick brings the legs in line with the routes,
 * so a reload changes the routes and nothing else.
 *
 * A route with carrier = auto has a leg over udp. While that does not pass it gets a second one over
 * tls; when tls serves, the udp one is taken away and tried anew every udp_retry, since a network
 * that polices udp would let it come and go; when udp has passed for STABLE_US, tls is left, or with
 * `standby` stays beside it: the tunnel puts nothing on it then, and need not wait for a handshake when
 * udp dies. Where tls does not pass that is tried again in STANDBY_RETRY_US. A tunnel
 * that comes up over tls since udp was refused gets a leg over udp at once: the endpoint may have been
 * on its way up between the two. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "link.h"

#define STABLE_US (2 * SEC_US)
#define SILENT_US (300 * MS_US)	 /* on top of what the tunnel waits before it leaves a path */
#define STANDBY_US (10 * SEC_US) /* for one to come up */
#define STANDBY_RETRY_US (600 * SEC_US)
#define RESOLVE_US (30 * SEC_US)

/* ---- routes ---- */

static struct route *route_named(struct links *ls, const char *name, const struct route *but)
{
	struct route *r;

	list_for (r, &ls->routes, in)
		if (r != but && !strcmp(r->conf.name, name))
			return r;
	return NULL;
}

static struct route *route_find(struct links *ls, const struct path_conf *p)
{
	struct route *r;

	list_for (r, &ls->routes, in)
		if (!memcmp(&r->conf, p, sizeof(*p)))
			return r;
	return NULL;
}

/* For the log: "udp", "path dsl", "path dsl over tls". */
static const char *leg_name(const struct route *r, enum carrier_kind kind, char *dst, size_t cap)
{
	const char *name = carrier_kind_name(kind);

	if (!*r->conf.name)
		snprintf(dst, cap, "%s", name);
	else if (r->conf.automatic && kind != CARRIER_UDP)
		snprintf(dst, cap, "path %s over %s", r->conf.name, name);
	else
		snprintf(dst, cap, "path %s", r->conf.name);
	return dst;
}

static struct leg *leg_find(struct link *l, const struct route *r, enum carrier_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(l->leg); i++)
		if (l->leg[i].route == r && l->leg[i].kind == kind)
			return &l->leg[i];
	return NULL;
}

static bool figure_stats(const struct route_figure *f, struct tunnel_path_stats *out)
{
	struct link *l = f->route->of->current;
	const struct leg *leg = l ? leg_find(l, f->route, f->kind) : NULL;

	return leg && tunnel_path_stats(l->tunnel, (unsigned)leg->number, out);
}

#define PATH_FIGURE(name, expr) \
	static double name(void *arg) \
	{ \
		struct tunnel_path_stats s; \
\
		return figure_stats(arg, &s) ? (expr) : 0; \
	}
PATH_FIGURE(read_up, s.state == TUNNEL_PATH_UP)
PATH_FIGURE(read_rtt, s.rtt_us * 1e-6)
PATH_FIGURE(read_loss, s.loss_ppm < 0 ? (double)NAN : s.loss_ppm * 1e-6)
PATH_FIGURE(read_rate, (double)s.delivery_bps)
PATH_FIGURE(read_sent, (double)s.bytes_sent)
PATH_FIGURE(read_received, (double)s.bytes_received)

static void export_figure(struct route_figure *f, struct metrics *m)
{
	static const struct {
		const char *name, *help;
		double (*fn)(void *arg);
	} rows[] = {
	    {"gex_listen_path_up", "1 while the path serves.", read_up},
	    {"gex_listen_path_rtt_seconds", "Round trip of the path.", read_rtt},
	    {"gex_listen_path_loss_ratio", "What the path lost lately.", read_loss},
	    {"gex_listen_path_delivery_bits", "Bits a second that it delivered lately.", read_rate},
	    {"gex_listen_path_sent_bytes", "Bytes sent on it since it was added.", read_sent},
	    {"gex_listen_path_received_bytes", "Bytes received on it since then.", read_received},
	};
	char labels[128] = "";

	_Static_assert(ARRAY_LEN(rows) == ARRAY_LEN(f->metric), "one metric for each row");
	metrics_label(labels, sizeof(labels), "path",
		      *f->route->conf.name ? f->route->conf.name : "default");
	metrics_label(labels, sizeof(labels), "carrier", carrier_kind_name(f->kind));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		f->metric[i] =
		    metrics_gauge_fn(m, rows[i].name, rows[i].help, labels, rows[i].fn, f);
}

static int route_create(struct links *ls, const struct path_conf *p)
{
	struct route *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->of = ls;
	r->conf = *p;
	rc = p->has_endpoint ? resolve_create(&r->name, ls->loop, p->endpoint.host, RESOLVE_US) : 0;
	if (rc) {
		free(r);
		return rc;
	}
	r->nfigures = p->automatic ? 2 : 1;
	r->figure[0] = (struct route_figure){.route = r, .kind = p->carrier};
	r->figure[1] = (struct route_figure){.route = r, .kind = CARRIER_TLS};
	for (size_t i = 0; i < r->nfigures; i++)
		export_figure(&r->figure[i], ls->conf.metrics);
	list_append(&ls->routes, &r->in);
	ls->nroutes++;
	return 0;
}

static void route_destroy(struct route *r)
{
	struct links *ls = r->of;

	for (size_t i = 0; i < r->nfigures; i++)
		for (size_t k = 0; k < ARRAY_LEN(r->figure[i].metric); k++)
			metrics_remove(ls->conf.metrics, r->figure[i].metric[k]);
	resolve_cancel(&r->wait);
	resolve_destroy(r->name);
	list_remove(&r->in);
	ls->nroutes--;
	free(r);
}

static void on_route_resolved(void *arg, int err)
{
	struct route *r = arg;

	r->waiting = false;
	if (err)
		log_warn("tunnel", "path %s: cannot resolve %s: %s", r->conf.name,
			 r->conf.endpoint.host, resolve_error(r->name));
}

bool route_addr(struct route *r, const struct net_addr *endpoint, struct net_addr *out)
{
	const struct net_addr *addrs;
	size_t n;

	if (!r->name) {
		*out = *endpoint;
		return true;
	}
	addrs = resolve_addrs(r->name, &n);
	if (n) {
		*out = addrs[0];
		out->port = r->conf.endpoint.port;
	} else if (!r->waiting) {
		r->waiting = true;
		r->wait = (struct resolve_wait){.fn = on_route_resolved, .arg = r};
		resolve_wait(r->name, &r->wait);
	}
	return n > 0;
}

static void leg_remove(struct link *l, struct leg *leg)
{
	int r = tunnel_path_remove(l->tunnel, (unsigned)leg->number);

	if (r && r != -ENOENT)
		log_debug("tunnel", "%s: a path stays: %s", l->where, strerror(-r));
	carrier_remove(l->carrier, leg->path);
	carrier_kick(l->carrier);
	*leg = (struct leg){0};
}

static void forget_route(struct links *ls, struct route *r)
{
	struct link *l;

	list_for (l, &ls->all, in)
		for (size_t i = 0; i < ARRAY_LEN(l->leg); i++)
			if (l->leg[i].route == r)
				leg_remove(l, &l->leg[i]);
	route_destroy(r);
}

/* The new ones first: a tunnel whose paths all change does not stand without one. */
int routes_set(struct links *ls, const struct conf *c)
{
	struct path_conf only = c->path;
	const struct path_conf *want = c->paths.len ? c->paths.at : &only;
	size_t n = MAX(c->paths.len, 1);
	struct route *r, *tmp;
	struct link *l;
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		if (route_find(ls, &want[i]))
			continue;
		if (ls->began && *want[i].name)
			log_info("tunnel", "path %s: %s", want[i].name,
				 route_named(ls, want[i].name, NULL) ? "changed" : "added");
		rc = route_create(ls, &want[i]);
	}
	if (rc)
		return rc;
	ls->route = 0;
	list_for (l, &ls->all, in)
		legs_tend(l, loop_now_us(ls->loop));
	list_for (r, &ls->routes, in)
		r->wanted = false;
	for (size_t i = 0; i < n; i++)
		route_find(ls, &want[i])->wanted = true;
	list_for_safe (r, tmp, &ls->routes, in) {
		if (r->wanted)
			continue;
		if (*r->conf.name && !route_named(ls, r->conf.name, r))
			log_info("tunnel", "path %s: removed", r->conf.name);
		forget_route(ls, r);
	}
	return 0;
}

void routes_finish(struct links *ls)
{
	struct route *r, *tmp;

	list_for_safe (r, tmp, &ls->routes, in)
		route_destroy(r);
}

struct route *route_nth(struct links *ls, size_t n)
{
	struct route *r;

	list_for (r, &ls->routes, in)
		if (!n--)
			return r;
	return NULL;
}

/* ---- legs ---- */

int leg_open(struct link *l, struct route *r, enum carrier_kind kind, const struct net_addr *peer,
	     struct tunnel_addr *to)
{
	struct crypt_ring ring = {.n = 1, .key[0] = l->key};
	struct carrier_to conf = {.peer = *peer, .bind = r->conf.bind, .ring = &ring};
	struct leg *leg = leg_find(l, NULL, 0);
	int path;

	if (!leg)
		return -ENOSPC;
	memcpy(conf.device, r->conf.device, sizeof(conf.device));
	path = carrier_connect(l->carrier, kind, &conf);
	crypt_wipe(&ring, sizeof(ring));
	if (path < 0)
		return path;
	*leg = (struct leg){.route = r,
			    .kind = kind,
			    .path = path,
			    .state = TUNNEL_PATH_NEW,
			    .since_us = loop_now_us(l->of->loop)};
	carrier_path_addr(l->carrier, path, peer, to);
	return path;
}

static void leg_add(struct link *l, struct route *r, enum carrier_kind kind)
{
	struct tunnel_addr to;
	struct net_addr peer;
	struct leg *leg;
	char name[96];
	int n;

	if (!route_addr(r, &l->addr, &peer))
		return;
	n = leg_open(l, r, kind, &peer, &to);
	if (n < 0)
		goto fail;
	leg = leg_find(l, r, kind);
	n = tunnel_path_add(l->tunnel, leg->path, &to);
	if (n < 0) {
		carrier_remove(l->carrier, leg->path);
		*leg = (struct leg){0};
		goto fail;
	}
	leg->number = n;
	carrier_kick(l->carrier);
	return;
fail:
	r->retry_us = loop_now_us(l->of->loop) + SEC_US;
	if (log_allow(&r->limit, 1, 60 * SEC_US, loop_now_us(l->of->loop)))
		log_warn("tunnel", "%s: cannot be used: %s", leg_name(r, kind, name, sizeof(name)),
			 strerror(-n));
}

static bool is_up(const struct leg *leg)
{
	return leg && leg->state == TUNNEL_PATH_UP;
}

/* How long it has not passed. */
static int64_t bad_for(const struct leg *leg, int64_t now)
{
	return leg->state == TUNNEL_PATH_UP ? 0 : now - leg->since_us;
}

static void leave_udp(struct link *l, struct route *r, int64_t now)
{
	int64_t again_us = l->of->conf.conf->udp_retry_us;

	r->look_us = now + again_us;
	if (!r->told)
		log_warn("tunnel",
			 "%s: goes over tls, as udp does not pass; that is tried again every "
			 "%lld s",
			 l->where, (long long)(again_us / SEC_US));
	r->told = true;
}

/* Of several paths each stands by for the others. */
static bool wants_standby(const struct links *ls)
{
	return ls->conf.conf->standby && ls->nroutes == 1;
}

/* While udp serves. */
static void tend_standby(struct link *l, struct route *r, struct leg *tls, int64_t now)
{
	if (!tls && now >= r->standby_us) {
		leg_add(l, r, CARRIER_TLS);
	} else if (tls && !is_up(tls) && bad_for(tls, now) > STANDBY_US) {
		leg_remove(l, tls);
		r->standby_us = now + STANDBY_RETRY_US;
	}
}

/* auto: see above. */
static void tend_automatic(struct link *l, struct route *r, int64_t now)
{
	const struct conf *c = l->of->conf.conf;
	struct leg *udp = leg_find(l, r, CARRIER_UDP), *tls = leg_find(l, r, CARRIER_TLS);

	if (!udp && (!tls || now >= r->look_us)) {
		leg_add(l, r, CARRIER_UDP);
	} else if (udp && !is_up(udp)) {
		int64_t patience = udp->was_up ? SILENT_US : c->udp_after_us;

		if (!tls && bad_for(udp, now) > patience) {
			leg_add(l, r, CARRIER_TLS);
		} else if (is_up(tls) && bad_for(udp, now) > c->udp_after_us) {
			leg_remove(l, udp);
			leave_udp(l, r, now);
		}
	} else if (is_up(udp) && now - udp->since_us > STABLE_US) {
		bool stands_by = wants_standby(l->of);

		if (r->told || (tls && !stands_by))
			log_info("tunnel", "%s: udp passes%s%s", l->where, r->told ? " again" : "",
				 tls ? ", tls is left" : "");
		r->told = false;
		if (stands_by)
			tend_standby(l, r, tls, now);
		else if (tls)
			leg_remove(l, tls);
	}
}

void legs_begin(struct link *l)
{
	struct leg *leg = &l->leg[0];

	leg->state = TUNNEL_PATH_UP;
	leg->was_up = true;
	leg->since_us = loop_now_us(l->of->loop);
	if (leg->route->conf.automatic && leg->kind == CARRIER_TLS && !l->of->refused_udp)
		leave_udp(l, leg->route, leg->since_us);
}

/* What happened to a path, in words. */
static void tell(struct link *l, struct leg *leg, const struct tunnel_path_stats *s, int64_t now)
{
	struct tunnel_stats ts;
	char name[96];

	tunnel_stats(l->tunnel, &ts);
	leg_name(leg->route, leg->kind, name, sizeof(name));
	if (leg->route->conf.automatic && leg->kind == CARRIER_TLS &&
	    is_up(leg_find(l, leg->route, CARRIER_UDP))) {
		log_debug("tunnel", "%s: %s, which stands by, is %s", l->where, name,
			  s->state == TUNNEL_PATH_UP ? "up" : "down");
		return;
	}
	if (!log_allow(&leg->route->limit, 10, 60 * SEC_US, now))
		return;
	if (s->state == TUNNEL_PATH_DOWN && ts.paths_up)
		log_warn("tunnel", "%s: %s is down, %llu of %llu paths left", l->where, name,
			 (unsigned long long)ts.paths_up, (unsigned long long)ts.paths);
	else if (s->state == TUNNEL_PATH_DOWN)
		log_warn("tunnel", "%s: %s is silent: %zu connections wait for up to %lld s",
			 l->where, name, l->relay.nconns,
			 (long long)(l->of->conf.conf->tunnel.resume_us / SEC_US));
	else if (s->state == TUNNEL_PATH_UP && leg->was_up)
		log_info("tunnel", "%s: %s is back after %.1f s", l->where, name,
			 (double)(now - leg->since_us) / 1e6);
	else if (s->state == TUNNEL_PATH_UP)
		log_info("tunnel", "%s: %s is up", l->where, name);
}

void legs_look(struct link *l)
{
	int64_t now = loop_now_us(l->of->loop);
	struct tunnel_path_stats s;

	for (size_t i = 0; i < ARRAY_LEN(l->leg); i++) {
		struct leg *leg = &l->leg[i];

		if (!leg->route || !tunnel_path_stats(l->tunnel, (unsigned)leg->number, &s) ||
		    s.state == leg->state)
			continue;
		if (tunnel_state(l->tunnel) == TUNNEL_OPEN && !l->of->drain.closing)
			tell(l, leg, &s, now);
		leg->was_up |= s.state == TUNNEL_PATH_UP;
		leg->state = s.state;
		leg->since_us = now;
	}
}

void legs_tend(struct link *l, int64_t now)
{
	struct route *r;

	if (tunnel_state(l->tunnel) != TUNNEL_OPEN || l->of->drain.closing)
		return;
	legs_look(l);
	list_for (r, &l->of->routes, in) {
		if (now < r->retry_us)
			continue;
		if (r->conf.automatic)
			tend_automatic(l, r, now);
		else if (!leg_find(l, r, r->conf.carrier))
			leg_add(l, r, r->conf.carrier);
	}
}

bool legs_connected(const struct link *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->leg); i++)
		if (l->leg[i].route && l->leg[i].kind == CARRIER_TLS &&
		    carrier_path_status(l->carrier, l->leg[i].path) == 0)
			return true;
	return false;
}

void legs_text(struct link *l, char *dst, size_t cap)
{
	struct tunnel_path_stats s;
	char name[96];
	size_t n = 0;

	*dst = 0;
	for (size_t i = 0; i < ARRAY_LEN(l->leg) && n < cap; i++) {
		const struct leg *leg = &l->leg[i];

		if (!leg->route || !tunnel_path_stats(l->tunnel, (unsigned)leg->number, &s))
			continue;
		leg_name(leg->route, leg->kind, name, sizeof(name));
		n += (size_t)snprintf(dst + n, cap - n, "  %s",
				      name + (str_starts(name, "path ") ? 5 : 0));
		if (s.state != TUNNEL_PATH_UP && n < cap)
			n += (size_t)snprintf(dst + n, cap - n, " down");
		else if (n < cap)
			n += (size_t)snprintf(dst + n, cap - n, " %.0f ms", (double)s.rtt_us / 1e3);
		if (s.state == TUNNEL_PATH_UP && s.loss_ppm >= 0 && n < cap)
			n += (size_t)snprintf(dst + n, cap - n, " %.1f %%",
					      (double)s.loss_ppm / 1e4);
	}
}
