/* http: a small HTTP/1.1 and HTTP/2 server for media, on the loop, in clear or by TLS. It knows nothing of HLS: one handler is
 * called for each request and answers when it likes:
 *
 *   at once     http_reply with a body of slices: shared memory, no copy; ranges and conditional
 *               requests are done here;
 *   later       keep the request (set gone and user), http_reply when the thing is there;
 *   bit by bit  http_stream_start, http_stream_write as bytes are made, http_stream_end: chunked
 *               transfer;
 *   by request  http_stream_sized for what is long and known, then http_stream_write a piece at a time, the
 *               next when the reader has taken the last one (room).
 *
 * Requests are GET and HEAD (OPTIONS is answered here), whose bodies are refused; and POST, where http_server_bodies allows it:
 * the handler is called when its body is whole. Layers: listen.c accepts, sock.c carries
 * bytes, tls.c seals them, conn.c queues and times them, h1.c and h2.c are the protocols, request.c
 * is what a handler sees. HTTP/2 is chosen by ALPN, and in clear by its preface.
 *
 * Everything is bounded: connections in all and per address, the head, requests read ahead, bytes
 * queued to a reader that streams; and timed: the head, idle keep-alive, a reader that takes
 * nothing. Each refusal is counted. */
#ifndef GEX_HTTP_H
#define GEX_HTTP_H

#include "base/base.h"
#include "buf/buf.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "net/net.h"

#define HTTP_ERR 256

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OPTIONS, HTTP_POST };

/* What was answered, for a handler that counts for itself. */
#define HTTP_CLASSES 6
struct http_account {
	int64_t answers[HTTP_CLASSES]; /* by the first digit of their status */
	int64_t bytes;		       /* of bodies, as they were handed over */
};

struct http_request {
	enum http_method method;
	const char *path;  /* decoded and normalised, begins with '/', holds no ".." */
	const char *query; /* as sent, without the '?'; "" when there is none */
	const char *peer;  /* the client's address as text; by a trusted proxy, the one it names */
	const struct net_addr *addr; /* the same; its family is 0 for one at a UNIX socket */
	bool tls;		     /* it came by TLS */
	const char *body;	     /* of a POST, terminated; else NULL */
	size_t body_n;
	int64_t since_us;	      /* when its head was complete, by loop_now_us */
	struct http_account *account; /* the handler's, NULL: none. Touched within its calls only */
	/* For a handler that keeps the request: gone is called once if the client leaves (or the
	 * server is destroyed) before the reply or the end of the stream; after it the request is
	 * no more. link and user are the keeper's own. */
	void (*gone)(struct http_request *r);
	/* For one that streams: set it to be called once, in the server's next turn, when less than
	 * HTTP_ROOM waits for the reader. */
	void (*room)(struct http_request *r);
	void *user;
	struct list link;
};

/* Value of a request header into out; false when the request has none or it does not fit. */
bool http_request_header(const struct http_request *r, const char *name, char *out, size_t cap);
/* Value of a cookie; false when there is none of the name or it does not fit. */
bool http_request_cookie(const struct http_request *r, const char *name, char *out, size_t cap);
/* The decoded value of the first query parameter of that name. Its length, -ENOENT when there is
 * none, -EINVAL when its encoding is broken or it does not fit. */
int http_query_get(const char *query, const char *name, char *out, size_t cap);

struct http_answer {
	int status;
	const char *type;     /* Content-Type; NULL: none */
	const char *cache;    /* Cache-Control; NULL: none */
	const char *etag;     /* with its quotes; NULL: none. Makes If-None-Match work */
	int64_t modified_s;   /* Last-Modified, UTC; 0: none. Makes If-Modified-Since work */
	const char *encoding; /* Content-Encoding; NULL: none */
	bool vary;	      /* another Accept-Encoding may get another body */
	const char *location; /* of a redirect */
	const char *cookie;   /* Set-Cookie; NULL: none */
	int retry_after_s;    /* 0: none */
	const struct slice
	    *body; /* n of them, sent one after the other; a reference to each is taken */
	size_t n;
};

/* Answers; r is no more afterwards. Without a body, 4xx and 5xx get a line of text. */
void http_reply(struct http_request *r, const struct http_answer *a);
/* http_reply with a status and nothing else. */
void http_reply_status(struct http_request *r, int status);

/* A text that many ask for, and its compressed forms, each made when the first one comes who takes it
 * so. Zero-initialise; http_page_finish leaves it so. */
enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_BROTLI, HTTP_CODINGS };
struct http_page {
	struct buf *body[HTTP_CODINGS];
	bool tried[HTTP_CODINGS];
};
/* Takes a reference of its own. */
void http_page_set(struct http_page *p, struct buf *text);
void http_page_finish(struct http_page *p);
/* The text, which must be set, in that coding or, where it does not get shorter by it, as it is; *coding
 * tells. The reference is the page's. */
struct buf *http_page_get(struct http_page *p, enum http_coding *coding);
/* http_reply by the coding that the request likes best (RFC 9110, section 12.5.3). Body, encoding and vary
 * are set here, and the etag gets the coding's name. */
void http_reply_page(struct http_request *r, const struct http_answer *a, struct http_page *p);

/* Sends the head of an answer whose length is not known; body and etag must be unset. After it the
 * request lives until http_stream_end or gone. */
void http_stream_start(struct http_request *r, const struct http_answer *a);
/* The same for a body of `size` bytes: ranges and conditional requests are done here. True: bytes
 * [*first, *first + *n) are wanted, in order, and then http_stream_end. False: all is said, and r is no more. */
