#include "vod.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmaf/movie.h"
#include "dvr.h"
#include "log/log.h"
#include "os/os.h"
#include "vod_scan.h"

#define FILES_MAX 32 /* whose index is kept */
#define JOBS_MAX 256 /* under way */
#define LIST_MAX (1 << 20)
#define SEGMENT_MAX (64 << 20)
#define FOREVER "public, max-age=86400, immutable"

struct vod {
	char dir[DVR_PATH];
	struct disk *read;
	struct loop *loop;
	struct list scans; /* vod_scan, the one used last at the end */
	int n;
	struct list jobs;
	int njobs;
	bool closed;
};

/* A request on its way through a thread. */
struct job {
	struct disk_job job;
	struct list link;
	struct vod *v;
	struct http_request *r; /* NULL: it has gone */
	char name[VOD_NAME], rendition[32], file[64];
	struct vod_scan *have;	/* what is known of the file, if it is; counted */
	struct vod_scan *found; /* run's own */
	struct buf *out;
	vod_text_fn *fn;
	void *arg;
};

static void reply(struct http_request *r, int status)
{
	http_reply(r, &(struct http_answer){.status = status,
					    .cache = status == 503 ? "no-store" : "max-age=1",
					    .retry_after_s = status == 503 ? 1 : 0});
}

static void send_buf(struct http_request *r, struct buf *b, const char *type, const char *cache)
{
	struct slice s = {b, 0, b->len};

	http_reply(r, &(struct http_answer){
			  .status = 200, .type = type, .cache = cache, .body = &s, .n = 1});
}

/* ---- jobs ---- */

static void release(struct vod *v)
{
	struct vod_scan *s, *tmp;

	if (!v->closed || v->njobs)
		return;
	list_for_safe (s, tmp, &v->scans, link) {
		list_remove(&s->link);
		vod_scan_unref(s);
	}
	free(v);
}

static void job_free(struct job *j)
{
	struct vod *v = j->v;

	list_remove(&j->link);
	vod_scan_unref(j->have);
	vod_scan_unref(j->found);
	buf_unref(j->out);
	free(j);
	v->njobs--;
	release(v);
}

static void on_gone(struct http_request *r)
{
	((struct job *)r->user)->r = NULL;
}

static void begin(struct vod *v, struct http_request *r, const struct job *what,
		  int (*run)(struct disk_job *j), void (*done)(struct disk_job *j))
{
	struct job *j = v->njobs < JOBS_MAX ? malloc(sizeof(*j)) : NULL;

	if (!j) {
		reply(r, 503);
		return;
	}
	*j = *what;
	j->v = v;
	j->r = r;
	j->job.run = run;
	j->job.done = done;
	if (disk_post(v->read, &j->job)) {
		free(j);
		reply(r, 503);
		return;
	}
	if (j->have)
		vod_scan_ref(j->have);
	list_append(&v->jobs, &j->link);
	v->njobs++;
	r->user = j;
	r->gone = on_gone;
}

/* The request is the job's no more. */
static struct http_request *take_request(struct job *j)
{
	struct http_request *r = j->r;

	j->r = NULL;
	if (r)
		r->gone = NULL;
	return r;
}

/* ---- what is in a file ---- */

static struct vod_scan *find(struct vod *v, const char *name)
{
	struct vod_scan *s;

