/* Inside http: the connection between a transport (bytes) and a protocol (requests).
 *
 * A failure never frees anything inside the call that met it: conn_doom marks the connection and
 * the server's next turn (a deferred call) ends it, so no caller has to think of what went away
 * under it. */
#ifndef GEX_HTTP_CONN_H
#define GEX_HTTP_CONN_H

#include <sys/uio.h>

#include "http/http.h"

struct conn;

/* What carries bytes: tcp.c. */
struct transport_ops {
	/* Takes n pieces. Returns how many bytes went out at once, or a negative errno. When that
	 * is not all, the pieces stay valid and in flight until conn_sent. */
	ssize_t (*send)(void *t, const struct iovec *v, int n);
	/* Bytes of a send that are still in flight: tells a slow reader from a dead one. */
	size_t (*flying)(void *t);
	int (*read)(void *t, bool on);
	/* No more output follows; the peer sees the end after what was sent. */
	void (*shutdown)(void *t);
	/* Ends it; conn_free follows when the transport has let go. */
	void (*close)(void *t);
};

/* What speaks over it: h1.c. */
struct proto_ops {
	int (*open)(struct conn *c);
	void (*input)(struct conn *c, const char *p, size_t n);
	/* Goes on with requests that were read ahead. */
	void (*resume)(struct conn *c);
	/* The head took too long. */
	void (*timeout)(struct conn *c);
	/* The connection is gone: tells whoever keeps its requests, and frees. */
	void (*closed)(struct conn *c);
	/* One answer: start, data ..., end. length: of the body, -1 when it is not known. */
	void (*start)(struct conn *c, struct http_request *r, const struct http_answer *a,
		      int64_t length, const char *range);
	void (*data)(struct conn *c, struct http_request *r, const struct slice *s);
	void (*end)(struct conn *c, struct http_request *r);
};
extern const struct proto_ops h1_ops;

enum conn_phase {
	CONN_HEAD,   /* a request's head is awaited or coming in */
	CONN_IDLE,   /* kept alive between requests */
	CONN_BUSY,   /* a request is being answered */
	CONN_LINGER, /* all said: the peer closes first, so that no RST eats our last words */
};

struct conn {
	struct list link, todo;
	struct http_server *server;
	const struct transport_ops *t;
	void *transport;
	const struct proto_ops *proto;
	void *session; /* the protocol's */
	char peer[48];
	enum conn_phase phase;
	int64_t phase_us; /* since when */
	VEC(struct slice) out;
	size_t out_at;	  /* the first not yet sent */
	size_t queued;	  /* bytes in out */
	size_t flying;	  /* of these, in flight */
	size_t last_left; /* at the last look, and when it changed: the stall timeout */
	int64_t moved_us;
	bool writing, closing, doomed, resuming;
};

void conn_input(struct conn *c, const char *p, size_t n);
void conn_eof(struct conn *c);
/* The rest of a send is out; err < 0: it failed. */
void conn_sent(struct conn *c, int err);
void conn_phase(struct conn *c, enum conn_phase phase);
/* Queues; takes a reference of its own. */
void conn_write(struct conn *c, const struct slice *s);
/* Queues a copy of bytes. */
void conn_write_copy(struct conn *c, const void *p, size_t n);
void conn_flush(struct conn *c);
void conn_close_when_sent(struct conn *c);
void conn_doom(struct conn *c);
/* Calls proto->resume in the next turn. */
void conn_resume_later(struct conn *c);
/* Looks at the clock: ends what took too long. */
void conn_check(struct conn *c, int64_t now_us);
/* By the server's turn: says goodbye and closes the transport. */
void conn_end(struct conn *c);
void conn_free(struct conn *c);

#endif
