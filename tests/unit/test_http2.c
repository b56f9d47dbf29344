/* HTTP/2 by raw frames, in clear: held requests as streams, turns between streams, and what a peer may not do to us:
 * floods, heads without end, windows that stay shut. The server runs in a thread of its own. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define BIG ((size_t)4 << 20)

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static struct {
	pthread_t thread;
	struct loop *loop;
	struct http_server *http;
	struct metrics *metrics;
	struct http_request *kept;
	struct buf *block;
	int port;
	atomic_int gone, requests;
} sv;

/* ---- the server ---- */

static void on_gone(struct http_request *r)
{
	sv.gone++;
	if (sv.kept == r)
		sv.kept = NULL;
}

static void answer(struct http_request *r, struct buf *b)
{
	struct slice s = {b, 0, b->len};

	http_reply(r, &(struct http_answer){.status = 200, .body = &s, .n = 1});
}

static void handle(void *arg, struct http_request *r)
{
	sv.requests++;
	if (!strcmp(r->path, "/keep")) {
		r->gone = on_gone;
		sv.kept = r;
	} else if (!strcmp(r->path, "/big")) {
		answer(r, sv.block);
	} else if (!strcmp(r->path, "/release") && sv.kept) {
		struct http_request *kept = sv.kept;

		sv.kept = NULL;
		http_reply_status(kept, 200);
		http_reply_status(r, 200);
	} else {
		http_reply_status(r, strcmp(r->path, "/now") ? 404 : 200);
	}
}

static void *run(void *arg)
{
	loop_run(sv.loop);
	return NULL;
}

static void on_stop(void *arg)
{
	loop_stop(sv.loop, 0);
}

/* limit_us: for heads and for readers that stand still. */
static void start_with(int64_t limit_us)
{
	struct http_limits lim = HTTP_LIMITS;
	char err[HTTP_ERR];

	memset(&sv, 0, sizeof(sv));
	lim.stall_us = lim.head_us = limit_us;
	lim.streams = 4;
	assert_int_equal(loop_create(&sv.loop), 0);
	assert_int_equal(metrics_create(&sv.metrics), 0);
	assert_int_equal(http_server_create(&sv.http, sv.loop, &lim, handle, NULL), 0);
	assert_int_equal(http_server_listen(sv.http, "127.0.0.1:0", err), 0);
	http_server_metrics(sv.http, sv.metrics, "test");
	sv.block = buf_create(BIG);
	memset(sv.block->data, 'x', BIG);
	sv.port = http_server_port(sv.http);
	assert_int_equal(pthread_create(&sv.thread, NULL, run, NULL), 0);
}

/* Whoever waits for a core is not refused. */
static void start(void)
{
	start_with(60 * SEC_US);
}

/* Ends the server; its counter of a reason. */
static int stop(const char *reason)
{
	char want[96];
	size_t n;

	assert_int_equal(loop_post(sv.loop, on_stop, NULL), 0);
	pthread_join(sv.thread, NULL);
	char *text = metrics_text(sv.metrics, &n);
	snprintf(want, sizeof(want), "test_http_refused_total{reason=\"%s\"} ", reason);
	const char *at = strstr(text, want);
	assert_non_null(at);
	int count = atoi(at + strlen(want));
	free(text);
	http_server_destroy(sv.http);
	loop_destroy(sv.loop);
	metrics_destroy(sv.metrics);
	buf_unref(sv.block);
	return count;
}

/* ---- the client ---- */

struct frame {
	uint32_t len, stream;
	uint8_t type, flags, data[16384];
};

/* False when the server has closed. */
static bool put(int fd, int type, int flags, uint32_t stream, const void *data, size_t n)
{
	uint8_t b[16384 + 9];
	struct wr w = wr_of(b, sizeof(b));

	wr_u8(&w, (uint8_t)(n >> 16));
	wr_u16(&w, (uint16_t)n);
	wr_u8(&w, (uint8_t)type);
	wr_u8(&w, (uint8_t)flags);
	wr_u32(&w, stream);
	wr_bytes(&w, data, n);
	return send(fd, b, wr_len(&w), MSG_NOSIGNAL) == (ssize_t)wr_len(&w);
}

static bool get_bytes(int fd, void *to, size_t n)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (size_t got = 0; got < n;) {
		if (poll(&p, 1, 60000) <= 0)
			fail_msg("the server says nothing for a minute");
		ssize_t r = recv(fd, (char *)to + got, n - got, 0);

		if (r <= 0)
			return false;
		got += (size_t)r;
	}
	return true;
}

