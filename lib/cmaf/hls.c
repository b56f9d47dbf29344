/* Playlists of RFC 8216bis (draft-pantos-hls-rfc8216bis), with the low-latency profile of its
 * Appendix B. All header values are constant over a presentation: players end the session when they
 * change. */
#include <inttypes.h>

#include "cmaf/m3u8.h"
#include "cmaf/picture.h"
#include "cmaf/range.h"
#include "cmaf/secret_text.h"
#include "media/language.h"

static double seconds(int64_t us)
{
	return (double)us / 1e6;
}

/* How many segments last s seconds or more. */
static int64_t segments_in(const struct cmaf *c, int s)
{
	return (s * c->grid.d.den + c->grid.d.num - 1) / c->grid.d.num;
}

static void put_date(const struct cmaf_track *t, int64_t v, FILE *f)
{
	m3u8_put_date(cmaf_us(t, v), f);
}

/* ---- the multivariant playlist ---- */

static bool is_named(const struct cmaf *c, int n, const char *label)
{
	for (int i = 0; i < n; i++)
		if (c->track[i]->kind == MEDIA_AUDIO && !strcmp(c->track[i]->label, label))
			return true;
	return false;
}

/* Those of sound that players may change between are one group: tracks of one codec. t: one of it. */
static bool in_group(const struct cmaf_track *t, const struct cmaf_track *o)
{
	return o->kind == MEDIA_AUDIO && cmaf_same_codec(t, o);
}

/* Track i, when it is the first of its group; else NULL. */
static const struct cmaf_track *leads_group(const struct cmaf *c, int i)
{
	if (c->track[i]->kind != MEDIA_AUDIO)
		return NULL;
	for (int k = 0; k < i; k++)
		if (in_group(c->track[i], c->track[k]))
			return NULL;
	return c->track[i];
}

/* "audio", and for those of a second codec "audio-2". */
static void put_group(const struct cmaf *c, const struct cmaf_track *t, FILE *f)
{
	int n = 0;

	for (int i = 0; i < c->n; i++) {
		n += leads_group(c, i) != NULL;
		if (in_group(t, c->track[i]))
			break;
	}
	fputs("\"audio", f);
	if (n > 1)
		fprintf(f, "-%d", n);
	fputc('"', f);
}

/* The sound of t's group for who does not choose: the first that says so, else the first. */
static const struct cmaf_track *standard_sound(const struct cmaf *c, const struct cmaf_track *t)
{
	const struct cmaf_track *first = NULL;

	for (int i = 0; i < c->n; i++) {
		if (!in_group(t, c->track[i]))
			continue;
		if (c->track[i]->standard)
			return c->track[i];
		first = first ? first : c->track[i];
	}
	return first;
}

/* Names are different in a group (4.4.6.1.1). */
static void put_media(const struct cmaf *c, int i, FILE *f)
{
	const struct cmaf_track *t = c->track[i];
	bool label = *t->label && !is_named(c, i, t->label);
	char tag[4];

	language_tag(tag, t->lang);
	fputs("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=", f);
	put_group(c, t, f);
	fprintf(f, ",NAME=\"%s\"", label ? t->label : t->name);
	if (*tag)
		fprintf(f, ",LANGUAGE=\"%s\"", tag);
	fprintf(f, ",DEFAULT=%s,AUTOSELECT=YES,CHANNELS=\"%d\",URI=\"%s/index.m3u8\"\n",
		standard_sound(c, t) == t ? "YES" : "NO", t->channels, t->name);
}

/* ---- captions ---- */

static bool tells_captions(const struct cmaf *c)
{
	for (int i = 0; i < c->texts && c->conf.captions & CMAF_CAPTIONS_CEA; i++)
		if (cmaf_is_said(c, i))
			return true;
	return false;
}

