/* tunnel: the acceptor between several clients, right and wrong ones, and floods. */
#include "tunnel/door.h"
#include "tunnel/internal.h"
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define CLIENTS 5
#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
#define HELLOS 20000
#else
#define HELLOS 100000
#endif

static const struct tunnel_addr server_addr = {1, {200}};
static const struct tunnel_open web = {.service = "web"};

struct net {
	struct acceptor *a;
	struct tunnel *c[CLIENTS];
	int64_t now_us;
	uint64_t to_clients, to_server; /* bytes */
};

static uint8_t reliable; /* TUNNEL_ADDR_RELIABLE: all clients come by such a carrier */

static struct tunnel_addr addr_of(int i)
{
	return (struct tunnel_addr){(uint8_t)(2 | reliable), {1, (uint8_t)i}};
}

static struct crypt_key key_of(int n)
{
	struct crypt_key k = {.secret = {(uint8_t)n}};

	snprintf(k.name, sizeof(k.name), "key%d", n);
	return k;
}

static void net_make(struct net *n, const struct tunnel_conf *conf)
{
	struct crypt_ring ring = {.n = 2};

	memset(n, 0, sizeof(*n));
	n->now_us = SEC_US;
	ring.key[0] = key_of(1);
	ring.key[1] = key_of(2);
	assert_int_equal(acceptor_create(conf, &ring, n->now_us, &n->a), 0);
}

static void join(struct net *n, int i, int key)
{
	struct crypt_key k = key_of(key);

	assert_int_equal(tunnel_create(NULL, &k, 0, &server_addr, n->now_us, &n->c[i]), 0);
}

static void net_destroy(struct net *n)
{
	for (int i = 0; i < CLIENTS; i++)
		tunnel_destroy(n->c[i]);
	acceptor_destroy(n->a);
}

static void pump(struct net *n)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	size_t len;
	int path;

	for (int i = 0; i < CLIENTS; i++)
		while (n->c[i] && (len = tunnel_output(n->c[i], buf, sizeof(buf), &path, &to,
						       n->now_us)) > 0) {
			struct tunnel_addr from = addr_of(i);

			n->to_server += len;
			acceptor_input(n->a, buf, len, 0, &from, n->now_us);
		}
	while ((len = acceptor_output(n->a, buf, sizeof(buf), &path, &to, n->now_us)) > 0) {
		n->to_clients += len;
		if (to.bytes[1] < CLIENTS && n->c[to.bytes[1]])
			tunnel_input(n->c[to.bytes[1]], buf, len, 0, &server_addr, n->now_us);
	}
}

static void settle(struct net *n, int ms)
{
	for (; ms > 0; ms--) {
		pump(n);
		n->now_us += MS_US;
	}
}

