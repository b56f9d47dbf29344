/* The tls carrier's server, and what a peer with a key can send to it: datagrams cut anyhow, lengths that are wrong. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "carrier/carrier.h"
#include "crypt/crypt.h"

static const struct crypt_ring ring = {.n = 1, .key = {{.name = "test", .secret = {1, 2, 3}}}};

struct fixture {
	struct loop *loop;
	struct carrier *server;
	struct acceptor *acceptor;
	struct loop_timer tick;
	struct crypt_tls *tls;
	int fd, ticks;
	const uint8_t *send; /* once the handshake is over, `step` bytes to a record */
	size_t left, step;
	bool open, ended;
};

static void on_events(void *arg)
{
}

static void flush(struct fixture *f)
{
	const void *data;
	size_t n = crypt_tls_output(f->tls, &data);
	ssize_t w = n ? send(f->fd, data, n, MSG_NOSIGNAL) : 0;

	if (w > 0)
		crypt_tls_sent(f->tls, (size_t)w);
}

/* The client: reads what is there, writes a record, until the server hangs up or a second is over. */
static void on_tick(void *arg)
{
	struct fixture *f = arg;
	uint8_t in[4096], plain[4096];
	ssize_t n = recv(f->fd, in, sizeof(in), 0);

	if (n > 0) {
		f->open |= crypt_tls_input(f->tls, in, (size_t)n) == 1;
		while ((n = crypt_tls_read(f->tls, plain, sizeof(plain))) > 0)
			;
		f->ended = n == -ECONNRESET; /* a goodbye */
	} else {
		f->ended = n == 0 || errno == ECONNRESET;
	}
	if (f->open && f->left && !f->ended) {
		size_t len = MIN(f->step, f->left);

		assert_int_equal(crypt_tls_write(f->tls, f->send, len), 0);
		f->send += len;
		f->left -= len;
	}
	flush(f);
	if (f->ended || ++f->ticks > 200)
		loop_stop(f->loop, 0);
	else
		loop_timer_in(&f->tick, 2 * MS_US);
}

/* True when the server has ended the connection. */
static bool ends(const uint8_t *data, size_t n, size_t step, uint64_t *strays)
{
	struct fixture f = {.send = data, .left = n, .step = step};
	struct net_addr at = {.family = 4, .ip = {127, 0, 0, 1}};
	struct sockaddr_storage ss;
	struct acceptor_stats as;
	int path;

	assert_int_equal(loop_create(&f.loop), 0);
	assert_int_equal(acceptor_create(NULL, &ring, loop_now_us(f.loop), &f.acceptor), 0);
	assert_int_equal(carrier_create(&f.server, f.loop, on_events, &f), 0);
	path = carrier_listen(f.server, CARRIER_TLS, &at, &ring, 2);
	assert_int_equal(path, 0);
	assert_int_equal(carrier_path_kind(f.server, path), CARRIER_TLS);
	assert_int_equal(carrier_local(f.server, path, &at), 0);
	carrier_drive_acceptor(f.server, f.acceptor);
	f.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = net_addr_to_sockaddr(&at, &ss);

	assert_int_equal(connect(f.fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(fcntl(f.fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(crypt_tls_create(&ring, false, &f.tls), 0);
	loop_timer_init(f.loop, &f.tick, on_tick, &f);
	loop_timer_in(&f.tick, 0);
	assert_int_equal(loop_run(f.loop), 0);
	assert_true(f.open);
	acceptor_stats(f.acceptor, &as);
	*strays = as.drops[TUNNEL_DROP_FORGED];
	crypt_tls_destroy(f.tls);
	close(f.fd);
	carrier_destroy(f.server);
	acceptor_destroy(f.acceptor);
	loop_destroy(f.loop);
	return f.ended;
}

/* However they are cut, each arrives: as a datagram that belongs to no tunnel. */
static void test_cut(void **state)
{
	static const size_t steps[] = {1, 2, 3, 10, 1000};
	static uint8_t data[3 * (2 + 40)];
	uint64_t strays;

	for (size_t i = 0; i < 3; i++)
		data[i * 42 + 1] = 40;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_false(ends(data, sizeof(data), steps[i], &strays));
		assert_int_equal(strays, 3);
	}
}

static void test_wrong_length(void **state)
{
	static uint8_t data[2 + TUNNEL_DGRAM_MAX + 1];
	uint64_t strays;

	assert_true(ends(data, 2, 2, &strays)); /* none */
	assert_int_equal(strays, 0);
	data[0] = (TUNNEL_DGRAM_MAX + 1) >> 8;
	data[1] = (uint8_t)(TUNNEL_DGRAM_MAX + 1);
	assert_true(ends(data, sizeof(data), 1000, &strays));
	assert_int_equal(strays, 0);
	data[0] = data[1] = 0xff;
	assert_true(ends(data, 100, 1, &strays));
	data[0] = TUNNEL_DGRAM_MAX >> 8;
	data[1] = (uint8_t)TUNNEL_DGRAM_MAX;
	assert_false(ends(data, sizeof(data) - 1, 1000, &strays));
	assert_int_equal(strays, 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_cut),
    cmocka_unit_test(test_wrong_length),
};

RUN_TESTS(tests)