static bool has_texts(const struct cmaf *c)
{
	for (int i = 0; i < c->texts; i++)
		if (cmaf_text(c, i) && cmaf_is_said(c, i))
			return true;
	return false;
}

/* As text, and for players that find them in the pictures. */
static void put_captions(const struct cmaf *c, FILE *f)
{
	for (int i = 0; i < c->texts; i++)
		if (cmaf_text(c, i) && cmaf_is_said(c, i))
			m3u8_put_text(&c->conf.caption[i], c->text[i]->name, "index.m3u8", "", f);
	for (int i = 0; i < c->texts && c->conf.captions & CMAF_CAPTIONS_CEA; i++)
		if (cmaf_is_said(c, i))
			m3u8_put_captions(&c->conf.caption[i], f);
}

static void put_captions_of(const struct cmaf *c, FILE *f)
{
	bool none = !(c->conf.captions & CMAF_CAPTIONS_CEA) || !c->texts;

	m3u8_put_groups(tells_captions(c) ? M3U8_TOLD
			: none		  ? M3U8_NONE
					  : M3U8_UNKNOWN,
			has_texts(c), f);
}

/* audio: one of the group that goes with t, or NULL. */
static void put_variant(const struct cmaf *c, const struct cmaf_track *t,
			const struct cmaf_track *audio, FILE *f)
{
	int64_t peak, mean, apeak = 0, amean = 0;

	cmaf_bitrate(t, &peak, &mean);
	for (int i = 0; i < c->n && audio; i++) {
		int64_t p, m;

		if (!in_group(audio, c->track[i]))
			continue;
		cmaf_bitrate(c->track[i], &p, &m);
		apeak = MAX(apeak, p);
		amean = MAX(amean, m);
	}
	fprintf(f,
		"#EXT-X-STREAM-INF:BANDWIDTH=%" PRId64 ",AVERAGE-BANDWIDTH=%" PRId64 ",CODECS=\"%s",
		peak + apeak, mean + amean, cmaf_codec(t));
	if (audio)
		fprintf(f, ",%s", cmaf_codec(standard_sound(c, audio)));
	fprintf(f, "\"");
	if (t->kind == MEDIA_VIDEO) {
		fprintf(f, ",RESOLUTION=%dx%d", t->width, t->height);
		if (t->fps.num > 0)
			fprintf(f, ",FRAME-RATE=%.3f", (double)t->fps.num / (double)t->fps.den);
		put_captions_of(c, f);
	}
	if (audio) {
		fputs(",AUDIO=", f);
		put_group(c, audio, f);
	}
	fprintf(f, "\n%s/index.m3u8\n", t->name);
}

/* With each group of sound, so that a player which knows but one codec of them has all pictures. */
static void put_variants(const struct cmaf *c, const struct cmaf_track *t, FILE *f)
{
	bool any = false;

	for (int i = 0; i < c->n && t->kind == MEDIA_VIDEO; i++) {
		if (!leads_group(c, i))
			continue;
		any = true;
		put_variant(c, t, c->track[i], f);
	}
	if (!any)
		put_variant(c, t, NULL, f);
}

static bool has_iframe(const struct cmaf_segment *s)
{
	return s->complete && s->independent && !s->gap && s->chunk.len;
}

/* With AES-128 there is no chunk that could be fetched alone. The peak of what is fetched when every segment is: its first chunk. */
static void put_iframe_variant(const struct cmaf_track *t, FILE *f)
{
	const struct cmaf_segment *s;
	int64_t peak = 0;

	list_for (s, &t->segments, link)
		if (has_iframe(s) && s->end > s->start)
			peak = MAX(peak, base_scale((int64_t)s->chunk.at[0]->len * 8, t->scale,
						    s->end - s->start));
	if (!peak)
		return;
	fprintf(f,
		"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=%" PRId64
		",CODECS=\"%s\",RESOLUTION=%dx%d,URI=\"%s/iframes.m3u8\"\n",
		peak, cmaf_codec(t), t->width, t->height, t->name);
}

