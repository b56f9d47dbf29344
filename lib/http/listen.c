#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log/log.h"
#include "loop/uv.h"
#include "os/os.h"

#define BACKLOG 4096
#define ACCEPTS 64 /* in a row; then others have a turn */
/* What waits in the kernel beyond what is on its way: little, so that readers who take nothing do not fill its memory, and
 * that what is sent later, but matters more, does not wait behind it. */
#define NOTSENT (128 << 10)

struct listener {
	struct list link;
	uv_poll_t poll;
	int fd, spare; /* spare: to accept with and refuse when descriptors have run out */
	bool tls, is_unix, passed;
	char text[HTTP_ADDR_TEXT];
	struct http_server *server;
};

/* ---- accepting ---- */

static void refuse_one(struct listener *l, int err)
{
	static struct log_limit limit;

	if (log_allow(&limit, 1, 10 * SEC_US, loop_now_us(l->server->loop)))
		log_warn("http", "cannot accept: %s", strerror(err));
	l->server->refused[REFUSED_CONNS]++;
	if (l->spare < 0)
		return;
	close(l->spare);
	int fd = accept(l->fd, NULL, NULL);
	if (fd >= 0)
		close(fd);
	l->spare = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
}

static void on_connection(uv_poll_t *h, int status, int events)
{
	struct listener *l = container_of(h, struct listener, poll);

	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct net_addr peer = {0};
		int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
			refuse_one(l, errno);
		if (fd < 0)
			return;
		if (!l->is_unix && net_addr_from_sockaddr((struct sockaddr *)&ss, len, &peer)) {
			close(fd);
			continue;
		}
		peer.port = 0;
		sock_begin(l->server, fd, &peer, l->tls);
	}
}

/* ---- listening ---- */

/* A socket that is left of somebody who is gone may be taken away; one that answers, or another kind
 * of file, may not. */
static int make_room(const struct sockaddr_un *a)
{
	struct stat st;
	int fd, rc = -EADDRINUSE;

	if (lstat(a->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) && errno == ECONNREFUSED)
		rc = unlink(a->sun_path) ? -errno : 0;
	close(fd);
	return rc;
}

static int open_unix(struct listener *l, const struct http_addr *a)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int rc;

	l->is_unix = true;
	if (!str_copy(un.sun_path, sizeof(un.sun_path), a->path))
		return -ENAMETOOLONG;
	rc = make_room(&un);
	if (rc)
		return rc;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&un, sizeof(un)))
		return -errno;
	snprintf(l->text, sizeof(l->text), "unix:%s", a->path);
	return 0;
}

/* What connections inherit from the listening socket. */
static void set_tcp_options(int fd)
{
	int on = 1, after_s = 60, notsent = NOTSENT;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after_s, sizeof(after_s));
}

static int open_tcp(struct listener *l, const struct http_addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = net_addr_to_sockaddr(&a->addr, &ss);
	int on = 1, off = 0;

	l->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!a->addr.family)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	return bind(l->fd, (struct sockaddr *)&ss, len) ? -errno : 0;
}

static int name_tcp(struct listener *l, const struct http_addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct net_addr real;
	char text[NET_ADDR_TEXT];

	set_tcp_options(l->fd);
	if (getsockname(l->fd, (struct sockaddr *)&ss, &len))
		return -errno;
	int rc = net_addr_from_sockaddr((struct sockaddr *)&ss, len, &real);
	if (rc)
		return rc;
	struct net_addr shown = a->addr;
	shown.port = real.port;
	net_addr_format(&shown, text, sizeof(text));
	snprintf(l->text, sizeof(l->text), "%s://%s", a->tls ? "https" : "http", text);
	if (!l->server->port) {
		l->server->port = real.port;
		str_copy(l->server->addr, sizeof(l->server->addr), text);
	}
	return 0;
}

/* A socket that was passed to the process (socket activation) and is bound to this address. */
static int find_passed(const struct http_addr *a)
{
	int first, n = os_passed_fds(&first);

	for (int fd = first; fd < first + n; fd++) {
		union {
			struct sockaddr_storage ss;
			struct sockaddr_un un;
		} at = {.ss = {0}};
		socklen_t len = sizeof(at);
		struct net_addr addr;

		if (getsockname(fd, (struct sockaddr *)&at, &len))
			continue;
		if (a->path[0] && at.ss.ss_family == AF_UNIX && !strcmp(at.un.sun_path, a->path))
			return fd;
		if (a->path[0] || net_addr_from_sockaddr((struct sockaddr *)&at, len, &addr))
			continue;
		bool any = !a->addr.family && at.ss.ss_family == AF_INET6 &&
			   !memcmp(addr.ip, (uint8_t[16]){0}, 16) && addr.port == a->addr.port;
		if (any || net_addr_equal(&addr, &a->addr))
			return fd;
	}
	return -1;
}

static int open_listener(struct listener *l, const struct http_addr *a)
{
	int rc = 0, fd = find_passed(a);

	if (fd >= 0) {
		l->fd = fd;
		l->passed = true;
		l->is_unix = a->path[0] != 0;
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		snprintf(l->text, sizeof(l->text), "unix:%s", a->path);
	} else {
		rc = a->path[0] ? open_unix(l, a) : open_tcp(l, a);
	}
	if (!rc && !a->path[0])
		rc = name_tcp(l, a);
	if (!rc && listen(l->fd, BACKLOG))
		rc = -errno;
	return rc;
}

int listen_at(struct http_server *s, const struct http_addr *a)
{
	struct listener *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return -ENOMEM;
	l->server = s;
	l->fd = -1;
	l->tls = a->tls;
	l->spare = -1;
	rc = open_listener(l, a);
	if (!rc)
		rc = uv_poll_init(loop_uv(s->loop), &l->poll, l->fd);
	if (rc) {
		if (l->fd >= 0)
			close(l->fd);
		free(l);
		return rc;
	}
	l->spare = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	server_pin(s);
	list_append(&s->listeners, &l->link);
	return uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

static void on_listener_closed(uv_handle_t *h)
{
	struct listener *l = container_of((uv_poll_t *)h, struct listener, poll);
	struct http_server *s = l->server;

	free(l);
	server_unpin(s);
}

void listen_no_more(struct http_server *s)
{
	struct listener *l, *tmp;

	list_for_safe (l, tmp, &s->listeners, link) {
		list_remove(&l->link);
		uv_poll_stop(&l->poll);
		if (l->is_unix && !l->passed)
			unlink(l->text + strlen("unix:"));
		close(l->fd);
		if (l->spare >= 0)
			close(l->spare);
		uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	}
}

const char *http_server_listener(const struct http_server *s, size_t i)
{
	const struct listener *l;

	list_for (l, &s->listeners, link)
		if (!i--)
			return l->text;
	return NULL;
}

int http_server_unused(const struct http_server *s)
{
	const struct listener *l;
	int first, n = os_passed_fds(&first);

	list_for (l, &s->listeners, link)
		n -= l->passed;
	return n;
}
