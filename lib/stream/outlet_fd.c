#include "stream/outlet_fd.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct outlet_fd {
	struct outlet o;
	uv_poll_t poll;
	int fd;
	int events; /* what is always watched for */
	bool socket;
};

static void on_poll(uv_poll_t *h, int status, int events);

static int watch(struct outlet_fd *f, int more)
{
	int ev = f->events | more;

	return ev ? uv_poll_start(&f->poll, ev, on_poll) : uv_poll_stop(&f->poll);
}

/* The reader sent something, which has no meaning, or closed its side. True: it has gone. */
static bool has_left(struct outlet_fd *f)
{
	struct pollfd p = {.fd = f->fd};
	char junk[4096];
	ssize_t n = recv(f->fd, junk, sizeof(junk), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return false;
	/* Closing the sending side alone is a reader's right. */
	if (!n && (poll(&p, 1, 0) < 1 || !(p.revents & (POLLHUP | POLLERR)))) {
		f->events &= ~UV_READABLE;
		watch(f, 0);
		return false;
	}
	return true;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct outlet_fd *f = h->data;

	/* libuv reports an error of the descriptor (of a pipe: nobody reads any more) as EBADF. */
	if (status < 0 || (events & UV_READABLE && has_left(f))) {
		outlet_fail(&f->o, status < 0 ? -EPIPE : 0);
		return;
	}
	if (events & UV_WRITABLE) {
		watch(f, 0);
		outlet_ready(&f->o);
	}
}

static ssize_t fd_write(struct outlet *o, const void *p, size_t n)
{
	struct outlet_fd *f = container_of(o, struct outlet_fd, o);
	ssize_t r;

	do
		r = f->socket ? send(f->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(f->fd, p, n);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return r;
	if (errno != EAGAIN)
		return -errno;
	r = watch(f, UV_WRITABLE);
	return r ? r : -EAGAIN;
}

static void on_close(uv_handle_t *h)
{
	struct outlet_fd *f = h->data;

	close(f->fd);
	outlet_free(&f->o);
}

static void fd_close(struct outlet *o)
{
	struct outlet_fd *f = container_of(o, struct outlet_fd, o);

	uv_close((uv_handle_t *)&f->poll, on_close);
}

const struct outlet_ops outlet_fd_reader = {.write = fd_write, .close = fd_close};
const struct outlet_ops outlet_fd_vital = {
    .write = fd_write, .close = fd_close, .persistent = true, .vital = true};

int outlet_fd_create(struct stream_sink *s, int fd, const struct outlet_ops *ops, const char *peer)
{
	struct outlet_fd *f = calloc(1, sizeof(*f));
	struct stat st;
	int r = -ENOMEM;

	if (!f || fstat(fd, &st))
		goto fail;
	f->fd = fd;
	f->socket = S_ISSOCK(st.st_mode);
	f->events = f->socket ? UV_READABLE : UV_DISCONNECT;
	r = uv_poll_init(loop_uv(s->loop), &f->poll, fd);
	if (r)
		goto fail;
	f->poll.data = f;
	r = outlet_init(&f->o, s, ops, peer);
	if (r) {
		/* Not yet the sink's: the handle is closed by hand. */
		f->o.sink = s;
		sink_hold(s);
		fd_close(&f->o);
		return r;
	}
	watch(f, 0);
	outlet_ready(&f->o);
	return 0;
fail:
	close(fd);
	free(f);
	return r;
}
