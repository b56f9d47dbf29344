/* The MPD of ISO/IEC 23009-1 for low latency (DASH-IF "Low-Latency Modes for DASH", 9.X.4).
 * Segments are numbered on the grid, so nothing in it changes while tracks, their coders' parameters and keys
 * stay: new ones begin a period. Media time is UTC (0 = 1970), which makes the producer's reference
 * time the identity. */
#include <inttypes.h>

#include "cmaf/cut.h"
#include "cmaf/emsg.h"
#include "cmaf/mpd.h"
#include "cmaf/picture.h"
#include "cmaf/secret_text.h"

static double ratio(struct ratio r)
{
	return (double)r.num / (double)r.den;
}

/* The grid as it was laid: what is said once stays. */
static struct cmaf_grid laid(const struct cmaf *c)
{
	struct cmaf_grid g = c->grid;

	g.origin.num -= c->slid_us;
	return g;
}

/* The first segment of the period: the first on the grid that does not begin before 1970. */
static int64_t first_number(const struct cmaf *c)
{
	struct cmaf_grid g = laid(c);

	return cmaf_grid_start(&g, SEC_US, 0, 0) < 0 ? 1 : 0;
}

/* How long the longest chunk of any track is: how far in a segment is before its first bytes can be
 * had. */
static double chunk_seconds(const struct cmaf *c)
{
	double longest = 0;

	for (int i = 0; i < c->n; i++) {
		const struct cmaf_track *t = c->track[i];
		double f = (double)t->frame / (double)t->scale,
		       want = (double)c->conf.chunk_us / 1e6, n = 1;

		while (n * f < want - 1e-9)
			n++;
		longest = n * f > longest ? n * f : longest;
	}
	return longest;
}

/* The time in which parameters and the key are the same, or all of it. */
struct period {
	int64_t first;	      /* segment */
	struct cmaf_key *key; /* NULL: in clear */
};

static void put_template(const struct cmaf *c, const struct cmaf_track *t, const struct period *p,
			 const char *init, FILE *f)
{
	double offset = ratio(c->grid.d) - chunk_seconds(c);
	struct cmaf_grid g = laid(c);
	int64_t pto = cmaf_grid_start(&g, mpd_scale(t->scale, g.d), p->first, 0);
	char more[96], folder[16] = "";

	if (str_starts(init, "init-")) /* "init-0123abcd.mp4" */
		snprintf(folder, sizeof(folder), "%.8s/", init + strlen("init-"));
	snprintf(more, sizeof(more),
		 " availabilityTimeOffset=\"%.3f\" availabilityTimeComplete=\"false\"",
		 offset > 0 ? offset : 0.0);
	mpd_put_template(t->name, init, folder, t->scale, g.d, p->first, pto, more, f);
}

/* A text. Its segments are there when they are whole; who asks before, as for media, waits. Shaka takes the smallest
 * availabilityTimeOffset for all sets. */
static void put_text(const struct cmaf *c, int i, const struct period *p, int id, FILE *f)
{
	const struct cmaf_track *t = c->text[i];
	const char *label = c->conf.caption[i].label;

	mpd_begin_set(id, t->kind, c->conf.caption[i].lang, f);
	mpd_put_text_head(*label ? label : cc_name(c->conf.caption[i].channel), f);
	mpd_begin_representation(
	    &(struct mpd_representation){
		.name = t->name, .codec = t->init->codec, .kind = t->kind, .bandwidth = t->bitrate},
	    f);
	put_template(c, t, p, t->init->name, f);
	fputs("      </Representation>\n    </AdaptationSet>\n", f);
}

static void put_captions(const struct cmaf *c, FILE *f)
{
	struct cmaf_caption said[CC_CHANNELS];
	int n = 0;

	for (int i = 0; i < c->texts && c->conf.captions & CMAF_CAPTIONS_CEA; i++)
		if (cmaf_is_said(c, i))
			said[n++] = c->conf.caption[i];
	mpd_put_captions(said, n, f);
}

static void put_representation(const struct cmaf *c, const struct cmaf_track *t,
			       const struct period *p, FILE *f)
{
	struct cmaf_init *of = track_params(t, p->first);
	struct cmaf_init *init = track_init_for(t, of, p->key);
	int64_t peak, mean;

	cmaf_bitrate(t, &peak, &mean);
	mpd_begin_representation(
	    &(struct mpd_representation){
		.name = t->name,
		.codec = of ? of->codec : cmaf_codec(t),
		.kind = t->kind,
		.bandwidth = t->bitrate ? t->bitrate : peak,
		.width = of ? of->width : t->width,
		.height = of ? of->height : t->height,
		.fps = t->fps,
		.sample_rate = t->sample_rate,
		.channels = of ? of->channels : t->channels,
	    },
	    f);
	fprintf(f, "        <Resync type=\"0\" dT=\"%" PRId64 "\" marker=\"true\"/>\n",
		(int64_t)(chunk_seconds(c) * (double)t->scale + 0.5));
	put_template(c, t, p, init ? init->name : "init.mp4", f);
	fprintf(f, "      </Representation>\n");
	init_unref(init);
}

