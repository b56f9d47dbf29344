#include "crypt/internal.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>

/* ALPN names (RFC 7301) carry the protocol's version and the cipher of the datagrams. */
#define ALPN_AES "gex1-aes128gcm"
#define ALPN_CHACHA "gex1-chacha20"
#define ALPN_MAX 32
#define EXPORT_LABEL "EXPORTER-gex-tunnel-1"

/* ---- the two memory ends, as a BIO ---- */

static int bio_read(BIO *b, char *buf, int cap)
{
	struct crypt_shake *s = BIO_get_data(b);
	size_t n;

	BIO_clear_retry_flags(b);
	if (s->in_len == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	n = MIN(s->in_len, (size_t)cap); /* a datagram's rest is dropped, as a socket does */
	memcpy(buf, s->in, n);
	s->in_len = 0;
	return (int)n;
}

static int bio_write(BIO *b, const char *data, int n)
{
	struct crypt_shake *s = BIO_get_data(b);

	if (s->flight_fresh) {
		s->flight_n = s->flight_next = 0;
		s->flights++;
		s->flight_fresh = false;
	}
	if (n <= 0 || n > CRYPT_SHAKE_MAX || s->flight_n == FLIGHT_MAX)
		return n; /* as a network would: lost */
	memcpy(s->flight[s->flight_n].data, data, (size_t)n);
	s->flight[s->flight_n++].len = (uint16_t)n;
	return n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return CRYPT_SHAKE_MAX;
	default:
		return 0;
	}
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

/* The type of those ends: made once for the process, as types are, and never freed. */
static BIO_METHOD *bio_method;
static CRYPTO_ONCE bio_once = CRYPTO_ONCE_STATIC_INIT;

static void bio_method_make(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gex");

	if (!m)
		return;
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	BIO_meth_set_create(m, bio_create);
	bio_method = m;
}

static BIO *shake_bio(struct crypt_shake *s)
{
	BIO *b;

	if (CRYPTO_THREAD_run_once(&bio_once, bio_method_make) != 1 || !bio_method)
		return NULL;
	b = BIO_new(bio_method);
	if (b)
		BIO_set_data(b, s);
	return b;
}

struct crypt_shake *shake_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* ---- PSK and ALPN ---- */

static unsigned psk_client(SSL *ssl, const char *hint, char *identity, unsigned identity_max,
			   unsigned char *psk, unsigned psk_max)
{
	struct crypt_shake *s = shake_of(ssl);

	if (!str_copy(identity, identity_max, s->key.name) || psk_max < CRYPT_KEY_LEN)
		return 0;
	memcpy(psk, s->key.secret, CRYPT_KEY_LEN);
	return CRYPT_KEY_LEN;
}

static unsigned psk_server(SSL *ssl, const char *identity, unsigned char *psk, unsigned psk_max)
{
	struct crypt_shake *s = shake_of(ssl);
	const struct crypt_key *k;

	str_copy(s->key.name, sizeof(s->key.name), identity);
	k = s->ring ? crypt_ring_find(s->ring, identity) : NULL;
	if (!k || psk_max < CRYPT_KEY_LEN)
		return 0;
	memcpy(psk, k->secret, CRYPT_KEY_LEN);
	return CRYPT_KEY_LEN;
}

static size_t alpn_offer(uint8_t *out)
{
	const char *first = crypt_has_aes() ? ALPN_AES : ALPN_CHACHA;
	const char *second = crypt_has_aes() ? ALPN_CHACHA : ALPN_AES;
	struct wr w = wr_of(out, 2 * ALPN_MAX);

	wr_u8(&w, (uint8_t)strlen(first));
	wr_bytes(&w, first, strlen(first));
	wr_u8(&w, (uint8_t)strlen(second));
	wr_bytes(&w, second, strlen(second));
	return wr_len(&w);
}

/* AES only when both have it in hardware: the client then names it first. */
static int alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned in_len, void *arg)
{
	struct rd r = rd_of(in, in_len);
	bool first = true, found = false;

	while (rd_left(&r) > 0) {
		uint8_t n = rd_u8(&r);
		const uint8_t *p = rd_bytes(&r, n);
		bool aes, chacha;

		if (!p)
			break;
		aes = n == strlen(ALPN_AES) && memcmp(p, ALPN_AES, n) == 0;
		chacha = n == strlen(ALPN_CHACHA) && memcmp(p, ALPN_CHACHA, n) == 0;
		if (aes || chacha) {
			*out = p;
			*out_len = n;
			found = true;
			if (chacha || (first && crypt_has_aes()))
				break;
		}
		first = false;
	}
	return found ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX *shake_context(bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? DTLS_server_method() : DTLS_client_method());
	uint8_t alpn[2 * ALPN_MAX];

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION | SSL_OP_COOKIE_EXCHANGE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_psk_client_callback(ctx, psk_client);
	SSL_CTX_set_psk_server_callback(ctx, psk_server);
	if (server)
		SSL_CTX_set_alpn_select_cb(ctx, alpn_choose, NULL);
	else if (SSL_CTX_set_alpn_protos(ctx, alpn, (unsigned)alpn_offer(alpn)) != 0)
		goto fail;
	if (SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE-PSK-CHACHA20-POLY1305") != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1)
		goto fail;
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- one handshake ---- */

/* OpenSSL's own retransmission reads the wall clock; it is put off beyond the handshake's life, and
 * crypt_shake_resend does the work instead. */
static unsigned never_resend(SSL *ssl, unsigned us)
{
	return 3600u * 1000000u;
}

int shake_wrap(SSL_CTX *ctx, bool server, struct crypt_shake **out)
{
	struct crypt_shake *s = calloc(1, sizeof(*s));
	BIO *b = NULL;
	int r = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->server = server;
	s->flight_fresh = true;
	SSL_CTX_up_ref(ctx);
	s->ctx = ctx;
	s->ssl = SSL_new(ctx);
	if (!s->ssl)
		goto fail;
	b = shake_bio(s);
	if (!b)
		goto fail;
	SSL_set_bio(s->ssl, b, b); /* takes the one reference */
	SSL_set_app_data(s->ssl, s);
	SSL_set_mtu(s->ssl, CRYPT_SHAKE_MAX);
	DTLS_set_timer_cb(s->ssl, never_resend);
	if (server)
		SSL_set_accept_state(s->ssl);
	else
		SSL_set_connect_state(s->ssl);
	*out = s;
	return 0;
fail:
	crypt_shake_destroy(s);
	return r;
}

int crypt_shake_create(const struct crypt_key *key, struct crypt_shake **out)
{
	SSL_CTX *ctx = shake_context(false);
	struct crypt_shake *s = NULL;
	int r;

	if (!ctx)
		return -EIO;
	r = shake_wrap(ctx, false, &s);
	SSL_CTX_free(ctx);
	if (r < 0)
		return r;
	s->key = *key;
	r = shake_step(s);
	if (r < 0) {
		crypt_shake_destroy(s);
		return -EIO;
	}
	*out = s;
	return 0;
}

void crypt_shake_destroy(struct crypt_shake *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	crypt_wipe(&s->key, sizeof(s->key));
	free(s);
}

/* Which of the library's errors mean that the two sides do not share a key. */
static bool is_key_error(unsigned long e)
{
	switch (ERR_GET_REASON(e)) {
	case SSL_R_PSK_IDENTITY_NOT_FOUND:
	case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_PSK_IDENTITY:
	case SSL_AD_REASON_OFFSET + SSL_AD_DECRYPT_ERROR:
	case SSL_AD_REASON_OFFSET + SSL_AD_BAD_RECORD_MAC:
		return true;
	default:
		return false;
	}
}

int shake_step(struct crypt_shake *s)
{
	int r, e;

	ERR_clear_error();
	s->flight_fresh = true;
	r = SSL_do_handshake(s->ssl);
	e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, r);
	s->in_len = 0;
	if (r == 1)
		s->status = 1;
	else if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		s->status = is_key_error(ERR_peek_error()) ? -EACCES : -EPROTO;
	ERR_clear_error();
	return s->status;
}

int crypt_shake_input(struct crypt_shake *s, const void *dgram, size_t n)
{
	if (s->status < 0)
		return s->status;
	if (s->status == 1) {
		/* The client repeats its last flight: ours was lost. */
		if (s->server)
			crypt_shake_resend(s);
		return 1;
	}
	s->in = dgram;
	s->in_len = n;
	return shake_step(s);
}

size_t crypt_shake_output(struct crypt_shake *s, void *buf, size_t cap)
{
	size_t n;

	if (s->flight_next == s->flight_n)
		return 0;
	n = s->flight[s->flight_next].len;
	if (n > cap)
		return 0;
	memcpy(buf, s->flight[s->flight_next++].data, n);
	return n;
}

bool crypt_shake_pending(const struct crypt_shake *s)
{
	return s->flight_next < s->flight_n;
}

void crypt_shake_resend(struct crypt_shake *s)
{
	s->flight_next = 0;
}

bool crypt_shake_answered(const struct crypt_shake *s)
{
	return !s->server && s->flights >= 3; /* hello, hello with cookie, finished */
}

const char *crypt_shake_key_name(const struct crypt_shake *s)
{
	return s->key.name;
}

static enum crypt_suite suite_of(const SSL *ssl)
{
	const unsigned char *p = NULL;
	unsigned n = 0;

	SSL_get0_alpn_selected(ssl, &p, &n);
	if (n == strlen(ALPN_AES) && memcmp(p, ALPN_AES, n) == 0)
		return CRYPT_AES128GCM;
	if (n == strlen(ALPN_CHACHA) && memcmp(p, ALPN_CHACHA, n) == 0)
		return CRYPT_CHACHA20POLY1305;
	return 0;
}

int crypt_shake_export(struct crypt_shake *s, struct crypt_secrets *out)
{
	uint8_t raw[2 * CRYPT_SECRET_LEN + 16];
	struct rd r;

	if (s->status != 1)
		return -EINVAL;
	out->suite = suite_of(s->ssl);
	if (!out->suite)
		return -EPROTO;
	if (SSL_export_keying_material(s->ssl, raw, sizeof(raw), EXPORT_LABEL, strlen(EXPORT_LABEL),
				       NULL, 0, 0) != 1)
		return -EIO;
	r = rd_of(raw, sizeof(raw));
	memcpy(out->to_server, rd_bytes(&r, CRYPT_SECRET_LEN), CRYPT_SECRET_LEN);
	memcpy(out->to_client, rd_bytes(&r, CRYPT_SECRET_LEN), CRYPT_SECRET_LEN);
	out->server_id = rd_u64(&r);
	out->client_id = rd_u64(&r);
	crypt_wipe(raw, sizeof(raw));
	return 0;
}
