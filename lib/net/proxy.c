#include "net/proxy.h"

#include <errno.h>

#define V1_MAX 107 /* with its end (section 2.1) */
#define V2_HEAD 16

static const char v2_mark[12] = "\r\n\r\n\0\r\nQUIT\n";

/* "TCP4 192.0.2.1 192.0.2.9 4711 443" */
static int read_v1(char *text, struct net_addr *src)
{
	char *rest = text, *family = strsep(&rest, " "), *from = strsep(&rest, " "),
	     *to = strsep(&rest, " "), *from_port = strsep(&rest, " "), *to_port = rest;
	struct net_addr other;
	int64_t a, b;

	*src = (struct net_addr){0};
	if (!strcmp(family, "UNKNOWN"))
		return 0;
	int want = !strcmp(family, "TCP4") ? 4 : !strcmp(family, "TCP6") ? 6 : 0;
	if (!want || !to_port || net_addr_parse_ip(from, src) || net_addr_parse_ip(to, &other) ||
	    src->family != want || other.family != want || num_int(from_port, &a) ||
	    num_int(to_port, &b) || a < 0 || a > 65535 || b < 0 || b > 65535)
		return -EINVAL;
	src->port = (uint16_t)a;
	return 0;
}

static ssize_t v1(const char *p, size_t n, struct net_addr *src)
{
	const char *end = memchr(p, '\n', MIN(n, V1_MAX));
	char text[V1_MAX + 1];

	if (!end)
		return n >= V1_MAX ? -EINVAL : 0;
	size_t len = (size_t)(end + 1 - p);
	if (len < 8 || end[-1] != '\r' || memchr(p, 0, len))
		return -EINVAL;
	memcpy(text, p + 6, len - 8);
	text[len - 8] = 0;
	return read_v1(text, src) ? -EINVAL : (ssize_t)len;
}

static ssize_t v2(const uint8_t *p, size_t n, struct net_addr *src)
{
	if (n < V2_HEAD)
		return 0;
	size_t len = (size_t)(p[14] << 8 | p[15]);
	uint8_t command = p[12] & 15, family = p[13] >> 4;
	if (p[12] >> 4 != 2 || command > 1 || V2_HEAD + len > NET_PROXY_MAX)
		return -EINVAL;
	if (n < V2_HEAD + len)
		return 0;
	*src = (struct net_addr){0};
	if (command == 1 && (family == 1 || family == 2)) {
		size_t ip = family == 1 ? 4 : 16;

		if (len < 2 * ip + 4)
			return -EINVAL;
		src->family = family == 1 ? 4 : 6;
		memcpy(src->ip, p + V2_HEAD, ip);
		src->port = (uint16_t)(p[V2_HEAD + 2 * ip] << 8 | p[V2_HEAD + 2 * ip + 1]);
	}
	return (ssize_t)(V2_HEAD + len);
}

ssize_t net_proxy_read(const void *p, size_t n, struct net_addr *src)
{
	size_t m1 = MIN(n, 6), m2 = MIN(n, sizeof(v2_mark));
	ssize_t r = -ENOENT;

	if (!memcmp(p, "PROXY ", m1))
		r = n < 6 ? 0 : v1(p, n, src);
	else if (!memcmp(p, v2_mark, m2))
		r = n < sizeof(v2_mark) ? 0 : v2(p, n, src);
	if (r > 0)
		net_addr_unmap(src);
	return r;
}
