/* gex-endpoint: where the servers are. main.c puts it together, conf.c is its key table, server.c
 * takes the tunnels and hands their streams and flows to services (service.c). */
#ifndef GEX_ENDPOINT_H
#define GEX_ENDPOINT_H

#include "carrier/carrier.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "relay/relay.h"
#include "relay/setup.h"

/* ---- conf.c ---- */

struct service_conf {
	char *name;
	struct net_spec spec;
	bool has_spec;
	struct tunnel_repair repair;
};

struct conf {
	struct relay_setup tunnel;
	VEC(struct net_addr) listen;
	bool udp, tls; /* by which carriers, there */
	VEC(struct net_addr) listen_srt;
	int64_t max_tunnels;
	int64_t connect_us; /* for each address of a backend */
	int64_t resolve_us; /* an answer of DNS serves so long */
	VEC(struct service_conf *) services;
};

extern const struct conf_cli endpoint_cli;
/* What single keys of a struct conf cannot tell. 0, or -EINVAL with one line in err. */
int conf_check(const void *conf, char *err, size_t cap);
void conf_free(struct conf *c);

/* ---- server.c ---- */

struct server;

int server_create(struct server **out, struct loop *l, struct relay *r, const struct conf *c,
		  const struct crypt_ring *ring, struct metrics *m, char *err, size_t cap) MUST_USE;
void server_destroy(struct server *s);
/* Services, and how tunnels behave, are as c says now, which is not kept. 0 or -ENOMEM: then not all. */
int server_set(struct server *s, const struct conf *c) MUST_USE;
size_t server_tunnels(const struct server *s);
/* New connections are refused from now on; those that there are have drain_us to end. Then the loop stops. */
void server_drain(struct server *s, int64_t drain_us);
bool server_draining(const struct server *s);
/* For handshakes from now on; tunnels whose key is not in it any more end. */
void server_set_keys(struct server *s, const struct crypt_ring *ring);
struct relay_figures *server_figures(struct server *s);

#endif
