#include "push.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "log/log.h"
#include "os/os.h"
#include "stream/packet.h"

#define STEADY_US (20 * SEC_US) /* a connection that held this long begins the back-off anew */
#define EARLY_US (5 * SEC_US)
#define WAIT_US (SEC_US)
#define JOIN_S 2

struct push {
	struct targets all;
	const struct target_conf *conf;
	struct stream_tap *tap;
	pthread_t thread;
	bool running;
	_Atomic bool cancel;
	/* The thread's own: */
	struct media_push *out;
	struct media_info *info; /* what the server was told; NULL: not connected */
	int64_t last_dts[MEDIA_TRACKS_MAX];
	int attempts;
	char told[MEDIA_ERR]; /* the reason that was last logged */
	/* Read by the loop's thread, under the lock: */
	pthread_mutex_t lock;
	struct push_stats stats;
};

static void set_state(struct push *p, bool connected, const char *reason)
{
	pthread_mutex_lock(&p->lock);
	p->stats.connected = connected;
	if (connected)
		p->stats.connects++;
	if (*reason)
		p->stats.failures++;
	str_copy(p->stats.reason, sizeof(p->stats.reason), reason);
	pthread_mutex_unlock(&p->lock);
}

/* Tells why, when it is another reason than before, and waits. 0, or what stream_tap_sleep returns. */
static int back_off(struct push *p, const char *reason)
{
	bool again = !strcmp(reason, p->told);
	int64_t delay_us;
	uint32_t rnd;

	os_random(&rnd, sizeof(rnd));
	delay_us =
	    push_backoff_us(p->attempts++, p->all.conf->retry_us, p->all.conf->retry_max_us, rnd);
	log_write(again ? LOG_DEBUG : LOG_WARN, p->conf->parsed.shown, "%s; trying again in %.1f s",
		  reason, (double)delay_us / SEC_US);
	str_copy(p->told, sizeof(p->told), reason);
	set_state(p, false, reason);
	return stream_tap_sleep(p->tap, delay_us);
}

/* libavformat says only that it failed; most often it is a name that is not known. */
static int check_name(const struct push *p, char *reason, size_t cap)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *res = NULL;
	int r = getaddrinfo(p->conf->parsed.host, NULL, &hints, &res);

	if (r)
		snprintf(reason, cap, "unreachable: %s: %s", p->conf->parsed.host, gai_strerror(r));
	else
		freeaddrinfo(res);
	return r ? -EADDRNOTAVAIL : 0;
}

static void disconnect(struct push *p)
{
	media_push_close(p->out);
	media_info_unref(p->info);
	p->out = NULL;
	p->info = NULL;
	pthread_mutex_lock(&p->lock);
	p->stats.connected = false;
	pthread_mutex_unlock(&p->lock);
}

/* RTMP carries H.264 and AAC only, as far as this FFmpeg goes. */
static bool can_carry(const struct media_info *info, char *reason, size_t cap)
{
	for (int i = 0; i < info->n; i++) {
		const struct media_track *t = &info->track[i];

		if (t->codec == MEDIA_H264 || t->codec == MEDIA_AAC)
			continue;
		snprintf(reason, cap,
			 "codec: RTMP cannot carry %s (track %s); waiting for another stream",
			 t->codec_name, t->name);
		return false;
	}
	return true;
}

/* 0; 1 after a failure that was told and waited for; -EINTR, -ENODATA. */
static int connect_to(struct push *p, struct media_info *info)
{
	char err[MEDIA_ERR] = "", reason[MEDIA_ERR];
	int r = check_name(p, reason, sizeof(reason));

	if (!r) {
		r = media_push_open(&p->out, p->conf->full, info, p->all.conf->timeout_us,
				    &p->cancel, err);
		push_reason(r, PUSH_OPENING, err, reason, sizeof(reason));
	}
	if (r) {
		p->out = NULL;
		r = p->cancel ? -EINTR : back_off(p, reason);
		return r ? r : 1;
	}
	p->info = media_info_ref(info);
	for (int i = 0; i < MEDIA_TRACKS_MAX; i++)
		p->last_dts[i] = INT64_MIN;
	set_state(p, true, "");
	log_info(p->conf->parsed.shown, "connected");
	return 0;
}

/* Can packets of info go to the server as it has been told? */
static bool goes_on(const struct push *p, const struct media_info *info)
{
	return p->info == info || (info->utc && stream_same_tracks(p->info, info));
}

