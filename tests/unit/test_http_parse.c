#include "unit.h"

#include <errno.h>

#include "http/parse.h"

static int parse(const char *text, size_t n, struct http_head *h)
{
	size_t seen = 0;
	ssize_t found = http_head_find(text, n, &seen);

	if (found < 0)
		return (int)found;
	assert_true(found > 0);
	return http_head_parse(h, text, (size_t)found);
}

#define HOST "Host: a\r\n"

static void test_refused(void **state)
{
	static const struct {
		int status;
		const char *text;
	} t[] = {
	    /* the request line */
	    {-400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
	    {-400, "GET /\r\n\r\n"},
	    {-400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "GET a HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "GET http://a HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "GET / http/1.1\r\n" HOST "\r\n"},
	    {-400, "GET / HTTP/1.10\r\n" HOST "\r\n"},
	    {-505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
	    {-505, "PRI * HTTP/2.0\r\n\r\n"},
	    {-405, "PUT / HTTP/1.1\r\n" HOST "\r\n"},
	    {-501, "BREW / HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "get / HTTP/1.1\r\n" HOST "\r\n"},
	    {-400, "\x16\x03\x01\x02"},
	    /* line ends */
	    {-400, "GET / HTTP/1.1\n" HOST "\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "\r\r\n"},
	    {-400, "GET / HTTP/1.1\r\nA: b\x01\r\n"},
	    /* fields */
	    {-400, "GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "\tfolded: x\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n: a\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHo st: a\r\n\r\n"},
	    /* Host */
	    {-400, "GET / HTTP/1.1\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
	    /* bodies, and what smuggles them */
	    {-413, "GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"},
	    {-413, "GET / HTTP/1.1\r\n" HOST "Content-Length: 00005\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0, 5\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0x0\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" HOST "transfer-encoding: identity\r\n\r\n"},
	    {-400,
	     "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nTransfer-Encoding: xchunked\r\n\r\n"},
	};
	struct http_head h;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int rc = parse(t[i].text, strlen(t[i].text), &h);

		if (rc != t[i].status)
			fail_msg("%zu: %d, not %d: %s", i, rc, t[i].status, t[i].text);
	}
}

static void test_nul(void **state)
{
	static const char inside[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
	struct http_head h;

	assert_int_equal(parse(inside, sizeof(inside) - 1, &h), -400);
}

static void test_accepted(void **state)
{
	static const char text[] =
	    "GET /a/b%20c?x=1&y HTTP/1.1\r\nHost: h.example:80\r\nACCEPT:\t*/* \r\n"
	    "Content-Length: 0\r\nX: \x80\xff\r\n\r\nGET /next";
	struct http_head h;

	assert_int_equal(parse(text, sizeof(text) - 1, &h), 0);
	assert_int_equal(h.method, HTTP_GET);
	assert_int_equal(h.minor, 1);
	assert_true(h.keep_alive);
	assert_int_equal(h.path.n, 8);
	assert_memory_equal(h.path.p, "/a/b%20c", 8);
	assert_int_equal(h.query.n, 5);
	assert_int_equal(h.n, 4);
	const struct http_text *f = http_head_field(&h, "accept");
	assert_non_null(f);
	assert_int_equal(f->n, 3);
	assert_null(http_head_field(&h, "accep"));
}

static bool keeps(const char *version, const char *connection)
{
	char text[256];
	struct http_head h;

	snprintf(text, sizeof(text), "HEAD http://x.y/p HTTP/%s\r\nHost: a\r\n%s\r\n", version,
		 connection);
	assert_int_equal(parse(text, strlen(text), &h), 0);
	assert_int_equal(h.path.n, 2);
	return h.keep_alive;
}

static void test_keep_alive(void **state)
{
	assert_true(keeps("1.1", ""));
	assert_false(keeps("1.0", ""));
	assert_true(keeps("1.0", "Connection: Keep-Alive\r\n"));
	assert_false(keeps("1.1", "Connection: close\r\n"));
	assert_false(keeps("1.1", "Connection: keep-alive, CLOSE\r\n"));
	assert_false(keeps("1.1", "Connection: keep-alive\r\nConnection: x,close\r\n"));
	assert_true(keeps("1.1", "Connection: closed\r\n"));
}

/* A head that comes byte by byte is found at its last byte, and read in one pass. */
static void test_trickle(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	size_t seen = 0;

	for (size_t n = 1; n < sizeof(text) - 1; n++) {
		assert_int_equal(http_head_find(text, n, &seen), 0);
		assert_int_equal(seen, n);
	}
	assert_int_equal(http_head_find(text, sizeof(text) - 1, &seen), sizeof(text) - 1);
}

static void test_limits(void **state)
{
	static char big[HTTP_HEAD_MAX + 100];
	struct http_head h;
	size_t seen = 0;

	memset(big, 'A', sizeof(big));
	assert_int_equal(http_head_find(big, HTTP_HEAD_MAX - 1, &seen), 0);
	assert_int_equal(http_head_find(big, sizeof(big), &seen), -431);

	size_t n = (size_t)sprintf(big, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		n += (size_t)sprintf(big + n, "a: b\r\n");
	n += (size_t)sprintf(big + n, "\r\n");
	assert_int_equal(parse(big, n, &h), -431);

	n = (size_t)sprintf(big, "GET /");
	memset(big + n, 'a', HTTP_TARGET_MAX);
	n += HTTP_TARGET_MAX;
	n += (size_t)sprintf(big + n, " HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(parse(big, n, &h), -414);
}

static void test_paths(void **state)
{
	static const char *const paths[][2] = {
	    {"/", "/"},		  {"//", "/"},		{"/a//b", "/a/b"},     {"/a/./b/", "/a/b/"},
	    {"/a/../b", "/b"},	  {"/a/..", "/"},	{"/a/b/..", "/a/"},    {"/a/.", "/a/"},
	    {"/a/...", "/a/..."}, {"/%61%2e", "/a."},	{"/a/%2e%2E/b", "/b"}, {"/..", NULL},
	    {"/a/../..", NULL},	  {"/a/../../b", NULL}, {"/%2e%2e/b", NULL},   {"/a%2fb", NULL},
	    {"/a\\b", NULL},	  {"/a%5cb", NULL},	{"/a%00", NULL},       {"/a%0d", NULL},
	    {"/a%", NULL},	  {"/a%4", NULL},	{"/a%zz", NULL},       {"a", NULL},
	    {"", NULL},
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		const char *raw = paths[i][0], *want = paths[i][1];
		int rc =
		    http_path_normalise((struct http_text){raw, strlen(raw)}, out, sizeof(out));

		if (rc != (want ? 0 : -400) || (want && strcmp(out, want) != 0))
			fail_msg("%s: %d %s, not %s", raw, rc, rc ? "" : out,
				 want ? want : "refused");
	}
	char small[4];
	assert_int_equal(http_path_normalise((struct http_text){"/abcd", 5}, small, sizeof(small)),
			 -414);
}

static void test_query(void **state)
{
	char out[8];

	assert_int_equal(http_query_get("a=1&b=%41x&c", "b", out, sizeof(out)), 2);
	assert_string_equal(out, "Ax");
	assert_int_equal(http_query_get("a=1&b=2&c", "c", out, sizeof(out)), 0);
	assert_int_equal(http_query_get("ab=1", "a", out, sizeof(out)), -ENOENT);
	assert_int_equal(http_query_get("", "a", out, sizeof(out)), -ENOENT);
	assert_int_equal(http_query_get("&&a=5", "a", out, sizeof(out)), 1);
	assert_int_equal(http_query_get("a=%0", "a", out, sizeof(out)), -EINVAL);
	assert_int_equal(http_query_get("a=%00", "a", out, sizeof(out)), -EINVAL);
	assert_int_equal(http_query_get("a=12345678", "a", out, sizeof(out)), -EINVAL);
}

static void test_ranges(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
		int want;
		uint64_t first, last;
	} t[] = {
	    {"bytes=0-0", 10, 1, 0, 0},	  {"bytes=3-", 10, 1, 3, 9},
	    {"bytes=3-99", 10, 1, 3, 9},  {"bytes=-4", 10, 1, 6, 9},
	    {"bytes=-40", 10, 1, 0, 9},	  {"bytes=10-", 10, -416, 0, 0},
	    {"bytes=-0", 10, -416, 0, 0}, {"bytes=0-", 0, -416, 0, 0},
	    {"bytes=5-4", 10, 0, 0, 0},	  {"bytes=0-1,3-4", 10, 0, 0, 0},
	    {"bytes=-", 10, 0, 0, 0},	  {"bytes=a-b", 10, 0, 0, 0},
	    {"lines=0-1", 10, 0, 0, 0},	  {"bytes=99999999999999999999-", 10, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t a = 0, b = 0;
		int rc = http_range_parse((struct http_text){t[i].text, strlen(t[i].text)},
					  t[i].size, &a, &b);

		if (rc != t[i].want || a != t[i].first || b != t[i].last)
			fail_msg("%s of %llu: %d, %llu-%llu", t[i].text,
				 (unsigned long long)t[i].size, rc, (unsigned long long)a,
				 (unsigned long long)b);
	}
}

static void test_etags(void **state)
{
	struct http_text list = {"\"a\", W/\"b\"", 10};

	assert_true(http_etag_match(list, "\"a\""));
	assert_true(http_etag_match(list, "\"b\""));
	assert_false(http_etag_match(list, "\"c\""));
	assert_true(http_etag_match((struct http_text){"*", 1}, "\"c\""));
}

static void test_codings(void **state)
{
	static const struct {
		const char *accept;
		enum http_coding want;
	} t[] = {
	    {"", HTTP_IDENTITY},
	    {"gzip", HTTP_GZIP},
	    {"gzip, deflate, br", HTTP_BROTLI},
	    {"x-gzip", HTTP_GZIP},
	    {"GZIP;q=0.5 , br;q=0.4", HTTP_GZIP},
	    {"br;q=0, gzip;q=0", HTTP_IDENTITY},
	    {"br;q=0, *", HTTP_GZIP},
	    {"*;q=0", HTTP_IDENTITY},
	    {"identity, gzip;q=0.9", HTTP_IDENTITY},
	    {"identity;q=0.5, gzip;q=0.501", HTTP_GZIP},
	    {"deflate, zstd", HTTP_IDENTITY},
	    {"br;q=2, gzip;q=x, gzip;q=0.1234, gzip;z=1", HTTP_IDENTITY},
	    {",,;,gzip;q=1.000,", HTTP_GZIP},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		enum http_coding c =
		    http_coding_choose((struct http_text){t[i].accept, strlen(t[i].accept)});

		if (c != t[i].want)
			fail_msg("%s: %d, not %d", t[i].accept, c, t[i].want);
	}
}

static void test_dates(void **state)
{
	const char *text = "Sun, 06 Nov 1994 08:49:37 GMT";

	assert_int_equal(http_date_parse((struct http_text){text, strlen(text)}), 784111777);
	assert_int_equal(http_date_parse((struct http_text){text, strlen(text) - 1}), -1);
	assert_int_equal(http_date_parse((struct http_text){"", 0}), -1);
}

/* What a page holds is the text, whatever its coding; what does not get shorter stays as it is. */
static void test_page(void **state)
{
	struct buf *text = buf_create(4000), *noise = buf_create(4000), *small = buf_copy("abc", 3);
	struct http_page page = {0};
	enum http_coding c;

	memset(text->data, 'x', text->len);
	for (uint32_t i = 0, r = 1; i < noise->len; i++)
		noise->data[i] = (uint8_t)((r = r * 1664525 + 1013904223) >> 24);
	http_page_set(&page, text);
	for (c = HTTP_GZIP; c < HTTP_CODINGS; c++) {
		enum http_coding got = c;
		struct buf *b = http_page_get(&page, &got);

		assert_int_equal(got, c);
		assert_true(b->len < 200);
		assert_ptr_equal(http_page_get(&page, &got), b);
	}
	http_page_set(&page, noise);
	c = HTTP_GZIP;
	assert_ptr_equal(http_page_get(&page, &c), noise);
	assert_int_equal(c, HTTP_IDENTITY);
	http_page_set(&page, small);
	c = HTTP_BROTLI;
	assert_ptr_equal(http_page_get(&page, &c), small);
	http_page_finish(&page);
	buf_unref(text);
	buf_unref(noise);
	buf_unref(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused),  cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_accepted), cmocka_unit_test(test_keep_alive),
	    cmocka_unit_test(test_trickle),  cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_paths),    cmocka_unit_test(test_query),
	    cmocka_unit_test(test_ranges),   cmocka_unit_test(test_etags),
	    cmocka_unit_test(test_codings),  cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
