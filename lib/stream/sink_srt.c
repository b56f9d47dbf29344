/* srt: as a sink, MPEG-TS in messages of 1316 bytes. A listener serves every caller; a caller calls again for ever.
 *
 * libsrt has no descriptor that a loop could wait for, so a timer looks after what is not data: callers to accept, calls
 * under way, broken connections, full send buffers. Data itself is sent at once and never waits for the timer, unless the
 * buffer is full, in which case 10 ms more change nothing. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"
#include "stream/sink.h"
#include "stream/source.h"
#include "stream/srt.h"

#define TICK_US (10 * MS_US)
#define IDLE_TICK_US (50 * MS_US)
#define RETRY_MIN_US (200 * MS_US)
#define RETRY_MAX_US (5 * SEC_US)

struct srt_sink {
	struct stream_sink *sink;
	struct srt_end end;
	struct loop_timer tick;
	int refs; /* the sink's, each outlet's, the resolver's */
	bool shut;
	SRTSOCKET listener;
	int epoll; /* of the listener: to accept only when there is somebody */
	/* caller: */
	SRTSOCKET calling;
	uv_getaddrinfo_t resolver;
	int64_t call_at_us, delay_us; /* call_at_us: NEVER_US while one is under way or stands */
	char told[MEDIA_ERR];
	/* Written in libsrt's thread only. */
	struct log_limit refused;
};

struct outlet_srt {
	struct outlet o;
	struct srt_sink *q;
	SRTSOCKET s;
	bool blocked; /* to be tried again by the tick */
};

static void release(struct srt_sink *q)
{
	if (--q->refs)
		return;
	loop_timer_stop(&q->tick);
	if (q->epoll >= 0)
		srt_epoll_release(q->epoll);
	srt_end_finish(&q->end);
	free(q);
}

/* ---- an outlet ---- */

static ssize_t srt_write(struct outlet *o, const void *p, size_t n)
{
	struct outlet_srt *c = container_of(o, struct outlet_srt, o);

	n = MIN(n, SRT_MESSAGE);
	if (srt_sendmsg(c->s, p, (int)n, -1, true) != SRT_ERROR)
		return (ssize_t)n;
	if (srt_getlasterror(NULL) != SRT_EASYNCSND)
		return -ECONNRESET;
	c->blocked = true;
	return -EAGAIN;
}

static bool srt_flushed(struct outlet *o)
{
	struct outlet_srt *c = container_of(o, struct outlet_srt, o);
	size_t blocks = 0, bytes;

	if (srt_getsndbuffer(c->s, &blocks, &bytes) == SRT_ERROR || !blocks)
		return true;
	c->blocked = true;
	return false;
}

static void srt_outlet_close(struct outlet *o)
{
	struct outlet_srt *c = container_of(o, struct outlet_srt, o);
	struct srt_sink *q = c->q;

	srt_close(c->s);
	outlet_free(o);
	release(q);
}

static const struct outlet_ops outlet_srt = {
    .write = srt_write,
    .flushed = srt_flushed,
    .close = srt_outlet_close,
};

/* Takes the socket over. */
static void add(struct srt_sink *q, SRTSOCKET s)
{
	struct outlet_srt *c = calloc(1, sizeof(*c));
	char peer[80];

	if (q->listener != SRT_INVALID_SOCK)
		srt_peer_name(s, peer, sizeof(peer));
	else
		str_copy(peer, sizeof(peer), q->sink->url.shown);
	if (!c || outlet_init(&c->o, q->sink, &outlet_srt, peer)) {
		log_warn(q->sink->url.shown, "%s is refused: there are too many readers", peer);
		srt_close(s);
		free(c);
		return;
	}
	log_info(q->sink->url.shown, "connected: %s", peer);
	c->q = q;
	c->s = s;
	q->refs++;
	outlet_ready(&c->o);
}

/* ---- calling ---- */

static void call_failed(struct srt_sink *q, const char *why)
{
	if (strcmp(why, q->told))
		log_warn(q->sink->url.shown, "%s; trying again", why);
	str_copy(q->told, sizeof(q->told), why);
	q->call_at_us = os_mono_us() + q->delay_us;
	q->delay_us = MIN(q->delay_us * 2, RETRY_MAX_US);
}

static void on_resolved(uv_getaddrinfo_t *h, int status, struct addrinfo *res)
{
	struct srt_sink *q = h->data;
	char err[MEDIA_ERR] = "";

	if (!q->shut && status)
		call_failed(q, uv_strerror(status));
	if (!q->shut && !status) {
		q->calling = srt_end_connect(&q->end, res->ai_addr, res->ai_addrlen, err);
		if (q->calling == SRT_INVALID_SOCK)
			call_failed(q, err);
	}
	uv_freeaddrinfo(res);
	release(q);
}

static void call(struct srt_sink *q)
{
	const struct stream_url *u = &q->sink->url;
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%d", u->port);
	q->call_at_us = NEVER_US;
	q->resolver.data = q;
	r = uv_getaddrinfo(loop_uv(q->sink->loop), &q->resolver, on_resolved, u->host, port,
			   &hints);
	if (r)
		call_failed(q, uv_strerror(r));
	else
		q->refs++;
}

