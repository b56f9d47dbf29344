#include "unit.h"

#include <errno.h>

#include "base/base.h"

struct item {
	int v;
	struct list link;
};

static void list_keeps_order_and_survives_removal(void **state)
{
	struct list head;
	struct item items[5], *it, *tmp;
	int sum = 0;

	list_init(&head);
	assert_null(list_first(&head, struct item, link));
	for (int i = 0; i < 5; i++) {
		items[i].v = i;
		list_append(&head, &items[i].link);
	}
	list_for_safe (it, tmp, &head, link)
		if (it->v % 2)
			list_remove(&it->link);
	list_remove(&items[1].link); /* twice does no harm */
	list_for (it, &head, link)
		sum = sum * 10 + it->v;
	assert_int_equal(sum, 24);
	assert_int_equal(list_last(&head, struct item, link)->v, 4);
}

static void vec_grows_and_removes(void **state)
{
	VEC(int) v = {0};
	int *p, sum = 0;

	for (int i = 0; i < 100; i++)
		assert_int_equal(vec_push(&v, i), 0);
	vec_remove(&v, 0);
	assert_int_equal(v.len, 99);
	vec_for (p, &v)
		sum += *p;
	assert_int_equal(sum, 4950);
	vec_free(&v);
	vec_for (p, &v)
		fail();
}

static void varint_round_trip(void **state)
{
	const uint64_t values[] = {
	    0, 63, 64, 16383, 16384, (1u << 30) - 1, 1u << 30, (UINT64_C(1) << 62) - 1};
	uint8_t b[64];

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct wr w = wr_of(b, sizeof(b));

		wr_varint(&w, values[i]);
		assert_int_equal(wr_len(&w), varint_len(values[i]));
		struct rd r = rd_of(b, wr_len(&w));
		assert_true(rd_varint(&r) == values[i]);
		assert_false(r.bad);
		r = rd_of(b, wr_len(&w) - 1);
		rd_varint(&r);
		assert_true(r.bad);
	}
	struct wr w = wr_of(b, sizeof(b));
	wr_varint(&w, UINT64_C(1) << 62);
	assert_true(w.bad);
}

/* The examples of RFC 9000, appendix A.1. */
static void varint_as_in_the_rfc(void **state)
{
	const uint8_t b[] = {0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c,
			     0x9d, 0x7f, 0x3e, 0x7d, 0x7b, 0xbd, 0x25};
	struct rd r = rd_of(b, sizeof(b));

	assert_true(rd_varint(&r) == UINT64_C(151288809941952652));
	assert_true(rd_varint(&r) == 494878333);
	assert_true(rd_varint(&r) == 15293);
	assert_true(rd_varint(&r) == 37);
	assert_true(!r.bad && !rd_left(&r));
}

static void cursors_stop_at_the_end(void **state)
{
	uint8_t b[7];
	struct wr w = wr_of(b, sizeof(b));

	wr_u32(&w, 0x01020304);
	wr_u16(&w, 0x0506);
	wr_u16(&w, 1);
	assert_true(w.bad);
	assert_int_equal(wr_len(&w), 6);
	struct rd r = rd_of(b, 6);
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u32(&r), 0x02030405);
	assert_int_equal(rd_u16(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rd_u8(&r), 0); /* stays bad, though one byte is left */
}

