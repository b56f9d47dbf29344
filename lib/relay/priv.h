/* Inside this module only. */
#ifndef GEX_RELAY_PRIV_H
#define GEX_RELAY_PRIV_H

#include "carrier/udp.h"
#include "log/log.h"
#include "loop/uv.h"
#include "relay/relay.h"

#define SCRATCH_SIZE ((size_t)128 << 10)
#define TX_SIZE ((size_t)256 << 10)

struct relay {
	struct loop *loop;
	struct udp_batch *batch;
	uint64_t hash_key;
	unsigned next_port; /* dial.c: when the kernel finds none */
	/* Datagrams on their way to one socket; flushed when another's come, when full, and by
	 * relay_flush. */
	struct udp_socket *tx_sock;
	struct relay_meter *tx_meter;
	struct udp_message tx[UDP_BATCH];
	unsigned ntx;
	size_t tx_used;
	uint8_t tx_mem[TX_SIZE];
	uint8_t scratch[SCRATCH_SIZE];
};

/* ---- conn.c: a TCP socket and a stream ---- */

struct relay_dial;

struct relay_conn {
	struct list link; /* in owner->conns */
	struct relay_link *owner;
	struct tunnel_stream *stream;
	struct relay_meter *meter;
	uv_poll_t poll;
	int fd;
	uint8_t watched; /* events asked of poll */
	bool in_ended;	 /* the socket's FIN is in the stream */
	bool out_ended;	 /* the stream's end is in the socket */
	bool paused;	 /* the stream takes no more */
	bool blocked;	 /* the socket takes no more */
	bool urgent;	 /* the socket has urgent data, or is closed without an error */
	bool closed;
	struct relay_dial *dial; /* while connecting */
};

/* A stream with its connection, and no socket yet. The stream is taken in any case. */
int conn_create(struct relay_link *k, struct tunnel_stream *s, struct relay_meter *m,
		struct relay_conn **out) MUST_USE;
/* Gives it a connected socket, which it takes in any case, and begins. */
void conn_start(struct relay_conn *c, int fd);
/* Resets both ends. */
void conn_abort(struct relay_conn *c, uint32_t code);
void conn_event(struct relay_conn *c, const struct tunnel_event *ev);
/* For sockets of both sides: no delay, keep-alive. */
void conn_set_options(int fd);
/* close(2) that sends RST. */
void conn_reset_fd(int fd);

/* ---- dial.c ---- */

void dial_cancel(struct relay_dial *d);

/* ---- flow.c ---- */

struct relay_flow {
	struct list link; /* in owner->flows */
	struct relay_link *owner;
	struct tunnel_flow *flow;
	struct relay_meter *meter;
	const struct flow_ops *ops;
	bool waiting; /* nowhere to deliver to yet: datagrams stay in the tunnel's queue */
};

struct flow_ops {
	/* A datagram out of the tunnel. */
	void (*deliver)(struct relay_flow *f, const uint8_t *data, size_t n);
	/* Frees it; the tunnel's handle is released already. */
	void (*end)(struct relay_flow *f);
};

void flow_start(struct relay_flow *f, struct relay_link *k, struct tunnel_flow *t,
		struct relay_meter *m, const struct flow_ops *ops);
void flow_end(struct relay_flow *f);
void flow_event(struct relay_flow *f, const struct tunnel_event *ev);
/* A datagram into the tunnel. */
void flow_send(struct relay_flow *f, const void *data, size_t n);

/* ---- relay.c: datagrams out of a socket, in batches ---- */

void relay_tx(struct relay *r, struct udp_socket *u, struct relay_meter *m,
	      const struct net_addr *peer, const struct net_addr *local, const void *data,
	      size_t n);
/* The socket is about to be closed. */
void relay_tx_forget(struct relay *r, struct udp_socket *u);

#endif
