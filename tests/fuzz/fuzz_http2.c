/* A connection of any bytes after the preface of HTTP/2, in two pieces, over a transport that takes less and less; the
 * handler answers, keeps and streams. Each kept request must be told of its end once. */
#include <assert.h>

#include "http/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define BODY 100u
static int room, kept;
static struct buf *block;

static ssize_t take(void *t, const struct iovec *v, int n)
{
	size_t k = MIN(v[0].iov_len, (size_t)room);

	room -= (int)k;
	return (ssize_t)k;
}

static void nothing(void *t)
{
}

static void no_read(void *t, bool on)
{
}

static void on_close(void *t)
{
	*(bool *)t = true;
}

static const struct transport_ops ops = {
    .send = take, .read = no_read, .shutdown = nothing, .close = on_close};

static void on_gone(struct http_request *r)
{
	kept--;
}

static size_t body_max(void *arg, const struct http_request *r)
{
	assert(r->method == HTTP_POST && !r->body);
	return strlen(r->path) % 3 ? BODY : 0;
}

static void handle(void *arg, struct http_request *r)
{
	struct slice s = {block, 0, block->len};
	char out[32];

	assert(*r->path == '/' && !strstr(r->path, "/../"));
	assert(r->body_n <= BODY && (!r->body || !r->body[r->body_n]));
	http_request_header(r, "range", out, sizeof(out));
	switch (strlen(r->path) % 4) {
	case 0:
		http_reply(r, &(struct http_answer){.status = 200, .body = &s, .n = 1});
		break;
	case 1:
		r->gone = on_gone;
		kept++;
		break;
	case 2:
		http_stream_start(r, &(struct http_answer){.status = 200});
		http_stream_write(r, &s);
		http_stream_end(r);
		break;
	default:
		http_reply_status(r, 404);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct loop *loop;
	struct http_server *server;
	struct net_addr peer = {.family = 4};
	bool closed = false;

	if (!loop) {
		assert(!loop_create(&loop));
		block = buf_create(100000);
		memset(block->data, 0, block->len);
	}
	if (n < 2)
		return 0;
	assert(!http_server_create(&server, loop, NULL, handle, NULL));
	http_server_bodies(server, body_max);
	room = data[0] * 1000;
	struct conn *c = server_accept(server, &ops, &closed, &peer, false);
	assert(c);
	conn_input(c, preface, 24);
	size_t first = MIN(data[1], n - 2);
	conn_input(c, (const char *)data + 2, first);
	conn_input(c, (const char *)data + 2 + first, n - 2 - first);
	room += 200000;
	if (!c->doomed)
		conn_writable(c);
	conn_check(c, loop_now_us(loop) + 3600 * SEC_US);
	http_server_destroy(server);
	assert(closed && !kept);
	conn_free(c);
	return 0;
}
