#include "carrier/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <unistd.h>

#define RECV_SIZE 65536
#define CONTROL_SIZE (CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)))

union control {
	struct cmsghdr align;
	uint8_t bytes[CONTROL_SIZE];
};

struct udp_batch {
	struct mmsghdr hdr[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_storage name[UDP_BATCH];
	union control control[UDP_BATCH];
	struct udp_message msg[UDP_BATCH];
	uint8_t data[UDP_BATCH][RECV_SIZE];
};

struct udp_batch *udp_batch_create(void)
{
	return malloc(sizeof(struct udp_batch)); /* pages never written cost nothing */
}

void udp_batch_destroy(struct udp_batch *b)
{
	free(b);
}

/* ---- opening ---- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

static void set_buffer(int fd, size_t size)
{
	int n = (int)MIN(size, (size_t)INT32_MAX / 2);

	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, n))
		set_int(fd, SOL_SOCKET, SO_RCVBUF, n);
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, n))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, n);
}

/* What the kernel lacks of these is done without, except a dual-stack socket. */
static int set_options(struct udp_socket *u, const struct udp_conf *conf)
{
	if (u->v6 && set_int(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, conf->bind.family == 6))
		return -errno;
	if (conf->device && *conf->device &&
	    setsockopt(u->fd, SOL_SOCKET, SO_BINDTODEVICE, conf->device,
		       (socklen_t)strlen(conf->device)))
		return -errno;
	if (conf->buffer) {
		set_buffer(u->fd, conf->buffer);
		u->counted = !set_int(u->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	}
	if (conf->whole) {
		set_int(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
		if (u->v6)
			set_int(u->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	}
	if (conf->runs)
		u->runs = !set_int(u->fd, IPPROTO_UDP, UDP_GRO, 1);
	if (!conf->bind.family && !conf->peer.family) {
		u->noted = true;
		set_int(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
		if (u->v6)
			set_int(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	}
	return 0;
}

static int attach(struct udp_socket *u, const struct udp_conf *conf)
{
	struct sockaddr_storage ss;
	struct net_addr all = conf->bind;

	if (!u->v6)
		all.family = 4; /* all zero: INADDR_ANY */
	socklen_t n = net_addr_to_sockaddr(&all, &ss);

	if ((conf->bind.family || conf->bind.port || !conf->peer.family) &&
	    bind(u->fd, (struct sockaddr *)&ss, n))
		return -errno;
	if (!conf->peer.family)
		return 0;
	n = u->v6 ? net_addr_to_sockaddr6(&conf->peer, &ss)
		  : net_addr_to_sockaddr(&conf->peer, &ss);
	return connect(u->fd, (struct sockaddr *)&ss, n) ? -errno : 0;
}

int udp_open(struct udp_socket *u, const struct udp_conf *conf)
{
	const int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int family = conf->bind.family ? conf->bind.family : conf->peer.family;
	int r;

	*u = (struct udp_socket){.fd = -1, .v6 = family != 4};
	u->fd = socket(u->v6 ? AF_INET6 : AF_INET, type, 0);
	if (u->fd < 0 && errno == EAFNOSUPPORT && !family) {
		u->v6 = false; /* a host without IPv6: all addresses are its IPv4 ones */
		u->fd = socket(AF_INET, type, 0);
	}
	if (u->fd < 0)
		return -errno;
	r = set_options(u, conf);
	if (!r)
		r = attach(u, conf);
	if (r)
		udp_close(u);
	return r;
}

void udp_close(struct udp_socket *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

int udp_local(const struct udp_socket *u, struct net_addr *out)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getsockname(u->fd, (struct sockaddr *)&ss, &n))
		return -errno;
	return net_addr_from_sockaddr((struct sockaddr *)&ss, n, out);
}

/* ---- receiving ---- */

static void read_control(struct udp_socket *u, struct msghdr *h, struct udp_message *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int segment;

			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			m->segment = segment > 0 ? (size_t)segment : 0;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&u->dropped, CMSG_DATA(c), sizeof(u->dropped));
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			m->local.family = 4;
			memcpy(m->local.ip, &info.ipi_spec_dst, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			if (IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr))
				continue; /* IP_PKTINFO says it too */
			m->local.family = 6;
			memcpy(m->local.ip, &info.ipi6_addr, 16);
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				m->local.zone = info.ipi6_ifindex;
		}
	}
}

int udp_recv(struct udp_socket *u, struct udp_batch *b, unsigned max,
	     const struct udp_message **msgs)
{
	const bool control = u->runs || u->noted || u->counted;

	max = MIN(max, UDP_BATCH);
	for (unsigned i = 0; i < max; i++) {
		b->iov[i] = (struct iovec){b->data[i], RECV_SIZE};
		b->hdr[i].msg_hdr = (struct msghdr){
		    .msg_name = &b->name[i],
		    .msg_namelen = sizeof(b->name[i]),
		    .msg_iov = &b->iov[i],
		    .msg_iovlen = 1,
		    .msg_control = control ? &b->control[i] : NULL,
		    .msg_controllen = control ? sizeof(b->control[i]) : 0,
		};
	}
	int n = recvmmsg(u->fd, b->hdr, max, MSG_DONTWAIT, NULL);

	if (n < 0) {
		u->refused = u->refused || errno == ECONNREFUSED;
		return -errno;
	}
	for (int i = 0; i < n; i++) {
		struct udp_message *m = &b->msg[i];

		*m = (struct udp_message){.data = b->data[i], .len = b->hdr[i].msg_len};
		if (net_addr_from_sockaddr((struct sockaddr *)&b->name[i],
					   b->hdr[i].msg_hdr.msg_namelen, &m->peer))
			m->len = 0;
		if (control)
			read_control(u, &b->hdr[i].msg_hdr, m);
	}
	*msgs = b->msg;
	return n;
}

/* ---- sending ---- */

static void add_control(struct msghdr *h, int level, int type, const void *p, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)h->msg_control + h->msg_controllen);

