/* web: many HTTP connections of one process, for the benches' viewers: HTTP/1.1 and HTTP/2 (nghttp2), in clear and by TLS
 * (OpenSSL), on one epoll. A connection is opened by its first request and again by the next one after it broke.
 * HTTP/1.1 has one request under way on a connection, HTTP/2 as many as it likes.
 *
 * Callbacks run inside web_turn; a `done` may ask again by the same web_get. */
#ifndef GEX_TESTS_BENCH_WEB_H
#define GEX_TESTS_BENCH_WEB_H

#include "web_h2.h"

static inline void web_close(struct web_conn *c);

static inline void web_flush(struct web_conn *c)
{
	if (c->fd < 0 || !c->connected || c->reading || (c->ssl && !c->shaken))
		return;
	if (c->h2)
		web_put_h2(c);
	while (c->out_len) {
		ssize_t n = web_write(c);

		if (n < 0) {
			web_close(c);
			return;
		}
		if (!n)
			break;
		c->out_len -= (size_t)n;
		memmove(c->out, c->out + n, c->out_len);
	}
	web_watch(c);
}

/* ---- opening and closing ---- */

static inline void web_choose_source(struct web *w, int fd)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&w->to;
	struct sockaddr_in from = {.sin_family = AF_INET};

	if (!w->sources || to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127)
		return;
	set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	from.sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(w->opened % w->sources));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("bind");
}