/* The next frame; false at the end. */
static bool get(int fd, struct frame *f)
{
	uint8_t head[9];

	if (!get_bytes(fd, head, sizeof(head)))
		return false;
	f->len = (uint32_t)(head[0] << 16 | head[1] << 8 | head[2]);
	f->type = head[3];
	f->flags = head[4];
	f->stream = (uint32_t)(head[5] << 24 | head[6] << 16 | head[7] << 8 | head[8]);
	assert_true(f->len <= sizeof(f->data));
	return get_bytes(fd, f->data, f->len);
}

/* The next frame of that type and stream. */
static bool await(int fd, int type, uint32_t stream, struct frame *f)
{
	while (get(fd, f))
		if (f->type == type && f->stream == stream)
			return true;
	return false;
}

/* settings: of the initial window; 0x7fffffff opens the connection's as well. */
static int dial(uint32_t window)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)sv.port)};
	uint8_t setting[6] = {0, 4}, more[4] = {0x7f, 0, 0, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct wr w = wr_of(setting + 2, 4);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, PREFACE, 24, 0), 24);
	wr_u32(&w, window);
	assert_true(put(fd, SETTINGS, 0, 0, setting, sizeof(setting)));
	assert_true(put(fd, WINDOW, 0, 0, more, sizeof(more)));
	return fd;
}

/* HPACK (RFC 7541): static entries, and literals that are not indexed. */
static size_t head_of(uint8_t *out, size_t cap, const char *path)
{
	struct wr w = wr_of(out, cap);

	wr_u8(&w, 0x82); /* :method GET */
	wr_u8(&w, 0x86); /* :scheme http */
	wr_u8(&w, 0x01); /* :authority */
	wr_u8(&w, 1);
	wr_u8(&w, 'a');
	wr_u8(&w, 0x04); /* :path */
	wr_u8(&w, (uint8_t)strlen(path));
	wr_bytes(&w, path, strlen(path));
	return wr_len(&w);
}

static bool ask(int fd, uint32_t stream, const char *path)
{
	uint8_t head[64];

	return put(fd, HEADERS, END_HEADERS | END_STREAM, stream, head,
		   head_of(head, sizeof(head), path));
}

/* The status is the first field, by its entry of the static table; before it the table's size may be told. */
static int status_of(const struct frame *f)
{
	static const int known[] = {200, 204, 206, 304, 400, 404, 500};
	uint8_t b = f->data[(f->data[0] & 0xe0) == 0x20];

	if (b >= 0x88 && b <= 0x8e)
		return known[b - 0x88];
	return 0;
}

static bool becomes(atomic_int *v, int want)
{
	for (int i = 0; i < 6000 && *v != want; i++)
		usleep(10000);
	return *v == want;
}

static bool works(void)
{
	int fd = dial(65535);
	struct frame f;
	bool ok = ask(fd, 1, "/now") && await(fd, HEADERS, 1, &f) && status_of(&f) == 200;

	close(fd);
	return ok;
}

/* Until the server ends the connection; the error of its GOAWAY, -1 when there was none. */
static int goodbye(int fd)
{
	struct frame f;
	int error = -1;

	while (get(fd, &f))
		if (f.type == GOAWAY)
			error = f.data[7];
	close(fd);
	return error;
}

/* The end with ENHANCE_YOUR_CALM, where what we sent last has not eaten it. */
static void flooded_out(int fd)
{
	int error = goodbye(fd);

	assert_true(error == 11 || error == -1);
}

/* ---- tests ---- */

static void test_hold(void **state)
{
	struct frame f;

	start();
	int fd = dial(65535);
	assert_true(ask(fd, 1, "/keep"));
	assert_true(ask(fd, 3, "/now")); /* is not kept up by it */
	assert_true(await(fd, HEADERS, 3, &f));
	assert_int_equal(status_of(&f), 200);
	assert_true(ask(fd, 5, "/release"));
	assert_true(await(fd, HEADERS, 1, &f));
	assert_int_equal(status_of(&f), 200);
	/* A stream that is reset, and one whose connection ends. */
	assert_true(ask(fd, 7, "/keep"));
	assert_true(becomes(&sv.requests, 4));
	assert_true(put(fd, RST, 0, 7, (uint8_t[4]){0, 0, 0, 8}, 4));
	assert_true(becomes(&sv.gone, 1));
	assert_true(ask(fd, 9, "/keep"));
	assert_true(becomes(&sv.requests, 5));
	close(fd);
	assert_true(becomes(&sv.gone, 2));
	assert_int_equal(stop("flood"), 0);
}

