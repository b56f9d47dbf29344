/* Segments from disk. What one viewer has asked for is kept for the next as long as there is room; while it is being read,
 * all who ask for it wait for the same bytes. */
#include <errno.h>
#include <stdio.h>

#include "dvr.h"
#include "log/log.h"
#include "os/os.h"

#define FETCHED_MAX ((size_t)64 << 20) /* kept and in the hands of readers */
#define FOREVER "public, max-age=86400, immutable"

struct fetch {
	struct disk_job job;
	struct dvr *d;
	struct list link, waiting; /* waiting: requests by their links */
	char path[DVR_PATH];
	uint64_t offset;
	size_t size;
	struct buf *buf;
	bool ready;
};

/* In a request's user: what is read is a text, and it wants that as WebVTT. */
static char as_text;

static void answer_text(struct http_request *r, const struct buf *b)
{
	struct buf *text = archive_vtt(b->data, b->len);
	struct slice s = {text, 0, text ? text->len : 0};

	r->user = NULL;
	if (text)
		http_reply(r, &(struct http_answer){.status = 200,
						    .type = "text/vtt; charset=utf-8",
						    .cache = FOREVER,
						    .body = &s,
						    .n = 1});
	else
		http_reply_status(r, 503);
	buf_unref(text);
}

static void answer(struct http_request *r, const struct fetch *f)
{
	struct slice s = {f->buf, 0, f->buf->len};
	const char *ending = strrchr(f->path, '.');

	if (r->user == &as_text) {
		answer_text(r, f->buf);
		return;
	}
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = strcmp(ending, ".mjpeg") != 0 ? "video/mp4"
										  : "image/jpeg",
					    .cache = FOREVER,
					    .body = &s,
					    .n = 1});
}

static void refuse(struct http_request *r, int status)
{
	http_reply(r, &(struct http_answer){.status = status,
					    .cache = status == 404 ? "max-age=1" : "no-store",
					    .retry_after_s = status == 503 ? 1 : 0});
}

static void on_gone(struct http_request *r)
{
	list_remove(&r->link);
}

static void release_waiting(struct fetch *f, int status)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &f->waiting, link) {
		list_remove(&r->link);
		r->gone = NULL;
		if (status)
			refuse(r, status);
		else
			answer(r, f);
	}
}

static void fetch_free(struct fetch *f)
{
	list_remove(&f->link);
	f->d->fetched -= f->size;
	buf_unref(f->buf);
	free(f);
}

static int run(struct disk_job *j)
{
	struct fetch *f = container_of(j, struct fetch, job);

	return dvr_files_read(f->path, f->offset, f->buf->data, f->size);
}

static void on_read(struct disk_job *j)
{
	struct fetch *f = container_of(j, struct fetch, job);
	struct dvr *d = f->d;
	static struct log_limit limit;

	f->ready = !j->rc;
	d->reads += f->ready;
	d->read_errors += !f->ready;
	if (j->rc && j->rc != -ECANCELED && log_allow(&limit, 5, 60 * SEC_US, loop_now_us(d->loop)))
		log_warn("dvr", "%s: %s", f->path, strerror(-j->rc));
	release_waiting(f, j->rc == -ENOENT ? 404 : j->rc ? 503 : 0);
	if (!f->ready || d->closed)
		fetch_free(f);
	dvr_release(d);
}

/* Forgets what nobody reads any more, the longest unused first, until `size` fits. */
static bool make_room(struct dvr *d, size_t size)
{
	struct fetch *f, *tmp;

	list_for_safe (f, tmp, &d->fetches, link) {
		if (d->fetched + size <= FETCHED_MAX)
			break;
		if (f->ready && f->buf->refs == 1)
			fetch_free(f);
	}
	return d->fetched + size <= FETCHED_MAX;
}

static struct fetch *find(struct dvr *d, const char *path, uint64_t offset)
{
	struct fetch *f;

	list_for (f, &d->fetches, link)
		if (f->offset == offset && !strcmp(f->path, path))
			return f;
	return NULL;
}

static struct fetch *begin(struct dvr *d, const char *path, uint64_t offset, size_t size)
{
	struct fetch *f = make_room(d, size) ? calloc(1, sizeof(*f)) : NULL;