void cmaf_hls_multivariant(const struct cmaf *c, FILE *f)
{
	bool video = false;

	m3u8_begin(9, 0, f);
	if (c->utc)
		fprintf(f, "#EXT-X-INDEPENDENT-SEGMENTS\n");
	for (int i = 0; i < c->n; i++)
		video |= c->track[i]->kind == MEDIA_VIDEO;
	for (int i = 0; i < c->n && video; i++)
		if (c->track[i]->kind == MEDIA_AUDIO)
			put_media(c, i, f);
	put_captions(c, f);
	for (int i = 0; i < c->n; i++)
		if (c->track[i]->kind == MEDIA_VIDEO || !video)
			put_variants(c, c->track[i], f);
	for (int i = 0; i < c->n; i++)
		if (c->track[i]->kind == MEDIA_VIDEO && c->conf.scheme != CMAF_AES128)
			put_iframe_variant(c->track[i], f);
	if (c->pictures && pictures_last(c->pictures)) {
		struct picture_about o = pictures_about(c->pictures);

		picture_put_stream(&o, "index.m3u8", "", f);
	}
}

/* ---- a media playlist ---- */

/* The numbers of the first segment that is listed. */
static void put_sequence(const struct cmaf_track *t, const struct cmaf_segment *first, FILE *f)
{
	const struct cmaf_segment *s;
	int64_t discontinuities = t->discontinuities;

	list_for (s, &t->segments, link) {
		if (s == first)
			break;
		discontinuities += s->discontinuity;
	}
	m3u8_sequence(first ? first->number : 0, discontinuities, f);
}

/* version: of the protocol, 10 for what leaves out date ranges. */
static void put_header(const struct cmaf *c, const struct cmaf_track *t,
		       const struct cmaf_segment *first, int version, FILE *f)
{
	m3u8_begin(version, cmaf_target_s(c), f);
	fprintf(
	    f,
	    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=%d,%sPART-HOLD-BACK=%.6f,"
	    "HOLD-BACK=%d\n",
	    (int)(cmaf_skip_until_us(c) / SEC_US), c->cues ? "CAN-SKIP-DATERANGES=YES," : "",
	    seconds(cmaf_part_hold_back_us(c)), 3 * cmaf_target_s(c));
	fprintf(f, "#EXT-X-PART-INF:PART-TARGET=%.6f\n", seconds(c->part_target_us));
	put_sequence(t, first, f);
	if (c->utc)
		fprintf(f, "#EXT-X-INDEPENDENT-SEGMENTS\n");
}

static void put_parts(const struct cmaf *c, const struct cmaf_track *t,
		      const struct cmaf_segment *s, FILE *f)
{
	for (size_t i = 0; i < s->part.len; i++) {
		const struct cmaf_part *p = &s->part.at[i];
		int64_t dur = MIN(cmaf_us(t, p->dur), c->part_target_us);

		fprintf(f, "#EXT-X-PART:DURATION=%.6f,URI=\"%" PRId64 ".%zu.m4s\"%s\n",
			seconds(dur), s->number, i, p->independent ? ",INDEPENDENT=YES" : "");
	}
}

/* What holds for the segments that follow. */
struct state {
	const struct cmaf_init *init;
	const struct cmaf_key *key;
};

static void put_key(const struct cmaf *c, const struct cmaf_key *k, FILE *f)
{
	secret_put_hls(c->conf.scheme, k->kid, k->iv, &c->conf.keys, f);
}

/* An init segment is in clear, which with AES-128 has to be said where a key holds that it comes
 * after (RFC 8216bis, 4.4.4.5); with cbcs it belongs to its key. */
