/* The MPD of a span on disk (ISO/IEC 23009-1): a period for each run of segments without a discontinuity, numbered on the grid.
 * A range that is live has an open last period. */
#include <inttypes.h>

#include "cmaf/archive.h"
#include "cmaf/mpd.h"
#include "cmaf/secret_text.h"

/* A run of segments of a track within one period. */
struct run {
	const struct archive_file *file; /* its first */
	int64_t first, end;		 /* numbers, [first, end) */
	int64_t start_us, end_us, pto;
	int64_t breaks; /* discontinuities up to its beginning */
	bool marked;	/* it begins with one */
};

/* Files of AES-128 are for HLS alone. */
static bool is_gap(const struct archive_file *f, const struct archive_entry *e)
{
	return e->gap || f->about.scheme == CMAF_AES128;
}

/* The first run of t in the range whose numbers are not below `from`. */
static bool find_run(const struct archive_track *t, const struct archive_range *r, int64_t from,
		     int64_t before, struct run *out)
{
	const struct archive_file *f;
	bool begun = false;

	list_for (f, &t->files, link) {
		size_t first = archive_lower(f, from);
		int64_t breaks = f->about.breaks;

		for (size_t i = 0; i < first && !begun; i++)
			breaks += f->e.at[i].discontinuity;
		for (size_t i = first; i < f->e.len; i++) {
			const struct archive_entry *e = &f->e.at[i];
			int64_t start = archive_us(f, e->start),
				end = archive_us(f, e->start + e->dur);

			breaks += e->discontinuity;
			if (end <= r->from_us || (!begun && is_gap(f, e)))
				continue;
			if (start >= r->to_us || e->number >= before)
				return begun;
			if (!begun)
				*out = (struct run){.file = f,
						    .first = e->number,
						    .start_us = start,
						    .pto = e->start,
						    .breaks = breaks,
						    .marked = e->discontinuity};
			else if (e->discontinuity || is_gap(f, e) || e->number != out->end ||
				 !archive_same(&f->about, &out->file->about))
				return true;
			begun = true;
			out->end = e->number + 1;
			out->end_us = end;
		}
	}
	return begun;
}

/* Segments of any length: each is told. */
static void put_timeline(const struct run *n, const struct archive_about *o, FILE *f)
{
	fprintf(f,
		"        <SegmentTemplate timescale=\"%" PRId64 "\" startNumber=\"%" PRId64
		"\" presentationTimeOffset=\"%" PRId64
		"\" initialization=\"%s/%s\" media=\"%s/$Number$.m4s\">\n"
		"          <SegmentTimeline>\n",
		o->scale, n->first, n->pto, o->name, o->init, o->name);
	for (size_t i = archive_lower(n->file, n->first);
	     i < n->file->e.len && n->file->e.at[i].number < n->end; i++)
		fprintf(f, "            <S t=\"%" PRId64 "\" d=\"%u\"/>\n", n->file->e.at[i].start,
			n->file->e.at[i].dur);
	fprintf(f, "          </SegmentTimeline>\n        </SegmentTemplate>\n");
}

static void put_template(const struct run *n, const struct archive_about *o, FILE *f)
{
	if (o->uneven) {
		put_timeline(n, o, f);
		return;
	}
	mpd_put_template(o->name, o->init, "", o->scale, o->d, n->first,
			 base_scale(n->pto, mpd_scale(o->scale, o->d), o->scale), "", f);
}

static void put_representation(const struct archive_track *t, const struct run *n, FILE *f)
{
	const struct archive_about *o = &n->file->about;

	mpd_begin_representation(
	    &(struct mpd_representation){
		.name = o->name,
		.codec = o->codec,
		.kind = o->kind,
		.bandwidth = MAX(t->peak, 1),
		.width = o->width,
		.height = o->height,
		.fps = o->fps,
		.sample_rate = o->sample_rate,
		.channels = o->channels,
	    },
	    f);
	put_template(n, o, f);
	fprintf(f, "      </Representation>\n");
}

static void begin_set(const struct archive *a, const struct archive_track *t, const struct run *n,
		      int id, FILE *f)
{
	const struct archive_about *o = &n->file->about;
	struct cmaf_caption k;

	mpd_begin_set(id, o->kind, o->lang, f);
	if (o->scheme == CMAF_CBCS)
		secret_put_mpd(o->kid, a->keys.license, f);
	if (archive_text(t, &k))
		mpd_put_text_head(*k.label ? k.label : cc_name(k.channel), f);
	if (o->kind == MEDIA_VIDEO)
		mpd_put_captions(a->captions.at, a->captions.n, f);
}

