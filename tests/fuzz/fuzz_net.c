/* Addresses, names and specs as people write them: what is read is written and read again the same. */
#include <stdio.h>
#include <stdlib.h>

#include "net/net.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void addr(const char *text)
{
	struct net_addr a, b, c;
	struct sockaddr_storage ss;
	char again[NET_ADDR_TEXT];

	if (net_addr_parse(text, &a))
		return;
	check(!net_addr_parse(net_addr_format(&a, again, sizeof(again)), &b));
	check(net_addr_equal(&a, &b) && net_addr_hash(&a, 1) == net_addr_hash(&b, 1));
	socklen_t n = net_addr_to_sockaddr(&a, &ss);

	check(!net_addr_from_sockaddr((struct sockaddr *)&ss, n, &c));
	check(c.port == a.port);
}

static void spec(const char *text)
{
	struct net_spec a, b;
	char again[NET_SPEC_TEXT], err[200] = "";

	if (net_spec_parse(text, &a, err, sizeof(err))) {
		check(*err);
		return;
	}
	check(a.ports >= 1 && a.host.port + a.ports - 1 <= 65535);
	check(!net_spec_parse(net_spec_format(&a, again, sizeof(again)), &b, err, sizeof(err)));
	check(a.proto == b.proto && a.ports == b.ports && a.host.port == b.host.port);
	check(!strcmp(a.host.host, b.host.host));
}

static void host(const char *text)
{
	struct net_host a, b;
	struct net_addr at;
	char again[NET_HOST_MAX + 16];

	if (net_host_parse(text, &a))
		return;
	check(!net_host_parse(net_host_format(&a, again, sizeof(again)), &b));
	check(a.port == b.port && !strcmp(a.host, b.host));
	if (!net_host_addr(&a, &at))
		check(at.port == a.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = str_ndup((const char *)data, size);

	if (!text)
		return 0;
	addr(text);
	host(text);
	spec(text);
	free(text);
	return 0;
}
