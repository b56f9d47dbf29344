/* tunnel: flows between two ends: datagrams as they were sent, what is dropped, who is forgotten. */
#include "tunnel/internal.h"
#include "tunnel_ends.h"
#include <errno.h>

static void test_flow(void **state)
{
	struct pair p;
	struct tunnel_flow *c, *s;
	struct tunnel_event ev;
	struct tunnel_stats st;
	static uint8_t big[TUNNEL_FLOW_DGRAM_MAX + 1], got[TUNNEL_FLOW_DGRAM_MAX];
	int r = 0;

	pair_make(&p, NULL);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 >> 3);
	assert_int_equal(tunnel_flow_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_flow_send(c, "", 0), 0);
	assert_int_equal(tunnel_flow_send(c, "two", 3), 0);
	assert_int_equal(tunnel_flow_send(c, big, TUNNEL_FLOW_DGRAM_MAX), 0);
	assert_int_equal(tunnel_flow_send(c, big, sizeof(big)), -EMSGSIZE);
	settle(&p, 300);
	ev = next(p.s);
	assert_int_equal(ev.type, TUNNEL_EV_FLOW_OPENED);
	s = ev.flow;
	assert_int_equal(next(p.s).type, TUNNEL_EV_FLOW_READABLE);
	assert_int_equal(tunnel_flow_recv(s, got, sizeof(got)), 0);
	assert_int_equal(tunnel_flow_recv(s, got, 2), 2);
	assert_int_equal(tunnel_flow_recv(s, got, sizeof(got)), TUNNEL_FLOW_DGRAM_MAX);
	assert_memory_equal(got, big, TUNNEL_FLOW_DGRAM_MAX);
	assert_int_equal(tunnel_flow_recv(s, got, sizeof(got)), -EAGAIN);
	/* A queue that is full drops and counts. */
	while (r == 0)
		r = tunnel_flow_send(s, big, 1000);
	assert_int_equal(r, -ENOBUFS);
	tunnel_stats(p.s, &st);
	assert_int_equal(st.flow_drops_send, 1);
	settle(&p, 300);
	/* The server ends it; the client's handle stays until it is released. */
	tunnel_flow_release(s);
	settle(&p, 5);
	while ((ev = next(p.c)).type == TUNNEL_EV_FLOW_READABLE)
		;
	assert_int_equal(ev.type, TUNNEL_EV_FLOW_CLOSED);
	assert_int_equal(tunnel_flow_send(c, "x", 1), -EPIPE);
	assert_true(tunnel_flow_recv(c, got, sizeof(got)) == 1000);
	tunnel_flow_release(c);
	assert_int_equal(p.c->flows.n + p.s->flows.n, 0);
	pair_destroy(&p);
}

/* Idle flows end on both sides; handles nobody gives back end with the tunnel. */
static void test_flow_idle(void **state)
{
	struct tunnel_conf conf;
	struct tunnel_flow *c;
	struct tunnel_stats st;
	struct pair p;

	tunnel_conf_default(&conf);
	conf.flow_idle_us = 2 * SEC_US;
	pair_make(&p, &conf);
	assert_int_equal(tunnel_flow_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_flow_send(c, "a", 1), 0);
	settle(&p, 2500);
	assert_int_equal(next(p.c).type, TUNNEL_EV_FLOW_CLOSED);
	assert_int_equal(next(p.s).type, TUNNEL_EV_FLOW_OPENED);
	assert_int_equal(next(p.s).type, TUNNEL_EV_FLOW_READABLE);
	assert_int_equal(next(p.s).type, TUNNEL_EV_FLOW_CLOSED);
	tunnel_stats(p.s, &st);
	assert_int_equal(st.flows, 1); /* until it is released */
	pair_destroy(&p);
}

/* Many flows that nobody reads hold no more than all of them may together. */
static void test_flows_full(void **state)
{
	struct tunnel_flow *f[20];
	static char big[5000];
	struct tunnel_conf conf;
	struct tunnel_stats st;
	struct tunnel_event ev;
	struct pair p;

	tunnel_conf_default(&conf);
	conf.flows_queue = 50000;
	pair_make(&p, &conf);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_LEN(f); i++) {
			if (round == 0)
				assert_int_equal(tunnel_flow_open(p.c, &web, &f[i]), 0);
			assert_int_equal(tunnel_flow_send(f[i], big, sizeof(big)), 0);
			settle(&p, 5);
		}
	tunnel_stats(p.s, &st);
	assert_in_range(p.s->flows_in, 40000, 50000);
	assert_int_equal(st.flow_received + st.flow_drops_receive, 40);
	while ((ev = next(p.s)).flow)
		if (ev.type == TUNNEL_EV_FLOW_READABLE)
			while (tunnel_flow_recv(ev.flow, big, sizeof(big)) >= 0)
				;
	assert_int_equal(p.s->flows_in, 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(tunnel_flow_send(f[i], big, sizeof(big)), i < 9 ? 0 : -ENOBUFS);
	settle(&p, 100);
	assert_int_equal(p.c->flows_out, 0);
	pair_destroy(&p);
}