static void check_call(struct srt_sink *q)
{
	char err[MEDIA_ERR] = "";
	SRTSOCKET s = q->calling;
	int r;

	if (s == SRT_INVALID_SOCK) {
		if (os_mono_us() >= q->call_at_us)
			call(q);
		return;
	}
	r = srt_end_connected(s, err);
	if (r == -EINPROGRESS)
		return;
	q->calling = SRT_INVALID_SOCK;
	if (r) {
		srt_close(s);
		call_failed(q, err);
		return;
	}
	q->delay_us = RETRY_MIN_US;
	q->told[0] = 0;
	add(q, s);
}

/* ---- the sink ---- */

static int on_caller(void *arg, SRTSOCKET ns, int version, const struct sockaddr *peer,
		     const char *streamid)
{
	struct srt_sink *q = arg;

	if (srt_streamid_fits(q->end.url, streamid))
		return 0;
	if (log_allow(&q->refused, 3, 10 * SEC_US, os_mono_us()))
		log_warn(q->end.url->shown, "a caller is refused: wrong stream id");
	srt_setrejectreason(ns, SRT_REJX_FORBIDDEN);
	return -1;
}

static void check_outlets(struct srt_sink *q, bool *busy)
{
	struct outlet *o, *tmp;

	list_for_safe (o, tmp, &q->sink->outlets, link) {
		struct outlet_srt *c = container_of(o, struct outlet_srt, o);

		if (srt_getsockstate(c->s) != SRTS_CONNECTED) {
			outlet_fail(o, 0);
		} else if (c->blocked) {
			*busy = true;
			c->blocked = false;
			outlet_ready(o);
		}
	}
}

static void accept_all(struct srt_sink *q)
{
	struct sockaddr_storage a;
	int len = sizeof(a);
	SRT_EPOLL_EVENT ev;
	SRTSOCKET c;

	while (srt_epoll_uwait(q->epoll, &ev, 1, 0) > 0) {
		c = srt_accept(q->listener, (struct sockaddr *)&a, &len);
		if (c == SRT_INVALID_SOCK)
			return;
		add(q, c);
	}
}

static void on_tick(void *arg)
{
	struct srt_sink *q = arg;
	struct stream_sink *s = q->sink;
	bool busy = q->calling != SRT_INVALID_SOCK;

	/* What follows may end the last outlet of a sink that is closing. */
	q->refs++;
	sink_hold(s);
	check_outlets(q, &busy);
	if (!q->shut && q->listener != SRT_INVALID_SOCK)
		accept_all(q);
	else if (!q->shut)
		check_call(q);
	loop_timer_in(&q->tick, busy || q->shut ? TICK_US : IDLE_TICK_US);
	release(q);
	sink_release(s);
}

static void srt_shut(struct stream_sink *s)
{
	struct srt_sink *q = s->priv;

	q->shut = true;
	if (q->listener != SRT_INVALID_SOCK)
		srt_close(q->listener);
	if (q->calling != SRT_INVALID_SOCK)
		srt_close(q->calling);
	q->listener = q->calling = SRT_INVALID_SOCK;
	s->priv = NULL;
	loop_timer_in(&q->tick, TICK_US);
	release(q);
}

static void srt_gone(struct stream_sink *s)
{
	struct srt_sink *q = s->priv;

	if (q && !s->url.listener)
		q->call_at_us = os_mono_us() + q->delay_us;
}

static int watch_listener(struct srt_sink *q, char *err)
{
	int ev = SRT_EPOLL_IN | SRT_EPOLL_ERR;

	q->epoll = srt_epoll_create();
	if (q->epoll >= 0 && srt_epoll_add_usock(q->epoll, q->listener, &ev) != SRT_ERROR)
		return 0;
	srt_close(q->listener);
	return stream_fail(err, -EIO, "%s: %s", q->sink->url.shown, srt_getlasterror_str());
}

static int srt_open(struct stream_sink *s, char *err)
{
	struct srt_sink *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return stream_fail(err, -ENOMEM, "out of memory");
	q->sink = s;
	q->refs = 1;
	q->epoll = -1;
	q->listener = q->calling = SRT_INVALID_SOCK;
	q->delay_us = RETRY_MIN_US;
	loop_timer_init(s->loop, &q->tick, on_tick, q);
	r = srt_end_init(&q->end, &s->url, err);
	if (!r && s->url.listener) {
		q->listener = srt_end_listen(&q->end, on_caller, q, &r, err);
		if (q->listener != SRT_INVALID_SOCK)
			r = watch_listener(q, err);
	}
	if (r) {
		release(q);
		return r;
	}
	s->priv = q;
	return loop_timer_in(&q->tick, 0);
}

const struct sink_ops sink_srt = {.open = srt_open, .shut = srt_shut, .gone = srt_gone};
