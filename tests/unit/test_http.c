/* The server with real sockets and short limits: held requests and clients that leave, streams,
 * slow readers, timeouts, ends. The server runs in a thread of its own; a test talks to it by
 * blocking sockets. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"
#include "os/os.h"

/* Nothing is waited for so long, but where the cores are busy with other things. */
#define PATIENCE_MS 60000

struct server {
	pthread_t thread;
	struct loop *loop;
	struct http_server *http;
	struct metrics *metrics;
	struct http_request *kept;
	struct loop_timer pump;
	struct buf *block;
	int port;
	atomic_int gone, refused, requests, slow;
};

static struct server sv;

static void on_gone(struct http_request *r)
{
	sv.gone++;
	sv.kept = NULL;
	loop_timer_stop(&sv.pump);
}

/* A stream that makes more than anybody takes. */
static void on_pump(void *arg)
{
	struct slice s = {sv.block, 0, sv.block->len};

	if (!sv.kept)
		return;
	if (http_stream_write(sv.kept, &s) == -ENOBUFS)
		sv.refused++;
	loop_timer_in(&sv.pump, MS_US);
}

static void answer(struct http_request *r, const char *text)
{
	struct buf *b = buf_copy(text, strlen(text));
	struct slice s = {b, 0, b->len};

	http_reply(r,
		   &(struct http_answer){.status = 200, .type = "text/plain", .body = &s, .n = 1});
	buf_unref(b);
}

static void stream_three(struct http_request *r)
{
	http_stream_start(r, &(struct http_answer){.status = 200});
	for (int i = 0; i < 3; i++) {
		struct buf *b = buf_copy("abc", 3);

		assert_int_equal(http_stream_write(r, &(struct slice){b, (size_t)i, 1}), 0);
		buf_unref(b);
	}
	http_stream_end(r);
}

/* A long body of known length, the next piece when the last one has gone. */
#define LONG ((uint64_t)8 << 20)
static struct {
	uint64_t at, end;
	size_t most;
} body;

static void next_piece(struct http_request *r)
{
	while (body.at < body.end && http_stream_backlog(r) < HTTP_ROOM) {
		size_t n = (size_t)MIN(body.end - body.at, sv.block->len);

		assert_int_equal(http_stream_write(r, &(struct slice){sv.block, 0, n}), 0);
		body.at += n;
		body.most = MAX(body.most, http_stream_backlog(r));
	}
	if (body.at == body.end)
		http_stream_end(r);
	else
		r->room = next_piece;
}

static void send_long(struct http_request *r)
{
	uint64_t n;

	if (!http_stream_sized(r, &(struct http_answer){.status = 200, .etag = "\"l\""}, LONG,
			       &body.at, &n))
		return;
	body.end = body.at + n;
	next_piece(r);
}

static void handle(void *arg, struct http_request *r)
{
	sv.requests++;
	if (!strcmp(r->path, "/now")) {
		answer(r, "now");
	} else if (!strcmp(r->path, "/keep")) {
		r->gone = on_gone;
		sv.kept = r;
	} else if (!strcmp(r->path, "/release")) {
		if (sv.kept)
			answer(sv.kept, "later");
		sv.kept = NULL;
		answer(r, "released");
	} else if (!strcmp(r->path, "/three")) {
		stream_three(r);
	} else if (!strcmp(r->path, "/long")) {
		send_long(r);
	} else if (!strcmp(r->path, "/flood")) {
		r->gone = on_gone;
		sv.kept = r;
		http_stream_start(r, &(struct http_answer){.status = 200});
		on_pump(NULL);
	} else if (!strcmp(r->path, "/big")) {
		struct slice s[64];

		for (size_t i = 0; i < ARRAY_LEN(s); i++)
			s[i] = (struct slice){sv.block, 0, sv.block->len};
		http_reply(r, &(struct http_answer){.status = 200, .body = s, .n = ARRAY_LEN(s)});
	} else {
		http_reply_status(r, 404);
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

static void start(const struct http_limits *lim)
{
	char err[HTTP_ERR] = "";

	memset(&sv, 0, sizeof(sv));
	assert_int_equal(loop_create(&sv.loop), 0);
	assert_int_equal(metrics_create(&sv.metrics), 0);
	assert_int_equal(http_server_create(&sv.http, sv.loop, lim, handle, NULL), 0);
	assert_int_equal(http_server_listen(sv.http, "127.0.0.1:0", err), 0);
	http_server_metrics(sv.http, sv.metrics, "test");
	sv.block = buf_create(1 << 18);
	memset(sv.block->data, 'x', sv.block->len);
	loop_timer_init(sv.loop, &sv.pump, on_pump, NULL);
	sv.port = http_server_port(sv.http);
	assert_int_equal(pthread_create(&sv.thread, NULL, run, NULL), 0);
}

/* The text of all metrics at the end; the caller frees it. */
static char *stop(void)
{
	size_t n;

	assert_int_equal(loop_post(sv.loop, on_stop, NULL), 0);
	pthread_join(sv.thread, NULL);
	char *text = metrics_text(sv.metrics, &n);
	http_server_destroy(sv.http);
	loop_destroy(sv.loop);
	metrics_destroy(sv.metrics);
	buf_unref(sv.block);
	return text;
}

static int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)sv.port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void ask(int fd, const char *path)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);

	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

