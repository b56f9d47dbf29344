/* Who may have what: lists of networks, and signed tokens. Pure: the request and the time go in, a verdict
 * comes out.
 *
 * A token is KEY~EXPIRY~PREFIX~NETWORK~MAC:
 *
 *   KEY      the name of the key that signed it, so that a new key may come before the old one goes
 *   EXPIRY   seconds UTC since the epoch; it is good before them
 *   PREFIX   what it opens: the path itself, or all paths below it; "/" is everything
 *   NETWORK  whom it is for: an address or CIDR block; empty: everybody
 *   MAC      HMAC-SHA256 under the key, of everything before the last '~', 64 lower-case hex digits
 *
 * It is of letters, digits and "~/._:-" only, so it stands in a query, a cookie or a header as it is.
 * It comes as the query parameter `token`, as `Authorization: Bearer TOKEN`, or as the cookie `token`, in this order. */
#ifndef GEX_HTTP_ACCESS_H
#define GEX_HTTP_ACCESS_H

#include "http/http.h"

#define ACCESS_TOKEN_MAX 320 /* with its end */

enum access_verdict {
	ACCESS_OK,
	ACCESS_ADDRESS, /* denied, or not among the allowed */
	ACCESS_MISSING, /* no token */
	ACCESS_FORGED,	/* its form, its key or its MAC is wrong */
	ACCESS_EXPIRED,
	ACCESS_PATH,	/* it is for other paths */
	ACCESS_NETWORK, /* it is for somebody else */
	ACCESS_VERDICTS,
};
extern const char *const access_names[ACCESS_VERDICTS];

struct access;

/* keys: the text of a file of lines `NAME HEX`, 64 digits, as crypt_ring_parse takes it; NULL: no token is asked
 * for. allow, deny: lists of addresses and CIDR blocks, by commas or white space; NULL or empty: none.
 * Deny goes first; with an allow list all others are denied. A peer at a UNIX socket has no address: the
 * lists do not concern it. 0, or a negative errno with one line in err (HTTP_ERR bytes). */
int access_create(struct access **out, const char *keys, const char *allow, const char *deny,
		  char *err) MUST_USE;
void access_destroy(struct access *a);
/* Verdict of a request at utc_s. *token, when it is ACCESS_OK and the token came by the query, is that
 * token, to be handed on to the addresses in a playlist; else "". */
enum access_verdict access_check(struct access *a, const struct http_request *r, int64_t utc_s,
				 char token[ACCESS_TOKEN_MAX]);
/* The same of a token itself. */
enum access_verdict access_check_token(struct access *a, const char *token, const char *path,
				       const struct net_addr *peer, int64_t utc_s);
/* Of the characters that a token may have; nobody has to quote or escape it. */
bool access_is_plain(const char *token);

#endif
