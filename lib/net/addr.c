#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

/* Digits only, so that "+80" and " 80" are refused. */
static int parse_u32(const char *s, size_t n, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;

	if (!n || n > 10)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	if (v > max)
		return -ERANGE;
	*out = (uint32_t)v;
	return 0;
}

static int parse_ip6(const char *s, size_t n, struct net_addr *out)
{
	char text[INET6_ADDRSTRLEN];
	const char *zone = memchr(s, '%', n);
	size_t len = zone ? (size_t)(zone - s) : n;

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, len);
	text[len] = 0;
	if (inet_pton(AF_INET6, text, out->ip) != 1)
		return -EINVAL;
	out->family = 6;
	return zone ? parse_u32(zone + 1, n - len - 1, UINT32_MAX, &out->zone) : 0;
}

static int parse_ip4(const char *s, size_t n, struct net_addr *out)
{
	char text[INET_ADDRSTRLEN];

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = 0;
	if (inet_pton(AF_INET, text, out->ip) != 1)
		return -EINVAL;
	out->family = 4;
	return 0;
}

/* A host without brackets. */
static int parse_ip(const char *s, size_t n, struct net_addr *out)
{
	if (!n || (n == 1 && *s == '*'))
		return 0;
	return memchr(s, ':', n) ? parse_ip6(s, n, out) : parse_ip4(s, n, out);
}

/* Cuts HOST:PORT at its last colon; brackets are taken off. */
static int split(const char *s, const char **host, size_t *len, const char **port)
{
	const char *colon = strrchr(s, ':');

	if (!colon)
		return -EINVAL;
	*host = s;
	*len = (size_t)(colon - s);
	*port = colon + 1;
	if (*s == '[') {
		if (*len < 4 || colon[-1] != ']')
			return -EINVAL;
		*host += 1;
		*len -= 2;
		return memchr(*host, ':', *len) ? 0 : -EINVAL;
	}
	return memchr(s, ':', *len) ? -EINVAL : 0;
}

int net_addr_parse(const char *s, struct net_addr *out)
{
	struct net_addr a = {0};
	const char *host, *port;
	uint32_t v;
	size_t n;
	int r = split(s, &host, &n, &port);

	if (!r)
		r = parse_ip(host, n, &a);
	if (!r)
		r = parse_u32(port, strlen(port), UINT16_MAX, &v);
	if (r)
		return r;
	a.port = (uint16_t)v;
	*out = a;
	return 0;
}

int net_addr_parse_ip(const char *s, struct net_addr *out)
{
	struct net_addr a = {0};
	size_t n = strlen(s);

	if (n > 2 && *s == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
	}
	int r = n ? parse_ip(s, n, &a) : -EINVAL;

	if (!r)
		*out = a;
	return r;
}

const char *net_addr_format_ip(const struct net_addr *a, char *dst, size_t cap)
{
	char ip[INET6_ADDRSTRLEN] = "*";

	if (a->family)
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, ip, sizeof(ip));
	if (a->zone)
		snprintf(dst, cap, "%s%%%u", ip, a->zone);
	else
		snprintf(dst, cap, "%s", ip);
	return dst;
}

const char *net_addr_format(const struct net_addr *a, char *dst, size_t cap)
{
	char ip[NET_ADDR_TEXT];

	net_addr_format_ip(a, ip, sizeof(ip));
	if (a->family == 6)
		snprintf(dst, cap, "[%s]:%u", ip, a->port);
	else
		snprintf(dst, cap, "%s:%u", a->family ? ip : "", a->port);
	return dst;
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && a->port == b->port && a->zone == b->zone &&
	       !memcmp(a->ip, b->ip, sizeof(a->ip));
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	__uint128_t m = (__uint128_t)(h ^ v) * 0x9e3779b97f4a7c15u;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t net_addr_hash(const struct net_addr *a, uint64_t key)
{
	uint64_t w[2];

	memcpy(w, a->ip, sizeof(w));
	uint64_t h = mix(key ^ 0xd1b54a32d192ed03u, w[0]);

	h = mix(h, w[1] ^ key);
	h = mix(h, ((uint64_t)a->zone << 32) | ((uint64_t)a->family << 16) | a->port);
	return mix(h, key);
}

bool net_addr_is_loopback(const struct net_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == 4 ? a->ip[0] == 127
			      : a->family == 6 && !memcmp(a->ip, one, sizeof(one));
}

void net_addr_unmap(struct net_addr *a)
{
	static const uint8_t before[12] = {[10] = 0xff, 0xff};

	if (a->family != 6 || memcmp(a->ip, before, sizeof(before)) != 0)
		return;
	a->family = 4;
	a->zone = 0;
	memcpy(a->ip, a->ip + 12, 4);
	memset(a->ip + 4, 0, 12);
}

int net_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct net_addr *out)
{
	struct net_addr a = {0};

	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		a.family = 4;
		a.port = ntohs(in.sin_port);
		memcpy(a.ip, &in.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		a.family = 6;
		a.port = ntohs(in6.sin6_port);
		a.zone = in6.sin6_scope_id;
		memcpy(a.ip, &in6.sin6_addr, 16);
		net_addr_unmap(&a);
	} else {
		return -EAFNOSUPPORT;
	}
	*out = a;
	return 0;
}