static int send_packet(struct push *p, const struct media_packet *pkt)
{
	int r;

	/* A source that has come back gives again what it gave since its last key frame. */
	if (pkt->dts <= p->last_dts[pkt->track])
		return 0;
	p->last_dts[pkt->track] = pkt->dts;
	r = media_push_write(p->out, pkt);
	pthread_mutex_lock(&p->lock);
	if (r == -EINVAL)
		p->stats.dropped++;
	if (!r) {
		p->stats.packets++;
		p->stats.bytes += (int64_t)pkt->size;
	}
	pthread_mutex_unlock(&p->lock);
	return r == -EINVAL ? 0 : r;
}

/* Sends until the connection fails (its error), the tracks change (0), or it is over (-ENODATA, -EINTR). */
static int supply(struct push *p)
{
	int64_t since_us = os_mono_us();
	int r;

	for (;;) {
		struct media_info *info;
		struct media_packet *pkt;

		if (p->attempts && os_mono_us() - since_us > STEADY_US) {
			p->attempts = 0;
			p->told[0] = 0;
		}
		r = stream_tap_take(p->tap, &info, &pkt, WAIT_US);
		if (r == -EAGAIN)
			continue;
		if (r)
			return r;
		r = goes_on(p, info) ? send_packet(p, pkt) : 1;
		media_packet_unref(pkt);
		if (r)
			return r == 1 ? 0 : r;
	}
}

/* The tracks that are to be sent. What is taken for it is thrown away: the connection begins at a key frame of its own. */
static int wait_tracks(struct push *p, struct media_info **info)
{
	char reason[MEDIA_ERR];
	struct media_packet *pkt;
	int r;

	do {
		r = stream_tap_take(p->tap, info, &pkt, WAIT_US);
		if (r)
			continue;
		media_packet_unref(pkt);
		if (can_carry(*info, reason, sizeof(reason)))
			return 0;
		if (strcmp(reason, p->told))
			log_error(p->conf->parsed.shown, "%s", reason);
		str_copy(p->told, sizeof(p->told), reason);
		set_state(p, false, reason);
		r = -EAGAIN;
	} while (r == -EAGAIN);
	return r;
}

/* A connection that stood is over: its error, or -ENODATA or -EINTR; 0 when the tracks have changed. */
static int after(struct push *p, int err, int64_t since_us)
{
	char reason[MEDIA_ERR];

	disconnect(p);
	if (!err || err == -ENODATA || err == -EINTR)
		return err;
	push_reason(err, os_mono_us() - since_us < EARLY_US ? PUSH_EARLY : PUSH_LATER, NULL, reason,
		    sizeof(reason));
	return back_off(p, reason);
}

static void *run(void *arg)
{
	struct push *p = arg;
	struct media_info *info;
	int r;

	while (!(r = wait_tracks(p, &info))) {
		int64_t since_us = os_mono_us();

		r = connect_to(p, info);
		/* From here on from the newest key frame; what has come while connecting is late. */
		if (!r)
			r = stream_tap_restart(p->tap);
		if (p->out)
			r = after(p, r ? r : supply(p), since_us);
		if (r == -ENODATA || r == -EINTR)
			break;
	}
	if (loop_post(p->all.loop, p->all.done, p->all.arg))
		log_debug(NULL, "the loop has ended before %s", p->conf->parsed.shown);
	return NULL;
}

int push_create(struct push **out, const struct targets *all, const struct target_conf *c)
{
	struct push *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	*out = NULL;
	if (!p)
		return r;
	p->all = *all;
	p->conf = c;
	pthread_mutex_init(&p->lock, NULL);
	r = stream_tap_create(&p->tap, all->feed);
	if (r)
		goto fail;
	r = -pthread_create(&p->thread, NULL, run, p);
	if (r)
		goto fail;
	p->running = true;
	*out = p;
	return 0;
fail:
	push_destroy(p);
	return r;
}

void push_stats(struct push *p, struct push_stats *s)
{
	pthread_mutex_lock(&p->lock);
	*s = p->stats;
	pthread_mutex_unlock(&p->lock);
	s->dropped += stream_tap_stats(p->tap).dropped;
}

bool push_destroy(struct push *p)
{
	struct timespec limit;

	if (!p)
		return true;
	p->cancel = true;
	if (p->running) {
		stream_tap_cancel(p->tap);
		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_sec += JOIN_S;
		if (pthread_timedjoin_np(p->thread, NULL, &limit))
			return false;
	}
	stream_tap_destroy(p->tap);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return true;
}
