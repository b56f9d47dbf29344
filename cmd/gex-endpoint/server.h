/* The inside of server.c, service.c and figures.c. */
#ifndef GEX_ENDPOINT_SERVER_H
#define GEX_ENDPOINT_SERVER_H

#include "endpoint.h"
#include "keys.h"
#include "log/log.h"
#include "relay/drain.h"

/* What is counted for a service stays when that goes, as connections may. */
struct service {
	struct list in; /* server.services */
	char *name;
	struct net_spec spec;
	struct tunnel_repair repair;
	int64_t connect_us, resolve_us;
	struct relay_backend *backend; /* NULL: the service has gone */
	struct relay_meter meter;
	bool wanted;
};

/* A tunnel with what runs in it. */
struct session {
	struct list in; /* server.sessions */
	struct server *of;
	struct tunnel *tunnel;
	struct relay_link link;
	struct key_meter *key;
	int64_t since_us;
	char peer[NET_ADDR_TEXT + TUNNEL_SERVICE_MAX + 8]; /* for the log */
	struct log_limit limit;				   /* for what is said of its paths */
};

struct server {
	struct loop *loop;
	struct relay *relay;
	struct carrier *carrier;
	struct acceptor *acceptor;
	struct keys keys;
	struct list sessions;
	size_t nsessions;
	struct relay_figures figures;
	struct metric *tunnels_total, *unknown_total;
	struct log_limit unknown_limit, denied_limit, handshake_limit;
	struct loop_timer watch;
	struct relay_drain drain;
	struct metrics *metrics;
	struct list services;
};

/* ---- service.c ---- */

/* NULL: there never was one; one that has gone has no backend. */
struct service *service_find(const struct server *s, const char *name);
/* They are those of c now. 0 or -ENOMEM: then not all. */
int services_set(struct server *s, const struct conf *c) MUST_USE;
/* Says in the log which key may use a service that is not here: a slip of the pen, most likely. */
void services_note(const struct server *s);
void services_finish(struct server *s);

/* ---- figures.c ---- */

void figures_export(struct server *s, struct metrics *m);

#endif
