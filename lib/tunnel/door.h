/* What peers may take before they have proven anything, by host: the carrier says which addresses
 * are of one (TUNNEL_ADDR_HOST). A host has its share of handshakes in time, and is the first to
 * lose some when there are too many at once; so whoever floods from a few addresses keeps nobody
 * else out. Memory is fixed. */
#ifndef GEX_TUNNEL_DOOR_H
#define GEX_TUNNEL_DOOR_H

#include "base/base.h"

struct tunnel_addr;

#define TN_DOOR_HOSTS 1024 /* entries that hosts share by hash */
#define TN_DOOR_ROWS \
	2 /* in each of which a host has another one: only who has both in common with a flood is kept out by it */

/* Rates are kept as the time until which they are used up (GCRA, ITU-T I.371). */
struct tn_door {
	uint64_t seed;
	int64_t host_us[TN_DOOR_ROWS][TN_DOOR_HOSTS], lost_us;
};

void tn_door_init(struct tn_door *d);
/* May it begin a handshake now? It then has. */
bool tn_door_handshake(struct tn_door *d, const struct tunnel_addr *from, int64_t now_us);
/* May somebody be told now that his connection is unknown? */
bool tn_door_lost(struct tn_door *d, int64_t now_us);
uint32_t tn_door_host(const struct tunnel_addr *from);
uint64_t tn_door_hash(const struct tn_door *d, int path, const struct tunnel_addr *from);

#endif
