/* rtmp: a publisher's bytes, in pieces of any size, as FLV; what is said to it; what is no RTMP. */
#include "unit.h"

#include <errno.h>

#include "stream/rtmp.h"

#define SHAKE 1536

/* What a publisher sends. */
struct wire {
	uint8_t p[1 << 20];
	struct wr w;
};

static void u24(struct wr *w, uint32_t v)
{
	wr_u8(w, (uint8_t)(v >> 16));
	wr_u16(w, (uint16_t)v);
}

/* A message on a chunk stream of its own, of chunks with 128 bytes. form 0: with all of its header; 1, 2: less; time is then what
 * passed. */
static void message(struct wr *w, int form, int id, uint8_t type, uint32_t time, const void *data,
		    size_t n)
{
	const uint8_t *p = data;
	bool extended = time >= 0xffffff;

	wr_u8(w, (uint8_t)(form << 6 | id));
	u24(w, extended ? 0xffffff : time);
	if (form < 2) {
		u24(w, (uint32_t)n);
		wr_u8(w, type);
	}
	if (form < 1)
		wr_bytes(w, (uint8_t[]){1, 0, 0, 0}, 4);
	if (extended)
		wr_u32(w, time);
	for (size_t at = 0; at < n; at += 128) {
		if (at) {
			wr_u8(w, (uint8_t)(3 << 6 | id));
			if (extended)
				wr_u32(w, time);
		}
		wr_bytes(w, p + at, MIN(n - at, 128));
	}
}

static void text(struct wr *w, const char *s)
{
	wr_u16(w, (uint16_t)strlen(s));
	wr_bytes(w, s, strlen(s));
}

static void call(struct wr *w, const char *what, const char *app, const char *key)
{
	uint8_t b[600];
	struct wr c = wr_of(b, sizeof(b));

	wr_u8(&c, 2);
	text(&c, what);
	wr_u8(&c, 0);
	wr_u64(&c, 0x4010000000000000); /* 4 */
	if (app) {
		wr_u8(&c, 3);
		text(&c, "flashVer");
		wr_u8(&c, 2);
		text(&c, "FMLE/3.0");
		text(&c, "app");
		wr_u8(&c, 2);
		text(&c, app);
		text(&c, "");
		wr_u8(&c, 9);
	} else {
		wr_u8(&c, 5);
	}
	if (key) {
		wr_u8(&c, 2);
		text(&c, key);
		wr_u8(&c, 2);
		text(&c, "live");
	}
	assert_false(c.bad);
	message(w, 0, 3, 20, 0, b, wr_len(&c));
}

static void greet(struct wire *x, const char *app)
{
	static uint8_t shake[2 * SHAKE];

	x->w = wr_of(x->p, sizeof(x->p));
	wr_u8(&x->w, 3);
	wr_bytes(&x->w, shake, sizeof(shake));
	call(&x->w, "connect", app, NULL);
}

static void hello(struct wire *x, const char *app, const char *key)
{
	greet(x, app);
	call(&x->w, "releaseStream", NULL, key);
	call(&x->w, "createStream", NULL, NULL);
	call(&x->w, "publish", NULL, key);
}

static bool is_said(const struct rtmp *r, const char *what)
{
	size_t n;
	const uint8_t *p = rtmp_out(r, &n);

	return p && memmem(p, n, what, strlen(what));
}

/* In pieces of `step` bytes. */
static int put(struct rtmp *r, const struct wire *x, size_t step)
{
	size_t n = wr_len(&x->w);
	int rc = 0;

	assert_false(x->w.bad);
	for (size_t at = 0; at < n && !rc; at += step)
		rc = rtmp_input(r, x->p + at, MIN(step, n - at));
	return rc;
}

static void publish(struct rtmp **r, struct wire *x, size_t step)
{
	assert_int_equal(rtmp_create(r), 0);
	hello(x, "live/", "KEY?token=1");
	assert_int_equal(put(*r, x, step), 0);
	assert_int_equal(rtmp_state(*r), RTMP_ASKING);
	assert_string_equal(rtmp_name(*r), "live/KEY");
	assert_true(is_said(*r, "NetConnection.Connect.Success"));
	assert_int_equal(rtmp_answer(*r, NULL), 0);
	assert_true(is_said(*r, "NetStream.Publish.Start"));
	x->w = wr_of(x->p, sizeof(x->p));
}

static void is_tag(struct rtmp *r, uint8_t type, uint32_t ms, const void *data, size_t n)
{
	uint8_t got[1000];

	assert_true(n + 15 <= sizeof(got));
	assert_int_equal(rtmp_read(r, got, n + 15), n + 15);
	struct rd in = rd_of(got, n + 15);
	assert_int_equal(rd_u32(&in), (uint32_t)type << 24 | (uint32_t)n);
	uint32_t time = rd_u32(&in);
	assert_int_equal(time >> 8 | time << 24, ms);
	rd_bytes(&in, 3);
	assert_memory_equal(rd_bytes(&in, n), data, n);
	assert_int_equal(rd_u32(&in), n + 11);
}

