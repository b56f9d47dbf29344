/* What listen.c (TCP) and ports.c (UDP) share. Inside this module only. */
#ifndef GEX_RELAY_LISTENER_H
#define GEX_RELAY_LISTENER_H

#include "relay/priv.h"

struct client; /* ports.c: a UDP client's flow */

struct relay_port {
	struct relay_listener *listener;
	uint16_t offset; /* into the range */
	int fd;
	bool stopped;
	uv_poll_t poll;
	struct loop_timer timer; /* TCP: accepting is paused */
	struct udp_socket sock;	 /* UDP; its fd is fd */
	struct net_addr local;	 /* UDP: what it is bound to */
	struct client **buckets; /* UDP: clients by address, a power of two of chains */
	size_t nbuckets, nclients;
};

struct relay_listener {
	struct relay *relay;
	struct relay_listener_conf conf;
	VEC(struct relay_port *) ports;
	struct list waiting;
	unsigned nwaiting;
	size_t nflows;
	struct loop_timer timer;
};

/* Fills in what a stream or flow by this port is opened for. */
void listener_open(const struct relay_port *p, struct tunnel_open *out);
void listener_origin(const struct net_addr *peer, const struct net_addr *local,
		     struct tunnel_origin *out);

int port_open_udp(struct relay_port *p, const struct net_addr *addr) MUST_USE;
void port_end_flows(struct relay_port *p);

#endif
