/* Inside cmaf: the elements of an MPD (ISO/IEC 23009-1) that dash.c and archive_dash.c have in common. */
#ifndef GEX_CMAF_MPD_H
#define GEX_CMAF_MPD_H

#include "cmaf/cmaf.h"

#define MPD_TIME 24
/* xs:dateTime of the whole second in which us lies; and the attribute `name` by it. */
void mpd_time(char out[MPD_TIME], int64_t us);
void mpd_put_time(const char *name, int64_t us, FILE *f);
/* As character data. */
void mpd_put_text(const char *s, FILE *f);
/* An AdaptationSet's head. lang: as a track has it, "" when it is not known. */
void mpd_begin_set(int id, enum media_kind kind, const char *lang, FILE *f);

/* Captions in its pictures (ANSI/SCTE 214-1; DASH-IF IOP): by their channels, and services, with their languages. */
void mpd_put_captions(const struct cmaf_caption *k, int n, FILE *f);
/* What follows it in a set of text: what it is called, and that it is captions. */
void mpd_put_text_head(const char *label, FILE *f);

struct mpd_representation {
	const char *name, *codec;
	enum media_kind kind;
	int64_t bandwidth;
	int width, height; /* of video */
	struct ratio fps;  /* of video; num 0: not known */
	int sample_rate, channels;
};
/* Its head, up to what is said of segments. */
void mpd_begin_representation(const struct mpd_representation *r, FILE *f);

/* Segments of d seconds, on from number `first`, which is at pto in units of 1/scale s. more: attributes between, each
 * with a space before it. folder: what is between the name and the number, "" or with a slash at its end. */
void mpd_put_template(const char *name, const char *init, const char *folder, int64_t scale,
		      struct ratio d, int64_t first, int64_t pto, const char *more, FILE *f);
/* The scale in which d is whole: this one or a coarser one. */
int64_t mpd_scale(int64_t scale, struct ratio d);

#endif
