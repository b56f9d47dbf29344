/* Inside web: a connection's bytes, in clear or by TLS, and when they came. */
#ifndef GEX_TESTS_BENCH_WEB_CONN_H
#define GEX_TESTS_BENCH_WEB_CONN_H

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

/* One request. path, body and done are the asker's; the rest is told. */
struct web_get {
	const char *path;
	/* Bytes of the body as they come; NULL: only counted. */
	void (*body)(struct web_get *g, const char *p, size_t n);
	/* status 0: the connection broke before the end. */
	void (*done)(struct web_get *g);
	int status;
	bool gzip;
	int64_t length, got; /* of the body; length -1: not told */
	int64_t came_us;     /* when its last packet came in, UTC, whenever it was read */
	int32_t stream;
};

struct web_conn {
	struct web *web;
	int fd; /* -1: closed */
	uint32_t watched;
	SSL *ssl;
	int64_t came_us; /* of the last packet read */
	bool connected, shaken, reading;
	char *out;
	size_t out_len, out_cap;
	nghttp2_session *h2;
	struct web_get *get; /* of HTTP/1.1 */
	char head[2048];
	size_t head_len;
};

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

/* ---- input ---- */

/* Takes what came; when, tells the kernel. Bytes, 0 at the end, -EAGAIN for none now, -1 when it broke. */
static inline ssize_t web_read(struct web_conn *c, char *p, size_t cap)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec v = {p, cap};
	struct msghdr m = {
	    .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	ssize_t n = recvmsg(c->fd, &m, 0);
	const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	struct timespec t;

	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMPNS) {
		memcpy(&t, CMSG_DATA(h), sizeof(t));
		c->came_us = t.tv_sec * SEC_US + t.tv_nsec / 1000;
	}
	return n < 0 && errno == EAGAIN ? -EAGAIN : n;
}

/* Records are read from memory, for what came by when, and written to the socket. */
static inline void web_open_tls(struct web_conn *c)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new_socket(c->fd, BIO_NOCLOSE);

	c->ssl = SSL_new(c->web->tls);
	if (!c->ssl || !in || !out)
		die("TLS");
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(c->ssl, in, out);
	SSL_set_connect_state(c->ssl);
}

static inline bool web_shake(struct web_conn *c)
{
	int rc = SSL_do_handshake(c->ssl);
	int why = rc == 1 ? 0 : SSL_get_error(c->ssl, rc);

	c->shaken = rc == 1;
	return rc == 1 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}
#endif
