#include "carrier/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define READ_SIZE 65536
#define READ_ROUNDS 8 /* before others get their turn */
#define TUNE_US (100 * MS_US)
#define BACKLOG_US (4 * MS_US) /* so much may wait in the kernel, and the half of it here */
#define BACKLOG_MIN (8 << 10)
#define BACKLOG_MAX (128 << 10)
#define LOST_MS 10000 /* TCP gives up when nothing is acknowledged for so long */

/* One thread, and nothing of these lives longer than a call. */
static uint8_t wire[READ_SIZE];
static uint8_t plain[TLS_KEEP];

/* ---- sockets ---- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* What the kernel lacks of these is done without. */
void tls_socket_options(int fd)
{
	static const char bbr[] = "bbr";

	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, BACKLOG_MIN);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, LOST_MS);
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bbr, sizeof(bbr) - 1);
}

int tls_socket_open(int family, const struct net_addr *bind_to, const char *device, int *out)
{
	int fd =
	    socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (device && *device &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)))
		r = -errno;
	if (!r && bind_to->family) {
		socklen_t n = net_addr_to_sockaddr(bind_to, &ss);

		r = bind(fd, (struct sockaddr *)&ss, n) ? -errno : 0;
	}
	if (r)
		close(fd);
	else
		*out = fd;
	return r;
}

/* ---- life ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct tls_conn *c)
{
	int want = UV_READABLE;

	if (c->state == TLS_CONNECTING)
		want = UV_WRITABLE;
	else if (c->blocked)
		want |= UV_WRITABLE;
	if (want == c->watched)
		return;
	c->watched = want;
	uv_poll_start(&c->poll, want, on_poll);
}

static void ended(struct tls_conn *c, int why)
{
	if (c->state == TLS_ENDED)
		return;
	c->state = TLS_ENDED;
	uv_poll_stop(&c->poll);
	loop_timer_stop(&c->limit);
	c->ops->ended(c, why);
}

static void on_limit(void *arg)
{
	ended(arg, -ETIMEDOUT);
}

int tls_conn_start(struct tls_conn *c, int fd, bool connecting, bool server,
		   const struct crypt_ring *ring)
{
	struct carrier *carrier = c->path->carrier;
	int r = crypt_tls_create(ring, server, &c->tls);

	c->fd = fd;
	c->keep = sizeof(c->out);
	c->state = connecting ? TLS_CONNECTING : TLS_SHAKING;
	if (!r)
		r = uv_poll_init(loop_uv(carrier_loop(carrier)), &c->poll, fd);
	if (r) {
		crypt_tls_destroy(c->tls);
		close(fd);
		return r;
	}
	carrier_pin(carrier);
	c->heard_us = loop_now_us(carrier_loop(carrier));
	loop_timer_init(carrier_loop(carrier), &c->limit, on_limit, c);
	loop_timer_in(&c->limit, TLS_SHAKE_US);
	watch(c);
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct tls_conn *c = container_of((uv_poll_t *)h, struct tls_conn, poll);
	struct carrier *carrier = c->path->carrier;

	c->ops->gone(c);
	carrier_unpin(carrier);
}

/* A goodbye, as far as it goes without waiting. */
static void say_goodbye(struct tls_conn *c)
{
	const void *data;
	size_t n;

	if (!c->blocked)
		crypt_tls_close(c->tls);
	n = crypt_tls_output(c->tls, &data);
	if (n && !c->blocked)
		send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void tls_conn_close(struct tls_conn *c)
{
	c->state = TLS_ENDED;
	loop_timer_stop(&c->limit);
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	say_goodbye(c);
	close(c->fd);
	crypt_tls_destroy(c->tls);
	c->tls = NULL;
}

/* ---- sending ---- */

/* How much may wait is a matter of how fast it goes; half of what it was, at least, so that a pause
 * in between is no reason to begin anew. */
static void tune(struct tls_conn *c)
{
	int64_t now = loop_now_us(carrier_loop(c->path->carrier)), dt = now - c->tuned_us, want;

	if (dt < TUNE_US)
		return;
	want = base_scale((int64_t)c->sent, BACKLOG_US, dt);
	want = CLAMP(MAX(want, c->backlog / 2), BACKLOG_MIN, BACKLOG_MAX);
	c->tuned_us = now;
	c->sent = 0;
	if (want != c->backlog)
		set_int(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)want);
	c->backlog = want;
	c->keep = (size_t)CLAMP(want / 2, 2 * (2 + TUNNEL_DGRAM_MAX), (int64_t)sizeof(c->out));
}

/* Gives the kernel what is sealed; false when the connection is over. */
static bool send_sealed(struct tls_conn *c)
{
	const void *data;
	size_t n;

	while (!c->blocked && (n = crypt_tls_output(c->tls, &data)) > 0) {
		ssize_t w = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (w >= 0) {
			crypt_tls_sent(c->tls, (size_t)w);
			c->sent += (uint64_t)w;
		} else if (errno == EAGAIN) {
			carrier_counts(c->path->carrier)->blocked++;
			c->blocked = true;
		} else if (errno != EINTR) {
			ended(c, -errno);
			return false;
		}
	}
	watch(c);
	return true;
}

