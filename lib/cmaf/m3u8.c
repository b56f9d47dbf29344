#include "cmaf/m3u8.h"

#include <inttypes.h>
#include <time.h>

void m3u8_begin(int version, int target_s, FILE *f)
{
	fprintf(f, "#EXTM3U\n#EXT-X-VERSION:%d\n", version);
	if (target_s)
		fprintf(f, "#EXT-X-TARGETDURATION:%d\n", target_s);
}

void m3u8_sequence(int64_t number, int64_t discontinuities, FILE *f)
{
	fprintf(f, "#EXT-X-MEDIA-SEQUENCE:%" PRId64 "\n", number);
	if (discontinuities)
		fprintf(f, "#EXT-X-DISCONTINUITY-SEQUENCE:%" PRId64 "\n", discontinuities);
}

void m3u8_date(int64_t us, FILE *f)
{
	time_t s = (time_t)base_floor_div(us + 500, SEC_US);
	char text[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(f, "%s.%03dZ", text, (int)(us + 500 - (int64_t)s * SEC_US) / 1000);
}

void m3u8_put_date(int64_t us, FILE *f)
{
	fputs("#EXT-X-PROGRAM-DATE-TIME:", f);
	m3u8_date(us, f);
	fputc('\n', f);
}

/* Names are different in a group: what has none is told by its channel. */
static void put_media(const struct cmaf_caption *k, const char *type, FILE *f)
{
	fprintf(f, "#EXT-X-MEDIA:TYPE=%s,GROUP-ID=\"captions\",NAME=\"%s\"", type,
		*k->label ? k->label : cc_name(k->channel));
	if (*k->lang)
		fprintf(f, ",LANGUAGE=\"%s\"", k->lang);
	fputs(",DEFAULT=NO,AUTOSELECT=YES", f);
}

void m3u8_put_text(const struct cmaf_caption *k, const char *name, const char *playlist,
		   const char *query, FILE *f)
{
	put_media(k, "SUBTITLES", f);
	fprintf(f,
		",CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,"
		"public.accessibility.describes-music-and-sound\",URI=\"%s/%s%s\"\n",
		name, playlist, query);
}

void m3u8_put_captions(const struct cmaf_caption *k, FILE *f)
{
	put_media(k, "CLOSED-CAPTIONS", f);
	fprintf(f, ",INSTREAM-ID=\"%s\"\n", cc_name(k->channel));
}

void m3u8_put_groups(enum m3u8_captions captions, bool texts, FILE *f)
{
	if (captions != M3U8_UNKNOWN)
		fprintf(f, ",CLOSED-CAPTIONS=%s", captions == M3U8_TOLD ? "\"captions\"" : "NONE");
	if (texts)
		fputs(",SUBTITLES=\"captions\"", f);
}
