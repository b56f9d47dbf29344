#include "http/access.h"

#include <errno.h>
#include <stdio.h>

#include "conf/conf.h"
#include "crypt/crypt.h"

#define BLOCKS_MAX 4096

const char *const access_names[ACCESS_VERDICTS] = {"ok",      "address", "missing", "forged",
						   "expired", "path",	 "network"};

struct blocks {
	struct net_block *at;
	size_t len, cap;
};

struct access {
	struct {
		char name[CRYPT_NAME_MAX + 1];
		struct crypt_mac *mac;
	} key[CRYPT_RING_MAX];
	size_t nkeys;
	bool by_token;
	struct blocks allow, deny;
};

/* ---- making ---- */

static int read_blocks(struct blocks *v, const char *list, char *err)
{
	char item[NET_ADDR_TEXT];
	struct net_block b;
	int rc = 0;

	while (list && (rc = conf_list_next(&list, item, sizeof(item))) > 0) {
		if (net_block_parse(item, &b)) {
			snprintf(err, HTTP_ERR, "'%s' is no address or network, like 192.0.2.0/24",
				 item);
			return -EINVAL;
		}
		if (v->len == BLOCKS_MAX) {
			snprintf(err, HTTP_ERR, "more than %d networks", BLOCKS_MAX);
			return -E2BIG;
		}
		if (vec_push(v, b))
			return -ENOMEM;
	}
	if (rc)
		snprintf(err, HTTP_ERR, "a network that is too long");
	return rc;
}

static int add_keys(struct access *a, const struct crypt_ring *ring)
{
	for (size_t i = 0; i < ring->n; i++) {
		str_copy(a->key[i].name, sizeof(a->key[i].name), ring->key[i].name);
		if (crypt_mac_create(ring->key[i].secret, CRYPT_KEY_LEN, &a->key[i].mac))
			return -ENOMEM;
		a->nkeys++;
	}
	return 0;
}

static int read_keys(struct access *a, const char *text, char *err)
{
	struct crypt_ring *ring = malloc(sizeof(*ring));
	int line = 0, rc = ring ? crypt_ring_parse(ring, text, strlen(text), &line) : -ENOMEM;

	if (rc == -EEXIST)
		snprintf(err, HTTP_ERR, "line %d: this key or its name is there already", line);
	else if (rc == -EINVAL && line)
		snprintf(err, HTTP_ERR, "line %d: not a key; it is NAME and 64 hex digits", line);
	else if (rc)
		snprintf(err, HTTP_ERR, "%s", rc == -EINVAL ? "no key in it" : strerror(-rc));
	else
		rc = add_keys(a, ring);
	if (ring)
		crypt_wipe(ring, sizeof(*ring));
	free(ring);
	return rc;
}

int access_create(struct access **out, const char *keys, const char *allow, const char *deny,
		  char *err)
{
	struct access *a = calloc(1, sizeof(*a));
	int rc = a ? 0 : -ENOMEM;

	snprintf(err, HTTP_ERR, "out of memory");
	if (!rc && keys) {
		a->by_token = true;
		rc = read_keys(a, keys, err);
	}
	if (!rc)
		rc = read_blocks(&a->allow, allow, err);
	if (!rc)
		rc = read_blocks(&a->deny, deny, err);
	if (rc) {
		access_destroy(a);
		a = NULL;
	}
	*out = a;
	return rc;
}

void access_destroy(struct access *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < ARRAY_LEN(a->key); i++)
		crypt_mac_destroy(a->key[i].mac);
	vec_free(&a->allow);
	vec_free(&a->deny);
	free(a);
}

/* ---- judging ---- */

static bool has(const struct blocks *v, const struct net_addr *peer)
{
	for (size_t i = 0; i < v->len; i++)
		if (net_block_has(&v->at[i], peer))
			return true;
	return false;
}