/* Players begin with the set whose role is main; another language of the same is a dub, or (the same language) an alternate. */
static const char *role(const struct cmaf *c, const struct cmaf_track *t)
{
	const struct cmaf_track *main = NULL;

	for (int i = 0; i < c->n; i++) {
		const struct cmaf_track *o = c->track[i];

		if (o->kind == t->kind && (!main || (o->standard && !main->standard)))
			main = o;
	}
	if (t->kind == MEDIA_VIDEO || t == main)
		return "main";
	return *t->lang && strcmp(t->lang, main->lang) ? "dub" : "alternate";
}

/* The same pictures by other codecs, for players that know how to change between such sets (DASH-IF IOP
 * 3.8). Sets of video have the first numbers. */
static void put_others(int id, int n, FILE *f)
{
	const char *comma = "";

	if (n < 2 || id >= n)
		return;
	fputs("      <SupplementalProperty "
	      "schemeIdUri=\"urn:mpeg:dash:adaptation-set-switching:2016\" value=\"",
	      f);
	for (int i = 0; i < n; i++) {
		if (i == id)
			continue;
		fprintf(f, "%s%d", comma, i);
		comma = ",";
	}
	fputs("\"/>\n", f);
}

/* The messages that chunks of t may have (ISO/IEC 23009-1, 5.10.3). */
static void put_messages(const struct cmaf *c, const struct cmaf_track *t, FILE *f)
{
	fputs("      <InbandEventStream schemeIdUri=\"" EMSG_VALIDITY "\" value=\"1\"/>\n", f);
	for (enum emsg_kind k = 0; k < EMSG_KINDS && beside_carries(c, t); k++)
		if (k == EMSG_SCTE35 ? c->cues : c->tags)
			fprintf(f, "      <InbandEventStream schemeIdUri=\"%s\" value=\"\"/>\n",
				emsg_scheme(k));
}

/* videos: sets of video in all. */
static void begin_set(const struct cmaf *c, const struct cmaf_track *t, const struct period *p,
		      int id, int videos, const char *time_url, FILE *f)
{
	mpd_begin_set(id, t->kind, t->lang, f);
	if (p->key)
		secret_put_mpd(p->key->kid, c->conf.keys.license, f);
	put_others(id, videos, f);
	put_messages(c, t, f);
	if (t->kind == MEDIA_VIDEO)
		put_captions(c, f);
	if (t->kind == MEDIA_AUDIO && *t->label) {
		fputs("      <Label>", f);
		mpd_put_text(t->label, f);
		fputs("</Label>\n", f);
	}
	fprintf(f,
		"      <ProducerReferenceTime id=\"%d\" type=\"encoder\" "
		"wallClockTime=\"1970-01-01T00:00:00Z\" presentationTime=\"0\" "
		"inband=\"false\">\n        <UTCTiming "
		"schemeIdUri=\"urn:mpeg:dash:utc:http-xsdate:2014\" value=\"%s\"/>\n"
		"      </ProducerReferenceTime>\n      <Role "
		"schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"%s\"/>\n",
		id, time_url, role(c, t));
}

/* The video sets' leaders: of the tracks of a codec the first. */
static bool leads(const struct cmaf *c, int i)
{
	for (int k = 0; k < i; k++)
		if (c->track[k]->kind == MEDIA_VIDEO && cmaf_same_codec(c->track[k], c->track[i]))
			return false;
	return c->track[i]->kind == MEDIA_VIDEO;
}

static void put_sets(const struct cmaf *c, const struct period *p, const char *time_url, FILE *f)
{
	int id = 0, videos = 0;

	for (int i = 0; i < c->n; i++)
		videos += leads(c, i);
	for (int i = 0; i < c->n; i++) {
		if (!leads(c, i))
			continue;
		begin_set(c, c->track[i], p, id++, videos, time_url, f);
		for (int k = i; k < c->n; k++)
			if (c->track[k]->kind == MEDIA_VIDEO &&
			    cmaf_same_codec(c->track[k], c->track[i]))
				put_representation(c, c->track[k], p, f);
		fprintf(f, "    </AdaptationSet>\n");
	}
	for (int i = 0; i < c->n; i++) {
		if (c->track[i]->kind != MEDIA_AUDIO)
			continue;
		begin_set(c, c->track[i], p, id++, videos, time_url, f);
		put_representation(c, c->track[i], p, f);
		fprintf(f, "    </AdaptationSet>\n");
	}
	for (int i = 0; i < c->texts; i++)
		if (cmaf_text(c, i) && cmaf_is_said(c, i))
			put_text(c, i, p, id++, f);
	if (c->pictures && c->pictures->width) {
		struct picture_about o = pictures_about(c->pictures);
		struct cmaf_grid g = laid(c);

		o.bandwidth = c->pictures->told; /* that of the newest would change the text */
		picture_put_set(&o, id, cmaf_grid_start(&g, SEC_US, p->first, 0), f);
	}
}

