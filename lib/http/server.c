#include "http/server.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "crypt/crypt.h"
#include "os/os.h"

#define SWEEP_US (500 * MS_US)
#define SWEPT 200		   /* connections that are looked at in a turn */
#define CROWD 100		   /* handshakes */
#define TICKETS_US (3600 * SEC_US) /* how long one key seals session tickets */

void server_pin(struct http_server *s)
{
	s->pins++;
}

void server_unpin(struct http_server *s)
{
	if (--s->pins)
		return;
	peers_finish(&s->peers);
	crypt_site_unref(s->site);
	via_finish(&s->via);
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
			if (c->proto)
				c->proto->resume(c);
		}
	}
}

static void on_turn(void *arg)
{
	struct http_server *s = arg;

	s->turn_asked = false;
	s->turns++;
	turn(s);
	sock_turn(s);
}

void server_ask_turn(struct http_server *s)
{
	if (s->turn_asked || s->destroyed)
		return;
	/* A timer, not loop_defer: it can be taken back when the server is destroyed before. The
	 * sweep asks again should it fail. */
	s->turn_asked = !loop_timer_in(&s->turn, 0);
}

/* A handshake takes some 50 KB of buffers for a moment; what many at a time leave behind is holes between
 * what stays, which malloc keeps. They go back when the crowd is in. */
static void trim(struct http_server *s)
{
	bool over = s->shaken == s->shaken_before;

	s->shaken_before = s->shaken;
	if (s->shaken < CROWD || !over)
		return;
	s->shaken = s->shaken_before = 0;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/* The first ones, which go to the end. Where thousands have to be told at once that they are late, others have their turns. */
static void sweep_some(struct http_server *s)
{
	int64_t now_us = loop_now_us(s->loop);
	struct conn *c = NULL;
	int n = MIN(s->to_sweep, SWEPT);

	s->to_sweep -= n;
	while (n-- && (c = list_first(&s->conns, struct conn, link))) {
		list_remove(&c->link);
		list_append(&s->conns, &c->link);
		if (!c->doomed)
			conn_check(c, now_us);
	}
	if (!c)
		s->to_sweep = 0;
}

static void on_sweep(void *arg)
{
	struct http_server *s = arg;

	if (!s->to_sweep)
		s->to_sweep = s->nconns;
	sweep_some(s);
	if (s->to_sweep) {
		loop_timer_in(&s->sweep, 0);
		return;
	}
	trim(s);
	if (!list_empty(&s->todo))
		server_ask_turn(s);
	loop_timer_in(&s->sweep, SWEEP_US);
}

struct conn *server_accept(struct http_server *s, const struct transport_ops *t, void *transport,
			   const struct net_addr *peer, bool tls)
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
	c->peer_addr = peer;
	if (peer->family)
		net_addr_format_ip(peer, c->peer, sizeof(c->peer));
	else
		str_copy(c->peer, sizeof(c->peer), "unix");
	conn_phase(c, CONN_HEAD);
	if (tls ? crypt_tls_serve(s->site, &c->tls) : conn_speak(c, &h1_ops)) {
		free(c);
		return NULL;
	}
	list_append(&s->conns, &c->link);
	s->nconns++;
	return c;
}

/* ---- certificates ---- */

#define PEM_MAX (256 << 10)

static int read_chain(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -errno;
	n = fread(out, 1, cap - 1, f);
	out[n] = 0;
	int rc = ferror(f) ? -EIO : n == cap - 1 ? -EFBIG : 0;
	fclose(f);
	return rc;
}

