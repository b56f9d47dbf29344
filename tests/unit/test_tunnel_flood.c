/* tunnel: the acceptor among those who mean no good, and those who are many. */
#include "tunnel/door.h"
#include "tunnel/internal.h"
#include "tunnel_net.h"
#include <errno.h>
#include <malloc.h>
#include <time.h>

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
#define HELLOS 20000
#else
#define HELLOS 100000
#endif

static struct tunnel_addr stranger(unsigned host, unsigned port)
{
	struct tunnel_addr a = {8, {9, 9, (uint8_t)port, (uint8_t)(port >> 8)}};

	memcpy(a.bytes + 4, &host, sizeof(host));
	memcpy(a.bytes + TUNNEL_ADDR_HOST, &host, sizeof(host));
	return a;
}

/* Bytes that the process has taken from malloc. */
static size_t taken(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

/* A hello from there; with its cookie, when it is to go on, but no further than the server's answer.
 * What comes back is smaller than what went there. */
static void knock(struct net *n, const struct tunnel_addr *from, bool cookie)
{
	struct crypt_key k = key_of(1);
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct tunnel *c;
	size_t len, in;
	int path;

	assert_int_equal(tunnel_create(NULL, &k, 0, &server_addr, n->now_us, &c), 0);
	in = tunnel_output(c, buf, sizeof(buf), &path, &to, n->now_us);
	acceptor_input(n->a, buf, in, 0, from, n->now_us);
	len = acceptor_output(n->a, buf, sizeof(buf), &path, &to, n->now_us);
	assert_true(len > 0 && len < in);
	assert_memory_equal(&to, from, sizeof(to));
	if (cookie) {
		tunnel_input(c, buf, len, 0, &server_addr, n->now_us);
		len = tunnel_output(c, buf, sizeof(buf), &path, &to, n->now_us);
		acceptor_input(n->a, buf, len, 0, from, n->now_us);
		while (acceptor_output(n->a, buf, sizeof(buf), &path, &to, n->now_us) > 0)
			;
	}
	tunnel_destroy(c);
}

/* Hellos from a hundred thousand addresses: each is answered with less, and nothing is kept. */
static void test_hellos(void **state)
{
	uint8_t hello[TUNNEL_DGRAM_MAX], buf[TUNNEL_DGRAM_MAX];
	struct crypt_key k = key_of(1);
	struct tunnel_addr from, to;
	struct acceptor_stats st;
	struct tunnel *c;
	size_t before = 0, len, n;
	struct net net;
	int path;

	net_make(&net, NULL);
	assert_int_equal(tunnel_create(NULL, &k, 0, &server_addr, net.now_us, &c), 0);
	n = tunnel_output(c, hello, sizeof(hello), &path, &to, net.now_us);
	for (unsigned i = 0; i < HELLOS; i++) {
		from = stranger(i, i >> 4);
		if (i == 1000)
			before = taken();
		assert_int_equal(acceptor_input(net.a, hello, n, 0, &from, net.now_us), 0);
		len = acceptor_output(net.a, buf, sizeof(buf), &path, &to, net.now_us);
		assert_true(len > 0 && len < n);
		net.now_us += 10;
	}
	assert_in_range(taken(), 0, before + 4096);
	acceptor_stats(net.a, &st);
	assert_int_equal(st.cookies, HELLOS);
	assert_int_equal(st.pending + st.handshakes, 0);
	assert_int_equal(acceptor_wake(net.a), NEVER_US);
	tunnel_destroy(c);
	net_destroy(&net);
}

/* What a flood uses up is its own: of a thousand others none has both of its entries. */
static void test_door(void **state)
{
	struct tn_door d;
	struct tunnel_addr a = stranger(0, 0);
	int n = 0;

	tn_door_init(&d);
	d.seed = 1; /* one without bad luck */
	while (tn_door_handshake(&d, &a, 0))
		n++;
	assert_in_range(n, 8, 100);
	for (unsigned i = 1; i <= 1000; i++) {
		a = stranger(i, 0);
		assert_true(tn_door_handshake(&d, &a, 0));
	}
	a = stranger(0, 0);
	assert_false(tn_door_handshake(&d, &a, 0));
	assert_true(tn_door_handshake(&d, &a, SEC_US));
}

/* One host begins handshakes without end: it has its share, and others are not touched. */
static void test_one_host(void **state)
{
	struct acceptor_stats st;
	struct tunnel_addr from;
	struct net n;

	net_make(&n, NULL);
	for (unsigned i = 0; i < 300; i++) {
		from = stranger(1, i);
		knock(&n, &from, true);
	}
	acceptor_stats(n.a, &st);
	assert_in_range(st.pending, 1, 40);
	assert_int_equal(st.pending + st.drops[TUNNEL_DROP_FULL], 300);
	join(&n, 0, 1);
	settle(&n, 20);
	assert_int_equal(tunnel_state(n.c[0]), TUNNEL_OPEN);
	settle(&n, 5200);
	acceptor_stats(n.a, &st);
	assert_int_equal(st.pending, 0);
	assert_int_equal(st.tunnels, 1);
	net_destroy(&n);
}

/* More handshakes than there is room for, from a few hosts with proven addresses. One that has begun
 * from elsewhere comes to its end all the same; those of the flood make way for each other. */
static void test_many_hosts(void **state)
{
	struct tunnel_addr from, to;
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct acceptor_stats st;
	struct net n;
	size_t len, before;
	int path;

	net_make(&n, NULL);
	before = taken();
	for (unsigned i = 0; i < 600; i++) {
		from = stranger(1 + i % 12, i);
		knock(&n, &from, true);
		if (i == 40) { /* a real one, whose line is slow */
			join(&n, 0, 1);
			pump(&n);
			pump(&n);
		}
		n.now_us += 3 * MS_US;
	}
	acceptor_stats(n.a, &st);
	assert_int_equal(st.pending, 256);
	print_message("256 handshakes: %zu KB each\n", (taken() - before) / 256 / 1024);
	assert_true(st.evicted > 200);
	while ((len = acceptor_output(n.a, buf, sizeof(buf), &path, &to, n.now_us)) > 0)
		if (to.bytes[0] == 1)
			tunnel_input(n.c[0], buf, len, 0, &server_addr, n.now_us);
	settle(&n, 300);
	assert_int_equal(tunnel_state(n.c[0]), TUNNEL_OPEN);
	net_destroy(&n);
}

/* A handshake with a key that is not here is told of, with its address and the key's name. */
static void test_failures(void **state)
{
	struct acceptor_failure f;
	struct crypt_key k = key_of(1);
	struct net n;

	net_make(&n, NULL);
	assert_false(acceptor_failure(n.a, &f));
	join(&n, 3, 7); /* a name that is not known */
	settle(&n, 20);
	assert_true(acceptor_failure(n.a, &f));
	assert_int_equal(f.why, -EACCES);
	assert_string_equal(f.key_name, "key7");
	assert_int_equal(f.from.bytes[1], 3);
	assert_false(acceptor_failure(n.a, &f));
	k.secret[5] = 1; /* a known name, but another key */
	assert_int_equal(tunnel_create(NULL, &k, 0, &server_addr, n.now_us, &n.c[4]), 0);
	settle(&n, 5500);
	assert_true(acceptor_failure(n.a, &f));
	assert_int_equal(f.why, -EACCES);
	assert_string_equal(f.key_name, "key1");
	assert_int_equal(f.from.bytes[1], 4);
	for (int i = 0; i < 40; i++) { /* nobody asks: the first ones are kept */
		tunnel_destroy(n.c[0]);
		n.c[0] = NULL;
		join(&n, 0, 7);
		settle(&n, 20);
	}
	for (int i = 0; i < 16; i++)
		assert_true(acceptor_failure(n.a, &f));
	assert_false(acceptor_failure(n.a, &f));
	net_destroy(&n);
}

/* Whatever an unproven peer sends, it gets no more bytes than that: hellos of every length, all kinds
 * of records and sealed datagrams, alerts among them. */
static void test_no_more(void **state)
{
	uint8_t hello[TUNNEL_DGRAM_MAX], d[TUNNEL_DGRAM_MAX], buf[TUNNEL_DGRAM_MAX];
	struct crypt_key k = key_of(1);
	struct tunnel_addr from, to;
	struct tunnel *c;
	struct net n;
	size_t len;
	int path;

	net_make(&n, NULL);
	assert_int_equal(tunnel_create(NULL, &k, 0, &server_addr, n.now_us, &c), 0);
	len = tunnel_output(c, hello, sizeof(hello), &path, &to, n.now_us);
	assert_true(len > 60);
	for (unsigned first = 0; first < 256; first++)
		for (size_t in = 1; in <= len; in += 1 + in / 8) {
			size_t out = 0, got;

			memcpy(d, hello, in);
			if (first) /* 0: the hello as it is, cut */
				d[0] = (uint8_t)first;
			from = stranger(first, (unsigned)in);
			acceptor_input(n.a, d, in, 0, &from, n.now_us);
			while ((got = acceptor_output(n.a, buf, sizeof(buf), &path, &to,
						      n.now_us)) > 0)
				out += got;
			assert_in_range(out, 0, in);
			n.now_us += MS_US;
		}
	tunnel_destroy(c);
	net_destroy(&n);
}

/* "No such connection" is said so often and no more, however many ask. */
static void test_lost_rate(void **state)
{
	static const uint8_t stray[64] = {TN_FLAG_FIXED, 1, 2, 3};
	struct tunnel_addr from, to;
	uint8_t buf[TUNNEL_DGRAM_MAX];
	unsigned told = 0;
	struct net n;
	int path;

	net_make(&n, NULL);
	for (unsigned i = 0; i < 100000; i++) {
		from = stranger(i, 1);
		acceptor_input(n.a, stray, sizeof(stray), 0, &from, n.now_us);
		while (acceptor_output(n.a, buf, sizeof(buf), &path, &to, n.now_us) > 0)
			told++;
		n.now_us += 10;
	}
	assert_in_range(told, 2000, 2300); /* in a second */
	net_destroy(&n);
}

/* Tunnels in which nothing happens are not looked at. */
static void test_idle(void **state)
{
	enum { TUNNELS = 200 };
	struct tunnel *c[TUNNELS];
	struct tunnel_conf conf;
	struct acceptor_stats st;
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to, from;
	struct crypt_key k = key_of(1);
	struct tunnel_event ev;
	unsigned woken = 0;
	clock_t before;
	struct net n;
	size_t len;
	int path;

	tunnel_conf_default(&conf);
	conf.idle_us = conf.keepalive_us = 3600 * SEC_US;
	net_make(&n, &conf);
	for (unsigned i = 0; i < TUNNELS; i++)
		assert_int_equal(tunnel_create(&conf, &k, 0, &server_addr, n.now_us, &c[i]), 0);
	for (int ms = 0; ms < 4000; ms++) {
		for (unsigned i = 0; i < TUNNELS; i++) {
			from = stranger(i, i);
			while ((len = tunnel_output(c[i], buf, sizeof(buf), &path, &to, n.now_us)) >
			       0)
				acceptor_input(n.a, buf, len, 0, &from, n.now_us);
		}
		while ((len = acceptor_output(n.a, buf, sizeof(buf), &path, &to, n.now_us)) > 0) {
			unsigned host;

			memcpy(&host, to.bytes + 4, sizeof(host));
			tunnel_input(c[host], buf, len, 0, &server_addr, n.now_us);
		}
		n.now_us += MS_US;
	}
	while (acceptor_event(n.a, &ev))
		assert_int_equal(ev.type, TUNNEL_EV_CONNECTED);
	acceptor_stats(n.a, &st);
	assert_int_equal(st.tunnels, TUNNELS);
	assert_int_equal(acceptor_output(n.a, buf, sizeof(buf), &path, &to, n.now_us), 0);
	assert_true(acceptor_wake(n.a) > n.now_us + 1000 * SEC_US);
	before = clock();
	for (int i = 0; i < 1000000; i++) {
		assert_int_equal(acceptor_output(n.a, buf, sizeof(buf), &path, &to, n.now_us + i),
				 0);
		woken += acceptor_wake(n.a) <= n.now_us + i;
	}
	assert_int_equal(woken, 0);
	print_message("a turn of %d idle tunnels: %ld ns\n", TUNNELS,
		      (long)((clock() - before) * 1000 / CLOCKS_PER_SEC));
	for (unsigned i = 0; i < TUNNELS; i++)
		tunnel_destroy(c[i]);
	net_destroy(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hellos),    cmocka_unit_test(test_door),
	    cmocka_unit_test(test_one_host),  cmocka_unit_test(test_many_hosts),
	    cmocka_unit_test(test_failures),  cmocka_unit_test(test_no_more),
	    cmocka_unit_test(test_lost_rate), cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