static void put_map(const struct cmaf *c, const struct cmaf_segment *s, struct state *now, FILE *f)
{
	if (c->conf.scheme == CMAF_AES128 && now->key) {
		fprintf(f, "#EXT-X-KEY:METHOD=NONE\n");
		now->key = NULL;
	} else if (s->key && s->key != now->key && c->conf.scheme == CMAF_CBCS) {
		put_key(c, s->key, f);
		now->key = s->key;
	}
	fprintf(f, "#EXT-X-MAP:URI=\"%s\"\n", s->init->name);
	now->init = s->init;
}

/* What stands before a segment. */
static void put_state(const struct cmaf *c, const struct cmaf_track *t,
		      const struct cmaf_segment *s, struct state *now, FILE *f)
{
	if (s->discontinuity)
		fprintf(f, "#EXT-X-DISCONTINUITY\n");
	if (s->init && s->init != now->init)
		put_map(c, s, now, f);
	if (s->key && s->key != now->key) {
		put_key(c, s->key, f);
		now->key = s->key;
	}
	put_date(t, s->start, f);
}

static void put_segment(const struct cmaf *c, const struct cmaf_track *t,
			const struct cmaf_segment *s, bool parts, struct state *now, FILE *f)
{
	if (!s->complete && !s->part.len)
		return;
	put_state(c, t, s, now, f);
	if (s->gap)
		fprintf(f, "#EXT-X-GAP\n");
	if (parts)
		put_parts(c, t, s, f);
	if (s->complete)
		fprintf(f, "#EXTINF:%.6f,\n%" PRId64 ".m4s\n",
			seconds(cmaf_us(t, s->end - s->start)), s->number);
}

static void put_report(const struct cmaf_track *o, FILE *f)
{
	const struct cmaf_segment *s = cmaf_last(o);

	if (!s)
		return;
	if (!s->part.len && s->link.prev != &o->segments && !s->gap && o->kind != MEDIA_DATA)
		s = list_entry(s->link.prev, struct cmaf_segment, link);
	fprintf(f, "#EXT-X-RENDITION-REPORT:URI=\"../%s/index.m3u8\",LAST-MSN=%" PRId64, o->name,
		s->number);
	if (s->part.len)
		fprintf(f, ",LAST-PART=%zu", s->part.len - 1);
	fprintf(f, "\n");
}

/* t: in whose playlist. */
static void put_reports(const struct cmaf *c, const struct cmaf_track *t, FILE *f)
{
	for (int i = 0; i < c->n; i++)
		if (c->track[i] != t)
			put_report(c->track[i], f);
	for (int i = 0; i < c->texts; i++)
		if (c->text[i] != t && cmaf_text(c, i) && cmaf_is_said(c, i))
			put_report(c->text[i], f);
}

static void put_hint(const struct cmaf_track *t, FILE *f)
{
	int64_t number;
	int part;

	cmaf_next(t, &number, &part);
	fprintf(f, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%" PRId64 ".%d.m4s\"\n", number, part);
}

/* A delta update leaves out complete segments that end more than CAN-SKIP-UNTIL before the end
 * (RFC 8216bis, 6.2.5.1). Returns the first that stays; *skipped: how many do not; *now: what
 * holds there, but for the key, which is said again. */
static const struct cmaf_segment *skip(const struct cmaf *c, const struct cmaf_track *t,
				       const struct cmaf_segment *s, int *skipped,
				       struct state *now)
{
	const struct cmaf_segment *last = cmaf_last(t);
	int64_t until = last ? last->end - base_scale(cmaf_skip_until_us(c), t->scale, SEC_US) : 0;

	for (; s && s != last && s->end < until; ++*skipped) {
		now->init = s->init ? s->init : now->init;
		s = list_entry(s->link.next, struct cmaf_segment, link);
	}
	return s;
}

