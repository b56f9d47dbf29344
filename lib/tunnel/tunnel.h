/* tunnel: the accelerator's protocol, without sockets and without a clock. gex-tunnel(7) has the
 * wire format.
 *
 * Shape. A tunnel joins two processes: the client side (gex-listen) made by tunnel_create, the
 * server side (gex-endpoint) made by an acceptor, one for each client that proves that it has the
 * key. A carrier moves datagrams: it gives what it received to tunnel_input or acceptor_input,
 * sends what tunnel_output or acceptor_output gives out, until that gives nothing, and calls again
 * at tunnel_wake or acceptor_wake:
 *
 *	recv: while (recvmmsg...) acceptor_input(a, ...);       then pump
 *	timer: at acceptor_wake(a), or sooner:                  pump
 *	app: after writes, reads, opens, closes (a batch):      pump
 *	pump: while (acceptor_event(a, &ev)) handle(&ev);
 *	      while ((n = acceptor_output(a, buf, cap, &path, &to, now)) > 0) send;
 *	      arm the timer at acceptor_wake(a)
 *
 * Inside are streams (ordered bytes, one for each TCP connection) and flows (datagrams, one for
 * each UDP client). Both are opened by either side towards a service that the other side knows by
 * name; what is written before the first answer, or even before the tunnel is connected, goes with
 * the opening packet.
 *
 * Events are polled, not called back: tunnel_event gives the next one. They are levels folded into
 * one event for each object and kind, so their number is bounded by the objects, and a handler may
 * call any function of this header, destroying what it likes. No function calls back into the
 * application.
 *
 * Paths. A tunnel begins with one way to the other side and may get more: other sockets, networks or
 * carriers towards the same server. Each is measured by itself; what is urgent takes the best one,
 * what is large takes all, and what a dead one had on its way goes again over the others. When all
 * are dead the tunnel waits for one to come back (it is `resuming`) for resume_us: streams lose
 * nothing.
 *
 * Ownership. A stream or flow belongs to the tunnel; the application holds a handle from open (or
 * the OPENED event) until it releases it; no event names it after that. A tunnel is destroyed by
 * the application, best at its CLOSED event; this ends all handles in it. A tunnel from an acceptor
 * is destroyed in the same way, or with the acceptor.
 *
 * Memory is bounded by tunnel_conf: by what may be unread (windows), unacknowledged (send buffers)
 * and by counts.
 *
 * Not safe for use by two threads on one tunnel or acceptor. Time is int64_t microseconds of a
 * clock that does not go back; a call with an older time than before is taken as the time before.
 */
#ifndef GEX_TUNNEL_H
#define GEX_TUNNEL_H

#include "base/base.h"
#include "crypt/crypt.h"
#include <sys/types.h>
#include <sys/uio.h>

struct tunnel;
struct tunnel_stream;
struct tunnel_flow;
struct acceptor;

/* A datagram on the wire is never larger; a path starts with TUNNEL_DGRAM_MIN and finds out how
 * much more it takes. A carrier must not let its datagrams be fragmented by IP (set the
 * don't-fragment flag). */
#define TUNNEL_DGRAM_MIN 1200
#define TUNNEL_DGRAM_MAX 1452
#define TUNNEL_SERVICE_MAX 63
#define TUNNEL_FLOW_DGRAM_MAX 65535
#define TUNNEL_REASON_MAX 120
#define TUNNEL_PATHS 8

/* Where datagrams come from and go to: bytes that only the carrier understands (a sockaddr, say).
 * Unused bytes are zero: addresses are compared as bytes. The last four, from TUNNEL_ADDR_HOST on,
 * are what the addresses of one machine or network have in common (a hash of it, say): they share
 * what a peer may take before it is proven.
 *
 * TUNNEL_ADDR_RELIABLE is added to len where what is sent arrives whole and in order at a rate that
 * the carrier finds out (TCP), or the address has ended. The tunnel then neither probes for the size
 * nor controls the rate; the carrier says by tunnel_hold when it takes no more. */
