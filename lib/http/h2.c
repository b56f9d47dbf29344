/* HTTP/2 (RFC 9113) by nghttp2, which does frames, header compression, flow control and turns between
 * streams. Here: what a request is, where its body's bytes lie, and how much of anything a peer may
 * make us do.
 *
 * nothing is sent inside a handler's call: answers are queued and go out at the end of the input
 * that asked for them, or in the server's next turn. So no stream ends, and no `gone` is called,
 * while a handler walks its list of requests; and all answers of one event share records and packets. */
#include "http/server.h"

#include <ctype.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "http/answer.h"
#include "http/h2_mem.h"

#define QUEUE_MAX ((size_t)128 << 10) /* framed but not sent, so that what matters more passes by */
#define FRAME_HEAD 9

/* What costs us work and the peer nothing (RFC 9113, section 10.5) is paid from a bucket. */
#define CALM_BURST 1000
#define CALM_PER_S 100
#define CALM_CREDIT 4 /* for each frame of data that the peer takes: updates of windows follow it */

struct stream {
	struct list link;
	struct conn *conn;
	int32_t id;
	/* the head, while it comes in */
	char method[16];
	char *target, *fields;
	size_t target_len, fields_len, fields_cap, head_size;
	int refuse; /* the status, when the head is refused */
	/* the answer */
	struct http_request *r; /* NULL before the head is whole and after the answer's end */
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

static int64_t now(const struct conn *c)
{
	return loop_now_us(c->server->loop);
}

static struct h2 *h2_of(const struct conn *c)
{
	return c->session;
}

/* ---- floods ---- */

static void charge(struct conn *c, int64_t cost)
{
	struct h2 *h = h2_of(c);
	int64_t t = now(c), fill = (t - h->calm_us) * CALM_PER_S / SEC_US;

	if (fill > 0) {
		h->calm = MIN(h->calm + fill, CALM_BURST);
		h->calm_us = t;
	}
	h->calm = MIN(h->calm - cost, CALM_BURST);
	if (h->calm >= 0 || h->flooded)
		return;
	h->flooded = true;
	c->server->refused[REFUSED_FLOOD]++;
	nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void charge_frame(struct conn *c, const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_PING:
	case NGHTTP2_SETTINGS:
		charge(c, hd->flags & NGHTTP2_FLAG_ACK ? 0 : 1);
		break;
	case NGHTTP2_RST_STREAM:
	case NGHTTP2_PRIORITY:
	case NGHTTP2_WINDOW_UPDATE:
		charge(c, 1);
		break;
	case NGHTTP2_DATA:
		charge(c, hd->length ? 0 : 1);
		break;
	default:
		break;
	}
}

/* ---- streams ---- */

static struct stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static struct stream *stream_create(struct conn *c, int32_t id)
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

/* Tells whoever keeps its request, and frees. */
static void stream_destroy(struct stream *s)
{
	struct http_request *r = s->r;

	list_remove(&s->link);
	h2_of(s->conn)->n--;
	s->r = NULL;
	if (r && r->gone)
		r->gone(r);
	request_free(r);
	forget_head(s);
	for (size_t i = s->at; i < s->body.len; i++)
		slice_finish(&s->body.at[i]);
	vec_free(&s->body);
	free(s);
}

/* ---- heads ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
	struct conn *c = arg;

	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	struct stream *s = stream_create(c, f->hd.stream_id);
	if (!s)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	h2_of(c)->heading_us = now(c);
	nghttp2_session_set_stream_user_data(session, s->id, s);
	return 0;
}

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

static int on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name,
		     size_t nn, const uint8_t *value, size_t nv, uint8_t flags, void *arg)
{
	struct stream *s = stream_of(session, f->hd.stream_id);
	int rc = 0;

	if (!s || s->r || s->has_body)
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

static int on_send_data(nghttp2_session *session, nghttp2_frame *f, const uint8_t *head, size_t n,
			nghttp2_data_source *src, void *arg)
{
	struct conn *c = arg;
	struct stream *s = src->ptr;

	if (c->queued >= QUEUE_MAX)
		return NGHTTP2_ERR_WOULDBLOCK;
	conn_write_copy(c, head, FRAME_HEAD);
	s->left -= n;
	s->moved_us = now(c);
	charge(c, -CALM_CREDIT);
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
	return stream_of(h2_of(c)->session, request_stream(r));
}

static void h2_start(struct conn *c, struct http_request *r, const struct http_answer *a,
		     int64_t length, const char *range)
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

static void h2_data(struct conn *c, struct http_request *r, const struct slice *piece)
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

static void h2_end(struct conn *c, struct http_request *r)
{
	struct stream *s = stream_of_request(c, r);

	s->ended = true;
	s->r = NULL;
	request_free(r);
	wake(c, s);
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
	answer_fill_options(&ans);
	submit(c, s, 204, &ans, false);
	forget_head(s);
}

/* ---- requests ---- */

static void on_request(struct conn *c, struct stream *s, bool has_body)
{
	char path[HTTP_TARGET_MAX + 1];
	struct http_text raw, query;
	enum http_method method;
	int rc = s->refuse ? -s->refuse : has_body ? -413 : 0;

	if (!rc)
		rc = http_method_parse((struct http_text){s->method, strlen(s->method)}, &method);
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
	s->r = request_create(c, s->id, method, path, query,
			      (struct http_text){s->fields, s->fields_len});
	forget_head(s);
	if (!s->r) {
		refuse(c, s, 503);
		return;
	}
	conn_phase(c, CONN_BUSY);
	c->server->fn(c->server->arg, s->r);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
	struct conn *c = arg;

	charge_frame(c, &f->hd);
	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	h2_of(c)->heading_us = 0;
	conn_asks(c, 1);
	struct stream *s = stream_of(session, f->hd.stream_id);
	bool has_body = !(f->hd.flags & NGHTTP2_FLAG_END_STREAM);
	if (!s || h2_of(c)->flooded)
		return 0;
	s->unread = has_body;
	on_request(c, s, has_body);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct conn *c = arg;
	struct h2 *h = h2_of(c);
	struct stream *s = stream_of(session, id);

	h->heading_us = 0;
	if (!s)
		return 0;
	nghttp2_session_set_stream_user_data(session, id, NULL);
	stream_destroy(s);
	if (h->n)
		return 0;
	conn_phase(c, CONN_IDLE);
	if (c->server->draining)
		nghttp2_session_terminate_session(session, NGHTTP2_NO_ERROR);
	return 0;
}

/* ---- the connection ---- */

static void h2_pull(struct conn *c)
{
	struct h2 *h = h2_of(c);
	const uint8_t *p;
	ssize_t n = 0;

	while (c->queued < QUEUE_MAX && !c->doomed &&
	       (n = nghttp2_session_mem_send(h->session, &p)) > 0)
		conn_write_copy(c, p, (size_t)n);
	if (n < 0)
		conn_doom(c);
	else if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session))
		c->closing = true;
}

