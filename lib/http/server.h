/* Inside http: the server as its own files see it. */
#ifndef GEX_HTTP_SERVER_H
#define GEX_HTTP_SERVER_H

#include "http/body.h"
#include "http/conn.h"
#include "http/parse.h"
#include "http/via.h"
#include "net/net.h"

enum http_refused {
	REFUSED_CONNS,	 /* over the limit in all */
	REFUSED_ADDRESS, /* over the limit of an address */
	REFUSED_HEAD,	 /* no request that can be read */
	REFUSED_TIMEOUT, /* head or idle */
	REFUSED_SLOW,	 /* took nothing, or too much piled up */
	REFUSED_TLS,	 /* a handshake that failed */
	REFUSED_FLOOD,	 /* of resets, pings, settings and the like */
	REFUSED_KINDS,
};

#define HTTP_STATUS_MAX 600

/* Who is connected: an IPv4 address, or an IPv6 network of 64 bits, of which one client has all. */
struct peer {
	struct list link;
	struct net_addr addr;
	int n;		  /* its connections */
	int64_t asked_in; /* a turn, and the requests in it */
	int asked;
};

/* A small hash table of them. */
struct peers {
	struct list bucket[256];
	uint64_t key;
};
void peers_init(struct peers *p);
/* Counts one connection more; *out is valid until as many peers_leave. 0, -EBUSY at the limit (0: none), or -ENOMEM. */
int peers_enter(struct peers *p, const struct net_addr *a, int limit, struct peer **out);
void peers_leave(struct peer *e);
void peers_finish(struct peers *p);

/* A text that http_server_listen takes, in parts. */
struct http_addr {
	bool tls;
	char path[108]; /* of a UNIX socket; "": none */
	struct net_addr addr;
};
#define HTTP_ADDR_TEXT 128
int http_addr_parse(const char *addr, struct http_addr *out, char *err);

struct http_server {
	struct loop *loop;
	struct http_limits lim;
	http_handler *fn;
	http_body_max *bodies; /* NULL: no POST */
	void *arg;
	struct list listeners; /* listen.c's */
	struct sock_set *socks;
	struct crypt_site *site;  /* NULL: no certificate */
	char addr[NET_ADDR_TEXT]; /* of the first listener that has a port */
	int port;
	struct list conns, todo;
	struct peers peers;
	struct via via;
	int nconns, nrequests;
	int to_sweep;		   /* connections that this sweep has still to look at */
	int64_t turns;		   /* so far */
	int shaken, shaken_before; /* handshakes since memory was given back; at the last sweep */
	int pins;		   /* pins: what still points here; the last frees */
	bool draining, destroyed, turn_asked;
	struct loop_timer sweep, turn, tickets;
	int64_t sent, refused[REFUSED_KINDS], answered[HTTP_STATUS_MAX];
	struct metrics *metrics;
	VEC(struct metric *) exported;
};

void server_pin(struct http_server *s);
void server_unpin(struct http_server *s);
/* A new connection over a transport, or NULL when it is refused (the transport closes itself). peer
 * stays as long as the connection; its family is 0 where the transport has no addresses. */
struct conn *server_accept(struct http_server *s, const struct transport_ops *t, void *transport,
			   const struct net_addr *peer, bool tls);
void server_ask_turn(struct http_server *s);
void server_count(struct http_server *s, int status);

/* listen.c */
int listen_at(struct http_server *s, const struct http_addr *a);
void listen_no_more(struct http_server *s);

/* sock.c */
int sock_set_create(struct http_server *s);
/* After the last connection. */
void sock_set_destroy(struct http_server *s);
/* A connection from there; takes the descriptor. */
void sock_begin(struct http_server *s, int fd, const struct net_addr *peer, bool tls);
/* In the server's turn: hears those who were left over. */
void sock_turn(struct http_server *s);

/* request.c: a request as its protocol makes it. path, query and the fields (lines "Name:
 * value\r\n") are copied. NULL without memory, or when too many are under way. */
struct conn *request_conn(const struct http_request *r);
void request_free(struct http_request *r);
/* A POST: how long its body may be; 0: there is none to be had. */
size_t request_body_max(const struct http_request *r);
/* Its body is whole, and is r's from here on; b is left empty. */
void request_body(struct http_request *r, struct http_body *b);
struct http_request *request_create(struct conn *c, int32_t stream, enum http_method method,
				    const char *path, struct http_text query,
				    struct http_text fields);
/* The first field of that name. */
bool request_field(const struct http_request *r, const char *name, struct http_text *out);
int32_t request_stream(const struct http_request *r); /* of HTTP/2 */
/* Calls r->room when it is set and there is room. */
void request_room(struct http_request *r);

#endif