#define TUNNEL_ADDR_HOST 27
#define TUNNEL_ADDR_RELIABLE 0x80
struct tunnel_addr {
	uint8_t len;
	uint8_t bytes[TUNNEL_ADDR_HOST + 4];
};

/* What is urgent: classes in order of priority, datagrams of a lower one wait for those of a higher
 * one. AUTO is for streams: interactive while they carry little, bulk when they carry much. */
enum tunnel_class {
	TUNNEL_AUTO,
	TUNNEL_GAME,
	TUNNEL_INTERACTIVE,
	TUNNEL_LIVE,
	TUNNEL_BULK,
};

struct tunnel_conf {
	int64_t handshake_us; /* to be connected, or fail */
	int64_t idle_us;      /* silence after which the peer is dead, when nothing is open */
	int64_t resume_us;    /* and when streams or flows are (idle_us when that is longer) */
	int64_t keepalive_us; /* each path is asked for a sign of life at least so often */
	int64_t flow_idle_us; /* a flow without datagrams ends */
	int64_t rate_bps;     /* bits a second on the wire; 0: found out ("auto") */
	size_t dgram_max;     /* TUNNEL_DGRAM_MIN to TUNNEL_DGRAM_MAX */
	size_t warm_bytes;    /* padding to measure a new path with, at most, each way; 0: none */
	size_t stream_window; /* unread bytes of one stream that the peer may send: at most */
	size_t tunnel_window; /* and of all streams */
	size_t stream_buffer; /* unacknowledged bytes of one stream kept to send again: at most */
	size_t tunnel_buffer; /* and of all streams */
	size_t flow_queue;    /* bytes of datagrams queued by one flow, each way */
	size_t flows_queue;   /* and by all flows */
	unsigned streams_max; /* open at once, opened by one side */
	unsigned flows_max;
	unsigned tunnels_max; /* acceptor: established tunnels and handshakes */
};

/* Fit for 200 Mbit/s at 300 ms. */
void tunnel_conf_default(struct tunnel_conf *conf);

/* ---- the tunnel ---- */

enum tunnel_state { TUNNEL_HANDSHAKE, TUNNEL_OPEN, TUNNEL_CLOSING, TUNNEL_CLOSED };

/* Client side; begins the handshake with `to` on path `path`. The key is copied. conf NULL: the
 * default. -EINVAL, -ENOMEM, -EIO. */
int tunnel_create(const struct tunnel_conf *conf, const struct crypt_key *key, int path,
		  const struct tunnel_addr *to, int64_t now_us, struct tunnel **out) MUST_USE;
/* Either side with secrets at hand and no handshake: for simulations, tests and measurements, where
 * nothing secret passes, and for whoever agrees on secrets in another way. Open at once. */
int tunnel_create_keyed(const struct tunnel_conf *conf, const struct crypt_secrets *secrets,
			bool server, int path, const struct tunnel_addr *to, int64_t now_us,
			struct tunnel **out) MUST_USE;
/* All but dgram_max counts from now on; a rate that is another, or found out again, at once. */
void tunnel_set_conf(struct tunnel *t, const struct tunnel_conf *conf);
/* At once and without a word to the peer; for that, tunnel_close first and go on until CLOSED. */
void tunnel_destroy(struct tunnel *t);

/* A datagram that arrived on a path. Returns 0, or why it was dropped (counted too): -EBADMSG not
 * authentic or not ours, -EALREADY seen before, -EPROTO breaks the protocol (which ends the
 * tunnel), -ESHUTDOWN. Nothing the caller must act on. */
int tunnel_input(struct tunnel *t, const void *dgram, size_t n, int path,
		 const struct tunnel_addr *from, int64_t now_us);
/* The next datagram to send now. Returns its length, 0 for none now. cap: at least
 * TUNNEL_DGRAM_MAX. */
size_t tunnel_output(struct tunnel *t, void *buf, size_t cap, int *path, struct tunnel_addr *to,
		     int64_t now_us);
/* The address on that path takes no more datagrams (hold), or does again: until then output has
 * none for it. An address that is not the peer's is ignored. */
void tunnel_hold(struct tunnel *t, int path, const struct tunnel_addr *to, bool hold);
/* When the tunnel must be pumped next (events, then output); not after now while there are events;
 * NEVER_US. */
