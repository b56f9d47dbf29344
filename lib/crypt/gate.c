#include "crypt/internal.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#define COOKIE_LEN 32
#define COOKIE_LIFE_US (60 * SEC_US)
#define PEER_MAX 64

/* One SSL object waits for the next peer that returns a cookie; it is the same for all hellos
 * before that, so that hellos leave nothing behind. A cookie is a MAC of the peer's name under a
 * secret that lives for a minute or two. */
struct crypt_gate {
	SSL_CTX *ctx;
	struct crypt_shake *waiting;
	struct crypt_ring ring;
	uint8_t secret[2][32]; /* the present one and the one before */
	int64_t secret_us;
	uint8_t peer[PEER_MAX];
	size_t peer_len;
	BIO_ADDR *addr;
};

static struct crypt_gate *gate_of(SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static int cookie_make(SSL *ssl, unsigned char *cookie, unsigned *len)
{
	struct crypt_gate *g = gate_of(ssl);

	crypt_hmac(g->secret[0], 32, g->peer, g->peer_len, NULL, 0, cookie);
	*len = COOKIE_LEN;
	return 1;
}

static int cookie_check(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	struct crypt_gate *g = gate_of(ssl);
	uint8_t want[2][32];

	if (len != COOKIE_LEN)
		return 0;
	crypt_hmac(g->secret[0], 32, g->peer, g->peer_len, NULL, 0, want[0]);
	crypt_hmac(g->secret[1], 32, g->peer, g->peer_len, NULL, 0, want[1]);
	return CRYPTO_memcmp(want[0], cookie, len) == 0 || CRYPTO_memcmp(want[1], cookie, len) == 0;
}

static int gate_wait(struct crypt_gate *g)
{
	int r = g->waiting ? 0 : shake_wrap(g->ctx, true, &g->waiting);

	if (r == 0)
		g->waiting->ring = &g->ring;
	return r;
}

int crypt_gate_create(const struct crypt_ring *ring, struct crypt_gate **out)
{
	struct crypt_gate *g = calloc(1, sizeof(*g));
	int r = -ENOMEM;

	if (!g)
		return -ENOMEM;
	g->ring = *ring;
	crypt_random(g->secret, sizeof(g->secret));
	g->addr = BIO_ADDR_new();
	if (!g->addr)
		goto fail;
	g->ctx = shake_context(true);
	if (!g->ctx) {
		r = -EIO;
		goto fail;
	}
	SSL_CTX_set_app_data(g->ctx, g);
	SSL_CTX_set_cookie_generate_cb(g->ctx, cookie_make);
	SSL_CTX_set_cookie_verify_cb(g->ctx, cookie_check);
	r = gate_wait(g);
	if (r < 0)
		goto fail;
	*out = g;
	return 0;
fail:
	crypt_gate_destroy(g);
	return r;
}

void crypt_gate_destroy(struct crypt_gate *g)
{
	if (!g)
		return;
	crypt_shake_destroy(g->waiting);
	SSL_CTX_free(g->ctx);
	BIO_ADDR_free(g->addr);
	crypt_wipe(g, sizeof(*g));
	free(g);
}

void crypt_gate_set_ring(struct crypt_gate *g, const struct crypt_ring *ring)
{
	crypt_wipe(&g->ring, sizeof(g->ring));
	g->ring = *ring;
}

static void gate_rotate(struct crypt_gate *g, int64_t now_us)
{
	if (now_us - g->secret_us < COOKIE_LIFE_US)
		return;
	memcpy(g->secret[1], g->secret[0], 32);
	crypt_random(g->secret[0], 32);
	g->secret_us = now_us;
}

/* Record type 22 of epoch 0 with a ClientHello, whole: what the library accepts is stricter. */
static bool is_hello(const uint8_t *p, size_t n)
{
	return n >= 60 && n <= CRYPT_SHAKE_MAX * 2 && p[0] == 22 && p[1] == 0xfe && p[3] == 0 &&
	       p[4] == 0 && p[13] == 1;
}

int crypt_shake_start(struct crypt_shake *s)
{
	return s->server && !s->status ? shake_step(s) : s->status;
}

int crypt_gate_input(struct crypt_gate *g, const void *peer, size_t peer_len, const void *dgram,
		     size_t n, void *reply, size_t *reply_len, struct crypt_shake **out,
		     int64_t now_us)
{
	struct crypt_shake *s;
	int r = gate_wait(g);

	*reply_len = 0;
	if (r < 0)
		return r;
	if (peer_len > PEER_MAX || !is_hello(dgram, n))
		return -EPROTO;
	gate_rotate(g, now_us);
	memcpy(g->peer, peer, peer_len);
	g->peer_len = peer_len;
	s = g->waiting;
	s->in = dgram;
	s->in_len = n;
	s->flight_fresh = true;
	ERR_clear_error();
	r = DTLSv1_listen(s->ssl, g->addr);
	s->in_len = 0;
	ERR_clear_error();
	if (r > 0) { /* the cookie was right: the waiting object becomes the peer's */
		*out = s;
		g->waiting = NULL;
		return 1;
	}
	if (s->flight_next < s->flight_n && s->flight[0].len <= n)
		*reply_len = crypt_shake_output(s, reply, CRYPT_SHAKE_MAX);
	s->flight_n = s->flight_next = 0;
	return *reply_len ? 0 : -EPROTO;
}
