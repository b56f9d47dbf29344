#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* Whom a proxy has named. */
struct sender {
	struct net_addr addr;
	char text[48];
};

struct request {
	struct http_request pub;
	struct conn *conn;
	struct sender *sender; /* NULL: the connection's */
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

/* From `from` on: NULL, the first. The fields have been through the parser: each is "Name:value\r\n". Where the
 * next one begins, or NULL when there is none. */
static const char *find_field(const struct http_request *pub, const char *name, const char *from,
			      struct http_text *out)
{
	const struct request *r = of(pub);
	size_t n = strlen(name);

	for (const char *p = from ? from : r->fields; p < r->fields_end;) {
		const char *end = memchr(p, '\r', (size_t)(r->fields_end - p));

		if (!end)
			return NULL;
		const char *next = end + 2;
		if ((size_t)(end - p) > n && p[n] == ':' && !strncasecmp(p, name, n)) {
			for (p += n + 1; p < end && (*p == ' ' || *p == '\t'); p++)
				;
			for (; end > p && (end[-1] == ' ' || end[-1] == '\t'); end--)
				;
			*out = (struct http_text){p, (size_t)(end - p)};
			return next;
		}
		p = next;
	}
	return NULL;
}

#define CHAIN_MAX 1024

/* Each proxy adds to the field or a field of its own: the last ones count. Where they are too long, the first ones are lost. */
static void name_sender(struct request *r)
{
	const struct via *v = &r->conn->server->via;
	const char *name = v->header == VIA_FORWARDED ? "forwarded" : "x-forwarded-for";
	char chain[CHAIN_MAX];
	struct http_text t;
	struct net_addr a;
	size_t n = 0;

	for (const char *at = NULL; (at = find_field(&r->pub, name, at, &t));) {
		if (n + t.n + 1 > sizeof(chain))
			n = 0;
		if (t.n + 1 > sizeof(chain))
			continue;
		memcpy(chain + n, t.p, t.n);
		n += t.n;
		chain[n++] = ',';
	}
	if (!n || !via_client(v, (struct http_text){chain, n}, &a))
		return;
	r->sender = malloc(sizeof(*r->sender));
	if (!r->sender)
		return;
	r->sender->addr = a;
	net_addr_format_ip(&a, r->sender->text, sizeof(r->sender->text));
	r->pub.addr = &r->sender->addr;
	r->pub.peer = r->sender->text;
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
		    .addr = c->peer_addr,
		    .tls = c->tls != NULL,
		    .since_us = loop_now_us(c->server->loop)},
	    .conn = c,
	    .stream = stream,
	    .fields = f,
	    .fields_end = f + fields.n,
	};
	list_init(&r->pub.link);
	c->server->nrequests++;
	if (c->trusted && c->server->via.header)
		name_sender(r);
	return &r->pub;
}

void request_free(struct http_request *r)
{
	if (!r)
		return;
	of(r)->conn->server->nrequests--;
	free(of(r)->sender);
	free((char *)(uintptr_t)r->body);
	free(of(r));
}

size_t request_body_max(const struct http_request *r)
{
	const struct http_server *s = of(r)->conn->server;

	return s->bodies ? s->bodies(s->arg, r) : 0;
}

void request_body(struct http_request *r, struct http_body *b)
{
	r->body = b->data;
	r->body_n = b->n;
	b->data = NULL;
	http_body_finish(b);
}

bool request_field(const struct http_request *r, const char *name, struct http_text *out)
{
	return find_field(r, name, NULL, out) != NULL;
}

/* HTTP/2 may bring each cookie in a field of its own (RFC 9113, section 8.2.3). */
bool http_request_cookie(const struct http_request *r, const char *name, char *out, size_t cap)
{
	size_t len = strlen(name);
	struct http_text t;

	for (const char *at = NULL; (at = find_field(r, "cookie", at, &t));) {
		for (const char *p = t.p, *end = t.p + t.n; p < end;) {
			while (p < end && (*p == ' ' || *p == ';'))
				p++;
			const char *semi = memchr(p, ';', (size_t)(end - p));
			size_t n = (size_t)((semi ? semi : end) - p);

			if (n > len && !memcmp(p, name, len) && p[len] == '=') {
				if (n - len - 1 >= cap)
					return false;
				memcpy(out, p + len + 1, n - len - 1);
				out[n - len - 1] = 0;
				return true;
			}
			p += n;
		}
	}
	return false;
}

bool http_request_header(const struct http_request *r, const char *name, char *out, size_t cap)
{
	struct http_text t;

	if (!request_field(r, name, &t) || t.n >= cap)
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
	if (r->account)
		r->account->answers[CLAMP(a->status / 100, 0, HTTP_CLASSES - 1)]++;
	c->proto->start(c, r, a, length, range);
}