/* A period is the same, also after a restart, when it begins at the same instant with the same tracks and parameters. */
static uint32_t period_hash(const struct cmaf *c, const struct period *p, int64_t start_us)
{
	uint32_t h = emsg_hash(0, &start_us, sizeof(start_us));

	for (int i = 0; i < c->n; i++) {
		const struct cmaf_track *t = c->track[i];
		struct cmaf_init *of = track_params(t, p->first);

		h = emsg_hash(h, t->name, strlen(t->name));
		if (of)
			h = emsg_hash(h, of->config->data, of->config->len);
	}
	return p->key ? emsg_hash(h, p->key->kid, sizeof(p->key->kid)) : h;
}

static void put_period(const struct cmaf *c, const struct period *p, const char *time_url, FILE *f)
{
	struct cmaf_grid g = laid(c);
	int64_t start_us = cmaf_grid_start(&g, SEC_US, p->first, 0);

	fprintf(f, "  <Period id=\"%" PRId64 "-%08x\" start=\"PT%.6fS\">\n", p->first,
		period_hash(c, p, start_us), (double)start_us / 1e6);
	put_sets(c, p, time_url, f);
	fputs("  </Period>\n", f);
}

/* The first segment that a player may still ask for. */
static int64_t oldest_listed(const struct cmaf *c)
{
	int64_t oldest = INT64_MAX;

	for (int i = 0; i < c->n; i++) {
		const struct cmaf_segment *s = cmaf_listed(c, c->track[i]);

		oldest = s ? MIN(oldest, s->number) : oldest;
	}
	return oldest < INT64_MAX ? oldest : INT64_MIN;
}

#define PERIODS (CMAF_KEYS + CMAF_CHANGES * MEDIA_TRACKS_MAX)

static void add_begin(int64_t *begin, int *n, int64_t number)
{
	int i = *n;

	for (int k = 0; k < *n; k++)
		if (begin[k] == number)
			return;
	for (; i > 0 && begin[i - 1] > number; i--)
		begin[i] = begin[i - 1];
	begin[i] = number;
	++*n;
}

/* The segments with which periods begin, in their order. */
static int begins(const struct cmaf *c, int64_t begin[PERIODS])
{
	int n = 0;

	for (int i = 0; i < c->nkeys && c->conf.scheme == CMAF_CBCS; i++)
		add_begin(begin, &n, c->key[i]->from);
	if (!n)
		add_begin(begin, &n, INT64_MIN);
	for (int i = 0; i < c->n; i++)
		for (int k = 0; k < c->track[i]->changes; k++)
			if (c->track[i]->change[k].from > INT64_MIN)
				add_begin(begin, &n, c->track[i]->change[k].from);
	return n;
}

static void put_periods(const struct cmaf *c, const char *time_url, FILE *f)
{
	int64_t begin[PERIODS], oldest = oldest_listed(c), first = first_number(c);
	int n = begins(c, begin);

	for (int i = 0; i < n; i++) {
		struct period p = {.first = MAX(begin[i], first)};

		if (i + 1 < n && begin[i + 1] <= oldest)
			continue;
		if (c->conf.scheme == CMAF_CBCS)
			p.key = key_of(c, begin[i]);
		put_period(c, &p, time_url, f);
	}
}

int64_t cmaf_dash_published_us(const struct cmaf *c)
{
	return MAX(c->began_us, MAX(c->keyed_us, c->changed_us));
}

void cmaf_dash(const struct cmaf *c, const char *time_url, FILE *f)
{
	int64_t latency = c->conf.latency_us / 1000;
	double d = ratio(c->grid.d);

	fprintf(f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD "
		"xmlns=\"urn:mpeg:dash:schema:mpd:2011\"%s "
		"profiles=\"urn:mpeg:dash:profile:isoff-live:2011,http://www.dashif.org/"
		"guidelines/low-latency-live-v5\" "
		"type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:00Z\"",
		c->conf.scheme == CMAF_CBCS ? SECRET_XMLNS : "");
	mpd_put_time("publishTime", cmaf_dash_published_us(c), f);
	fprintf(f,
		" minimumUpdatePeriod=\"PT10S\" timeShiftBufferDepth=\"PT%.3fS\" "
		"maxSegmentDuration=\"PT%.3fS\" minBufferTime=\"PT%.3fS\" "
		"suggestedPresentationDelay=\"PT%.3fS\">\n",
		d * c->conf.window, d, (double)c->part_target_us / 1e6, (double)latency / 1e3);
	fprintf(f,
		"  <ServiceDescription id=\"0\">\n    <Latency referenceId=\"0\" target=\"%" PRId64
		"\" min=\"%" PRId64 "\" max=\"%" PRId64
		"\"/>\n    <PlaybackRate min=\"0.96\" max=\"1.04\"/>\n  </ServiceDescription>\n",
		latency, latency / 2, latency * 3);
	put_periods(c, time_url, f);
	fprintf(f,
		"  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-xsdate:2014\" "
		"value=\"%s\"/>\n</MPD>\n",
		time_url);
}
