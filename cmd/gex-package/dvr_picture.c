/* Thumbnails on disk: a track without discontinuities, whose files have no init segment. */
#include <stdio.h>

#include "dvr.h"

static struct archive_about about(const struct pictures *all, const struct picture *k)
{
	struct archive_about a = {.name = CMAF_PICTURES,
				  .codec = PICTURE_CODEC,
				  .kind = MEDIA_DATA,
				  .width = k->width,
				  .height = k->height,
				  .fps = {0, 1},
				  .d = {all->every_us, SEC_US},
				  .scale = SEC_US};

	/* Of what is the same in a file: another begins another one. */
	snprintf(a.init, sizeof(a.init), "%dx%d-%d", k->width, k->height, (int)all->every_us);
	return a;
}

static struct dvr_write *make_write(struct dvr *d, const struct pictures *all,
				    const struct picture *k)
{
	struct dvr_write *w = dvr_write_create(d, &d->pictures, k->jpeg->len);

	if (!w)
		return NULL;
	w->about = about(all, k);
	w->e = (struct archive_entry){.number = k->number,
				      .start = k->number * all->every_us,
				      .size = (uint32_t)k->jpeg->len,
				      .dur = (uint32_t)all->every_us,
				      .independent = true};
	w->init = buf_create(0);
	if (!w->init || vec_push(&w->chunk, k->jpeg)) {
		dvr_write_free(w);
		return NULL;
	}
	buf_ref(k->jpeg);
	return w;
}

/* Numbers of another distance mean other times: those before go. False: not yet. */
static bool is_same_grid(struct dvr *d, const struct pictures *all)
{
	struct archive_track *t = d->archive.pictures;

	if (!t || archive_pictures(&d->archive).every_us == all->every_us)
		return true;
	while (d->archive.pictures)
		if (!dvr_remove(d, t, archive_newest(t)))
			return false;
	d->pictures.id = d->pictures.last = INT64_MIN;
	return true;
}

void dvr_picture(struct dvr *d, const struct pictures *all)
{
	const struct picture *k = pictures_last(all);
	bool pause = d->failing && loop_now_us(d->loop) < d->retry_us;

	if (!is_same_grid(d, all) || k->number <= d->pictures.last)
		return;
	struct dvr_write *w = pause ? NULL : make_write(d, all, k);
	if (!w) {
		dvr_lose(d, &d->pictures, false, pause ? DVR_DISK : DVR_QUEUE);
		return;
	}
	d->pictures.last = k->number;
	dvr_choose_file(d, w, w->e.start);
	dvr_post(d, w);
}
