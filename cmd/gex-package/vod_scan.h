/* vod_scan: what is in a fragmented MP4 file: its tracks, and segments of whole fragments that begin with a key frame. Blocks on
 * the disk: for a disk's threads. Once made, a scan is read only, by several threads. */
#ifndef GEX_PACKAGE_VOD_SCAN_H
#define GEX_PACKAGE_VOD_SCAN_H

#include <stdatomic.h>

#include "cmaf/archive.h"
#include "cmaf/movie.h"

struct vod_scan {
	struct list link;
	atomic_int refs;
	char name[128];
	int64_t size, modified_us; /* of the file when it was looked at */
	bool growing;		   /* written to a moment ago: its last segment is left out */
	struct buf *front;	   /* ftyp and moov, in which the tracks' boxes lie */
	int n;
	struct movie_track track[MEDIA_TRACKS_MAX];
	struct buf *init[MEDIA_TRACKS_MAX];
	char rendition[MEDIA_TRACKS_MAX][32];
	VEC(struct vod_segment) segment;
	struct archive archive; /* its index for texts: entry n of each track is segment n */
};
struct vod_segment {
	uint64_t offset, size;
};

/* May a file be called so? Letters, digits, '-', '_', '.' and not at its beginning. *at_us: the instant that the name tells, as
 * gex-record's do; 0: none. */
bool vod_scan_name(const char *name, int64_t *at_us);
/* Looks at the file, if it is not as `have` (may be NULL) knows it: then *out stays NULL. 0, or a negative errno. */
int vod_scan_file(struct vod_scan **out, const char *path, const char *name,
		  const struct vod_scan *have, int64_t now_us);
struct vod_scan *vod_scan_ref(struct vod_scan *s);
void vod_scan_unref(struct vod_scan *s);
/* The init segment of a track; NULL: there is none of the name. */
struct buf *vod_scan_init(const struct vod_scan *s, const char *rendition);
/* Segment `number` of a track as a fragment of its own. -ENOENT: none such. */
int vod_scan_segment(const struct vod_scan *s, const char *path, const char *rendition,
		     int64_t number, struct buf **out);

#endif
