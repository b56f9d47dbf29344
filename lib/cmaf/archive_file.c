/* What stands in an index file. Network byte order; each piece ends with a sum, against what was torn or never reached the
 * disk. */
#include "cmaf/archive.h"

#include <errno.h>

#define MAGIC "gexdvr1\n"
#define F_INDEPENDENT 1u
#define F_DISCONTINUITY 2u
#define F_GAP 4u

/* FNV-1a. */
static uint32_t sum(const uint8_t *p, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static void put_ratio(struct wr *w, struct ratio r)
{
	wr_u64(w, (uint64_t)r.num);
	wr_u64(w, (uint64_t)r.den);
}

static struct ratio get_ratio(struct rd *r)
{
	struct ratio v = {(int64_t)rd_u64(r), 0};

	v.den = (int64_t)rd_u64(r);
	return v;
}

void archive_put_head(const struct archive_about *a, int64_t id, uint8_t out[ARCHIVE_HEAD])
{
	struct wr w = wr_of(out, ARCHIVE_HEAD - 4);

	memset(out, 0, ARCHIVE_HEAD);
	wr_bytes(&w, MAGIC, 8);
	wr_u64(&w, (uint64_t)id);
	wr_u8(&w, (uint8_t)a->index);
	wr_u8(&w, a->kind);
	wr_u8(&w, a->standard);
	wr_bytes(&w, a->name, sizeof(a->name));
	wr_bytes(&w, a->lang, sizeof(a->lang));
	wr_bytes(&w, a->label, sizeof(a->label));
	wr_bytes(&w, a->codec, sizeof(a->codec));
	wr_bytes(&w, a->init, sizeof(a->init));
	wr_u32(&w, (uint32_t)a->width);
	wr_u32(&w, (uint32_t)a->height);
	wr_u32(&w, (uint32_t)a->sample_rate);
	wr_u32(&w, (uint32_t)a->channels);
	put_ratio(&w, a->fps);
	put_ratio(&w, a->d);
	wr_u64(&w, (uint64_t)a->scale);
	wr_u64(&w, (uint64_t)a->frame);
	wr_u32(&w, a->init_size);
	wr_u64(&w, (uint64_t)a->breaks);
	wr_u8(&w, a->scheme);
	wr_bytes(&w, a->kid, sizeof(a->kid));
	wr_bytes(&w, a->iv, sizeof(a->iv));
	w = wr_of(out + ARCHIVE_HEAD - 4, 4);
	wr_u32(&w, sum(out, ARCHIVE_HEAD - 4));
}

static void get_bytes(struct rd *r, void *out, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (p)
		memcpy(out, p, n);
}

static void get_text(struct rd *r, char *out, size_t n)
{
	get_bytes(r, out, n);
	out[n - 1] = 0;
}

static bool is_plain(const char *s)
{
	return *s && !strchr(s, '/') && !strchr(s, '"') && !strchr(s, '\n') && *s != '.';
}

int archive_get_head(struct archive_about *a, int64_t *id, const uint8_t in[ARCHIVE_HEAD])
{
	struct rd r = rd_of(in + ARCHIVE_HEAD - 4, 4);

	if (memcmp(in, MAGIC, 8) != 0 || rd_u32(&r) != sum(in, ARCHIVE_HEAD - 4))
		return -EINVAL;
	*a = (struct archive_about){0};
	r = rd_of(in + 8, ARCHIVE_HEAD - 12);
	*id = (int64_t)rd_u64(&r);
	a->index = rd_u8(&r);
	a->kind = rd_u8(&r);
	a->standard = rd_u8(&r) != 0;
	get_text(&r, a->name, sizeof(a->name));
	get_text(&r, a->lang, sizeof(a->lang));
	get_text(&r, a->label, sizeof(a->label));
	get_text(&r, a->codec, sizeof(a->codec));
	get_text(&r, a->init, sizeof(a->init));
	a->width = (int)rd_u32(&r);
	a->height = (int)rd_u32(&r);
	a->sample_rate = (int)rd_u32(&r);
	a->channels = (int)rd_u32(&r);
	a->fps = get_ratio(&r);
	a->d = get_ratio(&r);
	a->scale = (int64_t)rd_u64(&r);
	a->frame = (int64_t)rd_u64(&r);
	a->init_size = rd_u32(&r);
	a->breaks = (int64_t)rd_u64(&r);
	a->scheme = rd_u8(&r);
	get_bytes(&r, a->kid, sizeof(a->kid));
	get_bytes(&r, a->iv, sizeof(a->iv));
	bool sane = a->scale > 0 && a->scale <= INT32_MAX && a->d.num > 0 && a->d.den > 0 &&
		    a->d.num < INT64_C(1) << 40 && a->d.den < INT64_C(1) << 40 && a->fps.den > 0 &&
		    (a->init_size || !strcmp(a->codec, PICTURE_CODEC)) &&
		    a->scheme <= CMAF_AES128 && is_plain(a->name) && is_plain(a->init) && *id >= 0;
	return sane ? 0 : -EINVAL;
}

void archive_put_record(const struct archive_entry *e, uint8_t out[ARCHIVE_RECORD])
{
	struct wr w = wr_of(out, ARCHIVE_RECORD);

	wr_u64(&w, (uint64_t)e->number);
	wr_u64(&w, (uint64_t)e->start);
	wr_u64(&w, e->offset);
	wr_u32(&w, e->size);
	wr_u32(&w, e->dur);
	wr_u32(&w, (e->independent ? F_INDEPENDENT : 0) | (e->discontinuity ? F_DISCONTINUITY : 0) |
		       (e->gap ? F_GAP : 0));
	wr_u32(&w, sum(out, ARCHIVE_RECORD - 4));
}

static bool get_record(struct archive_entry *e, const uint8_t *in)
{
	struct rd r = rd_of(in, ARCHIVE_RECORD);

	e->number = (int64_t)rd_u64(&r);
	e->start = (int64_t)rd_u64(&r);
	e->offset = rd_u64(&r);
	e->size = rd_u32(&r);
	e->dur = rd_u32(&r);
	uint32_t flags = rd_u32(&r);
	e->independent = flags & F_INDEPENDENT;
	e->discontinuity = flags & F_DISCONTINUITY;
	e->gap = flags & F_GAP;
	return rd_u32(&r) == sum(in, ARCHIVE_RECORD - 4) && llabs(e->start) < INT64_MAX / 4 &&
	       e->gap == !e->size;
}

int archive_read(struct archive *a, const uint8_t *index, size_t n, uint64_t size)
{
	struct archive_about about;
	struct archive_entry e;
	int64_t id;
	int rc = n < ARCHIVE_HEAD ? -EINVAL : archive_get_head(&about, &id, index), got = 0;

	if (rc || about.init_size > size)
		return -EINVAL;
	if (!archive_begin(a, &about, id))
		return -EEXIST;
	struct archive_track *t = archive_find(a, about.name);
	for (size_t at = ARCHIVE_HEAD; at + ARCHIVE_RECORD <= n; at += ARCHIVE_RECORD) {
		if (!get_record(&e, index + at) || e.offset > size || e.size > size - e.offset)
			break;
		rc = archive_add(a, t, &e);
		if (rc == -ENOMEM)
			return rc;
		if (rc)
			break;
		got++;
	}
	return got;
}
