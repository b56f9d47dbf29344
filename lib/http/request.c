#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

struct request {
	struct http_request pub;
	struct conn *conn;
	int32_t stream;
	bool cut;
	const char *fields, *fields_end;
	char text[];
};

static struct request *of(const struct http_request *r)
{
	return container_of((struct http_request *)(uintptr_t)r, struct request, pub);
}

struct conn *request_conn(const struct http_request *r)
{
	return of(r)->conn;
}

int32_t request_stream(const struct http_request *r)
{
	return of(r)->stream;
}

struct http_request *request_create(struct conn *c, int32_t stream, enum http_method method,
				    const char *path, struct http_text query,
				    struct http_text fields)
{
	size_t np = strlen(path) + 1;

	if (c->server->nrequests >= c->server->lim.requests)
		return NULL;
	struct request *r = malloc(sizeof(*r) + np + query.n + 1 + fields.n);

	if (!r)
		return NULL;
	char *q = r->text + np, *f = q + query.n + 1;
	memcpy(r->text, path, np);
	memcpy(q, query.p, query.n);
	q[query.n] = 0;
	if (fields.n)
		memcpy(f, fields.p, fields.n);
	*r = (struct request){
	    .pub = {.method = method,
		    .path = r->text,
		    .query = q,
		    .peer = c->peer,
		    .since_us = loop_now_us(c->server->loop)},
	    .conn = c,
	    .stream = stream,
	    .fields = f,
	    .fields_end = f + fields.n,
	};
	list_init(&r->pub.link);
	c->server->nrequests++;
	return &r->pub;
}

void request_free(struct http_request *r)
{
	if (!r)
		return;
	of(r)->conn->server->nrequests--;
	free(of(r));
}

/* The fields have been through the parser: each is "Name:value\r\n". */
static bool find_field(const struct http_request *pub, const char *name, struct http_text *out)
{
	const struct request *r = of(pub);
	size_t n = strlen(name);

	for (const char *p = r->fields; p < r->fields_end;) {
		const char *end = memchr(p, '\r', (size_t)(r->fields_end - p));

		if (!end)
			return false;
		if ((size_t)(end - p) > n && p[n] == ':' && !strncasecmp(p, name, n)) {
			for (p += n + 1; p < end && (*p == ' ' || *p == '\t'); p++)
				;
			for (; end > p && (end[-1] == ' ' || end[-1] == '\t'); end--)
				;
			*out = (struct http_text){p, (size_t)(end - p)};
			return true;
		}
		p = end + 2;
	}
	return false;
}

bool http_request_header(const struct http_request *r, const char *name, char *out, size_t cap)
{
	struct http_text t;

	if (!find_field(r, name, &t) || t.n >= cap)
		return false;
	memcpy(out, t.p, t.n);
	out[t.n] = 0;
	return true;
}

/* ---- answers ---- */

static void start(struct http_request *r, const struct http_answer *a, int64_t length,
		  const char *range)
{
	struct conn *c = of(r)->conn;

	server_count(c->server, a->status);
	c->proto->start(c, r, a, length, range);
}

static void body(struct http_request *r, const struct http_answer *a, uint64_t first, uint64_t n)
{
	struct conn *c = of(r)->conn;

	for (size_t i = 0; i < a->n && n; i++) {
		const struct slice *s = &a->body[i];

		if (first >= s->len) {
			first -= s->len;
			continue;
		}
		struct slice piece = {s->buf, s->off + first, MIN(s->len - first, n)};
		c->proto->data(c, r, &piece);
		n -= piece.len;
		first = 0;
	}
}

static void finish(struct http_request *r)
{
	struct conn *c = of(r)->conn;

	c->proto->end(c, r);
	c->proto->flush(c);
}

static bool not_modified(struct http_request *r, const struct http_answer *a)
{
	struct http_text t;

	return a->status == 200 && a->etag && find_field(r, "if-none-match", &t) &&
	       http_etag_match(t, a->etag);
}

/* Ranges of a whole 200. If-Range asks for more than we keep (a date, another entity): then the
 * whole is right. */
static int range_of(struct http_request *r, const struct http_answer *a, uint64_t size,
		    uint64_t *first, uint64_t *last)
{
	struct http_text t;

	if (a->status != 200 || r->method != HTTP_GET || !find_field(r, "range", &t))
		return 0;
	struct http_text cond;
	if (find_field(r, "if-range", &cond) && (!a->etag || !http_etag_match(cond, a->etag)))
		return 0;
	return http_range_parse(t, size, first, last);
}

static void reply_text(struct http_request *r, const struct http_answer *a)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d\n", a->status);
	struct buf *b = buf_copy(text, (size_t)n);
	struct slice s = {b, 0, b ? (size_t)n : 0};
	struct http_answer with = *a;

	with.type = "text/plain";
	with.body = &s;
	with.n = 1;
	start(r, &with, (int64_t)s.len, NULL);
	if (r->method != HTTP_HEAD)
		body(r, &with, 0, s.len);
	finish(r);
	buf_unref(b);
}

void http_reply(struct http_request *r, const struct http_answer *a)
{
	uint64_t size = 0, first = 0, last = 0;
	char range[80];

	for (size_t i = 0; i < a->n; i++)
		size += a->body[i].len;
	if (a->status >= 400 && !size) {
		reply_text(r, a);
		return;
	}
	struct http_answer own = *a;
	int part = 0;
	if (not_modified(r, a))
		own.status = 304;
	else
		part = range_of(r, a, size, &first, &last);
	if (part == 1) {
		own.status = 206;
		snprintf(range, sizeof(range), "bytes %llu-%llu/%llu", (unsigned long long)first,
			 (unsigned long long)last, (unsigned long long)size);
	} else if (part == -416) {
		own.status = 416;
		own.type = NULL;
		snprintf(range, sizeof(range), "bytes */%llu", (unsigned long long)size);
	}
	uint64_t n = part == 1 ? last - first + 1 : part || own.status == 304 ? 0 : size;
	start(r, &own, own.status == 304 || own.status == 204 ? -2 : (int64_t)n,
	      part ? range : NULL);
	if (r->method != HTTP_HEAD)
		body(r, &own, first, n);
	finish(r);
}

void http_reply_status(struct http_request *r, int status)
{
	http_reply(r, &(struct http_answer){.status = status});
}

/* ---- streams ---- */

void http_stream_start(struct http_request *r, const struct http_answer *a)
{
	start(r, a, -1, NULL);
	of(r)->conn->proto->flush(of(r)->conn);
}

int http_stream_write(struct http_request *r, const struct slice *s)
{
	struct request *q = of(r);
	struct conn *c = q->conn;

	if (!q->cut && c->proto->backlog(c, r) > c->server->lim.queue_max) {
		q->cut = true;
		c->server->refused[REFUSED_SLOW]++;
		c->proto->cut(c, r);
	}
	if (q->cut)
		return -ENOBUFS;
	if (r->method != HTTP_HEAD && s->len) {
		c->proto->data(c, r, s);
		c->proto->flush(c);
	}
	return 0;
}

void http_stream_end(struct http_request *r)
{
	finish(r);
}
