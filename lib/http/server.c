#include "http/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <strings.h>

#include "log/log.h"

#define SWEEP_US (500 * MS_US)

void server_pin(struct http_server *s)
{
	s->pins++;
}

void server_unpin(struct http_server *s)
{
	if (--s->pins)
		return;
	peers_finish(&s->peers);
	vec_free(&s->exported);
	free(s);
}

void server_count(struct http_server *s, int status)
{
	if (status > 0 && status < HTTP_STATUS_MAX)
		s->answered[status]++;
}

/* ---- turns ---- */

static void turn(struct http_server *s)
{
	struct list todo;
	struct conn *c;

	/* What is asked for meanwhile has its own turn. */
	list_init(&todo);
	while ((c = list_first(&s->todo, struct conn, todo))) {
		list_remove(&c->todo);
		list_append(&todo, &c->todo);
	}
	while ((c = list_first(&todo, struct conn, todo))) {
		list_remove(&c->todo);
		if (c->doomed) {
			conn_end(c);
		} else if (c->resuming) {
			c->resuming = false;
			c->proto->resume(c);
		}
	}
}

static void on_turn(void *arg)
{
	struct http_server *s = arg;

	s->turn_asked = false;
	turn(s);
}

void server_ask_turn(struct http_server *s)
{
	if (s->turn_asked || s->destroyed)
		return;
	/* A timer, not loop_defer: it can be taken back when the server is destroyed before. The
	 * sweep asks again should it fail. */
	s->turn_asked = !loop_timer_in(&s->turn, 0);
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;
	struct conn *c, *tmp;
	int64_t now_us = loop_now_us(s->loop);

	list_for_safe (c, tmp, &s->conns, link)
		if (!c->doomed)
			conn_check(c, now_us);
	if (!list_empty(&s->todo))
		server_ask_turn(s);
	loop_timer_in(&s->sweep, SWEEP_US);
}

struct conn *server_accept(struct http_server *s, const struct transport_ops *t, void *transport,
			   const struct net_addr *peer)
{
	if (s->lim.conns && s->nconns >= s->lim.conns) {
		s->refused[REFUSED_CONNS]++;
		return NULL;
	}
	struct conn *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	list_init(&c->todo);
	c->server = s;
	c->t = t;
	c->transport = transport;
	c->proto = &h1_ops;
	net_addr_format_ip(peer, c->peer, sizeof(c->peer));
	conn_phase(c, CONN_HEAD);
	if (c->proto->open(c)) {
		free(c);
		return NULL;
	}
	list_append(&s->conns, &c->link);
	s->nconns++;
	return c;
}

/* ---- the address ---- */

static int resolve(const struct net_host *h, struct net_addr *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
	int rc = -EADDRNOTAVAIL;

	if (getaddrinfo(h->host, NULL, &hints, &list))
		return rc;
	for (struct addrinfo *a = list; a && rc; a = a->ai_next)
		rc = net_addr_from_sockaddr(a->ai_addr, a->ai_addrlen, out);
	freeaddrinfo(list);
	out->port = h->port;
	return rc;
}

static int parse_addr(const char *addr, struct net_addr *out, struct net_host *host, char *err)
{
	char text[NET_HOST_MAX + 16];

	if (!strncasecmp(addr, "https://", 8)) {
		snprintf(err, HTTP_ERR, "%s: https is not served here; put a proxy in front", addr);
		return -ENOTSUP;
	}
	const char *p = strncasecmp(addr, "http://", 7) ? addr : addr + 7;
	bool fits = str_copy(text, sizeof(text), p);
	size_t n = strlen(text);
	if (n && text[n - 1] == '/')
		text[n - 1] = 0;
	int rc = fits ? net_host_parse(text, host) : -EINVAL;
	if (rc) {
		snprintf(err, HTTP_ERR,
			 "%s: not an address to listen on; it is http://HOST:PORT or HOST:PORT",
			 addr);
		return rc;
	}
	if (net_host_addr(host, out))
		rc = resolve(host, out);
	if (rc)
		snprintf(err, HTTP_ERR, "%s: no such host", addr);
	return rc;
}

int http_addr_check(const char *addr, char *err)
{
	struct net_addr a;
	struct net_host host;

	return parse_addr(addr, &a, &host, err);
}

int http_server_create(struct http_server **out, struct loop *l, const char *addr,
		       const struct http_limits *lim, http_handler *fn, void *arg, char *err)
{
	struct net_addr a;
	struct net_host host;
	int rc = parse_addr(addr, &a, &host, err);

	*out = NULL;
	if (rc)
		return rc;
	struct http_server *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->lim = lim ? *lim : HTTP_LIMITS;
	s->fn = fn;
	s->arg = arg;
	s->pins = 1;
	list_init(&s->conns);
	list_init(&s->todo);
	peers_init(&s->peers);
	loop_timer_init(l, &s->sweep, on_sweep, s);
	loop_timer_init(l, &s->turn, on_turn, s);
	rc = tcp_listen(s, &a);
	if (!rc)
		rc = loop_timer_in(&s->sweep, SWEEP_US);
	if (rc) {
		snprintf(err, HTTP_ERR, "cannot listen on %s: %s", addr, strerror(-rc));
		http_server_destroy(s);
		return rc;
	}
	a.port = (uint16_t)s->port;
	net_addr_format(&a, s->addr, sizeof(s->addr));
	*out = s;
	return 0;
}

void http_server_drain(struct http_server *s)
{
	struct conn *c;

	s->draining = true;
	tcp_listener_close(s);
	list_for (c, &s->conns, link)
		if (c->phase == CONN_IDLE && !c->queued)
			conn_doom(c);
}

void http_server_destroy(struct http_server *s)
{
	struct conn *c;

	if (!s)
		return;
	s->destroyed = true;
	loop_timer_stop(&s->sweep);
	loop_timer_stop(&s->turn);
	tcp_listener_close(s);
	for (size_t i = 0; i < s->exported.len; i++)
		metrics_remove(s->metrics, s->exported.at[i]);
	s->exported.len = 0;
	while ((c = list_first(&s->conns, struct conn, link)))
		conn_end(c);
	server_unpin(s);
}

const char *http_server_addr(const struct http_server *s)
{
	return s->addr;
}

int http_server_port(const struct http_server *s)
{
	return s->port;
}

int http_server_conns(const struct http_server *s)
{
	return s->nconns;
}

int64_t http_server_sent(const struct http_server *s)
{
	return s->sent;
}
