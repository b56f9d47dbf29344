#include "stream/srt_hub.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "log/log.h"
#include "os/os.h"
#include "stream/source.h"

#define STREAMID_MAX 512

struct srt_hub {
	struct list link, seats;
	SRTSOCKET listener;
	char *host;
	int port;
	struct log_limit refused;
};

/* Never held while libsrt is called in a way that waits for its threads: those ask on_caller. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list hubs = {&hubs, &hubs};

static struct srt_seat *seat_of(struct srt_hub *h, const char *streamid)
{
	struct srt_seat *s, *any = NULL;

	list_for (s, &h->seats, link) {
		if (s->leaving)
			continue;
		if (!s->end->url->streamid)
			any = s;
		else if (srt_streamid_fits(s->end->url, streamid))
			return s;
	}
	return any;
}

/* In libsrt's thread, for every caller, before it is told anything. */
static int on_caller(void *arg, SRTSOCKET ns, int version, const struct sockaddr *peer,
		     const char *streamid)
{
	struct srt_hub *h = arg;
	bool ok = false;

	pthread_mutex_lock(&lock);
	struct srt_seat *s = seat_of(h, streamid);
	if (s && (!s->busy || s->end->url->last))
		ok = !s->end->passphrase[0] ||
		     srtsock_set_str(ns, SRTO_PASSPHRASE, s->end->passphrase);
	else
		srt_setrejectreason(ns, s ? SRT_REJX_CONFLICT : SRT_REJX_FORBIDDEN);
	if (ok)
		s->called = true;
	if (!ok && log_allow(&h->refused, 3, 10 * SEC_US, os_mono_us()))
		log_warn(s ? s->end->url->shown : "srt", "a caller is refused: %s",
			 s ? "another one is publishing" : "wrong stream id");
	pthread_mutex_unlock(&lock);
	return ok ? 0 : -1;
}

static struct srt_hub *find(const struct stream_url *u)
{
	struct srt_hub *h;

	list_for (h, &hubs, link)
		if (h->port == u->port && !strcmp(h->host, u->host))
			return h;
	return NULL;
}

static bool is_taken(const struct srt_hub *h, const char *streamid)
{
	const struct srt_seat *s;

	list_for (s, &h->seats, link) {
		const char *other = s->end->url->streamid;

		if (!s->leaving && (streamid ? other && !strcmp(other, streamid) : !other))
			return true;
	}
	return false;
}

/* Under the lock; on_caller cannot have been called yet when this returns. */
static struct srt_hub *make(const struct srt_end *end, int *error, char *err)
{
	struct srt_hub *h = calloc(1, sizeof(*h));
	/* Each seat has a passphrase of its own, which on_caller sets. */
	struct srt_end bare = {.url = end->url};

	*error = -ENOMEM;
	if (!h || !(h->host = strdup(end->url->host)))
		goto fail;
	list_init(&h->seats);
	h->port = end->url->port;
	h->listener = srt_end_listen(&bare, on_caller, h, error, err);
	if (h->listener == SRT_INVALID_SOCK)
		goto fail;
	list_append(&hubs, &h->link);
	return h;
fail:
	if (h)
		free(h->host);
	free(h);
	return NULL;
}

int srt_seat_init(struct srt_seat *s, const struct srt_end *end, char *err)
{
	const struct stream_url *u = end->url;
	int r = 0;

	*s = (struct srt_seat){.end = end, .next = SRT_INVALID_SOCK};
	list_init(&s->link);
	*err = 0;
	pthread_mutex_lock(&lock);
	struct srt_hub *h = find(u);
	if (h && is_taken(h, u->streamid))
		r = stream_fail(err, -EADDRINUSE,
				"%s: two inputs at one port need different stream ids", u->shown);
	else if (!h)
		h = make(end, &r, err);
	if (h && !r) {
		s->hub = h;
		list_append(&h->seats, &s->link);
	}
	pthread_mutex_unlock(&lock);
	if (r && !*err)
		stream_fail(err, r, "%s: %s", u->shown, strerror(-r));
	return r;
}

static void close_socket(SRTSOCKET s)
{
	if (s != SRT_INVALID_SOCK)
		srt_close(s);
}

void srt_seat_finish(struct srt_seat *s)
{
	struct srt_hub *h = s->hub;

	if (!h)
		return;
	pthread_mutex_lock(&lock);
	list_remove(&s->link);
	bool last = list_empty(&h->seats);
	if (last)
		list_remove(&h->link);
	pthread_mutex_unlock(&lock);
	close_socket(s->next);
	s->hub = NULL;
	if (!last)
		return;
	/* After this on_caller is not called any more. */
	srt_close(h->listener);
	free(h->host);
	free(h);
}

SRTSOCKET srt_seat_listener(const struct srt_seat *s)
{
	return s->hub->listener;
}

/* Puts a caller where it belongs, in the place of one that waits there. Returns who has to go. */
static SRTSOCKET lead(struct srt_hub *h, SRTSOCKET c)
{
	char streamid[STREAMID_MAX + 1] = "";
	int len = STREAMID_MAX;
	SRTSOCKET gone = c;

	if (srt_getsockflag(c, SRTO_STREAMID, streamid, &len) == SRT_ERROR)
		streamid[0] = 0;
	pthread_mutex_lock(&lock);
	struct srt_seat *s = seat_of(h, streamid);
	if (s) {
		gone = s->next;
		s->next = c;
	}
	pthread_mutex_unlock(&lock);
	return gone;
}

SRTSOCKET srt_seat_take(struct srt_seat *s)
{
	struct sockaddr_storage a;
	int len = sizeof(a);
	SRTSOCKET c;

	if (!s->called)
		return SRT_INVALID_SOCK;
	while ((c = srt_accept(s->hub->listener, (struct sockaddr *)&a, &len)) !=
	       SRT_INVALID_SOCK) {
		close_socket(lead(s->hub, c));
		len = sizeof(a);
	}
	pthread_mutex_lock(&lock);
	c = s->next;
	s->next = SRT_INVALID_SOCK;
	s->called = s->called && c == SRT_INVALID_SOCK;
	pthread_mutex_unlock(&lock);
	return c;
}
