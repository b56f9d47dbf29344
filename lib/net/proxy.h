/* proxy: what a proxy says before the first byte of a connection about whose it is: the PROXY protocol, versions 1 and 2, as
 * HAProxy's proxy-protocol.txt has it. Pure. */
#ifndef GEX_NET_PROXY_H
#define GEX_NET_PROXY_H

#include "net/net.h"

/* Longer headers are refused; those with all TLVs that proxies send are shorter. */
#define NET_PROXY_MAX 1024

/* The header at the front of n bytes. Its length, and in *src whom the connection is of: family 0 when the proxy speaks for
 * itself (LOCAL, UNKNOWN) or of something without an address. 0: it may be one, more is needed; -ENOENT: there is none;
 * -EINVAL: it begins like one and is broken. */
ssize_t net_proxy_read(const void *p, size_t n, struct net_addr *src) MUST_USE;

#endif
