/* thumbs: now and then a small picture of what is on the air, as a file (JPEG or WebP) that is replaced in one step, as a packet
 * of the output's track of thumbnails (JPEG), or both. Made on a
 * thread of their own, from what the video thread has decoded; one that is not done in time is left out, the next comes at its
 * own instant. Not for other modules. */
#ifndef GEX_MEDIA_THUMB_H
#define GEX_MEDIA_THUMB_H

#include "media/av.h"

#define THUMBS_MAX 8

struct thumb_conf {
	const char *name; /* for logs and metrics */
	const char *path; /* .jpg, .jpeg or .webp; NULL: no file */
	bool track;	  /* the output has a track of it; then all are of the first one's size */
	int64_t every_us; /* at the multiples of it since the epoch */
	int height;	  /* even; the width goes by the picture's shape */
	int quality;	  /* 1 to 100 */
};

struct thumbs;
/* Gets a picture of the track, shown at utc_us; on the thread. The packet is the caller's. */
typedef void thumbs_made_fn(void *arg, const AVPacket *jpeg, int64_t utc_us);
/* Starts the thread. The strings of conf must outlive it. 0, or a negative errno with one line in err: -EINVAL for a path with
 * another ending, or a track of anything but JPEG. */
int thumbs_create(struct thumbs **out, const struct thumb_conf *conf, int n, thumbs_made_fn *made,
		  void *arg, char *err) MUST_USE;
/* The width that goes with the shape of f; even. */
int thumb_width(const struct thumb_conf *c, const AVFrame *f);
/* A picture that is shown at utc_us. Its own reference is taken when it is wanted; else that costs nothing. wait: until the one
 * before is begun, so that none is left out. */
void thumbs_offer(struct thumbs *t, const AVFrame *f, int64_t utc_us, bool wait);
/* Waits until all that were offered are done. */
void thumbs_flush(struct thumbs *t);
/* Of number i. */
int64_t thumbs_written(const struct thumbs *t, int i);
int64_t thumbs_failed(const struct thumbs *t, int i);
/* What was offered is written first. NULL is allowed. */
void thumbs_destroy(struct thumbs *t);

/* An image file of f (YUV420P, limited range, colours of f->colorspace; it is changed) as an AVPacket. 0 or a negative errno. */
int thumb_encode(AVFrame *f, bool webp, int quality, AVPacket *out) MUST_USE;

#endif
