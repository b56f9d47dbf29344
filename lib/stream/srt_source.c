/* srt: as a source. A listener takes one publisher at a time. The next is refused while the current one sends, and takes
 * over when that has been silent for 2 s, so that an encoder which lost its network is not locked out by its own ghost; with
 * publisher=last it takes over at once. */
#include <errno.h>
#include <string.h>

#include "log/log.h"
#include "os/os.h"
#include "stream/source.h"
#include "stream/srt_hub.h"
#include "stream/udp.h"

#define GHOST_US (2 * SEC_US)
#define WAIT_MS 100 /* how soon a cancellation is seen */
#define CONNECT_STEP_US (20 * MS_US)
#define RETRY_MIN_US (200 * MS_US)
#define RETRY_MAX_US (3 * SEC_US)

struct srt_source {
	struct srt_end end;
	int epoll;
	struct srt_seat seat;
	SRTSOCKET conn, next; /* next: the publisher that takes over */
	int64_t data_us;      /* when conn last gave data */
	size_t at, len;
	char msg[1500];
};

static void watch(struct srt_source *q, SRTSOCKET s)
{
	int ev = SRT_EPOLL_IN | SRT_EPOLL_ERR;

	srt_epoll_add_usock(q->epoll, s, &ev);
}

static int srt_create(struct stream_source *s, char *err)
{
	struct srt_source *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return stream_fail(err, -ENOMEM, "out of memory");
	s->priv = q;
	q->epoll = -1;
	q->conn = q->next = SRT_INVALID_SOCK;
	r = srt_end_init(&q->end, &s->url, err);
	if (r)
		return r;
	q->epoll = srt_epoll_create();
	if (q->epoll < 0)
		return stream_fail(err, -EMFILE, "%s: %s", s->url.shown, srt_getlasterror_str());
	/* An empty set is no error, but a wait of nothing. */
	srt_epoll_set(q->epoll, SRT_EPOLL_ENABLE_EMPTY);
	if (!s->url.listener)
		return 0;
	r = srt_seat_init(&q->seat, &q->end, err);
	if (!r)
		watch(q, srt_seat_listener(&q->seat));
	return r;
}

static void drop(struct srt_source *q, SRTSOCKET *s)
{
	if (*s == SRT_INVALID_SOCK)
		return;
	srt_epoll_remove_usock(q->epoll, *s);
	srt_close(*s);
	*s = SRT_INVALID_SOCK;
}

static void srt_cancel(struct stream_source *s)
{
	((struct srt_source *)s->priv)->seat.leaving = true;
}

static void srt_destroy(struct stream_source *s)
{
	struct srt_source *q = s->priv;

	if (!q)
		return;
	drop(q, &q->conn);
	drop(q, &q->next);
	if (q->epoll >= 0)
		srt_epoll_release(q->epoll);
	srt_seat_finish(&q->seat);
	srt_end_finish(&q->end);
	free(q);
}

static int wait_caller(struct stream_source *s, struct srt_source *q)
{
	q->seat.busy = false;
	q->conn = q->next;
	q->next = SRT_INVALID_SOCK;
	while (q->conn == SRT_INVALID_SOCK) {
		SRT_EPOLL_EVENT ev[2];

		if (s->cancelled)
			return -EINTR;
		q->conn = srt_seat_take(&q->seat);
		if (q->conn == SRT_INVALID_SOCK)
			srt_epoll_uwait(q->epoll, ev, ARRAY_LEN(ev), WAIT_MS);
	}
	return 0;
}

/* One attempt, until the connection stands. */
static int try_call(struct stream_source *s, struct srt_source *q, char *err)
{
	struct sockaddr_storage a;
	socklen_t len;
	SRTSOCKET c;
	int r = udp_resolve(&s->url, &a, &len, err);

	if (r)
		return r;
	c = srt_end_connect(&q->end, (struct sockaddr *)&a, len, err);
	if (c == SRT_INVALID_SOCK)
		return -EIO;
	while ((r = srt_end_connected(c, err)) == -EINPROGRESS) {
		r = source_sleep(s, CONNECT_STEP_US);
		if (r)
			break;
	}
	if (r)
		srt_close(c);
	else
		q->conn = c;
	return r;
}

