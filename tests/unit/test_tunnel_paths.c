/* tunnel: several paths: what the interface promises, whom it believes, and what ends it. */
#include "tunnel/internal.h"
#include "tunnel_pair.h"
#include <errno.h>

static void test_add(void **state_)
{
	struct tunnel_path_stats st;
	struct tunnel_stats all;
	struct tunnel_event ev;
	struct pair p;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_path_add(p.s, 1, &addr_s), -EINVAL);
	assert_int_equal(tunnel_path_add(p.c, 0, &addr_s), -EEXIST);
	assert_int_equal(tunnel_path_add(p.c, 3, &addr_s), 1);
	assert_int_equal(state(p.c, 1), TUNNEL_PATH_NEW);
	settle(&p, 60);
	assert_int_equal(state(p.c, 1), TUNNEL_PATH_UP);
	assert_int_equal(state(p.s, 1), TUNNEL_PATH_UP);
	ev = next(p.c);
	assert_true(ev.type == TUNNEL_EV_PATH && ev.path == 1);
	ev = next(p.s);
	assert_true(ev.type == TUNNEL_EV_PATH && ev.path == 1);
	assert_true(tunnel_path_stats(p.s, 1, &st));
	assert_int_equal(st.path, 3);
	assert_memory_equal(&st.peer, &p.at[3], sizeof(st.peer));
	assert_true(tunnel_path_stats(p.c, 1, &st));
	assert_in_range(st.rtt_us, 20 * MS_US, 24 * MS_US);
	assert_true(st.packets_sent > 0 && st.packets_received > 0 && st.deaths == 0);
	for (int i = 2; i < TUNNEL_PATHS; i++)
		assert_int_equal(tunnel_path_add(p.c, i + 2, &addr_s), i);
	assert_int_equal(tunnel_path_add(p.c, 1, &addr_s), -ENOSPC);
	settle(&p, 60);
	tunnel_stats(p.s, &all);
	assert_true(all.paths == 8 && all.paths_up == 8 && !all.resuming);
	assert_false(tunnel_path_stats(p.c, TUNNEL_PATHS, &st));
	pair_destroy(&p);
}

/* Removed, it is forgotten on both sides, but for its numbers. */
static void test_remove(void **state_)
{
	uint8_t old[TUNNEL_DGRAM_MAX];
	struct tunnel_addr a;
	uint64_t sent;
	size_t n;
	struct pair p;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_path_remove(p.c, 1), -ENOENT);
	assert_int_equal(tunnel_path_add(p.c, 1, &addr_s), 1);
	settle(&p, 100);
	p.c->path[1]->ping = true;
	settle(&p, 1);
	assert_int_equal(TN_FLAG_PATH(p.last[0]), 1);
	memcpy(old, p.last, n = p.last_n);
	assert_int_equal(tunnel_path_remove(p.s, 1), -EINVAL);
	assert_int_equal(tunnel_path_remove(p.c, 1), 0);
	assert_int_equal(tunnel_path_remove(p.c, 1), -ENOENT);
	settle(&p, 50);
	assert_int_equal(state(p.c, 1), -1);
	assert_int_equal(state(p.s, 1), -1);
	assert_false(tunnel_peer_addr(p.s, 1, &a));
	sent = p.c->path[1]->next;
	for (int i = 2; i <= TUNNEL_PATHS; i++) /* it is used again last */
		assert_int_equal(tunnel_path_add(p.c, i, &addr_s), i < TUNNEL_PATHS ? i : 1);
	settle(&p, 100);
	assert_int_equal(state(p.s, 1), TUNNEL_PATH_UP);
	assert_true(p.c->path[1]->next > sent);
	assert_int_equal(tunnel_input(p.s, old, n, 1, &p.at[1], p.now_us), -EALREADY);
	/* Path 0 may go, too. */
	assert_int_equal(tunnel_path_remove(p.c, 0), 0);
	settle(&p, 100);
	assert_true(state(p.s, 0) == -1 && p.c->best != p.c->path[0]);
	for (unsigned i = 1; i < TUNNEL_PATHS; i++)
		assert_int_equal(tunnel_path_remove(p.c, i), 0);
	settle(&p, 100);
	assert_int_equal(tunnel_state(p.c), TUNNEL_OPEN);
	assert_int_equal(tunnel_path_add(p.c, 9, &addr_s), 0);
	settle(&p, 400);
	assert_int_equal(state(p.c, 0), TUNNEL_PATH_UP);
	assert_int_equal(state(p.s, 0), TUNNEL_PATH_UP);
	pair_destroy(&p);
}

