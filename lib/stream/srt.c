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

SRTSOCKET srt_end_listen(struct srt_end *e, srt_listen_callback_fn *hook, void *arg, int *error,
			 char *err)
{
	struct sockaddr_storage a;
	socklen_t len;
	SRTSOCKET s;
	/* A dual-stack socket would need IPV6_V6ONLY; "" is all of IPv4, as in every other tool of SRT. */
	int r = udp_resolve(e->url, &a, &len, err);

	*error = r;
	if (r)
		return SRT_INVALID_SOCK;
	*error = -EIO;
	s = srt_end_socket(e, err);
	if (s == SRT_INVALID_SOCK)
		return s;
	*error = srtsock_listen(s, (struct sockaddr *)&a, len, hook, arg);
	if (!*error)
		return s;
	stream_fail(err, *error, "%s: %s", e->url->shown,
		    *error == -EIO ? srt_getlasterror_str() : strerror(-*error));
	srt_close(s);
	return SRT_INVALID_SOCK;
}

SRTSOCKET srt_end_connect(struct srt_end *e, const struct sockaddr *a, socklen_t len, char *err)
{
	SRTSOCKET s = srt_end_socket(e, err);

	if (s == SRT_INVALID_SOCK || srt_connect(s, a, (int)len) != SRT_ERROR)
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
	else
		snprintf(out, cap, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

bool srt_streamid_fits(const struct stream_url *u, const char *streamid)
{
	return !u->streamid || (streamid && !strcmp(streamid, u->streamid));
}
