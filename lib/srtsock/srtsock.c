#include "srtsock/srtsock.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

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

int srtsock_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
	return started < 0 ? -EIO : 0;
}

bool srtsock_set_int(SRTSOCKET s, SRT_SOCKOPT opt, int v)
{
	return srt_setsockflag(s, opt, &v, sizeof(v)) != SRT_ERROR;
}

bool srtsock_set_bool(SRTSOCKET s, SRT_SOCKOPT opt, bool v)
{
	return srt_setsockflag(s, opt, &v, sizeof(v)) != SRT_ERROR;
}

bool srtsock_set_str(SRTSOCKET s, SRT_SOCKOPT opt, const char *v)
{
	return srt_setsockflag(s, opt, v, (int)strlen(v)) != SRT_ERROR;
}

SRTSOCKET srtsock_create(SRT_TRANSTYPE type)
{
	struct linger no_linger = {0};
	SRTSOCKET s = srt_create_socket();

	if (s == SRT_INVALID_SOCK)
		return s;
	if (srtsock_set_int(s, SRTO_TRANSTYPE, (int)type) &&
	    srtsock_set_bool(s, SRTO_RCVSYN, false) && srtsock_set_bool(s, SRTO_SNDSYN, false) &&
	    srt_setsockflag(s, SRTO_LINGER, &no_linger, sizeof(no_linger)) != SRT_ERROR)
		return s;
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

int srtsock_listen(SRTSOCKET s, const struct sockaddr *a, socklen_t len,
		   srt_listen_callback_fn *hook, void *arg)
{
	/* A port is one user's, also inside this process. */
	srtsock_set_bool(s, SRTO_REUSEADDR, false);
	if (srt_bind(s, a, (int)len) != SRT_ERROR &&
	    (!hook || srt_listen_callback(s, hook, arg) != SRT_ERROR) &&
	    srt_listen(s, BACKLOG) != SRT_ERROR)
		return 0;
	return last_errno();
}

struct reason {
	int code, err;
	const char *text;
};

static const struct reason reasons[] = {
    {SRT_REJ_BADSECRET, -EACCES, "refused: wrong passphrase"},
    {SRT_REJ_UNSECURE, -EACCES, "refused: one side has a passphrase and the other has none"},
    {SRT_REJ_TIMEOUT, -ETIMEDOUT, "no answer"},
    {SRT_REJ_UNKNOWN, -ETIMEDOUT, "no answer"},
    {SRT_REJX_CONFLICT, -EBUSY, "refused: somebody publishes there already"},
    {SRT_REJX_UNAUTHORIZED, -EACCES, "refused: stream id"},
    {SRT_REJX_FORBIDDEN, -EACCES, "refused: stream id"},
};

static const struct reason *reason_of(SRTSOCKET s)
{
	int why = srt_getrejectreason(s);

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].code == why)
			return &reasons[i];
	return NULL;
}

int srtsock_connected(SRTSOCKET s)
{
	SRT_SOCKSTATUS st = srt_getsockstate(s);
	const struct reason *r;

	if (st == SRTS_CONNECTED)
		return 0;
	if (st == SRTS_CONNECTING || st == SRTS_OPENED || st == SRTS_INIT)
		return -EINPROGRESS;
	r = reason_of(s);
	return r ? r->err : -ECONNREFUSED;
}

const char *srtsock_reason(SRTSOCKET s)
{
	const struct reason *r;
	int err = srtsock_connected(s);

	if (!err || err == -EINPROGRESS)
		return "";
	r = reason_of(s);
	return r ? r->text : srt_rejectreason_str(srt_getrejectreason(s));
}
