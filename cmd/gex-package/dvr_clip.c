/* /NAME/clip.mp4?from=&to=: a span as one progressive MP4. A thread reads the heads of the fragments that lie in it and makes the
 * file's own head (dvr_head.c); from then on the file is known to its last byte: the head, and whole segments from disk, a piece
 * at a time as the reader takes them. */
#include "dvr_clip.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIPS_MAX 16
#define PIECE ((size_t)128 << 10)
#define BEFORE_US (20 * SEC_US) /* that far back is looked for a key frame */

void dvr_clip_path(const struct clip *c, int track, int64_t file, char path[DVR_PATH])
{
	dvr_files_path(c->d, c->track[track].name, file, ".mp4", path);
}

/* ---- the body: a piece at a time ---- */

static const struct extent *find_extent(const struct clip *c, uint64_t at)
{
	size_t lo = 0, hi = c->extent.len;

	while (lo + 1 < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->extent.at[mid].at <= at)
			lo = mid;
		else
			hi = mid;
	}
	return &c->extent.at[lo];
}

static int read_piece(struct disk_job *j)
{
	struct clip *c = container_of(j, struct clip, job);
	uint64_t at = c->at;
	size_t n = (size_t)MIN(c->end - at, PIECE), done = 0;

	c->piece = buf_create(n);
	if (!c->piece)
		return -ENOMEM;
	if (at < c->head->len) {
		done = (size_t)MIN(c->head->len - at, n);
		memcpy(c->piece->data, c->head->data + at, done);
	}
	while (done < n) {
		uint64_t in = at + done - c->head->len;
		const struct extent *e = find_extent(c, in);
		size_t k = (size_t)MIN(e->at + e->size - in, n - done);
		char path[DVR_PATH];

		dvr_clip_path(c, e->track, e->file, path);
		int rc = dvr_files_read(path, e->offset + (in - e->at), c->piece->data + done, k);
		if (rc)
			return rc;
		done += k;
	}
	return 0;
}

static void clip_free(struct clip *c)
{
	struct dvr *d = c->d;

	list_remove(&c->link);
	d->nclips--;
	buf_unref(c->head);
	buf_unref(c->piece);
	vec_free(&c->extent);
	free(c);
}

static void refuse(struct http_request *r, int status)
{
	http_reply(r, &(struct http_answer){.status = status,
					    .cache = status == 503 ? "no-store" : "max-age=1",
					    .retry_after_s = status == 503 ? 1 : 0});
}

/* The reader is still there, and cannot have the rest. */
static void give_up(struct clip *c, int status)
{
	struct http_request *r = c->r;

	c->r = NULL;
	if (!r)
		return;
	r->gone = NULL;
	if (c->begun)
		http_stream_abort(r);
	else
		refuse(r, status);
}

static void on_piece(struct disk_job *j);

static void next_piece(struct clip *c)
{
	c->job.run = read_piece;
	c->job.done = on_piece;
	if (disk_post(c->d->read, &c->job)) {
		give_up(c, 503);
		clip_free(c);
	} else {
		c->d->pending++;
	}
}

static void on_room(struct http_request *r)
{
	next_piece(r->user);
}

static void on_piece(struct disk_job *j)
{
	struct clip *c = container_of(j, struct clip, job);
	struct dvr *d = c->d;

	if (j->rc)
		give_up(c, 503);
	if (c->r && !http_stream_write(c->r, &(struct slice){c->piece, 0, c->piece->len})) {
		c->at += c->piece->len;
		buf_unref(c->piece);
		c->piece = NULL;
		if (c->at < c->end) {
			if (http_stream_backlog(c->r) < HTTP_ROOM)
				next_piece(c);
			else
				c->r->room = on_room;
			dvr_release(d);
			return;
		}
		c->r->gone = NULL;
		http_stream_end(c->r);
		c->r = NULL;
	}
	give_up(c, 503);
	clip_free(c);
	dvr_release(d);
}

/* While a thread works for it, it stays until that is done. */
static void on_gone(struct http_request *r)
{
	struct clip *c = r->user;
	bool idle = r->room == on_room;

	c->r = NULL;
	if (idle)
		clip_free(c);
}

static void on_planned(struct disk_job *j)
{
	struct clip *c = container_of(j, struct clip, job);
	struct dvr *d = c->d;
	char etag[80];
	uint64_t n = 0;

	if (j->rc)
		give_up(c, j->rc == -ENOMEM || j->rc == -ECANCELED ? 503 : 404);
	if (!c->r) {
		clip_free(c);
		dvr_release(d);
		return;
	}
	snprintf(etag, sizeof(etag), "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
		 (uint64_t)c->from_us, (uint64_t)c->to_us, c->size);
	d->clips_made++;
	c->begun = true;
	struct http_request *r = c->r;
	void (*gone)(struct http_request * r) = r->gone;
	r->gone = NULL;
	if (!http_stream_sized(r,
			       &(struct http_answer){.status = 200,
						     .type = "video/mp4",
						     .cache = "public, max-age=3600",
						     .etag = etag},
			       c->size, &c->at, &n)) {
		clip_free(c);
	} else {
		r->gone = gone;
		c->end = c->at + n;
		next_piece(c);
	}
	dvr_release(d);
}