static void h2_input(struct conn *c, const char *p, size_t n)
{
	struct h2 *h = h2_of(c);

	if (h->flooded)
		conn_past(c, n);
	h->in_input = true;
	ssize_t rc = nghttp2_session_mem_recv(h->session, (const uint8_t *)p, n);
	h->in_input = false;
	if (rc < 0) {
		c->server->refused[rc == NGHTTP2_ERR_FLOODED ? REFUSED_FLOOD : REFUSED_HEAD]++;
		conn_doom(c);
		return;
	}
	conn_flush(c);
}

static void h2_resume(struct conn *c)
{
	struct stream *s, *tmp;

	list_for_safe (s, tmp, &h2_of(c)->streams, link)
		if (s->r && !s->cut)
			request_room(s->r);
	conn_flush(c);
}

static void h2_flush(struct conn *c)
{
	if (!h2_of(c)->in_input)
		conn_resume_later(c);
}

static size_t h2_backlog(struct conn *c, const struct http_request *r)
{
	return stream_of_request(c, r)->left;
}

static void h2_cut(struct conn *c, struct http_request *r)
{
	nghttp2_submit_rst_stream(h2_of(c)->session, NGHTTP2_FLAG_NONE, request_stream(r),
				  NGHTTP2_ENHANCE_YOUR_CALM);
	h2_flush(c);
}

/* A stream whose window stays shut holds memory that others have long left. */
static void h2_check(struct conn *c, int64_t now_us)
{
	struct h2 *h = h2_of(c);
	struct stream *s;
	bool any = false;

	list_for (s, &h->streams, link) {
		if ((!s->left && !s->unread) || s->cut ||
		    now_us - s->moved_us <= c->server->lim.stall_us)
			continue;
		s->cut = any = true;
		c->server->refused[REFUSED_SLOW] += !s->unread;
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id,
					  NGHTTP2_ENHANCE_YOUR_CALM);
	}
	if (any)
		conn_resume_later(c);
	if (h->heading_us && now_us - h->heading_us > c->server->lim.head_us) {
		c->server->refused[REFUSED_TIMEOUT]++;
		conn_doom(c);
	}
}

static void h2_timeout(struct conn *c)
{
	conn_doom(c);
}

static void h2_drain(struct conn *c)
{
	struct h2 *h = h2_of(c);

	if (h->n)
		nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
				      nghttp2_session_get_last_proc_stream_id(h->session),
				      NGHTTP2_NO_ERROR, NULL, 0);
	else
		nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
	conn_resume_later(c);
}

static void h2_closed(struct conn *c)
{
	struct h2 *h = h2_of(c);
	struct stream *s;

	if (!h)
		return;
	nghttp2_session_del(h->session); /* calls nothing back */
	h->session = NULL;
	while ((s = list_first(&h->streams, struct stream, link)))
		stream_destroy(s);
	free(h);
	c->session = NULL;
}

static int session_create(struct conn *c, struct h2 *h)
{
	nghttp2_mem mem = h2_mem_of(&h->mem);
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *opt = NULL;
	int rc = nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&opt) ? -ENOMEM : 0;

	if (!rc) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
		nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
		/* No body is read, so no window is opened for one. */
		nghttp2_option_set_no_auto_window_update(opt, 1);
		nghttp2_option_set_no_closed_streams(opt, 1);
		nghttp2_option_set_max_outbound_ack(opt, CALM_BURST);
		rc = nghttp2_session_server_new3(&h->session, cb, c, opt, &mem) ? -ENOMEM : 0;
	}
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(opt);
	return rc;
}

static int h2_open(struct conn *c)
{
	struct h2 *h = calloc(1, sizeof(*h));
	nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)c->server->lim.streams},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
	};

	if (!h)
		return -ENOMEM;
	list_init(&h->streams);
	h->calm = CALM_BURST;
	h->calm_us = now(c);
	c->session = h;
	int rc = session_create(c, h);
	if (!rc)
		rc = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
					     ARRAY_LEN(settings))
			 ? -ENOMEM
			 : 0;
	if (rc) {
		h2_closed(c);
		return rc;
	}
	return 0;
}

const struct proto_ops h2_ops = {
    .open = h2_open,
    .input = h2_input,
    .resume = h2_resume,
    .pull = h2_pull,
    .check = h2_check,
    .timeout = h2_timeout,
    .drain = h2_drain,
    .closed = h2_closed,
    .start = h2_start,
    .data = h2_data,
    .end = h2_end,
    .flush = h2_flush,
    .backlog = h2_backlog,
    .cut = h2_cut,
};