static struct crypt_mac *find_key(struct access *a, const char *name)
{
	for (size_t i = 0; i < a->nkeys; i++)
		if (!strcmp(a->key[i].name, name))
			return a->key[i].mac;
	return NULL;
}

/* Cuts text at its next '~'; what follows, or NULL when there is none. */
static char *cut(char *text)
{
	char *at = strchr(text, '~');

	if (at)
		*at++ = 0;
	return at;
}

bool access_is_plain(const char *token)
{
	return token[strspn(
		   token,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789~/._:-")] == 0;
}

/* PREFIX ends where a name in the path ends. */
static bool is_below(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return n && !strncmp(path, prefix, n) &&
	       (prefix[n - 1] == '/' || path[n] == '/' || !path[n]);
}

/* The MAC first: nothing of a forged token is looked at beyond the name of its key. */
static bool is_signed(struct access *a, const char *token, const char *signature)
{
	uint8_t want[CRYPT_MAC_LEN], got[CRYPT_MAC_LEN];
	char name[CRYPT_NAME_MAX + 1];
	size_t n = strcspn(token, "~");

	if (n >= sizeof(name) || num_hex(signature, got, sizeof(got)))
		return false;
	memcpy(name, token, n);
	name[n] = 0;
	struct crypt_mac *mac = find_key(a, name);
	return mac && crypt_mac(mac, token, (size_t)(signature - 1 - token), want) &&
	       crypt_same(want, got, sizeof(want));
}

enum access_verdict access_check_token(struct access *a, const char *token, const char *path,
				       const struct net_addr *peer, int64_t utc_s)
{
	char text[ACCESS_TOKEN_MAX];
	const char *last = strrchr(token, '~');
	struct net_block block;
	int64_t expiry;

	if (!last || !access_is_plain(token) || !str_copy(text, sizeof(text), token) ||
	    !is_signed(a, token, last + 1))
		return ACCESS_FORGED;
	char *at = cut(text), *prefix = at ? cut(at) : NULL, *network = prefix ? cut(prefix) : NULL;
	if (!network || !cut(network) || num_int(at, &expiry))
		return ACCESS_FORGED; /* signed, but none: whoever has the key made a mistake */
	if (utc_s >= expiry)
		return ACCESS_EXPIRED;
	if (!is_below(path, prefix))
		return ACCESS_PATH;
	if (*network && (net_block_parse(network, &block) || !net_block_has(&block, peer)))
		return ACCESS_NETWORK;
	return ACCESS_OK;
}

/* False when there is none. One that does not fit is forged: it becomes a text that no key has signed. */
static bool find_token(const struct http_request *r, char *token, bool *by_query)
{
	char bearer[ACCESS_TOKEN_MAX + 8];
	int n = http_query_get(r->query, "token", token, ACCESS_TOKEN_MAX);

	*by_query = n != -ENOENT;
	if (n == -EINVAL)
		str_copy(token, ACCESS_TOKEN_MAX, "?");
	if (*by_query)
		return true;
	if (http_request_header(r, "authorization", bearer, sizeof(bearer)) &&
	    str_starts(bearer, "Bearer "))
		return str_copy(token, ACCESS_TOKEN_MAX, bearer + strlen("Bearer "));
	return http_request_cookie(r, "token", token, ACCESS_TOKEN_MAX);
}

enum access_verdict access_check(struct access *a, const struct http_request *r, int64_t utc_s,
				 char token[ACCESS_TOKEN_MAX])
{
	enum access_verdict v = ACCESS_OK;
	bool by_query = false;

	*token = 0;
	if (r->addr->family &&
	    (has(&a->deny, r->addr) || (a->allow.len && !has(&a->allow, r->addr))))
		v = ACCESS_ADDRESS;
	else if (a->by_token && !find_token(r, token, &by_query))
		v = ACCESS_MISSING;
	else if (a->by_token)
		v = access_check_token(a, token, r->path, r->addr, utc_s);
	if (v || !by_query)
		*token = 0;
	return v;
}
