#include "unit.h"

#include <errno.h>

#include "cmaf/coder.h"

/* What encoders wrote of 320x180 at 25 frames a second, and what libavformat makes of it. */
static const uint8_t hevc_sets[] = {
    0,	  0,	0,    1,    0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00,
    0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x95, 0x94, 0x09, 0,	  0,	0,    1,
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03,
    0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f, 0x3e, 0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x02,
    0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x32, 0x10, 0,    0,	  0,	1,    0x44,
    0x01, 0xc0, 0x73, 0xc1, 0x89, 0,	0,    0,    1,	  0x4e, 0x01, 0x05, 0x80};
static const uint8_t hevc10_sps[] = {
    0,	  0,	0,    1,    0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00,
    0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c,
    0x1f, 0x3b, 0x65, 0x95, 0x95, 0x29, 0x30, 0xbc, 0x05, 0xa0, 0x20, 0,    0,
    0,	  1,	0x40, 0x01, 0x0c, 0,	0,    0,    1,	  0x44, 0x01, 0xc0, 0x73};
static const uint8_t av1_unit[] = {0x12, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe,
				   0xcc, 0xda, 0xf9, 0x00, 0x40, 0x32, 0x03, 0x10, 0x00, 0x84};
static const uint8_t av1_ten[] = {0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c,
				  0xfe, 0xcc, 0xda, 0xf9, 0x40, 0x40};
static const uint8_t vp9_key[] = {0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x36, 0x06, 0x38};
static const uint8_t opus_head[] = {'O',  'p', 'u',  's',  'H', 'e', 'a', 'd', 1, 2,
				    0x38, 1,   0x80, 0xbb, 0,	0,   0,	  0,   0};

static const struct cmaf_track small = {.width = 320, .height = 180, .fps = {25, 1}};

static char name[CODER_NAME];

static struct boxes config(const struct coder *c, const struct cmaf_track *t, const uint8_t *p,
			   size_t n)
{
	struct boxes b = {0};

	assert_int_equal(c->config(t, p, n, &b, name), 0);
	return b;
}

static void check(const struct coder *c, const uint8_t *p, size_t n, const char *want_name,
		  const uint8_t *want, size_t want_n)
{
	struct boxes b = config(c, &small, p, n);

	assert_string_equal(name, want_name);
	assert_in_range(b.out.len, want_n, 200);
	assert_memory_equal(b.out.at, want, want_n);
	vec_free(&b.out);
	/* Every piece of it is without an end. */
	for (size_t i = 0; i < n; i++) {
		struct boxes part = {0};

		(void)!c->config(&small, p, i, &part, name);
		vec_free(&part.out);
	}
}

static void test_hevc(void **state)
{
	static const uint8_t want[] = {0x01, 0x01, 0x60, 0,    0,    0,	   0x90, 0,    0,    0,
				       0,    0,	   0x3c, 0xf0, 0x00, 0xfc, 0xfd, 0xf8, 0xf8, 0,
				       0,    0x0f, 3,	 0xa0, 0,    1,	   0,	 24,   0x40, 0x01};
	uint8_t whole[sizeof(hevc_sets) + 6];

	check(&coder_hevc, hevc_sets, sizeof(hevc_sets), "hvc1.1.6.L60.90", want, sizeof(want));
	struct boxes ten = config(&coder_hevc, &small, hevc10_sps, sizeof(hevc10_sps));
	assert_string_equal(name, "hvc1.2.4.L60.90");
	assert_int_equal(ten.out.at[17], 0xfa); /* ten bits */
	vec_free(&ten.out);
	/* Of an access unit the parameter sets are in the sample entry only. */
	memcpy(whole, hevc_sets, sizeof(hevc_sets));
	memcpy(whole + sizeof(hevc_sets), (uint8_t[]){0, 0, 1, 0x26, 0x01, 0xaf}, 6);
	assert_true(coder_hevc.has_config(whole, sizeof(whole)));
	assert_int_equal(coder_hevc.size(whole, sizeof(whole)), 4 + 4 + 4 + 3);
	uint8_t out[15];
	coder_hevc.copy(whole, sizeof(whole), out);
	assert_memory_equal(
	    out, ((uint8_t[]){0, 0, 0, 4, 0x4e, 1, 5, 0x80, 0, 0, 0, 3, 0x26, 1, 0xaf}), 15);
	assert_int_equal(coder_hevc.config(&small, whole, 28, &(struct boxes){0}, name), -ENODATA);
}

static void test_av1(void **state)
{
	static const uint8_t want[] = {0x81, 0x00, 0x0c, 0,    0x0a, 0x0b, 0,	 0,   0,
				       0x04, 0x3c, 0xfe, 0xcc, 0xda, 0xf9, 0x00, 0x40};
	uint8_t out[18], boxed[4 + sizeof(av1_ten)] = {0x81, 0, 0x4c, 0};

	check(&coder_av1, av1_unit, sizeof(av1_unit), "av01.0.00M.08", want, sizeof(want));
	memcpy(boxed + 4, av1_ten, sizeof(av1_ten));
	check(&coder_av1, boxed, sizeof(boxed), "av01.0.00M.10", boxed, sizeof(boxed));
	/* A temporal unit without its delimiter. */
	assert_true(coder_av1.has_config(av1_unit, sizeof(av1_unit)));
	assert_int_equal(coder_av1.size(av1_unit, sizeof(av1_unit)), 18);
	coder_av1.copy(av1_unit, sizeof(av1_unit), out);
	assert_memory_equal(out, av1_unit + 2, 18);
	assert_int_equal(coder_av1.size(av1_unit, 19), 13); /* the last one is torn */
}

static void test_vp9(void **state)
{
	static const uint8_t want[] = {1, 0, 0, 0, 0, 11, 0x82, 2, 2, 2, 0, 0};
	struct cmaf_track big = {.width = 1920, .height = 1080, .fps = {60, 1}};

	check(&coder_vp9, vp9_key, sizeof(vp9_key), "vp09.00.11.08", want, sizeof(want));
	struct boxes b = config(&coder_vp9, &big, vp9_key, sizeof(vp9_key));
	assert_string_equal(name, "vp09.00.41.08");
	vec_free(&b.out);
	assert_false(coder_vp9.has_config((uint8_t[]){0x86, 0, 0x40}, 3));
}

static void test_opus(void **state)
{
	static const uint8_t want[] = {0, 2, 0x01, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0};

	check(&coder_opus, opus_head, sizeof(opus_head), "opus", want, sizeof(want));
}

static void test_aac(void **state)
{
	struct boxes b = config(&coder_aac, &small, (uint8_t[]){0x11, 0x90}, 2);

	assert_string_equal(name, "mp4a.40.2");
	vec_free(&b.out);
	b = config(&coder_aac, &small, (uint8_t[]){0xf9, 0x46, 0x40}, 3);
	assert_string_equal(name, "mp4a.40.42"); /* xHE-AAC */
	vec_free(&b.out);
	assert_int_equal(coder_aac.config(&small, NULL, 0, &b, name), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hevc), cmocka_unit_test(test_av1), cmocka_unit_test(test_vp9),
	    cmocka_unit_test(test_opus), cmocka_unit_test(test_aac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