/* What a delta update leaves out. since_us: date ranges that were told before that; those that went since then are named. */
static void put_skip(const struct cmaf *c, int skipped, int64_t since_us, FILE *f)
{
	fprintf(f, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%d", skipped);
	if (since_us != INT64_MIN) {
		fputs(",RECENTLY-REMOVED-DATERANGES=\"", f);
		if (c->ranges)
			ranges_write_removed(c->ranges, since_us, f);
		fputc('"', f);
	}
	fputc('\n', f);
}

void cmaf_hls_media(const struct cmaf *c, const struct cmaf_track *t, enum cmaf_delta delta,
		    FILE *f)
{
	const struct cmaf_segment *first = cmaf_listed(c, t), *last = cmaf_last(t), *from = first;
	struct state now = {0};
	int64_t since_us = INT64_MIN;
	int skipped = 0;

	if (delta && !c->ended)
		from = skip(c, t, first, &skipped, &now);
	if (skipped && delta == CMAF_SKIP_RANGES && c->cues)
		since_us = cmaf_us(t, last->end) - cmaf_skip_until_us(c);
	put_header(c, t, first, since_us == INT64_MIN ? 9 : 10, f);
	if (skipped)
		put_skip(c, skipped, since_us, f);
	if (c->ranges)
		ranges_write(c->ranges, since_us, f);
	/* Parts are listed for the last three target durations and what is in progress (6.2.2). */
	int64_t parts_from = last ? last->number - segments_in(c, 3 * cmaf_target_s(c)) : 0;
	for (const struct cmaf_segment *s = from; s;) {
		put_segment(c, t, s, s->number >= parts_from, &now, f);
		s = s == last ? NULL : list_entry(s->link.next, struct cmaf_segment, link);
	}
	if (c->ended)
		fprintf(f, "#EXT-X-ENDLIST\n");
	else if (last) {
		put_hint(t, f);
		put_reports(c, t, f);
	}
}

/* ---- texts ---- */

void cmaf_hls_subtitles(const struct cmaf *c, const struct cmaf_track *t, FILE *f)
{
	const struct cmaf_segment *s = cmaf_listed(c, t), *last = cmaf_last(t);

	m3u8_begin(9, cmaf_target_s(c), f);
	fprintf(f, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=%d\n",
		3 * cmaf_target_s(c));
	put_sequence(t, s, f);
	for (; s; s = s == last ? NULL : list_entry(s->link.next, struct cmaf_segment, link)) {
		if (s->discontinuity)
			fprintf(f, "#EXT-X-DISCONTINUITY\n");
		put_date(t, s->start, f);
		if (s->gap)
			fprintf(f, "#EXT-X-GAP\n");
		fprintf(f, "#EXTINF:%.6f,\n%" PRId64 ".vtt\n",
			seconds(cmaf_us(t, s->end - s->start)), s->number);
	}
	if (c->ended)
		fprintf(f, "#EXT-X-ENDLIST\n");
	else
		put_reports(c, t, f);
}

/* ---- key frames alone ---- */

void cmaf_hls_iframes(const struct cmaf *c, const struct cmaf_track *t, FILE *f)
{
	const struct cmaf_segment *s = cmaf_listed(c, t), *last = cmaf_last(t);
	struct state now = {0};

	m3u8_begin(9, cmaf_target_s(c), f);
	put_sequence(t, s, f);
	fprintf(f, "#EXT-X-I-FRAMES-ONLY\n");
	for (; s && s->complete;
	     s = s == last ? NULL : list_entry(s->link.next, struct cmaf_segment, link)) {
		put_state(c, t, s, &now, f);
		if (!has_iframe(s))
			fprintf(f, "#EXT-X-GAP\n");
		fprintf(f, "#EXTINF:%.6f,\n", seconds(cmaf_us(t, s->end - s->start)));
		if (has_iframe(s))
			fprintf(f, "#EXT-X-BYTERANGE:%zu@0\n", s->chunk.at[0]->len);
		fprintf(f, "%" PRId64 ".m4s\n", s->number);
	}
	if (c->ended)
		fprintf(f, "#EXT-X-ENDLIST\n");
}
