#include <errno.h>
#include <stdio.h>

#include "cmaf/movie.h"

#define SAMPLES_MAX (1 << 20) /* hours */

/* The next box: its type, and what is in it. False at the end, and for one that does not fit. */
static bool next(struct rd *r, char type[5], struct rd *in, struct movie_box *whole)
{
	const uint8_t *start = r->p;

	if (rd_left(r) < 8)
		return false;
	uint64_t n = rd_u32(r), head = 8;
	memcpy(type, rd_bytes(r, 4), 4);
	type[4] = 0;
	if (n == 1) {
		n = rd_u64(r);
		head = 16;
	}
	if (r->bad || n < head || n - head > rd_left(r))
		return false;
	*in = rd_of(r->p, (size_t)(n - head));
	*whole = (struct movie_box){start, (size_t)n};
	rd_bytes(r, (size_t)(n - head));
	return true;
}

static bool is(const char *type, const char *want)
{
	return !memcmp(type, want, 4);
}

/* The first box of that type in r. */
static bool find(struct rd r, const char *want, struct rd *in, struct movie_box *whole)
{
	char type[5];

	while (next(&r, type, in, whole))
		if (is(type, want))
			return true;
	return false;
}

/* ---- moov ---- */

static void read_tkhd(struct rd r, struct movie_track *t)
{
	bool large = rd_u32(&r) >> 24;

	rd_bytes(&r, large ? 16 : 8);
	t->id = rd_u32(&r);
	rd_bytes(&r, (large ? 12 : 8) + 16 + 36);
	t->width = rd_u32(&r);
	t->height = rd_u32(&r);
	if (r.bad)
		t->id = 0;
}

static void read_mdhd(struct rd r, struct movie_track *t)
{
	bool large = rd_u32(&r) >> 24;

	rd_bytes(&r, large ? 16 : 8);
	t->scale = rd_u32(&r);
	rd_bytes(&r, large ? 8 : 4);
	t->lang = rd_u16(&r);
	if (r.bad)
		t->scale = 0;
}

static bool read_trak(struct rd trak, struct movie_track *t)
{
	struct rd r, mdia, minf, stbl;
	struct movie_box box;
	const uint8_t *handler;

	*t = (struct movie_track){0};
	if (!find(trak, "tkhd", &r, &box))
		return false;
	read_tkhd(r, t);
	if (!find(trak, "mdia", &mdia, &box) || !find(mdia, "mdhd", &r, &box))
		return false;
	read_mdhd(r, t);
	if (!find(mdia, "hdlr", &r, &t->hdlr) || !rd_bytes(&r, 8) || !(handler = rd_bytes(&r, 4)) ||
	    !find(mdia, "minf", &minf, &box))
		return false;
	if (!memcmp(handler, "vide", 4))
		t->kind = MEDIA_VIDEO;
	else if (!memcmp(handler, "soun", 4))
		t->kind = MEDIA_AUDIO;
	else
		return false;
	return t->id && t->scale > 0 && t->scale <= INT32_MAX &&
	       find(minf, t->kind == MEDIA_VIDEO ? "vmhd" : "smhd", &r, &t->header) &&
	       find(minf, "dinf", &r, &t->dinf) && find(minf, "stbl", &stbl, &box) &&
	       find(stbl, "stsd", &r, &t->stsd);
}

static void read_trex(struct rd r, struct movie_track *t, int n)
{
	rd_u32(&r);
	uint32_t id = rd_u32(&r);

	rd_u32(&r);
	for (int i = 0; i < n; i++) {
		if (t[i].id != id)
			continue;
		t[i].duration = rd_u32(&r);
		t[i].size = rd_u32(&r);
		t[i].flags = rd_u32(&r);
		return;
	}
}