static inline void web_open(struct web_conn *c)
{
	struct web *w = c->web;

	c->fd = socket(w->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket");
	web_choose_source(w, c->fd);
	w->opened++;
	set_option(c->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	if (connect(c->fd, (struct sockaddr *)&w->to, w->to_len) && errno != EINPROGRESS)
		die("connect");
	c->watched = 0;
	c->connected = c->shaken = false;
	c->out_len = c->head_len = 0;
	if (w->h2)
		web_open_h2(c);
	if (w->tls)
		web_open_tls(c);
	web_watch(c);
}

/* What was under way on it has failed. */
static inline void web_close(struct web_conn *c)
{
	struct web_get *lost[64];
	size_t n = 0;

	if (c->fd < 0)
		return;
	for (int32_t id = 1;
	     c->h2 && id < (int32_t)nghttp2_session_get_next_stream_id(c->h2) && n < 64; id += 2) {
		struct web_get *g = nghttp2_session_get_stream_user_data(c->h2, id);

		if (g && g->stream == id)
			lost[n++] = g;
	}
	if (c->get)
		lost[n++] = c->get;
	c->get = NULL;
	nghttp2_session_del(c->h2);
	c->h2 = NULL;
	SSL_free(c->ssl);
	c->ssl = NULL;
	ERR_clear_error();
	tcp_reset(c->fd);
	c->fd = -1;
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_cap = 0;
	c->web->broken++;
	for (size_t i = 0; i < n; i++) {
		lost[i]->status = 0;
		lost[i]->stream = 0;
		lost[i]->done(lost[i]);
	}
}

/* Leaves it, without a word to anybody. */
static inline void web_leave(struct web_conn *c)
{
	if (c->fd >= 0) {
		nghttp2_session_del(c->h2);
		SSL_free(c->ssl);
		tcp_reset(c->fd);
	}
	free(c->out);
	c->fd = -1;
}

/* ---- asking ---- */

/* On a connection of HTTP/1.1 that has none under way. */
static inline void web_ask(struct web_conn *c, struct web_get *g)
{
	char head[1024];

	g->status = 0;
	g->gzip = false;
	g->length = -1;
	g->got = 0;
	if (c->fd < 0)
		web_open(c);
	if (c->h2) {
		web_ask_h2(c, g);
	} else {
		int n = snprintf(head, sizeof(head),
				 "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hls-crowd\r\n"
				 "Accept-Encoding: gzip\r\n\r\n",
				 g->path, c->web->host);

		c->get = g;
		web_put(c, head, MIN((size_t)n, sizeof(head) - 1));
	}
	web_flush(c);
}

/* ---- input ---- */

/* The value of a field, "name: ", of a head. */
static inline const char *web_field(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = head; (p = strchr(p, '\n'));)
		if (!strncasecmp(++p, name, n))
			return p + n;
	return NULL;
}

/* Takes the head's bytes out of p; how many, or -1. c->head is empty again when it was whole. */
static inline ssize_t web_read_head(struct web_conn *c, const char *p, size_t n)
{
	size_t k = MIN(n, sizeof(c->head) - 1 - c->head_len), before = c->head_len;
	struct web_get *g = c->get;

	memcpy(c->head + c->head_len, p, k);
	c->head_len += k;
	c->head[c->head_len] = 0;
	const char *end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return c->head_len == sizeof(c->head) - 1 ? -1 : (ssize_t)k;
	size_t used = (size_t)(end + 4 - c->head) - before;
	c->head[end + 4 - c->head] = 0;
	const char *length = web_field(c->head, "content-length: ");
	g->status = atoi(c->head + 9);
	g->gzip = web_field(c->head, "content-encoding: gzip");
	g->length = length ? atoll(length) : -1;
	c->head_len = 0;
	return length ? (ssize_t)used : -1;
}

static inline void web_input_h1(struct web_conn *c, const char *p, size_t n)
{
	while (n && c->fd >= 0) {
		struct web_get *g = c->get;
		size_t k;

		if (!g) { /* nobody asked: 408 before it is closed */
			web_close(c);
			return;
		}
		if (g->length < 0) {
			ssize_t used = web_read_head(c, p, n);

			if (used < 0) {
				web_close(c);
				return;
			}
			k = (size_t)used;
		} else {
			k = (size_t)MIN((int64_t)n, g->length - g->got);
			g->got += (int64_t)k;
			if (g->body)
				g->body(g, p, k);
		}
		p += k;
		n -= k;
		if (g->length >= 0 && g->got == g->length) {
			c->get = NULL;
			g->came_us = c->came_us;
			g->done(g);
		}
	}
}

static inline void web_input(struct web_conn *c, const char *p, size_t n)
{
	c->web->bytes += (int64_t)n;
	if (!c->h2) {
		web_input_h1(c, p, n);
		return;
	}
	c->reading = true;
	bool ok = nghttp2_session_mem_recv(c->h2, (const uint8_t *)p, n) == (ssize_t)n;
	c->reading = false;
	if (!ok || (!nghttp2_session_want_read(c->h2) && !nghttp2_session_want_write(c->h2)))
		web_close(c);
	else
		web_flush(c);
}

/* Records that came; false when it broke. */
static inline bool web_unseal(struct web_conn *c, const char *p, size_t n)
{
	static char plain[16384];
	int k = 0;

	if (BIO_write(SSL_get_rbio(c->ssl), p, (int)n) != (int)n)
		die("memory");
	if (!c->shaken) {
		if (!web_shake(c))
			return false;
		web_flush(c);
	}
	while (c->fd >= 0 && c->shaken && (k = SSL_read(c->ssl, plain, sizeof(plain))) > 0)
		web_input(c, plain, (size_t)k);
	return c->fd < 0 || !c->shaken || SSL_get_error(c->ssl, k) == SSL_ERROR_WANT_READ;
}

static inline void web_take(struct web_conn *c)
{
	static char shared[1 << 17];
	ssize_t n;

	do {
		n = web_read(c, shared, sizeof(shared));
		if (n == -EAGAIN)
			return;
		bool ok = n > 0 && (!c->ssl || web_unseal(c, shared, (size_t)n));
		if (!ok)
			web_close(c);
		else if (!c->ssl)
			web_input(c, shared, (size_t)n);
	} while (c->fd >= 0 && n == (ssize_t)sizeof(shared));
}

static inline void web_event(struct web_conn *c, uint32_t events)
{
	if (c->fd < 0)
		return;
	if (events & (EPOLLERR | EPOLLHUP)) {
		web_close(c);
		return;
	}
	bool begins = c->ssl && !c->connected && (events & EPOLLOUT);
	c->connected |= events & EPOLLOUT;
	if (begins && !web_shake(c)) {
		web_close(c);
		return;
	}
	if (events & EPOLLOUT)
		web_flush(c);
	if (c->fd >= 0)
		web_watch(c);
	if (c->fd >= 0 && (events & EPOLLIN))
		web_take(c);
}

/* Waits at most so long for something, and does what is to be done. */
static inline void web_turn(struct web *w, int ms)
{
	struct epoll_event e[256];
	int n;

	if (w->nap_us)
		usleep(w->nap_us);
	n = epoll_wait(w->epoll, e, ARRAY_LEN(e), ms);
	w->nap_us = n < (int)ARRAY_LEN(e) ? WEB_NAP_US : 0;

	for (int i = 0; i < n; i++)
		web_event(e[i].data.ptr, e[i].events);
}

/* "http://HOST:PORT" or "https://HOST:PORT", numeric; what follows is left in *path. */
static inline void web_init(struct web *w, const char *url, bool h2, const char **path)
{
	static const uint8_t alpn[] = "\x02h2\x08http/1.1";
	char host[64], port[8];
	bool tls = !strncmp(url, "https://", 8);
	int used = 0;

	errno = EINVAL;
	if (sscanf(url + (tls ? 8 : 7), "%63[^:/]:%7[0-9]%n", host, port, &used) != 2)
		die(url);
	*path = url + (tls ? 8 : 7) + used;
	w->to_len = address(host, port, &w->to);
	snprintf(w->host, sizeof(w->host), "%s:%s", host, port);
	w->h2 = h2;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!tls)
		return;
	w->tls = SSL_CTX_new(TLS_client_method());
	if (!w->tls)
		die("TLS");
	SSL_CTX_set_mode(w->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
				     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				     SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_protos(w->tls, alpn, h2 ? 3 : sizeof(alpn) - 1);
	if (!h2)
		SSL_CTX_set_alpn_protos(w->tls, alpn + 3, 9);
}

#endif
