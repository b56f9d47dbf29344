/* Playlists of what lies on disk (RFC 8216bis). The lines of a file that is complete are kept: a window of many hours is put
 * together from them. */
#include <inttypes.h>

#include "cmaf/archive.h"
#include "cmaf/m3u8.h"
#include "cmaf/secret_text.h"
#include "media/language.h"

#define SKIP_UNTIL 6 /* target durations from the end: what a delta update always has */

static int64_t begin_us(const struct archive_file *f, const struct archive_entry *e)
{
	return archive_us(f, e->start);
}

static int64_t end_us(const struct archive_file *f, const struct archive_entry *e)
{
	return archive_us(f, e->start + e->dur);
}

/* ---- the multivariant playlist ---- */

static const struct archive_about *about(const struct archive_track *t)
{
	return &archive_newest(t)->about;
}

static bool shown(const struct archive_track *t, const struct archive_range *r)
{
	const struct archive_file *f;

	list_for (f, &t->files, link)
		if (f->e.len && end_us(f, &f->e.at[f->e.len - 1]) > r->from_us &&
		    begin_us(f, &f->e.at[0]) < r->to_us)
			return true;
	return false;
}

bool archive_has(const struct archive *a, const struct archive_range *r)
{
	for (int i = 0; i < a->n; i++)
		if (about(a->track[i])->kind != MEDIA_DATA && shown(a->track[i], r))
			return true;
	return false;
}

static int64_t mean(const struct archive_track *t)
{
	return t->us ? base_scale(t->bits, SEC_US, t->us) : 0;
}

static void put_media(const struct archive_track *t, bool standard, const char *playlist,
		      const char *query, FILE *f)
{
	const struct archive_about *o = about(t);
	char tag[4];

	language_tag(tag, o->lang);
	fprintf(f, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"%s\"",
		strpbrk(o->label, "\"\n\r") || !*o->label ? o->name : o->label);
	if (*tag)
		fprintf(f, ",LANGUAGE=\"%s\"", tag);
	fprintf(f, ",DEFAULT=%s,AUTOSELECT=YES,CHANNELS=\"%d\",URI=\"%s/%s%s\"\n",
		standard ? "YES" : "NO", o->channels, o->name, playlist, query);
}

/* Texts of captions, and what there is of them in the pictures. Returns whether there are texts. */
static bool put_captions(const struct archive *a, const struct archive_range *r,
			 const char *playlist, FILE *f)
{
	bool texts = false;

	for (int i = 0; i < a->n; i++) {
		struct cmaf_caption k;

		if (!archive_text(a->track[i], &k) || !shown(a->track[i], r))
			continue;
		m3u8_put_text(&k, a->track[i]->name, playlist, r->query, f);
		texts = true;
	}
	for (int i = 0; i < a->captions.n; i++)
		m3u8_put_captions(&a->captions.at[i], f);
	return texts;
}

static void put_variant(const struct archive *a, const struct archive_track *t,
			const struct archive_track *audio, bool texts, const char *playlist,
			const char *query, FILE *f)
{
	const struct archive_about *o = about(t);
	int64_t peak = t->peak + (audio ? audio->peak : 0),
		avg = mean(t) + (audio ? mean(audio) : 0);

	fprintf(f,
		"#EXT-X-STREAM-INF:BANDWIDTH=%" PRId64 ",AVERAGE-BANDWIDTH=%" PRId64 ",CODECS=\"%s",
		peak, avg, o->codec);
	if (audio)
		fprintf(f, ",%s", about(audio)->codec);
	fprintf(f, "\"");
	if (o->kind == MEDIA_VIDEO) {
		fprintf(f, ",RESOLUTION=%dx%d", o->width, o->height);
		if (o->fps.num > 0)
			fprintf(f, ",FRAME-RATE=%.3f", (double)o->fps.num / (double)o->fps.den);
		m3u8_put_groups(a->captions.n	      ? M3U8_TOLD
				: a->captions.unknown ? M3U8_UNKNOWN
						      : M3U8_NONE,
				texts, f);
	}
	if (audio)
		fprintf(f, ",AUDIO=\"audio\"");
	fprintf(f, "\n%s/%s%s\n", o->name, playlist, query);
}

void archive_hls_multivariant(const struct archive *a, const struct archive_range *r,
			      const char *playlist, FILE *f)
{
	const struct archive_track *audio = NULL;
	bool video = false, texts;

	m3u8_begin(9, 0, f);
	for (int i = 0; i < a->n; i++) {
		const struct archive_track *t = a->track[i];

		if (!shown(t, r))
			continue;
		video |= about(t)->kind == MEDIA_VIDEO;
		if (about(t)->kind == MEDIA_AUDIO &&
		    (!audio || (about(t)->standard && !about(audio)->standard)))
			audio = t;
	}
	for (int i = 0; i < a->n && video; i++)
		if (about(a->track[i])->kind == MEDIA_AUDIO && shown(a->track[i], r))
			put_media(a->track[i], a->track[i] == audio, playlist, r->query, f);
	texts = video && put_captions(a, r, playlist, f);
	for (int i = 0; i < a->n; i++)
		if (shown(a->track[i], r) &&
		    about(a->track[i])->kind == (video ? MEDIA_VIDEO : MEDIA_AUDIO))
			put_variant(a, a->track[i], video ? audio : NULL, texts, playlist, r->query,
				    f);
	if (archive_has_pictures(a, r)) {
		struct picture_about o = archive_pictures(a);

		picture_put_stream(&o, playlist, r->query, f);
	}
}

