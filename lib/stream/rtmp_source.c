/* rtmp://HOST:PORT/APP/KEY as a source: listens, and takes one publisher at a time, whose stream is read as FLV. Who calls is
 * heard beside the one that is on: refused while that one sends, taken when that has been silent for 2 s, or with publisher=last at
 * once. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
#include "net/net.h"
#include "os/os.h"
#include "stream/rtmp.h"
#include "stream/source.h"
#include "stream/udp.h"

#define GHOST_US (2 * SEC_US)
#define HELLO_US (10 * SEC_US) /* in which a caller has to say what it wants */
#define BYE_US SEC_US	       /* in which one that is refused may read why */
#define STEP_US (100 * MS_US)
#define CALLERS_MAX 8
#define BACKLOG 16
#define PIECE (64 << 10)
/* A publisher whose network is gone, without another one that calls, is given up after 25 s. */
#define KEEP_IDLE_S 10
#define KEEP_STEP_S 5
#define KEEP_COUNT 3

struct caller {
	int fd; /* -1: nobody */
	struct rtmp *r;
	int64_t until_us; /* not yet taken: then it has to go */
	bool over;	  /* nothing will come from it */
	char peer[NET_ADDR_TEXT];
};

struct rtmp_source {
	int listener;
	char name[1024];	 /* APP/KEY; "": whatever is said */
	struct caller now, next; /* next: takes over */
	int64_t data_us;	 /* when now last sent anything */
	struct caller caller[CALLERS_MAX];
	struct log_limit refused;
	uint8_t piece[PIECE];
};

static void hang_up(struct caller *c)
{
	if (c->fd >= 0)
		close(c->fd);
	rtmp_destroy(c->r);
	*c = (struct caller){.fd = -1};
}

/* ---- listening ---- */

static int listen_at(const struct sockaddr *a, socklen_t len, bool both)
{
	int on = 1, v6only = !both, r;
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	if (!bind(fd, a, len) && !listen(fd, BACKLOG))
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* "" is all of IPv6 and IPv4, or of IPv4 where the kernel has nothing else. */
static int listen_for(const struct stream_url *u, char *err)
{
	struct sockaddr_in6 all = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)u->port)};
	struct sockaddr_storage a;
	socklen_t len;
	int fd = *u->host ? -EAFNOSUPPORT : listen_at((struct sockaddr *)&all, sizeof(all), true);

	if (fd < 0 && fd != -EADDRINUSE) {
		int r = udp_resolve(u, &a, &len, err);

		if (r)
			return r;
		fd = listen_at((struct sockaddr *)&a, len, false);
	}
	return fd < 0 ? stream_fail(err, fd, "%s: %s", u->shown, strerror(-fd)) : fd;
}

/* APP/KEY of rtmp://HOST:PORT/APP/KEY?QUERY. */
static void name_of(const char *url, char *out, size_t cap)
{
	const char *p = strstr(url, "://") + 3;

	p += strcspn(p, "/?#");
	p += strspn(p, "/");
	size_t n = strcspn(p, "?#");
	while (n && p[n - 1] == '/')
		n--;
	snprintf(out, cap, "%.*s", (int)n, p);
}

static int rtmp_source_create(struct stream_source *s, char *err)
{
	struct rtmp_source *q;

	if (s->url.tls)
		return stream_fail(err, -EINVAL, "%s: RTMP is taken in clear only: rtmp://",
				   s->url.shown);
	q = calloc(1, sizeof(*q));
	if (!q)
		return stream_fail(err, -ENOMEM, "out of memory");
	s->priv = q;
	q->now.fd = q->next.fd = -1;
	for (size_t i = 0; i < CALLERS_MAX; i++)
		q->caller[i].fd = -1;
	name_of(s->url.path, q->name, sizeof(q->name));
	q->listener = listen_for(&s->url, err);
	return MIN(q->listener, 0);
}

static void rtmp_source_destroy(struct stream_source *s)
{
	struct rtmp_source *q = s->priv;

	if (!q)
		return;
	hang_up(&q->now);
	hang_up(&q->next);
	for (size_t i = 0; i < CALLERS_MAX; i++)
		hang_up(&q->caller[i]);
	if (q->listener >= 0)
		close(q->listener);
	free(q);
}

/* ---- callers ---- */

static void let_in(struct rtmp_source *q)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct net_addr a;
	const int on = 1, idle = KEEP_IDLE_S, step = KEEP_STEP_S, count = KEEP_COUNT;
	int fd = accept4(q->listener, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct caller *c = NULL;

	for (size_t i = 0; i < CALLERS_MAX && !c; i++)
		c = q->caller[i].fd < 0 ? &q->caller[i] : NULL;
	if (fd < 0)
		return;
	if (!c || rtmp_create(&c->r)) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->until_us = os_mono_us() + HELLO_US;
	if (!net_addr_from_sockaddr((struct sockaddr *)&ss, len, &a))
		net_addr_format(&a, c->peer, sizeof(c->peer));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof(step));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void flush(struct caller *c)
{
	size_t n;
	const uint8_t *p = rtmp_out(c->r, &n);
	ssize_t sent = n ? send(c->fd, p, n, MSG_NOSIGNAL) : 0;

	if (sent > 0)
		rtmp_sent(c->r, (size_t)sent);
	else if (sent < 0 && errno != EAGAIN && errno != EINTR)
		c->over = true;
}

