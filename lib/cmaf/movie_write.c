#include "cmaf/box.h"
#include "cmaf/movie.h"

#define MOVIE_SCALE 90000

static int64_t pts(const struct movie_sample *s)
{
	return s->dts + s->cts;
}

bool movie_cut(const struct movie_sample *s, size_t len, int64_t from, int64_t to, size_t *first,
	       size_t *n)
{
	size_t begin = len, end = 0;

	for (size_t i = 0; i < len; i++) {
		if (pts(&s[i]) < to)
			end = i + 1;
		/* The last key frame that is not after it, or else the first. */
		if (s[i].key && (begin == len || pts(&s[i]) <= from))
			begin = i;
	}
	*first = begin;
	*n = end > begin ? end - begin : 0;
	return *n;
}

/* ---- tables ---- */

static void put_zeros(struct boxes *b, size_t n)
{
	while (n--)
		box_u8(b, 0);
}

static void put_u32_at(struct boxes *b, size_t at, uint32_t v)
{
	if (b->bad)
		return;
	struct wr w = wr_of(b->out.at + at, 4);
	wr_u32(&w, v);
}

/* How long until the next sample; of the last one, as it says. */
static uint32_t delta(const struct movie_out *o, size_t i)
{
	int64_t d = i + 1 < o->n ? o->s[i + 1].dts - o->s[i].dts : o->s[i].dur;

	return (uint32_t)CLAMP(d, 0, INT32_MAX);
}

static uint32_t cts(const struct movie_out *o, size_t i)
{
	return (uint32_t)o->s[i].cts;
}

/* A table of runs: count, value. */
static void put_runs(struct boxes *b, const char *type, unsigned version, const struct movie_out *o,
		     uint32_t (*value)(const struct movie_out *o, size_t i))
{
	size_t at = box_begin_full(b, type, version, 0), count_at = b->out.len;
	uint32_t runs = 0;

	box_u32(b, 0);
	for (size_t i = 0; i < o->n; runs++) {
		uint32_t v = value(o, i), k = 0;

		for (; i < o->n && value(o, i) == v; i++)
			k++;
		box_u32(b, k);
		box_u32(b, v);
	}
	put_u32_at(b, count_at, runs);
	box_end(b, at);
}

static void put_keys(struct boxes *b, const struct movie_out *o)
{
	size_t at = box_begin_full(b, "stss", 0, 0), count_at = b->out.len;
	uint32_t n = 0;

	box_u32(b, 0);
	for (size_t i = 0; i < o->n; i++) {
		if (!o->s[i].key)
			continue;
		box_u32(b, (uint32_t)i + 1);
		n++;
	}
	put_u32_at(b, count_at, n);
	box_end(b, at);
}

/* Samples that lie side by side from i on. */
static uint32_t run(const struct movie_out *o, size_t i)
{
	uint32_t n = 1;

	for (; i + n < o->n && o->s[i + n].pos == o->s[i + n - 1].pos + o->s[i + n - 1].size; n++)
		;
	return n;
}

/* stsc tells where the length of runs changes, co64 where each begins. */
static void put_chunks(struct boxes *b, const struct movie_out *o, uint64_t base)
{
	size_t at = box_begin_full(b, "stsc", 0, 0), count_at = b->out.len;
	uint32_t entries = 0, chunk = 0, before = 0;

	box_u32(b, 0);
	for (size_t i = 0; i < o->n; i += before) {
		uint32_t n = run(o, i);

		chunk++;
		if (n != before) {
			box_u32(b, chunk);
			box_u32(b, n);
			box_u32(b, 1);
			entries++;
		}
		before = n;
	}
	put_u32_at(b, count_at, entries);
	box_end(b, at);
	at = box_begin_full(b, "co64", 0, 0);
	box_u32(b, chunk);
	for (size_t i = 0; i < o->n; i += run(o, i))
		box_u64(b, base + o->s[i].pos);
	box_end(b, at);
}

static void put_stbl(struct boxes *b, const struct movie_out *o, uint64_t base)
{
	size_t stbl = box_begin(b, "stbl"), at;
	bool reordered = false, all_keys = true;

	for (size_t i = 0; i < o->n; i++) {
		reordered |= o->s[i].cts != 0;
		all_keys &= o->s[i].key;
	}
	box_bytes(b, o->t->stsd.p, o->t->stsd.n);
	put_runs(b, "stts", 0, o, delta);
	if (reordered)
		put_runs(b, "ctts", 1, o, cts);
	if (!all_keys)
		put_keys(b, o);
	put_chunks(b, o, base);
	at = box_begin_full(b, "stsz", 0, 0);
	box_u32(b, 0);
	box_u32(b, (uint32_t)o->n);
	for (size_t i = 0; i < o->n; i++)
		box_u32(b, o->s[i].size);
	box_end(b, at);
	box_end(b, stbl);
}

