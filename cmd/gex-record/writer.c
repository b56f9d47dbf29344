#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cutter.h"
#include "file.h"
#include "log/log.h"
#include "os/os.h"
#include "record.h"
#include "stream/packet.h"

#define RETRY_MIN_US (1 * SEC_US)
#define RETRY_MAX_US (30 * SEC_US)
#define JOIN_S 5
#define BEHIND 300 /* packets: some seconds, far less than the queue holds */
#define BEHIND_BYTES (32 << 20)
#define JUMP_BACK_US (10 * SEC_US)

struct writer {
	struct writer_conf conf;
	struct stream_tap *tap;
	pthread_t thread;
	bool running;
	/* The thread's own: */
	struct cutter cutter;
	struct media_info *info; /* of what is in the cutter */
	struct file file;
	int64_t file_us, last_us; /* stream time of the file's begin, of its last packet */
	int64_t last_dts[MEDIA_TRACKS_MAX];
	int64_t retry_us, retry_at_us;
	/* Read by the loop's thread: */
	_Atomic int64_t written, dropped;
	_Atomic int errors;
	pthread_mutex_t lock;
	char name[64]; /* of the current file */
	struct metric *m_bytes, *m_files, *m_errors, *m_synced, *m_dropped;
};

/* ---- files ---- */

static void set_name(struct writer *w, const char *path)
{
	const char *slash = strrchr(path, '/');

	pthread_mutex_lock(&w->lock);
	str_copy(w->name, sizeof(w->name), slash ? slash + 1 : path);
	pthread_mutex_unlock(&w->lock);
}

static void end_file(struct writer *w)
{
	if (w->file.fd >= 0)
		log_info(w->file.path, "closed, %lld bytes", (long long)w->file.size);
	file_close(&w->file);
	set_name(w, "");
}

/* The disk fails: later again, with a new file; meanwhile the stream is read on. */
static void give_up(struct writer *w, const char *what, const char *why)
{
	w->retry_us = w->retry_us ? MIN(w->retry_us * 2, RETRY_MAX_US) : RETRY_MIN_US;
	w->retry_at_us = os_mono_us() + w->retry_us;
	log_error(what, "%s; trying a new file in %lld s", why, (long long)(w->retry_us / SEC_US));
	w->errors++;
	metric_add(w->m_errors, 1);
	end_file(w);
}

/* The UTC instant at which the first pending packet entered. */
static int64_t start_utc_us(const struct writer *w, size_t n)
{
	int64_t us = w->cutter.q.at[0].us;

	return w->info->utc ? us : os_utc_us() - (w->cutter.q.at[n - 1].us - us);
}

static bool wants_new_file(const struct writer *w, int64_t us)
{
	return w->file.fd < 0 || us < w->last_us - JUMP_BACK_US || us < w->file_us ||
	       us - w->file_us >= w->conf.segment_us;
}

/* A file for the n packets that are next. False: there is none now. */
static bool ready_file(struct writer *w, size_t n)
{
	int64_t us = w->cutter.q.at[0].us;
	char err[MEDIA_ERR];

	if (!cutter_at_start(&w->cutter))
		return w->file.fd >= 0;
	if (!wants_new_file(w, us))
		return true;
	end_file(w);
	if (os_mono_us() < w->retry_at_us)
		return false;
	if (file_open(&w->file, w->conf.dir, start_utc_us(w, n), w->info, err)) {
		give_up(w, w->conf.dir, err);
		return false;
	}
	log_info(w->file.path, "recording");
	metric_add(w->m_files, 1);
	set_name(w, w->file.path);
	w->file_us = us;
	for (int i = 0; i < MEDIA_TRACKS_MAX; i++)
		w->last_dts[i] = INT64_MIN;
	return true;
}

static void drop(struct writer *w, size_t n)
{
	w->dropped += (int64_t)n;
	metric_add(w->m_dropped, (int64_t)n);
}

/* After a reconnection a source gives again what it has given since its last key frame; the file has that. */
static void add(struct writer *w, const struct cutter_item *i)
{
	int t = i->p->track;

	if (i->p->dts <= w->last_dts[t])
		return;
	w->last_dts[t] = i->p->dts;
	w->last_us = i->us;
	if (file_add(&w->file, i->p))
		drop(w, 1);
}

static void write_fragment(struct writer *w, size_t n)
{
	int64_t before;
	int r;

	if (!ready_file(w, n)) {
		drop(w, n);
		return;
	}
	before = w->file.size;
	for (size_t i = 0; i < n; i++)
		add(w, &w->cutter.q.at[i]);
	r = file_sync(&w->file);
	if (r) {
		drop(w, n);
		give_up(w, w->file.path, strerror(-r));
		return;
	}
	w->retry_us = 0;
	w->written += w->file.size - before;
	metric_add(w->m_bytes, w->file.size - before);
	metric_set(w->m_synced, os_utc_us() / SEC_US);
}