int64_t tunnel_wake(const struct tunnel *t);

/* Says goodbye to the peer with an application's code and a short text (may be NULL; cut at
 * TUNNEL_REASON_MAX). CLOSED follows as soon as it is sent. What is unacknowledged is lost. Does
 * nothing when closed. */
void tunnel_close(struct tunnel *t, uint32_t code, const char *reason);

enum tunnel_state tunnel_state(const struct tunnel *t);
/* Why it closed: 0 we did; -ECONNRESET the peer did (its code and text below); -EACCES wrong key;
 * -ETIMEDOUT no answer, or silence; -EPROTO the peer broke the protocol (the text says how). */
int tunnel_reason(const struct tunnel *t, uint32_t *code, const char **text);
/* The PSK identity, "" for a keyed tunnel. Lives as long as t. */
const char *tunnel_key_name(const struct tunnel *t);
/* The peer's present address on that path of the carrier; false when it has none there. */
bool tunnel_peer_addr(const struct tunnel *t, int path, struct tunnel_addr *out);

void tunnel_set_user(struct tunnel *t, void *user);
void *tunnel_user(const struct tunnel *t);

/* ---- events ---- */

enum tunnel_event_type {
	TUNNEL_EV_CONNECTED,	   /* the handshake is complete; on a server the tunnel is new */
	TUNNEL_EV_CLOSED,	   /* tunnel_reason says why; last event; destroy the tunnel */
	TUNNEL_EV_STREAM_OPENED,   /* by the peer: tunnel_stream_info; may be readable already (an
				      event tells) */
	TUNNEL_EV_STREAM_READABLE, /* new bytes in order, or their end has been reached */
	TUNNEL_EV_STREAM_WRITABLE, /* after a write that did not take all: there is room */
	TUNNEL_EV_STREAM_RESET,	   /* by the peer, with tunnel_event.code; unread bytes are gone */
	TUNNEL_EV_FLOW_OPENED,	   /* by the peer; its first datagram follows as FLOW_READABLE */
	TUNNEL_EV_FLOW_READABLE,   /* at least one datagram */
	TUNNEL_EV_PATH, /* a path came up, died, moved or went: tunnel_path_stats says which */
	TUNNEL_EV_FLOW_CLOSED, /* idle, or closed by the peer; release it (queued datagrams can be
				  read still) */
};

struct tunnel_event {
	enum tunnel_event_type type;
	struct tunnel *tunnel;
	struct tunnel_stream *stream; /* of stream events */
	struct tunnel_flow *flow;     /* of flow events */
	unsigned path;		      /* of path events: its number */
	uint32_t code;
};

/* Takes the next event; false when there is none. */
bool tunnel_event(struct tunnel *t, struct tunnel_event *ev);

/* ---- what a stream or flow is opened for ---- */

/* The connection's ends as the client side saw them, for the PROXY protocol and its like. family 0:
 * unknown, 4 or 6; IPv4 uses the first four bytes. Ports in host order. */
struct tunnel_origin {
	uint8_t family;
	uint8_t src[16], dst[16];
	uint16_t src_port, dst_port;
};

/* What this side spends on what it sends, beside the bytes themselves. All zero: found out, by class
 * and by what the path loses. */
struct tunnel_repair {
	int percent;	     /* of the bytes, at most; 0: auto; -1: nothing */
	int64_t deadline_us; /* a datagram is sent again while it is younger; 0: auto; -1: never */
};

struct tunnel_open {
	char service[TUNNEL_SERVICE_MAX + 1];
	uint16_t offset; /* into the service's port range */
	enum tunnel_class class;
	struct tunnel_origin origin;
	struct tunnel_repair repair; /* of this side; the peer is not told */
};

/* ---- streams ---- */

/* Codes of resets; an application may use its own from TUNNEL_RST_APP. */
enum {
	TUNNEL_RST_CANCEL = 0,	   /* the TCP connection was reset */
	TUNNEL_RST_REFUSED = 1,	   /* the backend refused, or cannot be reached */
	TUNNEL_RST_NO_SERVICE = 2, /* the peer has no such service */
	TUNNEL_RST_LIMIT = 3,	   /* too many streams */
	TUNNEL_RST_TIMEOUT = 4,
	TUNNEL_RST_APP = 256,
};