/* ---- a track ---- */

static int64_t media_end(const struct movie_out *o)
{
	int64_t end = 0;

	for (size_t i = 0; i < o->n; i++)
		end = MAX(end, pts(&o->s[i]) + o->s[i].dur);
	return end;
}

static int64_t first_pts(const struct movie_out *o)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < o->n && i < 64; i++)
		first = MIN(first, pts(&o->s[i]));
	return first;
}

/* In the scale of the movie: how long nothing of the track is there, and how long it is. */
static void spans(const struct movie_out *o, uint64_t *empty, uint64_t *length)
{
	int64_t begin = MAX(o->from, first_pts(o)), end = MIN(o->to, media_end(o));

	*empty = (uint64_t)base_scale(begin - o->from, MOVIE_SCALE, o->t->scale);
	*length = (uint64_t)base_scale(MAX(end - begin, 0), MOVIE_SCALE, o->t->scale);
}

static void put_edit(struct boxes *b, uint64_t length, int64_t media_time)
{
	box_u64(b, length);
	box_u64(b, (uint64_t)media_time);
	box_u32(b, 0x10000);
}

static void put_edits(struct boxes *b, const struct movie_out *o)
{
	size_t edts = box_begin(b, "edts"), at = box_begin_full(b, "elst", 1, 0);
	uint64_t empty, length;

	spans(o, &empty, &length);
	box_u32(b, empty ? 2 : 1);
	if (empty)
		put_edit(b, empty, -1);
	put_edit(b, length, MAX(o->from, first_pts(o)) - o->s[0].dts);
	box_end(b, at);
	box_end(b, edts);
}

static void put_matrix(struct boxes *b)
{
	static const uint32_t unity[9] = {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000};

	for (size_t i = 0; i < 9; i++)
		box_u32(b, unity[i]);
}

static void put_tkhd(struct boxes *b, const struct movie_track *t, uint32_t id, uint64_t duration)
{
	size_t at = box_begin_full(b, "tkhd", 1, 3);

	put_zeros(b, 16);
	box_u32(b, id);
	box_u32(b, 0);
	box_u64(b, duration);
	put_zeros(b, 8 + 2 + 2);
	box_u16(b, t->kind == MEDIA_AUDIO ? 0x100 : 0);
	box_u16(b, 0);
	put_matrix(b);
	box_u32(b, t->width);
	box_u32(b, t->height);
	box_end(b, at);
}

static void put_mvhd(struct boxes *b, uint32_t scale, uint64_t duration, uint32_t next_id)
{
	size_t at = box_begin_full(b, "mvhd", 1, 0);

	put_zeros(b, 16);
	box_u32(b, scale);
	box_u64(b, duration);
	box_u32(b, 0x10000);
	box_u16(b, 0x100);
	put_zeros(b, 10);
	put_matrix(b);
	put_zeros(b, 24);
	box_u32(b, next_id);
	box_end(b, at);
}

static void put_mdhd(struct boxes *b, const struct movie_track *t, uint64_t duration)
{
	size_t at = box_begin_full(b, "mdhd", 1, 0);

	put_zeros(b, 16);
	box_u32(b, (uint32_t)t->scale);
	box_u64(b, duration);
	box_u16(b, t->lang);
	box_u16(b, 0);
	box_end(b, at);
}

static void put_trak(struct boxes *b, const struct movie_out *o, uint32_t id, uint64_t base)
{
	size_t trak = box_begin(b, "trak"), mdia, minf;

	uint64_t empty, length;

	spans(o, &empty, &length);
	put_tkhd(b, o->t, id, empty + length);
	put_edits(b, o);
	mdia = box_begin(b, "mdia");
	put_mdhd(b, o->t, (uint64_t)(media_end(o) - o->s[0].dts));
	box_bytes(b, o->t->hdlr.p, o->t->hdlr.n);
	minf = box_begin(b, "minf");
	box_bytes(b, o->t->header.p, o->t->header.n);
	box_bytes(b, o->t->dinf.p, o->t->dinf.n);
	put_stbl(b, o, base);
	box_end(b, minf);
	box_end(b, mdia);
	box_end(b, trak);
}