/* ---- the lines of segments ---- */

/* Texts are for HLS players as such. */
static const char *ending(const struct archive_file *of)
{
	return of->about.kind == MEDIA_DATA ? ".vtt" : ".m4s";
}

/* What is missing before number `to`. */
static void put_gaps(const struct archive_file *of, int64_t from, int64_t to, FILE *f)
{
	double d = (double)of->about.d.num / (double)of->about.d.den;

	for (; from < to; from++)
		fprintf(f, "#EXT-X-GAP\n#EXTINF:%.6f,\n%" PRId64 "%s\n", d, from, ending(of));
}

static void put_segment(const struct archive_file *of, const struct archive_entry *e, FILE *f)
{
	if (e->gap)
		fprintf(f, "#EXT-X-GAP\n");
	fprintf(f, "#EXTINF:%.6f,\n%" PRId64 "%s\n", (double)archive_length_us(of, e->dur) / 1e6,
		e->number, ending(of));
}

/* What stands before segment i, when it is not the first of its file's lines. */
static void put_before(const struct archive_file *of, size_t i, bool live, FILE *f)
{
	const struct archive_entry *e = &of->e.at[i];

	if (live && i && e[-1].number + 1 < e->number)
		put_gaps(of, e[-1].number + 1, e->number, f);
	if (e->discontinuity)
		fprintf(f, "#EXT-X-DISCONTINUITY\n");
	if (e->discontinuity || (i && e[-1].number + 1 < e->number))
		m3u8_put_date(begin_us(of, e), f);
}

static void put_lines(const struct archive_file *of, size_t from, size_t to, bool live, FILE *f)
{
	for (size_t i = from; i < to; i++) {
		if (of->e.at[i].gap && !live)
			continue;
		if (i > from)
			put_before(of, i, live, f);
		put_segment(of, &of->e.at[i], f);
	}
}

/* All lines of a file to which nothing is added any more, made once. */
static bool put_kept(struct archive_file *of, FILE *f)
{
	if (!of->lines) {
		char *text = NULL;
		size_t n = 0;
		FILE *m = open_memstream(&text, &n);

		if (!m)
			return false;
		put_lines(of, 0, of->e.len, true, m);
		of->lines = buf_close(m, &text, &n);
	}
	return of->lines && fwrite(of->lines->data, 1, of->lines->len, f) == of->lines->len;
}

/* ---- a media playlist ---- */

/* Where a list stands while it is made. */
struct list_state {
	FILE *f;
	bool live;
	const struct cmaf_key_places *places;
	const char *init;
	const struct archive_about *key; /* whose holds; NULL: none */
	int64_t next;			 /* number expected; INT64_MIN: at its beginning */
	int64_t skip_to; /* what is below is left out, as a delta; INT64_MIN: nothing */
	int64_t skipped;
};

static void put_key(struct list_state *s, const struct archive_about *o)
{
	if (o->scheme == CMAF_CLEAR ||
	    (s->key && s->key->scheme == o->scheme && !memcmp(s->key->kid, o->kid, sizeof(o->kid))))
		return;
	secret_put_hls(o->scheme, o->kid, o->iv, s->places, s->f);
	s->key = o;
}

/* Only with cbcs an init segment belongs to its key; else it is in clear, which has to be said where a key holds (RFC
 * 8216bis, 4.4.4.5). */
static void put_key_and_map(struct list_state *s, const struct archive_about *o)
{
	bool map = !s->init || strcmp(s->init, o->init) != 0;

	if (s->key && (o->scheme == CMAF_CLEAR || (map && o->scheme == CMAF_AES128))) {
		fprintf(s->f, "#EXT-X-KEY:METHOD=NONE\n");
		s->key = NULL;
	}
	if (o->scheme == CMAF_CBCS)
		put_key(s, o);
	if (map)
		fprintf(s->f, "#EXT-X-MAP:URI=\"%s\"\n", o->init);
	s->init = o->init;
	put_key(s, o);
}

static void put_first(struct list_state *s, const struct archive_file *of, size_t i)
{
	const struct archive_entry *e = &of->e.at[i];
	bool begins = s->next == INT64_MIN;

	if (!begins && s->live)
		put_gaps(of, s->next, e->number, s->f);
	if (!begins && (e->discontinuity || (!s->live && e->number != s->next)))
		fprintf(s->f, "#EXT-X-DISCONTINUITY\n");
	if (of->about.kind != MEDIA_DATA)
		put_key_and_map(s, &of->about);
	m3u8_put_date(begin_us(of, e), s->f);
}

