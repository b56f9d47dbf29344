/* tunnel: two ends joined by a function call: what the interface promises, and what it refuses. */
#include "tunnel/internal.h"
#include "tunnel_ends.h"
#include <errno.h>

static struct tunnel_stream *open_both(struct pair *p, struct tunnel_stream **at_server)
{
	struct tunnel_stream *s;
	struct tunnel_event ev;

	assert_int_equal(tunnel_stream_open(p->c, &web, &s), 0);
	settle(p, 5);
	ev = next(p->s);
	assert_int_equal(ev.type, TUNNEL_EV_STREAM_OPENED);
	*at_server = ev.stream;
	return s;
}
static void test_stream(void **state)
{
	struct pair p;
	struct tunnel_stream *c, *s;
	struct tunnel_event ev;
	char buf[100];
	const void *at;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_stream_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_stream_write(c, "request", 7), 7);
	tunnel_stream_finish(c);
	assert_int_equal(tunnel_stream_write(c, "more", 4), -EPIPE);
	p.sent = pass(&p, p.c, p.s, &addr_c);
	/* One datagram brought it all: name, bytes and end. */
	ev = next(p.s);
	assert_int_equal(ev.type, TUNNEL_EV_STREAM_OPENED);
	s = ev.stream;
	assert_string_equal(tunnel_stream_info(s)->service, "web");
	assert_int_equal(tunnel_stream_info(s)->offset, 7);
	ev = next(p.s);
	assert_int_equal(ev.type, TUNNEL_EV_STREAM_READABLE);
	assert_int_equal(tunnel_stream_peek(s, &at), 7);
	assert_memory_equal(at, "request", 7);
	assert_false(tunnel_stream_ended(s));
	assert_int_equal(tunnel_stream_read(s, buf, 3), 3);
	assert_int_equal(tunnel_stream_read(s, buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "uest", 4);
	assert_true(tunnel_stream_ended(s));
	/* The other half is still open. */
	assert_int_equal(tunnel_stream_write(s, "answer", 6), 6);
	settle(&p, 5);
	assert_int_equal(next(p.c).type, TUNNEL_EV_STREAM_READABLE);
	assert_int_equal(tunnel_stream_read(c, buf, sizeof(buf)), 6);
	assert_false(tunnel_stream_ended(c));
	tunnel_stream_finish(s);
	tunnel_stream_release(s);
	settle(&p, 5);
	assert_int_equal(next(p.c).type, TUNNEL_EV_STREAM_READABLE);
	assert_true(tunnel_stream_ended(c));
	tunnel_stream_release(c);
	settle(&p, 20);
	assert_int_equal(p.c->streams.n + p.s->streams.n, 0);
	assert_int_equal((int)next(p.c).type, -1);
	pair_destroy(&p);
}

static void test_reset(void **state)
{
	struct pair p;
	struct tunnel_stream *c, *s;
	struct tunnel_event ev;

	pair_make(&p, NULL);
	c = open_both(&p, &s);
	tunnel_stream_reset(s, TUNNEL_RST_REFUSED);
	tunnel_stream_release(s);
	settle(&p, 5);
	ev = next(p.c);
	assert_int_equal(ev.type, TUNNEL_EV_STREAM_RESET);
	assert_int_equal(ev.code, TUNNEL_RST_REFUSED);
	assert_ptr_equal(ev.stream, c);
	assert_int_equal(tunnel_stream_write(c, "x", 1), -EPIPE);
	assert_false(tunnel_stream_ended(c));
	tunnel_stream_release(c);
	/* Released in the middle, a stream is reset; one never sent goes the same way. */
	c = open_both(&p, &s);
	assert_int_equal(tunnel_stream_write(c, "x", 1), 1);
	tunnel_stream_release(c);
	assert_int_equal(tunnel_stream_open(p.c, &web, &c), 0);
	tunnel_stream_release(c);
	settle(&p, 20);
	ev = next(p.s);
	if (ev.type == TUNNEL_EV_STREAM_READABLE)
		ev = next(p.s);
	assert_int_equal(ev.type, TUNNEL_EV_STREAM_RESET);
	assert_int_equal(ev.code, TUNNEL_RST_CANCEL);
	tunnel_stream_release(s);
	settle(&p, 20);
	assert_int_equal(p.c->streams.n + p.s->streams.n, 0);
	assert_int_equal((int)next(p.s).type, -1);
	pair_destroy(&p);
}

