/* relay: joins sockets with the streams and flows of a tunnel, on both ends of it. The tools decide
 * which tunnel and which backend; the bytes, and how connections end, are the same on both sides and
 * are here.
 *
 * Shape. A relay is what a process shares: buffers and limits. A relay_link stands for one tunnel
 * with its carrier and holds everything that lives in it: relay connections (a TCP socket and a
 * stream) and relay flows (a UDP peer and a flow). The application takes the tunnel's events and
 * gives those of streams and flows to relay_event.
 *
 *	client side:	relay_listener (ports) -> pick a link -> stream or flow opened by the socket
 *	server side:	STREAM_OPENED, FLOW_OPENED -> relay_connect, relay_attach to a relay_backend
 *
 * Exactness of TCP: bytes both ways with back-pressure (a full stream stops the socket being read,
 * a full socket stops the stream being read); FIN is carried as a half-close; a reset, or a backend
 * that refuses, is a reset at the other end; opening never waits for bytes, so a server that speaks
 * first is served.
 *
 * Everything belongs to the loop's thread. Nothing here calls the application back except where
 * said. */
#ifndef GEX_RELAY_H
#define GEX_RELAY_H

#include "carrier/carrier.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "relay/resolve.h"
#include "tunnel/tunnel.h"

struct relay;
struct relay_listener;
struct relay_backend;

int relay_create(struct relay **out, struct loop *l) MUST_USE;
void relay_destroy(struct relay *r); /* after all links, listeners and backends */

/* ---- what is counted, for each listener or service ---- */

struct relay_meter {
	struct metric *open, *total, *failed, *bytes_in, *bytes_out, *datagrams_in, *datagrams_out,
	    *dropped;
	struct log_limit limit; /* for what clients can cause */
};
/* Names gex_TOOL_connections_total and so on, labelled label="name". `in` is from the socket into
 * the tunnel. */
void relay_meter_init(struct relay_meter *m, struct metrics *metrics, const char *tool,
		      const char *label, const char *name);

/* ---- links ---- */

struct relay_link {
	struct relay *relay;
	struct tunnel *tunnel;
	struct carrier *carrier;
	struct list conns, flows;
	size_t nconns, nflows;
	bool stale; /* flows leave it for the link that relay_pick gives now */
};

void relay_link_init(struct relay_link *k, struct relay *r, struct tunnel *t, struct carrier *c);
/* Resets every connection and ends every flow; before the tunnel is destroyed. Also right when
 * zeroed. */
void relay_link_finish(struct relay_link *k);

/* An event of a stream or flow that relay was given; false when it is none of these. */
bool relay_event(const struct tunnel_event *ev);
/* After a batch of events: sends the datagrams they left. */
void relay_flush(struct relay *r);

/* ---- the client side ---- */

struct relay_listener_conf {
	const char *name;    /* for the log; must stay */
	const char *service; /* likewise */
	struct net_spec spec;
	enum tunnel_class class;
	struct tunnel_repair repair;
	int64_t wait_us;   /* a TCP client waits so long for a tunnel, then it is reset */
	unsigned wait_max; /* and so many at once */
	unsigned flows_max;
	/* The link that new connections take now, or NULL while there is none. */
	struct relay_link *(*pick)(void *arg);
	void *arg;
	struct relay_meter *meter; /* must stay */
};

/* Opens all ports. 0, or a negative errno with what could not be opened in err. */
int relay_listen(struct relay_listener **out, struct relay *r,
		 const struct relay_listener_conf *conf, char *err, size_t cap) MUST_USE;
/* For who comes from now on: all of conf but the ports. */
void relay_listener_set(struct relay_listener *l, const struct relay_listener_conf *conf);
/* There is a link now: those who waited go on. */
void relay_listener_wake(struct relay_listener *l);
/* Accepts nobody any more; what runs goes on. */
void relay_listener_stop(struct relay_listener *l);
/* Flows that came by it end. NULL is allowed. */
void relay_listener_destroy(struct relay_listener *l);

/* ---- the server side ---- */

struct relay_backend_conf {
	const char *name; /* of the service, for the log; must stay */
	struct net_spec spec;
	int64_t connect_us; /* for each address */
	int64_t resolve_us; /* an answer of DNS serves so long */
	struct tunnel_repair repair;
	struct relay_meter *meter;
};

int relay_backend_create(struct relay_backend **out, struct relay *r,
			 const struct relay_backend_conf *conf) MUST_USE;
/* What is connected to it goes on, what still connects is refused. NULL is allowed. */
void relay_backend_destroy(struct relay_backend *b);
enum net_proto relay_backend_proto(const struct relay_backend *b);

/* Connects the stream, which is relay's from here on, whatever comes of it: a backend that cannot
 * be reached is a reset with TUNNEL_RST_REFUSED. */
void relay_connect(struct relay_link *k, struct tunnel_stream *s, struct relay_backend *b);
/* The same for a flow. */
void relay_attach(struct relay_link *k, struct tunnel_flow *f, struct relay_backend *b);

#endif