/* Opens a stream. Nothing is sent until there is output: write first, then pump, and the bytes go
 * along. -EAGAIN: streams_max are open; -ESHUTDOWN: the tunnel is closed; -EINVAL; -ENOMEM. */
int tunnel_stream_open(struct tunnel *t, const struct tunnel_open *open,
		       struct tunnel_stream **out) MUST_USE;

/* Queues bytes (copied) to be sent in order. Returns how many it took, which is less than n when
 * the buffers are full: WRITABLE follows; -EPIPE after finish, reset or close. */
ssize_t tunnel_stream_write(struct tunnel_stream *s, const void *data, size_t n) MUST_USE;
/* How many bytes a write would take now. */
size_t tunnel_stream_room(const struct tunnel_stream *s);
/* No more bytes follow what was written: the peer reads to the end (half-close). */
void tunnel_stream_finish(struct tunnel_stream *s);

/* The first bytes not yet read that lie in one piece, without copying: *data is valid until
 * consume, reset or destruction. Returns their number, 0 for none now. */
size_t tunnel_stream_peek(const struct tunnel_stream *s, const void **data);
/* The same in up to `max` pieces. Returns their number. */
unsigned tunnel_stream_peekv(const struct tunnel_stream *s, struct iovec *iov, unsigned max);
/* Takes n bytes (at most what can be read) away and lets the peer send as many more. */
void tunnel_stream_consume(struct tunnel_stream *s, size_t n);
/* peek, copy, consume in one. Returns how many, 0 for none now. A reader that stops reading stops
 * the sender. */
size_t tunnel_stream_read(struct tunnel_stream *s, void *buf, size_t cap);
/* True when everything up to the peer's finish has been read; no more will come. False on a reset
 * stream. */
bool tunnel_stream_ended(const struct tunnel_stream *s);

/* Ends both directions at once: unsent bytes are dropped, the peer gets RESET with the code.
 * Refusing a stream is a reset with TUNNEL_RST_REFUSED or TUNNEL_RST_NO_SERVICE. */
void tunnel_stream_reset(struct tunnel_stream *s, uint32_t code);
/* Gives the handle back. When the stream is finished and was read to its end, what is
 * unacknowledged is still delivered; otherwise it is reset with TUNNEL_RST_CANCEL. */
void tunnel_stream_release(struct tunnel_stream *s);

/* What it was opened for; lives as long as the handle. */
const struct tunnel_open *tunnel_stream_info(const struct tunnel_stream *s);
/* For who accepted it; who opens it says so in tunnel_open. */
void tunnel_stream_set_repair(struct tunnel_stream *s, const struct tunnel_repair *repair);
uint64_t tunnel_stream_id(const struct tunnel_stream *s); /* unique in the tunnel; for logs */
void tunnel_stream_set_user(struct tunnel_stream *s, void *user);
void *tunnel_stream_user(const struct tunnel_stream *s);

/* ---- flows ---- */

/* Opens a flow; the peer learns of it with the first datagram. Errors as tunnel_stream_open. */
int tunnel_flow_open(struct tunnel *t, const struct tunnel_open *open,
		     struct tunnel_flow **out) MUST_USE;
/* Queues a datagram of 0 to TUNNEL_FLOW_DGRAM_MAX bytes (copied). It may be lost, doubled never;
 * each is delivered as it arrives, whatever came before. One larger than a packet goes in pieces
 * and is lost when one of them is. 0, -EMSGSIZE, -ENOBUFS (the flow's queue is full: dropped and
 * counted), -EPIPE (closed). */
int tunnel_flow_send(struct tunnel_flow *f, const void *data, size_t n);
/* The next datagram. Returns its length (cut to cap) or -EAGAIN. When nobody reads, the oldest are
 * dropped. */