void tls_conn_flush(struct tls_conn *c)
{
	int r;

	if (c->state == TLS_OPEN && c->out_len && !c->blocked) {
		tune(c);
		r = crypt_tls_write(c->tls, c->out, c->out_len);
		c->out_len = 0;
		if (r) {
			ended(c, r);
			return;
		}
	}
	if (c->state == TLS_OPEN || c->state == TLS_SHAKING)
		send_sealed(c);
}

static bool has_room(const struct tls_conn *c)
{
	return c->out_len + 2 + TUNNEL_DGRAM_MAX <= c->keep && !c->blocked;
}

bool tls_conn_put(struct tls_conn *c, const void *dgram, size_t n)
{
	if (c->state == TLS_ENDED)
		return true;
	if (n == 0 || n > TUNNEL_DGRAM_MAX || sizeof(c->out) - c->out_len < 2 + n) {
		carrier_counts(c->path->carrier)->send_errors++;
		return false;
	}
	c->out[c->out_len] = (uint8_t)(n >> 8);
	c->out[c->out_len + 1] = (uint8_t)n;
	memcpy(c->out + c->out_len + 2, dgram, n);
	c->out_len += 2 + n;
	if (!has_room(c) && c->state == TLS_OPEN)
		tls_conn_flush(c);
	if (c->state == TLS_ENDED)
		return true;
	c->wanted = !has_room(c);
	return !c->wanted;
}

static void on_writable(struct tls_conn *c)
{
	c->blocked = false;
	tls_conn_flush(c);
	if (!c->wanted || !has_room(c) || c->state != TLS_OPEN)
		return;
	c->wanted = false;
	c->ops->room(c);
}

/* ---- receiving ---- */

/* How many bytes the datagram that has begun takes with its length; 0: it is none. */
static size_t frame_len(const struct tls_conn *c)
{
	size_t n = (size_t)c->in[0] << 8 | c->in[1];

	if (c->in_len < 2)
		return 2;
	return n == 0 || n > TUNNEL_DGRAM_MAX ? 0 : 2 + n;
}

/* Cuts the stream into datagrams. False when it is not of this kind. */
static bool take(struct tls_conn *c, const uint8_t *data, size_t n)
{
	while (n > 0) {
		size_t more = MIN(n, frame_len(c) - c->in_len);

		memcpy(c->in + c->in_len, data, more);
		c->in_len += more;
		data += more;
		n -= more;
		if (!frame_len(c))
			return false;
		if (c->in_len == frame_len(c)) {
			carrier_receive(c->path, c->in + 2, c->in_len - 2, &c->addr);
			c->in_len = 0;
		}
	}
	return true;
}

/* 0, or why it is over. */
static int take_bytes(struct tls_conn *c, size_t n)
{
	int r = crypt_tls_input(c->tls, wire, n);
	ssize_t len;

	if (r == 1 && c->state == TLS_SHAKING) {
		c->state = TLS_OPEN;
		loop_timer_stop(&c->limit);
		c->ops->opened(c);
	}
	while (r >= 0 && (len = crypt_tls_read(c->tls, plain, sizeof(plain))) != 0) {
		if (len < 0)
			r = (int)len;
		else if (!take(c, plain, (size_t)len))
			r = -EPROTO;
	}
	return MIN(r, 0);
}

/* 0; 1 when there may be more; or why it is over. */
static int receive(struct tls_conn *c)
{
	ssize_t n = recv(c->fd, wire, sizeof(wire), MSG_DONTWAIT);
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->heard_us = loop_now_us(carrier_loop(c->path->carrier));
	r = take_bytes(c, (size_t)n);
	return r ? r : n == sizeof(wire);
}

static void on_readable(struct tls_conn *c)
{
	struct carrier_path *path = c->path;
	int r = 1;

	for (int i = 0; i < READ_ROUNDS && r > 0 && c->state != TLS_ENDED; i++) {
		carrier_counts(path->carrier)->recv_calls++;
		r = receive(c);
	}
	if (c->state != TLS_ENDED)
		send_sealed(c); /* the handshake's answer, an alert */
	if (r < 0)
		ended(c, r);
	carrier_received(path);
}

static void on_connected(struct tls_conn *c)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n))
		err = errno;
	if (err) {
		ended(c, -err);
		return;
	}
	c->state = TLS_SHAKING;
	send_sealed(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct tls_conn *c = container_of(poll, struct tls_conn, poll);

	if (status < 0)
		c->watched = 0; /* libuv stopped; the call below meets the error */
	if (c->state == TLS_CONNECTING) {
		on_connected(c);
		return;
	}
	if (events & UV_WRITABLE)
		on_writable(c);
	if (c->state != TLS_ENDED && (status < 0 || events & UV_READABLE))
		on_readable(c);
}
