#include "cmaf/mpd.h"

#include <inttypes.h>
#include <time.h>

#include "media/language.h"

void mpd_time(char out[MPD_TIME], int64_t us)
{
	time_t s = (time_t)base_floor_div(us, SEC_US);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, MPD_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void mpd_put_time(const char *name, int64_t us, FILE *f)
{
	char text[MPD_TIME];

	mpd_time(text, us);
	fprintf(f, " %s=\"%s\"", name, text);
}

void mpd_put_text(const char *s, FILE *f)
{
	for (; *s; s++) {
		if (*s == '<' || *s == '&')
			fputs(*s == '<' ? "&lt;" : "&amp;", f);
		else
			fputc(*s, f);
	}
}

void mpd_begin_set(int id, enum media_kind kind, const char *lang, FILE *f)
{
	const char *type = kind == MEDIA_VIDEO ? "video" : kind == MEDIA_AUDIO ? "audio" : "text";
	char tag[4];

	fprintf(f,
		"    <AdaptationSet id=\"%d\" contentType=\"%s\" mimeType=\"%s/mp4\" "
		"segmentAlignment=\"true\" startWithSAP=\"1\"",
		id, type, kind == MEDIA_DATA ? "application" : type);
	language_tag(tag, lang);
	if (*lang) /* of texts as it was configured, which is more than a code may be */
		fprintf(f, " lang=\"%s\"", kind == MEDIA_DATA ? lang : tag);
	fputs(">\n", f);
}

static void put_accessibility(const struct cmaf_caption *k, int n, bool services, FILE *f)
{
	bool any = false;

	for (; n > 0; n--, k++) {
		char code[4];

		if ((k->channel >= CC_SERVICE1) != services)
			continue;
		if (!language_code(code, k->lang))
			str_copy(code, sizeof(code), "und");
		if (any)
			fputc(';', f);
		else
			fprintf(f,
				"      <Accessibility "
				"schemeIdUri=\"urn:scte:dash:cc:cea-%s:2015\" value=\"",
				services ? "708" : "608");
		if (services)
			fprintf(f, "%d=lang:%s", (int)k->channel - CC_SERVICE1 + 1, code);
		else
			fprintf(f, "%s=%s", cc_name(k->channel), code);
		any = true;
	}
	if (any)
		fputs("\"/>\n", f);
}

void mpd_put_captions(const struct cmaf_caption *k, int n, FILE *f)
{
	put_accessibility(k, n, false, f);
	put_accessibility(k, n, true, f);
}

void mpd_put_text_head(const char *label, FILE *f)
{
	fputs("      <Label>", f);
	mpd_put_text(label, f);
	fputs("</Label>\n      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"caption\"/>\n",
	      f);
}

void mpd_begin_representation(const struct mpd_representation *r, FILE *f)
{
	fprintf(f, "      <Representation id=\"%s\" codecs=\"%s\" bandwidth=\"%" PRId64 "\"",
		r->name, r->codec, r->bandwidth);
	if (r->kind == MEDIA_VIDEO) {
		fprintf(f, " width=\"%d\" height=\"%d\"", r->width, r->height);
		if (r->fps.num > 0)
			fprintf(f, " frameRate=\"%" PRId64 "/%" PRId64 "\"", r->fps.num,
				r->fps.den);
	} else if (r->kind == MEDIA_AUDIO) {
		fprintf(f, " audioSamplingRate=\"%d\"", r->sample_rate);
	}
	fprintf(f, ">\n");
	if (r->kind == MEDIA_AUDIO)
		fprintf(f,
			"        <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:"
			"audio_channel_configuration:2011\" value=\"%d\"/>\n",
			r->channels);
}

int64_t mpd_scale(int64_t scale, struct ratio d)
{
	return scale * d.num % d.den ? d.den : scale;
}

void mpd_put_template(const char *name, const char *init, const char *folder, int64_t scale,
		      struct ratio d, int64_t first, int64_t pto, const char *more, FILE *f)
{
	int64_t to = mpd_scale(scale, d);

	fprintf(f,
		"        <SegmentTemplate timescale=\"%" PRId64 "\" duration=\"%" PRId64
		"\" startNumber=\"%" PRId64 "\" presentationTimeOffset=\"%" PRId64
		"\"%s initialization=\"%s/%s\" media=\"%s/%s$Number$.m4s\"/>\n",
		to, to * d.num / d.den, first, pto, more, name, init, name, folder);
}
