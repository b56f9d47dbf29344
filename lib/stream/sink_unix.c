/* unix:PATH as a sink: serves every reader that connects. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "stream/outlet_fd.h"
#include "stream/source.h"
#include "stream/unix.h"

#define BACKLOG 64
#define MODE 0660
#define PAUSE_US (100 * MS_US)

struct unix_sink {
	struct stream_sink *sink;
	uv_poll_t poll;
	struct loop_timer pause; /* no descriptors are left: accept again later */
	int fd;
	dev_t dev;
	ino_t ino; /* of the socket file that is ours */
	int64_t readers;
};

static void on_listener(uv_poll_t *h, int status, int events)
{
	struct unix_sink *q = h->data;
	struct stream_sink *s = q->sink;
	char name[32];
	int fd, r;

	while ((fd = accept4(q->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		snprintf(name, sizeof(name), "reader %lld", (long long)++q->readers);
		log_info(s->url.shown, "%s is here", name);
		r = outlet_fd_create(s, fd, &outlet_fd_reader, name);
		if (r)
			log_warn(s->url.shown, "%s is refused: %s", name, strerror(-r));
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
		log_warn(s->url.shown, "accept: %s", strerror(errno));
		uv_poll_stop(&q->poll);
		loop_timer_in(&q->pause, PAUSE_US);
	}
}

static void on_pause(void *arg)
{
	struct unix_sink *q = arg;

	uv_poll_start(&q->poll, UV_READABLE, on_listener);
}

/* Makes way for bind: takes away a socket file that nobody serves. */
static int clear_path(const struct sockaddr_un *a, const char *shown, char *err)
{
	struct stat st;
	int fd, r;

	if (lstat(a->sun_path, &st))
		return errno == ENOENT ? 0
				       : stream_fail(err, -errno, "%s: %s", shown, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return stream_fail(err, -EEXIST,
				   "%s: there is a file of that name that is no socket", shown);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return stream_fail(err, -errno, "%s: %s", shown, strerror(errno));
	r = connect(fd, (const struct sockaddr *)a, sizeof(*a)) ? -errno : 0;
	close(fd);
	if (!r || r == -EAGAIN)
		return stream_fail(err, -EADDRINUSE, "%s: another process serves there", shown);
	if (r != -ECONNREFUSED)
		return stream_fail(err, r, "%s: %s", shown, strerror(-r));
	return unlink(a->sun_path) && errno != ENOENT
		   ? stream_fail(err, -errno, "%s: %s", shown, strerror(errno))
		   : 0;
}

static int bind_path(struct unix_sink *q, const struct sockaddr_un *a, const char *shown, char *err)
{
	struct stat st;

	q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Linux makes the file with the mode of the socket, less the umask: never wider than meant. */
	if (q->fd < 0 || fchmod(q->fd, MODE) || bind(q->fd, (const struct sockaddr *)a, sizeof(*a)))
		return stream_fail(err, -errno, "%s: %s", shown, strerror(errno));
	if (lstat(a->sun_path, &st) || chmod(a->sun_path, MODE) || listen(q->fd, BACKLOG))
		return stream_fail(err, -errno, "%s: %s", shown, strerror(errno));
	q->dev = st.st_dev;
	q->ino = st.st_ino;
	return 0;
}

static int unix_open(struct stream_sink *s, char *err)
{
	struct unix_sink *q = calloc(1, sizeof(*q));
	struct sockaddr_un a;
	int r = -ENOMEM;

	if (!q)
		return stream_fail(err, -ENOMEM, "out of memory");
	q->sink = s;
	q->fd = -1;
	q->poll.data = q;
	loop_timer_init(s->loop, &q->pause, on_pause, q);
	r = unix_address(&a, s->url.path, err);
	if (!r)
		r = clear_path(&a, s->url.shown, err);
	if (!r)
		r = bind_path(q, &a, s->url.shown, err);
	if (r)
		goto fail;
	r = uv_poll_init(loop_uv(s->loop), &q->poll, q->fd);
	if (r) {
		stream_fail(err, r, "%s: %s", s->url.shown, uv_strerror(r));
		goto fail;
	}
	uv_poll_start(&q->poll, UV_READABLE, on_listener);
	s->priv = q;
	return 0;
fail:
	if (q->fd >= 0)
		close(q->fd);
	free(q);
	return r;
}

static void on_close(uv_handle_t *h)
{
	struct unix_sink *q = h->data;
	struct stream_sink *s = q->sink;

	close(q->fd);
	free(q);
	sink_release(s);
}

static void unix_shut(struct stream_sink *s)
{
	struct unix_sink *q = s->priv;
	struct stat st;

	/* The file may be another process's by now. */
	if (!lstat(s->url.path, &st) && st.st_dev == q->dev && st.st_ino == q->ino)
		unlink(s->url.path);
	loop_timer_stop(&q->pause);
	sink_hold(s);
	uv_close((uv_handle_t *)&q->poll, on_close);
}

const struct sink_ops sink_unix = {.open = unix_open, .shut = unix_shut};
