/* srt_peer: what a relay of UDP datagrams can do for an SRT caller whose listener has died.
 *
 * SRT runs over UDP sockets that are not connected, so it never hears that a port is closed, and notices a dead peer after
 * five seconds of silence (SRTO_PEERIDLETIMEO, which encoders do not offer). A relay that is connected to the backend does
 * hear of it, at once, by ICMP. With the caller's socket id, which stands in every packet to the caller, it can say what the
 * listener could not: SHUTDOWN. The encoder then reconnects as after any orderly end.
 *
 * Pure. Packet layout: draft-sharabayko-srt-01, sections 3, 3.2.1, 3.2.4, 3.2.5 and 3.2.7. */
#ifndef GEX_NET_SRT_PEER_H
#define GEX_NET_SRT_PEER_H

#include "base/base.h"

#define SRT_SHUTDOWN_LEN 20

/* One UDP client of a relay. Zero-initialise. */
struct srt_peer {
	bool is_srt;	    /* the client shook hands, or answered an ACK by its number */
	uint32_t caller_id; /* its socket id; 0: not known yet */
	uint32_t acked;	    /* number of the last full ACK to it */
};

/* Looks at a datagram from the client, or from the backend to it. */
void srt_peer_note(struct srt_peer *s, const void *dgram, size_t n, bool from_backend);
/* Writes the packet that ends the client's connection. Returns its length, or 0 when the client is no connected SRT caller. */
size_t srt_peer_shutdown(const struct srt_peer *s, uint8_t out[SRT_SHUTDOWN_LEN]);

#endif
