/* `-`: standard input as a source. It comes once; its end is the end. */
#include "stream/source.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int pipe_create(struct stream_source *s, char *err)
{
	/* A descriptor of its own, so that destroy may close it; the flags of the open file stay as they are, since other
	 * processes share it. */
	s->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0)
		return stream_fail(err, -errno, "standard input is not open");
	if (isatty(s->fd))
		return stream_fail(err, -EINVAL, "standard input is a terminal, not a stream");
	return 0;
}

static int pipe_wait(struct stream_source *s)
{
	if (s->used)
		return -ENODATA;
	s->used = true;
	return 0;
}

const struct source_ops source_pipe = {
    .create = pipe_create,
    .wait = pipe_wait,
    .read = source_read_fd,
};
