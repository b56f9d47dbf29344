/* gex-restream's back-off and its reasons. */
#include "unit.h"

#include <errno.h>

#include "../../cmd/gex-restream/backoff.c"

static void test_backoff(void **state)
{
	int64_t last = 0;

	for (int n = 0; n < 100; n++) {
		int64_t lo = push_backoff_us(n, SEC_US, 30 * SEC_US, 0);
		int64_t mid = push_backoff_us(n, SEC_US, 30 * SEC_US, UINT32_MAX / 2);
		int64_t hi = push_backoff_us(n, SEC_US, 30 * SEC_US, UINT32_MAX);

		/* Doubled up to 30 s, a quarter less to a quarter more. */
		assert_in_range(mid, MIN((int64_t)1 << MIN(n, 10), 30) * SEC_US - 10,
				MIN((int64_t)1 << MIN(n, 10), 30) * SEC_US);
		assert_true(lo < mid && mid < hi && lo >= last * 3 / 4);
		assert_int_equal(lo, (mid + 1) / 1000 * 750);
		assert_in_range(hi, mid / 1000 * 1250, mid / 1000 * 1250 + 2000);
		last = lo;
	}
	assert_in_range(push_backoff_us(0, 100 * MS_US, 100 * MS_US, 7), 75 * MS_US, 125 * MS_US);
}

static const char *reason(int err, enum push_when when, const char *text)
{
	static char out[200];

	push_reason(err, when, text, out, sizeof(out));
	return out;
}

static void test_reasons(void **state)
{
	assert_memory_equal(reason(-ECONNREFUSED, PUSH_OPENING, "x"), "refused", 7);
	assert_memory_equal(reason(-ETIMEDOUT, PUSH_LATER, "x"), "timeout", 7);
	assert_memory_equal(reason(-EHOSTUNREACH, PUSH_OPENING, ""), "unreachable", 11);
	assert_memory_equal(reason(-EACCES, PUSH_OPENING, NULL), "auth", 4);
	assert_memory_equal(reason(-EIO, PUSH_OPENING, "x"), "auth", 4);
	assert_memory_equal(reason(-EPIPE, PUSH_EARLY, NULL), "auth", 4);
	assert_memory_equal(reason(-EPIPE, PUSH_LATER, NULL), "closed", 6);
	assert_string_equal(reason(-EINVAL, PUSH_OPENING, "what libavformat said"),
			    "what libavformat said");
	assert_string_equal(reason(-EINVAL, PUSH_OPENING, NULL), strerror(EINVAL));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_backoff),
    cmocka_unit_test(test_reasons),
};

RUN_TESTS(tests)
