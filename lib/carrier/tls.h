/* The tls kind of path: datagrams in a TLS 1.3 connection over TCP, each preceded by its length in
 * two bytes. Inside this module only. tls_conn.c is one connection, tls_client.c the path that keeps
 * one up, tls_server.c the path that takes many.
 *
 * A connection keeps little to itself: what it has been given and the kernel has not taken yet, and
 * what the kernel takes beyond what it can send (TCP_NOTSENT_LOWAT), are some milliseconds' worth
 * each. Beyond that it has no room, and the tunnel is held: what is urgent waits there, first in
 * line. */
#ifndef GEX_CARRIER_TLS_H
#define GEX_CARRIER_TLS_H

#include "carrier/path.h"
#include "crypt/crypt.h"
#include "loop/uv.h"

#define TLS_KEEP ((size_t)16 << 10) /* a full TLS record */
#define TLS_SHAKE_US (5 * SEC_US)   /* for TCP and TLS together */

enum tls_state { TLS_CONNECTING, TLS_SHAKING, TLS_OPEN, TLS_ENDED };

struct tls_conn;

/* What the owner of a connection is told. */
struct tls_conn_ops {
	/* It is open: datagrams pass. */
	void (*opened)(struct tls_conn *c);
	/* It has room again after it had none. */
	void (*room)(struct tls_conn *c);
	/* Over: why is a negative errno (-EACCES: no common key; -ETIMEDOUT; -EPROTO, ...). The owner
	 * calls tls_conn_close. */
	void (*ended)(struct tls_conn *c, int why);
	/* Its memory is not used any more. */
	void (*gone)(struct tls_conn *c);
};

/* Embedded in what the owner knows of it. */
struct tls_conn {
	const struct tls_conn_ops *ops;
	struct carrier_path *path;
	struct tunnel_addr addr; /* what the tunnel knows it by */
	enum tls_state state;
	struct crypt_tls *tls;
	int fd;
	uv_poll_t poll;
	int watched;
	struct loop_timer limit; /* until it is open */
	bool blocked;		 /* the kernel takes no more */
	bool wanted;		 /* somebody was told that there is no room */
	size_t keep;		 /* of out, see above */
	int64_t backlog;
	uint64_t sent; /* since then */
	int64_t tuned_us;
	int64_t heard_us;
	size_t in_len, out_len; /* a datagram begun; datagrams not sealed yet */
	uint8_t in[2 + TUNNEL_DGRAM_MAX];
	uint8_t out[TLS_KEEP];
};

/* Takes fd in any case; connecting: the connect(2) of it is under way. c is zeroed but for ops, path
 * and addr. The ring must stay until it is open or over. */
int tls_conn_start(struct tls_conn *c, int fd, bool connecting, bool server,
		   const struct crypt_ring *ring) MUST_USE;
/* Queues a datagram; one that does not fit is dropped. False: no more room, until ops->room. */
bool tls_conn_put(struct tls_conn *c, const void *dgram, size_t n);
/* Sends what is queued, as far as the kernel takes it. */
void tls_conn_flush(struct tls_conn *c);
/* Silent at once; ops->gone follows. */
void tls_conn_close(struct tls_conn *c);

/* A TCP socket as both sides want it. */
int tls_socket_open(int family, const struct net_addr *bind, const char *device, int *out) MUST_USE;
void tls_socket_options(int fd);

#endif
