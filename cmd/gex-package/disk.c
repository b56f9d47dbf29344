#include "disk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "os/os.h"

#define THREADS_MAX 8
#define JOIN_S 5

struct disk {
	struct loop *loop;
	char name[16];
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread[THREADS_MAX];
	int n;
	struct list waiting, finished; /* under the lock, as all below */
	size_t bytes, bytes_max;
	int jobs, jobs_max;
	bool posted, ending, cancel; /* posted: collect is on its way */
	int refs;		     /* the owner, and a collect on its way */
};

static void unref(struct disk *d)
{
	pthread_mutex_lock(&d->lock);
	int refs = --d->refs;
	pthread_mutex_unlock(&d->lock);
	if (refs)
		return;
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->work);
	free(d);
}

static void call_done(struct disk *d)
{
	struct disk_job *j;

	pthread_mutex_lock(&d->lock);
	while ((j = list_first(&d->finished, struct disk_job, link))) {
		list_remove(&j->link);
		pthread_mutex_unlock(&d->lock);
		j->done(j);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
}

static void collect(void *arg)
{
	struct disk *d = arg;

	pthread_mutex_lock(&d->lock);
	d->posted = false;
	pthread_mutex_unlock(&d->lock);
	call_done(d);
	unref(d);
}

/* Under the lock. */
static void finish_job(struct disk *d, struct disk_job *j, int rc)
{
	j->rc = rc;
	d->bytes -= j->bytes;
	d->jobs--;
	list_append(&d->finished, &j->link);
	if (d->posted || d->ending)
		return;
	d->posted = !loop_post(d->loop, collect, d);
	d->refs += d->posted;
}

static void *run(void *arg)
{
	struct disk *d = arg;
	struct disk_job *j;

	os_thread_name(d->name);
	pthread_mutex_lock(&d->lock);
	for (;;) {
		while (list_empty(&d->waiting) && !d->ending)
			pthread_cond_wait(&d->work, &d->lock);
		j = list_first(&d->waiting, struct disk_job, link);
		if (!j)
			break;
		list_remove(&j->link);
		int rc = -ECANCELED;
		if (!d->cancel) {
			pthread_mutex_unlock(&d->lock);
			rc = j->run(j);
			pthread_mutex_lock(&d->lock);
		}
		finish_job(d, j, rc);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

int disk_create(struct disk **out, struct loop *l, const char *name, int threads, size_t bytes,
		int jobs)
{
	struct disk *d = calloc(1, sizeof(*d));
	int rc = 0;

	*out = NULL;
	if (!d)
		return -ENOMEM;
	signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of write(2) like others */
	d->loop = l;
	d->refs = 1;
	d->bytes_max = bytes;
	d->jobs_max = jobs;
	str_copy(d->name, sizeof(d->name), name);
	list_init(&d->waiting);
	list_init(&d->finished);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->work, NULL);
	for (; d->n < MIN(threads, THREADS_MAX) && !rc; d->n += !rc)
		rc = -pthread_create(&d->thread[d->n], NULL, run, d);
	if (rc)
		disk_destroy(d, false);
	else
		*out = d;
	return rc;
}

int disk_post(struct disk *d, struct disk_job *j)
{
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	if (d->ending || d->jobs >= d->jobs_max || d->bytes + j->bytes > d->bytes_max) {
		rc = -EAGAIN;
	} else {
		d->jobs++;
		d->bytes += j->bytes;
		list_append(&d->waiting, &j->link);
		pthread_cond_signal(&d->work);
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}

bool disk_destroy(struct disk *d, bool finish)
{
	struct timespec limit;
	bool joined = true;

	if (!d)
		return true;
	pthread_mutex_lock(&d->lock);
	d->ending = true;
	d->cancel = !finish;
	pthread_cond_broadcast(&d->work);
	pthread_mutex_unlock(&d->lock);
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += JOIN_S;
	for (int i = 0; i < d->n; i++)
		joined &= !pthread_timedjoin_np(d->thread[i], NULL, &limit);
	call_done(d);
	if (joined)
		unref(d);
	return joined;
}
