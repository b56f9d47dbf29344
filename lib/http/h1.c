#include "http/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "log/log.h"

/* One request is answered at a time; what a client sends meanwhile waits in `in`, and beyond
 * HTTP_HEAD_MAX in the kernel. */
struct h1 {
	char *in;
	size_t len, cap, seen;
	struct http_request *cur;
	bool keep, chunked, running, paused;
};

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} known[] = {{200, "OK"},
		     {204, "No Content"},
		     {206, "Partial Content"},
		     {301, "Moved Permanently"},
		     {302, "Found"},
		     {304, "Not Modified"},
		     {400, "Bad Request"},
		     {404, "Not Found"},
		     {405, "Method Not Allowed"},
		     {408, "Request Timeout"},
		     {413, "Content Too Large"},
		     {414, "URI Too Long"},
		     {416, "Range Not Satisfiable"},
		     {431, "Request Header Fields Too Large"},
		     {500, "Internal Server Error"},
		     {501, "Not Implemented"},
		     {503, "Service Unavailable"},
		     {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].status == status)
			return known[i].text;
	return "Unknown";
}

/* ---- output ---- */

static const char *date_now(void)
{
	static time_t at;
	static char text[40];
	time_t t = time(NULL);
	struct tm tm;

	if (t != at) {
		at = t;
		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return text;
}

struct text {
	char at[2048];
	size_t n;
};

static void add(struct text *t, const char *fmt, ...) PRINTF(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(t->at + t->n, sizeof(t->at) - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n = MIN(t->n + (size_t)n, sizeof(t->at) - 1);
}

static void add_field(struct text *t, const char *name, const char *value)
{
	if (value)
		add(t, "%s: %s\r\n", name, value);
}

static void add_answer(struct text *t, const struct http_answer *a, const char *range)
{
	add(t, "HTTP/1.1 %d %s\r\nDate: %s\r\n", a->status, reason(a->status), date_now());
	add_field(t, "Content-Type", a->type);
	add_field(t, "Cache-Control", a->cache);
	add_field(t, "ETag", a->etag);
	add_field(t, "Location", a->location);
	add_field(t, "Content-Range", range);
	if (a->retry_after_s)
		add(t, "Retry-After: %d\r\n", a->retry_after_s);
	add(t, "Access-Control-Allow-Origin: *\r\n"
	       "Access-Control-Expose-Headers: Content-Length, Content-Range, Date, Age\r\n"
	       "Timing-Allow-Origin: *\r\nX-Content-Type-Options: nosniff\r\n");
}

/* length: >= 0 the body's, -1 not known, -2 a status that has no body. */
static void h1_start(struct conn *c, struct http_request *r, const struct http_answer *a,
		     int64_t length, const char *range)
{
	struct h1 *h = c->session;
	struct text t = {.n = 0};

	h->keep = h->keep && !c->server->draining && a->status != 400 && a->status != 413;
	add_answer(&t, a, range);
	if (length >= 0)
		add(&t, "Content-Length: %lld\r\nAccept-Ranges: bytes\r\n", (long long)length);
	else if (length == -1 && h->chunked)
		add(&t, "Transfer-Encoding: chunked\r\n");
	else if (length == -1)
		h->keep = false;
	if (length != -1)
		h->chunked = false;
	add(&t, h->keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
	conn_write_copy(c, t.at, t.n);
}

static void h1_data(struct conn *c, struct http_request *r, const struct slice *s)
{
	struct h1 *h = c->session;
	char size[24];

	if (!h->chunked) {
		conn_write(c, s);
		return;
	}
	conn_write_copy(c, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", s->len));
	conn_write(c, s);
	conn_write_copy(c, "\r\n", 2);
}

static void h1_end(struct conn *c, struct http_request *r)
{
	struct h1 *h = c->session;

	if (h->chunked && r->method != HTTP_HEAD)
		conn_write_copy(c, "0\r\n\r\n", 5);
	request_free(h->cur);
	h->cur = NULL;
	conn_phase(c, h->len ? CONN_HEAD : CONN_IDLE);
	if (!h->keep)
		conn_close_when_sent(c);
	else if (!h->running)
		conn_resume_later(c);
}

/* ---- input ---- */

static void refuse(struct conn *c, int status)
{
	struct h1 *h = c->session;
	struct text t = {.n = 0};
	static struct log_limit limit;

	if (log_allow(&limit, 5, 10 * SEC_US, loop_now_us(c->server->loop)))
		log_debug("http", "%s: refused a request with %d", c->peer, status);
	c->server->refused[REFUSED_HEAD] += status != 408;
	server_count(c->server, status);
	add_answer(&t, &(struct http_answer){.status = status, .cache = "no-store"}, NULL);
	add(&t, "%sContent-Length: 0\r\nConnection: close\r\n\r\n",
	    status == 405 ? "Allow: GET, HEAD, OPTIONS\r\n" : "");
	h->len = 0;
	conn_write_copy(c, t.at, t.n);
	conn_close_when_sent(c);
}

/* OPTIONS is answered here, for CORS preflights (Fetch standard, section 4.8). */
static void answer_options(struct conn *c)
{
	struct text t = {.n = 0};
	struct h1 *h = c->session;

	server_count(c->server, 204);
	add_answer(&t, &(struct http_answer){.status = 204}, NULL);
	add(&t,
	    "Allow: GET, HEAD, OPTIONS\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
	    "Access-Control-Allow-Headers: Range, If-None-Match\r\nAccess-Control-Max-Age: "
	    "86400\r\n%s\r\n",
	    h->keep ? "" : "Connection: close\r\n");
	conn_write_copy(c, t.at, t.n);
	conn_phase(c, CONN_IDLE);
	if (h->keep)
		conn_flush(c);
	else
		conn_close_when_sent(c);
}

/* Reads the n bytes of head at the front of `in`, then hands the request over. */
static void one_request(struct conn *c, size_t n)
{
	struct h1 *h = c->session;
	struct http_head head;
	char path[HTTP_TARGET_MAX + 1];
	int rc = http_head_parse(&head, h->in, n);

	if (!rc && head.method != HTTP_OPTIONS)
		rc = http_path_normalise(head.path, path, sizeof(path));
	if (rc) {
		refuse(c, -rc);
		return;
	}
	h->keep = head.keep_alive;
	h->chunked = head.minor == 1;
	struct http_request *r = NULL;
	if (head.method != HTTP_OPTIONS) {
		const char *fields = memchr(h->in, '\n', n);
		struct http_text f = {fields + 1, (size_t)(h->in + n - 2 - fields - 1)};

		r = request_create(c, head.method, path, head.query, f);
	}
	h->len -= n;
	memmove(h->in, h->in + n, h->len);
	h->seen = 0;
	if (head.method == HTTP_OPTIONS) {
		answer_options(c);
	} else if (!r) {
		conn_doom(c);
	} else {
		h->cur = r;
		conn_phase(c, CONN_BUSY);
		c->server->fn(c->server->arg, r);
	}
}

/* Requests that are here, one after the other, while the reader keeps up. */
static void run(struct conn *c)
{
	struct h1 *h = c->session;

	h->running = true;
	while (!h->cur && h->len && !c->doomed && !c->closing && c->queued < HTTP_HEAD_MAX * 4) {
		ssize_t n = http_head_find(h->in, h->len, &h->seen);

		if (n < 0)
			refuse(c, (int)-n);
		if (n <= 0)
			break;
		one_request(c, (size_t)n);
	}
	h->running = false;
	if (h->paused && h->len < HTTP_HEAD_MAX && !c->doomed) {
		h->paused = false;
		if (c->t->read(c->transport, true))
			conn_doom(c);
	}
}

static int grow(struct h1 *h, size_t n)
{
	size_t want = h->len + n;

	if (want <= h->cap)
		return 0;
	size_t cap = h->cap ? h->cap : 1024;
	while (cap < want)
		cap *= 2;
	char *p = realloc(h->in, cap);
	if (!p)
		return -ENOMEM;
	h->in = p;
	h->cap = cap;
	return 0;
}

static void h1_input(struct conn *c, const char *p, size_t n)
{
	struct h1 *h = c->session;

	if (!h->cur && !h->len)
		conn_phase(c, CONN_HEAD);
	if (grow(h, n)) {
		conn_doom(c);
		return;
	}
	memcpy(h->in + h->len, p, n);
	h->len += n;
	run(c);
	if (h->len >= HTTP_HEAD_MAX && !h->paused) {
		h->paused = true;
		c->t->read(c->transport, false);
	}
	if (!h->len && h->cap > 4096) { /* an idle connection holds little */
		free(h->in);
		h->in = NULL;
		h->cap = 0;
	}
}

static int h1_open(struct conn *c)
{
	c->session = calloc(1, sizeof(struct h1));
	return c->session ? 0 : -ENOMEM;
}

static void h1_timeout(struct conn *c)
{
	refuse(c, 408);
}

static void h1_closed(struct conn *c)
{
	struct h1 *h = c->session;
	struct http_request *r = h->cur;

	h->cur = NULL;
	if (r && r->gone)
		r->gone(r);
	request_free(r);
	free(h->in);
	free(h);
	c->session = NULL;
}

const struct proto_ops h1_ops = {
    .open = h1_open,
    .input = h1_input,
    .resume = run,
    .timeout = h1_timeout,
    .closed = h1_closed,
    .start = h1_start,
    .data = h1_data,
    .end = h1_end,
};
