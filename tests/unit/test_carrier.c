/* The udp socket and the carrier over each kind of path, on loopback: a tunnel and an acceptor in one loop. */
#include "unit.h"

#include <errno.h>
#include <poll.h>

#include "carrier/carrier.h"
#include "carrier/udp.h"

/* ---- the socket ---- */

struct sockets {
	struct udp_socket a, b;
	struct net_addr at; /* b's */
	struct udp_batch *batch;
};

static void open_pair(struct sockets *s, const char *bind, const char *to)
{
	struct udp_conf conf = {.runs = true, .whole = true, .buffer = 1 << 20};
	struct net_addr local;

	assert_int_equal(net_addr_parse(bind, &conf.bind), 0);
	assert_int_equal(udp_open(&s->b, &conf), 0);
	assert_int_equal(udp_local(&s->b, &local), 0);
	assert_true(local.port);
	assert_int_equal(net_addr_parse(to, &s->at), 0);
	s->at.port = local.port;
	conf.bind = (struct net_addr){0};
	conf.peer = s->at;
	assert_int_equal(udp_open(&s->a, &conf), 0);
	s->batch = udp_batch_create();
	assert_non_null(s->batch);
}

static void close_pair(struct sockets *s)
{
	udp_close(&s->a);
	udp_close(&s->b);
	udp_batch_destroy(s->batch);
}

/* Receives datagrams of what send_run sent until `want` bytes are there; returns how many datagrams. */
static unsigned receive(struct sockets *s, size_t want, size_t segment, struct udp_message *last)
{
	struct pollfd p = {s->b.fd, POLLIN, 0};
	const struct udp_message *m;
	size_t at = 0;
	unsigned dgrams = 0;

	while (at < want) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		int n = udp_recv(&s->b, s->batch, UDP_BATCH, &m);

		assert_true(n > 0);
		for (int i = 0; i < n; i++)
			for (size_t off = 0, len; off < m[i].len; off += len, at += len) {
				len = udp_next(&m[i], off);
				assert_int_equal(len, MIN(segment, want - at));
				assert_int_equal(m[i].data[off], (uint8_t)(at / segment));
				dgrams++;
			}
		*last = m[n - 1];
	}
	assert_int_equal(at, want);
	assert_int_equal(udp_recv(&s->b, s->batch, UDP_BATCH, &m), -EAGAIN);
	return dgrams;
}

static void send_run(struct sockets *s, size_t len, size_t segment)
{
	static uint8_t data[UDP_RUN_MAX];
	struct udp_message m = {.data = data, .len = len, .segment = segment}, last;

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i / segment);
	assert_int_equal(udp_send(&s->a, &m, 1), 1);
	assert_int_equal(receive(s, len, segment, &last), (len - 1) / segment + 1);
	assert_true(net_addr_is_loopback(&last.peer));
}

static void test_runs(void **state)
{
	struct sockets s;

	open_pair(&s, "127.0.0.1:0", "127.0.0.1:0");
	send_run(&s, 1200, 1200);
	send_run(&s, 12000, 1200);
	send_run(&s, 12001, 1200);
	send_run(&s, 40 * 1452, 1452);
	close_pair(&s);
}

/* What the kernel does not cut, such as more pieces than it allows, is cut here. */
static void test_cut(void **state)
{
	static uint8_t data[2000];
	struct udp_message last, m = {.data = data, .len = sizeof(data), .segment = 10};
	struct sockets s;

	open_pair(&s, "127.0.0.1:0", "127.0.0.1:0");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 10);
	assert_int_equal(udp_send(&s.a, &m, 1), 1);
	assert_int_equal(s.a.cut, 1);
	assert_int_equal(receive(&s, sizeof(data), 10, &last), 200);
	close_pair(&s);
}

/* On all addresses: IPv4 comes as IPv4, and the address it came to is told and can be answered from. */
static void test_noted(void **state)
{
	struct sockets s;
	uint8_t byte = 0;
	struct udp_message m = {.data = &byte, .len = 1}, last;
	const struct udp_message *back;
	struct pollfd p;

	open_pair(&s, ":0", "127.0.0.9:0");
	assert_true(s.b.noted);
	assert_false(s.a.noted);
	assert_int_equal(udp_send(&s.a, &m, 1), 1);
	assert_int_equal(receive(&s, 1, 1, &last), 1);
	assert_int_equal(last.peer.family, 4);
	assert_int_equal(last.local.family, 4);
	assert_int_equal(last.local.ip[3], 9);
	m.peer = last.peer;
	m.local = last.local;
	assert_int_equal(udp_send(&s.b, &m, 1), 1);
	p = (struct pollfd){s.a.fd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, 60000),
			 1); /* a connected socket takes it from 127.0.0.9 only */
	assert_int_equal(udp_recv(&s.a, s.batch, UDP_BATCH, &back), 1);
	close_pair(&s);
}

