/* HTTP/2's streams: the head of a request as it comes in, and its answer. */
#include "http/h2.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "http/answer.h"

#define FRAME_HEAD 9
#define CALM_CREDIT 4 /* for each frame of data that the peer takes: updates of windows follow it */

static int64_t now(const struct conn *c)
{
	return loop_now_us(c->server->loop);
}

struct stream *h2_stream_create(struct conn *c, int32_t id)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->conn = c;
	s->id = id;
	list_append(&h2_of(c)->streams, &s->link);
	h2_of(c)->n++;
	return s;
}

static void forget_head(struct stream *s)
{
	free(s->target);
	free(s->fields);
	s->target = s->fields = NULL;
	s->target_len = s->fields_len = s->fields_cap = 0;
}

void h2_stream_destroy(struct stream *s)
{
	struct http_request *r = s->r;

	list_remove(&s->link);
	h2_of(s->conn)->n--;
	s->r = NULL;
	if (r && r->gone)
		r->gone(r);
	request_free(r);
	request_free(s->post);
	http_body_finish(&s->in);
	forget_head(s);
	for (size_t i = s->at; i < s->body.len; i++)
		slice_finish(&s->body.at[i]);
	vec_free(&s->body);
	free(s);
}

/* ---- heads ---- */

/* As a line of HTTP/1.1: request.c reads the fields of both. */
static int keep_field(struct stream *s, const uint8_t *name, size_t nn, const uint8_t *value,
		      size_t nv)
{
	size_t want = s->fields_len + nn + nv + 4;

	if (want > s->fields_cap) {
		size_t cap = MAX(want, s->fields_cap ? s->fields_cap * 2 : 512);
		char *p = realloc(s->fields, cap);

		if (!p)
			return -ENOMEM;
		s->fields = p;
		s->fields_cap = cap;
	}
	char *at = s->fields + s->fields_len;
	memcpy(at, name, nn);
	memcpy(at + nn, ": ", 2);
	memcpy(at + nn + 2, value, nv);
	memcpy(at + nn + 2 + nv, "\r\n", 2);
	s->fields_len = want;
	return 0;
}

static bool name_is(const uint8_t *name, size_t n, const char *s)
{
	return n == strlen(s) && !memcmp(name, s, n);
}

static int keep_target(struct stream *s, const uint8_t *value, size_t n)
{
	s->target = str_ndup((const char *)value, n);
	s->target_len = n;
	return s->target ? 0 : -ENOMEM;
}

int h2_on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name, size_t nn,
		 const uint8_t *value, size_t nv, uint8_t flags, void *arg)
{
	struct stream *s = h2_stream_of(session, f->hd.stream_id);
	int rc = 0;

	if (!s || s->r || s->post || s->has_body)
		return 0;	      /* trailers */
	s->head_size += nn + nv + 32; /* RFC 9113, section 6.5.2 */
	if (s->head_size > HTTP_HEAD_MAX) {
		forget_head(s);
		s->refuse = 431;
	}
	if (s->refuse)
		return 0;
	if (name_is(name, nn, ":path"))
		rc = keep_target(s, value, nv);
	else if (name_is(name, nn, ":method"))
		snprintf(s->method, sizeof(s->method), "%.*s", (int)MIN(nv, 15), value);
	else if (nn && *name != ':')
		rc = keep_field(s, name, nn, value, nv);
	return rc ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

/* ---- answers ---- */

int h2_on_send_data(nghttp2_session *session, nghttp2_frame *f, const uint8_t *head, size_t n,
		    nghttp2_data_source *src, void *arg)
{
	struct conn *c = arg;
	struct stream *s = src->ptr;

	if (c->queued >= QUEUE_MAX)
		return NGHTTP2_ERR_WOULDBLOCK;
	conn_write_copy(c, head, FRAME_HEAD);
	s->left -= n;
	s->moved_us = now(c);
	h2_charge(c, -CALM_CREDIT);
	if (s->r && s->r->room && s->left < HTTP_ROOM)
		conn_resume_later(c);
	while (n) {
		struct slice *part = &s->body.at[s->at];
		size_t k = MIN(n, part->len);

		conn_write(c, &(struct slice){part->buf, part->off, k});
		part->off += k;
		part->len -= k;
		n -= k;
		if (!part->len) {
			slice_finish(part);
			s->at++;
		}
	}
	if (s->at == s->body.len)
		s->at = s->body.len = 0;
	return c->doomed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t cap,
		       uint32_t *flags, nghttp2_data_source *src, void *arg)
{
	struct stream *s = src->ptr;
	size_t n = MIN(cap, s->left);

	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n == s->left && s->ended)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	else if (!n) {
		s->waits = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)n;
}

static void submit(struct conn *c, struct stream *s, int status, const struct answer *ans,
		   bool body)
{
	nghttp2_nv nv[ANSWER_FIELDS + 1];
	nghttp2_data_provider src = {.source.ptr = s, .read_callback = on_read};
	char names[1024], digits[4];
	size_t at = 0;

	snprintf(digits, sizeof(digits), "%03d", CLAMP(status, 100, 999));
	nv[0] = (nghttp2_nv){(uint8_t *)(uintptr_t) ":status", (uint8_t *)digits, 7, 3, 0};
	for (size_t i = 0; i < ans->n; i++) {
		const char *name = ans->field[i].name, *value = ans->field[i].value;
		size_t n = strlen(name);

		nv[i + 1] = (nghttp2_nv){(uint8_t *)names + at, (uint8_t *)(uintptr_t)value, n,
					 strlen(value), 0};
		for (; *name && at < sizeof(names); name++)
			names[at++] = (char)tolower((unsigned char)*name);
	}
	s->has_body = body;
	s->moved_us = now(c);
	if (nghttp2_submit_response(h2_of(c)->session, s->id, nv, ans->n + 1, body ? &src : NULL))
		conn_doom(c);
}

