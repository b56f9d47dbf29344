/* Two ends of a tunnel, joined by a function call: nothing is lost, nothing takes time. */
#ifndef GEX_TESTS_TUNNEL_ENDS_H
#define GEX_TESTS_TUNNEL_ENDS_H

#include "tunnel/tunnel.h"
#include "unit.h"

static const struct tunnel_addr addr_c = {1, {1}}, addr_s = {1, {2}};
static const struct tunnel_open web = {.service = "web", .offset = 7};

struct pair {
	struct tunnel *c, *s;
	int64_t now_us;
	size_t sent;
	uint8_t last[TUNNEL_DGRAM_MAX]; /* the client's newest datagram */
	size_t last_len;
	struct tunnel_addr from; /* where the client's datagrams come from */
};

static inline void pair_make(struct pair *p, const struct tunnel_conf *conf)
{
	struct crypt_secrets x = {.suite = CRYPT_AES128GCM, .server_id = 5, .client_id = 6};

	memset(p, 0, sizeof(*p));
	p->now_us = SEC_US;
	p->from = addr_c;
	x.to_server[0] = 1;
	assert_int_equal(tunnel_create_keyed(conf, &x, false, 0, &addr_s, p->now_us, &p->c), 0);
	assert_int_equal(tunnel_create_keyed(conf, &x, true, 0, &addr_c, p->now_us, &p->s), 0);
}

static inline void pair_destroy(struct pair *p)
{
	tunnel_destroy(p->c);
	tunnel_destroy(p->s);
}

static inline size_t pass(struct pair *p, struct tunnel *from, struct tunnel *to,
			  const struct tunnel_addr *addr)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr where;
	size_t n, sum = 0;
	int path;

	while ((n = tunnel_output(from, buf, sizeof(buf), &path, &where, p->now_us)) > 0) {
		sum += n;
		if (from == p->c) {
			memcpy(p->last, buf, n);
			p->last_len = n;
		}
		tunnel_input(to, buf, n, 0, addr, p->now_us);
	}
	return sum;
}

/* Some ms go by. */
static inline void settle(struct pair *p, int ms)
{
	for (; ms > 0; ms--) {
		p->sent += pass(p, p->c, p->s, &p->from);
		p->sent += pass(p, p->s, p->c, &addr_s);
		p->now_us += MS_US;
	}
}

/* The next event but CONNECTED; type -1 when there is none. */
static inline struct tunnel_event next(struct tunnel *t)
{
	struct tunnel_event ev;

	while (tunnel_event(t, &ev))
		if (ev.type != TUNNEL_EV_CONNECTED)
			return ev;
	return (struct tunnel_event){.type = (enum tunnel_event_type) - 1};
}

#endif