static void hand_over(struct http_request *r, const struct slice *s)
{
	struct conn *c = of(r)->conn;

	if (r->account && r->method != HTTP_HEAD)
		r->account->bytes += (int64_t)s->len;
	c->proto->data(c, r, s);
}

static void body(struct http_request *r, const struct http_answer *a, uint64_t first, uint64_t n)
{
	for (size_t i = 0; i < a->n && n; i++) {
		const struct slice *s = &a->body[i];

		if (first >= s->len) {
			first -= s->len;
			continue;
		}
		struct slice piece = {s->buf, s->off + first, MIN(s->len - first, n)};
		hand_over(r, &piece);
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

/* RFC 9110, section 13.2.2: a tag, where the request has one, counts alone. */
static bool not_modified(struct http_request *r, const struct http_answer *a)
{
	struct http_text t;

	if (a->status != 200)
		return false;
	if (request_field(r, "if-none-match", &t))
		return a->etag && http_etag_match(t, a->etag);
	if (!a->modified_s || !request_field(r, "if-modified-since", &t))
		return false;
	int64_t since = http_date_parse(t);
	return since >= 0 && a->modified_s <= since;
}

/* A strong comparison (RFC 9110, section 13.1.5): a weak tag is never the same. */
static bool is_same(const struct http_answer *a, struct http_text cond)
{
	if (cond.n && *cond.p == '"')
		return a->etag && http_etag_match(cond, a->etag);
	return a->modified_s && http_date_parse(cond) == a->modified_s;
}

/* Ranges of a whole 200. Several at once, or If-Range with another entity: the whole is right. */
static int range_of(struct http_request *r, const struct http_answer *a, uint64_t size,
		    uint64_t *first, uint64_t *last)
{
	struct http_text t;

	if (a->status != 200 || r->method != HTTP_GET || !request_field(r, "range", &t))
		return 0;
	struct http_text cond;
	if (request_field(r, "if-range", &cond) && !is_same(a, cond))
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

/* Starts an answer with a body of `size` bytes. Which of them are to follow: *n from *first on. */
static void start_sized(struct http_request *r, const struct http_answer *a, uint64_t size,
			uint64_t *first, uint64_t *n)
{
	uint64_t last = 0;
	char range[80];
	struct http_answer own = *a;
	int part = 0;

	*first = 0;
	if (not_modified(r, a))
		own.status = 304;
	else
		part = range_of(r, a, size, first, &last);
	if (part == 1) {
		own.status = 206;
		snprintf(range, sizeof(range), "bytes %llu-%llu/%llu", (unsigned long long)*first,
			 (unsigned long long)last, (unsigned long long)size);
	} else if (part == -416) {
		own.status = 416;
		own.type = NULL;
		snprintf(range, sizeof(range), "bytes */%llu", (unsigned long long)size);
	}
	*n = part == 1 ? last - *first + 1 : part || own.status == 304 ? 0 : size;
	start(r, &own, own.status == 304 || own.status == 204 ? -2 : (int64_t)*n,
	      part ? range : NULL);
	if (r->method == HTTP_HEAD)
		*n = 0;
}

void http_reply(struct http_request *r, const struct http_answer *a)
{
	uint64_t size = 0, first, n;

	for (size_t i = 0; i < a->n; i++)
		size += a->body[i].len;
	if (a->status >= 400 && !size) {
		reply_text(r, a);
		return;
	}
	start_sized(r, a, size, &first, &n);
	body(r, a, first, n);
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

bool http_stream_sized(struct http_request *r, const struct http_answer *a, uint64_t size,
		       uint64_t *first, uint64_t *n)
{
	start_sized(r, a, size, first, n);
	if (*n)
		of(r)->conn->proto->flush(of(r)->conn);
	else
		finish(r);
	return *n != 0;
}

size_t http_stream_backlog(const struct http_request *r)
{
	return of(r)->conn->proto->backlog(of(r)->conn, r);
}

void http_stream_abort(struct http_request *r)
{
	r->gone = NULL;
	r->room = NULL;
	of(r)->conn->proto->cut(of(r)->conn, r);
}

void request_room(struct http_request *r)
{
	void (*room)(struct http_request * r) = r->room;

	if (!room || http_stream_backlog(r) >= HTTP_ROOM)
		return;
	r->room = NULL;
	room(r);
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
		hand_over(r, s);
		c->proto->flush(c);
	}
	return 0;
}

void http_stream_end(struct http_request *r)
{
	finish(r);
}