/* In a time that does not tell where they differ: it is a key. a: not empty. */
static bool same_name(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned differ = n != m;

	for (size_t i = 0; i < m; i++)
		differ |= (unsigned)(a[i % n] ^ b[i]) & 255;
	return !differ;
}

static void refuse(struct stream_source *s, struct caller *c, const char *why)
{
	struct rtmp_source *q = s->priv;

	if (log_allow(&q->refused, 3, 10 * SEC_US, os_mono_us()))
		log_warn(s->url.shown, "%s is refused: %s", c->peer, why);
	c->over |= rtmp_answer(c->r, why) != 0;
	c->until_us = os_mono_us() + BYE_US;
	flush(c);
	shutdown(c->fd, SHUT_WR);
}

/* c asks to publish. */
static void decide(struct stream_source *s, struct caller *c)
{
	struct rtmp_source *q = s->priv;
	bool on = q->now.fd >= 0 && !q->now.over && rtmp_state(q->now.r) == RTMP_PUBLISHING,
	     ghost = os_mono_us() - q->data_us >= GHOST_US;

	if (*q->name && !same_name(q->name, rtmp_name(c->r))) {
		refuse(s, c, "no such stream");
		return;
	}
	if (q->next.fd >= 0 || (on && !ghost && !s->url.last)) {
		refuse(s, c, "another one is publishing");
		return;
	}
	if (rtmp_answer(c->r, NULL)) {
		hang_up(c);
		return;
	}
	if (on && ghost)
		log_warn(s->url.shown, "%s has been silent for 2 s; another publisher takes over",
			 s->peer);
	else if (on)
		log_warn(s->url.shown, "another publisher takes over from %s", s->peer);
	flush(c);
	q->next = *c;
	*c = (struct caller){.fd = -1};
}

/* Reads what there is. False: it is over. */
static bool hear(struct rtmp_source *q, struct caller *c)
{
	ssize_t n = recv(c->fd, q->piece, sizeof(q->piece), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n || (rtmp_state(c->r) != RTMP_ENDED && rtmp_input(c->r, q->piece, (size_t)n)))
		return false;
	flush(c);
	return !c->over;
}

static void serve(struct stream_source *s, struct caller *c, short came, int64_t now_us)
{
	struct rtmp_source *q = s->priv;

	if (came & POLLOUT)
		flush(c);
	if (c->over || (came & ~POLLOUT && !hear(q, c)) || now_us >= c->until_us) {
		hang_up(c);
		return;
	}
	if (rtmp_state(c->r) == RTMP_ASKING)
		decide(s, c);
}

static short wants(const struct caller *c)
{
	size_t n;

	rtmp_out(c->r, &n);
	return n ? POLLIN | POLLOUT : POLLIN;
}

/* Waits for any of them, and does what is to be done. 0 or -EINTR. */
static int turn(struct stream_source *s)
{
	struct rtmp_source *q = s->priv;
	struct pollfd p[3 + CALLERS_MAX] = {{s->cancelfd, POLLIN, 0}, {q->listener, POLLIN, 0}};

	p[2].fd = q->now.over ? -1 : q->now.fd;
	p[2].events = p[2].fd < 0 ? 0 : wants(&q->now);
	for (size_t i = 0; i < CALLERS_MAX; i++) {
		const struct caller *c = &q->caller[i];

		p[3 + i].fd = c->fd;
		p[3 + i].events = c->fd < 0 ? 0 : wants(c);
	}
	if (poll(p, ARRAY_LEN(p), STEP_US / MS_US) < 0 && errno != EINTR)
		return -errno;
	if (s->cancelled)
		return -EINTR;
	int64_t now_us = os_mono_us();
	if (p[2].fd >= 0 && p[2].revents & POLLOUT)
		flush(&q->now);
	if (p[2].fd >= 0 && p[2].revents & ~POLLOUT) {
		q->data_us = now_us;
		q->now.over |= !hear(q, &q->now);
	}
	for (size_t i = 0; i < CALLERS_MAX; i++)
		if (q->caller[i].fd >= 0)
			serve(s, &q->caller[i], p[3 + i].revents, now_us);
	if (p[1].revents)
		let_in(q);
	return 0;
}

static int rtmp_source_wait(struct stream_source *s)
{
	struct rtmp_source *q = s->priv;

	hang_up(&q->now);
	while (q->next.fd < 0) {
		int r = turn(s);

		if (r)
			return r;
	}
	q->now = q->next;
	q->next = (struct caller){.fd = -1};
	q->data_us = os_mono_us();
	str_copy(s->peer, sizeof(s->peer), q->now.peer);
	log_info(s->url.shown, "connected: %s", s->peer);
	return 0;
}

static ssize_t rtmp_source_read(struct stream_source *s, void *p, size_t n)
{
	struct rtmp_source *q = s->priv;

	for (;;) {
		size_t got = q->now.r ? rtmp_read(q->now.r, p, n) : 0;

		if (got)
			return (ssize_t)got;
		if (q->now.fd < 0 || q->now.over || q->next.fd >= 0 ||
		    rtmp_state(q->now.r) == RTMP_ENDED)
			return 0;
		int r = turn(s);
		if (r)
			return r;
	}
}

const struct source_ops source_rtmp = {
    .create = rtmp_source_create,
    .wait = rtmp_source_wait,
    .read = rtmp_source_read,
    .destroy = rtmp_source_destroy,
};
