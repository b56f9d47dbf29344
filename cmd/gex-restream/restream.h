/* gex-restream: the parts. */
#ifndef GEX_RESTREAM_H
#define GEX_RESTREAM_H

#include "conf/conf.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "stream/feed.h"
#include "stream/stream.h"

struct target_conf {
	char *name;
	char *url, *key_file;
	char *full; /* with the stream key; wiped */
	struct stream_url parsed;
};

struct conf {
	char *input, *rung, *audio;
	int64_t timeout_us, retry_us, retry_max_us, queue_us;
	VEC(struct target_conf *) targets;
	struct stream_url in;
	bool sandbox;
};

extern const struct conf_cli restream_cli;
/* 0, or a negative errno with a line in err (CONF_ERR bytes). Parses the URLs and reads the keys. */
int conf_check(struct conf *c, char *err);
void conf_free(struct conf *c);

/* ---- target: one server that the stream is sent to; nothing that it does reaches another one ---- */

struct target;
struct targets {
	const struct conf *conf;
	struct stream_feed *feed;
	struct loop *loop;
	struct metrics *metrics;
	void (*done)(
	    void *
		arg); /* on the loop, once a target: the feed has ended and all is sent, or was given up */
	void *arg;
};
/* 0, or a negative errno with a line in err (MEDIA_ERR bytes). */
int target_create(struct target **out, const struct targets *all, struct target_conf *c,
		  char *err) MUST_USE;
/* The tracks and packets, for a target that does not take them from the feed. */
void target_start(struct target *t, struct media_info *info);
void target_write(struct target *t, struct media_packet *p);
/* The stream is over: the target sends what it has and calls done. */
void target_end(struct target *t);
/* At once; what is not sent is lost. NULL is allowed. False: see push_destroy. */
bool target_destroy(struct target *t);
/* One word or two for the status line. */
void target_status(struct target *t, char *out, size_t cap);

#endif