int movie_tracks(const uint8_t *p, size_t n, struct movie_track *t, int max)
{
	struct rd moov, in, r = rd_of(p, n);
	struct movie_box box;
	char type[5];
	int got = 0;

	if (!find(r, "moov", &moov, &box))
		return -EINVAL;
	for (r = moov; next(&r, type, &in, &box);)
		if (is(type, "trak") && got < max)
			got += read_trak(in, &t[got]);
	if (find(moov, "mvex", &r, &box))
		while (next(&r, type, &in, &box))
			if (is(type, "trex"))
				read_trex(in, t, got);
	return got ? got : -EINVAL;
}

/* ---- moof ---- */

/* Of a track fragment. */
struct fragment {
	uint64_t base,
	    data; /* where offsets count from; where the next run's bytes begin, when it does not say */
	int64_t dts;
	uint32_t duration, size, flags;
};

static bool read_tfhd(struct rd r, uint64_t pos, const struct movie_track *t, int tracks, int *of,
		      struct fragment *f)
{
	uint32_t flags = rd_u32(&r), id = rd_u32(&r);

	*of = -1;
	for (int i = 0; i < tracks; i++)
		if (t[i].id == id)
			*of = i;
	if (*of < 0 || r.bad)
		return !r.bad;
	t += *of;
	f->base = flags & 1 ? rd_u64(&r) : pos;
	if (flags & 2)
		rd_u32(&r);
	f->duration = flags & 8 ? rd_u32(&r) : t->duration;
	f->size = flags & 0x10 ? rd_u32(&r) : t->size;
	f->flags = flags & 0x20 ? rd_u32(&r) : t->flags;
	return !r.bad;
}

static int read_trun(struct rd r, struct fragment *f, struct movie_samples *out)
{
	uint32_t flags = rd_u32(&r), n = rd_u32(&r), first = 0;

	if (flags & 1)
		f->data = f->base + (uint64_t)(int64_t)(int32_t)rd_u32(&r);
	bool has_first = flags & 4;
	if (has_first)
		first = rd_u32(&r);
	for (uint32_t i = 0; i < n; i++) {
		struct movie_sample s = {
		    .pos = f->data, .dts = f->dts, .dur = f->duration, .size = f->size};
		uint32_t what = i || !has_first ? f->flags : first;

		if (flags & 0x100)
			s.dur = rd_u32(&r);
		if (flags & 0x200)
			s.size = rd_u32(&r);
		if (flags & 0x400)
			what = rd_u32(&r);
		if (flags & 0x800)
			s.cts = (int32_t)rd_u32(&r);
		/* A table of constants has no end of its own. */
		if (r.bad || out->s.len >= SAMPLES_MAX || f->dts > INT64_MAX / 4 ||
		    f->data > INT64_MAX / 4)
			return -EINVAL;
		s.key = !(what & 0x10000);
		if (vec_push(&out->s, s))
			return -ENOMEM;
		f->data += s.size;
		f->dts += s.dur;
	}
	return r.bad ? -EINVAL : 0;
}

static int read_traf(struct rd traf, uint64_t pos, const struct movie_track *t, int tracks,
		     struct movie_samples *samples)
{
	struct fragment f = {0};
	struct movie_box box;
	struct rd r, in;
	char type[5];
	int of, rc = 0;

	if (!find(traf, "tfhd", &r, &box) || !read_tfhd(r, pos, t, tracks, &of, &f))
		return -EINVAL;
	if (of < 0)
		return 0;
	if (find(traf, "tfdt", &r, &box)) {
		bool large = rd_u32(&r) >> 24;

		f.dts = large ? (int64_t)rd_u64(&r) : rd_u32(&r);
		if (r.bad || f.dts < 0)
			return -EINVAL;
	}
	f.data = f.base;
	while (!rc && next(&traf, type, &in, &box))
		if (is(type, "trun"))
			rc = read_trun(in, &f, &samples[of]);
	return rc;
}

