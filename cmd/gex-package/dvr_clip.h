/* A clip of the past: what dvr_clip.c and dvr_head.c share. */
#ifndef GEX_PACKAGE_DVR_CLIP_H
#define GEX_PACKAGE_DVR_CLIP_H

#include "dvr.h"

#define CLIP_TRACKS 2 /* a picture and a sound */

struct extent {
	int64_t file;	       /* its id */
	int track;	       /* of the clip */
	uint64_t offset, size; /* in that file */
	uint64_t at;	       /* in the mdat */
	int64_t start_us;
};

struct clip {
	struct disk_job job;
	struct dvr *d;
	struct list link;
	struct http_request *r; /* NULL: it has gone */
	int64_t from_us, to_us;
	int n;
	struct clip_track {
		char name[32];
		enum media_kind kind;
		int64_t file; /* whose init it is */
		uint32_t init_size;
	} track[CLIP_TRACKS];
	VEC(struct extent) extent;
	struct buf *head;
	uint64_t size; /* of all */
	uint64_t at, end;
	struct buf *piece;
	bool begun;
};

/* The file of a track of the clip. */
void dvr_clip_path(const struct clip *c, int track, int64_t file, char path[DVR_PATH]);
/* A job of a clip whose extents are known: its head and its size. 0; -ENOENT: there is nothing of the span; another negative
 * errno. */
int dvr_head_make(struct disk_job *j);

#endif
