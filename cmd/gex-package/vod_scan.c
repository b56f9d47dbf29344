#include "vod_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dvr.h"

#define FRONT_MAX (4 << 20)
#define MOOF_MAX (4 << 20)
#define SEGMENT_MAX (64 << 20)
#define SEGMENT_US (2 * SEC_US) /* at least, then to the next key frame */
#define QUIET_US (15 * SEC_US)	/* without a write for so long, it is over */

/* ---- names ---- */

bool vod_scan_name(const char *name, int64_t *at_us)
{
	struct tm tm = {0};

	*at_us = 0;
	for (const char *s = name; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z') &&
		    !(*s >= '0' && *s <= '9') && !strchr("-_.", *s))
			return false;
	if (strptime(name, "%Y-%m-%dT%H-%M-%SZ", &tm))
		*at_us = (int64_t)timegm(&tm) * SEC_US;
	return *name && *name != '.';
}

static void name_tracks(struct vod_scan *s)
{
	int sounds = 0, videos = 0;

	for (int i = 0; i < s->n; i++) {
		const struct movie_track *t = &s->track[i];
		int k = 1;

		if (t->kind == MEDIA_VIDEO)
			snprintf(s->rendition[i], 32, "%up", t->height >> 16);
		else if (!sounds++)
			snprintf(s->rendition[i], 32, "audio");
		else
			snprintf(s->rendition[i], 32, "audio-%d", sounds);
		for (int o = 0; o < i; o++)
			k += !strncmp(s->rendition[o], s->rendition[i], strlen(s->rendition[i]));
		videos += t->kind == MEDIA_VIDEO;
		if (k > 1 && t->kind == MEDIA_VIDEO)
			snprintf(s->rendition[i], 32, "%up-%d", t->height >> 16, k);
	}
}

/* ---- looking through ---- */

struct scan {
	struct vod_scan *s;
	int fd, lead;
	uint64_t size;
	uint8_t *moof;
	struct movie_samples fragment[MEDIA_TRACKS_MAX];
	int64_t frame[MEDIA_TRACKS_MAX]; /* how long one is */
	/* The segment in progress. */
	bool open;
	uint64_t offset;
	struct {
		int64_t start, end, cts; /* by the pts of its first frame */
		uint64_t bytes;
		bool any, key;
	} of[MEDIA_TRACKS_MAX];
};

/* A box's head: its type, and how long it is with its head. */
static int box_at(const struct scan *c, uint64_t at, char type[4], uint64_t *n)
{
	uint8_t h[16];
	struct rd r = rd_of(h, sizeof(h));
	size_t want = (size_t)MIN(c->size - at, sizeof(h));

	if (want < 8 || pread(c->fd, h, want, (off_t)at) != (ssize_t)want)
		return -ENODATA;
	*n = rd_u32(&r);
	memcpy(type, rd_bytes(&r, 4), 4);
	if (*n == 1 && want == sizeof(h))
		*n = rd_u64(&r);
	return *n < 8 || *n > c->size - at ? -ENODATA : 0;
}

static int64_t epoch_us(const struct vod_scan *s)
{
	int64_t at_us;

	return vod_scan_name(s->name, &at_us) ? at_us : 0;
}

static int begin_track(struct vod_scan *s, int i)
{
	const struct movie_track *t = &s->track[i];
	struct archive_about a = {
	    .index = i,
	    .kind = t->kind,
	    .uneven = true,
	    .standard = true,
	    .width = (int)(t->width >> 16),
	    .height = (int)(t->height >> 16),
	    .fps = {0, 1},
	    .d = {SEGMENT_US, SEC_US},
	    .scale = t->scale,
	    .epoch_us = epoch_us(s),
	};

	str_copy(a.name, sizeof(a.name), s->rendition[i]);
	str_copy(a.init, sizeof(a.init), "init.mp4");
	movie_codec(t, a.codec);
	movie_sound(t, &a.sample_rate, &a.channels);
	for (int k = 0; k < 3 && t->lang; k++)
		a.lang[k] = (char)((t->lang >> (10 - 5 * k) & 31) + 0x60);
	if (!strcmp(a.lang, "und"))
		*a.lang = 0;
	a.standard = i == 0 || s->track[i - 1].kind != MEDIA_AUDIO;
	s->init[i] = movie_init(t);
	s->archive.captions.unknown = true; /* pictures are not looked into */
	return s->init[i] && archive_begin(&s->archive, &a, 0) ? 0 : -ENOMEM;
}

