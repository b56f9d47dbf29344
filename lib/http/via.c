#include "http/via.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "conf/conf.h"
#include "http/server.h"
#include "net/proxy.h"

#define TRUSTED_MAX 256
#define HOPS_MAX 32

/* ---- who is trusted ---- */

static int read_networks(struct via *v, const char *list, char *err)
{
	char item[NET_ADDR_TEXT];
	struct net_block b;
	int rc = 0;

	while (list && (rc = conf_list_next(&list, item, sizeof(item))) > 0) {
		if (!strcmp(item, "unix")) {
			v->local = true;
			continue;
		}
		if (net_block_parse(item, &b)) {
			snprintf(err, HTTP_ERR,
				 "trusted: '%s' is no address or network, like 192.0.2.0/24", item);
			return -EINVAL;
		}
		if (v->trusted.len == TRUSTED_MAX) {
			snprintf(err, HTTP_ERR, "trusted: more than %d networks", TRUSTED_MAX);
			return -E2BIG;
		}
		if (vec_push(&v->trusted, b))
			return -ENOMEM;
	}
	if (rc)
		snprintf(err, HTTP_ERR, "trusted: a network that is too long");
	return rc;
}

static int read_header(struct via *v, const char *name, char *err)
{
	if (!name || !*name || !strcasecmp(name, "none"))
		return 0;
	if (!strcasecmp(name, "x-forwarded-for"))
		v->header = VIA_X_FORWARDED_FOR;
	else if (!strcasecmp(name, "forwarded"))
		v->header = VIA_FORWARDED;
	else {
		snprintf(err, HTTP_ERR,
			 "forwarded: '%.64s' is not X-Forwarded-For, Forwarded or none", name);
		return -EINVAL;
	}
	return 0;
}

int via_read(struct via *v, const char *networks, const char *header, char *err)
{
	struct via fresh = {.header = VIA_NONE};
	int rc;

	snprintf(err, HTTP_ERR, "out of memory");
	rc = read_networks(&fresh, networks, err);
	if (!rc)
		rc = read_header(&fresh, header, err);
	if (rc) {
		via_finish(&fresh);
		return rc;
	}
	via_finish(v);
	*v = fresh;
	return 0;
}

int http_trust_check(const char *networks, const char *header, char *err)
{
	struct via v = {.header = VIA_NONE};
	int rc = via_read(&v, networks, header, err);

	via_finish(&v);
	return rc;
}

void via_finish(struct via *v)
{
	vec_free(&v->trusted);
	*v = (struct via){.header = VIA_NONE};
}

bool via_trusts(const struct via *v, const struct net_addr *a)
{
	if (!a->family)
		return v->local;
	for (size_t i = 0; i < v->trusted.len; i++)
		if (net_block_has(&v->trusted.at[i], a))
			return true;
	return false;
}

/* ---- of a request ---- */

static struct http_text trim(struct http_text t)
{
	for (; t.n && (*t.p == ' ' || *t.p == '\t'); t.p++)
		t.n--;
	while (t.n && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	return t;
}

/* Up to the next mark that is not in quotes; *rest goes on behind it. */
static struct http_text next_piece(struct http_text *rest, char mark)
{
	struct http_text piece = {rest->p, 0};
	bool quoted = false;

