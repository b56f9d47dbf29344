/* Whom proxies name in headers. */
#include "unit.h"

#include <errno.h>

#include "http/via.h"

#include "http/http.h"

/* The client that the text names, or "none". */
static const char *client(const char *header, const char *text)
{
	static char out[NET_ADDR_TEXT];
	struct via v = {.header = VIA_NONE};
	struct net_addr a;
	char err[HTTP_ERR];

	assert_int_equal(via_read(&v, "10.0.0.0/8, 2001:db8:1::/48", header, err), 0);
	bool any = via_client(&v, (struct http_text){text, strlen(text)}, &a);
	via_finish(&v);
	return any ? net_addr_format_ip(&a, out, sizeof(out)) : "none";
}

/* One after the other: a header, and whom it names. */
struct row {
	const char *text, *client;
};

static void clients(const char *header, const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(client(header, row[i].text), row[i].client) != 0)
			fail_msg("%s: %s: %s, not %s", header, row[i].text,
				 client(header, row[i].text), row[i].client);
}

static void test_x_forwarded_for(void **state)
{
	static const struct row rows[] = {
	    {"192.0.2.1", "192.0.2.1"},
	    {"192.0.2.1, 10.1.1.1,10.2.2.2", "192.0.2.1"},
	    /* what a client has written itself */
	    {"127.0.0.1, 192.0.2.1", "192.0.2.1"},
	    {"127.0.0.1, 192.0.2.1, 10.1.1.1", "192.0.2.1"},
	    {"10.9.9.9, 10.1.1.1", "10.9.9.9"},
	    {"192.0.2.1:4711", "192.0.2.1"},
	    {"2001:db8::7", "2001:db8::7"},
	    {"[2001:db8::7]:80, 2001:db8:1::5", "2001:db8::7"},
	    {"::ffff:192.0.2.1", "192.0.2.1"},
	    {"192.0.2.1, unknown", "none"},
	    {"192.0.2.1, unknown, 10.1.1.1", "10.1.1.1"},
	    {"", "none"},
	    {",, ,", "none"},
	    {"for=192.0.2.1", "none"},
	};

	clients("X-Forwarded-For", rows, ARRAY_LEN(rows));
}

static void test_many_hops(void **state)
{
	char text[1000] = "192.0.2.1";

	for (int i = 0; i < 40; i++)
		strcat(text, ", 192.0.2.2");
	strcat(text, ", 10.0.0.1");
	assert_string_equal(client("x-forwarded-for", text), "192.0.2.2");
	strcpy(text, "192.0.2.1");
	for (int i = 0; i < 40; i++)
		strcat(text, ", 10.0.0.1");
	assert_string_equal(client("x-forwarded-for", text), "10.0.0.1");
}

static void test_forwarded(void **state)
{
	static const struct row rows[] = {
	    {"for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"},
	    {"For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"},
	    {"for=192.0.2.43, for=\"10.1.1.1\"", "192.0.2.43"},
	    {"for=1.1.1.1, proto=https ; for=192.0.2.1", "192.0.2.1"},
	    {"for=192.0.2.43, for=_hidden", "none"},
	    {"by=\"a,for=9.9.9.9\";for=192.0.2.1", "192.0.2.1"},
	    {"for=\"192.0.2.1", "none"},
	    {"192.0.2.1", "none"},
	};

	clients("Forwarded", rows, ARRAY_LEN(rows));
}

static void test_trusted(void **state)
{
	struct via v = {.header = VIA_NONE};
	struct net_addr a = {0};
	char err[HTTP_ERR];

	assert_int_equal(via_read(&v, "unix, 192.0.2.0/24", NULL, err), 0);
	assert_true(via_trusts(&v, &a));
	assert_int_equal(net_addr_parse_ip("192.0.2.7", &a), 0);
	assert_true(via_trusts(&v, &a));
	assert_int_equal(net_addr_parse_ip("192.0.3.7", &a), 0);
	assert_false(via_trusts(&v, &a));
	assert_int_equal(via_read(&v, "192.0.2.1/24", NULL, err), -EINVAL);
	assert_non_null(strstr(err, "'192.0.2.1/24' is no address or network"));
	assert_int_equal(via_read(&v, NULL, "X-Real-IP", err), -EINVAL);
	assert_non_null(strstr(err, "X-Real-IP"));
	assert_int_equal(v.trusted.len, 1); /* as it was */
	assert_int_equal(via_read(&v, NULL, "none", err), 0);
	a.family = 0;
	assert_false(via_trusts(&v, &a));
	via_finish(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_x_forwarded_for),
	    cmocka_unit_test(test_many_hops),
	    cmocka_unit_test(test_forwarded),
	    cmocka_unit_test(test_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
