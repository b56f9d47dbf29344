/* A TCP socket and a stream, pumped both ways. The socket reads only what the stream has room for,
 * and the stream is consumed only as the socket takes it, so a slow end slows the other and nothing
 * is kept in between. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "relay/priv.h"

#define PUSH_IOV 32
#define TURN_MAX ((size_t)128 << 10) /* bytes of one turn each way, before others get theirs */

void conn_set_options(int fd)
{
	const int one = 1, idle = 120, interval = 30, count = 4;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

void conn_reset_fd(int fd)
{
	const struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

int conn_create(struct relay_link *k, struct tunnel_stream *s, struct relay_meter *m,
		struct relay_conn **out)
{
	struct relay_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		tunnel_stream_reset(s, TUNNEL_RST_LIMIT);
		tunnel_stream_release(s);
		return -ENOMEM;
	}
	c->owner = k;
	c->stream = s;
	c->meter = m;
	c->fd = -1;
	tunnel_stream_set_user(s, c);
	list_append(&k->conns, &c->link);
	k->nconns++;
	metric_add(m->open, 1);
	metric_add(m->total, 1);
	*out = c;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct relay_conn, poll));
}

/* Takes it out of everything; the stream has been told. */
static void conn_end(struct relay_conn *c, bool reset)
{
	c->closed = true;
	list_remove(&c->link);
	c->owner->nconns--;
	metric_add(c->meter->open, -1);
	tunnel_stream_set_user(c->stream, NULL);
	tunnel_stream_release(c->stream);
	carrier_kick(c->owner->carrier);
	if (c->dial)
		dial_cancel(c->dial);
	if (c->fd < 0) {
		free(c);
		return;
	}
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (reset)
		conn_reset_fd(c->fd);
	else
		close(c->fd);
}

void conn_abort(struct relay_conn *c, uint32_t code)
{
	tunnel_stream_reset(c->stream, code);
	conn_end(c, true);
}

/* The socket failed: it was reset, or its peer is gone. */
static void conn_broken(struct relay_conn *c)
{
	conn_abort(c, TUNNEL_RST_CANCEL);
}

/* From the socket into the stream. */
static void pull(struct relay_conn *c)
{
	uint8_t *scratch = c->owner->relay->scratch;
	size_t total = 0;

	while (!c->in_ended && total < TURN_MAX) {
		size_t want = MIN(tunnel_stream_room(c->stream), TURN_MAX - total);

		c->paused = !want;
		if (c->paused) {
			/* A write that is not taken asks for WRITABLE; while there is no room none
			 * is. */
			if (tunnel_stream_write(c->stream, scratch, 1))
				conn_broken(c);
			break;
		}
		ssize_t n = recv(c->fd, scratch, want, 0);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				conn_broken(c);
			break;
		}
		if (!n) {
			c->in_ended = true;
			tunnel_stream_finish(c->stream);
			break;
		}
		if (tunnel_stream_write(c->stream, scratch, (size_t)n) != n) {
			conn_broken(c); /* the tunnel closed under us */
			break;
		}
		total += (size_t)n;
		if ((size_t)n < want)
			break;
	}
	if (total)
		metric_add(c->meter->bytes_in, (int64_t)total);
}

/* Some pieces of the stream into the socket: how many bytes it took, 0 for none now, -1 broken. */
static ssize_t push_some(struct relay_conn *c)
{
	struct iovec iov[PUSH_IOV];
	struct msghdr h = {.msg_iov = iov};
	size_t all = 0;

	h.msg_iovlen = tunnel_stream_peekv(c->stream, iov, PUSH_IOV);
	for (size_t i = 0; i < h.msg_iovlen; i++)
		all += iov[i].iov_len;
	if (!all)
		return 0;
	ssize_t w = sendmsg(c->fd, &h, MSG_NOSIGNAL);

	if (w < 0 && errno != EAGAIN && errno != EINTR)
		return -1;
	c->blocked = w < (ssize_t)all;
	tunnel_stream_consume(c->stream, (size_t)MAX(w, 0));
	return MAX(w, 0);
}

/* From the stream into the socket. */
static void push(struct relay_conn *c)
{
	size_t total = 0;
	ssize_t w;

	c->blocked = false;
	while (!c->blocked && (w = push_some(c)) != 0) {
		if (w < 0) {
			conn_broken(c);
			return;
		}
		total += (size_t)w;
		c->blocked = c->blocked || total >= TURN_MAX; /* goes on when poll says so */
	}
	if (total)
		metric_add(c->meter->bytes_out, (int64_t)total);
	if (!c->blocked && !c->out_ended && tunnel_stream_ended(c->stream)) {
		c->out_ended = true;
		shutdown(c->fd, SHUT_WR);
	}
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* While nothing is read, a reset is still noticed; a FIN then waits its turn behind the unread bytes. After
 * the FIN there is nothing to wait for but the reset, which poll tells whatever it is asked for; libuv wants
 * to be asked for something. */
static void watch(struct relay_conn *c)
{
	int events = c->blocked ? UV_WRITABLE : 0;

	if (!c->in_ended)
		events |= c->paused ? UV_DISCONNECT : UV_READABLE;
	else if (!events && !c->urgent)
		events = UV_PRIORITIZED;
	if (events == c->watched)
		return;
	c->watched = (uint8_t)events;
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

/* After anything happened. */
static void settle(struct relay_conn *c)
{
	if (c->closed)
		return;
	carrier_kick(c->owner->carrier);
	if (c->in_ended && c->out_ended)
		conn_end(c, false);
	else
		watch(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct relay_conn *c = container_of(poll, struct relay_conn, poll);
	int err = 0;
	socklen_t n = sizeof(err);

	if (status < 0 || (events & UV_DISCONNECT)) {
		c->watched = 0; /* libuv stopped, or would tell of the FIN for ever */
		uv_poll_stop(poll);
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n);
		if (err || status < 0) {
			conn_broken(c);
			return;
		}
		if (c->paused && !(events & UV_WRITABLE))
			return;
	}
	if (events & UV_PRIORITIZED)
		c->urgent = true; /* urgent data that nobody takes would be told for ever */
	if ((events & UV_READABLE) && !c->in_ended)
		pull(c);
	if (!c->closed && (events & UV_WRITABLE))
		push(c);
	settle(c);
}

void conn_start(struct relay_conn *c, int fd)
{
	c->fd = fd;
	if (uv_poll_init(loop_uv(c->owner->relay->loop), &c->poll, fd)) {
		c->fd = -1;
		conn_reset_fd(fd);
		conn_abort(c, TUNNEL_RST_CANCEL);
		return;
	}
	pull(c);
	if (!c->closed)
		push(c);
	settle(c);
}

void conn_event(struct relay_conn *c, const struct tunnel_event *ev)
{
	if (ev->type == TUNNEL_EV_STREAM_RESET) {
		conn_end(c, true);
		return;
	}
	if (c->fd < 0) /* still connecting: the bytes wait in the stream */
		return;
	if (ev->type == TUNNEL_EV_STREAM_READABLE && !c->blocked)
		push(c);
	else if (ev->type == TUNNEL_EV_STREAM_WRITABLE)
		pull(c);
	settle(c);
}
