/* ladder: the renditions to make, as people write them. Pure.
 *
 *   RUNG = PRESET | NAME=[WIDTHxHEIGHT][@FPS][,RATE][,preset=P][,codec=C]
 *        | [NAME=]copy                      the source's pictures as they are
 *   PRESET = (1080p | 720p | 480p | 360p | 240p | 144p) [60] [,RATE][,preset=P][,codec=C]
 *   C = h264 | hevc | av1 | vp9 | h264_nvenc | hevc_nvenc
 *
 * What is not said comes from the source when it is there: the width by the picture's shape, the frame rate. */
#ifndef GEX_MEDIA_LADDER_H
#define GEX_MEDIA_LADDER_H

#include "media/media.h"

#define LADDER_MAX 12

struct rung {
	char name[32];
	int width, height; /* width 0: by the source's shape; both 0: the source's size */
	struct ratio fps;  /* 0/1: the source's */
	int64_t bitrate;   /* bit/s; 0: by the size */
	char preset[16];   /* named as those of x264, for all codecs; "" the default */
	char codec[16];	   /* "": h264 */
	bool copy;	   /* not encoded */
};

/* 0, or -EINVAL with a reason in err (MEDIA_ERR bytes). */
int rung_parse(struct rung *r, const char *text, char *err) MUST_USE;
/* The single settings, as an INI section gives them. */
int rung_set_size(struct rung *r, const char *text, char *err) MUST_USE;
int rung_set_fps(struct rung *r, const char *text, char *err) MUST_USE;
int rung_set_codec(struct rung *r, const char *text, char *err) MUST_USE;
/* 0 for the fastest preset to 8 for the best. */
int rung_effort(const struct rung *r);
int rung_set_preset(struct rung *r, const char *text, char *err) MUST_USE;
/* The rungs for a source when none are asked for: those of 1080p, 720p, 480p, 360p, 240p, 144p that are not above it, and
 * the source's own size when it lies well between two of them or below all; at most four. Returns how many. */
int ladder_default(struct rung out[LADDER_MAX], const struct media_track *source);
/* Fills in what a rung leaves to the source. */
void rung_fit(struct rung *r, const struct media_track *source);
/* A bit rate for a size and frame rate. */
int64_t ladder_bitrate(int width, int height, struct ratio fps);

#endif
