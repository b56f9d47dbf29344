/* The client side: the ports of a listener. A TCP client becomes a stream as soon as it is
 * accepted, with the bytes that have come by then; while there is no tunnel it waits, within
 * limits. UDP ports are in ports.c. */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "relay/listener.h"

#define BACKLOG 1024
#define ACCEPT_MAX 64		    /* of one turn */
#define FULL_PAUSE_US (100 * MS_US) /* after accept(2) ran out of descriptors */

/* A TCP client without a tunnel. */
struct waiting {
	struct list link;
	struct relay_port *port;
	int fd;
	int64_t until_us;
};

static void refuse(struct relay_listener *l, int fd, const char *why)
{
	metric_add(l->conf.meter->failed, 1);
	if (log_allow(&l->conf.meter->limit, 5, 10 * SEC_US, loop_now_us(l->relay->loop)))
		log_warn(l->conf.name, "client reset: %s", why);
	conn_reset_fd(fd);
}

void listener_origin(const struct net_addr *peer, const struct net_addr *local,
		     struct tunnel_origin *out)
{
	*out = (struct tunnel_origin){0};
	if (!peer->family || local->family != peer->family)
		return;
	out->family = peer->family;
	memcpy(out->src, peer->ip, sizeof(out->src));
	memcpy(out->dst, local->ip, sizeof(out->dst));
	out->src_port = peer->port;
	out->dst_port = local->port;
}

void listener_open(const struct relay_port *p, struct tunnel_open *out)
{
	const struct relay_listener_conf *conf = &p->listener->conf;

	*out =
	    (struct tunnel_open){.offset = p->offset, .class = conf->class, .repair = conf->repair};
	str_copy(out->service, sizeof(out->service), conf->service);
}

static void socket_ends(int fd, struct tunnel_origin *out)
{
	struct net_addr peer = {0}, local = {0};
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &n) ||
	    net_addr_from_sockaddr((struct sockaddr *)&ss, n, &peer))
		peer.family = 0;
	n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) ||
	    net_addr_from_sockaddr((struct sockaddr *)&ss, n, &local))
		local.family = 0;
	listener_origin(&peer, &local, out);
}

static void start(struct relay_port *p, struct relay_link *k, int fd)
{
	struct tunnel_stream *s;
	struct tunnel_open open;
	struct relay_conn *c;

	listener_open(p, &open);
	socket_ends(fd, &open.origin);
	int r = tunnel_stream_open(k->tunnel, &open, &s);

	if (r) {
		refuse(p->listener, fd,
		       r == -EAGAIN ? "too many connections in the tunnel" : strerror(-r));
		return;
	}
	if (conn_create(k, s, p->listener->conf.meter, &c)) {
		conn_reset_fd(fd);
		return;
	}
	conn_set_options(fd);
	conn_start(c, fd);
}

/* ---- clients that wait for a tunnel ---- */

static void on_wait(void *arg)
{
	struct relay_listener *l = arg;
	int64_t now = loop_now_us(l->relay->loop);

	while (!list_empty(&l->waiting)) {
		struct waiting *w = list_first(&l->waiting, struct waiting, link);

		if (w->until_us > now) {
			loop_timer_at(&l->timer, w->until_us);
			return;
		}
		list_remove(&w->link);
		l->nwaiting--;
		refuse(l, w->fd, "no tunnel in time");
		free(w);
	}
}

static void wait_for_tunnel(struct relay_port *p, int fd)
{
	struct relay_listener *l = p->listener;
	struct waiting *w = l->nwaiting < l->conf.wait_max ? malloc(sizeof(*w)) : NULL;

	if (!w) {
		refuse(l, fd, "no tunnel, and too many wait for it");
		return;
	}
	*w = (struct waiting){
	    .port = p, .fd = fd, .until_us = loop_now_us(l->relay->loop) + l->conf.wait_us};
	if (list_empty(&l->waiting))
		loop_timer_at(&l->timer, w->until_us);
	list_append(&l->waiting, &w->link);
	l->nwaiting++;
}

void relay_listener_wake(struct relay_listener *l)
{
	struct relay_link *k;

	while (!list_empty(&l->waiting) && (k = l->conf.pick(l->conf.arg))) {
		struct waiting *w = list_first(&l->waiting, struct waiting, link);

		list_remove(&w->link);
		l->nwaiting--;
		start(w->port, k, w->fd);
		free(w);
	}
	if (list_empty(&l->waiting))
		loop_timer_stop(&l->timer);
}

/* ---- accepting ---- */

static void on_accept(uv_poll_t *poll, int status, int events);

static void on_pause_over(void *arg)
{
	struct relay_port *p = arg;

	if (!p->stopped)
		uv_poll_start(&p->poll, UV_READABLE, on_accept);
}

/* Out of descriptors: the backlog keeps the clients, and asking again at once would only burn the
 * processor. */
static void pause_accept(struct relay_port *p, int err)
{
	struct relay_listener *l = p->listener;

	if (log_allow(&l->conf.meter->limit, 5, 10 * SEC_US, loop_now_us(l->relay->loop)))
		log_error(l->conf.name, "cannot accept: %s%s", strerror(err),
			  err == EMFILE ? " (raise ulimit -n, or LimitNOFILE= of the unit)" : "");
	uv_poll_stop(&p->poll);
	loop_timer_in(&p->timer, FULL_PAUSE_US);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
	struct relay_port *p = container_of(poll, struct relay_port, poll);

	for (int i = 0; i < ACCEPT_MAX && !p->stopped; i++) {
		int fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				pause_accept(p, errno);
			if (errno != ECONNABORTED && errno != EINTR)
				return;
			continue;
		}
		struct relay_link *k = p->listener->conf.pick(p->listener->conf.arg);

		if (k)
			start(p, k, fd);
		else
			wait_for_tunnel(p, fd);
	}
}