static void test_limits(void **state)
{
	struct tunnel_conf conf;
	struct tunnel_stream *c[4], *s;
	struct tunnel_event ev;
	struct pair p;
	static char big[4 << 20];
	ssize_t n, sum = 0;

	tunnel_conf_default(&conf);
	conf.streams_max = 3;
	conf.stream_buffer = 300000;
	pair_make(&p, &conf);
	p.c->conf.streams_max = 4; /* the client's limit is higher than what the server takes */
	for (int i = 0; i < 4; i++)
		assert_int_equal(tunnel_stream_open(p.c, &web, &c[i]), 0);
	assert_int_equal(tunnel_stream_open(p.c, &web, &s), -EAGAIN);
	settle(&p, 5);
	ev = next(p.c);
	assert_int_equal(ev.type, TUNNEL_EV_STREAM_RESET);
	assert_int_equal(ev.code, TUNNEL_RST_LIMIT);
	tunnel_stream_release(ev.stream);
	/* Writing stops at the buffer, and goes on at WRITABLE, until the reader's credit is used up. */
	assert_int_equal(tunnel_stream_write(c[0], big, sizeof(big)), 300000);
	assert_int_equal(tunnel_stream_room(c[0]), 0);
	assert_int_equal(tunnel_stream_write(c[0], big, 1), 0);
	for (sum = 300000; sum < 4 << 20; sum += n) {
		settle(&p, 300);
		ev = next(p.c);
		if (ev.type != TUNNEL_EV_STREAM_WRITABLE)
			break;
		n = tunnel_stream_write(c[0], big, sizeof(big));
		assert_true(n > 0);
	}
	assert_int_equal(sum, TN_STREAM_CREDIT + 300000);
	assert_int_equal(p.s->data_high, TN_STREAM_CREDIT);
	pair_destroy(&p);
}

static void test_open_refused(void **state)
{
	struct tunnel_open o = web;
	struct tunnel_stream *s;
	struct tunnel_flow *f;
	struct pair p;

	pair_make(&p, NULL);
	memset(o.service, 'x', sizeof(o.service));
	assert_int_equal(tunnel_stream_open(p.c, &o, &s), -EINVAL);
	assert_int_equal(tunnel_flow_open(p.c, &o, &f), -EINVAL);
	o = web;
	o.class = (enum tunnel_class)9;
	assert_int_equal(tunnel_stream_open(p.c, &o, &s), -EINVAL);
	tunnel_close(p.c, 0, NULL);
	assert_int_equal(tunnel_stream_open(p.c, &web, &s), -ESHUTDOWN);
	assert_int_equal(tunnel_flow_open(p.c, &web, &f), -ESHUTDOWN);
	pair_destroy(&p);
}

static void test_close(void **state)
{
	struct pair p;
	struct tunnel_stream *c, *s;
	struct tunnel_event ev;
	const char *text;
	uint32_t code;

	pair_make(&p, NULL);
	c = open_both(&p, &s);
	tunnel_close(p.s, 300, "going home");
	settle(&p, 2);
	ev = next(p.c);
	assert_int_equal(ev.type, TUNNEL_EV_CLOSED);
	assert_int_equal((int)next(p.s).type, -1); /* it says so again */
	settle(&p, 100);
	ev = next(p.s);
	assert_int_equal(ev.type, TUNNEL_EV_CLOSED);
	assert_int_equal(tunnel_reason(p.s, NULL, NULL), 0);
	assert_int_equal(tunnel_reason(p.c, &code, &text), -ECONNRESET);
	assert_int_equal(code, 300);
	assert_string_equal(text, "going home");
	/* Handles live until the tunnel is destroyed, and do nothing. */
	assert_int_equal(tunnel_stream_write(c, "x", 1), -EPIPE);
	tunnel_stream_reset(c, 1);
	tunnel_stream_release(c);
	assert_int_equal(tunnel_wake(p.c), NEVER_US);
	assert_int_equal(tunnel_input(p.c, "x", 1, 0, &addr_s, p.now_us), -ESHUTDOWN);
	pair_destroy(&p);
	tunnel_destroy(NULL);
}

