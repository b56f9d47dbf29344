#include "unit.h"

#include <errno.h>

#include "net/proxy.h"

static const char *is_of(const void *p, size_t n, ssize_t want)
{
	static char text[NET_ADDR_TEXT];
	struct net_addr a;

	assert_int_equal(net_proxy_read(p, n, &a), want);
	return net_addr_format(&a, text, sizeof(text));
}

static void refused(const char *s)
{
	struct net_addr a;

	assert_int_equal(net_proxy_read(s, strlen(s), &a), -EINVAL);
}

static void test_v1(void **state)
{
	static const char four[] = "PROXY TCP4 192.0.2.1 192.0.2.9 4711 443\r\nGET / HTTP/1.1\r\n";
	static const char six[] = "PROXY TCP6 2001:db8::1 2001:db8::2 65535 443\r\n";
	static const char mapped[] = "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.9 4711 443\r\n";
	static const char unknown[] = "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nx";
	struct net_addr a;

	assert_string_equal(is_of(four, sizeof(four) - 1, 41), "192.0.2.1:4711");
	assert_string_equal(is_of(six, sizeof(six) - 1, sizeof(six) - 1), "[2001:db8::1]:65535");
	assert_string_equal(is_of(mapped, sizeof(mapped) - 1, sizeof(mapped) - 1),
			    "192.0.2.1:4711");
	assert_int_equal(net_proxy_read(unknown, sizeof(unknown) - 1, &a), 35);
	assert_int_equal(a.family, 0);
	for (size_t n = 0; n < 41; n++) /* in any pieces */
		assert_int_equal(net_proxy_read(four, n, &a), 0);
}

static void test_v1_broken(void **state)
{
	char longer[200];

	refused("PROXY TCP4 192.0.2.1 192.0.2.9 4711\r\n");
	refused("PROXY TCP4 192.0.2.1 192.0.2.9 4711 70000\r\n");
	refused("PROXY TCP4 2001:db8::1 192.0.2.9 1 2\r\n");
	refused("PROXY TCP5 192.0.2.1 192.0.2.9 1 2\r\n");
	refused("PROXY \r\n");
	refused("PROXY TCP4 192.0.2.1 192.0.2.9 4711 443\n");
	snprintf(longer, sizeof(longer), "PROXY TCP4 %0120d", 1);
	refused(longer);
}

static size_t make_v2(uint8_t *p, uint8_t command, uint8_t family, size_t len)
{
	memcpy(p, "\r\n\r\n\0\r\nQUIT\n", 12);
	p[12] = command;
	p[13] = family;
	p[14] = (uint8_t)(len >> 8);
	p[15] = (uint8_t)len;
	for (size_t i = 0; i < len && i < 64; i++)
		p[16 + i] = (uint8_t)(i + 1);
	return 16 + len;
}

static void test_v2(void **state)
{
	uint8_t p[NET_PROXY_MAX + 100];
	struct net_addr a;
	size_t n = make_v2(p, 0x21, 0x11, 12 + 7); /* and a TLV */

	assert_string_equal(is_of(p, n, (ssize_t)n), "1.2.3.4:2314");
	for (size_t k = 0; k < n; k++)
		assert_int_equal(net_proxy_read(p, k, &a), 0);
	n = make_v2(p, 0x21, 0x21, 36);
	assert_string_equal(is_of(p, n, (ssize_t)n), "[102:304:506:708:90a:b0c:d0e:f10]:8482");
	n = make_v2(p, 0x20, 0, 0); /* LOCAL: a health check */
	assert_int_equal(net_proxy_read(p, n, &a), n);
	assert_int_equal(a.family, 0);
	n = make_v2(p, 0x21, 0x31, 216); /* AF_UNIX */
	assert_int_equal(net_proxy_read(p, n, &a), n);
	assert_int_equal(a.family, 0);
}

static void test_v2_broken(void **state)
{
	uint8_t p[NET_PROXY_MAX + 100];
	struct net_addr a;

	assert_int_equal(net_proxy_read(p, make_v2(p, 0x11, 0x11, 12), &a), -EINVAL);
	assert_int_equal(net_proxy_read(p, make_v2(p, 0x22, 0x11, 12), &a), -EINVAL);
	assert_int_equal(net_proxy_read(p, make_v2(p, 0x21, 0x11, 11), &a), -EINVAL);
	assert_int_equal(net_proxy_read(p, make_v2(p, 0x21, 0x21, 35), &a), -EINVAL);
	make_v2(p, 0x21, 0x11, NET_PROXY_MAX);
	assert_int_equal(net_proxy_read(p, 16, &a), -EINVAL); /* before all of it is there */
}

static void test_none(void **state)
{
	struct net_addr a;

	assert_int_equal(net_proxy_read("GET / HTTP/1.1\r\n", 16, &a), -ENOENT);
	assert_int_equal(net_proxy_read("PRI * HTTP/2.0\r\n", 16, &a), -ENOENT);
	assert_int_equal(net_proxy_read("\x16\x03\x01", 3, &a), -ENOENT);
	assert_int_equal(net_proxy_read("PR", 2, &a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_v1),	 cmocka_unit_test(test_v1_broken),
	    cmocka_unit_test(test_v2),	 cmocka_unit_test(test_v2_broken),
	    cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
