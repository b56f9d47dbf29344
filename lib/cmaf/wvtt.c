#include "cmaf/wvtt.h"

#include <inttypes.h>

#include "cmaf/coder.h"

/* ---- writing ---- */

static void put_box(struct boxes *b, const char *type, const char *text, size_t n)
{
	size_t at = box_begin(b, type);

	box_bytes(b, text, n);
	box_end(b, at);
}

void wvtt_cue(struct wvtt *w, const char *id, const char *settings, const char *text, size_t n)
{
	size_t at = box_begin(&w->data, "vttc");

	put_box(&w->data, "iden", id, strlen(id));
	put_box(&w->data, "sttg", settings, strlen(settings));
	put_box(&w->data, "payl", text, n);
	box_end(&w->data, at);
}

void wvtt_until(struct wvtt *w, int64_t end)
{
	struct boxes *b = &w->data;

	if (end <= w->next) {
		b->out.len = b->bad ? b->out.len : w->done;
		return;
	}
	if (b->out.len == w->done)
		put_box(b, "vtte", "", 0);
	struct sample s = {.dts = w->next,
			   .dur = (uint32_t)(end - w->next),
			   .size = (uint32_t)(b->out.len - w->done),
			   .key = true};
	b->bad |= vec_push(&w->at, s) != 0;
	w->next = end;
	w->done = b->out.len;
}

struct buf *wvtt_end(struct wvtt *w, uint32_t track_id)
{
	struct buf *out = NULL;
	uint8_t *data;

	if (!w->data.bad && w->at.len)
		out = box_chunk(track_id, 1, w->at.at, w->at.len, NULL, NULL, w->done, &data);
	if (out)
		memcpy(data, w->data.out.at, w->done);
	vec_free(&w->data.out);
	vec_free(&w->at);
	return out;
}

struct buf *wvtt_config(void)
{
	return buf_copy("WEBVTT", 6);
}

const struct coder coder_wvtt = {.entry = "wvtt", .box = "vttC", .usual = "wvtt"};

/* ---- as a text ---- */

/* The content of the first box of that type in r; a zeroed one when there is none. */
static struct rd find(struct rd r, const char *type)
{
	while (rd_left(&r) >= 8) {
		uint32_t size = rd_u32(&r);
		const uint8_t *is = rd_bytes(&r, 4);
		const uint8_t *p = size >= 8 ? rd_bytes(&r, size - 8) : NULL;

		if (!p && size != 8)
			break;
		if (!memcmp(is, type, 4))
			return rd_of(p, size - 8);
	}
	return (struct rd){0};
}

static void put_time(int64_t ms, FILE *f)
{
	fprintf(f, "%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64, ms / 3600000,
		ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}

static void put_all(struct rd r, FILE *f)
{
	size_t n = rd_left(&r);

	if (n)
		fwrite(rd_bytes(&r, n), 1, n, f);
}

static void put_cue(struct rd cue, int64_t from_ms, int64_t to_ms, FILE *f)
{
	if (to_ms <= from_ms)
		return;
	fputc('\n', f);
	put_all(find(cue, "iden"), f);
	fputc('\n', f);
	put_time(from_ms, f);
	fputs(" --> ", f);
	put_time(to_ms, f);
	fputc(' ', f);
	put_all(find(cue, "sttg"), f);
	fputc('\n', f);
	put_all(find(cue, "payl"), f);
	fputc('\n', f);
}

/* The cues of a sample, which is shown from `from` to `to` of the fragment. */
static void put_sample(struct rd sample, int64_t from, int64_t to, FILE *f)
{
	while (rd_left(&sample) >= 8) {
		uint32_t size = rd_u32(&sample);
		const uint8_t *type = rd_bytes(&sample, 4);
		const uint8_t *p = size >= 8 ? rd_bytes(&sample, size - 8) : NULL;

		if (p && !memcmp(type, "vttc", 4))
			put_cue(rd_of(p, size - 8), from * 1000 / WVTT_SCALE,
				to * 1000 / WVTT_SCALE, f);
		else if (!p && size != 8)
			break;
	}
}

/* trun as box_chunk writes it: with the duration of each sample or without, see tfhd. */
static bool put_samples(struct rd tfhd, struct rd trun, struct rd data, FILE *f)
{
	uint32_t flags = rd_u32(&trun), n = rd_u32(&trun);
	int64_t at = 0;

	rd_u32(&tfhd);
	rd_u32(&tfhd);
	uint32_t usual = rd_u32(&tfhd);
	rd_u32(&trun); /* offset of data */
	for (; n && !trun.bad; n--) {
		uint32_t dur = flags & 0x100 ? rd_u32(&trun) : usual, size = rd_u32(&trun);

		if (flags & 0x400)
			rd_u32(&trun);
		if (flags & 0x800)
			rd_u32(&trun);
		const uint8_t *p = trun.bad ? NULL : rd_bytes(&data, size);
		if (!p)
			return false;
		put_sample(rd_of(p, size), at, at + dur, f);
		at += dur;
	}
	return !trun.bad;
}

struct buf *wvtt_text(const uint8_t *p, size_t n)
{
	struct rd all = n ? rd_of(p, n) : (struct rd){0}, traf = find(find(all, "moof"), "traf");
	struct rd tfdt = find(traf, "tfdt");
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	rd_u32(&tfdt);
	fprintf(f, "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:%" PRIu64 ",LOCAL:00:00:00.000\n",
		rd_u64(&tfdt) & 0x1ffffffff);
	bool ok =
	    !tfdt.bad && put_samples(find(traf, "tfhd"), find(traf, "trun"), find(all, "mdat"), f);
	struct buf *b = buf_close(f, &text, &size);

	if (!ok) {
		buf_unref(b);
		b = NULL;
	}
	return b;
}