static void skip_head(struct rtmp *r)
{
	uint8_t got[13];

	assert_int_equal(rtmp_read(r, got, sizeof(got)), sizeof(got));
	assert_memory_equal(got, "FLV\1\5\0\0\0\11\0\0\0\0", 13);
}

static void test_flv(void **state)
{
	static struct wire x;
	uint8_t big[700], meta[] = "\2\0\15@setDataFrame\2\0\12onMetaData\5";
	const size_t steps[] = {1, 7, 128, 5000};

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct rtmp *r;

		publish(&r, &x, steps[i]);
		message(&x.w, 0, 4, 18, 0, meta, sizeof(meta) - 1);
		message(&x.w, 0, 5, 9, 1000, big, sizeof(big));
		message(&x.w, 0, 6, 8, 1010, "ab", 2);
		message(&x.w, 1, 5, 9, 40, big, 300);
		message(&x.w, 2, 5, 9, 40, big, 300);
		message(&x.w, 0, 5, 9, 0x1234567, big, 300);
		assert_int_equal(put(r, &x, steps[i]), 0);
		skip_head(r);
		is_tag(r, 18, 0, meta + 16, sizeof(meta) - 17);
		is_tag(r, 9, 1000, big, sizeof(big));
		is_tag(r, 8, 1010, "ab", 2);
		is_tag(r, 9, 1040, big, 300);
		is_tag(r, 9, 1080, big, 300);
		is_tag(r, 9, 0x1234567, big, 300);
		assert_int_equal(rtmp_read(r, big, 1), 0);
		assert_int_equal(rtmp_state(r), RTMP_PUBLISHING);
		x.w = wr_of(x.p, sizeof(x.p));
		call(&x.w, "deleteStream", NULL, NULL);
		assert_int_equal(put(r, &x, steps[i]), 0);
		assert_int_equal(rtmp_state(r), RTMP_ENDED);
		rtmp_destroy(r);
	}
}

/* Chunks of two messages between each other. */
static void test_between(void **state)
{
	static struct wire x;
	uint8_t data[200] = {0};
	struct rtmp *r;

	publish(&r, &x, 100);
	wr_u8(&x.w, 5);
	u24(&x.w, 10);
	u24(&x.w, sizeof(data));
	wr_u8(&x.w, 9);
	wr_u32(&x.w, 0);
	wr_bytes(&x.w, data, 128);
	message(&x.w, 0, 6, 8, 20, "sound", 5);
	wr_u8(&x.w, 3 << 6 | 5);
	wr_bytes(&x.w, data, sizeof(data) - 128);
	assert_int_equal(put(r, &x, 100), 0);
	skip_head(r);
	is_tag(r, 8, 20, "sound", 5);
	is_tag(r, 9, 10, data, sizeof(data));
	rtmp_destroy(r);
}

static void test_aggregate(void **state)
{
	static struct wire x;
	uint8_t b[100];
	struct wr w = wr_of(b, sizeof(b));
	struct rtmp *r;

	for (uint32_t i = 0; i < 2; i++) {
		wr_u32(&w, (9 - i) << 24 | 3);
		wr_u32(&w, (500 + i * 40) << 8);
		u24(&w, 0);
		wr_bytes(&w, "abc", 3);
		wr_u32(&w, 14);
	}
	publish(&r, &x, 4000);
	message(&x.w, 0, 4, 22, 7000, b, wr_len(&w));
	assert_int_equal(put(r, &x, 50), 0);
	skip_head(r);
	is_tag(r, 9, 7000, "abc", 3);
	is_tag(r, 8, 7040, "abc", 3);
	x.w = wr_of(x.p, sizeof(x.p));
	message(&x.w, 0, 4, 22, 7000, b, wr_len(&w) - 1);
	assert_int_equal(put(r, &x, 50), -EPROTO);
	rtmp_destroy(r);
}