/* The farewell outlasts a burst of losses. */
static void test_close_burst(void **state)
{
	uint8_t lost[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct pair p;
	int path, n = 0;

	pair_make(&p, NULL);
	settle(&p, 20);
	tunnel_close(p.c, 0, "bye");
	for (int64_t end = p.now_us + 60 * MS_US; p.now_us < end; p.now_us += MS_US)
		while (tunnel_output(p.c, lost, sizeof(lost), &path, &to, p.now_us) > 0)
			n++;
	assert_int_equal(n, 2);
	settle(&p, 40);
	assert_int_equal(tunnel_reason(p.s, NULL, NULL), -ECONNRESET);
	assert_int_equal(next(p.c).type, TUNNEL_EV_CLOSED);
	assert_int_equal(tunnel_wake(p.c), NEVER_US);
	pair_destroy(&p);
}

static void test_door(void **state)
{
	struct pair p;
	struct tunnel_stats st;
	struct tunnel_addr a = {1, {9}};
	uint8_t d[TUNNEL_DGRAM_MAX];
	struct tunnel_conf conf;
	size_t n;

	tunnel_conf_default(&conf);
	conf.warm_bytes = 0; /* the last datagram is to be a short one */
	pair_make(&p, &conf);
	settle(&p, 20);
	n = p.last_len;
	memcpy(d, p.last, n);
	assert_int_equal(tunnel_input(p.s, d, n, 0, &a, p.now_us), -EALREADY);
	for (size_t i = 0; i < n; i++) {
		memcpy(d, p.last, n);
		d[i] ^= 1;
		assert_true(tunnel_input(p.s, d, n, 0, &a, p.now_us) < 0);
		assert_true(tunnel_input(p.s, p.last, i, 0, &a, p.now_us) < 0);
	}
	tunnel_stats(p.s, &st);
	assert_true(st.drops[TUNNEL_DROP_FORGED] >= TN_HEADER_MIN + CRYPT_TAG_LEN);
	/* None of that moved the peer; a new datagram from another address does. */
	assert_true(tunnel_peer_addr(p.s, 0, &a));
	assert_memory_equal(&a, &addr_c, sizeof(a));
	p.from = (struct tunnel_addr){1, {9}};
	settle(&p, 1100);
	assert_true(tunnel_peer_addr(p.s, 0, &a));
	assert_memory_equal(&a, &p.from, sizeof(a));
	tunnel_stats(p.s, &st);
	assert_int_equal(st.moved, 1);
	assert_true(st.drops[TUNNEL_DROP_REPLAYED] >= 1);
	assert_false(tunnel_peer_addr(p.s, 1, &a));
	pair_destroy(&p);
}

static void test_quiet(void **state)
{
	struct pair p;

	pair_make(&p, NULL);
	settle(&p, 1000);
	p.sent = 0;
	settle(&p, 4000);
	/* An idle tunnel says a word a second, and stays; cut off, it ends in its time. */
	assert_true(p.sent > 0 && p.sent < 2000);
	p.now_us += 5 * SEC_US;
	for (int i = 0; i < 100; i++, p.now_us += MS_US)
		pass(&p, p.c, p.c, &addr_c);
	assert_int_equal(next(p.c).type, TUNNEL_EV_CLOSED);
	assert_int_equal(tunnel_reason(p.c, NULL, NULL), -ETIMEDOUT);
	pair_destroy(&p);
}

static size_t write_one(struct pair *p, struct tunnel_stream *s, uint8_t *dgram)
{
	struct tunnel_addr to;
	int path;

	assert_int_equal(tunnel_stream_write(s, "0123456789", 10), 10);
	return tunnel_output(p->c, dgram, TUNNEL_DGRAM_MAX, &path, &to, p->now_us);
}

/* Keys change every 16 packets; what is late by an epoch is still opened, and what claims to be of
 * another is not. */
static void test_epochs(void **state)
{
	struct tunnel_stream *c, *s;
	struct pair p;
	static char buf[100000];
	uint8_t late[TUNNEL_DGRAM_MAX], d[TUNNEL_DGRAM_MAX];
	size_t n, m, got = 0;
	uint64_t epoch;

	pair_make(&p, NULL);
	p.c->key_life.packets = p.s->key_life.packets = 16;
	c = open_both(&p, &s);
	settle(&p, 50);
	while (p.c->path[0]->next - p.c->path[0]->out.first != 15)
		settle(&p, 1);
	n = write_one(&p, c, late);
	epoch = p.c->path[0]->out.epoch;
	assert_true(n > 0 && (late[0] & TN_FLAG_PHASE) == (epoch & TN_FLAG_PHASE));
	m = write_one(&p, c, d);
	assert_true(m > 0 && (d[0] & TN_FLAG_PHASE) == ((epoch + 1) & TN_FLAG_PHASE));
	for (unsigned phase = 0; phase < 8; phase++) { /* under no other phase does it pass */
		uint8_t forged[TUNNEL_DGRAM_MAX];

		memcpy(forged, d, m);
		forged[0] ^= (uint8_t)phase;
		if (phase)
			assert_int_equal(tunnel_input(p.s, forged, m, 0, &addr_c, p.now_us),
					 -EBADMSG);
	}
	p.s->stats.drops[TUNNEL_DROP_FORGED] = 0;
	assert_int_equal(tunnel_input(p.s, d, m, 0, &addr_c, p.now_us), 0);
	assert_int_equal(p.s->path[0]->in.epoch, epoch + 1);
	assert_int_equal(tunnel_input(p.s, late, n, 0, &addr_c, p.now_us), 0);
	assert_int_equal(tunnel_input(p.s, late, n, 0, &addr_c, p.now_us), -EALREADY);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(tunnel_stream_write(c, buf, 1000), 1000);
		settle(&p, 10);
		got += tunnel_stream_read(s, buf, sizeof(buf));
	}
	assert_int_equal(got, 100020);
	assert_true(p.c->path[0]->out.epoch > epoch + 4);
	assert_in_range(p.s->path[0]->in.epoch, p.c->path[0]->out.epoch - 1,
			p.c->path[0]->out.epoch);
	assert_int_equal(p.s->stats.drops[TUNNEL_DROP_FORGED], 0);
	pair_destroy(&p);
}

