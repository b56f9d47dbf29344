/* SRT sockets as both sides use them: live mode, never blocking. libsrt 1.5.1's traps are kept here: options go before bind
 * or connect; a blocking close or connect can hang; a passphrase without ENFORCEDENCRYPTION leaves half-open sockets. */
#include "stream/srt.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "log/log.h"
#include "os/os.h"
#include "stream/source.h"
#include "stream/udp.h"

#define CONNECT_MS 3000
#define BACKLOG 64

/* libsrt's own lines tell of what outsiders do; they are for debugging only. */
static void on_log(void *arg, int level, const char *file, int line, const char *area,
		   const char *message)
{
	size_t n = strlen(message);

	while (n && message[n - 1] == '\n')
		n--;
	log_debug("libsrt", "%.*s", (int)MIN(n, 400), message);
}

static int started;

static void start(void)
{
	started = srt_startup();
	srt_setloghandler(NULL, on_log);
	srt_setlogflags(SRT_LOGF_DISABLE_TIME | SRT_LOGF_DISABLE_THREADNAME |
			SRT_LOGF_DISABLE_SEVERITY | SRT_LOGF_DISABLE_EOL);
	srt_setloglevel(log_get_level() >= LOG_DEBUG ? LOG_ERR : LOG_CRIT); /* of syslog */
}

int srt_end_init(struct srt_end *e, const struct stream_url *u, char *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r;

	e->url = u;
	e->passphrase[0] = 0;
	pthread_once(&once, start);
	if (started < 0)
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

static bool set_int(SRTSOCKET s, SRT_SOCKOPT opt, int v)
{
	return srt_setsockflag(s, opt, &v, sizeof(v)) != SRT_ERROR;
}

static bool set_bool(SRTSOCKET s, SRT_SOCKOPT opt, bool v)
{
	return srt_setsockflag(s, opt, &v, sizeof(v)) != SRT_ERROR;
}

static bool set_str(SRTSOCKET s, SRT_SOCKOPT opt, const char *v)
{
	return srt_setsockflag(s, opt, v, (int)strlen(v)) != SRT_ERROR;
}

static bool set_options(struct srt_end *e, SRTSOCKET s)
{
	const struct stream_url *u = e->url;
	struct linger no_linger = {0};
	bool ok;

	ok = set_int(s, SRTO_TRANSTYPE,
		     SRTT_LIVE); /* first: it resets the others; TSBPD and TLPKTDROP come with it */
	ok = ok && set_int(s, SRTO_PAYLOADSIZE, SRT_MESSAGE);
	ok = ok && set_bool(s, SRTO_RCVSYN, false) && set_bool(s, SRTO_SNDSYN, false);
	ok = ok && set_int(s, SRTO_CONNTIMEO, CONNECT_MS) && set_int(s, SRTO_MINVERSION, 0x010300);
	ok = ok && srt_setsockflag(s, SRTO_LINGER, &no_linger, sizeof(no_linger)) != SRT_ERROR;
	if (u->latency_us >= 0)
		ok = ok && set_int(s, SRTO_LATENCY, (int)(u->latency_us / MS_US));
	if (e->passphrase[0])
		ok = ok && set_bool(s, SRTO_ENFORCEDENCRYPTION, true) &&
		     set_str(s, SRTO_PASSPHRASE, e->passphrase);
	if (u->streamid && !u->listener)
		ok = ok && set_str(s, SRTO_STREAMID, u->streamid);
	return ok;
}

SRTSOCKET srt_end_socket(struct srt_end *e, char *err)
{
	SRTSOCKET s = srt_create_socket();

	if (s != SRT_INVALID_SOCK && set_options(e, s))
		return s;
	stream_fail(err, -EIO, "%s: %s", e->url->shown, srt_getlasterror_str());
	if (s != SRT_INVALID_SOCK)
		srt_close(s);
	return SRT_INVALID_SOCK;
}

/* errno of libsrt's last error, which it keeps apart from its own code. */
static int last_errno(void)
{
	int sys = 0, code = srt_getlasterror(&sys);

	if (code == SRT_EBINDCONFLICT || code == SRT_EDUPLISTEN)
		return -EADDRINUSE;
	return sys > 0 ? -sys : -EIO;
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
	/* A port is one URL's, also inside this process. */
	set_bool(s, SRTO_REUSEADDR, false);
	if (srt_bind(s, (struct sockaddr *)&a, (int)len) != SRT_ERROR &&
	    (!hook || srt_listen_callback(s, hook, arg) != SRT_ERROR) &&
	    srt_listen(s, BACKLOG) != SRT_ERROR)
		return s;
	*error = last_errno();
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
	SRT_SOCKSTATUS st = srt_getsockstate(s);
	int why;

	if (st == SRTS_CONNECTED)
		return 0;
	if (st == SRTS_CONNECTING || st == SRTS_OPENED || st == SRTS_INIT)
		return -EINPROGRESS;
	why = srt_getrejectreason(s);
	switch (why) {
	case SRT_REJ_BADSECRET:
		return stream_fail(err, -EACCES, "refused: wrong passphrase");
	case SRT_REJ_UNSECURE:
		return stream_fail(err, -EACCES,
				   "refused: one side has a passphrase and the other has none");
	case SRT_REJ_TIMEOUT:
	case SRT_REJ_UNKNOWN:
		return stream_fail(err, -ETIMEDOUT, "no answer");
	case 1409: /* SRT_REJX_CONFLICT of access_control.h */
		return stream_fail(err, -EBUSY, "refused: somebody publishes there already");
	case 1401:
	case 1403:
		return stream_fail(err, -EACCES, "refused: stream id");
	default:
		return stream_fail(err, -ECONNREFUSED, "refused: %s", srt_rejectreason_str(why));
	}
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
