/* Inside http: the server as its own files see it. */
#ifndef GEX_HTTP_SERVER_H
#define GEX_HTTP_SERVER_H

#include "http/conn.h"
#include "http/parse.h"
#include "net/net.h"

enum http_refused {
	REFUSED_CONNS,	 /* over the limit in all */
	REFUSED_ADDRESS, /* over the limit of an address */
	REFUSED_HEAD,	 /* no request that can be read */
	REFUSED_TIMEOUT, /* head or idle */
	REFUSED_SLOW,	 /* took nothing, or too much piled up */
	REFUSED_KINDS,
};

#define HTTP_STATUS_MAX 600

/* How many connections an address has: a small hash table. */
struct peers {
	struct list bucket[256];
	uint64_t key;
};
void peers_init(struct peers *p);
/* Counts one more. 0, -EBUSY at the limit (0: none), or -ENOMEM. */
int peers_enter(struct peers *p, const struct net_addr *a, int limit);
void peers_leave(struct peers *p, const struct net_addr *a);
void peers_finish(struct peers *p);

struct http_server {
	struct loop *loop;
	struct http_limits lim;
	http_handler *fn;
	void *arg;
	void *listener; /* tcp.c's */
	char addr[NET_ADDR_TEXT];
	int port;
	struct list conns, todo;
	struct peers peers;
	int nconns, pins; /* pins: what still points here; the last frees */
	bool draining, destroyed, turn_asked;
	struct loop_timer sweep, turn;
	int64_t sent, refused[REFUSED_KINDS], answered[HTTP_STATUS_MAX];
	struct metrics *metrics;
	VEC(struct metric *) exported;
};

void server_pin(struct http_server *s);
void server_unpin(struct http_server *s);
/* A new connection over a transport, or NULL when it is refused (the transport closes itself). */
struct conn *server_accept(struct http_server *s, const struct transport_ops *t, void *transport,
			   const struct net_addr *peer);
void server_ask_turn(struct http_server *s);
void server_count(struct http_server *s, int status);

/* tcp.c */
int tcp_listen(struct http_server *s, const struct net_addr *a);
void tcp_listener_close(struct http_server *s);

/* request.c: a request as its protocol makes it. path, query and the fields (lines "Name:
 * value\r\n") are copied. NULL without memory. */
struct conn *request_conn(const struct http_request *r);
void request_free(struct http_request *r);
struct http_request *request_create(struct conn *c, enum http_method method, const char *path,
				    struct http_text query, struct http_text fields);

#endif
