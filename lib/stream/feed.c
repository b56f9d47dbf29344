#include "stream/feed.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "os/os.h"
#include "stream/packet.h"

/* What a tap that begins is given at once, at most. */
#define BURST_US (4 * SEC_US)

struct stream_feed {
	pthread_mutex_t lock;
	struct fan *fan;
	struct media_info *info;
	struct list taps;
	bool ended;
};

/* All but `held` is under the feed's lock. */
struct stream_tap {
	struct list link;
	struct stream_feed *feed;
	pthread_cond_t more;
	struct fan_reader *old, *now; /* old: of the tracks before, detached; is taken first */
	struct media_info *old_info, *now_info;
	struct media_info *held; /* what the thread was last given */
	struct fan_stats gone;	 /* of readers that are no more */
	bool cancelled;
};

int stream_feed_create(struct stream_feed **out, size_t bytes, int64_t us)
{
	struct fan_limits limits = {
	    .bytes = bytes,
	    .us = us,
	    .burst_bytes = bytes / 2,
	    .burst_us = MIN(BURST_US, us / 2),
	    .hopeless_us = NEVER_US,
	};
	struct stream_feed *f = calloc(1, sizeof(*f));
	int r;

	*out = f;
	if (!f)
		return -ENOMEM;
	pthread_mutex_init(&f->lock, NULL);
	list_init(&f->taps);
	r = fan_create(&f->fan, &limits, &stream_packet_ops);
	if (r) {
		stream_feed_destroy(f);
		*out = NULL;
	}
	return r;
}

void stream_feed_destroy(struct stream_feed *f)
{
	if (!f)
		return;
	fan_destroy(f->fan);
	media_info_unref(f->info);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void add_stats(struct stream_tap *t, struct fan_reader *r)
{
	struct fan_stats s = r ? fan_reader_stats(r) : (struct fan_stats){0};

	t->gone.taken += s.taken;
	t->gone.dropped += s.dropped;
	t->gone.skips += s.skips;
}

static void drop_old(struct stream_tap *t)
{
	add_stats(t, t->old);
	fan_reader_destroy(t->old);
	media_info_unref(t->old_info);
	t->old = NULL;
	t->old_info = NULL;
}

/* The reader of the tracks before is emptied first; a second change before that gives the older one up. */
static void change_tracks(struct stream_tap *t)
{
	struct stream_feed *f = t->feed;
	struct fan_reader *r;

	/* Without memory the tap goes on by the reader that it has, which waits for the next start. */
	if (fan_reader_create(&r, f->fan))
		return;
	if (t->now) {
		drop_old(t);
		fan_reader_detach(t->now);
		t->old = t->now;
		t->old_info = t->now_info;
	}
	t->now = r;
	t->now_info = media_info_ref(f->info);
	pthread_cond_signal(&t->more);
}

void stream_feed_start(struct stream_feed *f, struct media_info *info)
{
	struct stream_tap *t;

	pthread_mutex_lock(&f->lock);
	media_info_unref(f->info);
	f->info = media_info_ref(info);
	fan_start(f->fan, stream_video_mask(info));
	list_for (t, &f->taps, link)
		change_tracks(t);
	pthread_mutex_unlock(&f->lock);
}

void stream_feed_write(struct stream_feed *f, struct media_packet *p)
{
	struct stream_tap *t;
	struct fan_item it;

	pthread_mutex_lock(&f->lock);
	if (f->info) {
		it = stream_packet_item(f->info, p);
		fan_push(f->fan, &it, os_mono_us());
		list_for (t, &f->taps, link)
			pthread_cond_signal(&t->more);
	}
	pthread_mutex_unlock(&f->lock);
}

void stream_feed_end(struct stream_feed *f)
{
	struct stream_tap *t;

	pthread_mutex_lock(&f->lock);
	f->ended = true;
	list_for (t, &f->taps, link)
		pthread_cond_signal(&t->more);
	pthread_mutex_unlock(&f->lock);
}

int stream_tap_create(struct stream_tap **out, struct stream_feed *f)
{
	struct stream_tap *t = calloc(1, sizeof(*t));
	pthread_condattr_t a;

	*out = t;
	if (!t)
		return -ENOMEM;
	t->feed = f;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&t->more, &a);
	pthread_condattr_destroy(&a);
	pthread_mutex_lock(&f->lock);
	list_append(&f->taps, &t->link);
	if (f->info)
		change_tracks(t);
	pthread_mutex_unlock(&f->lock);
	return 0;
}

