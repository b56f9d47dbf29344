/* wan-tun: TUN devices inside network namespaces. */
#ifndef GEX_TESTS_WAN_TUN_H
#define GEX_TESTS_WAN_TUN_H

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAN_TXQUEUE 5000
/* What the kernel puts before each packet: where a checksum is still to be filled in. */
#define WAN_HEADER sizeof(struct virtio_net_hdr)

static inline int enter_netns(const char *name)
{
	char path[256];
	int fd, r;

	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "wan-link: no namespace %s\n", name);
		return -EINVAL;
	}
	r = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return r;
}

/* The device's own queue has to be long, or it drops before the model is asked. */
static inline int configure_dev(struct ifreq *ifr, int mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	ifr->ifr_mtu = mtu;
	if (ioctl(fd, SIOCSIFMTU, ifr))
		r = -errno;
	ifr->ifr_qlen = WAN_TXQUEUE;
	if (!r && ioctl(fd, SIOCSIFTXQLEN, ifr))
		r = -errno;
	close(fd);
	return r;
}

/* Opens a TUN device in the namespace where we are. Checksums are left out by the sender and taken
 * as right by the receiver: nothing is damaged here, and kernels before 6.11 refuse UDP_SEGMENT
 * (EIO) on a device that wants them done. Segments are not left to us: each packet stands alone.
 * Returns the descriptor or a negative errno. */
static inline int open_tun(const char *dev, int mtu)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), dev);
	r = ioctl(fd, TUNSETIFF, &ifr) ? -errno : configure_dev(&ifr, mtu);
	if (!r && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM))
		r = -errno;
	if (!r)
		return fd;
	close(fd);
	return r;
}

#endif
