/* web: many HTTP connections of one process, for the benches' viewers: HTTP/1.1 and HTTP/2 (nghttp2), in clear and by TLS
 * (OpenSSL), on one epoll. A connection is opened by its first request and again by the next one after it broke.
 * HTTP/1.1 has one request under way on a connection, HTTP/2 as many as it likes.
 *
 * Callbacks run inside web_turn; a `done` may ask again by the same web_get. */
#ifndef GEX_TESTS_BENCH_WEB_H
#define GEX_TESTS_BENCH_WEB_H

#include "probe.h"

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <strings.h>
#include <sys/epoll.h>

/* What comes within so long is taken at once, as a network card tells of many packets by one interrupt. Who slept until each
 * single one would be woken by the server's core, which viewers elsewhere are not. */
#define WEB_NAP_US 500

struct web {
	struct sockaddr_storage to;
	socklen_t to_len;
	char host[80]; /* of the request */
	int epoll;
	SSL_CTX *tls; /* NULL: in clear */
	bool h2;
	unsigned sources; /* addresses that connections to 127.0.0.0/8 come from */
	int64_t opened, broken, bytes;
	unsigned nap_us; /* before the next look */
};

/* One request. path, body and done are the asker's; status, length and left are told. */
struct web_get {
	const char *path;
	/* Bytes of the body as they come; NULL: only counted. */
	void (*body)(struct web_get *g, const char *p, size_t n);
	/* status 0: the connection broke before the end. */
	void (*done)(struct web_get *g);
	int status;
	bool gzip;
	int64_t length, got; /* of the body; length -1: not told */
	int32_t stream;
};

struct web_conn {
	struct web *web;
	int fd; /* -1: closed */
	uint32_t watched;
	SSL *ssl;
	bool connected, shaken, reading;
	char *out;
	size_t out_len, out_cap;
	nghttp2_session *h2;
	struct web_get *get; /* of HTTP/1.1 */
	char head[2048];
	size_t head_len;
};

static inline void web_close(struct web_conn *c);

static inline void web_watch(struct web_conn *c)
{
	bool more = c->out_len || !c->connected;
	uint32_t want = EPOLLIN | (more ? EPOLLOUT : 0);
	struct epoll_event e = {.events = want, .data.ptr = c};

	if (want == c->watched)
		return;
	if (epoll_ctl(c->web->epoll, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e))
		die("epoll");
	c->watched = want;
}

/* ---- output ---- */

static inline void web_put(struct web_conn *c, const void *p, size_t n)
{
	if (c->out_len + n > c->out_cap) {
		c->out_cap = c->out_len + n + 256;
		c->out = realloc(c->out, c->out_cap);
		if (!c->out)
			die("memory");
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
}

static inline void web_put_h2(struct web_conn *c)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->h2, &p)) > 0)
		web_put(c, p, (size_t)n);
}

/* Bytes that went, 0 for none now, -1 when it broke. */
static inline ssize_t web_write(struct web_conn *c)
{
	if (!c->ssl) {
		ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);

		return n < 0 && errno == EAGAIN ? 0 : n;
	}
	int n = SSL_write(c->ssl, c->out, (int)c->out_len);
	int why = n > 0 ? 0 : SSL_get_error(c->ssl, n);
	return n > 0 ? n : why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

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

/* ---- HTTP/2 ---- */

static inline int web_on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name,
				size_t nn, const uint8_t *value, size_t nv, uint8_t flags,
				void *arg)
{
	struct web_get *g = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);

	if (g && nn == 7 && !memcmp(name, ":status", 7))
		g->status = atoi((const char *)value);
	else if (g && nn == 14 && !memcmp(name, "content-length", 14))
		g->length = atoll((const char *)value);
	else if (g && nn == 16 && !memcmp(name, "content-encoding", 16))
		g->gzip = nv == 4;
	return 0;
}

