/* The client's side of the tls carrier: keeps one connection up. The tunnel knows it by one address
 * for all connections after each other, so it outlives them. */
#include "carrier/tls.h"

#include <errno.h>
#include <unistd.h>

#define RETRY_MIN_US (100 * MS_US)
#define RETRY_MAX_US (5 * SEC_US)

struct tls_client {
	struct carrier_path base;
	struct carrier_to to;
	struct crypt_ring ring;
	struct tunnel_addr addr;
	struct client_conn *conn; /* NULL: between two tries */
	unsigned conns;		  /* that have memory still */
	struct loop_timer retry;
	int64_t gap_us;
	int status;
	bool held, closed;
};

struct client_conn {
	struct tls_conn base;
	struct tls_client *of;
};

static struct tls_client *client_of(struct carrier_path *p)
{
	return container_of(p, struct tls_client, base);
}

static void maybe_free(struct tls_client *p)
{
	if (!p->closed || p->conns)
		return;
	crypt_wipe(&p->ring, sizeof(p->ring));
	free(p);
}

static void on_opened(struct tls_conn *c)
{
	struct tls_client *p = client_of(c->path);

	p->status = 0;
	p->gap_us = RETRY_MIN_US;
	tls_conn_flush(c);
	if (c->state == TLS_OPEN && p->held) {
		p->held = false;
		carrier_hold(c->path, &p->addr, false);
	}
}

static void on_room(struct tls_conn *c)
{
	struct tls_client *p = client_of(c->path);

	p->held = false;
	carrier_hold(c->path, &p->addr, false);
	carrier_unblocked(c->path);
}

static void on_ended(struct tls_conn *c, int why)
{
	struct tls_client *p = client_of(c->path);

	p->status = why;
	p->conn = NULL;
	tls_conn_close(c);
	loop_timer_in(&p->retry, p->gap_us);
	p->gap_us = MIN(p->gap_us * 2, RETRY_MAX_US);
}

static void on_gone(struct tls_conn *c)
{
	struct client_conn *x = container_of(c, struct client_conn, base);
	struct tls_client *p = x->of;

	free(x);
	p->conns--;
	maybe_free(p);
}

static const struct tls_conn_ops conn_ops = {on_opened, on_room, on_ended, on_gone};

/* 0, or why it could not even begin. */
static int try_connect(struct tls_client *p)
{
	struct client_conn *x = calloc(1, sizeof(*x));
	struct sockaddr_storage ss;
	socklen_t n = net_addr_to_sockaddr(&p->to.peer, &ss);
	int fd, r;

	if (!x)
		return -ENOMEM;
	x->of = p;
	x->base.ops = &conn_ops;
	x->base.path = &p->base;
	x->base.addr = p->addr;
	r = tls_socket_open(p->to.peer.family, &p->to.bind, p->to.device, &fd);
	if (r)
		goto fail;
	tls_socket_options(fd);
	if (connect(fd, (struct sockaddr *)&ss, n) && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		goto fail;
	}
	r = tls_conn_start(&x->base, fd, true, false, &p->ring);
	if (r)
		goto fail;
	p->conn = x;
	p->conns++;
	return 0;
fail:
	free(x);
	return r;
}

static void on_retry(void *arg)
{
	struct tls_client *p = arg;
	int r = try_connect(p);

	if (!r)
		return;
	p->status = r;
	loop_timer_in(&p->retry, p->gap_us);
	p->gap_us = MIN(p->gap_us * 2, RETRY_MAX_US);
}

/* ---- what the carrier asks of it ---- */

static bool path_put(struct carrier_path *base, const struct tunnel_addr *to, const void *dgram,
		     size_t n)
{
	struct tls_client *p = client_of(base);

	p->held = !p->conn || !tls_conn_put(&p->conn->base, dgram, n);
	return !p->held;
}

static void path_flush(struct carrier_path *base)
{
	struct tls_client *p = client_of(base);

	if (p->conn)
		tls_conn_flush(&p->conn->base);
}

static int path_local(const struct carrier_path *base, struct net_addr *out)
{
	const struct tls_client *p = container_of(base, struct tls_client, base);
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (!p->conn || getsockname(p->conn->base.fd, (struct sockaddr *)&ss, &n))
		return -ENOTCONN;
	return net_addr_from_sockaddr((struct sockaddr *)&ss, n, out);
}

static int path_status(const struct carrier_path *base)
{
	return container_of(base, struct tls_client, base)->status;
}

static void path_addr(const struct carrier_path *base, struct tunnel_addr *out)
{
	*out = container_of(base, struct tls_client, base)->addr;
}

static void path_close(struct carrier_path *base)
{
	struct tls_client *p = client_of(base);

	p->closed = true;
	loop_timer_stop(&p->retry);
	if (p->conn)
		tls_conn_close(&p->conn->base);
	p->conn = NULL;
	maybe_free(p);
}

static const struct carrier_path_ops ops = {
    .kind = CARRIER_TLS,
    .put = path_put,
    .flush = path_flush,
    .local = path_local,
    .status = path_status,
    .addr = path_addr,
    .close = path_close,
};

int tls_client_create(struct carrier *c, int index, const struct carrier_to *to,
		      struct carrier_path **out)
{
	struct tls_client *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->base = (struct carrier_path){&ops, c, index};
	p->to = *to;
	p->ring.n = 1;
	p->ring.key[0] = to->ring->key[0];
	p->to.ring = &p->ring;
	p->status = -EINPROGRESS;
	p->gap_us = RETRY_MIN_US;
	carrier_addr(&to->peer, &p->addr);
	p->addr.len |= TUNNEL_ADDR_RELIABLE;
	loop_timer_init(carrier_loop(c), &p->retry, on_retry, p);
	r = try_connect(p);
	if (r) {
		p->closed = true;
		maybe_free(p);
		return r;
	}
	*out = &p->base;
	return 0;
}