int movie_moof(const uint8_t *p, size_t n, uint64_t pos, const struct movie_track *t, int tracks,
	       struct movie_samples *samples)
{
	struct rd moof, in, r = rd_of(p, n);
	struct movie_box box;
	char type[5];
	int rc = 0;

	if (!next(&r, type, &moof, &box) || !is(type, "moof"))
		return -EINVAL;
	while (!rc && next(&moof, type, &in, &box))
		if (is(type, "traf"))
			rc = read_traf(in, pos, t, tracks, samples);
	return rc;
}

void movie_samples_finish(struct movie_samples *s)
{
	vec_free(&s->s);
}

/* ---- codecs ---- */

/* Past the tag and length of a descriptor (ISO/IEC 14496-1, 8.3.3). */
static bool descriptor(struct rd *r, unsigned tag)
{
	unsigned found = rd_u8(r);

	for (int i = 0; i < 4 && rd_u8(r) & 0x80; i++)
		;
	return found == tag && !r->bad;
}

static void aac_name(struct rd r, char out[32])
{
	rd_u32(&r);
	if (!descriptor(&r, 3) || !rd_bytes(&r, 3) || !descriptor(&r, 4))
		return;
	unsigned object = rd_u8(&r);
	rd_bytes(&r, 12);
	if (object != 0x40) {
		snprintf(out, 32, "mp4a.%02x", object);
		return;
	}
	unsigned type = descriptor(&r, 5) ? rd_u8(&r) >> 3 : 2;
	if (!r.bad)
		snprintf(out, 32, "mp4a.40.%u", type);
}

/* ISO/IEC 14496-15, E.3. */
static void hevc_name(struct rd r, const char *entry, char out[32])
{
	static const char *const spaces[] = {"", "A", "B", "C"};
	const uint8_t *p = rd_bytes(&r, 13);
	uint32_t flags = 0;
	size_t at, last = 11;

	if (!p)
		return;
	for (int i = 0; i < 32; i++)
		flags |= (uint32_t)(p[2 + i / 8] >> (7 - i % 8) & 1) << i;
	at = (size_t)snprintf(out, 32, "%.4s.%s%u.%x.%c%u", entry, spaces[p[1] >> 6], p[1] & 31,
			      flags, p[1] & 32 ? 'H' : 'L', p[12]);
	while (last > 5 && !p[last])
		last--;
	for (size_t i = 6; i <= last && at + 4 < 32; i++)
		at += (size_t)snprintf(out + at, 32 - at, ".%x", p[i]);
}

void movie_codec(const struct movie_track *t, char out[32])
{
	struct rd stsd = rd_of(t->stsd.p, t->stsd.n), entry, in;
	struct movie_box box;
	const uint8_t *p;
	char type[5];

	*out = 0;
	rd_bytes(&stsd, 16);
	if (stsd.bad || !next(&stsd, type, &entry, &box))
		return;
	rd_bytes(&entry, t->kind == MEDIA_VIDEO ? 78 : 28);
	if (entry.bad)
		return;
	if (is(type, "avc1") && find(entry, "avcC", &in, &box) && (p = rd_bytes(&in, 4)))
		snprintf(out, 32, "avc1.%02x%02x%02x", p[1], p[2], p[3]);
	else if ((is(type, "hvc1") || is(type, "hev1")) && find(entry, "hvcC", &in, &box))
		hevc_name(in, type, out);
	else if (is(type, "mp4a") && find(entry, "esds", &in, &box))
		aac_name(in, out);
	else if (is(type, "Opus"))
		str_copy(out, 32, "opus");
}

void movie_sound(const struct movie_track *t, int *rate, int *channels)
{
	struct rd r = rd_of(t->stsd.p, t->stsd.n);

	rd_bytes(&r, 16 + 8 + 16);
	*channels = rd_u16(&r);
	rd_bytes(&r, 6);
	*rate = (int)(rd_u32(&r) >> 16);
	if (r.bad || t->kind != MEDIA_AUDIO)
		*rate = *channels = 0;
}
