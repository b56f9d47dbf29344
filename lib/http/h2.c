/* HTTP/2 (RFC 9113) by nghttp2, which does frames, header compression, flow control and turns between
 * streams. Here: what a request is, where its body's bytes lie, and how much of anything a peer may
 * make us do.
 *
 * nothing is sent inside a handler's call: answers are queued and go out at the end of the input
 * that asked for them, or in the server's next turn. So no stream ends, and no `gone` is called,
 * while a handler walks its list of requests; and all answers of one event share records and packets. */
#include "http/h2.h"

#include <errno.h>

/* What costs us work and the peer nothing (RFC 9113, section 10.5) is paid from a bucket. */
#define CALM_PER_S 100

static int64_t now(const struct conn *c)
{
	return loop_now_us(c->server->loop);
}

/* ---- floods ---- */

void h2_charge(struct conn *c, int64_t cost)
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
		h2_charge(c, hd->flags & NGHTTP2_FLAG_ACK ? 0 : 1);
		break;
	case NGHTTP2_RST_STREAM:
	case NGHTTP2_PRIORITY:
	case NGHTTP2_WINDOW_UPDATE:
		h2_charge(c, 1);
		break;
	case NGHTTP2_DATA:
		h2_charge(c, hd->length ? 0 : 1);
		break;
	default:
		break;
	}
}

/* ---- frames ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
	struct conn *c = arg;

	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	struct stream *s = h2_stream_create(c, f->hd.stream_id);
	if (!s)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	h2_of(c)->heading_us = now(c);
	nghttp2_session_set_stream_user_data(session, s->id, s);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
	struct conn *c = arg;

	charge_frame(c, &f->hd);
	struct stream *s = h2_stream_of(session, f->hd.stream_id);
	bool has_body = !(f->hd.flags & NGHTTP2_FLAG_END_STREAM);
	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST) {
		if ((f->hd.type == NGHTTP2_DATA || f->hd.type == NGHTTP2_HEADERS) && !has_body && s)
			h2_stream_body_end(c, s);
		return 0;
	}
	h2_of(c)->heading_us = 0;
	conn_asks(c, 1);
	if (!s || h2_of(c)->flooded)
		return 0;
	s->unread = has_body;
	h2_stream_request(c, s, has_body);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct conn *c = arg;
	struct h2 *h = h2_of(c);
	struct stream *s = h2_stream_of(session, id);

	h->heading_us = 0;
	if (!s)
		return 0;
	nghttp2_session_set_stream_user_data(session, id, NULL);
	h2_stream_destroy(s);
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
		bool late = s->post && now_us - s->post->since_us > c->server->lim.head_us;

		if ((!s->left && !s->unread) || s->cut ||
		    (!late && now_us - s->moved_us <= c->server->lim.stall_us))
			continue;
		c->server->refused[REFUSED_TIMEOUT] += late;
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
		h2_stream_destroy(s);
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
		nghttp2_session_callbacks_set_on_header_callback(cb, h2_on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
		nghttp2_session_callbacks_set_send_data_callback(cb, h2_on_send_data);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, h2_on_chunk);
		/* A stream's body fits into the window that it has at first, so none is opened further. */
		nghttp2_option_set_no_auto_window_update(opt, 1);
		nghttp2_option_set_no_closed_streams(opt, 1);
		nghttp2_option_set_max_outbound_ack(opt, CALM_BURST);
		/* A table of each peer's own is read for every answer, and is never in the processor's caches where there
		 * are thousands of them: 2 us of 42 for a part, and 2 kB, for some 180 bytes more of an answer. */
		nghttp2_option_set_max_deflate_dynamic_table_size(opt, 0);
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
