/* gex-record: the parts. */
#ifndef GEX_RECORD_H
#define GEX_RECORD_H

#include "conf/conf.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "stream/feed.h"
#include "stream/stream.h"

struct conf {
	char *input, *dir;
	int64_t segment_us, fragment_us;
	VEC(char *) rungs;
	bool rungs_by_flag;
	struct stream_url url;
	bool sandbox;
};

extern const struct conf_cli record_cli;
/* 0, or -EINVAL with a line in err (CONF_ERR bytes). Parses the URL. */
int conf_check(struct conf *c, char *err);
void conf_free(struct conf *c);

/* ---- writer: a thread that takes packets from a tap and writes the files ---- */

struct writer;
struct writer_conf {
	const char *dir; /* must outlive the writer */
	int64_t segment_us, fragment_us;
	struct stream_feed *feed;
	struct loop *loop;
	struct metrics *metrics;
	void (*done)(
	    void *arg); /* on the loop: the feed has ended and the last fragment is on the disk */
	void *arg;
};
/* Makes the folder (its last component) when it is missing. 0, or a negative errno with a line in err (MEDIA_ERR bytes). */
int writer_create(struct writer **out, const struct writer_conf *c, char *err) MUST_USE;
/* Waits for the thread, which ends after stream_feed_end or at once (what is queued is lost). NULL is allowed. False: a disk that
 * does not answer holds it, and nothing it uses may be freed; the process has to end by _exit. */
bool writer_destroy(struct writer *w);
/* Do some hundred packets wait for the disk? */
bool writer_is_behind(struct writer *w);
/* Where the current file is at, for the status line. */
void writer_status(struct writer *w, char *out, size_t cap);

#endif
