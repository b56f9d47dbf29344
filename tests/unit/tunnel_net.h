/* An acceptor and its clients, joined by a function call. */
#ifndef GEX_TESTS_TUNNEL_NET_H
#define GEX_TESTS_TUNNEL_NET_H

#include "tunnel/tunnel.h"
#include "unit.h"

#define CLIENTS 5

static const struct tunnel_addr server_addr = {1, {200}};
static const struct tunnel_open web = {.service = "web"};

struct net {
	struct acceptor *a;
	struct tunnel *c[CLIENTS];
	int64_t now_us;
	uint64_t to_clients, to_server; /* bytes */
};

static uint8_t reliable; /* TUNNEL_ADDR_RELIABLE: all clients come by such a carrier */

static inline struct tunnel_addr addr_of(int i)
{
	return (struct tunnel_addr){(uint8_t)(2 | reliable), {1, (uint8_t)i}};
}

static inline struct crypt_key key_of(int n)
{
	struct crypt_key k = {.secret = {(uint8_t)n}};

	snprintf(k.name, sizeof(k.name), "key%d", n);
	return k;
}

static inline void net_make(struct net *n, const struct tunnel_conf *conf)
{
	struct crypt_ring ring = {.n = 2};

	memset(n, 0, sizeof(*n));
	n->now_us = SEC_US;
	ring.key[0] = key_of(1);
	ring.key[1] = key_of(2);
	assert_int_equal(acceptor_create(conf, &ring, n->now_us, &n->a), 0);
}

static inline void join(struct net *n, int i, int key)
{
	struct crypt_key k = key_of(key);

	assert_int_equal(tunnel_create(NULL, &k, 0, &server_addr, n->now_us, &n->c[i]), 0);
}

static inline void net_destroy(struct net *n)
{
	for (int i = 0; i < CLIENTS; i++)
		tunnel_destroy(n->c[i]);
	acceptor_destroy(n->a);
}

static inline void pump(struct net *n)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	size_t len;
	int path;

	for (int i = 0; i < CLIENTS; i++)
		while (n->c[i] && (len = tunnel_output(n->c[i], buf, sizeof(buf), &path, &to,
						       n->now_us)) > 0) {
			struct tunnel_addr from = addr_of(i);

			n->to_server += len;
			acceptor_input(n->a, buf, len, 0, &from, n->now_us);
		}
	while ((len = acceptor_output(n->a, buf, sizeof(buf), &path, &to, n->now_us)) > 0) {
		n->to_clients += len;
		if (to.bytes[1] < CLIENTS && n->c[to.bytes[1]])
			tunnel_input(n->c[to.bytes[1]], buf, len, 0, &server_addr, n->now_us);
	}
}

static inline void settle(struct net *n, int ms)
{
	for (; ms > 0; ms--) {
		pump(n);
		n->now_us += MS_US;
	}
}

#endif