/* A new address gets no more than three times what came from it, until it answers. */
static void test_budget(void **state_)
{
	static char buf[1 << 20];
	struct tunnel_stream *s;
	struct tunnel_stats st;
	struct pair p;

	pair_make(&p, NULL);
	p.deaf[1] = true;
	assert_int_equal(tunnel_path_add(p.c, 1, &addr_s), 1);
	assert_int_equal(tunnel_stream_open(p.s, &web, &s), 0);
	assert_true(tunnel_stream_write(s, buf, sizeof(buf)) > 0);
	settle(&p, 1000);
	assert_true(p.to_server[1] >= 1200 && p.to_client[1] > 0);
	assert_true(p.to_client[1] <= 3 * p.to_server[1]);
	assert_int_equal(state(p.s, 1), TUNNEL_PATH_NEW);
	/* The same for a path that moves: p.at[0] is where nobody answers. */
	p.to_server[0] = p.to_client[0] = 0;
	p.at[0].bytes[0] = 66;
	p.deaf[0] = true;
	settle(&p, 1000);
	assert_true(p.to_client[0] > 0 && p.to_client[0] <= 3 * p.to_server[0]);
	tunnel_stats(p.s, &st);
	assert_int_equal(st.moved, 0);
	/* It answers at last. */
	p.deaf[0] = p.deaf[1] = false;
	settle(&p, 300);
	tunnel_stats(p.s, &st);
	assert_int_equal(st.moved, 1);
	assert_int_equal(state(p.s, 1), TUNNEL_PATH_UP);
	pair_destroy(&p);
}

/* Without the key a path can be named, not made. */
static void test_stranger(void **state_)
{
	uint8_t d[TUNNEL_DGRAM_MAX];
	struct pair p;

	pair_make(&p, NULL);
	settle(&p, 50);
	memcpy(d, p.last, p.last_n);
	d[0] ^= 5 << 3;
	assert_int_equal(tunnel_input(p.s, d, p.last_n, 4, &p.at[4], p.now_us), -EBADMSG);
	assert_int_equal(tunnel_input(p.c, d, p.last_n, 4, &p.at[4], p.now_us), -EBADMSG);
	assert_int_equal(state(p.s, 5), -1);
	assert_null(p.c->path[5]);
	assert_null(p.s->path[5]); /* who has no key costs no memory */
	memset(p.to_client, 0, sizeof(p.to_client));
	settle(&p, 50);
	assert_int_equal(p.to_client[4], 0);
	pair_destroy(&p);
}

/* Padding measures the first path; a path in reserve costs next to nothing until it is alone. */
static void test_reserve(void **state_)
{
	struct tunnel_path_stats st;
	struct pair p;

	pair_make(&p, NULL);
	settle(&p, 20);
	assert_int_equal(tunnel_path_add(p.c, 1, &addr_s), 1);
	settle(&p, 3000);
	assert_true(p.c->path[0]->warm_left < p.c->conf.warm_bytes / 2);
	assert_int_equal(p.c->path[1]->warm_left, p.c->conf.warm_bytes);
	assert_int_equal(p.s->path[1]->warm_left, p.s->conf.warm_bytes);
	assert_true(tunnel_path_stats(p.c, 1, &st));
	assert_in_range(st.bytes_sent, 1, 20000);
	assert_int_equal(tunnel_path_remove(p.c, 0), 0);
	settle(&p, 3000);
	assert_true(p.c->path[1]->warm_left < p.c->conf.warm_bytes / 2);
	pair_destroy(&p);
}

static size_t read_all(struct tunnel_stream *s)
{
	static uint8_t buf[65536];
	size_t n, sum = 0;

	while ((n = tunnel_stream_read(s, buf, sizeof(buf))) > 0)
		sum += n;
	return sum;
}

/* The path that all goes over dies: the other takes it up, with what was on the way. */
static void test_death(void **state_)
{
	static char buf[200000];
	struct tunnel_stream *c, *s = NULL;
	struct tunnel_path_stats st;
	struct tunnel_event ev;
	unsigned best;
	size_t got = 0;
	struct pair p;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_path_add(p.c, 1, &addr_s), 1);
	settle(&p, 100);
	best = p.c->best->number;
	assert_int_equal(tunnel_stream_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_stream_write(c, buf, sizeof(buf)), sizeof(buf));
	settle(&p, 15);
	p.cut[best] = true;
	settle(&p, 250);
	assert_int_equal(state(p.c, best), TUNNEL_PATH_DOWN);
	assert_int_equal(state(p.c, !best), TUNNEL_PATH_UP);
	settle(&p, 500);
	while ((ev = next(p.s)).type != (enum tunnel_event_type) - 1)
		if (ev.type == TUNNEL_EV_STREAM_OPENED)
			s = ev.stream;
	assert_non_null(s);
	got = read_all(s);
	assert_int_equal(got, sizeof(buf));
	p.cut[best] = false;
	settle(&p, 300);
	assert_true(tunnel_path_stats(p.c, best, &st));
	assert_true(st.state == TUNNEL_PATH_UP && st.deaths == 1 && st.packets_lost > 0);
	pair_destroy(&p);
}

