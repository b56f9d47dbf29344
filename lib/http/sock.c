/* The sockets of connections. They have an epoll of their own, which is one descriptor of the loop, for two reasons. It is told
 * once of each socket, for good, and tells once of each thing that happens (EPOLLET): level by level, the kernel asks every socket
 * again after it has been read, which is a tenth of the time that a crowd of players costs. And the order in which those who
 * have something to say are heard is ours: first who just came, then who was left over, and who is patient when the rest are
 * done. */
#include "http/server.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/uv.h"

#define EVENTS 512 /* taken from the kernel at a time */
#define READS 4	   /* of a connection in a row; then others have a turn */
/* So many of the patient are heard in a turn, and after so long at last, whoever else speaks. */
#define PATIENT 128
#define PATIENCE_US (30 * MS_US)

struct sock {
	struct list heard; /* in ready or patient, while there may be something to read */
	int fd;
	bool reading, writing, ended; /* ended: the peer has closed its side, or all */
	struct conn *conn;
	struct http_server *server;
	struct net_addr peer;
};

struct sock_set {
	struct http_server *server;
	uv_poll_t poll;
	int epoll;
	struct list ready, patient;
	int64_t patient_us; /* since when the first of them waits */
	bool spoken;	    /* somebody not patient, since the last turn */
};

/* One thread, and conn_input copies what it keeps: all connections read into the same memory. */
static char shared[16384];

/* ---- reading ---- */

/* There may be something to read: it is heard in this turn or the next. */
static void hear(struct sock *t)
{
	struct sock_set *set = t->server->socks;

	if (!t->reading || !list_empty(&t->heard))
		return;
	if (!t->conn->patient) {
		list_append(&set->ready, &t->heard);
		return;
	}
	t->conn->patient = false;
	if (list_empty(&set->patient))
		set->patient_us = loop_now_us(t->server->loop);
	list_append(&set->patient, &t->heard);
}

static void sock_read(void *arg, bool on)
{
	struct sock *t = arg;

	if (t->reading == on)
		return;
	t->reading = on;
	if (on) {
		hear(t);
		server_ask_turn(t->server);
	} else {
		list_remove(&t->heard);
	}
}

/* False: there may be more. */
static bool read_some(struct sock *t)
{
	for (int i = 0; i < READS; i++) {
		if (!t->reading || t->conn->doomed)
			return true;
		if (!conn_may_ask(t->conn))
			return false;
		ssize_t n = recv(t->fd, shared, sizeof(shared), 0);

		if (n > 0) {
			conn_input(t->conn, shared, (size_t)n);
		} else if (n == 0) {
			sock_read(t, false);
			conn_eof(t->conn);
		} else if (errno != EAGAIN && errno != EINTR) {
			conn_doom(t->conn);
		}
		if (n <= 0 || (n < (ssize_t)sizeof(shared) && !t->ended))
			return n >= 0 || errno != EINTR;
	}
	return false;
}

/* At most n that are in the list now; who has more to say comes after the others, in the next turn. */
static void listen_to(struct sock_set *set, struct list *from, int n)
{
	struct list now, *to = &set->ready;
	struct sock *t;

	list_init(&now);
	while (n-- && (t = list_first(from, struct sock, heard))) {
		list_remove(&t->heard);
		list_append(&now, &t->heard);
	}
	while ((t = list_first(&now, struct sock, heard))) {
		list_remove(&t->heard);
		if (!read_some(t) && list_empty(&t->heard))
			list_append(to, &t->heard);
	}
}

static void ask_again(struct sock_set *set)
{
	if (!list_empty(&set->ready) || !list_empty(&set->patient))
		server_ask_turn(set->server);
}

