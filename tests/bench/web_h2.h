/* Inside web: HTTP/2, by nghttp2. */
#ifndef GEX_TESTS_BENCH_WEB_H2_H
#define GEX_TESTS_BENCH_WEB_H2_H

#include "web_conn.h"

static inline void web_put_h2(struct web_conn *c)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->h2, &p)) > 0)
		web_put(c, p, (size_t)n);
}

static inline int web_on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name,
				size_t nn, const uint8_t *value, size_t nv, uint8_t flags,
				void *arg)
{
	struct web_get *g = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);

	if (g && nn == 7 && !memcmp(name, ":status", 7))
		g->status = atoi((const char *)value);
	else if (g && nn == 14 && !memcmp(name, "content-length", 14))
		g->length = atoll((const char *)value);
	else if (g && nn == 16 && !memcmp(name, "content-encoding", 16))
		g->gzip = nv == 4;
	return 0;
}

static inline int web_on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p,
			      size_t n, void *arg)
{
	struct web_get *g = nghttp2_session_get_stream_user_data(s, id);

	if (!g)
		return 0;
	g->got += (int64_t)n;
	if (g->body)
		g->body(g, (const char *)p, n);
	return 0;
}

static inline int web_on_end(nghttp2_session *s, int32_t id, uint32_t error, void *arg)
{
	struct web_get *g = nghttp2_session_get_stream_user_data(s, id);

	if (!g)
		return 0;
	if (error)
		g->status = 0;
	g->stream = 0;
	g->came_us = ((struct web_conn *)arg)->came_us;
	g->done(g);
	return 0;
}

static inline void web_open_h2(struct web_conn *c)
{
	const nghttp2_settings_entry set[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
					      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 6 << 20}};
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(&cb))
		die("memory");
	nghttp2_session_callbacks_set_on_header_callback(cb, web_on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, web_on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, web_on_end);
	if (nghttp2_session_client_new(&c->h2, cb, c))
		die("memory");
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, set, ARRAY_LEN(set));
	nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, 15 << 20);
}

static inline nghttp2_nv web_nv(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			    strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static inline void web_ask_h2(struct web_conn *c, struct web_get *g)
{
	const nghttp2_nv nv[] = {
	    web_nv(":method", "GET"),
	    web_nv(":path", g->path),
	    web_nv(":scheme", c->web->tls ? "https" : "http"),
	    web_nv(":authority", c->web->host),
	    web_nv("accept-encoding", "gzip"),
	    web_nv("user-agent", "hls-crowd"),
	};

	g->stream = nghttp2_submit_request(c->h2, NULL, nv, ARRAY_LEN(nv), NULL, g);
	if (g->stream < 0)
		die("HTTP/2 request");
}

#endif
