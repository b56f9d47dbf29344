/* Bodies of requests: by chunks and by length, in one piece and byte by byte. */
#include "unit.h"

#include "http/body.h"

/* What comes of it in pieces of `step`: the status, or how many bytes were taken. */
static ssize_t feed(struct http_body *b, const char *text, size_t step)
{
	size_t n = strlen(text), at = 0;
	ssize_t k = 0;

	while (at < n && !b->done && (k = http_body_take(b, text + at, MIN(step, n - at))) >= 0)
		at += (size_t)k;
	return k < 0 ? k : (ssize_t)at;
}

static void test_chunks(void **state)
{
	static const struct {
		const char *text;
		ssize_t taken; /* or the status */
		const char *body;
	} cases[] = {
	    {"0\r\n\r\n", 5, ""},
	    {"5\r\nhello\r\n0\r\n\r\nGET /", 15, "hello"},
	    {"2\r\nab\r\n00000003\r\ncde\r\n0\r\n\r\n", 27, "abcde"},
	    {"1;x=\"y\"\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n", 27, "a"},
	    {"A\r\n0123456789\r\n0\r\n\r\n", 20, "0123456789"},
	    {"b\r\n01234567890\r\n0\r\n\r\n", -413, NULL},
	    {"9\r\n012345678\r\n2\r\nab\r\n0\r\n\r\n", -413, NULL},
	    {"000000001\r\na\r\n", -413, NULL},
	    {"\r\n", -400, NULL},
	    {";x\r\n", -400, NULL},
	    {"5\nhello\r\n0\r\n\r\n", -400, NULL},
	    {"5 \r\nhello\r\n0\r\n\r\n", -400, NULL},
	    {" 5\r\nhello\r\n", -400, NULL},
	    {"0x5\r\nhello\r\n", -400, NULL},
	    {"-1\r\n", -400, NULL},
	    {"5\r\nhelloo\r\n", -400, NULL},
	    {"5\r\nhell\r\n0\r\n\r\n", -400, NULL},
	    {"1;\n\r\na\r\n0\r\n\r\n", -400, NULL},
	    {"0\r\nX: y\n\r\n", -400, NULL},
	    {"0\r\n\rX", -400, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t step = 1; step < 40; step += 13) {
			struct http_body b;

			http_body_begin(&b, true, 0, 10);
			assert_int_equal(feed(&b, cases[i].text, step), cases[i].taken);
			assert_int_equal(b.done, cases[i].body != NULL);
			if (cases[i].body) {
				assert_int_equal(b.n, strlen(cases[i].body));
				assert_true(!b.n || !strcmp(b.data, cases[i].body));
			}
			http_body_finish(&b);
		}
	}
}

/* What is read over has an end, too. */
static void test_beside(void **state)
{
	static const char *const begins[] = {"1;", "0\r\nX:"};

	for (size_t i = 0; i < 2; i++) {
		struct http_body b;
		size_t n = 0;
		ssize_t k;

		http_body_begin(&b, true, 0, 10);
		assert_int_equal(feed(&b, begins[i], 99), strlen(begins[i]));
		while ((k = http_body_take(&b, "x", 1)) == 1 && n < 10000)
			n++;
		assert_int_equal(k, -413);
		assert_true(n < 2000);
		http_body_finish(&b);
	}
}

static void test_length(void **state)
{
	struct http_body b;

	http_body_begin(&b, false, 0, 10);
	assert_true(b.done);
	http_body_begin(&b, false, 5, 10);
	assert_int_equal(feed(&b, "helloGET", 2), 5);
	assert_true(b.done);
	assert_string_equal(b.data, "hello");
	http_body_finish(&b);
	http_body_begin(&b, false, HTTP_BODY_OPEN, 10);
	assert_int_equal(feed(&b, "0123456789", 3), 10);
	assert_false(b.done);
	assert_int_equal(feed(&b, "x", 1), -413);
	http_body_finish(&b);
	assert_null(b.data);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_chunks), cmocka_unit_test(test_beside), cmocka_unit_test(test_length)};
RUN_TESTS(tests)
