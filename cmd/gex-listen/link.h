/* The inside of link.c, attempt.c and paths.c. */
#ifndef GEX_LISTEN_LINK_H
#define GEX_LISTEN_LINK_H

#include "listen.h"
#include "log/log.h"
#include "relay/drain.h"

struct links;

/* ---- paths.c ---- */

/* What is exported of a route by one carrier. */
struct route_figure {
	struct route *route;
	enum carrier_kind kind;
	struct metric *metric[6];
};

/* A path as configured, for all links. */
struct route {
	struct list in; /* links.routes */
	struct links *of;
	struct path_conf conf;
	struct resolve_name *name; /* of its own endpoint; NULL: the link's */
	struct resolve_wait wait;
	bool waiting, wanted;
	bool told;	    /* automatic: that it goes over tls */
	int64_t look_us;    /* automatic: when udp is tried again */
	int64_t retry_us;   /* after a local failure */
	int64_t standby_us; /* automatic: when tls is tried again, to stand by */
	struct log_limit limit;
	size_t nfigures;
	struct route_figure figure[2];
};

/* A path of a tunnel. */
struct leg {
	struct route *route; /* NULL: free */
	enum carrier_kind kind;
	int path, number; /* the carrier's, the tunnel's */
	enum tunnel_path_state state;
	bool was_up;
	int64_t since_us; /* in that state */
};

struct link {
	struct list in; /* links.all */
	struct links *of;
	struct relay_link relay;
	struct carrier *carrier;
	struct tunnel *tunnel;
	struct net_addr addr; /* the endpoint's */
	struct crypt_key key;
	struct leg leg[TUNNEL_PATHS];
	int64_t began_us;
	int64_t replaced_us; /* 0: not replaced */
	uint64_t refused;
	int64_t suspected_us; /* as `heard_us` of its statistics was then */
	bool suspect;
	char where[NET_HOST_MAX + NET_ADDR_TEXT + 32]; /* for the log */
};

struct links {
	struct loop *loop;
	struct relay *relay;
	struct links_conf conf;
	struct list all, routes;
	size_t n, nroutes;
	struct link *current, *attempt;
	size_t endpoint, addr, naddrs, route; /* what is tried now or next */
	enum carrier_kind kind;
	bool second;	       /* automatic: udp failed there, or tls, and this is the other one */
	bool refused_udp;      /* nobody listened there, as when the endpoint starts again */
	char first_why[80];    /* how */
	unsigned failures;     /* rounds in a row */
	size_t key, refused;   /* the one in use; how many were refused in a row */
	bool resolving, began; /* began: links_start was called */
	struct resolve_wait wait;
	struct loop_timer retry, tick;
	struct log_limit limit;
	struct relay_figures figures;
	uint64_t dropped; /* by the carriers of links that have ended */
	struct metric *connects_total, *failures_total;
	struct relay_drain drain;
	size_t nnames;
	struct resolve_name *name[];
};

/* Brings the routes in line with the configuration, and the legs with them. 0 or -ENOMEM; then more
 * than wanted are there. */
int routes_set(struct links *ls, const struct conf *c) MUST_USE;
void routes_finish(struct links *ls);
struct route *route_nth(struct links *ls, size_t n);
/* Where it goes to, its own endpoint or the given one; false: that is being looked up. */
bool route_addr(struct route *r, const struct net_addr *endpoint, struct net_addr *out);

/* A leg that the tunnel does not know yet: the carrier's path, and in *to what the tunnel calls its
 * peer. A negative errno. */
int leg_open(struct link *l, struct route *r, enum carrier_kind kind, const struct net_addr *peer,
	     struct tunnel_addr *to) MUST_USE;
/* The tunnel is up, over its first leg. */
void legs_begin(struct link *l);
/* Notes, and logs, what has happened to the paths. */
void legs_look(struct link *l);
/* Adds and removes paths; for every tick. */
void legs_tend(struct link *l, int64_t now);
/* Has it a TCP connection? */
bool legs_connected(const struct link *l);
void legs_text(struct link *l, char *dst, size_t cap);

/* ---- attempt.c ---- */

#define RETRY_FIRST_US (100 * MS_US)

void attempt_init(struct links *ls);
/* Connects, unless an attempt is under way: now, or in a while. */
void attempt_now(struct links *ls);
void attempt_in(struct links *ls, int64_t delay_us);
/* By which carrier the route that is next goes first: with carrier = auto by what served last. */
void attempt_first(struct links *ls);
/* It came to nothing: the next one, and after a round of all of them a pause. */
void attempt_failed(struct links *ls, const char *where, const char *why, enum log_level level);
/* The next key of the file at once; when all of them were refused, it is a failure. */
void attempt_refused(struct links *ls, const char *where);

/* ---- link.c ---- */

/* The attempt itself, over that route to addr, which the route may reach at peer. A negative errno. */
int link_create(struct links *ls, struct route *via, const struct net_addr *addr,
		const struct net_addr *peer, const char *where) MUST_USE;

#endif