static void write_ripe(struct writer *w, bool all)
{
	size_t n;

	while ((n = cutter_next(&w->cutter, all))) {
		write_fragment(w, n);
		cutter_taken(&w->cutter, n);
	}
}

/* ---- the thread ---- */

/* The source is there again, perhaps as another stream. */
static void change_info(struct writer *w, struct media_info *info)
{
	write_ripe(w, true);
	/* The timeline of a stream without UTC begins anew. */
	if (w->info && (!info->utc || !stream_same_tracks(w->info, info)))
		end_file(w);
	media_info_unref(w->info);
	w->info = media_info_ref(info);
	cutter_start(&w->cutter, info);
}

static void *run(void *arg)
{
	struct writer *w = arg;
	int r;

	do {
		struct media_info *info;
		struct media_packet *p;

		r = stream_tap_take(w->tap, &info, &p, w->conf.fragment_us);
		if (!r && info != w->info)
			change_info(w, info);
		if (!r && cutter_push(&w->cutter, p))
			drop(w, 1);
		/* When nothing comes, the source has stopped: what there is goes to the disk. */
		write_ripe(w, r != 0);
	} while (!r || r == -EAGAIN);
	end_file(w);
	if (loop_post(w->conf.loop, w->conf.done, w->conf.arg))
		log_debug(NULL, "the loop has ended before the writer");
	return NULL;
}

/* ---- life ---- */

static double queue_dropped(void *arg)
{
	struct writer *w = arg;

	return (double)stream_tap_stats(w->tap).dropped;
}

static void make_metrics(struct writer *w)
{
	struct metrics *m = w->conf.metrics;

	w->m_bytes = metrics_counter(m, "gex_record_written_bytes_total",
				     "Bytes that are on the disk.", NULL);
	w->m_files = metrics_counter(m, "gex_record_files_total", "Files begun.", NULL);
	w->m_errors = metrics_counter(m, "gex_record_errors_total", "Failures of the disk.", NULL);
	w->m_dropped = metrics_counter(m, "gex_record_dropped_packets_total",
				       "Packets not written.", "reason=\"disk\"");
	metrics_counter_fn(m, "gex_record_dropped_packets_total", "Packets not written.",
			   "reason=\"queue\"", queue_dropped, w);
	w->m_synced =
	    metrics_gauge(m, "gex_record_synced_timestamp_seconds",
			  "When a fragment last reached the disk, seconds since the epoch.", NULL);
}

static int make_dir(const char *dir, char *err)
{
	struct stat st;
	int r = 0;

	/* Only the last component: a path that is wrong further up is a mistake of the operator's. */
	if (mkdir(dir, 0777) && errno != EEXIST)
		r = -errno;
	else if (stat(dir, &st))
		r = -errno;
	else if (!S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	else if (access(dir, W_OK | X_OK))
		r = -errno;
	if (r)
		snprintf(err, MEDIA_ERR, "%.160s: %s", dir, strerror(-r));
	return r;
}

int writer_create(struct writer **out, const struct writer_conf *c, char *err)
{
	struct writer *w;
	int r = make_dir(c->dir, err);

	*out = NULL;
	if (r)
		return r;
	w = calloc(1, sizeof(*w));
	r = -ENOMEM;
	if (!w)
		goto fail;
	w->conf = *c;
	w->file.fd = -1;
	pthread_mutex_init(&w->lock, NULL);
	cutter_init(&w->cutter, c->fragment_us);
	r = stream_tap_create(&w->tap, c->feed);
	if (r)
		goto fail;
	make_metrics(w);
	r = -pthread_create(&w->thread, NULL, run, w);
	if (r)
		goto fail;
	w->running = true;
	*out = w;
	return 0;
fail:
	snprintf(err, MEDIA_ERR, "%s", strerror(-r));
	writer_destroy(w);
	return r;
}

bool writer_destroy(struct writer *w)
{
	struct timespec limit;

	if (!w)
		return true;
	if (w->running) {
		stream_tap_cancel(w->tap);
		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_sec += JOIN_S;
		if (pthread_timedjoin_np(w->thread, NULL, &limit))
			return false;
	}
	stream_tap_destroy(w->tap);
	cutter_finish(&w->cutter);
	file_close(&w->file);
	media_info_unref(w->info);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return true;
}

bool writer_is_behind(struct writer *w)
{
	struct fan_stats s = stream_tap_stats(w->tap);

	return s.items > BEHIND || s.bytes > BEHIND_BYTES;
}

void writer_status(struct writer *w, char *out, size_t cap)
{
	pthread_mutex_lock(&w->lock);
	snprintf(out, cap, "%s, %.1f MB, %lld dropped, %d errors", *w->name ? w->name : "no file",
		 (double)w->written / 1e6,
		 (long long)(w->dropped + stream_tap_stats(w->tap).dropped), w->errors);
	pthread_mutex_unlock(&w->lock);
}