ssize_t tunnel_flow_recv(struct tunnel_flow *f, void *buf, size_t cap) MUST_USE;
/* Gives the handle back, and tells the peer when the flow is open. */
void tunnel_flow_release(struct tunnel_flow *f);
const struct tunnel_open *tunnel_flow_info(const struct tunnel_flow *f);
void tunnel_flow_set_repair(struct tunnel_flow *f, const struct tunnel_repair *repair);
uint64_t tunnel_flow_id(const struct tunnel_flow *f);
void tunnel_flow_set_user(struct tunnel_flow *f, void *user);
void *tunnel_flow_user(const struct tunnel_flow *f);

/* ---- paths ---- */

/* Client: one more way to the same server: on path `path` of the carrier, to `to`. It is probed at
 * once and used as soon as the server answers there; while it does not, it is probed four times a
 * second. Before the tunnel is connected it waits; the handshake is made on path 0, the one that the
 * tunnel was made with. Returns its number in the tunnel, 1 to TUNNEL_PATHS - 1 (or 0 when that one
 * was removed); -EEXIST: there is one with that carrier path and address; -ENOSPC; -EINVAL: this is
 * the server's side, which learns of paths by what arrives; -ESHUTDOWN: the tunnel is closed;
 * -ENOMEM. */
int tunnel_path_add(struct tunnel *t, int path, const struct tunnel_addr *to);
/* Client: nothing more is sent on path `number`, what it had on its way goes over the others, and
 * the server is told. A tunnel may lose its last path: it is then resuming until one is added.
 * -ENOENT: no such path; -EINVAL: on the server's side, or before the tunnel is connected. */
int tunnel_path_remove(struct tunnel *t, unsigned number);

enum tunnel_path_state {
	TUNNEL_PATH_NEW,  /* did not answer yet */
	TUNNEL_PATH_UP,	  /* in use */
	TUNNEL_PATH_DOWN, /* fell silent; probed */
};

struct tunnel_path_stats {
	enum tunnel_path_state state;
	bool best; /* it takes what is urgent */
	int path;  /* the carrier's */
	struct tunnel_addr peer;
	int64_t rtt_us, rtt_min_us, rtt_var_us; /* 0: not measured yet */
	int64_t loss_ppm;			/* of what is sent there; -1: not known */
	int64_t rate_bps, delivery_bps;		/* as in tunnel_stats */
	uint64_t cwnd, in_flight, dgram_size;
	uint64_t packets_sent, bytes_sent, packets_received, bytes_received, packets_lost;
	uint64_t deaths; /* times it went from up to down */
	uint64_t moved;	 /* changes of the peer's address */
};
/* What there is to know of path `number`, from 0 to TUNNEL_PATHS - 1; false: there is none. */
bool tunnel_path_stats(const struct tunnel *t, unsigned number, struct tunnel_path_stats *out);

/* ---- the acceptor: the server's side of one carrier ---- */

/* Demultiplexes by connection id, answers first hellos with cookies and keeps nothing until one
 * comes back, then makes a tunnel of each handshake that completes. conf NULL: the default. The
 * ring is copied. */
int acceptor_create(const struct tunnel_conf *conf, const struct crypt_ring *ring, int64_t now_us,
		    struct acceptor **out) MUST_USE;
void acceptor_destroy(struct acceptor *a); /* and all its tunnels */
/* For handshakes that are not complete yet; tunnels that exist keep their keys. */
void acceptor_set_ring(struct acceptor *a, const struct crypt_ring *ring);

/* For handshakes from now on, and as tunnel_set_conf for the tunnels that exist. */
void acceptor_set_conf(struct acceptor *a, const struct tunnel_conf *conf);

/* As those of a tunnel, for all of its tunnels. -ENOBUFS: tunnels_max reached. */
int acceptor_input(struct acceptor *a, const void *dgram, size_t n, int path,
		   const struct tunnel_addr *from, int64_t now_us);
size_t acceptor_output(struct acceptor *a, void *buf, size_t cap, int *path, struct tunnel_addr *to,
		       int64_t now_us);
