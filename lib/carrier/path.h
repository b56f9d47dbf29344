/* What a kind of path gives to the carrier, and what the carrier gives to it. Inside this module
 * only. */
#ifndef GEX_CARRIER_PATH_H
#define GEX_CARRIER_PATH_H

#include "carrier/carrier.h"
#include "carrier/udp.h"

/* Datagrams in one piece of memory, all to one peer: all but the last of `segment` bytes. */
struct carrier_run {
	struct tunnel_addr to;
	uint8_t *data;
	size_t len, segment;
};

struct carrier_path {
	const struct carrier_path_ops *ops;
	struct carrier *carrier;
	int index;
};

/* A kind has either send, for sockets of datagrams, or put and flush, for what has its own queue. */
struct carrier_path_ops {
	enum carrier_kind kind;
	/* Returns how many runs were taken (at least one; what cannot be sent is taken and
	 * counted), or -EAGAIN: the path then calls carrier_unblocked when there is room. */
	int (*send)(struct carrier_path *p, const struct carrier_run *runs, unsigned n);
	/* Queues a datagram. False: there is no room for another to that address until the path
	 * calls carrier_hold(false); a datagram for which there is none is dropped and counted. */
	bool (*put)(struct carrier_path *p, const struct tunnel_addr *to, const void *dgram,
		    size_t n);
	/* Sends what was put; no more comes in this turn. */
	void (*flush)(struct carrier_path *p);
	int (*local)(const struct carrier_path *p, struct net_addr *out);
	/* The rest may be NULL: see carrier.h. */
	int (*status)(const struct carrier_path *p);
	void (*addr)(const struct carrier_path *p, struct tunnel_addr *out);
	void (*set_ring)(struct carrier_path *p, const struct crypt_ring *ring);
	/* No callback after this. It frees itself once its handles are closed, each of which has
	 * pinned the carrier. */
	void (*close)(struct carrier_path *p);
};

/* From a path: a datagram; then, once for a batch, the end of it. */
void carrier_receive(struct carrier_path *p, const void *dgram, size_t n,
		     const struct tunnel_addr *from);
void carrier_received(struct carrier_path *p);
void carrier_unblocked(struct carrier_path *p);
/* The core has no more (hold), or again, datagrams for that address. */
void carrier_hold(struct carrier_path *p, const struct tunnel_addr *to, bool hold);
/* A handle keeps the carrier in memory until it is closed. */
void carrier_pin(struct carrier *c);
void carrier_unpin(struct carrier *c);
struct loop *carrier_loop(const struct carrier *c);
struct udp_batch *carrier_batch(const struct carrier *c);
struct carrier_stats *carrier_counts(struct carrier *c);

/* udp and srt: peer.family 0 is a server's. */
int udp_path_create(struct carrier *c, int index, const struct carrier_to *to,
		    struct carrier_path **out) MUST_USE;
int srt_path_create(struct carrier *c, int index, const struct carrier_to *to,
		    const struct crypt_ring *ring, struct carrier_path **out) MUST_USE;
int tls_client_create(struct carrier *c, int index, const struct carrier_to *to,
		      struct carrier_path **out) MUST_USE;
int tls_server_create(struct carrier *c, int index, const struct net_addr *bind,
		      const struct crypt_ring *ring, unsigned max,
		      struct carrier_path **out) MUST_USE;

#endif
