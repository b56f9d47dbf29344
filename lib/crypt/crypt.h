/* crypt: cryptography for the accelerator's tunnel and for media, and the only module that includes OpenSSL.
 *
 * For the tunnel four things, in the order in which a tunnel uses them:
 *  - keys: what a key file holds, as a ring of named 32-byte secrets (the second one is for
 * roll-over);
 *  - gate and shake: a DTLS 1.2 handshake (RFC 6347) with ECDHE-PSK-CHACHA20-POLY1305 (RFC 7905),
 * over memory: datagrams in, datagrams out. The gate is the server's stateless door
 * (HelloVerifyRequest cookies); a shake is one handshake on either side. No clock in it: the owner
 * asks for a resend when its own timer says so;
 *  - seals: AEAD contexts for the tunnel's datagrams, one a direction, keyed from secrets exported
 * from the handshake (RFC 5705), and the window that refuses a datagram number seen before;
 *  - tls: a TLS 1.3 connection by the same keys, over memory, for where only TCP passes.
 * And for the web: a site (certificate and tickets), whose TLS connections are of the same kind,
 * message authentication codes, and AES-128-CBC of media segments.
 *
 * Not safe for use by two threads on one object; different objects may live in different threads.
 */
#ifndef GEX_CRYPT_H
#define GEX_CRYPT_H

#include "base/base.h"
#include <sys/types.h>

#define CRYPT_KEY_LEN 32
#define CRYPT_NAME_MAX 63
#define CRYPT_WORDS_MAX 255
#define CRYPT_RING_MAX 64

/* ---- keys ---- */

/* name is the PSK identity, sent in clear in the handshake. words is what stands behind the secret,
 * with one blank between two words: what it means is the application's affair. */
struct crypt_key {
	char name[CRYPT_NAME_MAX + 1];
	uint8_t secret[CRYPT_KEY_LEN];
	char words[CRYPT_WORDS_MAX + 1];
};

/* A client uses one of them at a time; a server takes any. Plain memory: wipe it with crypt_wipe
 * when done. */
struct crypt_ring {
	struct crypt_key key[CRYPT_RING_MAX];
	size_t n;
};

/* Parses the text of a key file: one key a line, `[NAME] HEX [WORD...]`, HEX being 64 digits (openssl
 * rand -hex 32); empty lines and lines from `#` are skipped. A key without a name is named by its
 * fingerprint, so that both sides agree on it without being told. Returns 0; -EINVAL (a line that
 * is no key, or none at all), -EEXIST (two of a name, or the same key twice), -E2BIG (more than
 * CRYPT_RING_MAX); *line is then the line's number from 1, 0 when it is the file as a whole. On failure the ring is wiped. Reading
 * the file, and refusing one that others can read, is the caller's part. */
int crypt_ring_parse(struct crypt_ring *ring, const char *text, size_t len, int *line) MUST_USE;
/* The same secret, compared in constant time. */
bool crypt_key_same(const struct crypt_key *a, const struct crypt_key *b);
/* True when `word` is among its words. */
bool crypt_key_has_word(const struct crypt_key *k, const char *word);
/* The key of that name, or NULL. */
const struct crypt_key *crypt_ring_find(const struct crypt_ring *ring, const char *name);

/* A secret for another use of the key: HMAC-SHA256 under it of the label. */
void crypt_key_derive(const struct crypt_key *k, const char *label, uint8_t out[32]);

/* Overwrites memory in a way that the compiler keeps. */
void crypt_wipe(void *p, size_t n);
/* n bytes from the system's generator; aborts the process when there are none, which no caller
 * could bear. */
void crypt_random(void *p, size_t n);

/* ---- seals: AEAD of datagrams ---- */

#define CRYPT_TAG_LEN 16
#define CRYPT_SECRET_LEN 32

enum crypt_suite { CRYPT_AES128GCM = 1, CRYPT_CHACHA20POLY1305 = 2 };

/* True when this processor has AES and carry-less multiplication in hardware. */
bool crypt_has_aes(void);

/* One direction under one key. */
struct crypt_seal;

/* Key and IV are derived from the secret by HKDF-Expand (RFC 5869). -EINVAL, -ENOMEM. */
int crypt_seal_create(enum crypt_suite suite, const uint8_t secret[CRYPT_SECRET_LEN],
		      struct crypt_seal **out) MUST_USE;
void crypt_seal_destroy(struct crypt_seal *s);
/* The secret of the next key phase, in place; the old one cannot be computed back. */
void crypt_secret_next(uint8_t secret[CRYPT_SECRET_LEN]);
/* The first secret of path 0 to 9, from that of the whole direction. */
void crypt_secret_path(const uint8_t secret[CRYPT_SECRET_LEN], unsigned path,
		       uint8_t out[CRYPT_SECRET_LEN]);

/* Seals n bytes at `in` into n + CRYPT_TAG_LEN bytes at `out` (out may be in). The nonce is the IV
 * xor (space in its first 4 bytes, number in its last 8): a (space, number) pair must never be used
 * twice under one secret. aad is authenticated only. Returns 0 or -EIO. */