static void durations_sizes_rates(void **state)
{
	const struct {
		int (*fn)(const char *, int64_t *);
		const char *text;
		int rc;
		int64_t want;
	} cases[] = {
	    {num_duration, "250us", 0, 250},
	    {num_duration, "20ms", 0, 20000},
	    {num_duration, "1.5s", 0, 1500000},
	    {num_duration, "3", 0, 3000000},
	    {num_duration, "2m", 0, 120000000},
	    {num_duration, "-1s", -EINVAL, 0},
	    {num_duration, "1 s", -EINVAL, 0},
	    {num_duration, "", -EINVAL, 0},
	    {num_duration, "inf", -EINVAL, 0},
	    {num_duration, "1e3", -EINVAL, 0},
	    {num_duration, "99999999999999999999d", -ERANGE, 0},
	    {num_size, "64k", 0, 65536},
	    {num_size, "1.5M", 0, 1572864},
	    {num_rate, "2.8M", 0, 2800000},
	    {num_rate, "800k", 0, 800000},
	    {num_rate, "800kbps", -EINVAL, 0},
	    {num_int, "-12", 0, -12},
	    {num_int, "12x", -EINVAL, 0},
	    {num_int, " 12", -EINVAL, 0},
	    {num_int, "99999999999999999999", -ERANGE, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = 0;

		assert_int_equal(cases[i].fn(cases[i].text, &got), cases[i].rc);
		assert_true(got == cases[i].want);
	}
}

static void ratios_of_frame_rates(void **state)
{
	struct ratio r;

	assert_int_equal(num_ratio("30", &r), 0);
	assert_true(r.num == 30 && r.den == 1);
	assert_int_equal(num_ratio("29.97", &r), 0);
	assert_true(r.num == 30000 && r.den == 1001);
	assert_int_equal(num_ratio("59.94", &r), 0);
	assert_true(r.num == 60000 && r.den == 1001);
	assert_int_equal(num_ratio("24000/1001", &r), 0);
	assert_true(r.num == 24000 && r.den == 1001);
	assert_int_equal(num_ratio("12.5", &r), 0);
	assert_true(r.num == 12500 && r.den == 1000);
	assert_int_equal(num_ratio("0", &r), -ERANGE);
	assert_int_equal(num_ratio("30/0", &r), -ERANGE);
	assert_int_equal(num_ratio("30fps", &r), -EINVAL);
}

static void hex_is_exact(void **state)
{
	uint8_t b[2];

	assert_int_equal(num_hex(" 0aFf\n", b, 2), 0);
	assert_true(b[0] == 0x0a && b[1] == 0xff);
	assert_int_equal(num_hex("0aff0", b, 2), -EINVAL);
	assert_int_equal(num_hex("0af", b, 2), -EINVAL);
}

static void scaling_is_exact_and_rounds(void **state)
{
	/* A UTC instant of 2026 in 90 kHz and back. */
	int64_t us = INT64_C(1795000000123456), t = base_scale(us, 9, 100);

	assert_true(t == INT64_C(161550000011111));
	assert_true(base_scale(t, 100, 9) - us <= 6 && base_scale(t, 100, 9) - us >= -6);
	assert_true(base_scale(1, 1, 2) == 1 && base_scale(-1, 1, 2) == -1);
	assert_true(base_rescale(30, (struct ratio){1, 30}, (struct ratio){1, 48000}) == 48000);
	assert_true(base_floor_div(-1, 30) == -1 && base_floor_div(-30, 30) == -1 &&
		    base_floor_div(29, 30) == 0);
}

static void strings(void **state)
{
	char b[4];

	assert_true(str_copy(b, sizeof(b), "abc"));
	assert_false(str_copy(b, sizeof(b), "abcd"));
	assert_string_equal(b, "abc");
	char *s = str_format("%d-%s", 7, "x");
	assert_string_equal(s, "7-x");
	free(s);
	assert_true(str_starts("unix:/x", "unix:"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(list_keeps_order_and_survives_removal),
    cmocka_unit_test(vec_grows_and_removes),
    cmocka_unit_test(varint_round_trip),
    cmocka_unit_test(varint_as_in_the_rfc),
    cmocka_unit_test(cursors_stop_at_the_end),
    cmocka_unit_test(durations_sizes_rates),
    cmocka_unit_test(ratios_of_frame_rates),
    cmocka_unit_test(hex_is_exact),
    cmocka_unit_test(scaling_is_exact_and_rounds),
    cmocka_unit_test(strings),
};
RUN_TESTS(tests)
