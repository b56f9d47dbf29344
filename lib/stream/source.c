/* What all byte sources share: life, cancellation, and waiting for a descriptor. */
#include "stream/source.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

static const struct source_ops *const by_scheme[] = {
    [STREAM_PIPE] = &source_pipe, [STREAM_FILE] = &source_file, [STREAM_UNIX] = &source_unix,
    [STREAM_SRT] = &source_srt,	  [STREAM_UDP] = &source_udp,	[STREAM_RTMP] = &source_rtmp,
    [STREAM_HTTP] = NULL,
};

int stream_fail(char *err, int e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, MEDIA_ERR, fmt, ap);
	va_end(ap);
	return e;
}

int stream_source_create(struct stream_source **out, const struct stream_url *u, char *err)
{
	struct stream_source *s;
	int r;

	*out = NULL;
	if (!by_scheme[u->scheme])
		return stream_fail(err, -ENOTSUP, "%s cannot be read as bytes", u->shown);
	s = calloc(1, sizeof(*s));
	if (!s)
		return stream_fail(err, -ENOMEM, "out of memory");
	s->fd = -1;
	s->cancelfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->cancelfd < 0) {
		r = stream_fail(err, -errno, "eventfd: %s", strerror(errno));
		goto fail;
	}
	r = stream_url_copy(&s->url, u);
	if (r) {
		stream_fail(err, r, "out of memory");
		goto fail;
	}
	s->ops = by_scheme[u->scheme];
	r = s->ops->create(s, err);
	if (r)
		goto fail;
	*out = s;
	return 0;
fail:
	stream_source_destroy(s);
	return r;
}

void stream_source_destroy(struct stream_source *s)
{
	if (!s)
		return;
	if (s->ops && s->ops->destroy)
		s->ops->destroy(s);
	source_close_fd(s);
	if (s->cancelfd >= 0)
		close(s->cancelfd);
	stream_url_finish(&s->url);
	free(s);
}

int stream_source_wait(struct stream_source *s)
{
	s->peer[0] = 0;
	return s->cancelled ? -EINTR : s->ops->wait(s);
}

ssize_t stream_source_read(void *source, void *p, size_t n)
{
	struct stream_source *s = source;

	return s->cancelled ? -EINTR : s->ops->read(s, p, n);
}

int64_t stream_source_seek(void *source, int64_t at)
{
	const struct stream_source *s = source;
	struct stat st;

	if (s->url.scheme != STREAM_FILE || fstat(s->fd, &st) || !S_ISREG(st.st_mode))
		return -ESPIPE;
	if (at < 0)
		return st.st_size;
	return lseek(s->fd, at, SEEK_SET) < 0 ? -errno : 0;
}

const char *stream_source_peer(const struct stream_source *s)
{
	return s->peer;
}

void stream_source_cancel(struct stream_source *s)
{
	uint64_t one = 1;

	s->cancelled = true;
	/* An eventfd's count is far from full; the write cannot fail. */
	if (write(s->cancelfd, &one, sizeof(one)) < 0)
		return;
}

int source_poll(struct stream_source *s, int fd, short events, int64_t timeout_us)
{
	int64_t end_us = timeout_us == NEVER_US ? NEVER_US : os_mono_us() + timeout_us;

	for (;;) {
		struct pollfd p[2] = {{.fd = s->cancelfd, .events = POLLIN},
				      {.fd = fd, .events = events}};
		int64_t left_us = end_us == NEVER_US ? NEVER_US : MAX(end_us - os_mono_us(), 0);
		int ms =
		    left_us >= INT64_C(3600) * SEC_US ? 3600000 : (int)((left_us + 999) / 1000);
		int n = poll(p, 2, ms);

		if (s->cancelled || (n > 0 && p[0].revents))
			return -EINTR;
		if (n > 0 && p[1].revents)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n && end_us != NEVER_US && os_mono_us() >= end_us)
			return -ETIMEDOUT;
	}
}

ssize_t source_read_fd(struct stream_source *s, void *p, size_t n)
{
	for (;;) {
		int e = source_poll(s, s->fd, POLLIN, NEVER_US);
		ssize_t r;

		if (e)
			return e;
		r = read(s->fd, p, n);
		if (r >= 0)
			return r;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

int source_sleep(struct stream_source *s, int64_t us)
{
	int r = source_poll(s, -1, 0, us);

	return r == -ETIMEDOUT ? 0 : r;
}

void source_close_fd(struct stream_source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
