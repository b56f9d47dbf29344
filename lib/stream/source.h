/* What a byte source of one scheme gives to source.c. All of it runs in the thread that reads, but cancel. */
#ifndef GEX_STREAM_SOURCE_H
#define GEX_STREAM_SOURCE_H

#include <sys/types.h>

#include "stream/stream.h"

struct stream_source {
	struct stream_url url;
	const struct source_ops *ops;
	int fd;	      /* what is read; -1: no connection */
	int cancelfd; /* an eventfd, readable for ever after stream_source_cancel */
	_Atomic bool cancelled;
	bool used; /* pipe, file: has been read once */
	char peer[80];
	void *priv; /* the scheme's own */
};

struct source_ops {
	int (*create)(struct stream_source *s, char *err);
	int (*wait)(struct stream_source *s);
	ssize_t (*read)(struct stream_source *s, void *p, size_t n);
	void (*destroy)(struct stream_source *s); /* may be NULL; fd is closed by source.c */
};

extern const struct source_ops source_pipe, source_file, source_unix, source_udp, source_srt,
    source_rtmp;

/* Waits until fd is readable (or events), at most timeout_us (NEVER_US: for ever). 0, -ETIMEDOUT, -EINTR when cancelled. */
int source_poll(struct stream_source *s, int fd, short events, int64_t timeout_us);
/* source_poll and read(2). */
ssize_t source_read_fd(struct stream_source *s, void *p, size_t n);
/* Sleeps, or -EINTR. */
int source_sleep(struct stream_source *s, int64_t us);
void source_close_fd(struct stream_source *s);

/* Writes a reason into err and returns e (negative errno). */
int stream_fail(char *err, int e, const char *fmt, ...) PRINTF(3, 4);

#endif
