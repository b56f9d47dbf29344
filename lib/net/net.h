/* net: addresses as people write them and as sockets want them, port ranges, and what a tool
 * listens on or connects to. Pure: no socket is opened and no name is resolved here.
 *
 * Three things, from the smallest up:
 *  - net_addr: a numeric address and port, comparable and hashable, for tables, logs and bind(2);
 *  - net_host: HOST:PORT where HOST may be a name that somebody resolves later;
 *  - net_spec: tcp:HOST:PORT or udp:HOST:PORT, PORT perhaps a range, of a listener or a backend.
 *
 * IPv6 addresses stand in brackets, [2001:db8::1]:53, with a zone if need be, [fe80::1%3]:53 (by
 * number). An empty host, or `*`, means all addresses of both families. */
#ifndef GEX_NET_H
#define GEX_NET_H

#include <sys/socket.h>

#include "base/base.h"

struct net_addr {
	uint8_t family; /* 4, 6, or 0: all addresses of this host */
	uint16_t port;	/* host order; 0 lets the kernel choose */
	uint32_t zone;	/* of a link-local IPv6 address, else 0 */
	uint8_t ip[16]; /* network order; IPv4 uses the first four, the rest is zero */
};

/* Longest text with its end: "[" + 45 + "%4294967295" + "]:65535". */
#define NET_ADDR_TEXT 72
#define NET_HOST_MAX 253 /* RFC 1035, section 2.3.4 */

/* "192.0.2.1:80", "[2001:db8::1]:80", ":80". Numeric only. *out is written only on success. Returns
 * 0; -EINVAL when it is no such text (a name is not), -ERANGE for a port beyond 65535. */
int net_addr_parse(const char *s, struct net_addr *out) MUST_USE;
/* The address without a port: "192.0.2.1", "2001:db8::1", brackets allowed; port is set to 0.
 * Errors as above. */
int net_addr_parse_ip(const char *s, struct net_addr *out) MUST_USE;
/* As net_addr_parse reads it. Returns dst, always terminated; cap NET_ADDR_TEXT always suffices. */
const char *net_addr_format(const struct net_addr *a, char *dst, size_t cap);
/* Without the port and brackets. */
const char *net_addr_format_ip(const struct net_addr *a, char *dst, size_t cap);

/* Address, zone and port. */
bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);
/* Keyed, so that a peer cannot choose addresses that collide. */
uint64_t net_addr_hash(const struct net_addr *a, uint64_t key);
bool net_addr_is_loopback(const struct net_addr *a);

/* IPv4 mapped into IPv6 (RFC 4291, section 2.5.5.2), as a socket for both families reports it, becomes
 * IPv4: so lists of networks know it again. */
void net_addr_unmap(struct net_addr *a);
/* From what the kernel gave, unmapped. -EAFNOSUPPORT. */
int net_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct net_addr *out) MUST_USE;
/* For bind(2) and connect(2). `all` becomes [::], for a socket with IPV6_V6ONLY off. Returns the
 * length. */
socklen_t net_addr_to_sockaddr(const struct net_addr *a, struct sockaddr_storage *out);
/* For sendto(2) on an AF_INET6 socket for both families: IPv4 is mapped. */
socklen_t net_addr_to_sockaddr6(const struct net_addr *a, struct sockaddr_storage *out);

/* ---- networks ---- */

struct net_block {
	struct net_addr addr;
	uint8_t bits; /* of the address that count, from the left */
};

/* "192.0.2.0/24", "2001:db8::/32"; an address alone is a network of one. Returns 0; -EINVAL, also when bits
 * are set that do not count; -ERANGE. */
int net_block_parse(const char *s, struct net_block *out) MUST_USE;
bool net_block_has(const struct net_block *b, const struct net_addr *a);

/* ---- names ---- */

struct net_host {
	char host[NET_HOST_MAX + 1]; /* without brackets; "": all */
	uint16_t port;
};

/* "HOST:PORT", HOST a name, an address or empty. A name is letters, digits, `-`, `_` and dots.
 * Returns 0, -EINVAL, -ERANGE. */
int net_host_parse(const char *s, struct net_host *out) MUST_USE;
const char *net_host_format(const struct net_host *h, char *dst, size_t cap);
/* When the host is a number (or empty) it needs no resolver: *out has it, with the port. -EINVAL
 * for a name. */
int net_host_addr(const struct net_host *h, struct net_addr *out) MUST_USE;

/* ---- listeners and backends ---- */

enum net_proto { NET_TCP, NET_UDP };

struct net_spec {
	enum net_proto proto;
	struct net_host host; /* its port is the first of the range */
	uint16_t ports;	      /* how many, at least 1 */
};

#define NET_SPEC_TEXT (NET_HOST_MAX + 24)

/* "tcp:HOST:PORT", "udp:[::1]:7000-7099". Returns 0; -EINVAL, -ERANGE (a port beyond 65535, or a
 * range that runs backwards) with a reason in err. */
int net_spec_parse(const char *s, struct net_spec *out, char *err, size_t cap) MUST_USE;
const char *net_spec_format(const struct net_spec *s, char *dst, size_t cap);
const char *net_proto_name(enum net_proto p);

#endif
