#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "origin.h"

static const struct share_file files[] = {
    {.name = "player.html", .type = "text/html; charset=utf-8"},
    {.name = "denied.html", .type = "text/html; charset=utf-8"},
    {.name = "player.js", .type = "text/javascript; charset=utf-8"},
    {.name = "by-hls.js", .type = "text/javascript; charset=utf-8"},
    {.name = "by-dash.js", .type = "text/javascript; charset=utf-8"},
    {.name = "by-mp4.js", .type = "text/javascript; charset=utf-8"},
    {.name = "clock.js", .type = "text/javascript; charset=utf-8"},
    {.name = "graph.js", .type = "text/javascript; charset=utf-8"},
    {.name = "adapt.js", .type = "text/javascript; charset=utf-8"},
    {.name = "keep.js", .type = "text/javascript; charset=utf-8"},
    {.name = "load.js", .type = "text/javascript; charset=utf-8"},
    {.name = "controls.js", .type = "text/javascript; charset=utf-8"},
    {.name = "menus.js", .type = "text/javascript; charset=utf-8"},
    {.name = "seek.js", .type = "text/javascript; charset=utf-8"},
    {.name = "words.js", .type = "text/javascript; charset=utf-8"},
    {.name = "player.css", .type = "text/css; charset=utf-8"},
    {.name = "hls.min.js", .type = "text/javascript; charset=utf-8"},
    {.name = "dash.min.js", .type = "text/javascript; charset=utf-8"},
};

#define FILE_MAX (8 << 20)

static struct buf *read_file(const char *path, int64_t *modified_s)
{
	FILE *f = fopen(path, "rb");
	struct buf *b = NULL;
	struct stat st;

	if (!f)
		return NULL;
	*modified_s = fstat(fileno(f), &st) ? 0 : st.st_mtime;
	if (!fseek(f, 0, SEEK_END)) {
		long n = ftell(f);

		if (n > 0 && n <= FILE_MAX && !fseek(f, 0, SEEK_SET))
			b = buf_create((size_t)n);
		if (b && fread(b->data, 1, b->len, f) != b->len) {
			buf_unref(b);
			b = NULL;
		}
	}
	fclose(f);
	return b;
}

/* share/ beside the program: it was started from where it was built. */
/* tail, from the folder of the program; "" when that is not to be known. */
static const char *from_program(char *dir, size_t cap, const char *tail)
{
	ssize_t n = readlink("/proc/self/exe", dir, cap - 1);

	dir[MAX(n, 0)] = 0;
	char *slash = strrchr(dir, '/');
	if (slash)
		str_copy(slash, cap - (size_t)(slash - dir), tail);
	return dir;
}

static int load_from(struct share *s, const char *dir)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[PATH_MAX + 64];
		struct share_file *f = &s->file[i];

		*f = files[i];
		snprintf(path, sizeof(path), "%s/%s", dir, f->name);
		struct buf *b = read_file(path, &f->modified_s);
		if (!b)
			continue;
		uint32_t hash = 2166136261u;
		for (size_t k = 0; k < b->len; k++)
			hash = (hash ^ b->data[k]) * 16777619u;
		http_page_set(&f->page, b);
		buf_unref(b);
		snprintf(f->etag, sizeof(f->etag), "\"%08x\"", hash);
		n++;
	}
	return n;
}

/* Where the files may be. */
struct places {
	char built[PATH_MAX], installed[PATH_MAX];
	const char *dir[4];
};

static void find_places(struct places *p, const char *dir)
{
	*p = (struct places){.dir = {dir}};
	if (dir)
		return;
	/* The build tree, then wherever it has been installed to, then where it was meant to be. */
	p->dir[0] = from_program(p->built, sizeof(p->built), "/share");
	p->dir[1] = from_program(p->installed, sizeof(p->installed), "/../share/gex");
	p->dir[2] = GEX_DATADIR;
}

void share_sandbox(const char *dir, struct os_sandbox *s)
{
	struct places p;

	find_places(&p, dir);
	for (size_t i = 0; p.dir[i]; i++)
		os_sandbox_read(s, p.dir[i]);
}

void share_load(struct share *s, const char *dir)
{
	struct places p;

	find_places(&p, dir);
	for (size_t i = 0; p.dir[i]; i++) {
		int n = load_from(s, p.dir[i]);

		if (n == ARRAY_LEN(files))
			return;
		if (n) {
			log_warn("page", "%s: only %d of the page's %zu files are there", p.dir[i],
				 n, ARRAY_LEN(files));
			return;
		}
	}
	log_warn("page", "no player page: its files are not in %s", dir ? dir : GEX_DATADIR);
}

struct share_file *share_find(struct share *s, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(s->file); i++)
		if (s->file[i].page.body[HTTP_IDENTITY] && !strcmp(s->file[i].name, name))
			return &s->file[i];
	return NULL;
}

void share_finish(struct share *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->file); i++)
		http_page_finish(&s->file[i].page);
	*s = (struct share){0};
}
