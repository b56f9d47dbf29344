/* udp://HOST:PORT as a sink: MPEG-TS in datagrams of seven packets, to one address or a multicast group. Nobody can push
 * back; a datagram that the kernel has no room for is lost, as on the way. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/sink.h"
#include "stream/source.h"
#include "stream/udp.h"

#define DATAGRAM 1316
#define SNDBUF (1 << 20)
#define HOPS 8

struct outlet_udp {
	struct outlet o;
	int fd;
};

static ssize_t udp_write(struct outlet *o, const void *p, size_t n)
{
	n = MIN(n, DATAGRAM);
	/* ECONNREFUSED tells of an earlier datagram: nobody is there yet. */
	if (send(container_of(o, struct outlet_udp, o)->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		o->sink->gone.dropped++;
	return (ssize_t)n;
}

static void udp_close(struct outlet *o)
{
	close(container_of(o, struct outlet_udp, o)->fd);
	outlet_free(o);
}

static const struct outlet_ops outlet_udp = {
    .write = udp_write, .close = udp_close, .persistent = true};

static int to_group(int fd, const struct sockaddr_storage *a, const char *interface)
{
	int hops = HOPS, index = interface ? (int)if_nametoindex(interface) : 0;
	struct ip_mreqn m = {.imr_ifindex = index};

	if (interface && !index)
		return -ENODEV;
	if (a->ss_family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) ||
			       setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index,
					  sizeof(index))
			   ? -errno
			   : 0;
	return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops)) ||
		       (index && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)))
		   ? -errno
		   : 0;
}

static int udp_open(struct stream_sink *s, char *err)
{
	struct sockaddr_storage a;
	struct outlet_udp *u;
	int sndbuf = SNDBUF, r, fd;
	socklen_t len;

	if (!*s->url.host)
		return stream_fail(err, -EINVAL, "%s: an output needs a host", s->url.shown);
	r = udp_resolve(&s->url, &a, &len, err);
	if (r)
		return r;
	fd = socket(a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	r = udp_is_multicast(&a) ? to_group(fd, &a, s->url.interface) : 0;
	if (!r && connect(fd, (struct sockaddr *)&a, len))
		r = -errno;
	if (r) {
		close(fd);
		return stream_fail(err, r, "%s: %s", s->url.shown, strerror(-r));
	}
	u = calloc(1, sizeof(*u));
	if (u)
		u->fd = fd;
	if (u && !outlet_init(&u->o, s, &outlet_udp, NULL))
		return 0;
	free(u);
	close(fd);
	return stream_fail(err, -ENOMEM, "out of memory");
}

static void udp_shut(struct stream_sink *s)
{
}

const struct sink_ops sink_udp = {.open = udp_open, .shut = udp_shut};