/* Reads until `want` has come, or the end; what there is, terminated. */
static const char *hear(int fd, const char *want)
{
	static char text[8192];
	size_t n = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	text[0] = 0;
	while (n < sizeof(text) - 1 && !(want && strstr(text, want)) &&
	       poll(&p, 1, PATIENCE_MS) > 0) {
		ssize_t r = recv(fd, text + n, sizeof(text) - 1 - n, 0);

		if (r <= 0)
			break;
		n += (size_t)r;
		text[n] = 0;
	}
	return text;
}

static bool becomes(atomic_int *v, int want)
{
	for (int i = 0; i < PATIENCE_MS / 10 && *v != want; i++)
		usleep(10000);
	return *v == want;
}

static struct http_limits limits(void)
{
	struct http_limits lim = HTTP_LIMITS;

	lim.head_us = lim.idle_us = lim.stall_us = PATIENCE_MS * MS_US;
	lim.queue_max = 1 << 20;
	return lim;
}

static void test_hold(void **state)
{
	struct http_limits lim = limits();

	start(&lim);
	int a = dial(), b = dial();
	ask(a, "/keep");
	assert_true(becomes(&sv.requests, 1));
	ask(b, "/release");
	assert_non_null(strstr(hear(b, "released"), "released"));
	assert_non_null(strstr(hear(a, "later"), "\r\n\r\nlater"));
	ask(a, "/now"); /* the connection goes on */
	assert_non_null(strstr(hear(a, "now"), "now"));
	/* One that leaves while it is kept. */
	ask(a, "/keep");
	assert_true(becomes(&sv.requests, 4));
	close(a);
	assert_true(becomes(&sv.gone, 1));
	/* One that is kept when the server ends. */
	ask(b, "/keep");
	assert_true(becomes(&sv.requests, 5));
	free(stop());
	assert_int_equal(sv.gone, 2);
	close(b);
}

/* What follows a kept request waits its turn. */
static void test_pipelined(void **state)
{
	struct http_limits lim = limits();

	start(&lim);
	int a = dial(), b = dial();
	ask(a, "/keep");
	ask(a, "/now");
	ask(a, "/three");
	assert_true(becomes(&sv.requests, 1));
	usleep(50000);
	assert_int_equal(sv.requests, 1);
	ask(b, "/release");
	const char *text = hear(a, "0\r\n\r\n");
	const char *later = strstr(text, "later"), *now = strstr(text, "\r\n\r\nnow");
	assert_true(later && now && later < now);
	assert_non_null(strstr(now, "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"));
	free(stop());
	close(a);
	close(b);
}

static void test_slow_stream(void **state)
{
	struct http_limits lim = limits();

	start(&lim);
	int a = dial();
	ask(a, "/flood"); /* and reads nothing */
	assert_true(becomes(&sv.gone, 1));
	assert_true(sv.refused >= 1);
	char *text = stop();
	assert_non_null(strstr(text, "test_http_refused_total{reason=\"slow\"} 1\n"));
	free(text);
	close(a);
}