	while (piece.n < rest->n && (quoted || rest->p[piece.n] != mark)) {
		quoted ^= rest->p[piece.n] == '"';
		piece.n++;
	}
	size_t used = MIN(piece.n + 1, rest->n);
	*rest = (struct http_text){rest->p + used, rest->n - used};
	return trim(piece);
}

/* The node of `for=` in one element of Forwarded, without quotes. */
static struct http_text node_of(struct http_text element)
{
	while (element.n) {
		struct http_text pair = next_piece(&element, ';');

		if (pair.n < 4 || strncasecmp(pair.p, "for=", 4))
			continue;
		pair = (struct http_text){pair.p + 4, pair.n - 4};
		if (pair.n >= 2 && *pair.p == '"' && pair.p[pair.n - 1] == '"')
			pair = (struct http_text){pair.p + 1, pair.n - 2};
		return pair;
	}
	return (struct http_text){NULL, 0};
}

static bool read_node(struct http_text t, struct net_addr *out)
{
	char text[NET_ADDR_TEXT];

	if (!t.n || t.n >= sizeof(text))
		return false;
	memcpy(text, t.p, t.n);
	text[t.n] = 0;
	if (net_addr_parse_ip(text, out) && net_addr_parse(text, out))
		return false;
	out->port = 0;
	net_addr_unmap(out);
	return out->family != 0;
}

bool via_client(const struct via *v, struct http_text list, struct net_addr *out)
{
	struct http_text hop[HOPS_MAX];
	size_t n = 0;
	bool any = false;

	/* The newest HOPS_MAX are enough: what lies before was written by whoever liked. */
	while (list.n) {
		struct http_text piece = next_piece(&list, ',');

		if (piece.n)
			hop[n++ % HOPS_MAX] = piece;
	}
	for (size_t i = n; i > 0 && n - i < HOPS_MAX; i--) {
		struct http_text node = hop[(i - 1) % HOPS_MAX];
		struct net_addr a;

		if (v->header == VIA_FORWARDED)
			node = node_of(node);
		if (!read_node(node, &a))
			break;
		*out = a;
		any = true;
		if (!via_trusts(v, &a))
			break;
	}
	return any;
}

/* ---- of a connection ---- */

void via_begin(struct conn *c)
{
	c->trusted = via_trusts(&c->server->via, c->peer_addr);
	c->unnamed = c->trusted;
}

/* It counts for its client from now on, not for the proxy. */
static bool take_name(struct conn *c, const struct net_addr *a)
{
	struct http_server *s = c->server;
	bool trusted = via_trusts(&s->via, a);
	struct peer *who;

	if (peers_enter(&s->peers, a, trusted ? 0 : s->lim.conns_per_addr, &who)) {
		s->refused[REFUSED_ADDRESS]++;
		return false;
	}
	peers_leave(c->who);
	c->who = who;
	c->trusted = trusted;
	c->named = *a;
	c->named.port = 0;
	c->peer_addr = &c->named;
	net_addr_format_ip(&c->named, c->peer, sizeof(c->peer));
	return true;
}

static bool keep_for_more(struct conn *c, const char *p, size_t n)
{
	if (!c->opening)
		c->opening = buf_create(NET_PROXY_MAX);
	if (!c->opening || c->opened + n > NET_PROXY_MAX)
		return false;
	memcpy(c->opening->data + c->opened, p, n);
	c->opened += n;
	return true;
}

/* Nearly always it comes in one piece, with or without what follows. */
bool via_input(struct conn *c, const char **p, size_t *n)
{
	struct net_addr a = {0};
	size_t before = c->opened, k = MIN(*n, NET_PROXY_MAX - before);

	if (before && !keep_for_more(c, *p, k)) {
		conn_doom(c);
		return false;
	}
	ssize_t used =
	    before ? net_proxy_read(c->opening->data, c->opened, &a) : net_proxy_read(*p, k, &a);
	if (!used && (before || keep_for_more(c, *p, *n)))
		return false;
	c->unnamed = false;
	if (used == -ENOENT && !before)
		return true;
	if (used == -ENOENT) { /* "P" of a request's method, then the rest */
		struct buf *whole = c->opening;

		c->opening = NULL;
		conn_input(c, (const char *)whole->data, before);
		buf_unref(whole);
		return !c->doomed;
	}
	if (used <= 0 || (a.family && !take_name(c, &a))) {
		c->server->refused[REFUSED_HEAD] += used < 0;
		conn_doom(c);
		return false;
	}
	buf_unref(c->opening);
	c->opening = NULL;
	*p += (size_t)used - before;
	*n -= (size_t)used - before;
	return *n > 0;
}
