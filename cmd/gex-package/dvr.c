#include "dvr.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "log/log.h"
#include "os/os.h"

#define TICK_US (2 * SEC_US)
#define RETRY_MIN_US (1 * SEC_US)
#define RETRY_MAX_US (30 * SEC_US)

static void free_all(struct dvr *d)
{
	for (size_t i = 0; i < ARRAY_LEN(d->slot); i++)
		dvr_files_close(&d->slot[i].out);
	dvr_files_close(&d->pictures.out);
	if (d->lock >= 0)
		close(d->lock);
	dvr_keys_finish(d);
	archive_finish(&d->archive);
	free(d);
}

bool dvr_release(struct dvr *d)
{
	d->pending--;
	if (!d->closed || d->pending)
		return false;
	free_all(d);
	return true;
}

/* ---- what becomes of a segment ---- */

void dvr_write_free(struct dvr_write *w)
{
	buf_unref(w->init);
	for (size_t i = 0; i < w->chunk.len; i++)
		buf_unref(w->chunk.at[i]);
	vec_free(&w->chunk);
	free(w);
}

void dvr_lose(struct dvr *d, struct dvr_slot *slot, bool discontinuity, enum dvr_loss why)
{
	d->lost[why]++;
	slot->owed |= discontinuity;
}

static void fail(struct dvr *d, int rc)
{
	int64_t now = loop_now_us(d->loop);

	if (!d->failing) {
		log_error("dvr", "%s: %s: the past is not kept", d->dir, strerror(-rc));
		d->lost_before = d->lost[DVR_DISK] - 1;
		d->pause_us = RETRY_MIN_US;
		d->retry_us = 0;
	}
	d->failing = true;
	if (now < d->retry_us)
		return;
	d->retry_us = now + d->pause_us;
	d->pause_us = MIN(2 * d->pause_us, RETRY_MAX_US);
}

static int take(struct dvr *d, const struct dvr_write *w)
{
	struct archive_track *t = archive_find(&d->archive, w->about.name);
	struct archive_file *f = t ? archive_newest(t) : NULL;

	if (!f || f->id != w->id) {
		if (!archive_begin(&d->archive, &w->about, w->id))
			return -ENOMEM;
		t = archive_find(&d->archive, w->about.name);
	}
	return archive_add(&d->archive, t, &w->e);
}

static void on_written(struct disk_job *j)
{
	struct dvr_write *w = container_of(j, struct dvr_write, job);
	struct dvr *d = w->d;
	int rc = j->rc ? j->rc : take(d, w);

	d->writing--;
	if (rc) {
		dvr_lose(d, w->slot, w->e.discontinuity, DVR_DISK);
		if (w->slot->id == w->id)
			w->slot->id = INT64_MIN; /* the next one begins another file */
		if (!d->closed)
			fail(d, rc);
	} else {
		d->kept++;
		if (d->failing)
			log_info("dvr", "%s: the past is kept again; %lld segments are missing",
				 d->dir, (long long)(d->lost[DVR_DISK] - d->lost_before));
		d->failing = false;
	}
	dvr_write_free(w);
	dvr_release(d);
}

struct dvr_write *dvr_write_create(struct dvr *d, struct dvr_slot *slot, size_t bytes)
{
	struct dvr_write *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->d = d;
	w->slot = slot;
	w->job.run = dvr_files_write;
	w->job.done = on_written;
	w->job.bytes = bytes;
	return w;
}

static struct dvr_write *make_write(struct dvr *d, const struct cmaf *c, const struct cmaf_track *t,
				    const struct cmaf_segment *s)
{
	struct dvr_write *w = dvr_write_create(d, &d->slot[t->index], s->size);

	if (!w)
		return NULL;
	w->e = (struct archive_entry){.number = s->number,
				      .start = s->start,
				      .size = (uint32_t)s->size,
				      .dur = (uint32_t)(s->end - s->start),
				      .independent = s->independent,
				      .discontinuity = s->discontinuity,
				      .gap = s->gap || !s->size};
	for (size_t i = 0; i < s->chunk.len; i++) {
		if (vec_push(&w->chunk, s->chunk.at[i])) {
			dvr_write_free(w);
			return NULL;
		}
		buf_ref(s->chunk.at[i]);
	}
	return w;
}

static struct archive_about about(const struct cmaf *c, const struct cmaf_track *t,
				  const struct cmaf_init *init, const struct cmaf_key *key)
{
	struct archive_about a = {
	    .index = t->index,
	    .kind = t->kind,
	    .standard = t->standard,
	    .width = t->width,
	    .height = t->height,
	    .sample_rate = t->sample_rate,
	    .channels = t->channels,
	    .fps = t->fps.den > 0 ? t->fps : (struct ratio){0, 1},
	    .d = c->grid.d,
	    .scale = t->scale,
	    .frame = t->frame,
	    .init_size = (uint32_t)init->buf->len,
	};

	str_copy(a.name, sizeof(a.name), t->name);
	str_copy(a.lang, sizeof(a.lang), t->lang);
	str_copy(a.label, sizeof(a.label), t->label);
	str_copy(a.codec, sizeof(a.codec), init->codec);
	str_copy(a.init, sizeof(a.init), init->name);
	if (key) {
		a.scheme = c->conf.scheme;
		memcpy(a.kid, key->kid, sizeof(a.kid));
		memcpy(a.iv, key->iv, sizeof(a.iv));
	}
	return a;
}

