#include "cmaf/archive.h"
#include "cmaf/wvtt.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

static void file_free(struct archive_file *f)
{
	vec_free(&f->e);
	buf_unref(f->lines);
	free(f);
}

static void track_free(struct archive_track *t)
{
	struct archive_file *f, *tmp;

	if (!t)
		return;
	list_for_safe (f, tmp, &t->files, link)
		file_free(f);
	free(t);
}

void archive_finish(struct archive *a)
{
	for (int i = 0; i < a->n; i++)
		track_free(a->track[i]);
	track_free(a->pictures);
	archive_dates_finish(a);
	*a = (struct archive){0};
}

/* ---- looking ---- */

struct archive_track *archive_find(const struct archive *a, const char *name)
{
	for (int i = 0; i < a->n; i++)
		if (!strcmp(a->track[i]->name, name))
			return a->track[i];
	return a->pictures && !strcmp(a->pictures->name, name) ? a->pictures : NULL;
}

struct archive_file *archive_newest(const struct archive_track *t)
{
	return list_last(&t->files, struct archive_file, link);
}

size_t archive_lower(const struct archive_file *f, int64_t number)
{
	size_t lo = 0, hi = f->e.len;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (f->e.at[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct archive_entry *archive_segment(const struct archive_track *t, int64_t number,
					    const struct archive_file **out)
{
	for (struct list *l = t->files.prev; l != &t->files; l = l->prev) {
		const struct archive_file *f = list_entry(l, struct archive_file, link);

		if (f->id > number)
			continue;
		size_t i = archive_lower(f, number);
		if (i == f->e.len || f->e.at[i].number != number || f->e.at[i].gap)
			return NULL;
		*out = f;
		return &f->e.at[i];
	}
	return NULL;
}

const struct archive_file *archive_init(const struct archive_track *t, const char *init)
{
	const struct archive_file *f;

	list_for (f, &t->files, link)
		if (!strcmp(f->about.init, init))
			return f;
	return NULL;
}

bool archive_same(const struct archive_about *a, const struct archive_about *b)
{
	return a->scheme == b->scheme && !memcmp(a->kid, b->kid, sizeof(a->kid)) &&
	       !strcmp(a->init, b->init);
}

bool archive_has_key(const struct archive *a, const uint8_t kid[16])
{
	const struct archive_file *f;

	for (int i = 0; i < a->n; i++)
		list_for (f, &a->track[i]->files, link)
			if (f->about.scheme != CMAF_CLEAR && !memcmp(f->about.kid, kid, 16))
				return true;
	return false;
}

static const struct archive_entry *last_entry(const struct archive_track *t,
					      const struct archive_file **out)
{
	for (struct list *l = t->files.prev; l != &t->files; l = l->prev) {
		const struct archive_file *f = list_entry(l, struct archive_file, link);

		*out = f;
		if (f->e.len)
			return &f->e.at[f->e.len - 1];
	}
	return NULL;
}

int64_t archive_last(const struct archive_track *t)
{
	const struct archive_file *f;
	const struct archive_entry *e = last_entry(t, &f);

	return e ? e->number : INT64_MIN;
}

bool archive_span(const struct archive *a, int64_t *from_us, int64_t *to_us)
{
	*from_us = INT64_MAX;
	*to_us = INT64_MIN;
	for (int i = 0; i < a->n; i++) {
		const struct archive_file *f;
		const struct archive_entry *e = last_entry(a->track[i], &f);

		if (!e)
			continue;
		*to_us = MAX(*to_us, archive_us(f, e->start + e->dur));
		list_for (f, &a->track[i]->files, link) {
			if (!f->e.len)
				continue;
			*from_us = MIN(*from_us, archive_us(f, f->e.at[0].start));
			break;
		}
	}
	return *to_us != INT64_MIN;
}

bool archive_text(const struct archive_track *t, struct cmaf_caption *out)
{
	const struct archive_about *o = &archive_newest(t)->about;
	int ch = cc_channel(o->name);

	if (o->kind != MEDIA_DATA || ch < 0)
		return false;
	*out = (struct cmaf_caption){.channel = (enum cc_channel)ch};
	str_copy(out->lang, sizeof(out->lang), o->lang);
	str_copy(out->label, sizeof(out->label), strpbrk(o->label, "\"\n\r") ? "" : o->label);
	return true;
}

struct buf *archive_vtt(const uint8_t *p, size_t n)
{
	return wvtt_text(p, n);
}

/* ---- growing ---- */

static struct archive_track *make_track(struct archive *a, const char *name, bool pictures)
{
	struct archive_track *t = archive_find(a, name);

	if (t || (pictures && a->pictures) || a->n == CMAF_RENDITIONS)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	str_copy(t->name, sizeof(t->name), name);
	list_init(&t->files);
	if (pictures)
		a->pictures = t;
	else
		a->track[a->n++] = t;
	return t;
}

/* As the source has them; those that it has no more last. */
static void sort_tracks(struct archive *a)
{
	for (int i = 1; i < a->n; i++) {
		struct archive_track *t = a->track[i];
		int at = i, index = archive_newest(t)->about.index;

		for (; at && archive_newest(a->track[at - 1])->about.index > index; at--)
			a->track[at] = a->track[at - 1];
		a->track[at] = t;
	}
}

struct archive_file *archive_begin(struct archive *a, const struct archive_about *about, int64_t id)
{
	bool pictures = !strcmp(about->codec, PICTURE_CODEC);
	struct archive_track *t = make_track(a, about->name, pictures);
	struct archive_file *f;

	if (!t || archive_last(t) >= id || (archive_newest(t) && archive_newest(t)->id >= id))
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f) {
		if (list_empty(&t->files)) {
			free(t);
			if (pictures)
				a->pictures = NULL;
			else
				a->n--;
		}
		return NULL;
	}
	f->id = id;
	f->about = *about;
	f->size = about->init_size;
	t->breaks = MAX(t->breaks, about->breaks);
	list_append(&t->files, &f->link);
	sort_tracks(a);
	a->bytes += f->size;
	a->version++;
	return f;
}

int archive_add(struct archive *a, struct archive_track *t, const struct archive_entry *e)
{
	struct archive_file *f = archive_newest(t);

	if (!f || e->number < f->id || archive_last(t) >= e->number)
		return -EINVAL;
	if (vec_push(&f->e, *e))
		return -ENOMEM;
	buf_unref(f->lines);
	f->lines = NULL;
	f->size += e->size;
	a->bytes += e->size;
	a->version++;
	t->breaks += e->discontinuity;
	if (!e->gap && e->dur) {
		t->peak = MAX(t->peak, base_scale((int64_t)e->size * 8, f->about.scale, e->dur));
		t->bits += (int64_t)e->size * 8;
		t->us += archive_length_us(f, e->dur);
	}
	return 0;
}

/* ---- shrinking ---- */

static int64_t begin_us(const struct archive_file *f)
{
	return f->e.len ? archive_us(f, f->e.at[0].start) : INT64_MIN;
}

static int64_t end_us(const struct archive_file *f)
{
	const struct archive_entry *e = f->e.len ? &f->e.at[f->e.len - 1] : NULL;

	return e ? archive_us(f, e->start + e->dur) : INT64_MIN;
}

struct archive_file *archive_expired(const struct archive *a, int64_t before_us, uint64_t bytes,
				     struct archive_track **t)
{
	struct archive_file *oldest = NULL;

	for (int i = 0; i <= a->n; i++) {
		struct archive_track *of = i < a->n ? a->track[i] : a->pictures;
		struct archive_file *f =
		    of ? list_first(&of->files, struct archive_file, link) : NULL;

		if (!f || f == archive_newest(of) || (oldest && begin_us(f) >= begin_us(oldest)))
			continue;
		oldest = f;
		*t = of;
	}
	return oldest && (end_us(oldest) < before_us || a->bytes > bytes) ? oldest : NULL;
}

void archive_drop(struct archive *a, struct archive_track *t, struct archive_file *f)
{
	list_remove(&f->link);
	a->bytes -= f->size;
	a->version++;
	file_free(f);
	if (t == a->pictures && list_empty(&t->files)) {
		free(t);
		a->pictures = NULL;
	}
}

/* ---- instants ---- */

/* Seconds with a fraction, to the microsecond. */
static int seconds(const char *s, int64_t *us)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !isfinite(v) || fabs(v) > 1e11 ||
	    strspn(s, "+-0123456789.") != strlen(s))
		return -EINVAL;
	*us = (int64_t)floor(v * 1e6 + 0.5);
	return 0;
}