int crypt_seal(struct crypt_seal *s, uint32_t space, uint64_t number, const void *aad,
	       size_t aad_len, const void *in, size_t n, void *out);
/* The reverse: n includes the tag, out gets n - CRYPT_TAG_LEN bytes (out may be in). -EBADMSG when
 * it is not authentic; out is then unspecified. */
int crypt_open(struct crypt_seal *s, uint32_t space, uint64_t number, const void *aad,
	       size_t aad_len, const void *in, size_t n, void *out);

/* Numbers seen: everything up to CRYPT_REPLAY_BITS behind the highest is remembered, what is older
 * is refused. Zero-initialise. */
#define CRYPT_REPLAY_BITS 4096
struct crypt_replay {
	uint64_t next; /* highest number seen + 1 */
	uint64_t bits[CRYPT_REPLAY_BITS / 64];
};
bool crypt_replay_seen(const struct crypt_replay *r, uint64_t number);
/* Marks it; call it only for authentic datagrams. */
void crypt_replay_mark(struct crypt_replay *r, uint64_t number);

/* ---- the handshake ---- */

/* What both sides hold after it: a secret and a connection id for each direction (an id names the
 * receiver's tunnel in each datagram to it). to_server is what the client sends with. */
struct crypt_secrets {
	enum crypt_suite suite;
	uint8_t to_server[CRYPT_SECRET_LEN], to_client[CRYPT_SECRET_LEN];
	uint64_t server_id, client_id;
};

/* No datagram of the handshake is larger; a buffer of this size always suffices. */
#define CRYPT_SHAKE_MAX 1200

struct crypt_shake;
struct crypt_gate;

/* Client side; the first flight is ready at once. The key is copied. -ENOMEM, -EIO (OpenSSL
 * refused). */
int crypt_shake_create(const struct crypt_key *key, struct crypt_shake **out) MUST_USE;
void crypt_shake_destroy(struct crypt_shake *s);

/* Takes a datagram. Returns 1 when the handshake is complete (and on each later call), 0 while it
 * goes on, or why it failed, for good: -EACCES (the peer does not have this key, or knows no key of
 * this name), -EPROTO (anything else, including another protocol version). What is not part of the
 * handshake is ignored. */
int crypt_shake_input(struct crypt_shake *s, const void *dgram, size_t n) MUST_USE;
/* The next datagram to send, at most CRYPT_SHAKE_MAX bytes; 0 when there is none. After a failure,
 * too (alerts). */
size_t crypt_shake_output(struct crypt_shake *s, void *buf, size_t cap);
/* True when crypt_shake_output has one. */
bool crypt_shake_pending(const struct crypt_shake *s);
/* The peer did not answer in time: the last flight is made ready again. A server does so after
 * completion as well, until the client's first sealed datagram proves that its last flight has
 * arrived. */
void crypt_shake_resend(struct crypt_shake *s);
/* Client: true once the server answered beyond its cookie, so that silence from now on means a
 * wrong key. */
bool crypt_shake_answered(const struct crypt_shake *s);
/* After completion. -EINVAL before, -EIO. */
int crypt_shake_export(struct crypt_shake *s, struct crypt_secrets *out) MUST_USE;
/* The name of the key in use (server: the one the client named; "" before it did). Lives as long as
 * s. */
const char *crypt_shake_key_name(const struct crypt_shake *s);

/* Server side. The ring is copied; handshakes under way look into it when the client names its key.
 * -ENOMEM, -EIO. */
int crypt_gate_create(const struct crypt_ring *ring, struct crypt_gate **out) MUST_USE;
void crypt_gate_destroy(struct crypt_gate *g); /* shakes made by it must be gone before */
/* For all handshakes that are not complete. */
void crypt_gate_set_ring(struct crypt_gate *g, const struct crypt_ring *ring);

/* Takes a datagram from a peer without a handshake; `peer` names it (its address, up to 64 bytes).
 * Keeps nothing of it. Returns 1: its cookie is right, *out is a handshake that has the datagram, to
 * be started or destroyed; 0: nothing, or a reply of *reply_len bytes, never longer than the
 * datagram, is in reply (CRYPT_SHAKE_MAX bytes); -EPROTO: it is no ClientHello; -ENOMEM. */
int crypt_gate_input(struct crypt_gate *g, const void *peer, size_t peer_len, const void *dgram,
		     size_t n, void *reply, size_t *reply_len, struct crypt_shake **out,
		     int64_t now_us) MUST_USE;
/* Server: makes the first flight. This is what costs time (a key exchange), so it is apart. Returns
 * as crypt_shake_input. */
int crypt_shake_start(struct crypt_shake *s) MUST_USE;

/* ---- tls: a stream of bytes between two who share a key ---- */

/* TLS 1.3 (RFC 8446) by external PSK with an ephemeral exchange (psk_dhe_ke) and no certificates:
 * whoever has no key of the ring is refused. The identity is the key's name; the PSK is derived from
 * the key. Over memory: what came goes to crypt_tls_input and then out of crypt_tls_read, what is to
 * be sent is at crypt_tls_output. */
