/* What a URL of gex-url(7) has to be allowed. */
#include "stream/file.h"

static void files(const struct stream_url *u, struct os_sandbox *s)
{
	struct file_list l;
	char err[MEDIA_ERR], **p;

	/* A list that cannot be read is told of by whoever opens the input. */
	if (!file_list_read(&l, u, err))
		vec_for (p, &l.paths)
			os_sandbox_read(s, *p);
	file_list_free(&l);
}

static void both(const struct stream_url *u, struct os_sandbox *s)
{
	if (u->passphrase_file)
		os_sandbox_secret(s, u->passphrase_file);
}

void stream_sandbox_input(const struct stream_url *u, struct os_sandbox *s)
{
	both(u, s);
	switch (u->scheme) {
	case STREAM_FILE:
		os_sandbox_read(s, u->path);
		if (u->list)
			files(u, s);
		break;
	case STREAM_HTTP:
		os_sandbox_connect(s, u->port);
		break;
	default:
		break;
	}
}

void stream_sandbox_output(const struct stream_url *u, struct os_sandbox *s)
{
	both(u, s);
	switch (u->scheme) {
	case STREAM_PIPE:
		/* A FIFO is opened a second time. */
		os_sandbox_write(s, "/proc/self/fd/1");
		break;
	case STREAM_FILE:
		os_sandbox_write(s, u->path);
		break;
	case STREAM_UNIX:
		os_sandbox_socket(s, u->path);
		break;
	case STREAM_RTMP:
		os_sandbox_connect(s, u->port);
		break;
	default:
		break;
	}
}