struct fan_stats stream_tap_stats(struct stream_tap *t)
{
	struct fan_stats s = {0}, sum;

	pthread_mutex_lock(&t->feed->lock);
	sum = t->gone;
	if (t->now)
		s = fan_reader_stats(t->now);
	sum.taken += s.taken;
	sum.dropped += s.dropped;
	sum.skips += s.skips;
	sum.items = s.items;
	sum.bytes = s.bytes;
	pthread_mutex_unlock(&t->feed->lock);
	return sum;
}

void stream_tap_destroy(struct stream_tap *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->feed->lock);
	list_remove(&t->link);
	fan_reader_destroy(t->old);
	fan_reader_destroy(t->now);
	pthread_mutex_unlock(&t->feed->lock);
	media_info_unref(t->old_info);
	media_info_unref(t->now_info);
	media_info_unref(t->held);
	pthread_cond_destroy(&t->more);
	free(t);
}

void stream_tap_cancel(struct stream_tap *t)
{
	pthread_mutex_lock(&t->feed->lock);
	t->cancelled = true;
	pthread_cond_signal(&t->more);
	pthread_mutex_unlock(&t->feed->lock);
}

/* Waits for a signal until the monotonic instant. False: it has come. */
static bool wait_until(struct stream_tap *t, int64_t at_us)
{
	struct timespec ts = {.tv_sec = at_us / SEC_US, .tv_nsec = at_us % SEC_US * 1000};

	return pthread_cond_timedwait(&t->more, &t->feed->lock, &ts) != ETIMEDOUT;
}

static bool take(struct stream_tap *t, struct media_packet **p)
{
	struct media_info *info = t->now_info;
	struct fan_item it;
	bool got = false;

	if (t->old) {
		got = fan_take(t->old, &it);
		if (got)
			info = t->old_info;
		else
			drop_old(t);
	}
	if (!got && (!t->now || !fan_take(t->now, &it)))
		return false;
	*p = it.p;
	if (info != t->held) {
		media_info_unref(t->held);
		t->held = media_info_ref(info);
	}
	return true;
}

int stream_tap_take(struct stream_tap *t, struct media_info **info, struct media_packet **p,
		    int64_t timeout_us)
{
	int64_t end_us = os_mono_us() + timeout_us;
	bool in_time = true;
	int r = -EAGAIN;

	pthread_mutex_lock(&t->feed->lock);
	for (;;) {
		if (t->cancelled) {
			r = -EINTR;
		} else if (take(t, p)) {
			*info = t->held;
			r = 0;
		} else if (t->feed->ended) {
			r = -ENODATA;
		} else if (in_time) {
			in_time = wait_until(t, end_us);
			continue;
		}
		break;
	}
	pthread_mutex_unlock(&t->feed->lock);
	return r;
}

int stream_tap_restart(struct stream_tap *t)
{
	struct fan_reader *r = NULL;
	int rc = 0;

	pthread_mutex_lock(&t->feed->lock);
	drop_old(t);
	if (t->now)
		rc = fan_reader_create(&r, t->feed->fan);
	if (r) {
		add_stats(t, t->now);
		fan_reader_destroy(t->now);
		t->now = r;
	}
	pthread_mutex_unlock(&t->feed->lock);
	return rc;
}

int stream_tap_sleep(struct stream_tap *t, int64_t us)
{
	int64_t end_us = os_mono_us() + us;
	int r;

	pthread_mutex_lock(&t->feed->lock);
	while (!t->cancelled && !t->feed->ended && os_mono_us() < end_us)
		wait_until(t, end_us);
	r = t->cancelled ? -EINTR : t->feed->ended ? -ENODATA : 0;
	pthread_mutex_unlock(&t->feed->lock);
	return r;
}
