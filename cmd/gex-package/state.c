#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "log/log.h"
#include "media/media.h"
#include "os/os.h"

#define HEAD "discontinuities "

static int write_count(const char *path, int64_t n)
{
	char text[64];

	snprintf(text, sizeof(text), HEAD "%" PRId64 "\n", n);
	return os_write_atomic(path, text, strlen(text));
}

/* -EINVAL: it is no such file. */
static int read_count(const char *path, int64_t *out)
{
	FILE *f = fopen(path, "re");
	char end = 0;
	int n;

	if (!f)
		return -errno;
	n = fscanf(f, HEAD "%18" SCNd64 "%c", out, &end);
	fclose(f);
	return n == 2 && end == '\n' && *out >= 0 ? 0 : -EINVAL;
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
		rc = read_count(path, &s->kept);
	s->found = !rc;
	if (rc == -EINVAL)
		log_warn(name, "%s is damaged: discontinuities are counted from 0", path);
	if (rc == -EINVAL || rc == -ENOENT) {
		s->kept = 0;
		rc = write_count(path, 0);
	}
	if (rc) {
		snprintf(err, MEDIA_ERR, "state %.200s: %s", path, strerror(-rc));
		return rc;
	}
	s->path = str_ndup(path, strlen(path));
	return s->path ? 0 : -ENOMEM;
}

void state_keep(struct state *s, const char *name, int64_t discontinuities)
{
	int rc;

	if (!s->path || s->kept == discontinuities)
		return;
	s->kept = discontinuities;
	rc = write_count(s->path, discontinuities);
	if (rc)
		log_error(name, "%s: %s", s->path, strerror(-rc));
}

void state_finish(struct state *s)
{
	free(s->path);
	*s = (struct state){0};
}