/* They change with time as well, but not before the peer has shown that it has the present ones. */
static void test_key_time(void **state)
{
	struct tunnel_stream *c, *s;
	uint8_t lost[TUNNEL_DGRAM_MAX];
	struct pair p;
	uint64_t epoch;

	pair_make(&p, NULL);
	c = open_both(&p, &s);
	p.c->key_life.time_us = 10 * SEC_US;
	for (int i = 0; i < 35; i++)
		settle(&p, 1000);
	epoch = p.c->path[0]->out.epoch;
	assert_in_range(epoch, 3, 4);
	assert_int_equal(p.s->path[0]->in.epoch, epoch);
	assert_int_equal(p.s->path[0]->out.epoch, 0); /* each direction for itself */
	p.c->key_life.time_us = 0;
	assert_true(write_one(&p, c, lost) > 0);
	assert_int_equal(p.c->path[0]->out.epoch, epoch + 1);
	for (int i = 0; i < 20; i++)
		assert_true(write_one(&p, c, lost) > 0); /* and none of them arrives */
	assert_int_equal(p.c->path[0]->out.epoch, epoch + 1);
	settle(&p, 3000);
	assert_true(p.c->path[0]->out.epoch > epoch + 2);
	assert_int_equal(tunnel_state(p.c), TUNNEL_OPEN);
	assert_int_equal(tunnel_state(p.s), TUNNEL_OPEN);
	assert_int_equal(tunnel_stream_read(s, lost, sizeof(lost)), 210);
	pair_destroy(&p);
}

/* A second path has keys, numbers and acknowledgements of its own, and one path's ACK may come on
 * another. */