static void put_moov(struct boxes *b, const struct movie_out *o, int n, uint64_t base)
{
	size_t moov = box_begin(b, "moov");
	uint64_t longest = 0, empty, length;

	for (int i = 0; i < n; i++) {
		spans(&o[i], &empty, &length);
		longest = MAX(longest, empty + length);
	}
	put_mvhd(b, MOVIE_SCALE, longest, (uint32_t)n + 1);
	for (int i = 0; i < n; i++)
		put_trak(b, &o[i], (uint32_t)i + 1, base);
	box_end(b, moov);
}

static void put_head(struct boxes *b, const struct movie_out *o, int n, uint64_t content,
		     uint64_t base)
{
	size_t at = box_begin(b, "ftyp");

	box_bytes(b, "isom", 4);
	box_u32(b, 0x200);
	box_bytes(b, "isomiso2mp41", 12);
	box_end(b, at);
	put_moov(b, o, n, base);
	box_u32(b, 1);
	box_bytes(b, "mdat", 4);
	box_u64(b, content + 16);
}

struct buf *movie_head(const struct movie_out *o, int n, uint64_t content)
{
	struct boxes b = {0};
	struct buf *out = NULL;

	/* Twice: the first time tells how long it is. */
	put_head(&b, o, n, content, 0);
	uint64_t base = b.out.len;
	b.out.len = 0;
	if (!b.bad)
		put_head(&b, o, n, content, base);
	if (!b.bad)
		out = buf_copy(b.out.at, b.out.len);
	vec_free(&b.out);
	return out;
}

/* ---- fragments ---- */

static void put_empty_stbl(struct boxes *b, const struct movie_track *t)
{
	static const char *const names[] = {"stts", "stsc", "stco", "stsz"};
	size_t stbl = box_begin(b, "stbl");

	box_bytes(b, t->stsd.p, t->stsd.n);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t at = box_begin_full(b, names[i], 0, 0);

		put_zeros(b, i == 3 ? 8 : 4);
		box_end(b, at);
	}
	box_end(b, stbl);
}

struct buf *movie_init(const struct movie_track *t)
{
	struct boxes b = {0};
	struct buf *out = NULL;
	size_t at = box_begin(&b, "ftyp"), moov, trak, mdia, minf;

	box_bytes(&b, "iso6", 4);
	box_u32(&b, 0);
	box_bytes(&b, "iso6cmfcmp41", 12);
	box_end(&b, at);
	moov = box_begin(&b, "moov");
	put_mvhd(&b, (uint32_t)t->scale, 0, 2);
	trak = box_begin(&b, "trak");
	put_tkhd(&b, t, 1, 0);
	mdia = box_begin(&b, "mdia");
	put_mdhd(&b, t, 0);
	box_bytes(&b, t->hdlr.p, t->hdlr.n);
	minf = box_begin(&b, "minf");
	box_bytes(&b, t->header.p, t->header.n);
	box_bytes(&b, t->dinf.p, t->dinf.n);
	put_empty_stbl(&b, t);
	box_end(&b, minf);
	box_end(&b, mdia);
	box_end(&b, trak);
	size_t mvex = box_begin(&b, "mvex");
	at = box_begin_full(&b, "trex", 0, 0);
	box_u32(&b, 1);
	box_u32(&b, 1);
	put_zeros(&b, 12);
	box_end(&b, at);
	box_end(&b, mvex);
	box_end(&b, moov);
	if (!b.bad)
		out = buf_copy(b.out.at, b.out.len);
	vec_free(&b.out);
	return out;
}

struct buf *movie_fragment(const struct movie_track *t, uint32_t sequence,
			   const struct movie_sample *s, size_t n, const uint8_t *from)
{
	struct sample *as = calloc(n, sizeof(*as));
	struct buf *out = NULL;
	size_t payload = 0;
	uint8_t *to;

	if (!as || !n)
		goto done;
	for (size_t i = 0; i < n; i++) {
		as[i] = (struct sample){.dts = s[i].dts,
					.cts = s[i].cts,
					.dur = s[i].dur,
					.size = s[i].size,
					.key = s[i].key};
		payload += s[i].size;
	}
	out = box_chunk(1, sequence, as, n, NULL, NULL, payload, &to);
	for (size_t i = 0; out && i < n; i++) {
		memcpy(to, from + s[i].pos, s[i].size);
		to += s[i].size;
	}
done:
	free(as);
	return out;
}