static int site_load(struct crypt_site **out, const char *cert, const char *key,
		     const struct crypt_site *before, char *err)
{
	char *pem = malloc(2 * PEM_MAX), why[128] = "";
	const char *file = cert;
	int rc = pem ? read_chain(cert, pem, PEM_MAX) : -ENOMEM;

	*out = NULL;
	if (!rc) {
		file = key;
		rc = os_read_secret(key, pem + PEM_MAX, PEM_MAX);
	}
	if (rc == -EPERM)
		str_copy(why, sizeof(why), "others can read it: chmod 600");
	else if (rc)
		str_copy(why, sizeof(why), strerror(-rc));
	else
		rc = crypt_site_create(pem, pem + PEM_MAX, before, out, why, sizeof(why));
	if (rc && *why && strstr(why, "certificate in PEM"))
		file = cert;
	if (rc)
		snprintf(err, HTTP_ERR, "%.100s: %s", file, why);
	if (pem)
		os_wipe(pem, 2 * PEM_MAX);
	free(pem);
	return rc;
}

int http_certificate_check(const char *cert, const char *key, char *err)
{
	struct crypt_site *site;
	int rc = site_load(&site, cert, key, NULL, err);

	crypt_site_unref(site);
	return rc;
}

static void on_tickets(void *arg)
{
	struct http_server *s = arg;

	crypt_site_turn(s->site);
	loop_timer_in(&s->tickets, TICKETS_US);
}

int http_server_certificate(struct http_server *s, const char *cert, const char *key, char *err)
{
	struct crypt_site *site;
	int rc = site_load(&site, cert, key, s->site, err);

	if (rc)
		return rc;
	if (!s->site)
		loop_timer_in(&s->tickets, TICKETS_US);
	crypt_site_unref(s->site);
	s->site = site;
	return 0;
}

/* ---- making and ending ---- */

int http_server_create(struct http_server **out, struct loop *l, const struct http_limits *lim,
		       http_handler *fn, void *arg)
{
	struct http_server *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->lim = lim ? *lim : HTTP_LIMITS;
	s->fn = fn;
	s->arg = arg;
	s->pins = 1;
	list_init(&s->listeners);
	list_init(&s->conns);
	list_init(&s->todo);
	peers_init(&s->peers);
	loop_timer_init(l, &s->sweep, on_sweep, s);
	loop_timer_init(l, &s->turn, on_turn, s);
	loop_timer_init(l, &s->tickets, on_tickets, s);
	int rc = sock_set_create(s);
	if (!rc)
		rc = loop_timer_in(&s->sweep, SWEEP_US);
	if (rc) {
		http_server_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

int http_server_listen(struct http_server *s, const char *addr, char *err)
{
	struct http_addr a;
	int rc = http_addr_parse(addr, &a, err);

	if (rc)
		return rc;
	if (a.tls && !s->site) {
		snprintf(err, HTTP_ERR, "%s: https needs a certificate and its key", addr);
		return -EINVAL;
	}
	rc = listen_at(s, &a);
	if (rc)
		snprintf(err, HTTP_ERR, "cannot listen on %s: %s", addr, strerror(-rc));
	return rc;
}

void http_server_bodies(struct http_server *s, http_body_max *fn)
{
	s->bodies = fn;
}

void http_server_set_limits(struct http_server *s, const struct http_limits *lim)
{
	s->lim = *lim;
}

int http_server_trust(struct http_server *s, const char *networks, const char *header, char *err)
{
	return via_read(&s->via, networks, header, err);
}

void http_server_drain(struct http_server *s)
{
	struct conn *c;

	s->draining = true;
	listen_no_more(s);
	list_for (c, &s->conns, link)
		if (!c->proto)
			conn_doom(c);
		else
			c->proto->drain(c);
}

void http_server_destroy(struct http_server *s)
{
	struct conn *c;

	if (!s)
		return;
	s->destroyed = true;
	loop_timer_stop(&s->sweep);
	loop_timer_stop(&s->turn);
	loop_timer_stop(&s->tickets);
	listen_no_more(s);
	for (size_t i = 0; i < s->exported.len; i++)
		metrics_remove(s->metrics, s->exported.at[i]);
	s->exported.len = 0;
	while ((c = list_first(&s->conns, struct conn, link)))
		conn_end(c);
	sock_set_destroy(s);
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
