/* picture: thumbnails, small JPEGs of what was on the air, for players that show them while one seeks. They come as packets of a
 * track beside the media (MEDIA_JPEG) and are served as they came, one to a file: that is a grid of tiles of 1x1, so nothing is
 * ever decoded, and each is there at once.
 *
 * They lie on a grid of their own in UTC: number n is of the time from n * every on, so an address has one meaning, also after
 * a restart and of another packager. What is missing stays missing: a gap.
 *
 * What is kept is bounded in number and bytes; the oldest goes. The playlists are those that Roku has defined and others read
 * ("Image Media Playlist", version 0.4), the sets of an MPD those of DASH-IF IOP 6.2.6. Pure. */
#ifndef GEX_CMAF_PICTURE_H
#define GEX_CMAF_PICTURE_H

#include <stdio.h>

#include "base/base.h"
#include "buf/buf.h"
#include "media/media.h"

#define CMAF_PICTURES "thumbnails" /* name of the rendition */
#define PICTURE_CODEC "jpeg"

struct picture {
	int64_t number;
	int width, height;
	struct buf *jpeg;
};

struct pictures {
	int64_t every_us, window_us;
	int width, height; /* of the newest; before the first as the source tells */
	int64_t told;	   /* bit/s, before the first: what a text may say that is to stay */
	size_t keep;	   /* so many, at most */
	size_t bytes;
	VEC(struct picture) at; /* oldest first */
};

/* Of a track; keeps window_us of them, and as much again for those who have an older playlist. NULL without memory. */
struct pictures *pictures_create(const struct media_track *m, int64_t window_us);
void pictures_destroy(struct pictures *p);
/* The instants between pictures of a track: what it says, within bounds; 2 s when it says nothing. */
int64_t pictures_every_us(const struct media_track *m);
/* Copies one, shown at us (UTC). 0; -EINVAL: it is no whole JPEG; -EMSGSIZE: too large; -EEXIST: there is one of its time or a later
 * one; -ENOMEM. */
int pictures_take(struct pictures *p, const uint8_t *data, size_t n, int64_t us) MUST_USE;
/* NULL: not kept. */
const struct picture *pictures_find(const struct pictures *p, int64_t number);
/* NULL before the first. */
const struct picture *pictures_last(const struct pictures *p);

/* ---- text ---- */

struct picture_about {
	int64_t every_us;
	int width, height;
	int64_t bandwidth; /* bit/s, peak */
};
struct picture_about pictures_about(const struct pictures *p);
/* EXT-X-IMAGE-STREAM-INF of a multivariant playlist. query: of the address, or "". */
void picture_put_stream(const struct picture_about *o, const char *playlist, const char *query,
			FILE *f);
/* An AdaptationSet of a period that begins with the instant start_us, by UTC. */
void picture_put_set(const struct picture_about *o, int id, int64_t start_us, FILE *f);

/* A media playlist, written one picture after the other; what is missing between them becomes gaps. */
struct picture_list {
	FILE *f;
	int64_t every_us;
	int64_t next; /* number; INT64_MIN: at its beginning */
	int width, height;
};
/* first: its number; live: the list goes on. */
void picture_list_begin(struct picture_list *l, int64_t every_us, int64_t first, bool live,
			FILE *f);
void picture_list_add(struct picture_list *l, int64_t number, int width, int height);
/* The playlist of the window. */
void pictures_put_list(const struct pictures *p, bool ended, FILE *f);

#endif
