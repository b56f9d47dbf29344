/* tunnel: after a silence: who asks, what is sent again, and what is not. */
#include "tunnel/internal.h"
#include "tunnel_pair.h"

#define MUCH ((size_t)1 << 20)

/* A stream from the client, known on both sides. */
static void open_stream(struct pair *p, struct tunnel_stream **c, struct tunnel_stream **s)
{
	struct tunnel_event ev;

	assert_int_equal(tunnel_stream_open(p->c, &web, c), 0);
	assert_int_equal(tunnel_stream_write(*c, "?", 1), 1);
	settle(p, 100);
	while ((ev = next(p->s)).type != TUNNEL_EV_STREAM_OPENED)
		;
	*s = ev.stream;
}

static void write_zeros(struct tunnel_stream *s, size_t n)
{
	static const uint8_t zeros[MUCH];

	assert_int_equal(tunnel_stream_write(s, zeros, n), n);
}

static size_t read_all(struct tunnel_stream *s)
{
	uint8_t buf[4096];
	size_t all = 0;
	ssize_t n;

	while ((n = tunnel_stream_read(s, buf, sizeof(buf))) > 0)
		all += (size_t)n;
	return all;
}

static uint64_t sent(const struct tunnel *t)
{
	struct tunnel_stats st;

	tunnel_stats(t, &st);
	return st.packets_sent;
}

/* Whatever is on its way, in both directions, does not arrive. */
static void lose_all(struct pair *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->way[(p->head + i) % ARRAY_LEN(p->way)].path = ROADS - 1;
	p->cut[ROADS - 1] = true;
}

/* In a download the client's address changes when it has nothing to say: one question, after 50 ms, tells the server,
 * and what went to the old address is sent again as soon as the new one is proven: two round trips, of 20 ms. */
static void test_hush(void **state_)
{
	struct tunnel_stream *c, *s;
	struct tunnel_conf conf;
	struct tunnel_stats st;
	struct pair p;
	size_t before, got;

	tunnel_conf_default(&conf);
	conf.rate_bps = 80000000;
	pair_make(&p, &conf);
	open_stream(&p, &c, &s);
	settle(&p, 2000); /* measured, and quiet */
	write_zeros(s, MUCH);
	settle(&p, 13);
	before = read_all(c);
	assert_in_range(before, 1, MUCH / 2);
	settle(&p, 2);
	p.at[0].bytes[0] = 99;
	lose_all(&p);
	p.c->path[0]->ack_pending = 0;
	tn_sent_give(p.c, p.c->path[0]);
	settle(&p, 50 + 2 * 20 + 10);
	got = before + read_all(c);
	tunnel_stats(p.s, &st);
	assert_int_equal(st.moved, 1);
	assert_in_range(got, before + (64 << 10), MUCH);
	settle(&p, 200);
	assert_int_equal(got + read_all(c), MUCH);
	pair_destroy(&p);
}

/* It asks once, however long the silence; not after datagrams that were small; and a server does not. */
static void test_hush_once(void **state_)
{
	struct tunnel_stream *c, *s;
	struct pair p;
	uint64_t before, other;

	pair_make(&p, NULL);
	open_stream(&p, &c, &s);
	settle(&p, 4000);
	before = sent(p.c);
	assert_int_equal(tunnel_stream_write(s, "!", 1), 1);
	settle(&p, 800);
	other = sent(p.c) - before;
	write_zeros(s, MUCH);
	settle(&p, 200);
	before = sent(p.c);
	p.c->conf.keepalive_us = p.s->conf.keepalive_us = 60 * SEC_US;
	settle(&p, 5000);
	assert_in_range(sent(p.c) - before, 0, 2);
	assert_in_range(other, 1, 3);
	assert_int_equal(p.s->path[0]->hush_us, 0);
	assert_int_not_equal(p.c->path[0]->hush_us, 0);
	pair_destroy(&p);
}

/* What arrived before an outage, whose ACKs were lost in it, does not go again: the first ACK after it tells. */
static void test_kept(void **state_)
{
	struct tunnel_stream *c, *s;
	struct tunnel_stats st;
	struct pair p;
	uint64_t again;

	pair_make(&p, NULL);
	open_stream(&p, &c, &s);
	settle(&p, 2000);
	read_all(s);
	p.deaf[0] = true;
	write_zeros(c, 64 << 10);
	settle(&p, 100);
	assert_int_equal(read_all(s), 64 << 10);
	p.cut[0] = true;
	settle(&p, 5000);
	tunnel_stats(p.c, &st);
	assert_true(st.resuming);
	again = st.bytes_resent;
	p.deaf[0] = p.cut[0] = false;
	settle(&p, 500);
	tunnel_stats(p.c, &st);
	assert_int_equal(st.resumed, 1);
	assert_true(again < 16 << 10 && st.bytes_resent == again && p.c->buffered_out == 0);
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hush),
	    cmocka_unit_test(test_hush_once),
	    cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
