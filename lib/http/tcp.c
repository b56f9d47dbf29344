#include "http/server.h"

#include <errno.h>

#include "log/log.h"
#include "loop/uv.h"

struct listener {
	uv_tcp_t tcp;
	struct http_server *server;
};

struct tcp {
	uv_tcp_t tcp;
	struct conn *conn; /* NULL: refused, or still being accepted */
	struct http_server *server;
	struct net_addr peer;
	uv_write_t write;
	uv_shutdown_t shutdown;
	bool counted;
};

/* One thread, and conn_input copies what it keeps: all connections read into the same memory. */
static char shared[65536];

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
	*b = uv_buf_init(shared, sizeof(shared));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct tcp *t = container_of(s, struct tcp, tcp);

	if (!t->conn)
		return;
	if (n > 0)
		conn_input(t->conn, b->base, (size_t)n);
	else if (n == UV_EOF) {
		uv_read_stop(s);
		conn_eof(t->conn);
	} else if (n < 0)
		conn_doom(t->conn);
}

static void on_written(uv_write_t *w, int status)
{
	struct tcp *t = container_of(w, struct tcp, write);

	if (t->conn && !uv_is_closing((uv_handle_t *)&t->tcp))
		conn_sent(t->conn, status);
}

static ssize_t tcp_send(void *arg, const struct iovec *v, int n)
{
	struct tcp *t = arg;
	uv_buf_t bufs[64] = {{0}};
	int i = 0;

	n = MIN(n, (int)ARRAY_LEN(bufs));
	for (int k = 0; k < n; k++)
		bufs[k] = uv_buf_init(v[k].iov_base, (unsigned)v[k].iov_len);
	int sent = uv_try_write((uv_stream_t *)&t->tcp, bufs, (unsigned)n);
	if (sent == UV_EAGAIN)
		sent = 0;
	if (sent < 0)
		return sent;
	size_t skip = (size_t)sent;
	while (i < n && skip >= bufs[i].len)
		skip -= bufs[i++].len;
	if (i == n)
		return sent;
	bufs[i] = uv_buf_init(bufs[i].base + skip, (unsigned)(bufs[i].len - skip));
	int rc =
	    uv_write(&t->write, (uv_stream_t *)&t->tcp, bufs + i, (unsigned)(n - i), on_written);
	return rc ? rc : sent;
}

static size_t tcp_flying(void *arg)
{
	struct tcp *t = arg;

	return uv_stream_get_write_queue_size((uv_stream_t *)&t->tcp);
}

static int tcp_read(void *arg, bool on)
{
	struct tcp *t = arg;
	uv_stream_t *s = (uv_stream_t *)&t->tcp;
	int rc = on ? uv_read_start(s, on_alloc, on_read) : uv_read_stop(s);

	return rc == UV_EALREADY ? 0 : rc;
}

static void tcp_shutdown(void *arg)
{
	struct tcp *t = arg;

	uv_shutdown(&t->shutdown, (uv_stream_t *)&t->tcp, NULL);
}

static void on_closed(uv_handle_t *h)
{
	struct tcp *t = container_of((uv_tcp_t *)h, struct tcp, tcp);
	struct http_server *s = t->server;

	if (t->conn) {
		conn_free(t->conn);
		s->nconns--;
	}
	if (t->counted)
		peers_leave(&s->peers, &t->peer);
	free(t);
	server_unpin(s);
}

static void tcp_close(void *arg)
{
	struct tcp *t = arg;

	uv_close((uv_handle_t *)&t->tcp, on_closed);
}

static const struct transport_ops tcp_ops = {
    .send = tcp_send,
    .flying = tcp_flying,
    .read = tcp_read,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
};

/* ---- accepting ---- */

static int accepted(struct tcp *t, struct listener *l)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	int rc = uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&t->tcp);

	if (rc)
		return rc;
	rc = uv_tcp_getpeername(&t->tcp, (struct sockaddr *)&ss, &len);
	if (rc)
		return rc;
	rc = net_addr_from_sockaddr((struct sockaddr *)&ss, (socklen_t)len, &t->peer);
	if (rc)
		return rc;
	t->peer.port = 0;
	uv_tcp_nodelay(&t->tcp, 1);
	uv_tcp_keepalive(&t->tcp, 1, 60);
	rc = peers_enter(&t->server->peers, &t->peer, t->server->lim.conns_per_addr);
	if (rc) {
		t->server->refused[REFUSED_ADDRESS]++;
		return rc;
	}
	t->counted = true;
	t->conn = server_accept(t->server, &tcp_ops, t, &t->peer);
	return t->conn ? tcp_read(t, true) : -EBUSY;
}

static void on_connection(uv_stream_t *s, int status)
{
	struct listener *l = container_of(s, struct listener, tcp);
	static struct log_limit limit;

	if (status < 0) { /* out of descriptors, most likely */
		if (log_allow(&limit, 1, 10 * SEC_US, loop_now_us(l->server->loop)))
			log_warn("http", "cannot accept: %s", uv_strerror(status));
		return;
	}
	struct tcp *t = calloc(1, sizeof(*t));
	if (!t)
		return;
	t->server = l->server;
	if (uv_tcp_init(loop_uv(l->server->loop), &t->tcp)) {
		free(t);
		return;
	}
	server_pin(t->server);
	if (!accepted(t, l))
		return;
	if (t->conn)
		conn_doom(t->conn);
	else
		tcp_close(t);
}

int tcp_listen(struct http_server *s, const struct net_addr *a)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->server = s;
	int rc = uv_tcp_init(loop_uv(s->loop), &l->tcp);
	if (rc) {
		free(l);
		return rc;
	}
	s->listener = l;
	server_pin(s);
	net_addr_to_sockaddr(a, &ss);
	rc = uv_tcp_bind(&l->tcp, (struct sockaddr *)&ss, 0);
	if (!rc)
		rc = uv_listen((uv_stream_t *)&l->tcp, 1024, on_connection);
	if (!rc)
		rc = uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&ss, &len);
	if (!rc) {
		struct net_addr real;

		rc = net_addr_from_sockaddr((struct sockaddr *)&ss, (socklen_t)len, &real);
		s->port = rc ? 0 : real.port;
	}
	return rc;
}

static void on_listener_closed(uv_handle_t *h)
{
	struct listener *l = container_of((uv_tcp_t *)h, struct listener, tcp);
	struct http_server *s = l->server;

	free(l);
	server_unpin(s);
}

void tcp_listener_close(struct http_server *s)
{
	struct listener *l = s->listener;

	s->listener = NULL;
	if (l)
		uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
}
