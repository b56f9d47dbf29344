/* What is drawn on the pictures, as the INI file says it, and the small ones that are made of them: [overlay NAME], [thumbnail NAME]. */
#include <errno.h>
#include <stdio.h>

#include "transcode.h"

#define TEXT_SIZE 5 /* per cent of the height, unless size says otherwise */
#define FILE_SIZE 10

int drawn_at(void *base, const char *value, char *err, size_t cap)
{
	struct drawn_conf *d = base;
	size_t n = 0;

	for (size_t i = 0; i < OVERLAY_PLACES; i++)
		if (!strcmp(value, overlay_place_name[i]))
			return d->draw.at = (enum overlay_at)i, 0;
	for (size_t i = 0; i < OVERLAY_PLACES && n < cap; i++)
		n += (size_t)snprintf(err + n, cap - n, "%s%s", i ? ", " : "one of ",
				      overlay_place_name[i]);
	return -EINVAL;
}

int drawn_zone(void *base, const char *value, char *err, size_t cap)
{
	struct drawn_conf *d = base;

	d->draw.local = !strcmp(value, "local");
	if (d->draw.local || !strcmp(value, "utc"))
		return 0;
	snprintf(err, cap, "utc or local");
	return -EINVAL;
}

static void free_overlay(struct drawn_conf *d, const struct conf_table *t)
{
	conf_finish(t, "overlay *", d);
	free(d->name);
	free(d);
}

void *find_overlay(struct conf *c, const struct conf_table *t, const char *name, char *err,
		   size_t cap)
{
	struct drawn_conf **d, *made;

	vec_for (d, &c->overlays)
		if (!strcmp((*d)->name, name))
			return *d;
	if (c->overlays.len == OVERLAYS_MAX) {
		snprintf(err, cap, "more than %d overlays", OVERLAYS_MAX);
		return NULL;
	}
	made = calloc(1, sizeof(*made));
	if (!made || conf_defaults(t, "overlay *", made) || conf_set_str(&made->name, name) ||
	    vec_push(&c->overlays, made)) {
		if (made)
			free_overlay(made, t);
		return NULL;
	}
	return made;
}

void free_overlays(struct conf *c, const struct conf_table *t)
{
	struct drawn_conf **d;

	vec_for (d, &c->overlays)
		free_overlay(*d, t);
	vec_free(&c->overlays);
}

int check_overlays(struct conf *c, char *err, size_t cap)
{
	struct drawn_conf **d;

	vec_for (d, &c->overlays) {
		struct overlay_conf *o = &(*d)->draw;

		if (!(*d)->file == !(*d)->text) {
			snprintf(err, cap, "[overlay %s] needs a file or a text", (*d)->name);
			return -EINVAL;
		}
		o->file = (*d)->file;
		o->text = (*d)->text;
		o->font = (*d)->font;
		o->margin = (int)(*d)->margin;
		o->opacity = (int)(*d)->opacity;
		o->size = (int)((*d)->size ? (*d)->size : o->file ? FILE_SIZE : TEXT_SIZE);
	}
	return 0;
}

/* ---- thumbnails ---- */

static void free_thumbnail(struct thumbnail_conf *k, const struct conf_table *t)
{
	conf_finish(t, "thumbnail *", k);
	free(k->name);
	free(k);
}

void *find_thumbnail(struct conf *c, const struct conf_table *t, const char *name, char *err,
		     size_t cap)
{
	struct thumbnail_conf **k, *made;

	vec_for (k, &c->thumbnails)
		if (!strcmp((*k)->name, name))
			return *k;
	if (c->thumbnails.len == THUMBS_MAX) {
		snprintf(err, cap, "more than %d thumbnails", THUMBS_MAX);
		return NULL;
	}
	made = calloc(1, sizeof(*made));
	if (!made || conf_defaults(t, "thumbnail *", made) || conf_set_str(&made->name, name) ||
	    vec_push(&c->thumbnails, made)) {
		if (made)
			free_thumbnail(made, t);
		return NULL;
	}
	return made;
}

void free_thumbnails(struct conf *c, const struct conf_table *t)
{
	struct thumbnail_conf **k;

	vec_for (k, &c->thumbnails)
		free_thumbnail(*k, t);
	vec_free(&c->thumbnails);
}

static bool is_image(const struct thumbnail_conf *k)
{
	const char *end = strrchr(k->path, '.');

	return end && (!strcmp(end, ".jpg") || !strcmp(end, ".jpeg") ||
		       (!strcmp(end, ".webp") && !k->track));
}

int check_thumbnails(struct conf *c, char *err, size_t cap)
{
	struct thumbnail_conf **at;
	int tracks = 0;

	vec_for (at, &c->thumbnails) {
		struct thumbnail_conf *k = *at;

		*err = 0;
		tracks += k->track;
		if (k->path ? !is_image(k) : !k->track)
			snprintf(err, cap, "[thumbnail %s] needs a path that ends in .jpg%s",
				 k->name, k->track ? "" : " or .webp, or track = yes");
		else if (tracks > 1)
			snprintf(err, cap, "[thumbnail %s]: the output has a track of another one",
				 k->name);
		else if (k->track && !c->video)
			snprintf(err, cap, "[thumbnail %s]: a track needs pictures", k->name);
		if (*err)
			return -EINVAL;
		k->every_us = k->every_us ? k->every_us : (k->track ? 2 : 10) * SEC_US;
		k->height = k->height ? k->height : k->track ? 90 : 180;
	}
	return 0;
}

/* ---- what of all this is on disk ---- */

void sandbox_pictures(const struct conf *c, struct os_sandbox *s)
{
	struct thumbnail_conf **k;
	struct drawn_conf **d;

	vec_for (d, &c->overlays) {
		os_sandbox_read(s, (*d)->file ? (*d)->file : (*d)->font);
		if ((*d)->draw.local) {
			os_sandbox_read(s, "/etc/localtime");
			os_sandbox_read(s, "/usr/share/zoneinfo");
		}
	}
	vec_for (k, &c->thumbnails) {
		char folder[4096] = ".";
		const char *slash = (*k)->path ? strrchr((*k)->path, '/') : NULL;

		if (!(*k)->path)
			continue;
		if (slash)
			snprintf(folder, sizeof(folder), "%.*s", (int)MAX(slash - (*k)->path, 1),
				 (*k)->path);
		os_sandbox_folder(s, folder);
	}
}