struct crypt_tls;

/* A client uses key[0], and its hello is ready at once; a server takes any. The ring must stay until
 * the handshake is over. -ENOMEM, -EIO (OpenSSL refused). */
int crypt_tls_create(const struct crypt_ring *ring, bool server, struct crypt_tls **out) MUST_USE;
void crypt_tls_destroy(struct crypt_tls *t);
/* Bytes that came; they must stay until crypt_tls_read has returned 0. Returns 1 when the handshake
 * is complete, 0 while it goes on, or why the connection is over: -EACCES (no common key), -EPROTO,
 * -ECONNRESET (the peer said goodbye). An alert may be left to send. */
int crypt_tls_input(struct crypt_tls *t, const void *data, size_t n) MUST_USE;
/* What they mean: the number of bytes, 0 when there are no more, or why it is over, as above. */
ssize_t crypt_tls_read(struct crypt_tls *t, void *buf, size_t cap) MUST_USE;
/* Seals all of it. 0; -EAGAIN before the handshake is complete; why it is over. */
int crypt_tls_write(struct crypt_tls *t, const void *data, size_t n) MUST_USE;
/* A goodbye to send. */
void crypt_tls_close(struct crypt_tls *t);
/* What is to be sent: at *data until the next call but this; then tell how much was. */
size_t crypt_tls_output(const struct crypt_tls *t, const void **data);
void crypt_tls_sent(struct crypt_tls *t, size_t n);
/* The name of the key; of a server's peer before the handshake is complete: what it claims. */
const char *crypt_tls_key_name(const struct crypt_tls *t);

/* ---- site: TLS of a web server, by certificate ---- */

/* What the connections of one certificate share: TLS 1.2 and 1.3, forward-secret AEAD ciphers only,
 * ALPN "h2" and "http/1.1", session tickets. Counted: a connection keeps its site, so one may be
 * replaced at any time. */
struct crypt_site;

/* chain and key are PEM texts: the certificate with those between it and the root, and its private
 * key, not encrypted. before: the site that this one replaces, whose tickets stay good; may be NULL.
 * 0, -ENOMEM, or -EINVAL with a reason in err. The caller owns one reference. */
int crypt_site_create(const char *chain, const char *key, const struct crypt_site *before,
		      struct crypt_site **out, char *err, size_t cap) MUST_USE;
void crypt_site_unref(struct crypt_site *s);
/* Tickets are sealed by a new key from now on; those of the last one are still taken. To be called
 * every hour or so. */
void crypt_site_turn(struct crypt_site *s);
/* The server's end of a connection, to be used as any other crypt_tls. -ENOMEM. */
int crypt_tls_serve(struct crypt_site *s, struct crypt_tls **out) MUST_USE;
/* After the handshake: the client speaks HTTP/2 (RFC 7301). */
bool crypt_tls_is_h2(const struct crypt_tls *t);

/* ---- mac: HMAC-SHA256 by a key that is kept ready ---- */

#define CRYPT_MAC_LEN 32
struct crypt_mac;

/* -ENOMEM. */
int crypt_mac_create(const void *key, size_t len, struct crypt_mac **out) MUST_USE;
void crypt_mac_destroy(struct crypt_mac *m);
/* False when it could not be computed; out is then zero. */
bool crypt_mac(struct crypt_mac *m, const void *data, size_t len, uint8_t out[CRYPT_MAC_LEN]);
/* In constant time. */
bool crypt_same(const void *a, const void *b, size_t n);

/* ---- cbc: AES-128 of media, by a key that is kept ready ---- */

#define CRYPT_CBC_LEN 16
struct crypt_cbc;

/* The key is copied. -ENOMEM. */
int crypt_cbc_create(const uint8_t key[CRYPT_CBC_LEN], struct crypt_cbc **out) MUST_USE;
void crypt_cbc_destroy(struct crypt_cbc *c); /* wipes it */
/* In place, as scheme cbcs of ISO/IEC 23001-7 has it: one block encrypted, `skip` blocks left, and so on, chained from
 * iv over the encrypted ones; a block that is not whole stays clear. skip 0: every whole block. 0 or
 * -EIO: the data are then unspecified. */
int crypt_cbc_pattern(struct crypt_cbc *c, const uint8_t iv[CRYPT_CBC_LEN], size_t skip, void *data,
		      size_t n) MUST_USE;
/* A whole file with the padding of PKCS #7 (RFC 5652, 6.3): n bytes become crypt_cbc_size(n). begin, then
 * add, of which each writes at most n + 15 bytes at out and tells how many, then end, which writes a
 * block. -EIO. */
size_t crypt_cbc_size(size_t n);
int crypt_cbc_begin(struct crypt_cbc *c, const uint8_t iv[CRYPT_CBC_LEN]) MUST_USE;
ssize_t crypt_cbc_add(struct crypt_cbc *c, const void *in, size_t n, void *out) MUST_USE;
ssize_t crypt_cbc_end(struct crypt_cbc *c, void *out) MUST_USE;

#endif
