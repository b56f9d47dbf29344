/* PATH, file:PATH as a source: a regular file is read once (again and again with ?loop=1), or with ?list=1 the files that it
 * names; a FIFO is read from one writer after another. */
#include "stream/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "stream/source.h"

/* What a list was read into. */
struct list_source {
	struct file_list list;
	size_t next;
};

void file_list_free(struct file_list *l)
{
	char **p;

	vec_for (p, &l->paths)
		free(*p);
	vec_free(&l->paths);
}

static int list_add(struct file_list *l, const char *list, const char *line)
{
	const char *slash = strrchr(list, '/');
	char *path = *line == '/' || !slash
			 ? str_format("%s", line)
			 : str_format("%.*s/%s", (int)(slash - list), list, line);

	if (path && !vec_push(&l->paths, path))
		return 0;
	free(path);
	return -ENOMEM;
}

int file_list_read(struct file_list *l, const struct stream_url *u, char *err)
{
	FILE *f = fopen(u->path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int r = 0;

	*l = (struct file_list){0};
	if (!f)
		return stream_fail(err, -errno, "%s: %s", u->shown, strerror(errno));
	while (!r && (n = getline(&line, &cap, f)) >= 0) {
		while (n && strchr(" \t\r\n", line[n - 1]))
			line[--n] = 0;
		if (memchr(line, 0, (size_t)n) || l->paths.len == FILE_LIST_MAX)
			r = stream_fail(err, -EINVAL, "%s: is no list of files", u->shown);
		else if (n && *line != '#')
			r = list_add(l, u->path, line);
	}
	free(line);
	fclose(f);
	if (!r && !l->paths.len)
		r = stream_fail(err, -EINVAL, "%s: the list names no file", u->shown);
	return r == -ENOMEM ? stream_fail(err, r, "out of memory") : r;
}

static int file_create(struct stream_source *s, char *err)
{
	struct stat st;

	if (stat(s->url.path, &st))
		return stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return stream_fail(err, -EISDIR, "%s: is a directory", s->url.shown);
	if (S_ISSOCK(st.st_mode))
		return stream_fail(err, -EINVAL, "%s: is a socket, which is written unix:PATH",
				   s->url.shown);
	if (access(s->url.path, R_OK))
		return stream_fail(err, -errno, "%s: %s", s->url.shown, strerror(errno));
	if (!s->url.list)
		return 0;
	struct list_source *q = calloc(1, sizeof(*q));
	if (!q)
		return stream_fail(err, -ENOMEM, "out of memory");
	s->priv = q;
	return file_list_read(&q->list, &s->url, err);
}

static void file_destroy(struct stream_source *s)
{
	struct list_source *q = s->priv;

	if (q)
		file_list_free(&q->list);
	free(q);
}

/* The next of the list that can be opened. */
static int list_wait(struct stream_source *s, struct list_source *q)
{
	for (size_t tried = 0; tried < q->list.paths.len; tried++) {
		if (q->next == q->list.paths.len && !s->url.loop)
			return -ENODATA;
		const char *path = q->list.paths.at[q->next++ % q->list.paths.len];
		q->next = q->next > q->list.paths.len ? 1 : q->next;
		s->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (s->fd >= 0) {
			str_copy(s->peer, sizeof(s->peer), path);
			return 0;
		}
		log_warn(s->url.shown, "%s: %s", path, strerror(errno));
	}
	return s->url.loop ? -ENOENT : -ENODATA;
}

static int file_wait(struct stream_source *s)
{
	struct stat st;

	source_close_fd(s);
	if (s->priv)
		return list_wait(s, s->priv);
	/* O_NONBLOCK: opening a FIFO without a writer would block, beyond the reach of cancel. */
	s->fd = open(s->url.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st))
		return -errno;
	/* Of a FIFO just opened, poll waits for the first writer. */
	if (S_ISFIFO(st.st_mode))
		return source_poll(s, s->fd, POLLIN, NEVER_US);
	if (s->used && !s->url.loop)
		return -ENODATA;
	s->used = true;
	return 0;
}

const struct source_ops source_file = {
    .create = file_create,
    .wait = file_wait,
    .read = source_read_fd,
    .destroy = file_destroy,
};
