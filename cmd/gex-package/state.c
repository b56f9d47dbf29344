#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmaf/cc.h"
#include "log/log.h"
#include "media/media.h"
#include "os/os.h"

static int write_file(const char *path, int64_t n, unsigned heard)
{
	char text[256];
	int at = snprintf(text, sizeof(text), "discontinuities %" PRId64 "\ncaptions", n);

	for (int i = 0; i < CC_CHANNELS; i++)
		if (heard >> i & 1)
			at += snprintf(text + at, sizeof(text) - (size_t)at, " %s",
				       cc_name((enum cc_channel)i));
	at += snprintf(text + at, sizeof(text) - (size_t)at, "\n");
	return os_write_atomic(path, text, (size_t)at);
}

/* Names of channels up to the end of the line. */
static int read_channels(FILE *f, unsigned *heard)
{
	char name[12], end = 0;

	*heard = 0;
	while (fscanf(f, "%c", &end) == 1 && end == ' ') {
		int ch = fscanf(f, "%11[A-Z0-9]", name) == 1 ? cc_channel(name) : -EINVAL;

		if (ch < 0)
			return -EINVAL;
		*heard |= 1u << ch;
	}
	return end == '\n' ? 0 : -EINVAL;
}

/* -EINVAL: it is no such file. */
static int read_file(const char *path, int64_t *out, unsigned *heard)
{
	FILE *f = fopen(path, "re");
	char end = 0;
	int n, rc;

	if (!f)
		return -errno;
	n = fscanf(f, "discontinuities %18" SCNd64 "%c", out, &end);
	rc = n == 2 && end == '\n' && *out >= 0 ? 0 : -EINVAL;
	n = 0;
	if (!rc && (fscanf(f, "captions%n", &n) || !n))
		rc = -EINVAL;
	if (!rc)
		rc = read_channels(f, heard);
	fclose(f);
	return rc;
}

int state_open(struct state *s, const char *dir, const char *name, char *err)
{
	char path[4096];
	int rc;

	*s = (struct state){0};
	if (!dir || !*dir)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s.state", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	rc = os_make_dirs(dir);
	if (!rc)
		rc = read_file(path, &s->kept, &s->heard);
	s->found = !rc;
	if (rc == -EINVAL)
		log_warn(name, "%s is damaged: discontinuities are counted from 0", path);
	if (rc == -EINVAL || rc == -ENOENT) {
		s->kept = 0;
		s->heard = 0;
		rc = write_file(path, 0, 0);
	}
	if (rc) {
		snprintf(err, MEDIA_ERR, "state %.200s: %s", path, strerror(-rc));
		return rc;
	}
	s->path = str_ndup(path, strlen(path));
	return s->path ? 0 : -ENOMEM;
}

void state_keep(struct state *s, const char *name, int64_t discontinuities, unsigned heard)
{
	int rc;

	if (!s->path || (s->kept == discontinuities && s->heard == heard))
		return;
	s->kept = discontinuities;
	s->heard = heard;
	rc = write_file(s->path, discontinuities, heard);
	if (rc)
		log_error(name, "%s: %s", s->path, strerror(-rc));
}

void state_finish(struct state *s)
{
	free(s->path);
	*s = (struct state){0};
}
