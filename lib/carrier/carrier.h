/* carrier: moves a tunnel's datagrams. It drives one core, a tunnel or an acceptor, by its rules:
 * what arrives goes in, what comes out is sent, the core's wake-up is kept, and after each batch
 * the application is told to take the core's events.
 *
 * A carrier has paths, numbered from 0. A path is one way to send and receive datagrams, of one of the
 * kinds behind the operations of path.h: udp, a socket (udp_path.c); tls, datagrams in a TCP
 * connection (tls.h); srt, datagrams as messages of SRT (srt_path.c). An address on a path is made by carrier_path_addr, or the path, and can be
 * read back by carrier_peer; the core keeps it as bytes.
 *
 * Order of a turn: receive what is there (bounded) or the timer or carrier_kick; events(); send
 * until the core has no more or the socket is full. events() may do anything, also destroy the
 * carrier. */
#ifndef GEX_CARRIER_H
#define GEX_CARRIER_H

#include "loop/loop.h"
#include "net/net.h"
#include "tunnel/tunnel.h"

struct carrier;

struct carrier_stats {
	uint64_t recv_calls, send_calls; /* of the kernel */
	uint64_t refused;		 /* times the peer's host said that nobody listens there */
	uint64_t send_errors;		 /* datagrams lost because the kernel refused them */
	uint64_t blocked;		 /* times the kernel's send buffer was full */
	uint64_t dropped;     /* datagrams that came and found the kernel's receive buffer full */
	uint64_t tls_opened;  /* connections accepted, of peers with a key */
	uint64_t tls_refused; /* and of others, or too many at a time */
	uint64_t srt_opened;
};

/* events: called after each batch that went into the core. Ownership: the carrier is the caller's;
 * arg is kept. */
int carrier_create(struct carrier **out, struct loop *l, void (*events)(void *arg),
		   void *arg) MUST_USE;
/* Silences all callbacks at once, allowed inside events(); memory goes when the loop has closed the
 * handles. The core is not touched: destroy it before or after. */
void carrier_destroy(struct carrier *c);

enum carrier_kind { CARRIER_UDP, CARRIER_TLS, CARRIER_SRT };
const char *carrier_kind_name(enum carrier_kind kind);

/* A client's path. */
struct carrier_to {
	struct net_addr peer;
	struct net_addr bind;	       /* an address of this host to send from; family 0: any */
	char device[16];	       /* a network device to go by; "": any */
	const struct crypt_ring *ring; /* of tls and srt; key[0] is copied */
};
/* Tls and srt connect, and again whenever the connection ends. Returns the number of the path, or
 * the negative errno of socket, bind or connect. */
int carrier_connect(struct carrier *c, enum carrier_kind kind,
		    const struct carrier_to *to) MUST_USE;
/* A server's path: everybody by udp; by tls and srt, who has a key of the ring (copied): by tls at
 * most max at a time. Returns the number of the path, or a negative errno. */
int carrier_listen(struct carrier *c, enum carrier_kind kind, const struct net_addr *bind,
		   const struct crypt_ring *ring, unsigned max) MUST_USE;
/* For connections from now on. */
void carrier_set_ring(struct carrier *c, const struct crypt_ring *ring);

/* Closes a path; its number may be given to another one that is added later. The core must not use
 * it any more. */
void carrier_remove(struct carrier *c, int path);
enum carrier_kind carrier_path_kind(const struct carrier *c, int path);
/* 0: usable, as far as one can know; -EINPROGRESS: its first connection is not there yet; else why
 * the last one failed or ended (-EACCES: no common key), while it tries again. */
int carrier_path_status(const struct carrier *c, int path);
/* What the core knows the peer of a client's path by. */
void carrier_path_addr(const struct carrier *c, int path, const struct net_addr *peer,
		       struct tunnel_addr *out);
/* The address that path is bound to. */
int carrier_local(const struct carrier *c, int path, struct net_addr *out) MUST_USE;

/* Begins to drive it. The core outlives the carrier or is taken away with carrier_detach. */
void carrier_drive_tunnel(struct carrier *c, struct tunnel *t);
void carrier_drive_acceptor(struct carrier *c, struct acceptor *a);
void carrier_detach(struct carrier *c);

/* The application did something to the core (wrote, opened, closed): a turn is made soon, once for
 * many kicks. */
void carrier_kick(struct carrier *c);

void carrier_addr(const struct net_addr *a, struct tunnel_addr *out);
void carrier_peer(const struct tunnel_addr *t, struct net_addr *out);

void carrier_stats(const struct carrier *c, struct carrier_stats *out);

#endif
