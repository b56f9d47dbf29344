#include "http/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "http/answer.h"
#include "log/log.h"

struct post {
	struct http_request *r;
	struct http_body body;
};

/* One request is answered at a time; what a client sends meanwhile waits in `in`, and beyond
 * HTTP_HEAD_MAX in the kernel. */
struct h1 {
	char *in;
	size_t len, cap, seen;
	struct http_request *cur;
	struct post *post; /* whose body is coming in; NULL: none */
	bool keep, chunked, running, paused;
	bool begun; /* a request has been read: HTTP/2 does not begin any more */
};

/* ---- output ---- */

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

static void add_bytes(struct text *t, const char *s)
{
	size_t n = MIN(strlen(s), sizeof(t->at) - t->n);

	memcpy(t->at + t->n, s, n);
	t->n += n;
}

static void add_answer(struct text *t, int status, const struct answer *ans)
{
	add(t, "HTTP/1.1 %d %s\r\n", status, answer_reason(status));
	for (size_t i = 0; i < ans->n; i++) {
		add_bytes(t, ans->field[i].name);
		add_bytes(t, ": ");
		add_bytes(t, ans->field[i].value);
		add_bytes(t, "\r\n");
	}
}

static void h1_start(struct conn *c, struct http_request *r, const struct http_answer *a,
		     int64_t length, const char *range)
{
	struct h1 *h = c->session;
	struct text t = {.n = 0};
	struct answer ans;

	h->keep = h->keep && !c->server->draining && a->status != 400 && a->status != 413;
	answer_fill(&ans, a, length, range);
	add_answer(&t, a->status, &ans);
	if (length == -1 && h->chunked)
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

/* Who has waited will ask for the next thing, and wait again: others first. */
static void answered_late(struct conn *c)
{
	struct h1 *h = c->session;

	c->patient = true;
	if (h->len)
		conn_resume_later(c);
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
		answered_late(c);
}

/* ---- input ---- */

static void drop_post(struct h1 *h)
{
	if (!h->post)
		return;
	http_body_finish(&h->post->body);
	request_free(h->post->r);
	free(h->post);
	h->post = NULL;
}

static void refuse(struct conn *c, int status)
{
	struct h1 *h = c->session;
	struct text t = {.n = 0};
	struct answer ans;
	static struct log_limit limit;

	if (log_allow(&limit, 5, 10 * SEC_US, loop_now_us(c->server->loop)))
		log_debug("http", "%s: refused a request with %d", c->peer, status);
	c->server->refused[REFUSED_HEAD] += status != 408;
	server_count(c->server, status);
	answer_fill(&ans, &(struct http_answer){.status = status, .cache = "no-store"}, 0, NULL);
	add_answer(&t, status, &ans);
	add(&t, "Connection: close\r\n\r\n");
	h->len = 0;
	drop_post(h);
	conn_write_copy(c, t.at, t.n);
	conn_close_when_sent(c);
}

static void answer_options(struct conn *c)
{
	struct text t = {.n = 0};
	struct answer ans;
	struct h1 *h = c->session;

	server_count(c->server, 204);
	answer_fill_options(&ans, c->server->bodies);
	add_answer(&t, 204, &ans);
	add(&t, h->keep ? "\r\n" : "Connection: close\r\n\r\n");
	conn_write_copy(c, t.at, t.n);
	conn_phase(c, CONN_IDLE);
	if (h->keep)
		conn_flush(c);
	else
		conn_close_when_sent(c);
}

static void hand_over(struct conn *c, struct http_request *r)
{
	((struct h1 *)c->session)->cur = r;
	conn_phase(c, CONN_BUSY);
	c->server->fn(c->server->arg, r);
}

/* Of the bytes behind its head those that are its body's. */
static void take_body(struct conn *c)
{
	struct h1 *h = c->session;
	struct post *p = h->post;
	ssize_t n = http_body_take(&p->body, h->in, h->len);

	if (n < 0) {
		refuse(c, n == -ENOMEM ? 503 : (int)-n);
		return;
	}
	h->len -= (size_t)n;
	memmove(h->in, h->in + n, h->len);
	if (!p->body.done)
		return;
	struct http_request *r = p->r;
	request_body(r, &p->body);
	p->r = NULL;
	free(p);
	h->post = NULL;
	hand_over(c, r);
}

/* 0: it may come. */
static int status_of_post(const struct http_head *head, size_t max)
{
	return !max				     ? 405
	       : !head->has_length && !head->chunked ? 411
	       : head->length > max		     ? 413
						     : 0;
}

/* The head of a POST has come. Takes r. */
static void begin_post(struct conn *c, struct http_request *r, const struct http_head *head)
{
	struct h1 *h = c->session;
	size_t max = request_body_max(r);
	int status = status_of_post(head, max);

	h->post = status ? NULL : calloc(1, sizeof(*h->post));
	if (!h->post) {
		request_free(r);
		refuse(c, status ? status : 503);
		return;
	}
	h->post->r = r;
	http_body_begin(&h->post->body, head->chunked, head->length, max);
	conn_phase(c, CONN_HEAD);
	if (head->waits && !h->len && !h->post->body.done) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

		conn_write_copy(c, go_on, sizeof(go_on) - 1);
		conn_flush(c);
	}
	if (h->post->body.done)
		take_body(c);
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
	h->begun = true;
	h->keep = head.keep_alive;
	h->chunked = head.minor == 1;
	struct http_request *r = NULL;
	conn_asks(c, 1);
	if (head.method != HTTP_OPTIONS) {
		const char *fields = memchr(h->in, '\n', n);
		struct http_text f = {fields + 1, (size_t)(h->in + n - 2 - fields - 1)};

		r = request_create(c, 0, head.method, path, head.query, f);
	}
	h->len -= n;
	memmove(h->in, h->in + n, h->len);
	h->seen = 0;
	if (head.method == HTTP_OPTIONS) {
		answer_options(c);
	} else if (!r) {
		refuse(c, 503);
	} else if (head.method == HTTP_POST) {
		begin_post(c, r, &head);
	} else {
		hand_over(c, r);
	}
}

