/* Date ranges on disk: a small file of all of them, written anew when one is another. */
#include <errno.h>
#include <stdio.h>

#include "dvr.h"
#include "log/log.h"
#include "os/os.h"

#define FILE_MAX (16 << 20)

struct dates_write {
	struct disk_job job;
	struct dvr *d;
	char path[DVR_PATH], *text;
	size_t n;
};

static void path_of(const struct dvr *d, char out[DVR_PATH])
{
	snprintf(out, DVR_PATH, "%.*s/dates", DVR_PATH - 64, d->dir);
}

static int run(struct disk_job *j)
{
	struct dates_write *w = container_of(j, struct dates_write, job);

	return os_write_atomic(w->path, w->text, w->n);
}

static void done(struct disk_job *j)
{
	struct dates_write *w = container_of(j, struct dates_write, job);
	struct dvr *d = w->d;
	static struct log_limit limit;

	if (j->rc && j->rc != -ECANCELED && log_allow(&limit, 1, 60 * SEC_US, loop_now_us(d->loop)))
		log_warn("dvr", "%s: %s: date ranges are not kept", w->path, strerror(-j->rc));
	d->dates_dirty |= j->rc != 0;
	free(w->text);
	free(w);
	dvr_release(d);
}

static void write_out(struct dvr *d)
{
	struct dates_write *w = calloc(1, sizeof(*w));
	FILE *f = w ? open_memstream(&w->text, &w->n) : NULL;

	d->dates_dirty = true; /* until it is done */
	if (!f)
		goto fail;
	archive_dates_write(&d->archive, f);
	if (fclose(f))
		goto fail;
	path_of(d, w->path);
	w->d = d;
	w->job.run = run;
	w->job.done = done;
	w->job.bytes = w->n;
	if (disk_post(d->write, &w->job))
		goto fail;
	d->pending++;
	d->dates_dirty = false;
	return;
fail:
	if (w)
		free(w->text);
	free(w);
}

void dvr_dates(struct dvr *d, const struct cmaf *c)
{
	int rc = c->ranges ? archive_dates_take(&d->archive, c->ranges) : 0;
	bool gone = archive_dates_expire(&d->archive, os_utc_us() - d->window_us);

	if ((rc || gone || d->dates_dirty) && (!d->failing || loop_now_us(d->loop) >= d->retry_us))
		write_out(d);
}

int dvr_dates_load(struct dvr *d, char *err)
{
	char path[DVR_PATH], *text = malloc(FILE_MAX);
	FILE *f;
	int rc = -ENOMEM;

	path_of(d, path);
	f = text ? fopen(path, "re") : NULL;
	if (f) {
		rc = archive_dates_read(&d->archive, text, fread(text, 1, FILE_MAX, f));
		fclose(f);
	} else if (text) {
		rc = errno == ENOENT ? 0 : -errno;
	}
	free(text);
	if (rc > 0)
		log_warn("dvr", "%s: %d lines are damaged", path, rc);
	if (rc < 0)
		snprintf(err, DVR_ERR, "%.160s: %s", path, strerror(-rc));
	return MIN(rc, 0);
}
