/* What stands in datagrams, and what both sides know of each other from the start: gex-tunnel(7). */
#ifndef GEX_TUNNEL_WIRE_H
#define GEX_TUNNEL_WIRE_H

#include "tunnel/bytes.h"
#include "tunnel/tunnel.h"

#define TN_HEADER_LEN 9 /* flags, connection id, packet number: at most */
#define TN_HEADER_MIN 7
#define TN_FLAG_FIXED 0x40
#define TN_FLAG_MASK 0x40
#define TN_FLAG_PATH(f) ((f) >> 3 & 7)
#define TN_PATHS TUNNEL_PATHS
#define TN_FLAG_PHASE 0x07 /* the lowest bits of the epoch */
#define TN_FLAG_LONG 0x80  /* the number has 4 bytes, not 2 */
#define TN_LOST_FLAG 0x80  /* "no such connection": this byte and the id */
#define TN_LOST_LEN 5
#define TN_UDP_IP 28 /* counted with each datagram when it comes to rates */

enum {
	TN_F_PADDING = 0x00,
	TN_F_PING = 0x01,
	TN_F_ACK = 0x02,
	TN_F_ACK_HERE = 0x0c,  /* the same of the path that it is on */
	TN_F_ACK_TIMED = 0x0d, /* and with the time when the highest number came */
	TN_F_MAX_DATA = 0x03,
	TN_F_MAX_STREAM = 0x04,
	TN_F_RESET = 0x05,
	TN_F_CLOSE = 0x06,
	TN_F_CHALLENGE = 0x07,
	TN_F_RESPONSE = 0x08,
	TN_F_PATH_GONE = 0x09,
	TN_F_LOSS = 0x0a,
	TN_F_KEEP = 0x0b,   /* what follows, up to a REPAIR, is a piece of a block */
	TN_F_STREAM = 0x10, /* to 0x13 */
	TN_F_STREAM_FIN = 0x01,
	TN_F_STREAM_OPEN = 0x02,
	TN_F_REST = 0x04, /* of FLOW and REPAIR: goes to the packet's end, without a length */
	TN_F_FLOW = 0x20, /* to 0x27 */
	TN_F_FLOW_OPEN = 0x01,
	TN_F_FLOW_PIECE = 0x02,
	TN_F_FLOW_CLOSE = 0x28,
	TN_F_FLOW_GONE = 0x29,
	TN_F_REPAIR = 0x30, /* to 0x37 */
	TN_F_REPAIR_PATH = 0x01,
	TN_F_REPAIR_BLOCK = 0x02,
};

/* Credit that both sides have from the start. */
#define TN_STREAM_CREDIT (1024 * 1024)
#define TN_TUNNEL_CREDIT (8 * 1024 * 1024)
#define TN_ACK_RANGES 32
#define TN_ACK_UNIT_US 8    /* of its delay */
#define TN_CLOCK_UNIT_US 64 /* of the time in it, which goes round */
#define TN_CLOCK_BITS 14
#define TN_ID_GAPS 4096	     /* stream ids skipped by the peer */
#define TN_STREAM_GAPS 16384 /* holes in one stream */
#define TN_DATA_FRAMES 16    /* STREAM and FLOW in a packet; ours have TN_REFS at most */
#define TN_PACKETS_MAX 65536 /* numbers remembered of packets sent */
#define TN_LEVELS 4

#endif