/* Requests that are here, one after the other, while the reader keeps up. */
static void run(struct conn *c)
{
	struct h1 *h = c->session;

	h->running = true;
	while (!h->cur && h->len && !c->doomed && !c->closing && c->queued < HTTP_HEAD_MAX * 4) {
		if (h->post) {
			take_body(c);
			continue;
		}
		if (!conn_may_ask(c)) {
			conn_resume_later(c);
			break;
		}
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
		c->t->read(c->transport, true);
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

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* A client that knows may begin with HTTP/2 (RFC 9113, section 3.3). True: what is here is, or may
 * become, its preface. */
static bool is_preface(struct conn *c)
{
	struct h1 *h = c->session;
	size_t n = MIN(h->len, strlen(PREFACE));

	if (h->begun || c->tls || memcmp(h->in, PREFACE, n) != 0)
		return false;
	if (n < strlen(PREFACE))
		return true;
	char *in = h->in;
	n = h->len;
	h->in = NULL;
	if (conn_speak(c, &h2_ops))
		conn_doom(c);
	else
		c->proto->input(c, in, n);
	free(in);
	return true;
}

static void h1_input(struct conn *c, const char *p, size_t n)
{
	struct h1 *h = c->session;

	if (!h->cur && !h->len && !h->post)
		conn_phase(c, CONN_HEAD);
	if (grow(h, n)) {
		conn_doom(c);
		return;
	}
	memcpy(h->in + h->len, p, n);
	h->len += n;
	if (is_preface(c))
		return;
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
	drop_post(h);
	if (r && r->gone)
		r->gone(r);
	request_free(r);
	free(h->in);
	free(h);
	c->session = NULL;
}

static void h1_drain(struct conn *c)
{
	if (c->phase == CONN_IDLE && !c->queued && !c->sealed)
		conn_doom(c);
}

static size_t h1_backlog(struct conn *c, const struct http_request *r)
{
	return c->queued;
}

static void h1_cut(struct conn *c, struct http_request *r)
{
	conn_doom(c);
}

static void h1_resume(struct conn *c)
{
	struct h1 *h = c->session;

	if (h->cur && !c->doomed)
		request_room(h->cur);
	run(c);
}

const struct proto_ops h1_ops = {
    .open = h1_open,
    .input = h1_input,
    .resume = h1_resume,
    .timeout = h1_timeout,
    .closed = h1_closed,
    .start = h1_start,
    .data = h1_data,
    .end = h1_end,
    .drain = h1_drain,
    .flush = conn_flush,
    .backlog = h1_backlog,
    .cut = h1_cut,
};