bool http_stream_sized(struct http_request *r, const struct http_answer *a, uint64_t size,
		       uint64_t *first, uint64_t *n) MUST_USE;
#define HTTP_ROOM ((size_t)256 << 10)
/* Bytes that wait for the reader. */
size_t http_stream_backlog(const struct http_request *r);
/* Ends a connection whose answer cannot be completed; gone is not called. r is no more. */
void http_stream_abort(struct http_request *r);
/* Takes a reference of its own. When the reader has let more than queue_max bytes pile up, its
 * connection is cut (gone is called after the current callback, not inside this call) and -ENOBUFS
 * returned; later writes return it too. */
int http_stream_write(struct http_request *r, const struct slice *s);
void http_stream_end(struct http_request *r);

struct http_limits {
	int64_t head_us;	   /* to send a whole head; 10 s */
	int64_t idle_us;	   /* between requests; 60 s */
	int64_t stall_us;	   /* without one byte taken, while some wait; 15 s */
	int conns, conns_per_addr; /* 20000; 4000. 0: no limit */
	int streams;		   /* of an HTTP/2 connection at a time; 100 */
	int requests;		   /* under way in all; beyond, 503; 100000 */
	size_t queue_max;	   /* bytes queued to one reader that streams; 8 MB */
};
#define HTTP_LIMITS \
	((struct http_limits){10 * SEC_US, 60 * SEC_US, 15 * SEC_US, 20000, 4000, 100, 100000, \
			      8u << 20})

/* Whether http_server_listen could listen on a text like addr; *tls: it would by TLS. 0, or a negative
 * errno with one line in err (HTTP_ERR bytes). */
int http_addr_check(const char *addr, bool *tls, char *err) MUST_USE;
/* Whether http_server_certificate would take these files. Errors as above. */
int http_certificate_check(const char *cert, const char *key, char *err) MUST_USE;

struct http_server;
typedef void http_handler(void *arg, struct http_request *r);

/* lim NULL: HTTP_LIMITS. It listens nowhere yet. 0 or -ENOMEM. */
int http_server_create(struct http_server **out, struct loop *l, const struct http_limits *lim,
		       http_handler *fn, void *arg) MUST_USE;
/* How long the body of a POST may be, asked when its head has come: r has no body yet. 0: no POST there, it is answered by 405. */
typedef size_t http_body_max(void *arg, const struct http_request *r);
/* Without it there is no POST anywhere. arg is the handler's. What is longer is answered by 413, a POST of HTTP/1.1 that does not
 * tell how long it is by 411, one that does not come within head_us by 408. */
void http_server_bodies(struct http_server *s, http_body_max *fn);
/* The certificate (with its chain) and private key of https, PEM files; the key's must not be readable by
 * others. May be called again at any time: connections that there are keep what they have. On
 * failure nothing changes. 0, or a negative errno with one line in err (HTTP_ERR bytes). */
int http_server_certificate(struct http_server *s, const char *cert, const char *key,
			    char *err) MUST_USE;
/* Listens on addr too: "http://HOST:PORT", "HOST:PORT", "[v6]:PORT", ":PORT", "https://HOST:PORT" (after
 * http_server_certificate), or "unix:PATH"; port 0 lets the kernel choose. A socket of that address
 * that was passed to the process (LISTEN_FDS) is used. 0, or a negative errno with one line in err
 * (HTTP_ERR bytes). */
int http_server_listen(struct http_server *s, const char *addr, char *err) MUST_USE;
/* For connections from now on, and for the clocks of those that there are. */
void http_server_set_limits(struct http_server *s, const struct http_limits *lim);
/* Proxies in these networks (a list of CIDR blocks; `unix`: all at UNIX sockets; NULL: none) may say whose a connection is, by
 * the PROXY protocol 1 or 2, and whose a request is, by that header: X-Forwarded-For, Forwarded, or none of them ("",
 * NULL). Limits of addresses do not concern them, but those they name. For connections from now on. 0, or
 * -EINVAL, -E2BIG, -ENOMEM with one line in err (HTTP_ERR bytes). */
int http_server_trust(struct http_server *s, const char *networks, const char *header,
		      char *err) MUST_USE;
/* Whether it would take these. Errors as above. */
int http_trust_check(const char *networks, const char *header, char *err) MUST_USE;
/* Closes everything; gone is called for each request that is kept. NULL is allowed. */
void http_server_destroy(struct http_server *s);
/* Accepts no more; requests under way go on, connections close after their answer. */
void http_server_drain(struct http_server *s);
/* "http://HOST:PORT" with the real port, or "unix:PATH", of the i-th listener; NULL beyond the last. */
const char *http_server_listener(const struct http_server *s, size_t i);
/* How many sockets that were passed to the process are none of its listeners: nobody answers those who connect there. */
int http_server_unused(const struct http_server *s);
/* "HOST:PORT" of the first that has one. */
const char *http_server_addr(const struct http_server *s);
int http_server_port(const struct http_server *s);
int http_server_conns(const struct http_server *s);
/* Bytes written to sockets. */
int64_t http_server_sent(const struct http_server *s);
/* Exports PREFIX_http_responses_total{status}, _http_connections, _http_refused_total{reason},
 * _http_sent_bytes_total. m must outlive s. */
void http_server_metrics(struct http_server *s, struct metrics *m, const char *prefix);

/* A server of its own for `GET /metrics` (Prometheus text 0.0.4). Logs where it listens. 0, or a
 * negative errno with one line in err (HTTP_ERR bytes). m must outlive it; ended by
 * http_server_destroy. */
int http_serve_metrics(struct http_server **out, struct loop *l, struct metrics *m,
		       const char *addr, char *err) MUST_USE;

#endif
