/* tunnel_hold, and addresses of a carrier that is reliable: two keyed tunnels by hand. */
#include "unit.h"

#include "tunnel/tunnel.h"

static const struct tunnel_addr carried = {1 | TUNNEL_ADDR_RELIABLE, {1}}, other = {1, {2}};

struct pair {
	struct tunnel *client, *server;
	struct tunnel_stream *stream;
	int64_t now;
	size_t largest; /* datagram seen */
};

static void begin(struct pair *p, const struct tunnel_addr *to)
{
	struct crypt_secrets s = {.suite = CRYPT_AES128GCM, .server_id = 1, .client_id = 2};
	struct tunnel_open open = {.service = "x", .class = TUNNEL_BULK};

	memset(p, 0, sizeof(*p));
	assert_int_equal(tunnel_create_keyed(NULL, &s, false, 0, to, 0, &p->client), 0);
	assert_int_equal(tunnel_create_keyed(NULL, &s, true, 0, to, 0, &p->server), 0);
	assert_int_equal(tunnel_stream_open(p->client, &open, &p->stream), 0);
}

static void end(struct pair *p)
{
	tunnel_destroy(p->client);
	tunnel_destroy(p->server);
}

/* Moves what there is, `limit` datagrams at most each way; how many the client sent. */
static unsigned move(struct pair *p, unsigned limit)
{
	struct tunnel *end[2] = {p->client, p->server};
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct tunnel_event ev;
	unsigned sent = 0;
	size_t n;
	int path;

	for (int side = 0; side < 2; side++) {
		for (unsigned i = 0; i < limit; i++) {
			n = tunnel_output(end[side], buf, sizeof(buf), &path, &to, p->now);
			if (!n)
				break;
			sent += side == 0;
			p->largest = MAX(p->largest, n);
			tunnel_input(end[!side], buf, n, path, &to, p->now);
		}
		while (tunnel_event(end[!side], &ev))
			;
	}
	return sent;
}

static void run(struct pair *p, int64_t us)
{
	for (int64_t until = p->now + us; p->now < until; p->now += MS_US)
		move(p, 100);
}

static void write_some(struct pair *p, size_t n)
{
	static uint8_t data[1 << 20];

	assert_true(tunnel_stream_write(p->stream, data, n) == (ssize_t)n);
}

static void test_hold(void **state)
{
	struct pair p;

	begin(&p, &carried);
	run(&p, 50 * MS_US);
	write_some(&p, 500000);
	tunnel_hold(p.client, 0, &other, true); /* somebody else's */
	assert_int_equal(move(&p, 3), 3);
	tunnel_hold(p.client, 0, &carried, true);
	assert_int_equal(move(&p, 3), 0);
	/* Nothing to do until it ends, or the path's silence is too long. */
	assert_true(tunnel_wake(p.client) > p.now + 100 * MS_US);
	p.now += 50 * MS_US;
	assert_int_equal(move(&p, 3), 0);
	tunnel_hold(p.client, 0, &carried, false);
	assert_true(tunnel_wake(p.client) <= p.now);
	assert_int_equal(move(&p, 3), 3);
	end(&p);
}

/* For as long as it likes: the tunnel neither spins nor ends by it before its time. */
static void test_held_long(void **state)
{
	struct pair p;
	unsigned turns = 0;

	begin(&p, &carried);
	run(&p, 50 * MS_US);
	write_some(&p, 100000);
	move(&p, 5);
	tunnel_hold(p.client, 0, &carried, true);
	for (int64_t until = p.now + 4 * SEC_US; p.now < until; turns++) {
		int64_t at = tunnel_wake(p.client);

		assert_int_equal(move(&p, 10), 0);
		p.now = MAX(p.now + 1, MIN(at, until));
	}
	assert_true(turns < 100);
	tunnel_hold(p.client, 0, &carried, false);
	run(&p, SEC_US);
	assert_int_equal(tunnel_state(p.client), TUNNEL_OPEN);
	assert_true(move(&p, 1) <= 1);
	end(&p);
}

/* Large from the first datagram on, as fast as the carrier takes them. */
static void test_reliable(void **state)
{
	struct tunnel_path_stats s;
	struct pair p;

	begin(&p, &carried);
	write_some(&p, 1000000);
	assert_true(move(&p, 300) > 150);
	assert_int_equal(p.largest, TUNNEL_DGRAM_MAX);
	assert_true(tunnel_path_stats(p.client, 0, &s));
	assert_int_equal(s.dgram_size, TUNNEL_DGRAM_MAX);
	end(&p);
	begin(&p, &other);
	write_some(&p, 1000000);
	assert_true(move(&p, 300) < 100);
	assert_true(p.largest <= TUNNEL_DGRAM_MIN);
	end(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_hold),
    cmocka_unit_test(test_held_long),
    cmocka_unit_test(test_reliable),
};

RUN_TESTS(tests)