static int read_front(struct scan *c, uint64_t *end)
{
	struct vod_scan *s = c->s;
	uint64_t at = 0, n;
	char type[4];
	int rc;

	do {
		rc = box_at(c, at, type, &n);
		if (rc || !memcmp(type, "moof", 4) || !memcmp(type, "mdat", 4) ||
		    at + n > FRONT_MAX)
			return -ENODATA;
		at += n;
	} while (memcmp(type, "moov", 4) != 0);
	s->front = buf_create((size_t)at);
	if (!s->front)
		return -ENOMEM;
	if (pread(c->fd, s->front->data, (size_t)at, 0) != (ssize_t)at)
		return -EIO;
	s->n = movie_tracks(s->front->data, s->front->len, s->track, MEDIA_TRACKS_MAX);
	if (s->n <= 0)
		return -ENODATA;
	name_tracks(s);
	for (int i = 0; i < s->n; i++) {
		if (c->lead < 0 && s->track[i].kind == MEDIA_VIDEO)
			c->lead = i;
		rc = begin_track(s, i);
		if (rc)
			return rc;
	}
	c->lead = MAX(c->lead, 0);
	*end = at;
	return 0;
}

static int end_segment(struct scan *c, uint64_t end)
{
	struct vod_scan *s = c->s;
	struct vod_segment seg = {c->offset, end - c->offset};
	int64_t number = (int64_t)s->segment.len;

	if (!c->open)
		return 0;
	c->open = false;
	if (vec_push(&s->segment, seg))
		return -ENOMEM;
	for (int i = 0; i < s->n; i++) {
		struct archive_entry e = {
		    .number = number,
		    .start = c->of[i].start,
		    .size = (uint32_t)MIN(c->of[i].bytes, UINT32_MAX),
		    .dur = (uint32_t)CLAMP(c->of[i].end - c->of[i].start, 0, UINT32_MAX),
		    .independent = c->of[i].key,
		    .gap = !c->of[i].any,
		};

		if (archive_add(&s->archive, archive_find(&s->archive, s->rendition[i]), &e))
			return -ENOMEM;
	}
	return 0;
}

static void begin_segment(struct scan *c, uint64_t at)
{
	c->open = true;
	c->offset = at;
	memset(c->of, 0, sizeof(c->of));
}

/* May a segment begin with the fragment that was read? */
static bool is_cut(const struct scan *c)
{
	const struct movie_samples *f = &c->fragment[c->lead];
	int64_t scale = c->s->track[c->lead].scale;

	if (!f->s.len || !f->s.at[0].key)
		return false;
	return !c->open || base_scale(f->s.at[0].dts + f->s.at[0].cts - c->of[c->lead].start,
				      SEC_US, scale) >= SEGMENT_US;
}

static void add_fragment(struct scan *c)
{
	for (int i = 0; i < c->s->n; i++) {
		const struct movie_samples *f = &c->fragment[i];
		size_t n = f->s.len;

		if (!n)
			continue;
		if (!c->of[i].any) {
			c->of[i].start = f->s.at[0].dts + f->s.at[0].cts;
			c->of[i].cts = f->s.at[0].cts;
			c->of[i].key = f->s.at[0].key;
		}
		c->of[i].any = true;
		c->of[i].end = c->of[i].cts + f->s.at[n - 1].dts + f->s.at[n - 1].dur;
		if (!c->frame[i])
			c->frame[i] = f->s.at[0].dur;
		for (size_t k = 0; k < n; k++)
			c->of[i].bytes += f->s.at[k].size;
	}
}

static int read_moof(struct scan *c, uint64_t at, uint64_t n)
{
	if (n > MOOF_MAX || pread(c->fd, c->moof, (size_t)n, (off_t)at) != (ssize_t)n)
		return -ENODATA;
	for (int i = 0; i < c->s->n; i++)
		c->fragment[i].s.len = 0;
	return movie_moof(c->moof, (size_t)n, at, c->s->track, c->s->n, c->fragment);
}

/* What is known of the tracks only now. */
static void tell_rates(const struct scan *c)
{
	struct vod_scan *s = c->s;
	int64_t us = SEC_US;

	for (int i = 0; i < s->archive.n; i++) {
		const struct archive_file *f = archive_newest(s->archive.track[i]);

		for (size_t k = 0; k < f->e.len; k++)
			us = MAX(us, archive_length_us(f, f->e.at[k].dur));
	}
	for (int i = 0; i < s->archive.n; i++) {
		struct archive_about *o = &archive_newest(s->archive.track[i])->about;

		o->d = (struct ratio){us, SEC_US};
		if (o->kind == MEDIA_VIDEO && c->frame[o->index] > 0)
			o->fps = o->scale % c->frame[o->index]
				     ? (struct ratio){o->scale, c->frame[o->index]}
				     : (struct ratio){o->scale / c->frame[o->index], 1};
	}
}

/* Whole fragments, up to the first that is damaged or not there to its end. */
static int read_fragments(struct scan *c, uint64_t at)
{
	uint64_t whole = at, moof = 0, n;
	bool pending = false;
	char type[4];
	int rc = 0;

	for (; !rc && !box_at(c, at, type, &n); at += n) {
		if (!memcmp(type, "moof", 4)) {
			moof = at;
			pending = true;
			rc = read_moof(c, at, n);
		} else if (!memcmp(type, "mdat", 4) && pending) {
			pending = false;
			if (is_cut(c)) {
				rc = end_segment(c, moof);
				begin_segment(c, moof);
			}
			if (c->open)
				add_fragment(c);
			whole = at + n;
		}
	}
	if (rc != -ENOMEM)
		rc = c->s->growing ? 0 : end_segment(c, whole);
	if (!rc)
		tell_rates(c);
	return rc;
}

