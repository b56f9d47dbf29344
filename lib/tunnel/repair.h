/* repair: what is lost is made up for by what was sent besides, without a round trip.
 *
 * Shape. A packet that is worth it is protected: its frames, or a block of several packets' frames,
 * are known to the peer by symbols as well that are sent after it, later, so that the loss that took
 * the packet does not take them. The symbol of a single packet is a copy; those of a block are sums
 * of a Reed-Solomon code, and as many of its packets can be lost as there are symbols. What is
 * recovered passes as if it had arrived, and is acknowledged, so that it is not sent again.
 *
 * loss.c measures what is lost, and how long bursts last; plan.c says how many symbols that takes,
 * and when; repair.c makes copies, and sends symbols; block.c collects blocks; repair_in.c is the
 * receiver.
 *
 * Packets with a symbol and nothing else want no ACK and are not in flight: what they cost is
 * bounded by the share of bytes that streams and flows grant for it. */
#ifndef GEX_TUNNEL_REPAIR_H
#define GEX_TUNNEL_REPAIR_H

#include "base/base.h"
#include "tunnel/rs.h"

/* ---- loss.c: how a path loses what we send ---- */

#define TN_LOSS_BINS 8
#define TN_LOSS_TIMES 256

/* Counts that forget slowly. */
struct tn_loss {
	uint32_t sent, lost;	  /* packets; lost ones in 1/16 */
	uint32_t told, told_lost; /* the same without what was assumed at first */
	/* Packets sent so long after a lost one, and those of them that were lost as well. */
	uint16_t pairs[TN_LOSS_BINS], both[TN_LOSS_BINS];
	int64_t left_us[TN_LOSS_TIMES]; /* when the newest packets left, by number */
};

/* Before anything is known, 1 % is assumed. */
void tn_loss_init(struct tn_loss *l);
void tn_loss_count(struct tn_loss *l, uint64_t sent, uint64_t lost);
void tn_loss_pair(struct tn_loss *l, int64_t gap_us, bool both);
uint32_t tn_loss_ppm(const struct tn_loss *l);
/* Of what was told alone; -1: nothing was. */
int64_t tn_loss_told_ppm(const struct tn_loss *l);
/* The mean length of a burst of losses in time; 0: each is lost on its own. */
int64_t tn_loss_burst(const struct tn_loss *l);
/* Too few were lost to tell. */
bool tn_loss_unsure(const struct tn_loss *l);

/* The receiver's side: numbers below `settled` will not come any more. */
struct tn_watch {
	uint64_t told, settled, mark;
	int64_t mark_us, told_us;
};

/* ---- plan.c: pure arithmetic ---- */

/* What a packet carries decides what is made of it: BURST the beginning of a transfer, AGAIN what of
 * a stream was lost twice or more, FLOW datagrams, STREAM short writes. */
enum tn_guard { TN_GUARD_NONE, TN_GUARD_BURST, TN_GUARD_AGAIN, TN_GUARD_FLOW, TN_GUARD_STREAM };

#define TN_COPIES_MAX 4
#define TN_COPIES_RICH 8

/* What the plan is made from. */
struct tn_line {
	uint32_t ppm; /* lost */
	int64_t burst_us, rtt_us;
	bool unsure; /* too few losses were seen to say whether they come in bursts */
	bool rich;   /* so much else passes that copies of what is urgent are not felt */
};

/* How many copies of a packet, in 1/65536; guard: AGAIN, FLOW or STREAM. */
uint32_t tn_plan_copies(const struct tn_line *l, enum tn_guard guard);
/* Do losses come in bursts, or may they? */
bool tn_plan_bursts(const struct tn_line *l);
/* How long after its packet copy i goes. */
int64_t tn_plan_offset(const struct tn_line *l, enum tn_guard guard, unsigned i);
/* How many symbols for a block of k packets, at most TN_RS_ROWS. 0: none are worth it. */
unsigned tn_plan_rows(const struct tn_line *l, enum tn_guard guard, unsigned k);

/* ---- symbols ---- */

#define TN_REPAIR_BYTES (256 * 1024) /* of symbols that wait, at most, of one path */
#define TN_REPAIR_HEAD 24	     /* before a symbol's data in its packet, at most */
#define TN_PIECE_HEAD 2		     /* before a packet's frames in a block: their length */

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

/* Packets that are protected together. A symbol is a sum of their frames, each with its length in
 * two bytes before it. */
struct tn_block {
	uint64_t first, map;
	unsigned k, rows;
	size_t len, cap; /* of the longest; at most */
	enum tn_guard guard;
	int64_t since_us, close_us;
	struct tn_symbol *row[TN_RS_ROWS];
};

/* The sender's side of a path. */
struct tn_repair {
	struct tn_symbol *first;       /* soonest first */
	struct tn_symbol *bulk, *last; /* of bursts, which keep to the pace */
	size_t bytes;
	int64_t credit[TN_GUARD_STREAM + 1]; /* bytes that may be spent */
	int64_t beside;			     /* and for the urgent, since bulk passes; */
	int64_t beside_us;		     /* it did so last then */
	uint32_t part[TN_GUARD_STREAM + 1];  /* of a copy, in 1/65536, that is owed */
	struct tn_block block, burst;	     /* of the urgent, when they are many; of bursts */
	int64_t urgent_us, gap_us; /* the newest of the urgent, and the gap between them */
};

/* ---- the receiver ---- */

#define TN_KEPT 256   /* packets of blocks that are kept */
#define TN_SYMBOLS 64 /* symbols that wait for more */

struct tn_kept {
	uint64_t number;
	uint8_t *data; /* with its length before it */
	size_t len;
};

struct tn_mend {
	struct tn_kept *kept; /* TN_KEPT of them, or NULL */
	struct tn_symbol *symbol[TN_SYMBOLS];
	unsigned n;
	int64_t used_us;
};

#endif
