#include "unit.h"

#include <errno.h>

#include "crypt/crypt.h"

/* NIST SP 800-38A, F.2.1: CBC-AES128.Encrypt. */
static const char key_hex[] = "2b7e151628aed2a6abf7158809cf4f3c";
static const char iv_hex[] = "000102030405060708090a0b0c0d0e0f";
static const char clear_hex[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
				"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
static const char sealed_hex[] = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
				 "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7";

struct vectors {
	uint8_t key[16], iv[16], clear[64], sealed[64];
};

static struct vectors vectors(void)
{
	struct vectors v;

	assert_int_equal(num_hex(key_hex, v.key, 16), 0);
	assert_int_equal(num_hex(iv_hex, v.iv, 16), 0);
	assert_int_equal(num_hex(clear_hex, v.clear, 64), 0);
	assert_int_equal(num_hex(sealed_hex, v.sealed, 64), 0);
	return v;
}

static void test_every_block(void **state)
{
	struct vectors v = vectors();
	struct crypt_cbc *c;
	uint8_t data[64 + 15];

	assert_int_equal(crypt_cbc_create(v.key, &c), 0);
	for (size_t tail = 0; tail < 16; tail++) { /* what is no whole block stays */
		memcpy(data, v.clear, 64);
		memset(data + 64, 0x55, 15);
		assert_int_equal(crypt_cbc_pattern(c, v.iv, 0, data, 64 + tail), 0);
		assert_memory_equal(data, v.sealed, 64);
		for (size_t i = 64; i < sizeof(data); i++)
			assert_int_equal(data[i], 0x55);
	}
	memcpy(data, v.clear, 15);
	assert_int_equal(crypt_cbc_pattern(c, v.iv, 0, data, 15), 0);
	assert_memory_equal(data, v.clear, 15);
	crypt_cbc_destroy(c);
}

/* Blocks 0, 10, 20, 30 are those of the vector. */
static void test_one_of_ten(void **state)
{
	struct vectors v = vectors();
	struct crypt_cbc *c;
	uint8_t data[31 * 16 + 7];

	memset(data, 0xaa, sizeof(data));
	for (size_t i = 0; i < 4; i++)
		memcpy(data + i * 160, v.clear + i * 16, 16);
	assert_int_equal(crypt_cbc_create(v.key, &c), 0);
	assert_int_equal(crypt_cbc_pattern(c, v.iv, 9, data, sizeof(data)), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		assert_int_equal(data[i], i % 160 < 16 ? v.sealed[i / 160 * 16 + i % 160] : 0xaa);
	/* The fourth block is whole only with its last byte. */
	for (size_t i = 0; i < 4; i++)
		memcpy(data + i * 160, v.clear + i * 16, 16);
	assert_int_equal(crypt_cbc_pattern(c, v.iv, 9, data, 30 * 16 + 15), 0);
	assert_memory_equal(data + 320, v.sealed + 32, 16);
	assert_memory_equal(data + 480, v.clear + 48, 16);
	crypt_cbc_destroy(c);
}

static void test_file(void **state)
{
	struct vectors v = vectors();
	struct crypt_cbc *c;
	uint8_t out[96];

	assert_int_equal(crypt_cbc_create(v.key, &c), 0);
	for (size_t step = 1; step < 64; step += 6) {
		uint8_t *p = out;

		assert_int_equal(crypt_cbc_begin(c, v.iv), 0);
		for (size_t i = 0; i < 64; i += step) {
			ssize_t n = crypt_cbc_add(c, v.clear + i, MIN(step, 64 - i), p);

			assert_true(n >= 0);
			p += n;
		}
		assert_int_equal(crypt_cbc_end(c, p), 16);
		assert_int_equal(p + 16 - out, crypt_cbc_size(64));
		assert_memory_equal(out, v.sealed, 64);
	}
	assert_int_equal(crypt_cbc_size(0), 16);
	assert_int_equal(crypt_cbc_size(15), 16);
	assert_int_equal(crypt_cbc_size(16), 32);
	crypt_cbc_destroy(c);
	crypt_cbc_destroy(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_block),
    cmocka_unit_test(test_one_of_ten),
    cmocka_unit_test(test_file),
};
RUN_TESTS(tests)
