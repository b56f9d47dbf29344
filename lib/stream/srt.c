/* SRT as both sides use it: sockets in live mode. */
#include "stream/srt.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "os/os.h"
#include "stream/source.h"
#include "stream/udp.h"

#define CONNECT_MS 3000

int srt_end_init(struct srt_end *e, const struct stream_url *u, char *err)
{
	int r;

	e->url = u;
	e->passphrase[0] = 0;
	if (srtsock_start())
		return stream_fail(err, -EIO, "%s: libsrt does not start: %s", u->shown,
				   srt_getlasterror_str());
	if (!u->passphrase_file)
		return 0;
	r = os_read_secret(u->passphrase_file, e->passphrase, sizeof(e->passphrase));
	if (r == -EPERM)
		return stream_fail(err, r, "%s: others can read it; chmod 600", u->passphrase_file);
	if (r < 0 && r != -EFBIG)
		return stream_fail(err, r, "%s: %s", u->passphrase_file, strerror(-r));
	if (r == -EFBIG || strlen(e->passphrase) < 10)
		return stream_fail(err, -EINVAL, "%s: a passphrase of SRT has 10 to 79 bytes",
				   u->passphrase_file);
	return 0;
}

void srt_end_finish(struct srt_end *e)
{
	os_wipe(e->passphrase, sizeof(e->passphrase));
}

static bool set_options(struct srt_end *e, SRTSOCKET s)
{
	const struct stream_url *u = e->url;
	bool ok = srtsock_set_int(s, SRTO_PAYLOADSIZE, SRT_MESSAGE);

	ok = ok && srtsock_set_int(s, SRTO_CONNTIMEO, CONNECT_MS) &&
	     srtsock_set_int(s, SRTO_MINVERSION, 0x010300);
	if (u->latency_us >= 0)
		ok = ok && srtsock_set_int(s, SRTO_LATENCY, (int)(u->latency_us / MS_US));
	if (e->passphrase[0])
		ok = ok && srtsock_set_bool(s, SRTO_ENFORCEDENCRYPTION, true) &&
		     srtsock_set_str(s, SRTO_PASSPHRASE, e->passphrase);
	if (u->streamid && !u->listener)
		ok = ok && srtsock_set_str(s, SRTO_STREAMID, u->streamid);
	return ok;
}

SRTSOCKET srt_end_socket(struct srt_end *e, char *err)
{
	SRTSOCKET s = srtsock_create(SRTT_LIVE); /* TSBPD and TLPKTDROP come with it */

	if (s != SRT_INVALID_SOCK && set_options(e, s))
		return s;
	stream_fail(err, -EIO, "%s: %s", e->url->shown, srt_getlasterror_str());
	if (s != SRT_INVALID_SOCK)
		srt_close(s);
	return SRT_INVALID_SOCK;
}

static SRTSOCKET listen_at(struct srt_end *e, const struct sockaddr_storage *at, socklen_t len,
			   srt_listen_callback_fn *hook, void *arg, int *error, char *err)
{
	struct sockaddr_storage a = *at;
	SRTSOCKET s = srt_end_socket(e, err);

	*error = -EIO;
	if (s == SRT_INVALID_SOCK)
		return s;
	/* Only "" is for both kinds of address, wherever the system's own default stands. */
	if (a.ss_family == AF_INET6)
		srtsock_set_int(s, SRTO_IPV6ONLY, *e->url->host != 0);
	*error = srtsock_listen(s, (struct sockaddr *)&a, len, hook, arg);
	if (!*error)
		return s;
	stream_fail(err, *error, "%s: %s", e->url->shown,
		    *error == -EIO ? srt_getlasterror_str() : strerror(-*error));
	srt_close(s);
	return SRT_INVALID_SOCK;
}

/* "" is all of IPv6 and IPv4, or of IPv4 where the kernel has nothing else. */
SRTSOCKET srt_end_listen(struct srt_end *e, srt_listen_callback_fn *hook, void *arg, int *error,
			 char *err)
{
	struct sockaddr_in6 all = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)e->url->port)};
	struct sockaddr_storage a = {0};
	socklen_t len;

	if (!*e->url->host) {
		memcpy(&a, &all, sizeof(all));
		SRTSOCKET s = listen_at(e, &a, sizeof(all), hook, arg, error, err);
		if (s != SRT_INVALID_SOCK || *error == -EADDRINUSE)
			return s;
	}
	*error = udp_resolve(e->url, &a, &len, err);
	return *error ? SRT_INVALID_SOCK : listen_at(e, &a, len, hook, arg, error, err);
}

/* Both sides send from the port to which the other one sends. */
static bool meet(SRTSOCKET s, const struct sockaddr *a, socklen_t len)
{
	struct sockaddr_storage own = {.ss_family = a->sa_family};

	if (a->sa_family == AF_INET6)
		((struct sockaddr_in6 *)&own)->sin6_port =
		    ((const struct sockaddr_in6 *)a)->sin6_port;
	else
		((struct sockaddr_in *)&own)->sin_port = ((const struct sockaddr_in *)a)->sin_port;
	if (a->sa_family == AF_INET6)
		srtsock_set_int(s, SRTO_IPV6ONLY, 1);
	return srtsock_set_bool(s, SRTO_RENDEZVOUS, true) &&
	       srt_bind(s, (struct sockaddr *)&own, (int)len) != SRT_ERROR;
}

SRTSOCKET srt_end_connect(struct srt_end *e, const struct sockaddr *a, socklen_t len, char *err)
{
	SRTSOCKET s = srt_end_socket(e, err);

	if (s == SRT_INVALID_SOCK)
		return s;
	if ((!e->url->rendezvous || meet(s, a, len)) && srt_connect(s, a, (int)len) != SRT_ERROR)
		return s;
	stream_fail(err, -EIO, "%s", srt_getlasterror_str());
	srt_close(s);
	return SRT_INVALID_SOCK;
}

int srt_end_connected(SRTSOCKET s, char *err)
{
	int r = srtsock_connected(s);

	return r && r != -EINPROGRESS ? stream_fail(err, r, "%s", srtsock_reason(s)) : r;
}

void srt_peer_name(SRTSOCKET s, char *out, size_t cap)
{
	struct sockaddr_storage a;
	int len = sizeof(a);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (srt_getpeername(s, (struct sockaddr *)&a, &len) == SRT_ERROR ||
	    getnameinfo((struct sockaddr *)&a, (socklen_t)len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		str_copy(out, cap, "unknown peer");
	else if (str_starts(host, "::ffff:"))
		snprintf(out, cap, "%s:%s", host + 7, port);
	else
		snprintf(out, cap, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* The resource that a stream id in the form of SRT's access control names: "#!::r=NAME,m=publish". */
static bool names(const char *streamid, const char *resource)
{
	size_t n = strlen(resource);

	if (!str_starts(streamid, "#!::"))
		return false;
	for (const char *p = streamid + 4; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		if (len == n + 2 && !memcmp(p, "r=", 2) && !memcmp(p + 2, resource, n))
			return true;
		p += len;
	}
	return false;
}

bool srt_streamid_fits(const struct stream_url *u, const char *streamid)
{
	return !u->streamid ||
	       (streamid && (!strcmp(streamid, u->streamid) || names(streamid, u->streamid)));
}
