/* Date ranges of the past: those that playlists have told of, as lines, with when they were. */
#include <errno.h>
#include <inttypes.h>

#include "cmaf/archive.h"
#include "cmaf/range.h"

#define TAG "#EXT-X-DATERANGE:ID=\""

static struct archive_date *find(struct archive *a, const char *id)
{
	struct archive_date *d;

	vec_for (d, &a->dates)
		if (!strcmp(d->id, id))
			return d;
	return NULL;
}

static void drop(struct archive *a, size_t i)
{
	free(a->dates.at[i].line);
	vec_remove(&a->dates, i);
	a->version++;
}

void archive_dates_finish(struct archive *a)
{
	while (a->dates.len)
		drop(a, a->dates.len - 1);
	vec_free(&a->dates);
}

/* Takes line over. */
static int put(struct archive *a, const char *id, int64_t start_us, int64_t end_us, char *line)
{
	struct archive_date *d = find(a, id), fresh = {.start_us = start_us, .end_us = end_us};

	str_copy(fresh.id, sizeof(fresh.id), id);
	fresh.line = line;
	if (d) {
		free(d->line);
		*d = fresh;
	} else {
		if (a->dates.len == ARCHIVE_DATES)
			drop(a, 0);
		if (vec_push(&a->dates, fresh)) {
			free(line);
			return -ENOMEM;
		}
	}
	a->version++;
	return 0;
}

/* ---- from live playlists ---- */

static bool is_cancelled(const struct range *r)
{
	return r->gone && r->end_us == SPLICE_NONE && r->start_us > r->changed_us;
}

/* Of one that is told of no more it is over where it went. */
static int64_t end_of(const struct range *r)
{
	if (r->end_us != SPLICE_NONE)
		return r->end_us;
	if (r->planned_us != SPLICE_NONE)
		return r->start_us + r->planned_us;
	return !r->paired ? r->start_us : r->gone ? r->changed_us : INT64_MAX;
}

/* 1: it is new, or another than it was. */
static int take(struct archive *a, const struct range *r)
{
	const struct archive_date *d = find(a, r->id);
	int64_t end_us = end_of(r);
	char *line = NULL;
	size_t n = 0;
	int rc;

	if (d && r->gone) { /* its sections are no more there */
		rc = end_us != d->end_us;
		a->dates.at[d - a->dates.at].end_us = end_us;
		return rc;
	}
	FILE *f = r->gone ? NULL : open_memstream(&line, &n);
	if (!f)
		return r->gone ? 0 : -ENOMEM;
	range_write(r, f);
	if (fclose(f)) {
		free(line);
		return -ENOMEM;
	}
	if (d && !strcmp(d->line, line) && d->end_us == end_us) {
		free(line);
		return 0;
	}
	rc = put(a, r->id, r->start_us, end_us, line);
	return rc ? rc : 1;
}

int archive_dates_take(struct archive *a, const struct ranges *r)
{
	const struct range *one;
	int changed = 0;

	vec_for (one, &r->at) {
		const struct archive_date *d = is_cancelled(one) ? find(a, one->id) : NULL;
		int rc = 0;

		if (d) {
			drop(a, (size_t)(d - a->dates.at));
			rc = 1;
		} else if (!is_cancelled(one)) {
			rc = take(a, one);
		}
		if (rc < 0)
			return rc;
		changed |= rc;
	}
	return changed;
}

bool archive_dates_expire(struct archive *a, int64_t before_us)
{
	size_t was = a->dates.len;

	for (size_t i = 0; i < a->dates.len;) {
		const struct archive_date *d = &a->dates.at[i];

		if ((d->end_us == INT64_MAX ? d->start_us : d->end_us) < before_us)
			drop(a, i);
		else
			i++;
	}
	return a->dates.len != was;
}

/* ---- text ---- */

void archive_dates_put(const struct archive *a, int64_t from_us, int64_t to_us, FILE *f)
{
	const struct archive_date *d;

	vec_for (d, &a->dates)
		if (d->start_us < to_us && d->end_us >= from_us)
			fputs(d->line, f);
}

void archive_dates_write(const struct archive *a, FILE *f)
{
	const struct archive_date *d;

	vec_for (d, &a->dates)
		fprintf(f, "%" PRId64 " %" PRId64 " %s", d->start_us, d->end_us, d->line);
}

/* A line of the file, without its end: "START END #EXT-X-DATERANGE:ID="...",...". */
static int read_line(struct archive *a, const char *s)
{
	int64_t start_us, end_us;
	char id[sizeof(((struct archive_date *)0)->id)];
	int at = 0;

	if (sscanf(s, "%18" SCNd64 " %19" SCNd64 " %n", &start_us, &end_us, &at) != 2 || !at ||
	    strncmp(s + at, TAG, strlen(TAG)) != 0)
		return -EINVAL;
	const char *from = s + at + strlen(TAG);
	size_t n = strcspn(from, "\"");
	if (!n || n >= sizeof(id) || from[n] != '"' || strpbrk(s, "\r\t"))
		return -EINVAL;
	memcpy(id, from, n);
	id[n] = 0;
	char *line = str_format("%s\n", s + at);
	return line ? put(a, id, start_us, end_us, line) : -ENOMEM;
}

int archive_dates_read(struct archive *a, const char *text, size_t size)
{
	char *all = str_ndup(text, size), *at = all, *line;
	int bad = 0;

	if (!all)
		return -ENOMEM;
	while ((line = strsep(&at, "\n"))) {
		int rc = *line ? read_line(a, line) : 0;

		if (rc == -ENOMEM) {
			free(all);
			return rc;
		}
		bad += rc != 0;
	}
	free(all);
	return bad;
}