static size_t hear_all(int fd, size_t n)
{
	static char text[1 << 16];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t got = 0;

	while (got < n && poll(&p, 1, PATIENCE_MS) > 0) {
		ssize_t r = recv(fd, text, MIN(sizeof(text), n - got), 0);

		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

static void ask_range(int fd, const char *range)
{
	char text[160];
	int n = snprintf(text, sizeof(text),
			 "GET /long HTTP/1.1\r\nHost: a\r\nRange: bytes=%s\r\n\r\n", range);

	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

/* Far more than may be queued, and never is; the connection goes on afterwards. */
static void test_room(void **state)
{
	struct http_limits lim = limits();

	body.most = 0;
	start(&lim);
	int a = dial();
	ask(a, "/long");
	assert_int_equal(hear_all(a, LONG), LONG); /* and the length of the head is still to come */
	ask(a, "/now");
	assert_non_null(strstr(hear(a, "now"), "HTTP/1.1 200"));
	ask_range(a, "8388600-");
	const char *text = hear(a, "xxxxxxxx");
	assert_non_null(strstr(text, "206 Partial"));
	assert_non_null(strstr(text, "bytes 8388600-8388607/8388608"));
	ask_range(a, "9000000-");
	assert_non_null(strstr(hear(a, "\r\n\r\n"), "416"));
	/* Who leaves in the middle is forgotten. */
	ask(a, "/long");
	assert_int_equal(hear_all(a, 1 << 20), 1 << 20);
	close(a);
	int b = dial();
	ask(b, "/now");
	assert_non_null(strstr(hear(b, "now"), "HTTP/1.1 200"));
	close(b);
	free(stop());
	assert_true(body.most <= HTTP_ROOM + (1 << 18));
}

static void on_look(void *arg)
{
	size_t n;
	char *text = metrics_text(sv.metrics, &n);

	sv.slow = strstr(text, "test_http_refused_total{reason=\"slow\"} 1\n") != NULL;
	free(text);
}

static void test_stall(void **state)
{
	struct http_limits lim = limits();

	lim.stall_us = 500 * MS_US;
	start(&lim);
	int a = dial();
	ask(a, "/big"); /* 16 MB, of which nothing is read */
	for (int i = 0; i < PATIENCE_MS / 10 && !sv.slow; i++) {
		assert_int_equal(loop_post(sv.loop, on_look, NULL), 0);
		usleep(10000);
	}
	assert_true(sv.slow);
	free(stop());
	close(a);
}

static void test_timeouts(void **state)
{
	struct http_limits lim = limits();

	lim.idle_us = 500 * MS_US;
	lim.head_us = SEC_US;
	start(&lim);
	int idle = dial();
	ask(idle, "/now");
	hear(idle, "now");
	int silent = dial(), half = dial();
	assert_int_equal(send(half, "GET /now HT", 11, 0), 11);
	assert_non_null(strstr(hear(silent, NULL), "HTTP/1.1 408"));
	assert_non_null(strstr(hear(half, NULL), "HTTP/1.1 408"));
	assert_string_equal(hear(idle, NULL), "");
	char *text = stop();
	assert_non_null(strstr(text, "test_http_refused_total{reason=\"timeout\"} 2\n"));
	free(text);
	close(silent);
	close(half);
	close(idle);
}

static void test_caps(void **state)
{
	struct http_limits lim = limits();

	lim.conns = 2;
	start(&lim);
	int a = dial(), b = dial();
	ask(a, "/now");
	ask(b, "/now");
	assert_non_null(strstr(hear(a, "now"), "now"));
	assert_non_null(strstr(hear(b, "now"), "now"));
	int c = dial();
	assert_string_equal(hear(c, NULL), "");
	ask(a, "/now");
	assert_non_null(strstr(hear(a, "\r\n\r\nnow"), "200 OK"));
	char *text = stop();
	assert_non_null(strstr(text, "test_http_refused_total{reason=\"connections\"} 1\n"));
	free(text);
	close(a);
	close(b);
	close(c);
}

static void test_port_in_use(void **state)
{
	struct http_limits lim = limits();
	struct http_server *other;
	struct loop *loop; /* of its own: that of the server runs in its thread */
	char addr[32], err[HTTP_ERR] = "", want[HTTP_ERR];

	start(&lim);
	assert_int_equal(loop_create(&loop), 0);
	snprintf(addr, sizeof(addr), "127.0.0.1:%d", sv.port);
	snprintf(want, sizeof(want), "cannot listen on %s: Address already in use", addr);
	assert_int_equal(http_server_create(&other, loop, NULL, handle, NULL), 0);
	assert_int_equal(http_server_listen(other, addr, err), -EADDRINUSE);
	assert_string_equal(err, want);
	assert_int_equal(http_server_listen(other, "https://127.0.0.1:0", err), -EINVAL);
	assert_null(http_server_listener(other, 0));
	http_server_destroy(other);
	loop_destroy(loop);
	free(stop());
	bool tls;
	assert_int_equal(http_addr_check("http://[::1]:80/", &tls, err), 0);
	assert_false(tls);
	assert_int_equal(http_addr_check("https://127.0.0.1:443", &tls, err), 0);
	assert_true(tls);
	assert_int_equal(http_addr_check("unix:/tmp/x", &tls, err), 0);
	assert_int_equal(http_addr_check("unix:", &tls, err), -EINVAL);
	assert_int_equal(http_addr_check("127.0.0.1", &tls, err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hold),	cmocka_unit_test(test_pipelined),
	    cmocka_unit_test(test_slow_stream), cmocka_unit_test(test_room),
	    cmocka_unit_test(test_stall),	cmocka_unit_test(test_timeouts),
	    cmocka_unit_test(test_caps),	cmocka_unit_test(test_port_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