/* A reliable path serves while there is no other, and no longer. */
static void test_standby(void **state_)
{
	struct pair p;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_path_add(p.c, 1, &addr_s), 1);
	settle(&p, 100);
	p.c->path[1]->at.addr.len |= TUNNEL_ADDR_RELIABLE;
	p.c->best = p.c->path[1];
	tn_schedule(p.c);
	assert_ptr_equal(p.c->best, p.c->path[0]);
	assert_null(p.c->spare);
	p.c->path[0]->state = TN_PATH_DOWN;
	tn_schedule(p.c);
	assert_ptr_equal(p.c->best, p.c->path[1]);
	p.c->path[0]->state = TN_PATH_UP;
	tn_schedule(p.c);
	assert_ptr_equal(p.c->best, p.c->path[0]);
	pair_destroy(&p);
}

/* What a burst needed is given back when it is over. */
static void test_memory(void **state_)
{
	static char buf[1 << 20];
	struct tunnel_stream *c;
	struct pair p;
	size_t most;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_stream_open(p.c, &web, &c), 0);
	settle(&p, 50);
	assert_true(tunnel_stream_write(c, buf, sizeof(buf)) > 0);
	settle(&p, 400);
	most = p.c->path[0]->sent_cap;
	settle(&p, 4000);
	assert_true(most >= 512 && p.c->path[0]->sent_cap <= 64);
	assert_int_equal(p.c->buffered_out, 0);
	pair_destroy(&p);
}

/* The farewell is heard although the best path has just died. */
static void test_farewell(void **state_)
{
	struct pair p;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_path_add(p.c, 1, &addr_s), 1);
	settle(&p, 100);
	p.cut[p.c->best->number] = true;
	tunnel_close(p.c, 7, "bye");
	settle(&p, 100);
	assert_int_equal(tunnel_state(p.c), TUNNEL_CLOSED);
	assert_int_equal(tunnel_reason(p.s, NULL, NULL), -ECONNRESET);
	pair_destroy(&p);
}

/* No path is left: what is open waits, for its time; what comes meanwhile waits as well. */
static void test_resume(void **state_)
{
	struct tunnel_stream *c, *more;
	struct tunnel_flow *f;
	struct tunnel_stats st;
	struct pair p;

	pair_make(&p, NULL);
	assert_int_equal(tunnel_stream_open(p.c, &web, &c), 0);
	assert_int_equal(tunnel_flow_open(p.c, &web, &f), 0);
	assert_int_equal(tunnel_flow_send(f, "a", 1), 0);
	settle(&p, 100);
	p.cut[0] = true;
	settle(&p, 10000);
	tunnel_stats(p.c, &st);
	assert_true(st.resuming && st.paths_up == 0 && tunnel_state(p.c) == TUNNEL_OPEN);
	tunnel_stats(p.s, &st);
	assert_true(st.resuming && tunnel_state(p.s) == TUNNEL_OPEN);
	assert_int_equal(tunnel_stream_open(p.c, &web, &more), 0);
	assert_int_equal(tunnel_stream_write(more, "hello", 5), 5);
	assert_int_equal(tunnel_flow_send(f, "stale", 5), 0);
	settle(&p, 1000);
	assert_int_equal(tunnel_flow_send(f, "fresh", 5), 0);
	p.cut[0] = false;
	settle(&p, 300);
	tunnel_stats(p.s, &st);
	assert_true(!st.resuming && st.resumed == 1 && st.streams == 2 && st.flow_received == 2);
	tunnel_stats(p.c, &st);
	assert_int_equal(st.flow_drops_late, 1);
	/* Too long is too long, and both know. */
	p.cut[0] = true;
	settle(&p, 29000);
	assert_int_equal(tunnel_state(p.c), TUNNEL_OPEN);
	settle(&p, 3000);
	assert_int_equal(tunnel_state(p.c), TUNNEL_CLOSED);
	assert_int_equal(tunnel_reason(p.c, NULL, NULL), -ETIMEDOUT);
	assert_int_equal(tunnel_reason(p.s, NULL, NULL), -ETIMEDOUT);
	pair_destroy(&p);
}

/* With nothing open there is nothing to wait for; and a server that does not know us has nothing
 * for us. */