/* ---- what is asked for ---- */

/* Begin of the last segment not after from_us that begins with a key frame. */
static int64_t key_before(const struct archive_track *t, int64_t from_us)
{
	int64_t best = from_us;
	const struct archive_file *f;

	list_for (f, &t->files, link) {
		for (size_t i = 0; i < f->e.len; i++) {
			int64_t start_us = archive_us(f, f->e.at[i].start);

			if (start_us > from_us)
				return best;
			if (f->e.at[i].independent && start_us > from_us - BEFORE_US)
				best = start_us;
		}
	}
	return best;
}

/* The segments of a track that are needed, as long as they go with one init segment. */
static int add_extents(struct clip *c, const struct archive_track *t, int track)
{
	int64_t from_us = key_before(t, c->from_us);
	const char *init = NULL;
	const struct archive_file *f;

	list_for (f, &t->files, link) {
		for (size_t i = 0; i < f->e.len; i++) {
			const struct archive_entry *e = &f->e.at[i];
			int64_t start_us = archive_us(f, e->start),
				end_us = archive_us(f, e->start + e->dur);

			if (e->gap || end_us <= from_us || start_us >= c->to_us)
				continue;
			if (f->about.scheme != CMAF_CLEAR)
				return -EPERM;
			if (!init) {
				init = f->about.init;
				c->track[track].file = f->id;
				c->track[track].init_size = f->about.init_size;
				c->track[track].kind = f->about.kind;
			}
			struct extent x = {.file = f->id,
					   .track = track,
					   .offset = e->offset,
					   .size = e->size,
					   .start_us = start_us};
			if (strcmp(init, f->about.init) != 0)
				return 0;
			if (vec_push(&c->extent, x))
				return -ENOMEM;
		}
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->start_us != y->start_us)
		return x->start_us < y->start_us ? -1 : 1;
	return x->track - y->track;
}

/* The track of a kind that was asked for by name; else the first there is in the span (of sound the standard one). */
static const struct archive_track *choose(const struct dvr *d, const struct http_request *r,
					  enum media_kind kind, const char *parameter,
					  bool *unknown)
{
	const struct archive_track *best = NULL;
	char name[32];
	int n = http_query_get(r->query, parameter, name, sizeof(name));

	for (int i = 0; i < d->archive.n; i++) {
		const struct archive_track *t = d->archive.track[i];
		const struct archive_about *o = &archive_newest(t)->about;

		if (o->kind != kind || (n >= 0 && strcmp(o->name, name) != 0) || n == -EINVAL)
			continue;
		if (!best || (o->standard && !archive_newest(best)->about.standard))
			best = t;
	}
	*unknown |= n != -ENOENT && !best;
	return best;
}

/* -ENOENT: there is nothing of the span; -EPERM: something of it is encrypted. */
static int fill(struct clip *c, const struct http_request *r)
{
	static const enum media_kind kinds[CLIP_TRACKS] = {MEDIA_VIDEO, MEDIA_AUDIO};
	static const char *const parameters[CLIP_TRACKS] = {"rendition", "audio"};
	bool unknown = false;
	uint64_t at = 0;
	struct extent *e;
	int rc = 0;

	for (int k = 0; k < CLIP_TRACKS && !rc; k++) {
		const struct archive_track *t = choose(c->d, r, kinds[k], parameters[k], &unknown);
		size_t before = c->extent.len;

		if (t)
			rc = add_extents(c, t, c->n);
		if (!t || c->extent.len == before)
			continue;
		str_copy(c->track[c->n].name, sizeof(c->track[0].name), t->name);
		c->n++;
	}
	if (rc || unknown || !c->extent.len)
		return rc ? rc : -ENOENT;
	qsort(c->extent.at, c->extent.len, sizeof(*c->extent.at), by_time);
	vec_for (e, &c->extent) {
		e->at = at;
		at += e->size;
	}
	return 0;
}

void dvr_clip(struct dvr *d, struct http_request *r)
{
	struct archive_range range;
	int asked = dvr_range(d, r->query, &range);
	struct clip *c = NULL;

	if (asked <= 0 || range.live || range.to_us - range.from_us > d->clip_us) {
		refuse(r, 400);
		return;
	}
	if (d->nclips >= CLIPS_MAX || !(c = calloc(1, sizeof(*c)))) {
		refuse(r, 503);
		return;
	}
	c->d = d;
	c->from_us = range.from_us;
	c->to_us = range.to_us;
	list_append(&d->clips, &c->link);
	d->nclips++;
	int rc = fill(c, r);
	c->job.run = dvr_head_make;
	c->job.done = on_planned;
	if (!rc)
		rc = disk_post(d->read, &c->job);
	if (rc) {
		refuse(r, rc == -ENOENT ? 404 : rc == -EPERM ? 403 : 503);
		clip_free(c);
		return;
	}
	d->pending++;
	c->r = r;
	r->user = c;
	r->gone = on_gone;
}

void dvr_clip_finish(struct dvr *d)
{
	struct clip *c, *tmp;

	list_for_safe (c, tmp, &d->clips, link) {
		bool idle = c->r && c->r->room == on_room;

		give_up(c, 503);
		if (idle)
			clip_free(c);
	}
}