/* How much of the window a file is. */
static int64_t span_us(const struct dvr *d)
{
	return CLAMP(d->window_us / 12, 60 * SEC_US, 3600 * SEC_US);
}

void dvr_choose_file(struct dvr *d, struct dvr_write *w, int64_t start_us)
{
	struct dvr_slot *slot = w->slot;
	int64_t span = base_floor_div(start_us, span_us(d));

	if (slot->id == INT64_MIN ||
	    (!w->e.gap && (span != slot->span || !archive_same(&slot->is, &w->about)))) {
		slot->id = w->e.number;
		slot->span = span;
		slot->is = w->about;
	}
	w->id = slot->id;
}

void dvr_post(struct dvr *d, struct dvr_write *w)
{
	struct dvr_slot *slot = w->slot;

	if (disk_post(d->write, &w->job)) {
		static struct log_limit limit;

		if (log_allow(&limit, 1, 60 * SEC_US, loop_now_us(d->loop)))
			log_warn("dvr", "%s: the disk is too slow: segments are not kept", d->dir);
		dvr_lose(d, slot, w->e.discontinuity, DVR_QUEUE);
		if (slot->id == w->e.number) /* the file has not begun */
			slot->id = INT64_MIN;
		dvr_write_free(w);
		return;
	}
	slot->owed = false;
	slot->breaks += w->e.discontinuity;
	d->pending++;
	d->writing++;
}

static void keep(struct dvr *d, const struct cmaf *c, const struct cmaf_track *t,
		 const struct cmaf_segment *s, bool first)
{
	struct dvr_slot *slot = &d->slot[t->index];
	const struct cmaf_init *init = s->init ? s->init : t->init;

	if (s->number <= slot->last)
		return;
	slot->last = s->number;
	if (d->failing && loop_now_us(d->loop) < d->retry_us) {
		dvr_lose(d, slot, s->discontinuity, DVR_DISK);
		return;
	}
	if (!init || (s->gap && slot->id == INT64_MIN)) {
		slot->owed |= s->discontinuity;
		return;
	}
	struct dvr_write *w = make_write(d, c, t, s);
	if (!w) {
		dvr_lose(d, slot, s->discontinuity, DVR_QUEUE);
		return;
	}
	w->init = buf_ref(init->buf);
	w->about = about(c, t, init, s->key);
	w->about.breaks = slot->breaks;
	dvr_choose_file(d, w, cmaf_us(t, s->start));
	w->e.discontinuity |= slot->owed || first;
	if (s->key)
		dvr_keys_add(d, s->key);
	dvr_post(d, w);
}

/* Texts are kept from when players are told of them. */
static bool is_kept(const struct cmaf *c, const struct cmaf_track *t)
{
	for (int i = 0; i < c->texts; i++)
		if (c->text[i] == t)
			return cmaf_text(c, i) && cmaf_is_said(c, i);
	return true;
}

/* The first segment that every track of media has whole, beyond what is there. */
static int64_t first_number(const struct dvr *d, const struct cmaf *c)
{
	int64_t from = INT64_MIN;

	for (int i = 0; i < c->n; i++) {
		struct cmaf_segment *s;

		list_for (s, &c->track[i]->segments, link) {
			if (!s->complete || s->gap)
				continue;
			from = MAX(from, s->number);
			break;
		}
	}
	for (int i = 0; i < c->n + c->texts; i++) {
		const struct archive_track *t = archive_find(&d->archive, cmaf_any(c, i)->name);

		if (t)
			from = MAX(from, archive_last(t) + 1);
	}
	return from;
}

/* more: there is something before it. */
static void begin_track(struct dvr *d, const struct cmaf *c, const struct cmaf_track *t,
			int64_t from, int64_t breaks, bool more)
{
	struct dvr_slot *slot = &d->slot[t->index];
	struct cmaf_segment *s;

	slot->id = slot->last = INT64_MIN;
	slot->owed = false;
	slot->breaks = breaks;
	list_for (s, &t->segments, link) {
		if (!s->complete || s->number < from || !is_kept(c, t))
			continue;
		keep(d, c, t, s, more);
		more = false;
	}
	slot->owed |= more;
}

/* The presentation begins, on disk, with the first segment that every track has, so that all have a discontinuity at the same
 * place. False: not yet. */
static bool begin(struct dvr *d, const struct cmaf *c)
{
	bool more = d->archive.n > 0;
	int64_t breaks = 0;

	if (!cmaf_ready(c))
		return false;
	for (int i = 0; i < d->archive.n; i++)
		breaks = MAX(breaks, d->archive.track[i]->breaks);
	int64_t from = first_number(d, c);
	for (int i = 0; i < c->n + c->texts; i++)
		begin_track(d, c, cmaf_any(c, i), from, breaks, more);
	return true;
}