static void test_clients(void **state)
{
	struct tunnel_stream *s[CLIENTS];
	struct acceptor_stats st;
	struct tunnel_event ev;
	struct tunnel *t = NULL;
	struct net n;
	int connected = 0, opened = 0, seen = 0;
	char byte;

	net_make(&n, NULL);
	for (int i = 0; i < CLIENTS; i++) {
		join(&n, i,
		     i == 4 ? 3 : 1 + i % 2); /* the last has a key that the server has not */
		assert_int_equal(tunnel_stream_open(n.c[i], &web, &s[i]), 0);
		byte = (char)('0' + i);
		assert_int_equal(tunnel_stream_write(s[i], &byte, 1), 1);
	}
	settle(&n, 50);
	while (acceptor_event(n.a, &ev)) {
		if (ev.type == TUNNEL_EV_CONNECTED)
			connected++;
		if (ev.type == TUNNEL_EV_STREAM_OPENED)
			opened++;
		if (ev.type != TUNNEL_EV_STREAM_READABLE)
			continue;
		assert_int_equal(tunnel_stream_read(ev.stream, &byte, 1), 1);
		/* The key's name is that of this client's. */
		assert_int_equal(tunnel_key_name(ev.tunnel)[3], '1' + (byte - '0') % 2);
		seen |= 1 << (byte - '0');
	}
	assert_int_equal(connected, 4);
	assert_int_equal(opened, 4);
	assert_int_equal(seen, 15);
	acceptor_stats(n.a, &st);
	assert_int_equal(st.tunnels, 4);
	assert_int_equal(st.pending, 0);
	assert_int_equal(st.wrong_key, 1);
	assert_int_equal(tunnel_reason(n.c[4], NULL, NULL), -EACCES);
	while ((t = acceptor_next(n.a, t)) != NULL)
		connected--;
	assert_int_equal(connected, 0);
	/* One is destroyed on the server: its client hears that it is unknown, and ends. */
	t = acceptor_next(n.a, NULL);
	tunnel_destroy(t);
	for (int i = 0; i < CLIENTS; i++)
		tunnel_stream_finish(s[i]);
	settle(&n, 3000);
	for (int i = 0, ended = 0; i < 4; i++) {
		ended += tunnel_state(n.c[i]) == TUNNEL_CLOSED;
		assert_true(i < 3 || ended == 1);
	}
	net_destroy(&n);
}

/* How many tunnels are held at the addresses of the clients. */
static unsigned held(struct net *n, int i)
{
	struct tunnel_addr at = addr_of(i);
	struct tunnel *t = NULL;
	unsigned sum = 0;

	while ((t = acceptor_next(n->a, t)) != NULL)
		sum += tn_held(t->path[0]) && memcmp(&t->path[0]->at.addr, &at, sizeof(at)) == 0;
	return sum;
}

/* A connection that takes no more holds the tunnel in it and no other, wherever that is. */
static void test_hold(void **state)
{
	struct net n;

	reliable = TUNNEL_ADDR_RELIABLE;
	net_make(&n, NULL);
	for (int i = 0; i < CLIENTS; i++)
		join(&n, i, 1);
	settle(&n, 200);
	for (int i = 0; i < CLIENTS; i++) {
		struct tunnel_addr at = addr_of(i);

		acceptor_hold(n.a, 0, &at, true);
		for (int k = 0; k < CLIENTS; k++)
			assert_int_equal(held(&n, k), k == i);
		acceptor_hold(n.a, 0, &at, false);
		assert_int_equal(held(&n, i), 0);
	}
	/* One goes: nothing of it is left to be found. */
	tunnel_destroy(acceptor_next(n.a, NULL));
	for (int i = 0; i < CLIENTS; i++) {
		struct tunnel_addr at = addr_of(i);

		acceptor_hold(n.a, 0, &at, true);
	}
	reliable = 0;
	net_destroy(&n);
}

static void test_ring_change(void **state)
{
	struct crypt_ring ring = {.n = 1};
	struct net n;

	net_make(&n, NULL);
	join(&n, 0, 1);
	settle(&n, 20);
	assert_int_equal(tunnel_state(n.c[0]), TUNNEL_OPEN);
	ring.key[0] = key_of(3);
	acceptor_set_ring(n.a, &ring);
	join(&n, 1, 1);
	join(&n, 2, 3);
	settle(&n, 20);
	assert_int_equal(tunnel_reason(n.c[1], NULL, NULL), -EACCES);
	assert_int_equal(tunnel_state(n.c[2]), TUNNEL_OPEN);
	assert_int_equal(tunnel_state(n.c[0]), TUNNEL_OPEN);
	net_destroy(&n);
}