static struct stream *stream_of_request(struct conn *c, const struct http_request *r)
{
	return h2_stream_of(h2_of(c)->session, request_stream(r));
}

void h2_start(struct conn *c, struct http_request *r, const struct http_answer *a, int64_t length,
	      const char *range)
{
	struct answer ans;

	answer_fill(&ans, a, length, range);
	submit(c, stream_of_request(c, r), a->status, &ans,
	       r->method != HTTP_HEAD && (length > 0 || length == -1));
}

static void wake(struct conn *c, struct stream *s)
{
	if (!s->waits)
		return;
	s->waits = false;
	s->moved_us = now(c);
	nghttp2_session_resume_data(h2_of(c)->session, s->id);
}

void h2_data(struct conn *c, struct http_request *r, const struct slice *piece)
{
	struct stream *s = stream_of_request(c, r);
	struct slice own = slice_of(piece->buf, piece->off, piece->len);

	if (vec_push(&s->body, own)) {
		slice_finish(&own);
		conn_doom(c);
		return;
	}
	s->left += own.len;
	wake(c, s);
}

void h2_end(struct conn *c, struct http_request *r)
{
	struct stream *s = stream_of_request(c, r);

	s->ended = true;
	s->r = NULL;
	request_free(r);
	wake(c, s);
}

size_t h2_backlog(struct conn *c, const struct http_request *r)
{
	return stream_of_request(c, r)->left;
}

static void refuse(struct conn *c, struct stream *s, int status)
{
	struct answer ans;

	c->server->refused[REFUSED_HEAD]++;
	server_count(c->server, status);
	answer_fill(&ans, &(struct http_answer){.status = status, .cache = "no-store"}, 0, NULL);
	submit(c, s, status, &ans, false);
	forget_head(s);
}

static void answer_options(struct conn *c, struct stream *s)
{
	struct answer ans;

	server_count(c->server, 204);
	answer_fill_options(&ans, c->server->bodies);
	submit(c, s, 204, &ans, false);
	forget_head(s);
}

/* ---- the request ---- */

static void hand_over(struct conn *c, struct stream *s, struct http_request *r)
{
	s->r = r;
	conn_phase(c, CONN_BUSY);
	c->server->fn(c->server->arg, r);
}

static void refuse_post(struct conn *c, struct stream *s, int status)
{
	request_free(s->post);
	s->post = NULL;
	http_body_finish(&s->in);
	refuse(c, s, status);
}

void h2_stream_body_end(struct conn *c, struct stream *s)
{
	struct http_request *r = s->post;

	s->unread = false;
	if (!r || s->cut || h2_of(c)->flooded)
		return;
	s->post = NULL;
	request_body(r, &s->in);
	hand_over(c, s, r);
}

/* What nobody reads is paid for: the connection's window is given back, the stream's is not. */
int h2_on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
		void *arg)
{
	struct conn *c = arg;
	struct stream *s = h2_stream_of(session, id);

	if (nghttp2_session_consume_connection(session, n))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (!s || !s->post || s->cut) {
		h2_charge(c, 1);
		return 0;
	}
	s->moved_us = now(c);
	ssize_t rc = http_body_take(&s->in, (const char *)p, n);
	if (rc < 0)
		refuse_post(c, s, rc == -ENOMEM ? 503 : (int)-rc);
	return 0;
}

/* nghttp2 sees to it that a length that was told is kept. */
static void begin_post(struct conn *c, struct stream *s, struct http_request *r, bool has_body)
{
	size_t max = request_body_max(r);
	struct http_text t;
	uint64_t length = 0;

	s->post = r;
	s->moved_us = now(c);
	http_body_begin(&s->in, false, HTTP_BODY_OPEN, max);
	for (size_t i = 0; request_field(r, "content-length", &t) && i < t.n && length <= max; i++)
		length = length * 10 + (uint64_t)(t.p[i] - '0');
	if (!max || length > max)
		refuse_post(c, s, max ? 413 : 405);
	else if (!has_body)
		h2_stream_body_end(c, s);
}

void h2_stream_request(struct conn *c, struct stream *s, bool has_body)
{
	char path[HTTP_TARGET_MAX + 1];
	struct http_text raw, query;
	enum http_method method = HTTP_GET;
	int rc = s->refuse ? -s->refuse : 0;

	if (!rc)
		rc = http_method_parse((struct http_text){s->method, strlen(s->method)}, &method);
	if (!rc && has_body && method != HTTP_POST)
		rc = -413;
	if (!rc && method == HTTP_OPTIONS) {
		answer_options(c, s);
		return;
	}
	if (!rc)
		rc = http_target_split((struct http_text){s->target, s->target_len}, &raw, &query);
	if (!rc)
		rc = http_path_normalise(raw, path, sizeof(path));
	if (rc) {
		refuse(c, s, -rc);
		return;
	}
	struct http_request *r = request_create(c, s->id, method, path, query,
						(struct http_text){s->fields, s->fields_len});
	forget_head(s);
	if (!r)
		refuse(c, s, 503);
	else if (method == HTTP_POST)
		begin_post(c, s, r, has_body);
	else
		hand_over(c, s, r);
}
