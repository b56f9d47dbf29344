/* repair: what is lost is made up for by what was sent besides, without a round trip.
 *
 * Shape. A packet that is worth it is protected: its plaintext goes into a block of packets of the
 * same path whose numbers are close, and some symbols computed from the block are sent after it,
 * later, so that the loss that took the packet does not take them. A symbol of a block of one is a
 * copy. As many packets of a block as there are symbols can be lost. What is recovered passes as if
 * it had arrived, and is acknowledged, so that it is not sent again.
 *
 * Packets with a symbol and nothing else want no ACK and are not in flight: what they cost is
 * bounded by the share of bytes that streams and flows grant for it. */
#ifndef GEX_TUNNEL_REPAIR_H
#define GEX_TUNNEL_REPAIR_H

#include "base/base.h"

#define TN_REPAIR_BYTES (256 * 1024) /* of symbols that wait, at most, of one path */
#define TN_REPAIR_HEAD 20	     /* before a symbol in its packet, at most */

/* What is to be made of a packet. */
enum tn_guard { TN_GUARD_NONE, TN_GUARD_FLOW, TN_GUARD_STREAM };

/* A symbol that waits for its time. Covers the numbers first + n for each bit n of map. */
struct tn_symbol {
	struct tn_symbol *next;
	int64_t due_us;
	uint64_t first, map;
	uint8_t path; /* of the block */
	uint8_t index;
	uint16_t len;
	uint8_t data[];
};

/* The sender's side of a path. */
struct tn_repair {
	struct tn_symbol *first; /* soonest first */
	size_t bytes;
	uint32_t part[2]; /* of a copy, in 1/65536, that is owed to flows and streams */
};

#endif