socklen_t net_addr_to_sockaddr(const struct net_addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};

	if (a->family != 4)
		return net_addr_to_sockaddr6(a, out);
	memcpy(&in.sin_addr, a->ip, 4);
	memset(out, 0, sizeof(*out));
	memcpy(out, &in, sizeof(in));
	return sizeof(in);
}

socklen_t net_addr_to_sockaddr6(const struct net_addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	uint8_t *ip = (uint8_t *)&in6.sin6_addr;

	if (a->family == 4) {
		ip[10] = ip[11] = 0xff;
		memcpy(ip + 12, a->ip, 4);
	} else {
		memcpy(ip, a->ip, 16);
		in6.sin6_scope_id = a->zone;
	}
	memset(out, 0, sizeof(*out));
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

/* ---- names ---- */

static bool is_name(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			  (c == '.' && i && s[i - 1] != '.');

		if (!ok)
			return false;
	}
	return true;
}

/* The host part and where the port begins. */
static int parse_host(const char *s, struct net_host *out, const char **port)
{
	struct net_addr a = {0};
	const char *host;
	size_t n;

	if (split(s, &host, &n, port) || n > NET_HOST_MAX)
		return -EINVAL;
	if (n == 1 && *host == '*')
		n = 0;
	if (*s == '[' ? parse_ip6(host, n, &a) : !is_name(host, n))
		return -EINVAL;
	memcpy(out->host, host, n);
	out->host[n] = 0;
	return 0;
}

int net_host_parse(const char *s, struct net_host *out)
{
	struct net_host h = {0};
	const char *port;
	uint32_t v;
	int r = parse_host(s, &h, &port);

	if (!r)
		r = parse_u32(port, strlen(port), UINT16_MAX, &v);
	if (r)
		return r;
	h.port = (uint16_t)v;
	*out = h;
	return 0;
}

const char *net_host_format(const struct net_host *h, char *dst, size_t cap)
{
	snprintf(dst, cap, strchr(h->host, ':') ? "[%s]:%u" : "%s:%u", h->host, h->port);
	return dst;
}

int net_host_addr(const struct net_host *h, struct net_addr *out)
{
	struct net_addr a = {0};

	if (parse_ip(h->host, strlen(h->host), &a))
		return -EINVAL;
	a.port = h->port;
	*out = a;
	return 0;
}

/* ---- listeners and backends ---- */

static int parse_ports(const char *s, struct net_spec *out)
{
	const char *dash = strchr(s, '-');
	size_t n = dash ? (size_t)(dash - s) : strlen(s);
	uint32_t first, last;
	int r = parse_u32(s, n, UINT16_MAX, &first);

	last = first;
	if (!r && dash)
		r = parse_u32(dash + 1, strlen(dash + 1), UINT16_MAX, &last);
	if (r)
		return r;
	if (last < first || (!first && last))
		return -ERANGE;
	out->host.port = (uint16_t)first;
	out->ports = (uint16_t)(last - first + 1);
	return 0;
}

int net_spec_parse(const char *s, struct net_spec *out, char *err, size_t cap)
{
	struct net_spec spec = {.proto = NET_TCP};
	const char *port;
	int r;

	if (str_starts(s, "udp:")) {
		spec.proto = NET_UDP;
	} else if (!str_starts(s, "tcp:")) {
		snprintf(err, cap, "'%.80s' does not begin with tcp: or udp:", s);
		return -EINVAL;
	}
	r = parse_host(s + 4, &spec.host, &port);
	if (r) {
		snprintf(err, cap, "'%.80s' is not %s:HOST:PORT", s, net_proto_name(spec.proto));
		return r;
	}
	r = parse_ports(port, &spec);
	if (r) {
		snprintf(err, cap, "'%.80s' is not a port or a range of ports (7000-7099)", port);
		return r;
	}
	*out = spec;
	return 0;
}

const char *net_spec_format(const struct net_spec *s, char *dst, size_t cap)
{
	char host[NET_HOST_MAX + 16];

	net_host_format(&s->host, host, sizeof(host));
	if (s->ports > 1)
		snprintf(dst, cap, "%s:%s-%u", net_proto_name(s->proto), host,
			 s->host.port + s->ports - 1u);
	else
		snprintf(dst, cap, "%s:%s", net_proto_name(s->proto), host);
	return dst;
}

const char *net_proto_name(enum net_proto p)
{
	return p == NET_UDP ? "udp" : "tcp";
}