/* Nobody takes what comes: the kernel drops, and says how much with the next that it takes. */
static void test_dropped(void **state)
{
	static uint8_t data[1000];
	struct udp_message m = {.data = data, .len = sizeof(data)}, last;
	struct udp_conf conf = {.buffer = 16384};
	struct sockets s = {.batch = udp_batch_create()};
	unsigned got = 0;
	int n;
	const struct udp_message *msgs;

	assert_int_equal(net_addr_parse("127.0.0.1:0", &conf.bind), 0);
	assert_int_equal(udp_open(&s.b, &conf), 0);
	assert_int_equal(udp_local(&s.b, &conf.peer), 0);
	assert_int_equal(udp_open(&s.a, &conf), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(udp_send(&s.a, &m, 1), 1);
	while ((n = udp_recv(&s.b, s.batch, UDP_BATCH, &msgs)) > 0)
		got += (unsigned)n;
	assert_true(got < 100);
	assert_int_equal(udp_send(&s.a, &m, 1), 1);
	receive(&s, sizeof(data), sizeof(data), &last);
	assert_int_equal(s.b.dropped, 100 - got);
	close_pair(&s);
}

static void test_refused(void **state)
{
	struct sockets s;
	uint8_t byte = 0;
	struct udp_message m = {.data = &byte, .len = 1};
	const struct udp_message *got;
	struct udp_conf conf = {.bind = {.family = 4, .ip = {127, 0, 0, 1}}};
	struct udp_socket second;

	open_pair(&s, "127.0.0.1:0", "127.0.0.1:0");
	conf.bind.port = s.at.port;
	assert_int_equal(udp_open(&second, &conf), -EADDRINUSE);
	assert_int_equal(second.fd, -1);
	udp_close(&s.b);
	assert_int_equal(udp_send(&s.a, &m, 1), 1);
	assert_int_equal(udp_recv(&s.a, s.batch, UDP_BATCH, &got), -ECONNREFUSED);
	close_pair(&s);
}

/* ---- the carrier ---- */

#define BYTES 3000000

struct fixture {
	struct loop *loop;
	struct loop_timer limit;
	struct carrier *client, *server;
	struct tunnel *tunnel;
	struct acceptor *acceptor;
	struct tunnel_stream *stream;
	size_t written, echoed, read;
	bool connected, timed_out;
};

static void on_limit(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	loop_stop(f->loop, 1);
}

static void write_more(struct fixture *f)
{
	uint8_t buf[5000];

	while (f->written < BYTES) {
		size_t n = MIN(sizeof(buf), BYTES - f->written);

		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)((f->written + i) * 31);
		ssize_t w = tunnel_stream_write(f->stream, buf, n);

		assert_true(w >= 0);
		f->written += (size_t)w;
		if ((size_t)w < n)
			return;
	}
	tunnel_stream_finish(f->stream);
}

static void read_more(struct fixture *f)
{
	uint8_t buf[7000];
	size_t n;

	while ((n = tunnel_stream_read(f->stream, buf, sizeof(buf))) > 0)
		for (size_t i = 0; i < n; i++, f->read++)
			assert_int_equal(buf[i], (uint8_t)(f->read * 31));
	if (tunnel_stream_ended(f->stream)) {
		tunnel_close(f->tunnel, 7, "done");
		carrier_kick(f->client);
	}
}

static void on_client(void *arg)
{
	struct fixture *f = arg;
	struct tunnel_event ev;

	while (tunnel_event(f->tunnel, &ev)) {
		if (ev.type == TUNNEL_EV_CONNECTED)
			f->connected = true;
		else if (ev.type == TUNNEL_EV_STREAM_WRITABLE)
			write_more(f);
		else if (ev.type == TUNNEL_EV_STREAM_READABLE)
			read_more(f);
		else if (ev.type == TUNNEL_EV_CLOSED) {
			carrier_destroy(f->client); /* inside its own callback */
			f->client = NULL;
			return;
		}
	}
}

static void echo(struct fixture *f, struct tunnel_stream *s)
{
	const void *data;
	size_t n;

	while ((n = tunnel_stream_peek(s, &data)) > 0) {
		ssize_t w = tunnel_stream_write(s, data, n);

		assert_true(w >= 0);
		tunnel_stream_consume(s, (size_t)w);
		f->echoed += (size_t)w;
		if ((size_t)w < n)
			return;
	}
	if (tunnel_stream_ended(s))
		tunnel_stream_finish(s);
}

static void on_server(void *arg)
{
	struct fixture *f = arg;
	struct tunnel_event ev;
	uint32_t code;
	const char *text;

	while (acceptor_event(f->acceptor, &ev)) {
		if (ev.type == TUNNEL_EV_STREAM_READABLE || ev.type == TUNNEL_EV_STREAM_WRITABLE) {
			echo(f, ev.stream);
		} else if (ev.type == TUNNEL_EV_CLOSED) {
			assert_int_equal(tunnel_reason(ev.tunnel, &code, &text), -ECONNRESET);
			assert_int_equal(code, 7);
			assert_string_equal(text, "done");
			tunnel_destroy(ev.tunnel);
			loop_stop(f->loop, 0);
		}
	}
}