int64_t acceptor_wake(const struct acceptor *a);
void acceptor_hold(struct acceptor *a, int path, const struct tunnel_addr *to, bool hold);
/* Events of all its tunnels (ev->tunnel says whose), CONNECTED first for each. */
bool acceptor_event(struct acceptor *a, struct tunnel_event *ev);
/* A handshake that failed since the last question, for the log: the address is proven, the name of
 * the key is what the peer said. False: none. Of many at once only some are kept; stats count all. */
struct acceptor_failure {
	int path;
	struct tunnel_addr from;
	int why; /* -EACCES, -EPROTO: as tunnel_reason */
	char key_name[CRYPT_NAME_MAX + 1];
};
bool acceptor_failure(struct acceptor *a, struct acceptor_failure *out);
/* Its established tunnels, one after the other; NULL begins, NULL ends. */
struct tunnel *acceptor_next(const struct acceptor *a, const struct tunnel *t);

/* ---- figures ---- */

/* Why datagrams were dropped at the door. */
enum tunnel_drop {
	TUNNEL_DROP_FORGED,   /* not authentic, unknown connection, or garbage */
	TUNNEL_DROP_REPLAYED, /* seen before, or too old to know */
	TUNNEL_DROP_PROTOCOL, /* authentic, but breaks the protocol */
	TUNNEL_DROP_FULL,     /* no room for another peer */
	TUNNEL_DROP_CLOSED,
	TUNNEL_DROP_KINDS,
};

struct tunnel_stats {
	int64_t rtt_us, rtt_min_us, rtt_var_us; /* 0: not measured yet */
	int64_t rate_bps;			/* at which it paces now */
	int64_t delivery_bps;			/* what the peer received lately, at most */
	uint64_t cwnd, in_flight;		/* bytes */
	uint64_t dgram_size;			/* what the path takes */
	uint64_t packets_sent, bytes_sent;	/* datagrams with all their bytes */
	uint64_t packets_received, bytes_received;
	uint64_t packets_lost, packets_lost_spurious;	 /* declared lost; acknowledged later */
	uint64_t bytes_resent;				 /* stream bytes sent again, because lost */
	uint64_t repair_packets_sent, repair_bytes_sent; /* symbols */
	uint64_t repair_received, repair_wasted;  /* symbols; and those of which nothing was lost */
	uint64_t repair_recovered, repair_failed; /* packets; blocks of which too little was kept */
	uint64_t bytes_wasted; /* stream bytes that arrived more than once, as acknowledged */
	uint64_t bytes_padded; /* datagrams that only measured a new path */
	uint64_t stream_bytes_sent, stream_bytes_received; /* as the application counts */
	uint64_t probes;				   /* probe timeouts */
	uint64_t flow_sent, flow_received;		   /* datagrams */
	uint64_t flow_drops_send, flow_drops_receive,
	    flow_drops_pieces;	  /* queues full; pieces missing */
	uint64_t flow_resent;	  /* pieces sent again, because lost */
	uint64_t flow_drops_late; /* lost, and too old to be sent again; or too old in the queue */
	uint64_t streams_opened, streams_accepted, streams_reset;
	uint64_t streams, flows;		  /* now */
	uint64_t buffered_send, buffered_receive; /* bytes now */
	uint64_t moved;				  /* changes of the peer's address */
	uint64_t paths, paths_up;		  /* now */
	bool resuming;				  /* connected, and no path is up */
	uint64_t resumed;			  /* times that was so and ended well */
	uint64_t path_deaths;
	int64_t heard_us; /* when something authentic came last */
	bool disowned;	  /* since then somebody said that the peer knows no such tunnel */
	uint64_t drops[TUNNEL_DROP_KINDS];
};
void tunnel_stats(const struct tunnel *t, struct tunnel_stats *out);

struct acceptor_stats {
	uint64_t handshakes, handshakes_done;
	uint64_t wrong_key, timed_out, failed; /* how the others ended */
	uint64_t evicted;		       /* gave way to newer ones */
	uint64_t cookies;		       /* first hellos answered */
	uint64_t pending, tunnels;	       /* now */
	uint64_t drops[TUNNEL_DROP_KINDS];     /* of datagrams that belong to no tunnel */
};
void acceptor_stats(const struct acceptor *a, struct acceptor_stats *out);

#endif
