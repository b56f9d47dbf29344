#include "crypt/internal.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>

#define OUT_MAX ((size_t)512 << 10) /* a peer that makes us answer without end gets no further */
#define OUT_KEEP ((size_t)16 << 10) /* held while there is nothing to send */
#define PSK_LABEL "gex key tls"
#define HASH_LEN 32

struct crypt_tls {
	SSL *ssl;
	const struct crypt_ring *ring; /* the owner's, until the handshake is over */
	struct crypt_site *site;       /* of a server by certificate */
	bool by_key;		       /* and not by a certificate */
	int status;		       /* 0, 1 done, or why it failed */
	char name[CRYPT_NAME_MAX + 1];
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_at, out_len, out_cap; /* out_len counts from out_at */
};

/* ---- the two memory ends, as a BIO ---- */

static int bio_read(BIO *b, char *buf, int cap)
{
	struct crypt_tls *t = BIO_get_data(b);
	size_t n = MIN(t->in_len, (size_t)MAX(cap, 0));

	BIO_clear_retry_flags(b);
	if (n == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(buf, t->in, n);
	t->in += n;
	t->in_len -= n;
	return (int)n;
}

static bool out_reserve(struct crypt_tls *t, size_t n)
{
	size_t cap = t->out_cap ? t->out_cap : OUT_KEEP;
	uint8_t *p;

	if (t->out_at + t->out_len + n <= t->out_cap)
		return true;
	if (t->out_len + n > OUT_MAX)
		return false;
	if (t->out_len)
		memmove(t->out, t->out + t->out_at, t->out_len);
	t->out_at = 0;
	while (cap < t->out_len + n)
		cap *= 2;
	if (cap == t->out_cap)
		return true;
	p = realloc(t->out, cap);
	if (!p)
		return false;
	t->out = p;
	t->out_cap = cap;
	return true;
}

static int bio_write(BIO *b, const char *data, int n)
{
	struct crypt_tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (n <= 0 || !out_reserve(t, (size_t)n))
		return -1;
	memcpy(t->out + t->out_at + t->out_len, data, (size_t)n);
	t->out_len += (size_t)n;
	return n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

/* ---- keys ---- */

/* A key serves DTLS and TLS each by a secret of its own (RFC 9257, section 6). */
static SSL_SESSION *session_of(SSL *ssl, const struct crypt_key *k)
{
	static const uint8_t suite[2] = {0x13, 0x01}; /* its hash, SHA-256, is what counts */
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
	SSL_SESSION *x = SSL_SESSION_new();
	uint8_t psk[HASH_LEN];

	if (!x)
		return NULL;
	crypt_key_derive(k, PSK_LABEL, psk);
	if (!cipher || SSL_SESSION_set1_master_key(x, psk, sizeof(psk)) != 1 ||
	    SSL_SESSION_set_cipher(x, cipher) != 1 ||
	    SSL_SESSION_set_protocol_version(x, TLS1_3_VERSION) != 1) {
		SSL_SESSION_free(x);
		x = NULL;
	}
	crypt_wipe(psk, sizeof(psk));
	return x;
}

static int psk_use(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len,
		   SSL_SESSION **out)
{
	struct crypt_tls *t = SSL_get_app_data(ssl);

	*out = session_of(ssl, &t->ring->key[0]);
	if (!*out)
		return 0;
	*id = (const unsigned char *)t->name;
	*id_len = strlen(t->name);
	return 1;
}

/* An identity that is not known is no error here: without a certificate the handshake then fails. */
static int psk_find(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **out)
{
	struct crypt_tls *t = SSL_get_app_data(ssl);
	const struct crypt_key *k;

	*out = NULL;
	if (id_len == 0 || id_len > CRYPT_NAME_MAX || memchr(id, 0, id_len))
		return 1;
	memcpy(t->name, id, id_len);
	t->name[id_len] = 0;
	k = crypt_ring_find(t->ring, t->name);
	if (k)
		*out = session_of(ssl, k);
	return !k || *out;
}

/* ---- what all connections share: made once for the process, and never freed ---- */

static SSL_CTX *contexts[2]; /* client, server */
static BIO_METHOD *bio_method;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static SSL_CTX *context_make(bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	const char *suites = crypt_has_aes()
				 ? "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
				 : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	if (!server)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); /* no certificate is good */
	SSL_CTX_set_psk_use_session_callback(ctx, psk_use);
	SSL_CTX_set_psk_find_session_callback(ctx, psk_find);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_ciphersuites(ctx, suites) == 1 &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static void make_once(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gex bytes");

	if (m) {
		BIO_meth_set_read(m, bio_read);
		BIO_meth_set_write(m, bio_write);
		BIO_meth_set_ctrl(m, bio_ctrl);
		BIO_meth_set_create(m, bio_create);
	}
	bio_method = m;
	contexts[0] = context_make(false);
	contexts[1] = context_make(true);
}

/* ---- a connection ---- */

/* Alerts by which a server tells that it has no such key, or another one of that name. */
static int failure(void)
{
	switch (ERR_GET_REASON(ERR_peek_error())) {
	case SSL_R_BINDER_DOES_NOT_VERIFY:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_REASON_OFFSET + SSL_AD_ILLEGAL_PARAMETER:
	case SSL_AD_REASON_OFFSET + SSL_AD_DECRYPT_ERROR:
	case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_PSK_IDENTITY:
		return -EACCES;
	default:
		return -EPROTO;
	}
}

/* A handshake that went by a certificate instead of the key is none. */
static int shake(struct crypt_tls *t)
{
	int r, e;

	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, r);
	if (r == 1)
		t->status = !t->by_key || SSL_session_reused(t->ssl) ? 1 : -EACCES;
	else if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		t->status = failure();
	ERR_clear_error();
	if (t->status)
		t->ring = NULL;
	return t->status;
}

int tls_wrap(SSL_CTX *ctx, struct crypt_site *site, struct crypt_tls **out)
{
	struct crypt_tls *t = NULL;
	BIO *b = NULL;

	if (CRYPTO_THREAD_run_once(&once, make_once) != 1 || !bio_method || !ctx)
		return -EIO;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->site = site_ref(site);
	t->ssl = SSL_new(ctx);
	b = t->ssl ? BIO_new(bio_method) : NULL;
	if (!b) {
		crypt_tls_destroy(t);
		return -ENOMEM;
	}
	BIO_set_data(b, t);
	SSL_set_bio(t->ssl, b, b); /* takes the one reference */
	SSL_set_app_data(t->ssl, t);
	*out = t;
	return 0;
}

SSL *tls_ssl(const struct crypt_tls *t)
{
	return t->ssl;
}

int crypt_tls_create(const struct crypt_ring *ring, bool server, struct crypt_tls **out)
{
	struct crypt_tls *t = NULL;
	int rc;

	if (CRYPTO_THREAD_run_once(&once, make_once) != 1)
		return -EIO;
	rc = tls_wrap(contexts[server], NULL, &t);
	if (rc)
		return rc;
	t->ring = ring;
	t->by_key = true;
	if (server) {
		SSL_set_accept_state(t->ssl);
	} else {
		str_copy(t->name, sizeof(t->name), ring->key[0].name);
		SSL_set_connect_state(t->ssl);
		if (shake(t) < 0) {
			crypt_tls_destroy(t);
			return -ENOMEM;
		}
	}
	*out = t;
	return 0;
}

void crypt_tls_destroy(struct crypt_tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	crypt_site_unref(t->site);
	free(t->out);
	free(t);
}

int crypt_tls_input(struct crypt_tls *t, const void *data, size_t n)
{
	if (t->status < 0)
		return t->status;
	t->in = data;
	t->in_len = n;
	return t->status ? t->status : shake(t);
}

ssize_t crypt_tls_read(struct crypt_tls *t, void *buf, size_t cap)
{
	size_t n = 0;
	int e;

	if (t->status != 1)
		return t->status;
	ERR_clear_error();
	if (SSL_read_ex(t->ssl, buf, cap, &n) == 1)
		return (ssize_t)n;
	e = SSL_get_error(t->ssl, 0);
	ERR_clear_error();
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return 0;
	t->status = e == SSL_ERROR_ZERO_RETURN ? -ECONNRESET : -EPROTO;
	return t->status;
}

int crypt_tls_write(struct crypt_tls *t, const void *data, size_t n)
{
	size_t done = 0;

	if (t->status != 1)
		return t->status ? t->status : -EAGAIN;
	ERR_clear_error();
	if (n == 0 || SSL_write_ex(t->ssl, data, n, &done) == 1)
		return 0;
	ERR_clear_error();
	t->status = -EIO;
	return t->status;
}

void crypt_tls_close(struct crypt_tls *t)
{
	if (t->status == 1)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

size_t crypt_tls_output(const struct crypt_tls *t, const void **data)
{
	*data = t->out + t->out_at;
	return t->out_len;
}

void crypt_tls_sent(struct crypt_tls *t, size_t n)
{
	t->out_at += n;
	t->out_len -= n;
	if (t->out_len)
		return;
	t->out_at = 0;
	if (t->by_key && t->out_cap <= OUT_KEEP)
		return; /* a tunnel's path is busy; of a site's connections thousands wait */
	free(t->out);
	t->out = NULL;
	t->out_cap = 0;
}

const char *crypt_tls_key_name(const struct crypt_tls *t)
{
	return t->name;
}
