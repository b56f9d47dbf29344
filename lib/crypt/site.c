#include "crypt/internal.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdio.h>

/* Sealing of tickets: AES-256-CBC and HMAC-SHA256, as RFC 5077, section 4, recommends. */
struct ticket_key {
	uint8_t name[16], cipher[32], mac[32];
};

struct crypt_site {
	_Atomic int refs;
	SSL_CTX *ctx;
	struct ticket_key key[2]; /* the newest first */
};

/* ---- tickets ---- */

static int mac_init(EVP_MAC_CTX *m, struct ticket_key *k)
{
	OSSL_PARAM p[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof(k->mac)),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
	    OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(m, p);
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 good and to be renewed, 0 unknown, -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *c,
		     EVP_MAC_CTX *m, int seal)
{
	struct crypt_site *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key *k = &s->key[0];
	const EVP_CIPHER *aes = EVP_aes_256_cbc();

	if (seal) {
		memcpy(name, k->name, sizeof(k->name));
		crypt_random(iv, (size_t)EVP_CIPHER_get_iv_length(aes));
		return EVP_EncryptInit_ex(c, aes, NULL, k->cipher, iv) == 1 && mac_init(m, k) == 1
			   ? 1
			   : -1;
	}
	for (int i = 0; i < 2; i++, k++) {
		if (memcmp(name, k->name, sizeof(k->name)) != 0)
			continue;
		if (EVP_DecryptInit_ex(c, aes, NULL, k->cipher, iv) != 1 || mac_init(m, k) != 1)
			return -1;
		return i ? 2 : 1;
	}
	return 0;
}

void crypt_site_turn(struct crypt_site *s)
{
	s->key[1] = s->key[0];
	crypt_random(&s->key[0], sizeof(s->key[0]));
}

/* ---- protocols ---- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
		   unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";
	unsigned char *pick;

	if (SSL_select_next_proto(&pick, n, ours, sizeof(ours) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = pick;
	return SSL_TLSEXT_ERR_OK;
}

bool crypt_tls_is_h2(const struct crypt_tls *t)
{
	const unsigned char *p;
	unsigned n;

	SSL_get0_alpn_selected(tls_ssl(t), &p, &n);
	return n == 2 && !memcmp(p, "h2", 2);
}

/* ---- certificates ---- */

static int no_passphrase(char *buf, int size, int rw, void *arg)
{
	return -1;
}

static int use_chain(SSL_CTX *ctx, BIO *pem)
{
	X509 *x = PEM_read_bio_X509_AUX(pem, NULL, no_passphrase, NULL);
	int ok = x && SSL_CTX_use_certificate(ctx, x) == 1;

	X509_free(x);
	while (ok && (x = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL))) {
		ok = SSL_CTX_add0_chain_cert(ctx, x) == 1; /* takes the reference */
		if (!ok)
			X509_free(x);
	}
	return ok;
}

static const char *use_key(SSL_CTX *ctx, BIO *pem)
{
	EVP_PKEY *k = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL);
	const char *why = NULL;

	if (!k)
		why = "no private key in PEM that is not encrypted";
	else if (SSL_CTX_use_PrivateKey(ctx, k) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		why = "the private key is another certificate's";
	EVP_PKEY_free(k);
	return why;
}

/* What is wrong with the texts, or NULL. */
static const char *load(SSL_CTX *ctx, const char *chain, const char *key)
{
	BIO *c = BIO_new_mem_buf(chain, -1), *k = BIO_new_mem_buf(key, -1);
	const char *why = !c || !k	      ? "out of memory"
			  : use_chain(ctx, c) ? use_key(ctx, k)
					      : "no certificate in PEM";

	BIO_free(c);
	BIO_free(k);
	ERR_clear_error();
	return why;
}

static int set_up(struct crypt_site *s)
{
	SSL_CTX *ctx = s->ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return -ENOMEM;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only: no memory here */
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_app_data(ctx, s);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AES128+AESGCM:ECDHE+CHACHA20:ECDHE+AESGCM") == 1 &&
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
					  "TLS_AES_256_GCM_SHA384") == 1 &&
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1)
		return 0;
	return -ENOMEM;
}

int crypt_site_create(const char *chain, const char *key, const struct crypt_site *before,
		      struct crypt_site **out, char *err, size_t cap)
{
	struct crypt_site *s = calloc(1, sizeof(*s));
	const char *why = "out of memory";

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	if (before)
		memcpy(s->key, before->key, sizeof(s->key));
	else
		crypt_random(s->key, sizeof(s->key));
	int rc = set_up(s);
	if (!rc) {
		why = load(s->ctx, chain, key);
		rc = why ? -EINVAL : 0;
	}
	if (rc) {
		snprintf(err, cap, "%s", why);
		crypt_site_unref(s);
		s = NULL;
	}
	*out = s;
	return rc;
}

void crypt_site_unref(struct crypt_site *s)
{
	if (!s || --s->refs)
		return;
	SSL_CTX_free(s->ctx);
	crypt_wipe(s->key, sizeof(s->key));
	free(s);
}

struct crypt_site *site_ref(struct crypt_site *s)
{
	if (s)
		s->refs++;
	return s;
}

int crypt_tls_serve(struct crypt_site *s, struct crypt_tls **out)
{
	int rc = tls_wrap(s->ctx, s, out);

	if (rc)
		return rc;
	SSL_set_accept_state(tls_ssl(*out));
	return 0;
}
