/* Inside http: whose a connection or a request is when it comes by a proxy. Networks that are trusted may say so: of a
 * connection by the PROXY protocol (net/proxy.h), in front of all, TLS too; of a request by a header. Nobody else is
 * believed, and of a chain of proxies only as far back as all are trusted. */
#ifndef GEX_HTTP_VIA_H
#define GEX_HTTP_VIA_H

#include "http/parse.h"
#include "net/net.h"

struct conn;
struct http_server;

enum via_header { VIA_NONE, VIA_X_FORWARDED_FOR, VIA_FORWARDED };

struct via {
	VEC(struct net_block) trusted;
	bool local; /* who comes by a UNIX socket */
	enum via_header header;
};
/* networks: a list, `unix` among them for all at UNIX sockets; NULL: none. header: by its name; NULL or "": none. On failure
 * *v is what it was. 0, or a negative errno with one line in err (HTTP_ERR bytes). */
int via_read(struct via *v, const char *networks, const char *header, char *err) MUST_USE;
void via_finish(struct via *v);
/* Of a peer; family 0 is one at a UNIX socket. */
bool via_trusts(const struct via *v, const struct net_addr *a);
/* The last address in the header's text that is not a trusted proxy's, or the first when all are. False when there is none, or
 * what a trusted proxy wrote is no address: its own is then all that is known. RFC 7239, sections 4 and 6. */
bool via_client(const struct via *v, struct http_text list, struct net_addr *out);

/* A new connection, of *peer: may it say whose it is? */
void via_begin(struct conn *c);
/* Input of one that may: takes the header away. False: no more is to be done with it now. */
bool via_input(struct conn *c, const char **p, size_t *n);

#endif
