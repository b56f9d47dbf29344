#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "net/net.h"

static void round_trip(const char *text, const char *again, int family, unsigned port)
{
	struct net_addr a = {0}, b = {0};
	struct sockaddr_storage ss;
	char out[NET_ADDR_TEXT];

	assert_int_equal(net_addr_parse(text, &a), 0);
	assert_int_equal(a.family, family);
	assert_int_equal(a.port, port);
	assert_string_equal(net_addr_format(&a, out, sizeof(out)), again);
	if (!family)
		return;
	socklen_t n = net_addr_to_sockaddr(&a, &ss);

	assert_int_equal(net_addr_from_sockaddr((struct sockaddr *)&ss, n, &b), 0);
	assert_true(net_addr_equal(&a, &b));
	n = net_addr_to_sockaddr6(&a, &ss);
	assert_int_equal(ss.ss_family, AF_INET6);
	assert_int_equal(net_addr_from_sockaddr((struct sockaddr *)&ss, n, &b), 0);
	assert_true(net_addr_equal(&a, &b));
}

static void test_addresses(void **state)
{
	round_trip("127.0.0.1:80", "127.0.0.1:80", 4, 80);
	round_trip("[::1]:65535", "[::1]:65535", 6, 65535);
	round_trip("[2001:DB8:0::1]:1", "[2001:db8::1]:1", 6, 1);
	round_trip("[fe80::1%3]:53", "[fe80::1%3]:53", 6, 53);
	round_trip(":9000", ":9000", 0, 9000);
	round_trip("*:9000", ":9000", 0, 9000);
	round_trip("0.0.0.0:0", "0.0.0.0:0", 4, 0);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = {
	    "",
	    "80",
	    "127.0.0.1",
	    "127.0.0.1:",
	    "127.0.0.1:x",
	    "127.0.0.1:-1",
	    "1.2.3:80",
	    "1.2.3.4.5:80",
	    "::1:80",
	    "[::1]80",
	    "[::1]",
	    "[]:80",
	    "[1.2.3.4]:1",
	    "host:80",
	    "1.2.3.4: 80",
	    "[::1]:80x",
	    "[fe80::1%]:80",
	    "[fe80::1%eth0]:80",
	    "1.2.3.4:99999999999",
	    " 1.2.3.4:80",
	    "[::1:80",
	    "**:80",
	    "1.2.3.4:80:",
	};
	struct net_addr a = {.port = 7};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(net_addr_parse(bad[i], &a), -EINVAL);
	assert_int_equal(net_addr_parse("1.2.3.4:65536", &a), -ERANGE);
	assert_int_equal(a.port, 7);
}

static void test_ip_alone(void **state)
{
	struct net_addr a;
	char out[NET_ADDR_TEXT];

	assert_int_equal(net_addr_parse_ip("[::1]", &a), 0);
	assert_true(net_addr_is_loopback(&a));
	assert_string_equal(net_addr_format_ip(&a, out, sizeof(out)), "::1");
	assert_int_equal(net_addr_parse_ip("127.9.9.9", &a), 0);
	assert_true(net_addr_is_loopback(&a));
	assert_int_equal(net_addr_parse_ip("10.0.0.1", &a), 0);
	assert_false(net_addr_is_loopback(&a));
	assert_int_equal(net_addr_parse_ip("", &a), -EINVAL);
	assert_int_equal(net_addr_parse_ip("localhost", &a), -EINVAL);
}

static void test_hash(void **state)
{
	struct net_addr a, b;
	unsigned buckets[64] = {0};

	assert_int_equal(net_addr_parse("10.0.0.1:1", &a), 0);
	b = a;
	assert_true(net_addr_hash(&a, 42) == net_addr_hash(&b, 42));
	assert_true(net_addr_hash(&a, 42) != net_addr_hash(&a, 43));
	for (unsigned i = 0; i < 64 * 100; i++) {
		b.port = (uint16_t)i;
		buckets[net_addr_hash(&b, 42) & 63]++;
	}
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(buckets[i], 50, 150);
	b = a;
	b.ip[3] = 2;
	assert_false(net_addr_equal(&a, &b));
}

