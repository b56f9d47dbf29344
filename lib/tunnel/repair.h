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

/* ---- loss.c: how a path loses what we send ---- */

#define TN_LOSS_BINS 8
#define TN_LOSS_TIMES 256

/* Counts that forget slowly. */
struct tn_loss {
	uint32_t sent, lost; /* packets; lost ones in 1/16 */
	/* Packets sent so long after a lost one, and those of them that were lost as well. */
	uint16_t pairs[TN_LOSS_BINS], both[TN_LOSS_BINS];
	int64_t left_us[TN_LOSS_TIMES]; /* when the newest packets left, by number */
};

/* Before anything is known, 1 % is assumed. */
void tn_loss_init(struct tn_loss *l);
void tn_loss_count(struct tn_loss *l, uint64_t sent, uint64_t lost);
void tn_loss_pair(struct tn_loss *l, int64_t gap_us, bool both);
uint32_t tn_loss_ppm(const struct tn_loss *l);
/* The mean length of a burst of losses in time; 0: each is lost on its own. */
int64_t tn_loss_burst(const struct tn_loss *l);

/* The receiver's side: numbers below `settled` will not come any more. */
struct tn_watch {
	uint64_t told, settled, mark;
	int64_t mark_us, told_us;
};

/* ---- symbols ---- */

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