static inline int web_on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p,
			      size_t n, void *arg)
{
	struct web_get *g = nghttp2_session_get_stream_user_data(s, id);

	if (!g)
		return 0;
	g->got += (int64_t)n;
	if (g->body)
		g->body(g, (const char *)p, n);
	return 0;
}

static inline int web_on_end(nghttp2_session *s, int32_t id, uint32_t error, void *arg)
{
	struct web_get *g = nghttp2_session_get_stream_user_data(s, id);

	if (!g)
		return 0;
	if (error)
		g->status = 0;
	g->stream = 0;
	g->done(g);
	return 0;
}

static inline void web_open_h2(struct web_conn *c)
{
	const nghttp2_settings_entry set[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
					      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 6 << 20}};
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(&cb))
		die("memory");
	nghttp2_session_callbacks_set_on_header_callback(cb, web_on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, web_on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, web_on_end);
	if (nghttp2_session_client_new(&c->h2, cb, c))
		die("memory");
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, set, ARRAY_LEN(set));
	nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, 15 << 20);
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
	if (connect(c->fd, (struct sockaddr *)&w->to, w->to_len) && errno != EINPROGRESS)
		die("connect");
	c->watched = 0;
	c->connected = c->shaken = false;
	c->out_len = c->head_len = 0;
	if (w->h2)
		web_open_h2(c);
	if (w->tls) {
		c->ssl = SSL_new(w->tls);
		if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
			die("TLS");
		SSL_set_connect_state(c->ssl);
	}
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

static inline nghttp2_nv web_nv(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			    strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static inline void web_ask_h2(struct web_conn *c, struct web_get *g)
{
	const nghttp2_nv nv[] = {
	    web_nv(":method", "GET"),
	    web_nv(":path", g->path),
	    web_nv(":scheme", c->web->tls ? "https" : "http"),
	    web_nv(":authority", c->web->host),
	    web_nv("accept-encoding", "gzip"),
	    web_nv("user-agent", "hls-crowd"),
	};

	g->stream = nghttp2_submit_request(c->h2, NULL, nv, ARRAY_LEN(nv), NULL, g);
	if (g->stream < 0)
		die("HTTP/2 request");
}

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

static inline const char *web_field(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at ? at + strlen(name) : NULL;
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
	const char *length = web_field(c->head, "\r\ncontent-length: ");
	g->status = atoi(c->head + 9);
	g->gzip = web_field(c->head, "\r\ncontent-encoding: gzip");
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

static inline ssize_t web_read(struct web_conn *c, char *p, size_t cap)
{
	if (!c->ssl) {
		ssize_t n = recv(c->fd, p, cap, 0);

		return n < 0 && errno == EAGAIN ? -EAGAIN : n;
	}
	int n = SSL_read(c->ssl, p, (int)cap);
	return n > 0 ? n : SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? -EAGAIN : -1;
}

static inline bool web_shake(struct web_conn *c)
{
	int rc = SSL_do_handshake(c->ssl);
	int why = rc == 1 ? 0 : SSL_get_error(c->ssl, rc);

	c->shaken = rc == 1;
	return rc == 1 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static inline void web_event(struct web_conn *c, uint32_t events)
{
	static char shared[1 << 17];

	if (c->fd < 0)
		return;
	if (events & (EPOLLERR | EPOLLHUP)) {
		web_close(c);
		return;
	}
	c->connected |= events & EPOLLOUT;
	if (c->ssl && !c->shaken && !web_shake(c)) {
		web_close(c);
		return;
	}
	web_watch(c);
	web_flush(c);
	for (int i = 0; i < 16 && c->fd >= 0 && (!c->ssl || c->shaken); i++) {
		ssize_t n = web_read(c, shared, sizeof(shared));

		if (n == -EAGAIN)
			return;
		if (n <= 0)
			web_close(c);
		else
			web_input(c, shared, (size_t)n);
		if (!c->ssl && n < (ssize_t)sizeof(shared))
			return;
	}
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