	list_for (s, &v->scans, link)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

static void keep(struct vod *v, struct vod_scan *s)
{
	struct vod_scan *old = find(v, s->name);

	if (!old && v->n == FILES_MAX)
		old = list_first(&v->scans, struct vod_scan, link);
	if (old) {
		list_remove(&old->link);
		vod_scan_unref(old);
		v->n--;
	}
	list_append(&v->scans, &s->link);
	vod_scan_ref(s);
	v->n++;
}

static void answer(struct job *j, struct vod_scan *s, struct http_request *r);

static int scan_run(struct disk_job *d)
{
	struct job *j = container_of(d, struct job, job);
	char path[DVR_PATH + VOD_NAME + 8];

	snprintf(path, sizeof(path), "%s/%s.mp4", j->v->dir, j->name);
	return vod_scan_file(&j->found, path, j->name, j->have, os_utc_us());
}

static void scan_done(struct disk_job *d)
{
	struct job *j = container_of(d, struct job, job);
	struct http_request *r = take_request(j);
	struct vod_scan *s = j->found ? j->found : d->rc ? NULL : j->have;

	if (j->found && !j->v->closed)
		keep(j->v, j->found);
	if (r && s)
		answer(j, s, r);
	else if (r)
		reply(r, d->rc == -ENOMEM || d->rc == -ECANCELED ? 503 : 404);
	job_free(j);
}

/* ---- segments ---- */

static int segment_run(struct disk_job *d)
{
	struct job *j = container_of(d, struct job, job);
	char path[DVR_PATH + VOD_NAME + 8];
	long long number = atoll(j->file);

	snprintf(path, sizeof(path), "%s/%s.mp4", j->v->dir, j->name);
	return vod_scan_segment(j->have, path, j->rendition, number, &j->out);
}

static void segment_done(struct disk_job *d)
{
	struct job *j = container_of(d, struct job, job);
	struct http_request *r = take_request(j);

	if (r && j->out)
		send_buf(r, j->out, "video/mp4", FOREVER);
	else if (r)
		reply(r, d->rc == -ENOMEM || d->rc == -ECANCELED ? 503 : 404);
	job_free(j);
}

static bool is_segment(const char *file)
{
	size_t n = strspn(file, "0123456789");

	return n && n < 10 && !strcmp(file + n, ".m4s");
}

static void answer(struct job *j, struct vod_scan *s, struct http_request *r)
{
	struct archive_range all = {
	    .from_us = INT64_MIN / 4, .to_us = INT64_MAX / 4, .live = s->growing};
	struct buf *init = vod_scan_init(s, j->rendition);

	if (is_segment(j->file)) {
		struct job next = *j;

		next.have = s;
		next.found = NULL;
		next.out = NULL;
		begin(j->v, r, &next, segment_run, segment_done);
	} else if (*j->rendition && !strcmp(j->file, "init.mp4") && init) {
		send_buf(r, init, "video/mp4", FOREVER);
	} else {
		j->fn(j->arg, r, &s->archive, &all, j->rendition, j->file);
	}
}

/* ---- the list ---- */

static void put_name(FILE *f, const char *name, const struct stat *st, bool *first)
{
	int64_t at_us;

	/* Of names that hold nothing to be quoted. */
	if (strlen(name) >= VOD_NAME || !vod_scan_name(name, &at_us))
		return;
	fprintf(f, "%s\n  {\"name\": \"%s\", \"bytes\": %lld, \"modified\": %lld",
		*first ? "" : ",", name, (long long)st->st_size, (long long)st->st_mtime);
	if (at_us)
		fprintf(f, ", \"begin\": %lld", (long long)(at_us / SEC_US));
	fputs("}", f);
	*first = false;
}

static int list_run(struct disk_job *d)
{
	struct job *j = container_of(d, struct job, job);
	struct dirent **names = NULL;
	char *text = NULL;
	size_t n = 0;
	bool first = true;
	int k = scandir(j->v->dir, &names, NULL, alphasort);
	FILE *f = k < 0 ? NULL : open_memstream(&text, &n);

	if (f)
		fputs("{\"recordings\": [", f);
	for (int i = 0; i < k; i++) {
		char path[DVR_PATH + 260], *name = names[i]->d_name;
		size_t len = strlen(name);
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", j->v->dir, name);
		if (f && ftell(f) < LIST_MAX && len > 4 && !strcmp(name + len - 4, ".mp4") &&
		    !stat(path, &st) && S_ISREG(st.st_mode)) {
			name[len - 4] = 0;
			put_name(f, name, &st, &first);
		}
		free(names[i]);
	}
	free(names);
	if (f)
		fputs("\n]}\n", f);
	if (f)
		j->out = buf_close(f, &text, &n);
	return j->out ? 0 : k < 0 ? -ENOENT : -ENOMEM;
}

static void list_done(struct disk_job *d)
{
	struct job *j = container_of(d, struct job, job);
	struct http_request *r = take_request(j);

	if (r && j->out)
		send_buf(r, j->out, "application/json", "max-age=1");
	else if (r)
		reply(r, d->rc == -ENOENT ? 404 : 503);
	job_free(j);
}

/* ---- requests ---- */

/* FILE/REST or FILE/RENDITION/REST. */
static bool split(const char *path, struct job *j)
{
	const char *slash = strchr(path, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	const char *file = second ? second + 1 : slash ? slash + 1 : NULL;
	int64_t at_us;

	if (!slash || (size_t)(slash - path) >= sizeof(j->name) || strchr(file, '/') ||
	    strlen(file) >= sizeof(j->file) ||
	    (second && (size_t)(second - slash - 1) >= sizeof(j->rendition)))
		return false;
	memcpy(j->name, path, (size_t)(slash - path));
	if (second)
		memcpy(j->rendition, slash + 1, (size_t)(second - slash - 1));
	str_copy(j->file, sizeof(j->file), file);
	return vod_scan_name(j->name, &at_us);
}

bool vod_serve(struct vod *v, const char *path, struct http_request *r, vod_text_fn *fn, void *arg)
{
	struct job what = {.fn = fn, .arg = arg};

	if (!strcmp(path, "index.json")) {
		begin(v, r, &what, list_run, list_done);
		return true;
	}
	if (!split(path, &what))
		return false;
	what.have = find(v, what.name);
	begin(v, r, &what, scan_run, scan_done);
	return true;
}

/* ---- life ---- */

int vod_create(struct vod **out, const char *dir, struct disk *read, struct loop *l)
{
	struct vod *v = calloc(1, sizeof(*v));

	*out = v;
	if (!v)
		return -ENOMEM;
	str_copy(v->dir, sizeof(v->dir), dir);
	v->read = read;
	v->loop = l;
	list_init(&v->scans);
	list_init(&v->jobs);
	return 0;
}

void vod_destroy(struct vod *v)
{
	struct job *j;

	if (!v)
		return;
	list_for (j, &v->jobs, link) {
		struct http_request *r = take_request(j);

		if (r)
			reply(r, 503);
	}
	v->closed = true;
	release(v);
}
