/* A UDP socket that moves datagrams in batches: recvmmsg(2) and sendmmsg(2), and where the kernel
 * can, runs of equal datagrams to one peer in a single piece each way (UDP_SEGMENT, UDP_GRO). Under
 * the tunnel (udp carrier) and under UDP listeners alike. No loop in it: the owner polls the
 * descriptor. */
#ifndef GEX_CARRIER_UDP_H
#define GEX_CARRIER_UDP_H

#include "net/net.h"

#define UDP_RUN_MAX 64000 /* bytes of one run; with its headers it must stay below 64 KiB */
#define UDP_RUN_SEGS 60	  /* datagrams of one run (the kernel: 64) */
#define UDP_BATCH 16	  /* messages of one call */

struct udp_socket {
	int fd; /* -1: not open */
	bool v6;
	bool runs;    /* the kernel cuts and joins runs */
	bool noted;   /* bound to all addresses: each message says which one it came to */
	bool counted; /* the kernel says what it dropped */
	bool refused; /* set when the connected peer's host said that nobody listens there */
	uint64_t cut; /* runs the kernel would not take, sent one by one */
	/* Datagrams that the kernel dropped because its buffer was full: we were away for too long. It
	 * says so with the next one that it takes. */
	uint32_t dropped;
};

struct udp_conf {
	struct net_addr bind; /* zero: all addresses, or with a peer any one of its family */
	struct net_addr peer; /* connect(2) to it; family 0: do not */
	const char *device;   /* a network device to go by; NULL or "": any */
	size_t buffer;	      /* of the kernel, each way; 0: as it is */
	bool whole; /* never fragment: don't-fragment set, the sender probes for the size */
	bool runs;  /* join and cut runs */
};

struct udp_message {
	struct net_addr peer;  /* unused when connected */
	struct net_addr local; /* address without a port; family 0: the kernel chooses */
	uint8_t *data;
	size_t len;
	size_t segment; /* the length of each datagram in it but the last; 0: it is one */
};

/* Buffers to receive into, one for as many sockets as one likes. */
struct udp_batch;
struct udp_batch *udp_batch_create(void); /* NULL without memory */
void udp_batch_destroy(struct udp_batch *b);

/* Opens, binds and connects. 0 or a negative errno (-EADDRINUSE, -EACCES, ...); u is then closed.
 */
int udp_open(struct udp_socket *u, const struct udp_conf *conf) MUST_USE;
void udp_close(struct udp_socket *u);
int udp_local(const struct udp_socket *u, struct net_addr *out) MUST_USE;

/* Receives up to `max` (at most UDP_BATCH) messages; *msgs points to them until the next call with b. Returns
 * their number, or a negative errno: -EAGAIN none now, -ECONNREFUSED the connected peer has no such port
 * (go on). */
int udp_recv(struct udp_socket *u, struct udp_batch *b, unsigned max,
	     const struct udp_message **msgs);

/* Sends messages in order. Returns how many were taken, at least one, or why the first was not:
 * -EAGAIN the kernel's buffer is full, else the message can be dropped by the caller. A run that
 * the kernel refuses is sent one by one and counts as taken. */
int udp_send(struct udp_socket *u, const struct udp_message *msgs, unsigned n);

/* The length of the datagram of m that begins at off. */
static inline size_t udp_next(const struct udp_message *m, size_t off)
{
	return m->segment && m->len - off > m->segment ? m->segment : m->len - off;
}

#endif