static int zone(const char *s, int64_t *off_s)
{
	int h, m = 0, used = 0;

	*off_s = 0;
	if (!strcmp(s, "Z") || !strcmp(s, "z"))
		return 0;
	/* A plus is a space in a query. */
	if ((*s != '+' && *s != '-' && *s != ' ') || sscanf(s + 1, "%2d%n", &h, &used) != 1)
		return -EINVAL;
	const char *rest = s + 1 + used;
	if (*rest && (sscanf(rest, ":%2d%n", &m, &used) != 1 || rest[used]))
		return -EINVAL;
	if (h < 0 || h > 14 || m < 0 || m > 59)
		return -EINVAL;
	*off_s = (h * 3600 + m * 60) * (*s == '-' ? -1 : 1);
	return 0;
}

int archive_time(const char *text, int64_t now_us, int64_t *out_us)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t us = 0, off_s;

	if (!rest) {
		if (seconds(text, &us))
			return -EINVAL;
		*out_us = *text == '-' ? now_us + us : us;
		return 0;
	}
	if (*rest == '.') {
		int64_t unit = SEC_US / 10;

		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			us += (*rest - '0') * unit;
	}
	if (zone(rest, &off_s))
		return -EINVAL;
	*out_us = ((int64_t)timegm(&tm) - off_s) * SEC_US + us;
	return 0;
}
