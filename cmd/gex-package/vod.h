/* vod: the files that gex-record wrote, or any fragmented MP4, as presentations with an end: each as playlists and an MPD, with
 * segments that are made from the file when they are asked for, one track in each. A file is looked through once, and again
 * when it has grown: one that is still being written goes on. What is torn at its end is left out. */
#ifndef GEX_PACKAGE_VOD_H
#define GEX_PACKAGE_VOD_H

#include "cmaf/archive.h"
#include "disk.h"
#include "http/http.h"

#define VOD_NAME 128
#define VOD_TRACKS MEDIA_TRACKS_MAX

struct vod;
/* dir: the folder; read outlives it. 0 or -ENOMEM. */
int vod_create(struct vod **out, const char *dir, struct disk *read, struct loop *l) MUST_USE;
/* What is under way may go on for a while. NULL is allowed. */
void vod_destroy(struct vod *v);

/* What a request is to be answered by, once its file is known. range: all of it, going on when it is being written. */
typedef void vod_text_fn(void *arg, struct http_request *r, const struct archive *a,
			 const struct archive_range *range, const char *rendition,
			 const char *file);
/* Answers r, for PATH = FILE "/" REST below the collection, FILE without ".mp4"; texts by fn(arg), later; or for "index.json", a
 * list of what there is. False: no such address. */
bool vod_serve(struct vod *v, const char *path, struct http_request *r, vod_text_fn *fn, void *arg);

#endif