	memset(c, 0, CMSG_SPACE(n));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), p, n);
	h->msg_controllen += CMSG_SPACE(n);
}

static void add_local(struct msghdr *h, const struct net_addr *local)
{
	if (local->family == 4) {
		struct in_pktinfo info = {0};

		memcpy(&info.ipi_spec_dst, local->ip, 4);
		add_control(h, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_ifindex = local->zone};

		memcpy(&info.ipi6_addr, local->ip, 16);
		add_control(h, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

struct out {
	struct iovec iov;
	struct sockaddr_storage name;
	union control control;
};

static void fill(const struct udp_socket *u, const struct udp_message *m, struct msghdr *h,
		 struct out *o)
{
	o->iov = (struct iovec){m->data, m->len};
	*h = (struct msghdr){.msg_iov = &o->iov, .msg_iovlen = 1, .msg_control = &o->control};
	if (m->peer.family) {
		h->msg_name = &o->name;
		h->msg_namelen = u->v6 ? net_addr_to_sockaddr6(&m->peer, &o->name)
				       : net_addr_to_sockaddr(&m->peer, &o->name);
	}
	if (m->local.family)
		add_local(h, &m->local);
	if (m->segment && m->segment < m->len) {
		uint16_t segment = (uint16_t)m->segment;

		add_control(h, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	}
	if (!h->msg_controllen)
		h->msg_control = NULL;
}

/* The kernel would not cut this run (a device without checksums, or a size beyond the route's):
 * ourselves. */
static int send_cut(struct udp_socket *u, const struct udp_message *m)
{
	struct msghdr h;
	struct out o;
	size_t n;

	u->cut++;
	for (size_t off = 0; off < m->len; off += n) {
		struct udp_message one = *m;

		n = udp_next(m, off);
		one.data += off;
		one.len = n;
		one.segment = 0;
		fill(u, &one, &h, &o);
		if (sendmsg(u->fd, &h, MSG_DONTWAIT) < 0 && !off)
			return -errno;
	}
	return 1;
}

/* As sendmmsg(2). One plain datagram to the connected peer, the common case of a flow to its backend, does
 * without all that. */
static int send_batch(struct udp_socket *u, const struct udp_message *msgs, unsigned n)
{
	struct mmsghdr hdr[UDP_BATCH];
	struct out out[UDP_BATCH];

	if (n == 1 && !msgs->peer.family && !msgs->local.family && !msgs->segment)
		return send(u->fd, msgs->data, msgs->len, MSG_DONTWAIT) < 0 ? -1 : 1;
	for (unsigned i = 0; i < n; i++)
		fill(u, &msgs[i], &hdr[i].msg_hdr, &out[i]);
	return sendmmsg(u->fd, hdr, n, MSG_DONTWAIT);
}

int udp_send(struct udp_socket *u, const struct udp_message *msgs, unsigned n)
{
	int r = send_batch(u, msgs, MIN(n, UDP_BATCH));

	if (r >= 0)
		return r;
	r = -errno;
	u->refused = u->refused || r == -ECONNREFUSED;
	if (!msgs->segment || (r != -EIO && r != -EINVAL && r != -EMSGSIZE))
		return r;
	if (r == -EIO)
		u->runs = false;
	return send_cut(u, msgs);
}
