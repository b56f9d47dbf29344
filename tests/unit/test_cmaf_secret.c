#include "unit.h"

#include <errno.h>

#include "cmaf/license.h"
#include "cmaf/secret.h"

static const uint8_t kid[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
				0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
static const uint8_t key[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
#define KID "00112233445566778899aabbccddeeff"
#define UUID "00112233-4455-6677-8899-AABBCCDDEEFF"
#define KEY "0123456789abcdef0123456789abcdef"

static int parse(const char *text, int *line)
{
	struct cmaf_secret s[3] = {0};
	int n = cmaf_secrets_parse(text, s, ARRAY_LEN(s), line);

	if (n > 0) {
		assert_memory_equal(s[0].kid, kid, 16);
		assert_memory_equal(s[0].key, key, 16);
	} else {
		static const struct cmaf_secret zero[3];

		assert_memory_equal(s, zero, sizeof(s)); /* wiped */
	}
	return n;
}

static void test_file(void **state)
{
	int line;

	assert_int_equal(parse(KID ":" KEY, &line), 1);
	assert_int_equal(parse("# keys\n\n  " UUID ":" KEY " \r\nff" KID, &line), -EINVAL);
	assert_int_equal(line, 4);
	assert_int_equal(parse("# keys\n\n\t" UUID ":" KEY " \r\n", &line), 1);
	assert_int_equal(parse(KID ":" KEY "\n1" KID, &line), -EINVAL);
	assert_int_equal(parse(KID ":" KEY "\n" UUID ":" KEY "\n", &line), -EEXIST);
	assert_int_equal(line, 2);
	assert_int_equal(parse(KID ":" KEY "\n10112233445566778899aabbccddeeff:" KEY
				   "\n20112233445566778899aabbccddeeff:" KEY
				   "\n30112233445566778899aabbccddeeff:" KEY,
			       &line),
			 -E2BIG);
	assert_int_equal(line, 4);
	assert_int_equal(parse("", &line), -EINVAL);
	assert_int_equal(line, 0);
	assert_int_equal(parse("#\n", &line), -EINVAL);
	assert_int_equal(parse(KID KEY, &line), -EINVAL);
	assert_int_equal(parse(KID ":" KEY "0", &line), -EINVAL);
	assert_int_equal(parse(KID ":0123456789abcdef0123456789abcdeg", &line), -EINVAL);
	assert_int_equal(parse("0011223344556677-8899-aabb-ccddeeff-:" KEY, &line), -EINVAL);
}

static int answer(const char *text, struct cmaf_secret *out)
{
	return cmaf_secret_answer(text, strlen(text), out);
}

static void assert_ours(const char *text)
{
	struct cmaf_secret s;

	assert_int_equal(answer(text, &s), 0);
	assert_memory_equal(s.kid, kid, 16);
	assert_memory_equal(s.key, key, 16);
}

static void test_json(void **state)
{
	struct cmaf_secret s;

	assert_ours("{\"kid\":\"" KID "\",\"key\":\"" KEY "\"}");
	assert_ours(" { \"key\" : \"" KEY "\", \"x\": \"kid\", \"kid\" :\n\"" UUID "\" }");
	/* A JSON Web Key Set, of which the first is taken. */
	assert_ours("{\"keys\":[{\"kty\":\"oct\",\"kid\":\"ABEiM0RVZneImaq7zN3u_w\","
		    "\"k\":\"ASNFZ4mrze8BI0VniavN7w\"},{\"kty\":\"oct\",\"k\":\"\"}],"
		    "\"type\":\"temporary\"}");
	assert_ours("{\"kid\":\"ABEiM0RVZneImaq7zN3u/w==\",\"k\":\"ASNFZ4mrze8BI0VniavN7w==\"}");
	assert_int_equal(answer("{\"kid\":\"" KID "\"}", &s), -EINVAL);
	assert_int_equal(answer("{\"kid\":\"" KID "\",\"key\":\"" KEY, &s), -EINVAL);
	assert_int_equal(answer("{\"kid\":\"" KID "\",\"key\":\"short\"}", &s), -EINVAL);
	assert_int_equal(answer("{\"kid\":\"" KID "\",\"key\":17}", &s), -EINVAL);
	assert_int_equal(answer("", &s), -EINVAL);
	assert_int_equal(answer("not found", &s), -EINVAL);
	assert_int_equal(answer("{\"a\\\"kid\":\"" KID "\",\"key\\", &s), -EINVAL);
	/* Without a name the key has one of its own: the same for the same key. */
	struct cmaf_secret t;
	assert_int_equal(answer("{\"key\":\"" KEY "\"}", &s), 0);
	assert_int_equal(cmaf_secret_answer(key, 16, &t), 0);
	assert_memory_equal(&s, &t, sizeof(s));
	assert_memory_not_equal(s.kid, s.key, 16);
	assert_int_equal(cmaf_secret_answer(key, 15, &s), -EINVAL);
}

static void test_text(void **state)
{
	char text[23];
	uint8_t a[16], b[16];

	cmaf_secret_text(kid, text);
	assert_string_equal(text, "ABEiM0RVZneImaq7zN3u_w");
	cmaf_secret_text(key, text);
	assert_string_equal(text, "ASNFZ4mrze8BI0VniavN7w");
	cmaf_secret_iv(kid, a);
	cmaf_secret_iv(key, b);
	assert_memory_not_equal(a, b, 16);
	cmaf_secret_iv(kid, b);
	assert_memory_equal(a, b, 16);
}

static void test_license(void **state)
{
	static const struct {
		const char *text;
		int n;
	} cases[] = {
	    {"{\"kids\":[\"ABEiM0RVZneImaq7zN3u_w\"],\"type\":\"temporary\"}", 1},
	    {" { \"type\" : \"temporary\" , \"kids\" : [ \"AAAAAAAAAAAAAAAAAAAAAA\" , "
	     "\"ABEiM0RVZneImaq7zN3u_w\" ] } ",
	     2},
	    {"{\"x\":{\"kids\":[1,2]},\"y\":[[],{}],\"z\":-1.5e3,\"kids\":["
	     "\"AAAAAAAAAAAAAAAAAAAAAA\"]}",
	     1},
	    {"{\"kids\":[]}", 0},
	    {"{\"kids\":[\"AA\"]}", 0}, /* an id that is none of ours */
	    {"{\"type\":\"temporary\"}", -EINVAL},
	    {"{\"kids\":[\"AAAAAAAAAAAAAAAAAAAAAA\"]", -EINVAL},
	    {"{\"kids\":[\"AAAAAAAAAAAAAAAAAAAAAA\"]}x", -EINVAL},
	    {"{\"kids\":[],\"kids\":[]}", -EINVAL},
	    {"{\"kids\":\"AAAAAAAAAAAAAAAAAAAAAA\"}", -EINVAL},
	    {"{\"kids\":[\"AAAAAAAAAAAAAAAAAAAAAA\",]}", -EINVAL},
	    {"{\"a\\\":[\"b\"]}", -EINVAL},
	    {"[]", -EINVAL},
	    {"", -EINVAL},
	    {"{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]],\"kids\":[]}", -EINVAL},
	};
	uint8_t ids[LICENSE_KIDS][16];
	char many[LICENSE_KIDS * 32 + 64] = "{\"kids\":[\"AAAAAAAAAAAAAAAAAAAAAA\"";

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(license_read(cases[i].text, strlen(cases[i].text), ids),
				 cases[i].n);
	assert_int_equal(license_read(cases[1].text, strlen(cases[1].text), ids), 2);
	assert_int_equal(ids[1][1], 0x11);
	for (int i = 1; i < LICENSE_KIDS; i++)
		strcat(many, ",\"AAAAAAAAAAAAAAAAAAAAAA\"");
	size_t n = strlen(many);
	strcpy(many + n, "]}");
	assert_int_equal(license_read(many, n + 2, ids), LICENSE_KIDS);
	strcpy(many + n, ",\"AAAAAAAAAAAAAAAAAAAAAA\"]}");
	assert_int_equal(license_read(many, strlen(many), ids), -E2BIG);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_file),
    cmocka_unit_test(test_json),
    cmocka_unit_test(test_text),
    cmocka_unit_test(test_license),
};
RUN_TESTS(tests)
