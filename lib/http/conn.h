/* Inside http: the connection between a transport (bytes) and a protocol (requests), with TLS
 * between them where the listener has it (tls.c).
 *
 * A failure never frees anything inside the call that met it: conn_doom marks the connection and
 * the server's next turn (a deferred call) ends it, so no caller has to think of what went away
 * under it. */
#ifndef GEX_HTTP_CONN_H
#define GEX_HTTP_CONN_H

#include <sys/uio.h>

#include "http/http.h"

struct conn;
struct crypt_tls;
struct peer;

/* What carries bytes: sock.c. */
struct transport_ops {
	/* Takes what it can of n pieces: how many bytes, or a negative errno. When that is not all,
	 * conn_writable follows. */
	ssize_t (*send)(void *t, const struct iovec *v, int n);
	void (*read)(void *t, bool on);
	/* No more output follows; the peer sees the end after what was sent. */
	void (*shutdown)(void *t);
	/* Ends it; conn_free follows when the transport has let go. */
	void (*close)(void *t);
};

/* What speaks over it: h1.c, h2.c. */
struct proto_ops {
	int (*open)(struct conn *c);
	void (*input)(struct conn *c, const char *p, size_t n);
	/* In the server's turn, when conn_resume_later asked for it: goes on with requests that were read
	 * ahead, and with output. */
	void (*resume)(struct conn *c);
	/* Queues more when there is; called while little is queued. NULL: it queues all at once. */
	void (*pull)(struct conn *c);
	/* Its own clocks, each sweep. NULL: it has none. */
	void (*check)(struct conn *c, int64_t now_us);
	/* The head took too long. */
	void (*timeout)(struct conn *c);
	/* The server accepts no more: ends when nothing is under way. */
	void (*drain)(struct conn *c);
	/* The connection is gone: tells whoever keeps its requests, and frees. */
	void (*closed)(struct conn *c);
	/* One answer: start, data ..., end. length: of the body, -1 when it is not known, -2 when the
	 * status has none. */
	void (*start)(struct conn *c, struct http_request *r, const struct http_answer *a,
		      int64_t length, const char *range);
	void (*data)(struct conn *c, struct http_request *r, const struct slice *s);
	void (*end)(struct conn *c, struct http_request *r);
	/* What was queued may go now. */
	void (*flush)(struct conn *c);
	/* Bytes of its body that wait for the reader. */
	size_t (*backlog)(struct conn *c, const struct http_request *r);
	/* The reader is too slow: ends its answer, and calls gone, after the current callback. */
	void (*cut)(struct conn *c, struct http_request *r);
};
extern const struct proto_ops h1_ops, h2_ops;

enum conn_phase {
	CONN_HEAD,   /* a request's head is awaited or coming in, or a TLS handshake */
	CONN_IDLE,   /* kept alive between requests */
	CONN_BUSY,   /* a request is being answered */
	CONN_LINGER, /* all said: the peer closes first, so that no RST eats our last words */
};

struct conn {
	struct list link, todo;
	struct http_server *server;
	const struct transport_ops *t;
	void *transport;
	struct crypt_tls *tls;	       /* NULL: in clear */
	const struct proto_ops *proto; /* NULL until TLS has told which */
	void *session;		       /* the protocol's */
	const struct net_addr *peer_addr;
	struct peer
	    *who; /* with whom it shares a turn, and who is left when it ends; NULL: nobody */
	struct net_addr named; /* whose it is, by a proxy's word (via.h) */
	struct buf *opening;   /* what came of that word so far; NULL: nothing */
	size_t opened;
	char peer[48];
	enum conn_phase phase;
	int64_t phase_us; /* since when */
	VEC(struct slice) out;
	size_t out_at;	     /* the first not yet sent */
	size_t queued;	     /* bytes in out */
	size_t sealed;	     /* bytes of TLS records that the transport has not taken */
	struct buf *scratch; /* where copies go; full up to scratch_at */
	size_t scratch_at;
	int64_t moved_us; /* when the transport last took something, for the stall timeout */
	int64_t asked_in; /* a turn of the server, and how many requests came in it */
	int asked;
	size_t past; /* bytes that came after all was said */
	bool blocked, closing, doomed, resuming, said_goodbye;
	bool patient; /* its next request is read when the others that are here have been */
	bool trusted; /* by a proxy that may say whose it is */
	bool unnamed; /* that word may still come */
};

void conn_input(struct conn *c, const char *p, size_t n);
void conn_eof(struct conn *c);
/* The transport takes bytes again. */
void conn_writable(struct conn *c);
void conn_phase(struct conn *c, enum conn_phase phase);
/* Sets the protocol, ending the one before. */
int conn_speak(struct conn *c, const struct proto_ops *proto);
/* Queues; takes a reference of its own. */
void conn_write(struct conn *c, const struct slice *s);
/* Queues a copy of bytes. */
void conn_write_copy(struct conn *c, const void *p, size_t n);
void conn_flush(struct conn *c);
void conn_close_when_sent(struct conn *c);
void conn_doom(struct conn *c);
/* How much one connection and all of one address may ask in a turn of the loop, so that who floods waits for himself. */
bool conn_may_ask(const struct conn *c);
/* Counts a request, or work like n of them. */
void conn_asks(struct conn *c, int n);
/* Counts what nobody reads any more: a peer that goes on and on is left. */
void conn_past(struct conn *c, size_t n);
/* Calls proto->resume in the next turn. */
void conn_resume_later(struct conn *c);
/* Looks at the clock: ends what took too long. */
void conn_check(struct conn *c, int64_t now_us);
/* By the server's turn: says goodbye and closes the transport. */
void conn_end(struct conn *c);
void conn_free(struct conn *c);

/* tls.c */
/* Bytes from the peer: decrypts them and hands them on. */
void tls_input(struct conn *c, const char *p, size_t n);
/* As transport_ops.send, of plain bytes. c->sealed is what is left of records already made; while
 * there is any, nothing is taken. */
ssize_t tls_send(struct conn *c, const struct iovec *v, int n);
void tls_goodbye(struct conn *c);

#endif