/* Tracks in the period of the leading run; each set of video in one, each sound in its own. */
static void put_period(const struct archive *a, const struct archive_range *r,
		       const struct run *lead, FILE *f)
{
	bool open = false;
	int id = 0;
	struct run n;

	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < a->n; i++) {
			const struct archive_track *t = a->track[i];
			bool video = archive_newest(t)->about.kind == MEDIA_VIDEO;

			if (video != !pass || !find_run(t, r, lead->first, lead->end, &n))
				continue;
			/* All begin together: a player takes the offset for the same instant. */
			n.pto = base_scale(lead->pto, n.file->about.scale, lead->file->about.scale);
			if (!video || !open)
				begin_set(a, t, &n, id++, f);
			open |= video;
			put_representation(t, &n, f);
			if (!video)
				fprintf(f, "    </AdaptationSet>\n");
		}
		if (!pass && open)
			fprintf(f, "    </AdaptationSet>\n");
	}
	if (archive_has_pictures(a, r)) {
		struct picture_about o = archive_pictures(a);

		picture_put_set(&o, id, lead->start_us, f);
	}
}

/* The track by which periods are cut: the first video, else the first. */
static const struct archive_track *leader(const struct archive *a, const struct archive_range *r)
{
	const struct archive_track *any = NULL;
	struct run n;

	for (int i = 0; i < a->n; i++) {
		const struct archive_track *t = a->track[i];

		if (!find_run(t, r, INT64_MIN, INT64_MAX, &n))
			continue;
		if (archive_newest(t)->about.kind == MEDIA_VIDEO)
			return t;
		any = any || archive_newest(t)->about.kind == MEDIA_DATA ? any : t;
	}
	return any;
}

static double duration(const struct archive_track *t, const struct archive_range *r)
{
	int64_t from = INT64_MIN, us = 0;
	struct run n;

	while (find_run(t, r, from, INT64_MAX, &n)) {
		us += n.end_us - n.start_us;
		from = n.end;
	}
	return (double)us / 1e6;
}

static bool has_protection(const struct archive *a)
{
	const struct archive_file *f;

	for (int i = 0; i < a->n; i++)
		list_for (f, &a->track[i]->files, link)
			if (f->about.scheme == CMAF_CBCS)
				return true;
	return false;
}

static void put_head(const struct archive *a, const struct archive_range *r,
		     const struct archive_track *t, const struct run *n, FILE *f)
{
	double d = (double)n->file->about.d.num / (double)n->file->about.d.den;

	fprintf(f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD "
		"xmlns=\"urn:mpeg:dash:schema:mpd:2011\"%s "
		"profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" ",
		has_protection(a) ? SECRET_XMLNS : "");
	if (r->live) {
		int64_t from_us = MAX(n->start_us, r->from_us);

		fprintf(f, "type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:00Z\"");
		mpd_put_time("publishTime",
			     archive_us(archive_newest(t), archive_newest(t)->e.at[0].start), f);
		int64_t to_us = n->end_us;
		struct run m = *n;
		while (find_run(t, r, m.end, INT64_MAX, &m))
			to_us = m.end_us;
		fprintf(f, " minimumUpdatePeriod=\"PT%.3fS\" timeShiftBufferDepth=\"PT%.3fS\"",
			2 * d, (double)(to_us - from_us) / 1e6);
		fprintf(f, " suggestedPresentationDelay=\"PT%.3fS\"", 3 * d);
	} else {
		fprintf(f, "type=\"static\" mediaPresentationDuration=\"PT%.6fS\"", duration(t, r));
	}
	fprintf(f, " maxSegmentDuration=\"PT%.3fS\" minBufferTime=\"PT%.3fS\">\n", d, d);
}

void archive_dash(const struct archive *a, const struct archive_range *range, const char *time_url,
		  FILE *f)
{
	/* A period stays what it is while the window moves over it; the depth alone tells how far back that goes. */
	struct archive_range whole = *range;
	const struct archive_range *r = &whole;
	const struct archive_track *t = leader(a, range);
	if (range->live)
		whole.from_us = INT64_MIN;
	int64_t from = INT64_MIN, at_us = 0;
	struct run n, next;

	if (!t || !find_run(t, r, from, INT64_MAX, &n))
		return;
	put_head(a, range, t, &n, f);
	for (bool more = true, first = true; more; n = next, first = false) {
		more = find_run(t, r, n.end, INT64_MAX, &next);
		bool open = r->live && !more;
		/* The same as long as anything of the run is there. */
		int64_t id = r->live && (first || n.marked) ? n.breaks : n.first;
		int64_t start_us = r->live ? n.start_us : at_us;

		fprintf(f, "  <Period id=\"%" PRId64 "\" start=\"PT%.6fS\"", id,
			(double)start_us / 1e6);
		if (!open)
			fprintf(f, " duration=\"PT%.6fS\"", (double)(n.end_us - n.start_us) / 1e6);
		fprintf(f, ">\n");
		put_period(a, r, &n, f);
		fprintf(f, "  </Period>\n");
		at_us += n.end_us - n.start_us;
	}
	if (r->live)
		fprintf(f,
			"  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-xsdate:2014\" "
			"value=\"%s\"/>\n",
			time_url);
	fprintf(f, "</MPD>\n");
}