static int call(struct stream_source *s, struct srt_source *q)
{
	int64_t delay_us = RETRY_MIN_US;
	char told[MEDIA_ERR] = "";

	for (;;) {
		char err[MEDIA_ERR] = "";
		int r = try_call(s, q, err);

		if (!r || r == -EINTR)
			return r;
		if (strcmp(err, told))
			log_warn(s->url.shown, "%s; trying again", err);
		str_copy(told, sizeof(told), err);
		r = source_sleep(s, delay_us);
		if (r)
			return r;
		delay_us = MIN(delay_us * 2, RETRY_MAX_US);
	}
}

static int srt_wait(struct stream_source *s)
{
	struct srt_source *q = s->priv;
	int r;

	drop(q, &q->conn);
	q->at = q->len = 0;
	r = s->url.listener ? wait_caller(s, q) : call(s, q);
	if (r)
		return r;
	q->data_us = os_mono_us();
	q->seat.busy = true;
	watch(q, q->conn);
	if (s->url.listener)
		srt_peer_name(q->conn, s->peer, sizeof(s->peer));
	else
		str_copy(s->peer, sizeof(s->peer), s->url.shown);
	log_info(s->url.shown, "connected: %s", s->peer);
	return 0;
}

/* A caller that was let in takes over, from a silent publisher or as the URL says. True: the current connection is over. */
static bool taken_over(struct stream_source *s, struct srt_source *q)
{
	bool ghost = os_mono_us() - q->data_us >= GHOST_US;
	SRTSOCKET c = s->url.listener ? srt_seat_take(&q->seat) : SRT_INVALID_SOCK;

	if (c == SRT_INVALID_SOCK)
		return false;
	if (!ghost && !s->url.last) {
		srt_close(c);
		return false;
	}
	if (ghost)
		log_warn(s->url.shown, "%s has been silent for 2 s; another publisher takes over",
			 s->peer);
	else
		log_warn(s->url.shown, "another publisher takes over from %s", s->peer);
	q->next = c;
	return true;
}

/* The next message into q->msg. 0, 1 at the end of the connection, -EINTR. */
static int next_message(struct stream_source *s, struct srt_source *q)
{
	for (;;) {
		SRT_EPOLL_EVENT ev[2];
		int n;

		/* Without a pause of the current one there would be no other occasion. */
		if (s->url.last && taken_over(s, q))
			return 1;
		n = srt_recvmsg(q->conn, q->msg, sizeof(q->msg));
		if (n > 0) {
			q->data_us = os_mono_us();
			q->seat.busy = true;
			q->at = 0;
			q->len = (size_t)n;
			return 0;
		}
		if (n == 0 || srt_getlasterror(NULL) != SRT_EASYNCRCV)
			return 1;
		if (s->cancelled)
			return -EINTR;
		srt_epoll_uwait(q->epoll, ev, ARRAY_LEN(ev), WAIT_MS);
		q->seat.busy = os_mono_us() - q->data_us < GHOST_US;
		if (taken_over(s, q))
			return 1;
	}
}

static ssize_t srt_read(struct stream_source *s, void *p, size_t n)
{
	struct srt_source *q = s->priv;

	if (q->at == q->len) {
		int r = next_message(s, q);

		if (r) {
			/* The next publisher may come while what this one left is still being dealt with. */
			q->seat.busy = false;
			return r > 0 ? 0 : r;
		}
	}
	n = MIN(n, q->len - q->at);
	memcpy(p, q->msg + q->at, n);
	q->at += n;
	return (ssize_t)n;
}

const struct source_ops source_srt = {
    .create = srt_create,
    .wait = srt_wait,
    .read = srt_read,
    .cancel = srt_cancel,
    .destroy = srt_destroy,
};