/* A ping is answered; how much came is told. */
static void test_control(void **state)
{
	static struct wire x;
	static const uint8_t ping[6] = {0, 6, 1, 2, 3, 4}, pong[6] = {0, 7, 1, 2, 3, 4};
	static uint8_t data[100000];
	struct rtmp *r;
	size_t n;

	publish(&r, &x, 4000);
	rtmp_out(r, &n);
	rtmp_sent(r, n);
	message(&x.w, 0, 2, 4, 0, ping, sizeof(ping));
	assert_int_equal(put(r, &x, 50), 0);
	const uint8_t *p = rtmp_out(r, &n);
	assert_int_equal(n, 12 + 6);
	assert_memory_equal(p + 12, pong, 6);
	rtmp_sent(r, n);
	assert_null(rtmp_out(r, &n));
	x.w = wr_of(x.p, sizeof(x.p));
	message(&x.w, 0, 2, 5, 0, (uint8_t[]){0, 1, 0, 0}, 4);
	message(&x.w, 0, 4, 9, 0, data, sizeof(data));
	assert_int_equal(put(r, &x, 1000), 0);
	p = rtmp_out(r, &n);
	assert_int_equal(n, 12 + 4);
	assert_int_equal(p[7], 3);
	rtmp_destroy(r);
}

static void test_refused(void **state)
{
	static struct wire x;
	static const uint8_t data[70000];
	struct rtmp *r;

	assert_int_equal(rtmp_create(&r), 0);
	hello(&x, "live", "KEY");
	assert_int_equal(put(r, &x, 4000), 0);
	/* Nothing of who was not asked in. */
	x.w = wr_of(x.p, sizeof(x.p));
	message(&x.w, 0, 4, 9, 0, data, 100);
	assert_int_equal(put(r, &x, 4000), 0);
	assert_int_equal(rtmp_answer(r, "another one"), 0);
	assert_true(is_said(r, "NetStream.Publish.BadName"));
	assert_true(is_said(r, "another one"));
	assert_int_equal(rtmp_state(r), RTMP_ENDED);
	assert_int_equal(rtmp_read(r, x.p, 1), 0);
	rtmp_destroy(r);
	/* Nor much memory. */
	assert_int_equal(rtmp_create(&r), 0);
	hello(&x, "live", "KEY");
	message(&x.w, 0, 4, 9, 0, data, sizeof(data));
	assert_int_equal(put(r, &x, 4000), -EMSGSIZE);
	rtmp_destroy(r);
	/* A player. */
	assert_int_equal(rtmp_create(&r), 0);
	greet(&x, "live");
	call(&x.w, "play", NULL, "KEY");
	assert_int_equal(put(r, &x, 4000), 0);
	assert_int_equal(rtmp_state(r), RTMP_ENDED);
	assert_true(is_said(r, "NetStream.Play.StreamNotFound"));
	rtmp_destroy(r);
}

/* A begun message on each of many chunk streams, each at the limit: bounded. */
static void test_bounds(void **state)
{
	static struct wire x;
	static const uint8_t data[128];
	struct rtmp *r;
	int rc = 0;

	publish(&r, &x, 4000);
	for (int id = 10; id < 64; id++) {
		wr_u8(&x.w, (uint8_t)id);
		u24(&x.w, 0);
		u24(&x.w, 1000);
		wr_u8(&x.w, 9);
		wr_u32(&x.w, 0);
		wr_bytes(&x.w, data, 128);
	}
	assert_int_equal(put(r, &x, 4000), -EPROTO);
	rtmp_destroy(r);
	/* What a peer makes us say without reading it. */
	publish(&r, &x, 4000);
	message(&x.w, 0, 2, 4, 0, (uint8_t[]){0, 6, 0, 0, 0, 0}, 6);
	for (int i = 0; i < 10000 && !rc; i++)
		rc = put(r, &x, 4000);
	assert_int_equal(rc, -EMSGSIZE);
	rtmp_destroy(r);
}

static void test_no_rtmp(void **state)
{
	static const uint8_t http[] = "GET / HTTP/1.1\r\n\r\n", bad[4] = {3 << 6 | 3};
	static struct wire x;
	struct rtmp *r;

	assert_int_equal(rtmp_create(&r), 0);
	assert_int_equal(rtmp_input(r, http, sizeof(http)), -EPROTO);
	rtmp_destroy(r);
	publish(&r, &x, 4000);
	wr_u8(&x.w, 3 << 6 | 9); /* goes on with what never began */
	assert_int_equal(put(r, &x, 1), -EPROTO);
	rtmp_destroy(r);
	/* Chunks of no size. */
	publish(&r, &x, 4000);
	message(&x.w, 0, 2, 1, 0, bad + 1, 3);
	assert_int_equal(put(r, &x, 1), -EPROTO);
	rtmp_destroy(r);
	publish(&r, &x, 4000);
	message(&x.w, 0, 2, 1, 0, (uint8_t[]){0, 0, 0, 0}, 4);
	assert_int_equal(put(r, &x, 1), -EPROTO);
	rtmp_destroy(r);
	rtmp_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flv),	      cmocka_unit_test(test_between),
	    cmocka_unit_test(test_aggregate), cmocka_unit_test(test_control),
	    cmocka_unit_test(test_refused),   cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_no_rtmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
