/* disk: threads that wait for the disk, so that the loop never does. Jobs are run in the order given, side by side where
 * there are several threads; what waits is bounded. */
#ifndef GEX_PACKAGE_DISK_H
#define GEX_PACKAGE_DISK_H

#include "loop/loop.h"

/* Embed it. */
struct disk_job {
	struct list link;
	int (*run)(struct disk_job *j);	  /* on a thread; what it returns is rc */
	void (*done)(struct disk_job *j); /* on the loop, always; the job is its own again */
	int rc;				  /* -ECANCELED: was never run */
	size_t bytes;			  /* what it holds while it waits */
};

struct disk;
/* name: of the threads. bytes, jobs: how much may wait. */
int disk_create(struct disk **out, struct loop *l, const char *name, int threads, size_t bytes,
		int jobs) MUST_USE;
/* -EAGAIN: too much waits already; done is not called then. */
int disk_post(struct disk *d, struct disk_job *j) MUST_USE;
/* Lets what waits be run first (finish) or cancels it, for some seconds at most; calls what is done. False: a disk that does
 * not answer holds a thread, and nothing that its job uses may be freed. NULL is allowed. */
bool disk_destroy(struct disk *d, bool finish);

#endif