/* A text that is kept from here on counts discontinuities as the pictures do, whose segment has gone before. */
static void join(struct dvr *d, const struct cmaf *c, const struct cmaf_segment *s,
		 struct dvr_slot *slot)
{
	slot->breaks = d->slot[c->spoken->index].breaks - (s->discontinuity || slot->owed);
}

void dvr_segment(struct dvr *d, const struct cmaf *c, const struct cmaf_segment *s,
		 const struct cmaf_track *t)
{
	struct dvr_slot *slot = &d->slot[t->index];

	if (t == c->track[0])
		dvr_dates(d, c);
	if (!d->begun) {
		d->begun = begin(d, c);
	} else if (is_kept(c, t)) {
		if (t->kind == MEDIA_DATA && slot->last == INT64_MIN)
			join(d, c, s, slot);
		keep(d, c, t, s, false);
	}
}

void dvr_restart(struct dvr *d)
{
	d->begun = false;
}

/* ---- what is too old ---- */

struct removal {
	struct disk_job job;
	struct dvr *d;
	char data[DVR_PATH], index[DVR_PATH];
};

static int remove_run(struct disk_job *j)
{
	struct removal *r = container_of(j, struct removal, job);

	/* Without an index nothing can find the bytes: that one goes last, so that a crash between leaves what a start takes away. */
	unlink(r->data);
	unlink(r->index);
	return 0;
}

static void remove_done(struct disk_job *j)
{
	struct removal *r = container_of(j, struct removal, job);
	struct dvr *d = r->d;

	free(r);
	dvr_release(d);
}

bool dvr_remove(struct dvr *d, struct archive_track *t, struct archive_file *f)
{
	struct removal *r = calloc(1, sizeof(*r));

	if (!r)
		return false;
	r->d = d;
	r->job.run = remove_run;
	r->job.done = remove_done;
	dvr_files_path(d, t->name, f->id, dvr_files_ending(t->name), r->data);
	dvr_files_path(d, t->name, f->id, ".idx", r->index);
	if (disk_post(d->write, &r->job)) {
		free(r);
		return false;
	}
	d->pending++;
	archive_drop(&d->archive, t, f);
	return true;
}

static bool expire_one(struct dvr *d)
{
	struct archive_track *t;
	struct archive_file *f =
	    archive_expired(&d->archive, os_utc_us() - d->window_us, (uint64_t)d->size, &t);

	return f && dvr_remove(d, t, f);
}

static void on_tick(void *arg)
{
	struct dvr *d = arg;

	for (int i = 0; i < 64 && expire_one(d); i++)
		;
	dvr_keys_tick(d);
	loop_timer_in(&d->tick, TICK_US);
}

/* ---- life ---- */

int dvr_create(struct dvr **out, const struct dvr_conf *c, struct loop *l, struct metrics *m,
	       char *err)
{
	struct dvr *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (!d)
		return -ENOMEM;
	d->loop = l;
	d->metrics = m;
	d->window_us = c->window_us;
	d->size = c->size;
	d->clip_us = c->clip_us;
	d->write = c->write;
	d->read = c->read;
	d->lock = -1;
	list_init(&d->fetches);
	list_init(&d->clips);
	str_copy(d->name, sizeof(d->name), c->name);
	for (size_t i = 0; i < ARRAY_LEN(d->slot); i++)
		d->slot[i].out = (struct dvr_out){.data = -1, .index = -1, .id = INT64_MIN};
	d->pictures.out = (struct dvr_out){.data = -1, .index = -1, .id = INT64_MIN};
	d->pictures.id = d->pictures.last = INT64_MIN;
	loop_timer_init(l, &d->tick, on_tick, d);
	if ((size_t)snprintf(d->dir, sizeof(d->dir), "%s/%s", c->dir, c->name) >=
	    sizeof(d->dir) - 64) {
		snprintf(err, DVR_ERR, "dvr: the folder's name is too long");
		rc = -ENAMETOOLONG;
		goto fail;
	}
	if ((rc = dvr_files_lock(d, err)) || (rc = dvr_files_load(d, err)) ||
	    (rc = dvr_dates_load(d, err)) || (rc = dvr_keys_load(d, c->keys, err)) ||
	    (rc = loop_timer_in(&d->tick, 0)))
		goto fail;
	if (d->archive.pictures)
		d->pictures.last = archive_last(d->archive.pictures);
	int64_t from, to;
	if (archive_span(&d->archive, &from, &to))
		log_info("dvr", "%s: %.0f s of the past, %.1f MB", d->dir,
			 (double)(to - from) / 1e6, (double)d->archive.bytes / 1e6);
	dvr_export(d);
	*out = d;
	return 0;
fail:
	dvr_destroy(d);
	return rc;
}

void dvr_destroy(struct dvr *d)
{
	if (!d)
		return;
	loop_timer_stop(&d->tick);
	dvr_read_finish(d);
	dvr_clip_finish(d);
	for (size_t i = 0; i < ARRAY_LEN(d->m); i++)
		if (d->m[i])
			metrics_remove(d->metrics, d->m[i]);
	d->closed = true;
	d->pending++;
	dvr_release(d);
}
