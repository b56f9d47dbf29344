/* The grammar of stream URLs: no crash, and what may be shown never holds what the URL hides. */
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The last part of an rtmp URL's path, which is a stream key, must not stand in `shown`. */
static void check_masked(const struct stream_url *u)
{
	const char *path = strstr(u->path, "://") + 3, *shown = strstr(u->shown, "://") + 3, *end,
		   *key;

	path += strcspn(path, "/?#");
	shown += strcspn(shown, "/?#");
	end = path + strcspn(path, "?#");
	while (end > path && end[-1] == '/')
		end--;
	for (key = end; key > path && key[-1] != '/'; key--)
		;
	/* A short one may stand there by chance, and so may one that repeats what stands before it. */
	if (end - key > 8 && !memmem(path, (size_t)(key - path), key, (size_t)(end - key)) &&
	    memmem(shown, strlen(shown), key, (size_t)(end - key)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = str_ndup((const char *)data, size), err[MEDIA_ERR] = "";
	struct stream_url u, copy;

	if (!text)
		return 0;
	if (stream_url_parse(&u, text, err)) {
		if (!*err || strlen(err) >= MEDIA_ERR)
			abort();
	} else {
		if (!u.shown || !u.host || *err)
			abort();
		if (u.port < 0 || u.port > 65535 || u.latency_us < -1 || u.latency_us > 60 * SEC_US)
			abort();
		if (u.scheme == STREAM_RTMP)
			check_masked(&u);
		if (!stream_url_copy(&copy, &u))
			stream_url_finish(&copy);
	}
	stream_url_finish(&u);
	free(text);
	return 0;
}
