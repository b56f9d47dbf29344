/* What a URL of gex-url(7) has to be allowed. */
#include "stream/stream.h"

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
