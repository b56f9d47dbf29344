/* The pure part of http: request heads, paths, queries and ranges out of bytes, by RFC 9112
 * (HTTP/1.1), RFC 9110 and RFC 3986, strictly: what two parsers could read in two ways (a bare CR or LF,
 * a folded line, white space before the colon, a doubled Host or Content-Length, any Transfer-Encoding but
 * chunked alone, of a POST without a length) is refused, so nothing can be smuggled past a proxy. Refusals are the HTTP status, negative: -400, -405, -413, -414, -431,
 * -501, -505. */
#ifndef GEX_HTTP_PARSE_H
#define GEX_HTTP_PARSE_H

#include <sys/types.h>

#include "http/http.h"

#define HTTP_HEAD_MAX 16384
#define HTTP_TARGET_MAX 4096
#define HTTP_FIELDS_MAX 64

struct http_text {
	const char *p;
	size_t n;
};

struct http_head {
	enum http_method method;
	int minor;		  /* HTTP/1.minor: 0 or 1 */
	bool keep_alive;	  /* the client's wish, by version and Connection */
	struct http_text path;	  /* as sent: still percent-encoded; "*" for OPTIONS * */
	struct http_text query;	  /* after the '?', may be empty */
	struct http_text host;	  /* may be empty with HTTP/1.0 */
	bool has_length, chunked; /* how a POST tells of its body */
	uint64_t length;
	bool waits; /* for "100 Continue" */
	struct http_field {
		struct http_text name, value;
	} field[HTTP_FIELDS_MAX];
	size_t n;
};

/* Looks for the end of a head in the n bytes at p that have come so far. *seen (0 at first) is how
 * far the last call got, so that a head that trickles in costs one pass. Returns the length of the
 * head with its empty line, 0 when more bytes are needed, -431 when it is longer than
 * HTTP_HEAD_MAX, -400 as soon as a byte is there that no head may have. */
ssize_t http_head_find(const char *p, size_t n, size_t *seen);
/* Reads a head that http_head_find found. All texts in *h point into p. 0 or a refusal. */
int http_head_parse(struct http_head *h, const char *p, size_t n) MUST_USE;
/* The first field of that name (case does not matter), or NULL. */
const struct http_text *http_head_field(const struct http_head *h, const char *name);

/* 0, -405 for a method that is known but not served, -501 for another, -400 for no token. */
int http_method_parse(struct http_text t, enum http_method *out) MUST_USE;
/* A target in origin-form: 0, -400 or -414. */
int http_target_split(struct http_text t, struct http_text *path, struct http_text *query) MUST_USE;

/* Decodes percent-encoding, resolves "." and "..", merges doubled slashes; out is terminated and
 * begins with '/'. 0, or -400 for what is no absolute path, climbs above the root, or hides a
 * slash, a backslash, a NUL or another control character; -414 when it does not fit. */
int http_path_normalise(struct http_text raw, char *out, size_t cap) MUST_USE;
/* "bytes=..." against a body of size bytes. 1: *first and *last (inclusive) are set; 0: to be
 * ignored (another unit, several ranges, damaged); -416: outside. */
int http_range_parse(struct http_text value, uint64_t size, uint64_t *first, uint64_t *last);
/* By an Accept-Encoding: what has the highest q value; among equals the one that makes the least of a text. */
enum http_coding http_coding_choose(struct http_text accept);
/* A date as HTTP/1.1 writes it, in seconds UTC; -1 for any other text. */
int64_t http_date_parse(struct http_text t);
/* Whether an If-None-Match list holds the entity tag (with its quotes); weak comparison. */
bool http_etag_match(struct http_text list, const char *etag);

#endif