static int bind_tcp(const struct net_addr *addr, int *out)
{
	const int one = 1;
	const int only = addr->family == 6;
	struct sockaddr_storage ss;
	struct net_addr a = *addr;
	socklen_t n = net_addr_to_sockaddr(&a, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT && !addr->family) {
		a.family = 4; /* a host without IPv6 */
		n = net_addr_to_sockaddr(&a, &ss);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, (struct sockaddr *)&ss, n) || listen(fd, BACKLOG)) {
		int err = -errno;

		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

static int open_tcp(struct relay_port *p, const struct net_addr *addr)
{
	int r = bind_tcp(addr, &p->fd);

	if (r)
		return r;
	loop_timer_init(p->listener->relay->loop, &p->timer, on_pause_over, p);
	r = uv_poll_init(loop_uv(p->listener->relay->loop), &p->poll, p->fd);
	if (r) {
		close(p->fd);
		p->fd = -1;
		return r;
	}
	return uv_poll_start(&p->poll, UV_READABLE, on_accept);
}

static void on_port_closed(uv_handle_t *h)
{
	struct relay_port *p = container_of((uv_poll_t *)h, struct relay_port, poll);

	free(p->buckets);
	free(p);
}

static void port_close(struct relay_port *p)
{
	loop_timer_stop(&p->timer);
	if (p->fd < 0) {
		free(p->buckets);
		free(p);
		return;
	}
	uv_close((uv_handle_t *)&p->poll, on_port_closed);
	close(p->fd);
}

/* ---- the listener ---- */

/* Where it listens, with the port that the kernel chose when it was to. */
static void tell(const struct relay_listener *l)
{
	struct net_spec spec = l->conf.spec;
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct net_addr a;
	char text[NET_SPEC_TEXT];

	if (!getsockname(l->ports.at[0]->fd, (struct sockaddr *)&ss, &n) &&
	    !net_addr_from_sockaddr((struct sockaddr *)&ss, n, &a))
		spec.host.port = a.port;
	log_info(l->conf.name, "listening on %s", net_spec_format(&spec, text, sizeof(text)));
}

int relay_listen(struct relay_listener **out, struct relay *r,
		 const struct relay_listener_conf *conf, char *err, size_t cap)
{
	struct relay_listener *l = calloc(1, sizeof(*l));
	char text[NET_ADDR_TEXT];
	struct net_addr addr;
	int rc = -ENOMEM;

	if (!l)
		goto fail;
	l->relay = r;
	l->conf = *conf;
	list_init(&l->waiting);
	loop_timer_init(r->loop, &l->timer, on_wait, l);
	rc = net_host_addr(&conf->spec.host, &addr);
	for (unsigned i = 0; !rc && i < conf->spec.ports; i++) {
		struct relay_port *p = calloc(1, sizeof(*p));

		rc = !p || vec_push(&l->ports, p) ? -ENOMEM : 0;
		if (rc) {
			free(p);
			break;
		}
		p->listener = l;
		p->offset = (uint16_t)i;
		p->fd = -1;
		addr.port = (uint16_t)(conf->spec.host.port + i);
		rc = conf->spec.proto == NET_TCP ? open_tcp(p, &addr) : port_open_udp(p, &addr);
	}
	if (rc)
		goto fail;
	tell(l);
	*out = l;
	return 0;
fail:
	snprintf(err, cap, "cannot listen on %s:%s: %s", net_proto_name(conf->spec.proto),
		 rc == -ENOMEM ? "" : net_addr_format(&addr, text, sizeof(text)), strerror(-rc));
	relay_listener_destroy(l);
	return rc;
}

void relay_listener_set(struct relay_listener *l, const struct relay_listener_conf *conf)
{
	struct net_spec spec = l->conf.spec;

	l->conf = *conf;
	l->conf.spec = spec;
}

void relay_listener_stop(struct relay_listener *l)
{
	struct relay_port **p;

	if (l->conf.spec.proto == NET_UDP)
		return; /* its sockets carry the answers of flows that still run */
	vec_for (p, &l->ports) {
		(*p)->stopped = true;
		loop_timer_stop(&(*p)->timer);
		if ((*p)->fd >= 0)
			uv_poll_stop(&(*p)->poll);
	}
	while (!list_empty(&l->waiting)) {
		struct waiting *w = list_first(&l->waiting, struct waiting, link);

		list_remove(&w->link);
		conn_reset_fd(w->fd);
		free(w);
	}
	l->nwaiting = 0;
	loop_timer_stop(&l->timer);
}

void relay_listener_destroy(struct relay_listener *l)
{
	struct relay_port **p;

	if (!l)
		return;
	if (l->conf.spec.proto == NET_TCP)
		relay_listener_stop(l);
	vec_for (p, &l->ports) {
		port_end_flows(*p);
		port_close(*p);
	}
	vec_free(&l->ports);
	loop_timer_stop(&l->timer);
	free(l);
}
