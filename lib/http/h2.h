/* Inside http: what h2.c (the connection: frames, clocks, floods) and h2_stream.c (a request in, an answer out) share. */
#ifndef GEX_HTTP_H2_H
#define GEX_HTTP_H2_H

#include <nghttp2/nghttp2.h>

#include "http/h2_mem.h"
#include "http/server.h"

#define QUEUE_MAX ((size_t)128 << 10) /* framed but not sent, so that what matters more passes by */
#define CALM_BURST 1000

struct stream {
	struct list link;
	struct conn *conn;
	int32_t id;
	/* the head, while it comes in */
	char method[16];
	char *target, *fields;
	size_t target_len, fields_len, fields_cap, head_size;
	int refuse; /* the status, when the head is refused */
	/* the body, while it comes in */
	struct http_request *post; /* whose it is; NULL: none is wanted */
	struct http_body in;
	/* the answer */
	struct http_request *r; /* NULL before the request is whole and after the answer's end */
	VEC(struct slice) body;
	size_t at, left; /* the first slice not yet framed; bytes in all */
	bool has_body, ended, waits, cut;
	bool unread;	  /* the request has a body that nobody reads */
	int64_t moved_us; /* when the peer last took some of it */
};

struct h2 {
	nghttp2_session *session;
	struct h2_mem mem;
	struct list streams;
	int n;
	bool in_input, flooded;
	int64_t heading_us; /* since when a head is coming in; 0: none is */
	int64_t calm, calm_us;
};

static inline struct h2 *h2_of(const struct conn *c)
{
	return c->session;
}

static inline struct stream *h2_stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* Takes from the bucket: of a peer who empties it the connection ends. */
void h2_charge(struct conn *c, int64_t cost);

/* h2_stream.c */
struct stream *h2_stream_create(struct conn *c, int32_t id);
/* Tells whoever keeps its request, and frees. */
void h2_stream_destroy(struct stream *s);
/* The head is whole: hands the request over, refuses it, or waits for its body. */
void h2_stream_request(struct conn *c, struct stream *s, bool has_body);
/* Bytes of its body; and its end. */
int h2_on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
		void *arg);
void h2_stream_body_end(struct conn *c, struct stream *s);
int h2_on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name, size_t nn,
		 const uint8_t *value, size_t nv, uint8_t flags, void *arg);
int h2_on_send_data(nghttp2_session *session, nghttp2_frame *f, const uint8_t *head, size_t n,
		    nghttp2_data_source *src, void *arg);
/* proto_ops */
void h2_start(struct conn *c, struct http_request *r, const struct http_answer *a, int64_t length,
	      const char *range);
void h2_data(struct conn *c, struct http_request *r, const struct slice *piece);
void h2_end(struct conn *c, struct http_request *r);
size_t h2_backlog(struct conn *c, const struct http_request *r);

#endif
