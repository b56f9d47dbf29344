/* `-`, PATH and file:PATH as sinks. What can be polled (a pipe, a socket on standard output, a FIFO) is written without
 * blocking; a regular file is written by libuv's threads, one piece at a time. A FIFO is opened when somebody reads it, and
 * again for the next reader. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream/outlet_fd.h"
#include "stream/source.h"

#define PIECE (1 << 20)
#define FIFO_RETRY_US (200 * MS_US)

struct file_sink {
	struct stream_sink *sink;
	struct loop_timer retry; /* FIFO: look for a reader */
	bool fifo;
};

/* ---- an outlet that is a regular file ---- */

struct outlet_file {
	struct outlet o;
	uv_fs_t req;
	int fd;
	bool busy, closing;
	int error;
	size_t at, len;
	char piece[PIECE];
};

static void begin_write(struct outlet_file *f);

static void free_file(struct outlet_file *f)
{
	close(f->fd);
	outlet_free(&f->o);
}

static void on_written(uv_fs_t *req)
{
	struct outlet_file *f = req->data;
	ssize_t n = req->result;

	uv_fs_req_cleanup(req);
	f->busy = false;
	if (n > 0)
		f->at += (size_t)n;
	else if (!f->error)
		f->error = n < 0 ? (int)n : -EIO;
	if (!f->error && f->at < f->len) {
		begin_write(f);
		if (f->busy)
			return;
	}
	if (f->closing)
		free_file(f);
	else
		outlet_ready(&f->o);
}

static void begin_write(struct outlet_file *f)
{
	uv_buf_t b = uv_buf_init(f->piece + f->at, (unsigned)(f->len - f->at));
	int r = uv_fs_write(loop_uv(f->o.sink->loop), &f->req, f->fd, &b, 1, -1, on_written);

	if (r)
		f->error = r;
	f->busy = !r;
}

static ssize_t file_write(struct outlet *o, const void *p, size_t n)
{
	struct outlet_file *f = container_of(o, struct outlet_file, o);

	if (f->error)
		return f->error;
	if (f->busy)
		return -EAGAIN;
	f->at = 0;
	f->len = MIN(n, sizeof(f->piece));
	memcpy(f->piece, p, f->len);
	begin_write(f);
	return f->error ? f->error : (ssize_t)f->len;
}

static bool file_flushed(struct outlet *o)
{
	return !container_of(o, struct outlet_file, o)->busy;
}

static void file_close(struct outlet *o)
{
	struct outlet_file *f = container_of(o, struct outlet_file, o);

	f->closing = true;
	if (!f->busy)
		free_file(f);
}

static const struct outlet_ops outlet_file = {
    .write = file_write,
    .flushed = file_flushed,
    .close = file_close,
    .persistent = true,
    .vital = true,
};

/* Takes fd over. */
static int add_file(struct stream_sink *s, int fd, char *err)
{
	struct outlet_file *f = calloc(1, sizeof(*f));

	if (!f || outlet_init(&f->o, s, &outlet_file, NULL)) {
		free(f);
		close(fd);
		return stream_fail(err, -ENOMEM, "out of memory");
	}
	f->fd = fd;
	f->req.data = f;
	return 0;
}

/* ---- opening ---- */

static int add_stdout(struct stream_sink *s, char *err)
{
	struct stat st;
	int fd, r;

	if (fstat(STDOUT_FILENO, &st))
		return stream_fail(err, -EBADF, "standard output is not open");
	if (isatty(STDOUT_FILENO))
		return stream_fail(err, -EINVAL,
				   "standard output is a terminal; a stream is not for reading");
	if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)) {
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? stream_fail(err, -errno, "-: %s", strerror(errno))
			      : add_file(s, fd, err);
	}
	/* Opened again, a pipe has flags of its own: other processes that hold it stay blocking. */
	fd = S_ISFIFO(st.st_mode) ? open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	if (fd < 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return stream_fail(err, -errno, "-: %s", strerror(errno));
	r = outlet_fd_create(s, fd, &outlet_fd_vital, NULL);
	return r ? stream_fail(err, r, "-: %s", strerror(-r)) : 0;
}

static void on_retry(void *arg)
{
	struct file_sink *q = arg;
	int fd = open(q->sink->url.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || outlet_fd_create(q->sink, fd, &outlet_fd_reader, "the reader"))
		loop_timer_in(&q->retry, FIFO_RETRY_US);
}

static int file_open(struct stream_sink *s, char *err)
{
	struct file_sink *q = calloc(1, sizeof(*q));
	struct stat st;
	int fd, r;

	if (!q)
		return stream_fail(err, -ENOMEM, "out of memory");
	q->sink = s;
	s->priv = q;
	loop_timer_init(s->loop, &q->retry, on_retry, q);
	if (s->url.scheme == STREAM_PIPE) {
		r = add_stdout(s, err);
	} else if (!stat(s->url.path, &st) && S_ISFIFO(st.st_mode)) {
		q->fifo = true;
		r = loop_timer_in(&q->retry, 0);
	} else {
		fd = open(s->url.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		r = fd < 0 ? stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno))
			   : add_file(s, fd, err);
	}
	if (r) {
		free(q);
		s->priv = NULL;
	}
	return r;
}

static void file_gone(struct stream_sink *s)
{
	struct file_sink *q = s->priv;

	if (q->fifo)
		loop_timer_in(&q->retry, FIFO_RETRY_US);
}

static void file_shut(struct stream_sink *s)
{
	struct file_sink *q = s->priv;

	loop_timer_stop(&q->retry);
	free(q);
	s->priv = NULL;
}

const struct sink_ops sink_file = {.open = file_open, .shut = file_shut, .gone = file_gone};
