/* gex-listen: where the users are. main.c puts it together, conf.c is its key table, link.c keeps a
 * tunnel up (attempt.c makes the next, paths.c its paths), front.c are the listeners. */
#ifndef GEX_LISTEN_H
#define GEX_LISTEN_H

#include "carrier/carrier.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "relay/relay.h"
#include "relay/setup.h"

/* ---- conf.c ---- */

struct listener_conf {
	char *name;
	struct net_spec spec;
	bool has_spec;
	char *service; /* NULL: as the listener is called */
	enum tunnel_class class;
	struct tunnel_repair repair;
};

/* A path of the tunnel, as configured; compared as bytes. Without a [path] there is one, without a
 * name, of what [tunnel] says. */
struct path_conf {
	char name[64];
	struct net_addr bind; /* an address of this host; family 0: any */
	char device[16];      /* "": any */
	struct net_host endpoint;
	bool has_endpoint; /* or it is [tunnel]'s */
	bool has_carrier;  /* or it is [tunnel]'s */
	bool automatic;	   /* carrier is udp, and tls where that does not pass */
	enum carrier_kind carrier;
};

struct conf {
	struct relay_setup tunnel;
	VEC(struct net_host) endpoints;
	struct path_conf path;
	VEC(struct path_conf) paths;
	int64_t udp_after_us; /* automatic: tls is tried when udp has no answer for so long */
	int64_t udp_retry_us; /* and udp again so often */
	bool standby;	      /* automatic: tls stands by while udp serves */
	int64_t retry_us;     /* longest pause between two attempts */
	int64_t wait_us;      /* a TCP client waits so long for a tunnel */
	int64_t max_waiting;  /* and so many at once */
	VEC(struct listener_conf *) listeners;
};

extern const struct conf_cli listen_cli;
/* What single keys of a struct conf cannot tell. 0, or -EINVAL with one line in err. */
int conf_check(const void *conf, char *err, size_t cap);
void conf_free(struct conf *c);
/* A path that says nothing of its carrier goes by [tunnel]'s. */
void conf_settle(struct conf *c);

/* ---- link.c: one tunnel kept up ---- */

struct links;

struct links_conf {
	const struct conf *conf;
	const struct crypt_ring *ring;
	struct metrics *metrics;
	void (*up)(void *arg); /* there is a link now */
	void *arg;
};

int links_create(struct links **out, struct loop *l, struct relay *r,
		 const struct links_conf *conf) MUST_USE;
/* Begins to connect. */
void links_start(struct links *ls);
/* The one that new connections take, or NULL. */
struct relay_link *links_current(struct links *ls);
/* TCP connections have drain_us to end. Then the loop stops. */
void links_drain(struct links *ls, int64_t drain_us);
bool links_draining(const struct links *ls);
void links_destroy(struct links *ls);
struct relay_figures *links_figures(struct links *ls);
/* "up", "connecting", ... for the status line. */
const char *links_state(const struct links *ls);
/* The paths of the current one, for the status line. */
void links_paths(struct links *ls, char *dst, size_t cap);
/* What conf.conf says is other now: paths, and how tunnels behave. 0 or -ENOMEM. */
int links_reload(struct links *ls) MUST_USE;

/* ---- front.c: the listeners ---- */

struct front;

int front_create(struct front **out, struct relay *r, struct links *ls, const struct conf *c,
		 struct metrics *m, char *err, size_t cap) MUST_USE;
/* The listeners are those of c now, which is not kept. At the first that cannot be opened it ends, with the
 * reason in err: those after it stay as they are. */
int front_set(struct front *f, const struct conf *c, char *err, size_t cap) MUST_USE;
void front_wake(struct front *f);
void front_stop(struct front *f);
void front_destroy(struct front *f);

#endif
