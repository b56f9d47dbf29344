/* tunnel: the acceptor between several clients, right and wrong ones. */
#include "tunnel/internal.h"
#include "tunnel_net.h"
#include <errno.h>

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
	    cmocka_unit_test(test_clients),	cmocka_unit_test(test_hold),
	    cmocka_unit_test(test_ring_change), cmocka_unit_test(test_full),
	    cmocka_unit_test(test_again),	cmocka_unit_test(test_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
