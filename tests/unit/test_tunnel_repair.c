/* repair: the code, the estimates of loss, and what a receiver recovers. */
#include "tunnel/internal.h"
#include "tunnel/rs.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LEN 1000

static uint64_t rng = 1;

static unsigned some(unsigned n)
{
	rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(rng >> 33) % n;
}

/* All but some pieces, and as many sums: the pieces come back, whichever they are. */
static void test_rs(void **state)
{
	static uint8_t data[TN_RS_DATA][LEN], sums[TN_RS_ROWS][LEN];

	for (int turn = 0; turn < 300; turn++) {
		unsigned k = 1 + some(TN_RS_DATA), n = 1 + some(MIN(k, TN_RS_ROWS));
		uint8_t row[TN_RS_ROWS], at[TN_RS_ROWS], *sum[TN_RS_ROWS], all[TN_RS_ROWS];
		bool lost[TN_RS_DATA] = {false};
		size_t len = 1 + some(LEN);

		memset(sums, 0, sizeof(sums));
		for (unsigned i = 0; i < TN_RS_ROWS; i++) {
			sum[i] = sums[i];
			all[i] = (uint8_t)i;
		}
		for (unsigned i = 0; i < k; i++) {
			for (size_t b = 0; b < len; b++)
				data[i][b] = (uint8_t)some(256);
			tn_rs_add(sum, all, TN_RS_ROWS, i, data[i], len);
		}
		for (unsigned i = 0; i < n; i++) {
			unsigned x = some(k);

			while (lost[x])
				x = (x + 1) % k;
			lost[x] = true;
		}
		for (unsigned i = 0; i < TN_RS_ROWS; i++) /* any n rows: those from here on */
			all[i] = (uint8_t)((i + (unsigned)turn) % TN_RS_ROWS);
		for (unsigned i = 0, j = 0; i < k; i++)
			if (lost[i])
				at[j++] = (uint8_t)i;
		for (unsigned i = 0; i < n; i++) {
			row[i] = all[i];
			sum[i] = sums[row[i]];
		}
		for (unsigned i = 0; i < k; i++)
			if (!lost[i])
				tn_rs_add(sum, row, n, i, data[i], len);
		assert_int_equal(tn_rs_solve(sum, row, at, n, len), 0);
		for (unsigned i = 0; i < n; i++)
			assert_memory_equal(sum[i], data[at[i]], len);
	}
}

/* The first row is the plain sum; the same row twice solves nothing. */
static void test_rs_rows(void **state)
{
	uint8_t a[40] = {1, 2, 3}, s[2][40] = {{0}}, *sum[2] = {s[0], s[1]};
	static const uint8_t rows[2] = {0, 1}, twice[2] = {3, 3}, at[2] = {4, 5};

	tn_rs_add(sum, rows, 2, 17, a, sizeof(a));
	assert_memory_equal(s[0], a, sizeof(a));
	assert_true(memcmp(s[1], a, sizeof(a)) != 0);
	assert_int_equal(tn_rs_solve(sum, twice, at, 2, sizeof(a)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rs),
	    cmocka_unit_test(test_rs_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
