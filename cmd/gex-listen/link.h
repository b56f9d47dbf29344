/* The inside of link.c. */
#ifndef GEX_LISTEN_LINK_H
#define GEX_LISTEN_LINK_H

#include "listen.h"
#include "log/log.h"

struct link {
	struct list in; /* links.all */
	struct links *of;
	struct relay_link relay;
	struct carrier *carrier;
	struct tunnel *tunnel;
	enum carrier_kind kind;
	int path; /* the carrier's */
	int64_t began_us;
	int64_t heard_us;    /* when a datagram came last */
	int64_t replaced_us; /* 0: not replaced */
	uint64_t heard;	     /* datagrams received */
	uint64_t probes;     /* sent when the last of them came */
	uint64_t refused;
	bool suspect;
	char where[NET_HOST_MAX + NET_ADDR_TEXT + 32]; /* for the log */
};

struct links {
	struct loop *loop;
	struct relay *relay;
	struct links_conf conf;
	struct list all;
	size_t n;
	struct link *current, *attempt;
	enum carrier_kind kind;	       /* what is tried now or next */
	char udp_why[80];	       /* AUTO: how udp failed there */
	bool looking;		       /* udp is tried beside a tunnel that works over tls */
	int64_t look_us;	       /* when that is done again */
	size_t endpoint, addr, naddrs; /* what is tried now or next */
	unsigned failures;	       /* rounds in a row */
	bool resolving;
	struct resolve_wait wait;
	struct loop_timer retry, tick;
	struct log_limit limit;
	struct relay_figures figures;
	struct metric *connects_total, *failures_total;
	int64_t closing; /* until when goodbyes may take; 0: not closing */
	void (*done)(void *arg);
	void *done_arg;
	size_t nnames;
	struct resolve_name *name[];
};

#endif