static void test_hosts(void **state)
{
	struct net_host h;
	struct net_addr a;
	char out[NET_HOST_MAX + 16];

	assert_int_equal(net_host_parse("gex.example.net:9000", &h), 0);
	assert_string_equal(h.host, "gex.example.net");
	assert_int_equal(h.port, 9000);
	assert_int_equal(net_host_addr(&h, &a), -EINVAL);
	assert_int_equal(net_host_parse("[::1]:9000", &h), 0);
	assert_string_equal(h.host, "::1");
	assert_string_equal(net_host_format(&h, out, sizeof(out)), "[::1]:9000");
	assert_int_equal(net_host_addr(&h, &a), 0);
	assert_int_equal(a.family, 6);
	assert_int_equal(a.port, 9000);
	assert_int_equal(net_host_parse("host", &h), -EINVAL);
	assert_int_equal(net_host_parse("a b:1", &h), -EINVAL);
	assert_int_equal(net_host_parse("a..b:1", &h), -EINVAL);
	assert_int_equal(net_host_parse("[host]:1", &h), -EINVAL);
	assert_int_equal(net_host_parse("host:70000", &h), -ERANGE);
}

static void test_specs(void **state)
{
	struct net_spec s;
	char err[160] = "", out[NET_SPEC_TEXT];

	assert_int_equal(net_spec_parse("tcp:127.0.0.1:80", &s, err, sizeof(err)), 0);
	assert_int_equal(s.proto, NET_TCP);
	assert_int_equal(s.ports, 1);
	assert_int_equal(net_spec_parse("udp::7000-7099", &s, err, sizeof(err)), 0);
	assert_int_equal(s.proto, NET_UDP);
	assert_int_equal(s.host.port, 7000);
	assert_int_equal(s.ports, 100);
	assert_string_equal(net_spec_format(&s, out, sizeof(out)), "udp::7000-7099");
	assert_int_equal(net_spec_parse("tcp:[::1]:1-65535", &s, err, sizeof(err)), 0);
	assert_int_equal(s.ports, 65535);
	assert_string_equal(net_spec_format(&s, out, sizeof(out)), "tcp:[::1]:1-65535");
	assert_string_equal(err, "");
	assert_int_equal(net_spec_parse("127.0.0.1:80", &s, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "tcp: or udp:"));
	assert_int_equal(net_spec_parse("tcp:80", &s, err, sizeof(err)), -EINVAL);
	assert_int_equal(net_spec_parse("tcp:h:9-8", &s, err, sizeof(err)), -ERANGE);
	assert_int_equal(net_spec_parse("tcp:h:0-8", &s, err, sizeof(err)), -ERANGE);
	assert_int_equal(net_spec_parse("tcp:h:8-", &s, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "range"));
}

static bool holds(const char *block, const char *ip)
{
	struct net_block b;
	struct net_addr a;

	assert_int_equal(net_block_parse(block, &b), 0);
	assert_int_equal(net_addr_parse_ip(ip, &a), 0);
	return net_block_has(&b, &a);
}

static void test_blocks(void **state)
{
	struct net_block b;

	assert_true(holds("192.0.2.0/24", "192.0.2.255"));
	assert_false(holds("192.0.2.0/24", "192.0.3.0"));
	assert_true(holds("192.0.2.128/25", "192.0.2.128"));
	assert_false(holds("192.0.2.128/25", "192.0.2.127"));
	assert_true(holds("192.0.2.1", "192.0.2.1"));
	assert_false(holds("192.0.2.1", "192.0.2.2"));
	assert_true(holds("0.0.0.0/0", "203.0.113.9"));
	assert_false(holds("0.0.0.0/0", "2001:db8::1"));
	assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(holds("::1", "::1"));
	assert_int_equal(net_block_parse("192.0.2.1/24", &b), -EINVAL);
	assert_int_equal(net_block_parse("192.0.2.0/33", &b), -ERANGE);
	assert_int_equal(net_block_parse("192.0.2.0/", &b), -EINVAL);
	assert_int_equal(net_block_parse("192.0.2.0/-1", &b), -EINVAL);
	assert_int_equal(net_block_parse("example.org/8", &b), -EINVAL);
	assert_int_equal(net_block_parse("", &b), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses), cmocka_unit_test(test_bad_addresses),
	    cmocka_unit_test(test_ip_alone),  cmocka_unit_test(test_hash),
	    cmocka_unit_test(test_hosts),     cmocka_unit_test(test_specs),
	    cmocka_unit_test(test_blocks),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
