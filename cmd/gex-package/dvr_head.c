/* The head of a clip, made on a disk's thread: of the heads of the fragments that lie in it. */
#include "dvr_clip.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cmaf/movie.h"

#define MOOF_MAX (256 << 10)

struct plan {
	struct buf *init[CLIP_TRACKS];
	struct movie_track t[CLIP_TRACKS];
	struct movie_samples s[CLIP_TRACKS];
	uint8_t *moof;
};

static int read_init(struct clip *c, int i, struct plan *p)
{
	const struct clip_track *t = &c->track[i];
	char path[DVR_PATH];

	dvr_clip_path(c, i, t->file, path);
	p->init[i] = buf_create(t->init_size);
	if (!p->init[i])
		return -ENOMEM;
	int rc = dvr_files_read(path, 0, p->init[i]->data, t->init_size);
	if (!rc)
		rc = movie_tracks(p->init[i]->data, t->init_size, &p->t[i], 1);
	return MIN(rc, 0);
}

/* The samples of one segment; a damaged one ends there. */
static int read_segment(const struct extent *e, int fd, struct plan *p)
{
	uint64_t at = 0;

	while (at + 8 <= e->size) {
		size_t n = (size_t)MIN(e->size - at, 1024);
		ssize_t got = pread(fd, p->moof, n, (off_t)(e->offset + at));
		struct rd r = rd_of(p->moof, 4);
		uint32_t size;

		if (got < 8)
			return got < 0 ? -errno : -EIO;
		size = rd_u32(&r);
		if (size < 8 || size > e->size - at)
			return -EINVAL;
		if (!memcmp(p->moof + 4, "moof", 4)) {
			if (size > MOOF_MAX)
				return -EFBIG;
			if (size > (size_t)got &&
			    pread(fd, p->moof, size, (off_t)(e->offset + at)) != (ssize_t)size)
				return -EIO;
			int rc = movie_moof(p->moof, size, e->at + at, &p->t[e->track], 1,
					    &p->s[e->track]);
			if (rc)
				return rc;
		}
		at += size;
	}
	return 0;
}

static int read_samples(struct clip *c, struct plan *p)
{
	int fd[CLIP_TRACKS] = {-1, -1}, rc = 0;
	int64_t open_file[CLIP_TRACKS] = {INT64_MIN, INT64_MIN};
	struct extent *e;

	p->moof = malloc(MOOF_MAX);
	if (!p->moof)
		return -ENOMEM;
	vec_for (e, &c->extent) {
		char path[DVR_PATH];

		if (open_file[e->track] != e->file) {
			if (fd[e->track] >= 0)
				close(fd[e->track]);
			dvr_clip_path(c, e->track, e->file, path);
			fd[e->track] = open(path, O_RDONLY | O_CLOEXEC);
			open_file[e->track] = e->file;
		}
		rc = fd[e->track] < 0 ? -ENOENT : read_segment(e, fd[e->track], p);
		if (rc)
			break;
	}
	for (int i = 0; i < CLIP_TRACKS; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return rc;
}

/* Where the presentation begins: at the instant asked for, or with the first picture after it. */
static int64_t begin_us(const struct clip *c, const struct plan *p)
{
	for (int i = 0; i < c->n; i++) {
		const struct movie_sample *s = p->s[i].s.at;

		for (size_t k = 0; c->track[i].kind == MEDIA_VIDEO && k < p->s[i].s.len; k++)
			if (s[k].key)
				return MAX(c->from_us,
					   base_scale(s[k].dts + s[k].cts, SEC_US, p->t[i].scale));
	}
	return c->from_us;
}

static int make_head(struct clip *c, struct plan *p)
{
	struct movie_out out[CLIP_TRACKS];
	uint64_t content = 0;
	struct extent *e;
	int n = 0;
	int64_t from_us = begin_us(c, p);

	vec_for (e, &c->extent)
		content += e->size;
	for (int i = 0; i < c->n; i++) {
		int64_t from = base_scale(from_us, p->t[i].scale, SEC_US),
			to = base_scale(c->to_us, p->t[i].scale, SEC_US);
		size_t first, k;

		if (!movie_cut(p->s[i].s.at, p->s[i].s.len, from, to, &first, &k))
			continue;
		out[n++] = (struct movie_out){&p->t[i], p->s[i].s.at + first, k, from, to};
	}
	if (!n)
		return -ENOENT;
	c->head = movie_head(out, n, content);
	c->size = c->head ? c->head->len + content : 0;
	return c->head ? 0 : -ENOMEM;
}

int dvr_head_make(struct disk_job *j)
{
	struct clip *c = container_of(j, struct clip, job);
	struct plan p = {0};
	int rc = 0;

	for (int i = 0; i < c->n && !rc; i++)
		rc = read_init(c, i, &p);
	if (!rc)
		rc = read_samples(c, &p);
	if (!rc)
		rc = make_head(c, &p);
	for (int i = 0; i < CLIP_TRACKS; i++) {
		buf_unref(p.init[i]);
		movie_samples_finish(&p.s[i]);
	}
	free(p.moof);
	return rc;
}