/* Entries [from, to) of a file. */
static void put_file(struct list_state *s, struct archive_file *of, size_t from, size_t to,
		     bool complete)
{
	if (s->skip_to != INT64_MIN) {
		for (; from < to && of->e.at[from].number < s->skip_to; from++)
			s->init = of->about.init;
		if (from == to)
			return;
		if (s->skipped)
			s->next = MAX(s->next, s->skip_to);
	}
	while (from < to && !s->live && of->e.at[from].gap)
		from++;
	if (from == to)
		return;
	put_first(s, of, from);
	if (from || to < of->e.len || !complete || !s->live || !put_kept(of, s->f))
		put_lines(of, from, to, s->live, s->f);
	s->next = of->e.at[to - 1].number + 1;
}

/* Entries of a file in the range: [*from, *to). */
static bool clip(const struct archive_file *f, const struct archive_range *r, size_t *from,
		 size_t *to)
{
	size_t lo = 0, hi = f->e.len;

	if (!hi || end_us(f, &f->e.at[hi - 1]) <= r->from_us ||
	    begin_us(f, &f->e.at[0]) >= r->to_us)
		return false;
	if (begin_us(f, &f->e.at[0]) < r->from_us)
		for (lo = 0; lo < hi && end_us(f, &f->e.at[lo]) <= r->from_us;)
			lo++;
	while (hi > lo && begin_us(f, &f->e.at[hi - 1]) >= r->to_us)
		hi--;
	*from = lo;
	*to = hi;
	return lo < hi;
}

static int target_s(const struct archive_track *t)
{
	const struct archive_file *f;
	int64_t s = 1;

	list_for (f, &t->files, link)
		s = MAX(s, base_scale(1, f->about.d.num, f->about.d.den));
	return (int)s;
}

/* The number of the first segment in the range, and the discontinuities before it. */
static const struct archive_entry *first_in(const struct archive_track *t,
					    const struct archive_range *r, int64_t *breaks)
{
	const struct archive_file *f;

	list_for (f, &t->files, link) {
		size_t from, to;

		if (!clip(f, r, &from, &to))
			continue;
		*breaks = f->about.breaks;
		/* The mark of the first one is not shown: it has gone with what was before it. */
		for (size_t i = 0; i <= from; i++)
			*breaks += f->e.at[i].discontinuity;
		return &f->e.at[from];
	}
	return NULL;
}

static void put_header(const struct archive_track *t, const struct archive_range *r,
		       const struct archive_entry *first, int64_t breaks, FILE *f)
{
	int target = target_s(t);

	m3u8_begin(9, target, f);
	if (r->live)
		fprintf(f, "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=%d,HOLD-BACK=%d\n",
			SKIP_UNTIL * target, 3 * target);
	else
		fprintf(f, "#EXT-X-PLAYLIST-TYPE:VOD\n");
	m3u8_sequence(first ? first->number : 0, r->live ? breaks : 0, f);
}

/* Where players are to begin: from_us, in seconds from the beginning of the list. */
static void put_start(const struct archive_track *t, const struct archive_range *r,
		      const struct archive_entry *first, FILE *f)
{
	const struct archive_file *of;

	if (!r->start || !first || !archive_segment(t, first->number, &of))
		return;
	double into = (double)(r->from_us - begin_us(of, first)) / 1e6;
	fprintf(f, "#EXT-X-START:TIME-OFFSET=%.3f,PRECISE=YES\n", into > 0 ? into : 0);
}

static int64_t skip_to(const struct archive_track *t, const struct archive_entry *first)
{
	const struct archive_file *f = archive_newest(t);
	int64_t back = SKIP_UNTIL * target_s(t);
	int64_t n = (back * f->about.d.den + f->about.d.num - 1) / f->about.d.num;

	return MAX(first->number, archive_last(t) - n);
}

/* Ranges that touch what is listed. */
static void put_dates(const struct archive *a, const struct archive_track *t,
		      const struct archive_range *r, const struct archive_entry *first, FILE *f)
{
	const struct archive_file *of;

	if (first && about(t)->kind != MEDIA_DATA && archive_segment(t, first->number, &of))
		archive_dates_put(a, begin_us(of, first), r->to_us, f);
}

void archive_hls_media(const struct archive *a, const struct archive_track *t,
		       const struct archive_range *r, bool delta, FILE *f)
{
	int64_t breaks = 0;
	const struct archive_entry *first = first_in(t, r, &breaks);
	struct list_state s = {
	    .f = f, .live = r->live, .places = &a->keys, .next = INT64_MIN, .skip_to = INT64_MIN};
	struct archive_file *of;

	if (t == a->pictures) {
		archive_hls_pictures(a, r, f);
		return;
	}
	put_header(t, r, first, breaks, f);
	put_start(t, r, first, f);
	if (delta && r->live && first) {
		s.skip_to = skip_to(t, first);
		s.skipped = s.skip_to - first->number;
		if (s.skipped)
			fprintf(f, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%" PRId64 "\n", s.skipped);
	}
	put_dates(a, t, r, first, f);
	list_for (of, &t->files, link) {
		size_t from, to;

		if (clip(of, r, &from, &to))
			put_file(&s, of, from, to, of != archive_newest(t));
	}
	if (!r->live)
		fprintf(f, "#EXT-X-ENDLIST\n");
}
