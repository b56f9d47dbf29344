/* udp://HOST:PORT as a source: MPEG-TS in datagrams, from one sender or from a multicast group. There are no connections;
 * a stream begins with its first datagram and has ended when none came for a while. */
#include "stream/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"
#include "stream/udp.h"

#define SILENCE_US (3 * SEC_US)
#define RCVBUF (4 << 20)

/* A datagram is read whole and handed out in pieces. */
struct udp {
	size_t at, len;
	uint8_t data[65536];
};

int udp_resolve(const struct stream_url *u, struct sockaddr_storage *a, socklen_t *len, char *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
				 .ai_flags = AI_NUMERICSERV | AI_PASSIVE},
			*res;
	char port[8];
	int r;

	if (!*u->host)
		hints.ai_family = AF_INET;
	snprintf(port, sizeof(port), "%d", u->port);
	r = getaddrinfo(*u->host ? u->host : NULL, port, &hints, &res);
	if (r)
		return stream_fail(err, -EADDRNOTAVAIL, "%s: %s", u->shown, gai_strerror(r));
	memcpy(a, res->ai_addr, res->ai_addrlen);
	*len = res->ai_addrlen;
	freeaddrinfo(res);
	return 0;
}

bool udp_is_multicast(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)a)->sin6_addr);
	return IN_MULTICAST(ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr));
}

/* The group, from everybody or (RFC 4607) from one sender only. */
static int join(int fd, const struct sockaddr_storage *a, unsigned ifindex, const char *source)
{
	struct group_req g = {.gr_interface = ifindex, .gr_group = *a};
	struct group_source_req one = {.gsr_interface = ifindex, .gsr_group = *a};
	struct net_addr from;

	if (source) {
		if (net_addr_parse_ip(source, &from))
			return -EINVAL;
		net_addr_to_sockaddr(&from, &one.gsr_source);
		if (one.gsr_source.ss_family != a->ss_family)
			return -EAFNOSUPPORT;
		return setsockopt(fd, a->ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
				  MCAST_JOIN_SOURCE_GROUP, &one, sizeof(one))
			   ? -errno
			   : 0;
	}
	return setsockopt(fd, a->ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
			  MCAST_JOIN_GROUP, &g, sizeof(g))
		   ? -errno
		   : 0;
}

static int bind_to(struct stream_source *s, const struct sockaddr_storage *a, socklen_t len,
		   char *err)
{
	unsigned ifindex = s->url.interface ? if_nametoindex(s->url.interface) : 0;
	int on = 1, rcvbuf = RCVBUF, r;

	if (s->url.source && !udp_is_multicast(a))
		return stream_fail(err, -EINVAL, "%s: source= is for a multicast group",
				   s->url.shown);
	if (s->url.interface && !ifindex)
		return stream_fail(err, -ENODEV, "%s: no interface '%s'", s->url.shown,
				   s->url.interface);
	s->fd = socket(a->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno));
	/* Best effort: the kernel cuts it to its own limit. */
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	/* Several receivers of one group share its port. */
	if (udp_is_multicast(a))
		setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s->fd, (const struct sockaddr *)a, len))
		return stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno));
	r = udp_is_multicast(a) ? join(s->fd, a, ifindex, s->url.source) : 0;
	return r ? stream_fail(err, r, "%s: cannot join the group: %s", s->url.shown, strerror(-r))
		 : 0;
}

static int udp_create(struct stream_source *s, char *err)
{
	struct sockaddr_storage a;
	socklen_t len;
	int r = udp_resolve(&s->url, &a, &len, err);

	if (!r)
		r = bind_to(s, &a, len, err);
	if (r)
		return r;
	s->priv = calloc(1, sizeof(struct udp));
	return s->priv ? 0 : stream_fail(err, -ENOMEM, "out of memory");
}

static void udp_destroy(struct stream_source *s)
{
	free(s->priv);
}

/* The next datagram that is not empty into the buffer. */
static int receive(struct stream_source *s, int64_t timeout_us)
{
	struct udp *u = s->priv;

	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		int r = source_poll(s, s->fd, POLLIN, timeout_us);
		ssize_t n;

		if (r)
			return r;
		n = recvfrom(s->fd, u->data, sizeof(u->data), 0, (struct sockaddr *)&from, &len);
		if (n <= 0)
			continue; /* EAGAIN, or an ICMP error that a sender's absence left */
		u->at = 0;
		u->len = (size_t)n;
		if (!s->peer[0])
			getnameinfo((struct sockaddr *)&from, len, s->peer, sizeof(s->peer), NULL,
				    0, NI_NUMERICHOST);
		return 0;
	}
}

static int udp_wait(struct stream_source *s)
{
	struct udp *u = s->priv;

	return u->at < u->len ? 0 : receive(s, NEVER_US);
}

static ssize_t udp_read(struct stream_source *s, void *p, size_t n)
{
	struct udp *u = s->priv;

	if (u->at == u->len) {
		int r = receive(s, SILENCE_US);

		if (r)
			return r == -ETIMEDOUT ? 0 : r;
	}
	n = MIN(n, u->len - u->at);
	memcpy(p, u->data + u->at, n);
	u->at += n;
	return (ssize_t)n;
}

const struct source_ops source_udp = {
    .create = udp_create,
    .wait = udp_wait,
    .read = udp_read,
    .destroy = udp_destroy,
};