static void test_too_many_streams(void **state)
{
	struct frame f;

	start();
	int fd = dial(65535);
	assert_true(await(fd, SETTINGS, 0, &f));
	assert_true(put(fd, SETTINGS, ACK, 0, NULL, 0)); /* from here on it holds */
	for (uint32_t i = 0; i < 4; i++)
		assert_true(ask(fd, 1 + 2 * i, "/keep"));
	assert_true(ask(fd, 9, "/now"));
	assert_true(becomes(&sv.requests, 4));
	goodbye(fd); /* what nghttp2 does with one that breaks the promise */
	assert_int_equal(sv.requests, 4);
	assert_true(becomes(&sv.gone, 4));
	assert_true(works());
	stop("flood");
}

/* Two large answers share the connection evenly, and a small one is not kept up by them. */
static void test_turns(void **state)
{
	size_t got[4] = {0};
	bool small = false, answered = false;
	struct frame f;

	start();
	int fd = dial(0x7fffffff);
	assert_true(ask(fd, 1, "/big"));
	assert_true(ask(fd, 3, "/big"));
	while (got[1] + got[3] < BIG + BIG / 2 && get(fd, &f)) {
		if (f.type == DATA && f.stream <= 3)
			got[f.stream] += f.len;
		answered |= f.type == HEADERS && f.stream == 5;
		if (got[1] + got[3] > BIG / 4 && !small)
			small = ask(fd, 5, "/now");
	}
	assert_true(small);
	assert_true(got[1] > BIG / 3 && got[3] > BIG / 3);
	assert_true(answered); /* long before their end */
	while (got[1] + got[3] < 2 * BIG && get(fd, &f))
		if (f.type == DATA && f.stream <= 3)
			got[f.stream] += f.len;
	assert_int_equal(got[1], BIG);
	assert_int_equal(got[3], BIG);
	close(fd);
	assert_int_equal(stop("slow"), 0);
}

/* The peer's window stays shut: the stream is reset, the connection goes on. */
static void test_shut_window(void **state)
{
	struct frame f;

	start_with(600 * MS_US);
	int fd = dial(0);
	assert_true(ask(fd, 1, "/big"));
	assert_true(await(fd, RST, 1, &f));
	assert_true(ask(fd, 3, "/keep"));
	assert_true(becomes(&sv.requests, 2));
	close(fd);
	assert_int_equal(stop("slow"), 1);
}

static void test_rapid_reset(void **state)
{
	bool open = true;

	start();
	int fd = dial(65535);
	for (uint32_t i = 0; i < 5000 && open; i++)
		open = ask(fd, 1 + 2 * i, "/keep") &&
		       put(fd, RST, 0, 1 + 2 * i, (uint8_t[4]){0, 0, 0, 8}, 4);
	flooded_out(fd);
	assert_true(sv.requests <= 2500);
	assert_true(becomes(&sv.gone, sv.requests));
	assert_true(works());
	assert_int_equal(stop("flood"), 1);
}

static void flood(int type, size_t n)
{
	static const uint8_t nothing[8];
	bool open = true;

	start();
	int fd = dial(65535);
	for (int i = 0; i < 5000 && open; i++)
		open = put(fd, type, 0, 0, nothing, n);
	flooded_out(fd);
	assert_true(works());
	assert_int_equal(stop("flood"), 1);
}

static void test_ping_flood(void **state)
{
	flood(PING, 8);
}

static void test_settings_flood(void **state)
{
	flood(SETTINGS, 0);
}

static void test_continuation_flood(void **state)
{
	uint8_t head[64], junk[64];
	size_t n = head_of(head, sizeof(head), "/now");
	bool open = true;

	memset(junk, 0x82, sizeof(junk)); /* more pseudo fields, which nobody may keep */
	start();
	int fd = dial(65535);
	assert_true(put(fd, HEADERS, END_STREAM, 1, head, n));
	for (int i = 0; i < 100000 && open; i++)
		open = put(fd, CONTINUATION, 0, 1, junk, sizeof(junk));
	assert_false(open);
	close(fd);
	assert_int_equal(sv.requests, 0);
	assert_true(works());
	stop("request");
}

/* A head whose end does not come. */
static void test_half_head(void **state)
{
	uint8_t head[64];
	size_t n = head_of(head, sizeof(head), "/now");

	start_with(600 * MS_US);
	int fd = dial(65535);
	assert_true(put(fd, HEADERS, END_STREAM, 1, head, n));
	goodbye(fd);
	assert_int_equal(sv.requests, 0);
	assert_int_equal(stop("timeout"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hold),	   cmocka_unit_test(test_too_many_streams),
	    cmocka_unit_test(test_turns),	   cmocka_unit_test(test_shut_window),
	    cmocka_unit_test(test_rapid_reset),	   cmocka_unit_test(test_ping_flood),
	    cmocka_unit_test(test_settings_flood), cmocka_unit_test(test_continuation_flood),
	    cmocka_unit_test(test_half_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
