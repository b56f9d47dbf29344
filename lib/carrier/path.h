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

struct carrier_path_ops {
	/* Returns how many runs were taken (at least one; what cannot be sent is taken and
	 * counted), or -EAGAIN: the path then calls carrier_unblocked when there is room. */
	int (*send)(struct carrier_path *p, const struct carrier_run *runs, unsigned n);
	int (*local)(const struct carrier_path *p, struct net_addr *out);
	/* No callback after this; calls carrier_path_gone once its handles are closed, then frees
	 * itself. */
	void (*close)(struct carrier_path *p);
};

/* From a path: a datagram; then, once for a batch, the end of it. */
void carrier_receive(struct carrier_path *p, const void *dgram, size_t n,
		     const struct tunnel_addr *from);
void carrier_received(struct carrier_path *p);
void carrier_unblocked(struct carrier_path *p);
void carrier_path_gone(struct carrier *c);
struct loop *carrier_loop(const struct carrier *c);
struct udp_batch *carrier_batch(const struct carrier *c);
struct carrier_stats *carrier_counts(struct carrier *c);

int udp_path_create(struct carrier *c, int index, const struct net_addr *bind,
		    const struct net_addr *peer, struct carrier_path **out) MUST_USE;

#endif
