/* PATH, file:PATH as a source: a regular file is read once (again and again with ?loop=1); a FIFO is read from one writer
 * after another. */
#include "stream/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_create(struct stream_source *s, char *err)
{
	struct stat st;

	if (stat(s->url.path, &st))
		return stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return stream_fail(err, -EISDIR, "%s: is a directory", s->url.shown);
	if (S_ISSOCK(st.st_mode))
		return stream_fail(err, -EINVAL, "%s: is a socket, which is written unix:PATH",
				   s->url.shown);
	if (access(s->url.path, R_OK))
		return stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno));
	return 0;
}

static int file_wait(struct stream_source *s)
{
	struct stat st;

	source_close_fd(s);
	/* O_NONBLOCK: opening a FIFO without a writer would block, beyond the reach of cancel. */
	s->fd = open(s->url.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st))
		return -errno;
	/* Of a FIFO just opened, poll waits for the first writer. */
	if (S_ISFIFO(st.st_mode))
		return source_poll(s, s->fd, POLLIN, NEVER_US);
	if (s->used && !s->url.loop)
		return -ENODATA;
	s->used = true;
	return 0;
}

const struct source_ops source_file = {
    .create = file_create,
    .wait = file_wait,
    .read = source_read_fd,
};