static void test_full(void **state)
{
	struct tunnel_conf conf;
	struct acceptor_stats st;
	struct net n;

	tunnel_conf_default(&conf);
	conf.tunnels_max = 2;
	net_make(&n, &conf);
	for (int i = 0; i < 3; i++) {
		join(&n, i, 1);
		settle(&n, 20);
	}
	acceptor_stats(n.a, &st);
	assert_int_equal(st.tunnels, 2);
	assert_true(st.drops[TUNNEL_DROP_FULL] > 0);
	assert_int_equal(tunnel_state(n.c[2]), TUNNEL_HANDSHAKE);
	tunnel_close(n.c[0], 0, NULL);
	for (int i = 0; i < 1500; i++) {
		struct tunnel_event ev;

		settle(&n, 1);
		while (acceptor_event(n.a, &ev))
			if (ev.type == TUNNEL_EV_CLOSED)
				tunnel_destroy(ev.tunnel);
	}
	assert_int_equal(tunnel_state(n.c[2]), TUNNEL_OPEN); /* it had gone on knocking */
	net_destroy(&n);
}

/* ---- floods ---- */

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

/* A client whose first sealed datagrams are lost, and one that starts again from its old port. */
static void test_again(void **state)
{
	struct acceptor_stats st;
	struct net n;

	net_make(&n, NULL);
	join(&n, 0, 1);
	settle(&n, 3);
	tunnel_destroy(n.c[0]);
	n.c[0] = NULL;
	join(&n, 0, 2);
	settle(&n, 20);
	assert_int_equal(tunnel_state(n.c[0]), TUNNEL_OPEN);
	tunnel_destroy(n.c[0]);
	n.c[0] = NULL;
	join(&n, 0, 1);
	settle(&n, 20);
	assert_int_equal(tunnel_state(n.c[0]), TUNNEL_OPEN);
	acceptor_stats(n.a, &st);
	assert_int_equal(st.pending, 0);
	/* The tunnels that nobody speaks for any more end in their time. */
	for (int i = 0; i < 6000; i++) {
		struct tunnel_event ev;

		settle(&n, 1);
		while (acceptor_event(n.a, &ev))
			if (ev.type == TUNNEL_EV_CLOSED)
				tunnel_destroy(ev.tunnel);
	}
	acceptor_stats(n.a, &st);
	assert_int_equal(st.tunnels, 1);
	net_destroy(&n);
}

static void test_strangers(void **state)
{
	static const uint8_t junk[64] = {TN_FLAG_FIXED, 1, 2, 3};
	struct tunnel_addr from = addr_of(1), to;
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct net n;
	int path;

	net_make(&n, NULL);
	/* A datagram of no connection is told so, in 5 bytes; anything else is not answered. */
	assert_int_equal(acceptor_input(n.a, junk, sizeof(junk), 0, &from, n.now_us), -EBADMSG);
	assert_int_equal(acceptor_output(n.a, buf, sizeof(buf), &path, &to, n.now_us), TN_LOST_LEN);
	assert_memory_equal(buf + 1, junk + 1, 4);
	for (size_t i = 0; i < TN_HEADER_MIN + CRYPT_TAG_LEN; i++)
		assert_int_equal(acceptor_input(n.a, junk, i, 0, &from, n.now_us), -EBADMSG);
	for (unsigned b = 0; b < 256; b++) {
		memset(buf, (int)b, 64);
		if ((b & TN_FLAG_MASK) != TN_FLAG_FIXED)
			assert_true(acceptor_input(n.a, buf, 64, 0, &from, n.now_us) < 0);
	}
	assert_int_equal(acceptor_output(n.a, buf, sizeof(buf), &path, &to, n.now_us), 0);
	assert_int_equal(acceptor_wake(n.a), NEVER_US);
	acceptor_destroy(n.a);
	acceptor_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clients),    cmocka_unit_test(test_ring_change),
	    cmocka_unit_test(test_full),       cmocka_unit_test(test_hellos),
	    cmocka_unit_test(test_door),       cmocka_unit_test(test_one_host),
	    cmocka_unit_test(test_many_hosts), cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_no_more),    cmocka_unit_test(test_lost_rate),
	    cmocka_unit_test(test_idle),       cmocka_unit_test(test_again),
	    cmocka_unit_test(test_strangers),  cmocka_unit_test(test_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
