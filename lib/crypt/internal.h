/* What the files of crypt share; not for other modules. */
#ifndef GEX_CRYPT_INTERNAL_H
#define GEX_CRYPT_INTERNAL_H

#include "crypt/crypt.h"
#include <openssl/ssl.h>

#define FLIGHT_MAX 4

/* One handshake: an SSL object between two memory ends. Datagrams in go through `in`, one at a
 * time; what the SSL object writes is kept as the flight, to be sent and sent again byte for byte
 * (a flight of this handshake fits one datagram; the peer's record layer drops what it had
 * already). */
struct crypt_shake {
	SSL_CTX *ctx; /* client: our own; server: the gate's, with a reference */
	SSL *ssl;
	bool server;
	int status; /* 0, 1 done, or why it failed */
	const uint8_t *in;
	size_t in_len;
	struct {
		uint16_t len;
		uint8_t data[CRYPT_SHAKE_MAX];
	} flight[FLIGHT_MAX];
	unsigned flight_n, flight_next, flights;
	bool flight_fresh;	       /* the next write begins a new flight */
	struct crypt_key key;	       /* client: ours; server: only the name */
	const struct crypt_ring *ring; /* server: the gate's */
};

/* A shake around a new SSL object of ctx (a reference is taken). */
int shake_wrap(SSL_CTX *ctx, bool server, struct crypt_shake **out);
SSL_CTX *shake_context(bool server);
/* Goes on with what lies in s->in; sets and returns s->status. */
int shake_step(struct crypt_shake *s);
struct crypt_shake *shake_of(const SSL *ssl);

/* A connection around a new SSL object of ctx; the caller says which side it is. It keeps the site,
 * if there is one, which the callbacks of ctx need. */
int tls_wrap(SSL_CTX *ctx, struct crypt_site *site, struct crypt_tls **out);
struct crypt_site *site_ref(struct crypt_site *s);
SSL *tls_ssl(const struct crypt_tls *t);

/* HMAC-SHA256 of the parts; the building block of cookies and key derivation. */
void crypt_hmac(const uint8_t *key, size_t key_len, const void *a, size_t a_len, const void *b,
		size_t b_len, uint8_t out[32]);

#endif