static const struct crypt_ring ring = {.n = 1, .key = {{.name = "test", .secret = {1, 2, 3}}}};

static int listen_at(struct fixture *f, const char *bind, enum carrier_kind kind)
{
	struct net_addr at;

	assert_int_equal(net_addr_parse(bind, &at), 0);
	return carrier_listen(f->server, kind, &at, &ring, 2);
}

static int connect_to(struct fixture *f, const struct net_addr *at, enum carrier_kind kind)
{
	struct carrier_to to = {.peer = *at, .ring = &ring};

	return carrier_connect(f->client, kind, &to);
}

static void run(const char *bind, const char *to, enum carrier_kind kind)
{
	struct fixture f = {0};
	struct tunnel_open open = {.service = "echo"};
	struct tunnel_addr addr;
	struct net_addr at, local;
	struct carrier_stats cs;

	assert_int_equal(loop_create(&f.loop), 0);
	loop_timer_init(f.loop, &f.limit, on_limit, &f);
	loop_timer_in(&f.limit, 120 * SEC_US);
	assert_int_equal(acceptor_create(NULL, &ring, loop_now_us(f.loop), &f.acceptor), 0);
	assert_int_equal(carrier_create(&f.server, f.loop, on_server, &f), 0);
	assert_int_equal(listen_at(&f, bind, kind), 0);
	assert_int_equal(carrier_local(f.server, 0, &local), 0);
	carrier_drive_acceptor(f.server, f.acceptor);

	assert_int_equal(net_addr_parse(to, &at), 0);
	at.port = local.port;
	assert_int_equal(carrier_create(&f.client, f.loop, on_client, &f), 0);
	assert_int_equal(connect_to(&f, &at, kind), 0);
	carrier_path_addr(f.client, 0, &at, &addr);
	assert_int_equal(
	    tunnel_create(NULL, &ring.key[0], 0, &addr, loop_now_us(f.loop), &f.tunnel), 0);
	assert_int_equal(tunnel_stream_open(f.tunnel, &open, &f.stream), 0);
	write_more(&f);
	carrier_drive_tunnel(f.client, f.tunnel);

	assert_int_equal(loop_run(f.loop), 0);
	assert_false(f.timed_out);
	assert_true(f.connected);
	assert_int_equal(f.echoed, BYTES);
	assert_int_equal(f.read, BYTES);
	carrier_stats(f.server, &cs);
	assert_int_equal(cs.tls_opened, kind == CARRIER_TLS);
	assert_int_equal(cs.srt_opened, kind == CARRIER_SRT);
	assert_int_equal(cs.send_errors, 0);
	loop_timer_stop(&f.limit);
	carrier_destroy(f.client);
	carrier_destroy(f.server);
	tunnel_destroy(f.tunnel);
	acceptor_destroy(f.acceptor);
	loop_destroy(f.loop);
}

static void test_carrier_v4(void **state)
{
	run("127.0.0.1:0", "127.0.0.1:0", CARRIER_UDP);
}

static void test_carrier_v6(void **state)
{
	struct udp_socket probe;
	struct udp_conf conf;

	memset(&conf, 0, sizeof(conf));
	assert_int_equal(net_addr_parse("[::1]:0", &conf.bind), 0);
	if (udp_open(&probe, &conf)) {
		print_message("no IPv6 on this machine\n");
		skip();
	}
	udp_close(&probe);
	for (enum carrier_kind k = CARRIER_UDP; k <= CARRIER_TLS; k++) {
		run("[::1]:0", "[::1]:0", k);
		run(":0", "127.0.0.1:0", k);
		run(":0", "[::1]:0", k);
	}
}

static void test_carrier_tls(void **state)
{
	run("127.0.0.1:0", "127.0.0.1:0", CARRIER_TLS);
}

static void test_carrier_srt(void **state)
{
	run("127.0.0.1:0", "127.0.0.1:0", CARRIER_SRT);
}

static void on_nothing(void *arg)
{
	fail();
}

/* Destroyed with a kick under way and before any path. */
static void test_destroy_early(void **state)
{
	struct carrier *c;
	struct loop *l;

	assert_int_equal(loop_create(&l), 0);
	assert_int_equal(carrier_create(&c, l, on_nothing, NULL), 0);
	carrier_kick(c);
	carrier_destroy(c);
	carrier_destroy(NULL);
	loop_destroy(l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_runs),	cmocka_unit_test(test_cut),
    cmocka_unit_test(test_noted),	cmocka_unit_test(test_refused),
    cmocka_unit_test(test_dropped),	cmocka_unit_test(test_carrier_v4),
    cmocka_unit_test(test_carrier_v6),	cmocka_unit_test(test_carrier_tls),
    cmocka_unit_test(test_carrier_srt), cmocka_unit_test(test_destroy_early),
};

RUN_TESTS(tests)
