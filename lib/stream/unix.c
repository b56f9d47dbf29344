/* unix:PATH as a source: connects to the tool that serves there, and again after every loss. */
#include "stream/source.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
#include "stream/unix.h"

#define RETRY_MIN_US (100 * MS_US)
#define RETRY_MAX_US (300 * MS_US)

int unix_address(struct sockaddr_un *a, const char *path, char *err)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!str_copy(a->sun_path, sizeof(a->sun_path), path))
		return stream_fail(err, -ENAMETOOLONG,
				   "unix:%.60s…: a socket's path has at most %zu bytes", path,
				   sizeof(a->sun_path) - 1);
	return 0;
}

static int unix_create(struct stream_source *s, char *err)
{
	struct sockaddr_un a;

	return unix_address(&a, s->url.path, err);
}

static int unix_connect(struct stream_source *s)
{
	struct sockaddr_un a;
	char err[MEDIA_ERR];
	int r;

	r = unix_address(&a, s->url.path, err);
	if (r)
		return r;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	/* A unix socket connects at once, or not at all (EAGAIN: the backlog is full). */
	if (!connect(s->fd, (struct sockaddr *)&a, sizeof(a)))
		return 0;
	r = -errno;
	source_close_fd(s);
	return r;
}

static int unix_wait(struct stream_source *s)
{
	int64_t delay_us = RETRY_MIN_US;
	int told = 0;

	source_close_fd(s);
	for (;;) {
		int r = unix_connect(s);

		if (!r)
			break;
		if (r != told) {
			log_info(s->url.shown, "waiting for it: %s", strerror(-r));
			told = r;
		}
		r = source_sleep(s, delay_us);
		if (r)
			return r;
		delay_us = MIN(delay_us * 2, RETRY_MAX_US);
	}
	snprintf(s->peer, sizeof(s->peer), "%.79s", s->url.shown);
	return 0;
}

const struct source_ops source_unix = {
    .create = unix_create,
    .wait = unix_wait,
    .read = source_read_fd,
};