int vod_scan_file(struct vod_scan **out, const char *path, const char *name,
		  const struct vod_scan *have, int64_t now_us)
{
	struct scan c = {.lead = -1};
	struct stat st;
	uint64_t at;
	int rc;

	*out = NULL;
	c.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (c.fd < 0)
		return -errno;
	rc = fstat(c.fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -ENOENT;
	int64_t modified_us = st.st_mtim.tv_sec * SEC_US + st.st_mtim.tv_nsec / 1000;
	bool growing = now_us - modified_us < QUIET_US;
	if (rc || (have && have->size == st.st_size && have->modified_us == modified_us &&
		   have->growing == growing)) {
		close(c.fd);
		return rc;
	}
	c.size = (uint64_t)st.st_size;
	c.s = calloc(1, sizeof(*c.s));
	c.moof = malloc(MOOF_MAX);
	rc = c.s && c.moof ? 0 : -ENOMEM;
	if (!rc) {
		c.s->refs = 1;
		list_init(&c.s->link);
		str_copy(c.s->name, sizeof(c.s->name), name);
		c.s->size = st.st_size;
		c.s->modified_us = modified_us;
		c.s->growing = growing;
		rc = read_front(&c, &at);
	}
	if (!rc)
		rc = read_fragments(&c, at);
	for (int i = 0; i < MEDIA_TRACKS_MAX; i++)
		movie_samples_finish(&c.fragment[i]);
	free(c.moof);
	close(c.fd);
	if (rc)
		vod_scan_unref(c.s);
	else
		*out = c.s;
	return rc;
}

/* ---- what is asked for ---- */

struct vod_scan *vod_scan_ref(struct vod_scan *s)
{
	s->refs++;
	return s;
}

void vod_scan_unref(struct vod_scan *s)
{
	if (!s || --s->refs)
		return;
	for (int i = 0; i < MEDIA_TRACKS_MAX; i++)
		buf_unref(s->init[i]);
	buf_unref(s->front);
	vec_free(&s->segment);
	archive_finish(&s->archive);
	free(s);
}

static int find_track(const struct vod_scan *s, const char *rendition)
{
	for (int i = 0; i < s->n; i++)
		if (!strcmp(s->rendition[i], rendition))
			return i;
	return -1;
}

struct buf *vod_scan_init(const struct vod_scan *s, const char *rendition)
{
	int i = find_track(s, rendition);

	return i < 0 ? NULL : s->init[i];
}

/* All samples of a track among the bytes of a segment, as far as their bytes are there too. */
static int read_samples(const struct vod_scan *s, int track, const uint8_t *p, uint64_t offset,
			size_t n, struct movie_samples *out)
{
	int rc = 0;

	for (size_t at = 0; !rc && at + 8 <= n;) {
		struct rd r = rd_of(p + at, 8);
		uint64_t size = rd_u32(&r);

		if (size == 1 && n - at >= 16) {
			r = rd_of(p + at + 8, 8);
			size = rd_u64(&r);
		}
		if (size < 8 || size > n - at)
			break;
		if (!memcmp(p + at + 4, "moof", 4))
			rc =
			    movie_moof(p + at, (size_t)size, offset + at, &s->track[track], 1, out);
		at += (size_t)size;
	}
	for (size_t i = 0; i < out->s.len; i++) {
		struct movie_sample *m = &out->s.at[i];

		if (m->pos < offset || m->pos - offset > n || m->size > n - (m->pos - offset))
			out->s.len = i;
		else
			m->pos -= offset;
	}
	return rc;
}

int vod_scan_segment(const struct vod_scan *s, const char *path, const char *rendition,
		     int64_t number, struct buf **out)
{
	int track = find_track(s, rendition), rc;
	struct movie_samples samples = {0};

	*out = NULL;
	if (track < 0 || number < 0 || (size_t)number >= s->segment.len)
		return -ENOENT;
	const struct vod_segment *seg = &s->segment.at[number];
	if (seg->size > SEGMENT_MAX)
		return -EFBIG;
	uint8_t *bytes = malloc((size_t)seg->size);
	rc = bytes ? dvr_files_read(path, seg->offset, bytes, (size_t)seg->size) : -ENOMEM;
	if (!rc)
		rc = read_samples(s, track, bytes, seg->offset, (size_t)seg->size, &samples);
	if (!rc && !samples.s.len)
		rc = -ENOENT;
	if (!rc) {
		*out = movie_fragment(&s->track[track], (uint32_t)number + 1, samples.s.at,
				      samples.s.len, bytes);
		rc = *out ? 0 : -ENOMEM;
	}
	movie_samples_finish(&samples);
	free(bytes);
	return rc;
}