	if (!f)
		return NULL;
	f->d = d;
	f->offset = offset;
	f->size = size;
	str_copy(f->path, sizeof(f->path), path);
	list_init(&f->waiting);
	f->job.run = run;
	f->job.done = on_read;
	f->buf = buf_create(size);
	if (!f->buf || disk_post(d->read, &f->job)) {
		buf_unref(f->buf);
		free(f);
		return NULL;
	}
	list_append(&d->fetches, &f->link);
	d->fetched += size;
	d->pending++;
	return f;
}

static void get(struct dvr *d, const struct archive_file *of, const char *track, uint64_t offset,
		size_t size, struct http_request *r)
{
	char path[DVR_PATH];

	dvr_files_path(d, track, of->id, dvr_files_ending(track), path);
	struct fetch *f = find(d, path, offset);
	if (!f)
		f = begin(d, path, offset, size);
	if (!f) {
		refuse(r, 503);
		return;
	}
	list_remove(&f->link);
	list_append(&d->fetches, &f->link);
	if (f->ready) {
		answer(r, f);
		return;
	}
	r->gone = on_gone;
	list_append(&f->waiting, &r->link);
}

bool dvr_get_segment(struct dvr *d, const char *rendition, int64_t number, struct http_request *r)
{
	const struct archive_track *t = archive_find(&d->archive, rendition);
	const struct archive_file *of;
	const struct archive_entry *e = t ? archive_segment(t, number, &of) : NULL;

	if (!e)
		return false;
	get(d, of, rendition, e->offset, e->size, r);
	return true;
}

bool dvr_get_text(struct dvr *d, const char *rendition, int64_t number, struct http_request *r)
{
	const struct archive_track *t = archive_find(&d->archive, rendition);
	struct cmaf_caption k;

	if (!t || !archive_text(t, &k))
		return false;
	r->user = &as_text;
	if (dvr_get_segment(d, rendition, number, r))
		return true;
	r->user = NULL;
	return false;
}

bool dvr_get_init(struct dvr *d, const char *rendition, const char *name, struct http_request *r)
{
	const struct archive_track *t = archive_find(&d->archive, rendition);
	const struct archive_file *of = t ? archive_init(t, name) : NULL;

	if (!of)
		return false;
	get(d, of, rendition, 0, of->about.init_size, r);
	return true;
}

void dvr_read_finish(struct dvr *d)
{
	struct fetch *f, *tmp;

	list_for_safe (f, tmp, &d->fetches, link) {
		release_waiting(f, 503);
		if (f->ready)
			fetch_free(f);
	}
}

/* ---- what is asked for ---- */

void dvr_window(const struct dvr *d, struct archive_range *range)
{
	*range = (struct archive_range){
	    .from_us = os_utc_us() - d->window_us, .to_us = INT64_MAX, .live = true};
}

/* 0: there is none. */
static int instant(const char *query, const char *name, int64_t now_us, int64_t *out)
{
	char text[64];
	int n = http_query_get(query, name, text, sizeof(text));

	if (n == -ENOENT)
		return 0;
	return n < 0 || archive_time(text, now_us, out) ? -EINVAL : 1;
}

int dvr_range(const struct dvr *d, const char *query, struct archive_range *range)
{
	int64_t now = os_utc_us(), t, from = now - d->window_us, to = now;
	int has_t = instant(query, "t", now, &t), has_from = instant(query, "from", now, &from),
	    has_to = instant(query, "to", now, &to);

	if (has_t < 0 || has_from < 0 || has_to < 0 || (has_t && (has_from || has_to)) ||
	    from >= to)
		return -EINVAL;
	dvr_window(d, range);
	if (has_t) {
		range->from_us = MAX(range->from_us, t);
		range->start = true;
		snprintf(range->query, sizeof(range->query), "?t=%.3f", (double)t / 1e6);
	} else if (has_from || has_to) {
		range->from_us = MAX(range->from_us, from);
		range->to_us = to;
		range->live = false;
		range->start = true;
		snprintf(range->query, sizeof(range->query), "?from=%.3f&to=%.3f",
			 (double)range->from_us / 1e6, (double)to / 1e6);
	}
	return has_t || has_from || has_to;
}
