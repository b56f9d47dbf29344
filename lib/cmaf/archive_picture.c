/* Thumbnails on disk: their playlist, and what multivariant playlists and MPDs say of them. */
#include "cmaf/archive.h"
#include "cmaf/picture.h"

struct picture_about archive_pictures(const struct archive *a)
{
	const struct archive_about *o = &archive_newest(a->pictures)->about;

	return (struct picture_about){.every_us = MAX(base_scale(SEC_US, o->d.num, o->d.den), 1),
				      .width = o->width,
				      .height = o->height,
				      .bandwidth = a->pictures->peak};
}

static bool in_range(const struct archive_file *f, const struct archive_entry *e, int64_t every_us,
		     const struct archive_range *r)
{
	return e->number == base_floor_div(archive_us(f, e->start), every_us) &&
	       archive_us(f, e->start + e->dur) > r->from_us && archive_us(f, e->start) < r->to_us;
}

/* A file with another distance between them is another grid, whose numbers mean other times: only those of the newest are shown. */
static bool is_like(const struct archive_file *f, const struct archive_file *newest)
{
	return f->about.d.num == newest->about.d.num && f->about.d.den == newest->about.d.den;
}

static const struct archive_entry *first_in(const struct archive *a, const struct archive_range *r)
{
	int64_t every_us = archive_pictures(a).every_us;
	const struct archive_track *t = a->pictures;
	const struct archive_file *f;

	list_for (f, &t->files, link)
		for (size_t i = 0; i < f->e.len && is_like(f, archive_newest(t)); i++)
			if (in_range(f, &f->e.at[i], every_us, r))
				return &f->e.at[i];
	return NULL;
}

bool archive_has_pictures(const struct archive *a, const struct archive_range *r)
{
	return a->pictures && first_in(a, r);
}

void archive_hls_pictures(const struct archive *a, const struct archive_range *r, FILE *f)
{
	const struct archive_track *t = a->pictures;
	const struct archive_entry *first = first_in(a, r);
	int64_t every_us = archive_pictures(a).every_us;
	const struct archive_file *of;
	struct picture_list l;

	picture_list_begin(&l, every_us, first ? first->number : 0, r->live, f);
	list_for (of, &t->files, link)
		for (size_t i = 0; i < of->e.len && is_like(of, archive_newest(t)); i++)
			if (in_range(of, &of->e.at[i], every_us, r))
				picture_list_add(&l, of->e.at[i].number, of->about.width,
						 of->about.height);
	if (!r->live)
		fputs("#EXT-X-ENDLIST\n", f);
}
