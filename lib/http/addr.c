/* Where a server listens: texts to addresses. */
#include "http/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <strings.h>

static int resolve(const struct net_host *h, struct net_addr *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
	int rc = -EADDRNOTAVAIL;

	if (getaddrinfo(h->host, NULL, &hints, &list))
		return rc;
	for (struct addrinfo *a = list; a && rc; a = a->ai_next)
		rc = net_addr_from_sockaddr(a->ai_addr, a->ai_addrlen, out);
	freeaddrinfo(list);
	out->port = h->port;
	return rc;
}

static int parse_unix(const char *path, struct http_addr *out, char *err)
{
	if (*path && str_copy(out->path, sizeof(out->path), path))
		return 0;
	snprintf(err, HTTP_ERR, "unix:%.64s: a path of 1 to %zu characters is wanted", path,
		 sizeof(out->path) - 1);
	return -EINVAL;
}

int http_addr_parse(const char *addr, struct http_addr *out, char *err)
{
	char text[NET_HOST_MAX + 16];
	struct net_host host;

	*out = (struct http_addr){0};
	if (!strncasecmp(addr, "unix:", 5))
		return parse_unix(addr + 5, out, err);
	out->tls = !strncasecmp(addr, "https://", 8);
	const char *p = out->tls ? addr + 8 : strncasecmp(addr, "http://", 7) ? addr : addr + 7;
	bool fits = str_copy(text, sizeof(text), p);
	size_t n = strlen(text);
	if (n && text[n - 1] == '/')
		text[n - 1] = 0;
	int rc = fits ? net_host_parse(text, &host) : -EINVAL;
	if (rc) {
		snprintf(
		    err, HTTP_ERR,
		    "%s: not an address to listen on; it is http://HOST:PORT, https://HOST:PORT, "
		    "HOST:PORT or unix:PATH",
		    addr);
		return rc;
	}
	if (net_host_addr(&host, &out->addr))
		rc = resolve(&host, &out->addr);
	if (rc)
		snprintf(err, HTTP_ERR, "%s: no such host", addr);
	return rc;
}

int http_addr_check(const char *addr, bool *tls, char *err)
{
	struct http_addr a;
	int rc = http_addr_parse(addr, &a, err);

	*tls = a.tls;
	return rc;
}