static void test_impatient(void **state_)
{
	struct tunnel_stream *c;
	struct pair p;
	uint8_t lost[TN_LOST_LEN];
	struct wr w = wr_of(lost, sizeof(lost));

	pair_make(&p, NULL);
	settle(&p, 100);
	p.cut[0] = true;
	settle(&p, 6200);
	assert_int_equal(tunnel_reason(p.c, NULL, NULL), -ETIMEDOUT);
	assert_int_equal(tunnel_reason(p.s, NULL, NULL), -ETIMEDOUT);
	pair_destroy(&p);

	pair_make(&p, NULL);
	assert_int_equal(tunnel_stream_open(p.c, &web, &c), 0);
	settle(&p, 100);
	p.cut[0] = true;
	settle(&p, 5000);
	assert_int_equal(tunnel_state(p.c), TUNNEL_OPEN);
	wr_u8(&w, TN_LOST_FLAG);
	wr_u32(&w, p.c->id_out);
	assert_int_equal(tunnel_input(p.c, lost, sizeof(lost), 0, &addr_s, p.now_us), 0);
	settle(&p, 600);
	assert_int_equal(tunnel_state(p.c), TUNNEL_CLOSED);
	pair_destroy(&p);
}

/* Frames about paths that break the protocol, or ask for what is not there. */
static void test_frames(void **state_)
{
	enum tn_wants e;
	struct pair p;

	pair_make(&p, NULL);
	settle(&p, 50);
	/* An answer to no question, and the farewell of a path that is not there. */
	assert_int_equal(tn_frames_take(p.s, p.s->path[0], &p.s->path[0]->at,
					"\x08"
					"12345678\x09\x07",
					11, &e),
			 0);
	assert_int_equal(e, TN_WANTS_SOON);
	assert_int_equal(tunnel_state(p.s), TUNNEL_OPEN);
	assert_int_equal(tn_frames_take(p.s, p.s->path[0], &p.s->path[0]->at, "\x09\x08", 2, &e),
			 -EPROTO);
	pair_destroy(&p);
	pair_make(&p, NULL);
	assert_int_equal(tn_frames_take(p.s, p.s->path[0], &p.s->path[0]->at,
					"\x07"
					"1234",
					5, &e),
			 -EPROTO);
	pair_destroy(&p);
}

/* A packet leaves when `now`, waits so long in queues there and back, and is acknowledged: what is said
 * of the queue there. The peer's clock begins anywhere. */
static int64_t there(struct tn_path *p, int64_t now_us, int64_t out_us, int64_t back_us)
{
	int64_t clock = now_us + 25 * MS_US + out_us + 987654321;

	tn_path_rtt(p, 50 * MS_US + out_us + back_us, 0, now_us + 50 * MS_US + out_us + back_us);
	return tn_path_there(p, now_us,
			     (unsigned)(clock / TN_CLOCK_UNIT_US % (1 << TN_CLOCK_BITS))) -
	       p->min_rtt_us;
}

static void test_there(void **state_)
{
	struct tunnel_conf conf;
	struct tn_path p = {0};
	struct tn_where at = {0};
	int64_t now = 5 * SEC_US, unit = TN_CLOCK_UNIT_US;

	tunnel_conf_default(&conf);
	tn_path_begin(&p, &conf, &at, now);
	assert_in_range(there(&p, now, 0, 0), 0, unit);
	/* Each way's queue is told from the other's, however often the clock goes round. */
	for (int64_t i = 0; i < 300; i++) {
		int64_t out = i * 7 % 90 * MS_US, back = i * 11 % 130 * MS_US;

		now += 33 * MS_US;
		assert_in_range(there(&p, now, out, back), MAX(out - unit, 0), out + unit);
	}
	/* Of the first time of all, nothing is known but the round trip. */
	p.there_us = p.min_there_us = p.next_there_us = NEVER_US;
	assert_in_range(there(&p, now, 0, 40 * MS_US), 40 * MS_US - unit, 40 * MS_US);
	/* In two windows it is. */
	for (int64_t i = 0; i < 25; i++) {
		now += SEC_US;
		there(&p, now, 0, i % 2 ? 40 * MS_US : 0);
	}
	assert_in_range(there(&p, now, 0, 40 * MS_US), 0, unit);
	tn_path_finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_add),	      cmocka_unit_test(test_remove),
	    cmocka_unit_test(test_budget),    cmocka_unit_test(test_stranger),
	    cmocka_unit_test(test_reserve),   cmocka_unit_test(test_death),
	    cmocka_unit_test(test_resume),    cmocka_unit_test(test_frames),
	    cmocka_unit_test(test_memory),    cmocka_unit_test(test_farewell),
	    cmocka_unit_test(test_impatient), cmocka_unit_test(test_standby),
	    cmocka_unit_test(test_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