static void on_events(uv_poll_t *h, int status, int events)
{
	struct sock_set *set = container_of(h, struct sock_set, poll);
	struct epoll_event e[EVENTS];
	int n = epoll_wait(set->epoll, e, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct sock *t = e[i].data.ptr;

		t->ended |= (e[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
		if (e[i].events & EPOLLOUT && t->writing && !t->conn->doomed) {
			t->writing = false;
			conn_writable(t->conn);
		}
		if (e[i].events & EPOLLIN || t->ended)
			hear(t);
	}
	set->spoken |= !list_empty(&set->ready);
	listen_to(set, &set->ready, INT_MAX);
	ask_again(set);
}

void sock_turn(struct http_server *s)
{
	struct sock_set *set = s->socks;
	bool quiet = !set->spoken;

	set->spoken = false;
	listen_to(set, &set->ready, INT_MAX);
	if (quiet || loop_now_us(s->loop) - set->patient_us > PATIENCE_US)
		listen_to(set, &set->patient, PATIENT);
	ask_again(set);
}

/* ---- writing ---- */

static ssize_t sock_send(void *arg, const struct iovec *v, int n)
{
	struct sock *t = arg;
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = (size_t)n};
	size_t total = 0;
	ssize_t sent;

	for (int i = 0; i < n; i++)
		total += v[i].iov_len;
	do
		sent = sendmsg(t->fd, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN)
		return -errno;
	sent = MAX(sent, 0);
	t->server->sent += sent;
	t->writing |= (size_t)sent < total; /* until the kernel tells that there is room */
	return sent;
}

static void sock_shutdown(void *arg)
{
	shutdown(((struct sock *)arg)->fd, SHUT_WR);
}

/* ---- beginning and ending ---- */

static void sock_free(struct sock *t)
{
	struct http_server *s = t->server;

	list_remove(&t->heard);
	close(t->fd);
	free(t);
	server_unpin(s);
}

static void sock_close(void *arg)
{
	struct sock *t = arg;

	conn_free(t->conn);
	t->server->nconns--;
	sock_free(t);
}

static const struct transport_ops sock_ops = {
    .send = sock_send,
    .read = sock_read,
    .shutdown = sock_shutdown,
    .close = sock_close,
};

static int admit(struct sock *t, bool tls)
{
	struct http_server *s = t->server;
	struct peer *who = NULL;
	int limit = via_trusts(&s->via, &t->peer) ? 0 : s->lim.conns_per_addr, rc = 0;

	if (t->peer.family)
		rc = peers_enter(&s->peers, &t->peer, limit, &who);
	if (rc) {
		s->refused[REFUSED_ADDRESS]++;
		return rc;
	}
	t->conn = server_accept(s, &sock_ops, t, &t->peer, tls);
	if (!t->conn) {
		peers_leave(who);
		return -EBUSY;
	}
	t->conn->who = who;
	via_begin(t->conn);
	return 0;
}

void sock_begin(struct http_server *s, int fd, const struct net_addr *peer, bool tls)
{
	struct sock *t = calloc(1, sizeof(*t));
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = t};

	if (!t) {
		close(fd);
		return;
	}
	list_init(&t->heard);
	t->fd = fd;
	t->server = s;
	t->peer = *peer;
	t->reading = true;
	server_pin(s);
	if (admit(t, tls))
		sock_free(t);
	else if (epoll_ctl(s->socks->epoll, EPOLL_CTL_ADD, fd, &e))
		conn_doom(t->conn);
}

int sock_set_create(struct http_server *s)
{
	struct sock_set *set = calloc(1, sizeof(*set));
	int rc = -ENOMEM;

	if (!set)
		return rc;
	set->server = s;
	list_init(&set->ready);
	list_init(&set->patient);
	set->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = set->epoll < 0 ? -errno : uv_poll_init(loop_uv(s->loop), &set->poll, set->epoll);
	if (rc) {
		if (set->epoll >= 0)
			close(set->epoll);
		free(set);
		return rc;
	}
	server_pin(s);
	s->socks = set;
	return uv_poll_start(&set->poll, UV_READABLE, on_events);
}

static void on_set_closed(uv_handle_t *h)
{
	struct sock_set *set = container_of((uv_poll_t *)h, struct sock_set, poll);

	close(set->epoll);
	server_unpin(set->server);
	free(set);
}

void sock_set_destroy(struct http_server *s)
{
	if (!s->socks)
		return;
	uv_poll_stop(&s->socks->poll);
	uv_close((uv_handle_t *)&s->socks->poll, on_set_closed);
}
