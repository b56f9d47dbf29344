/* ladder: the renditions to make, as people write them. Pure.
 *
 *   RUNG = PRESET | NAME=[WIDTHxHEIGHT][@FPS][,RATE][,preset=P][,codec=C]
 *        | [NAME=]copy                      the source's pictures as they are
 *        | auto[,RATE][,preset=P][,codec=C] those that suit the source, the largest of RATE at most
 *   PRESET = (1080p | 720p | 480p | 360p | 240p | 144p) [60] [,RATE][,preset=P][,codec=C]
 *   C = h264 | hevc | av1 | vp9 | (h264 | hevc)_(nvenc | qsv | vaapi)
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
	bool automatic;	   /* stands for those that suit the source */
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
/* In place of each automatic rung of in (n; none at all: as one) those of 1080p, 720p, 480p, 360p, 240p, 144p that are not above
 * the source, and its own size when it lies well between two of them or below all: at most four, and none whose name is there
 * already. Of a source with more than 40 frames a second those below 720p have half as many. Where its bit rate is known and
 * less than usual, its pictures are simple, and the rungs get less in proportion (ladder_share). Returns how many there are. */
int ladder_expand(struct rung out[LADDER_MAX], const struct rung *in, int n,
		  const struct media_track *source);
/* Of the usual rate, in per cent: 100, 75, 50 or 35, the least that is not below the source's share of what is usual for
 * it; in few steps, so that two who measure the same source agree. */
int ladder_share(const struct media_track *source);
/* Fills in what a rung leaves to the source. */
void rung_fit(struct rung *r, const struct media_track *source);
/* A bit rate for a size and frame rate, in H.264. */
int64_t ladder_bitrate(int width, int height, struct ratio fps);

#endif