static void test_two_paths(void **state)
{
	static const char ack[] = "\x02\x01\x00\x00\x00\x00";
	uint8_t d[TUNNEL_DGRAM_MAX], twin[TUNNEL_DGRAM_MAX];
	struct pair p;
	enum tn_wants e;
	size_t n;

	pair_make(&p, NULL);
	settle(&p, 20);
	assert_int_equal(tn_paths_add(p.c, 1, &(struct tn_where){7, addr_s}), 0);
	assert_int_equal(tn_paths_add(p.s, 1, &(struct tn_where){7, addr_c}), 0);
	p.c->path[1]->proven = p.s->path[1]->proven = true;
	p.c->path[1]->ping = p.c->path[0]->ping = true;
	n = tn_packet_build(p.c, p.c->path[1], d, sizeof(d));
	assert_true(n > 0 && TN_FLAG_PATH(d[0]) == 1);
	assert_int_equal(p.c->path[1]->next, 1);
	assert_int_equal(p.c->path[1]->flight, 1);
	/* Another path's number does not make it another path's packet. */
	memcpy(twin, d, n);
	twin[0] ^= 3 << 3;
	assert_int_equal(tunnel_input(p.s, twin, n, 0, &addr_c, p.now_us), -EBADMSG);
	twin[0] ^= 2 << 3;
	assert_int_equal(tunnel_input(p.s, twin, n, 0, &addr_c, p.now_us), -EALREADY);
	assert_int_equal(tunnel_input(p.s, d, n, 7, &addr_c, p.now_us), 0);
	assert_int_equal(p.s->path[1]->recv_next, 1);
	assert_int_equal(
	    tn_frames_take(p.c, p.c->path[0], &p.c->path[0]->at, ack, sizeof(ack) - 1, &e), 0);
	assert_int_equal(p.c->path[1]->flight, 0);
	pair_destroy(&p);
}

/* The peer has the key but not the protocol: frames that must end the tunnel, one by one. */
static void test_broken(void **state)
{
	static const char *const bad[] = {
	    "\x7f",				    /* no such frame */
	    "\x02\x00\x40\xff\x00\x00\x00",	    /* ACK of what was not sent */
	    "\x02\x00\x00\x00\x00\x05",		    /* ACK below 0 */
	    "\x02\x01\x00\x00\x00\x00",		    /* no such path */
	    "\x10\x00\x00\x0a\x61",		    /* fewer bytes than said */
	    "\x10\x01\x00\x01\x61",		    /* our stream, which we did not open */
	    "\x10\x00\x80\x20\x00\x00\x01\x61",	    /* beyond the stream's credit */
	    "\x12\x00\x00\x00\x09\x00\x00\x00",	    /* open: no such class */
	    "\x12\x00\x00\x00\x00\x00\x00\x40\x2a", /* open: name too long */
	    "\x05\x00",				    /* RESET, cut */
	    "\x22\x00\x00\x05\x04\x01\x2a",	    /* piece beyond its datagram */
	    "\x06\x00\x40\xff",			    /* CLOSE with more text than there may be */
	};
	static const size_t len[] = {1, 7, 6, 6, 5, 5, 8, 8, 9, 2, 7, 4};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct pair p;
		enum tn_wants e;
		const char *text;

		pair_make(&p, NULL);
		settle(&p, 5);
		assert_int_equal(
		    tn_frames_take(p.s, p.s->path[0], &p.s->path[0]->at, bad[i], len[i], &e),
		    -EPROTO);
		settle(&p, 2);
		assert_int_equal(tunnel_reason(p.s, NULL, NULL), -EPROTO);
		assert_int_equal(tunnel_reason(p.c, NULL, &text), -ECONNRESET);
		assert_true(strlen(text) > 5);
		pair_destroy(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream),   cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_limits),   cmocka_unit_test(test_open_refused),
	    cmocka_unit_test(test_close),    cmocka_unit_test(test_close_burst),
	    cmocka_unit_test(test_door),     cmocka_unit_test(test_quiet),
	    cmocka_unit_test(test_broken),   cmocka_unit_test(test_epochs),
	    cmocka_unit_test(test_key_time), cmocka_unit_test(test_two_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
