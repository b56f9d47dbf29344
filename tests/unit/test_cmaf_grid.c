#include "unit.h"

#include "cmaf/cmaf.h"

static const struct ratio audio48 = {1024, 48000}, audio44 = {1024, 44100}, he48 = {2048, 48000};

static void choose(struct ratio d, int64_t want_us, const struct ratio *frames, size_t n,
		   int want_parts, int64_t want_target)
{
	int parts;
	double ratio;
	int64_t target = cmaf_choose_parts(d, want_us, frames, n, &parts, &ratio);

	assert_int_equal(parts, want_parts);
	assert_int_equal(target, want_target);
	assert_true(ratio >= 0.85);
}

static void test_parts(void **state)
{
	const struct ratio second = {1, 1}, ntsc = {30 * 1001, 30000};

	/* 6 frames of 5 parts; audio 9 or 10 frames, 0.21333 */
	choose(second, 200000, (struct ratio[]){{1, 30}, audio48}, 2, 5, 213334);
	choose(second, 200000, (struct ratio[]){{1, 30}, audio44}, 2, 5, 208980);
	choose(ntsc, 200000, (struct ratio[]){{1001, 30000}, audio48}, 2, 5, 213334);
	choose(second, 200000, (struct ratio[]){{1, 60}, {1, 30}, audio48}, 3, 5, 213334);
	choose(second, 333333, (struct ratio[]){{1, 30}, audio48}, 2, 3, 341334);
	/* 24 fps: 4.8 frames would be 4 or 5, too unlike; 6 parts of 4 */
	choose(second, 200000, (struct ratio[]){{1, 24}, audio48}, 2, 6, 170667);
	choose(second, 200000, (struct ratio[]){{1, 25}, audio48}, 2, 5, 213334);
	/* frames of 43 ms want longer parts */
	choose(second, 200000, (struct ratio[]){{1, 30}, he48}, 2, 3, 341334);
	choose(second, 200000, (struct ratio[]){audio48}, 1, 5, 213334);
}

static void test_no_choice(void **state)
{
	int parts;
	double ratio;

	/* One frame a second beside 30: the part is the segment. */
	int64_t target = cmaf_choose_parts((struct ratio){1, 1}, 200000,
					   (struct ratio[]){{1, 1}, {1, 30}}, 2, &parts, &ratio);
	assert_int_equal(parts, 1);
	assert_int_equal(target, SEC_US);
}

static void test_numbers(void **state)
{
	/* 29.97: segments of 30 frames; the boundaries are exact for ever. */
	const struct cmaf_grid g = {.origin = {0, SEC_US}, .d = {30 * 1001, 30000}, .parts = 5};
	int64_t n = 1793568000, start = cmaf_grid_start(&g, 30000, n, 0);

	assert_int_equal(start, n * 30030);
	assert_int_equal(cmaf_grid_number(&g, 30000, start), n);
	assert_int_equal(cmaf_grid_number(&g, 30000, start - 1), n - 1);
	assert_int_equal(cmaf_grid_start(&g, 30000, n, 1), start + 6006);
	assert_int_equal(cmaf_grid_start(&g, 30000, n, 5), cmaf_grid_start(&g, 30000, n + 1, 0));
	assert_int_equal(cmaf_grid_number(&g, 48000, 0), 0);
	assert_int_equal(cmaf_grid_number(&g, 48000, -1), -1);
}

static void test_origin(void **state)
{
	const struct cmaf_grid g = {.origin = {-250000, SEC_US}, .d = {1, 1}, .parts = 4};

	assert_int_equal(cmaf_grid_us(&g, 100), 99750000);
	assert_int_equal(cmaf_grid_number(&g, SEC_US, 99750000), 100);
	assert_int_equal(cmaf_grid_number(&g, 48000, 99750 * 48 - 1), 99);
	assert_int_equal(cmaf_grid_start(&g, 48000, 100, 1), 100 * 48000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_no_choice),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