/* A datagram that comes in crumbs is given up, not put together at any cost. */
static void test_crumbs(void **state)
{
	struct tunnel_stats st;
	uint8_t frame[64];
	struct pair p;
	enum tn_wants e;

	pair_make(&p, NULL);
	for (unsigned off = 0; off < 1200; off += 2) {
		struct wr w = wr_of(frame, sizeof(frame));

		wr_u8(&w, TN_F_FLOW | TN_F_FLOW_OPEN | TN_F_FLOW_PIECE);
		wr_varint(&w, 0);
		wr_varint(&w, 0);
		tn_put_open(&w, &web);
		wr_varint(&w, off);
		wr_varint(&w, 60000);
		wr_varint(&w, 1);
		wr_u8(&w, 'x');
		assert_int_equal(
		    tn_frames_take(p.s, p.s->path[0], &p.s->path[0]->at, frame, wr_len(&w), &e), 0);
		assert_in_range(p.s->partial[0].got.n, 0, 256);
	}
	tunnel_stats(p.s, &st);
	assert_int_equal(st.flow_drops_pieces, 2);
	pair_destroy(&p);
}

/* Bytes with holes between them, as many as fit into a packet: what they cost is bounded. */
static void test_holes(void **state)
{
	for (unsigned n = TN_DATA_FRAMES; n <= TN_DATA_FRAMES + 1; n++) {
		uint8_t frames[256];
		struct wr w = wr_of(frames, sizeof(frames));
		enum tn_wants e;
		struct pair p;
		int want = n > TN_DATA_FRAMES ? -EPROTO : 0;

		pair_make(&p, NULL);
		settle(&p, 5);
		for (unsigned i = 0; i < n; i++) {
			wr_u8(&w, TN_F_STREAM);
			wr_varint(&w, 0);
			wr_varint(&w, 2 * i + 2);
			wr_varint(&w, 1);
			wr_u8(&w, 'x');
		}
		assert_int_equal(
		    tn_frames_take(p.s, p.s->path[0], &p.s->path[0]->at, frames, wr_len(&w), &e),
		    want);
		pair_destroy(&p);
	}
}

/* The server forgot the flow (idle there): its id does not open another, whatever comes again; the
 * client is told. */
static void test_flow_again(void **state)
{
	struct pair p;
	struct tunnel_flow *c;
	struct tunnel_event ev;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_flow_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_flow_send(c, "a", 1), 0);
	settle(&p, 20);
	ev = next(p.s);
	assert_int_equal(ev.type, TUNNEL_EV_FLOW_OPENED);
	assert_true(c->open_acked);
	next(p.s);
	tn_flow_free(ev.flow); /* without a word */
	c->open_acked = false; /* as if the ACK were still on its way */
	assert_int_equal(tunnel_flow_send(c, "b", 1), 0);
	settle(&p, 20);
	assert_int_equal((int)next(p.s).type, -1);
	assert_int_equal(next(p.c).type, TUNNEL_EV_FLOW_CLOSED);
	tunnel_flow_release(c);
	assert_int_equal(tunnel_flow_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_flow_send(c, "c", 1), 0);
	settle(&p, 20);
	assert_int_equal(next(p.s).type, TUNNEL_EV_FLOW_OPENED);
	tunnel_flow_release(c);
	pair_destroy(&p);
}

/* The server had no room for the flow: later it asks for the opening. */
static void test_flow_gone(void **state)
{
	struct pair p;
	struct tunnel_flow *c;

	pair_make(&p, NULL);
	p.s->conf.flows_max = 0;
	assert_int_equal(tunnel_flow_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_flow_send(c, "a", 1), 0);
	settle(&p, 20);
	assert_true(c->open_acked);
	assert_int_equal((int)next(p.s).type, -1);
	p.s->conf.flows_max = 1;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tunnel_flow_send(c, "b", 1), 0);
		settle(&p, 20);
	}
	assert_int_equal(next(p.s).type, TUNNEL_EV_FLOW_OPENED);
	tunnel_flow_release(c);
	pair_destroy(&p);
}

/* However quickly numbers pass, and the window of those known grows: each is delivered once. */
static void test_flow_doubles(void **state)
{
	static const unsigned after[] = {1, 63, 64, 65, 100, 256, 1000, 20000};
	struct tunnel_stats st;
	struct pair p;

	pair_make(&p, NULL);
	settle(&p, 5);
	for (size_t i = 0; i < ARRAY_LEN(after); i++) {
		struct tn_flow_frame f = {.id = 2 * i, .has_open = true, .open = web};

		for (f.seq = 0; f.seq < after[i]; f.seq++) {
			f.data = (const uint8_t *)"x";
			f.len = 1;
			tn_flow_take(p.s, &f);
		}
		for (f.seq = 0; f.seq < after[i]; f.seq++)
			tn_flow_take(p.s, &f);
		tunnel_stats(p.s, &st);
		assert_int_equal(st.flow_received, after[i]);
		p.s->stats.flow_received = 0;
	}
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flow),       cmocka_unit_test(test_flow_idle),
	    cmocka_unit_test(test_flows_full), cmocka_unit_test(test_crumbs),
	    cmocka_unit_test(test_holes),      cmocka_unit_test(test_flow_again),
	    cmocka_unit_test(test_flow_gone),  cmocka_unit_test(test_flow_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
