/* dvr: the past of a stream on disk: what was packaged is kept there for a time and up to a size, and served under the addresses
 * that it had (lib/cmaf/archive.h is the index).
 *
 *   dvr.c       which segments are kept, for how long
 *   dvr_files.c the files themselves: what blocks, so it runs on a disk's threads; finding them again at start
 *   dvr_read.c  segments and playlists for viewers
 *   dvr_clip.c  a span as one MP4;  dvr_head.c  its head
 *   dvr_dates.c date ranges
 *   dvr_export.c metrics
 *   dvr_keys.c  the keys of what is encrypted
 *   dvr_picture.c  thumbnails
 *
 * Nothing here ever waits for the disk. When it is full or fails, segments are lost to the archive, are counted, and it is
 * tried again after a while; when it is slow, what waits is bounded and more is lost. Live goes on from memory. */
#ifndef GEX_PACKAGE_DVR_H
#define GEX_PACKAGE_DVR_H

#include "cmaf/archive.h"
#include "cmaf/secret.h"
#include "disk.h"
#include "http/http.h"
#include "metrics/metrics.h"

#define DVR_PATH 1024
#define DVR_ERR 256

struct dvr_conf {
	const char *dir;  /* of all streams */
	const char *name; /* of this one, a folder in it */
	int64_t window_us, size, clip_us;
	struct disk *write, *read; /* write has one thread; both outlive it */
	/* The folder of the file of keys; "": the stream's own; NULL: players get keys elsewhere, and none are kept. */
	const char *keys;
};

/* An open file of a track. Only jobs of the writing thread touch it. */
struct dvr_out {
	int data, index; /* -1: none */
	int64_t id, synced_us;
	uint64_t size, index_size;
};

/* A track on its way to disk. */
struct dvr_slot {
	char name[32];
	int64_t id,
	    last; /* of the file in progress; number of the newest segment. INT64_MIN: none */
	struct archive_about is; /* what it is */
	int64_t span, breaks;
	bool owed; /* a discontinuity whose segment was lost */
	struct dvr_out out;
};

/* Of all that is encrypted there, oldest first; nothing else in it can be read. */
#define DVR_KEYS 8192
struct dvr_keys {
	char path[DVR_PATH]; /* "": none are kept */
	VEC(struct cmaf_secret) s;
	bool dirty; /* what is on disk is something else, since now */
};

enum dvr_loss { DVR_DISK, DVR_QUEUE, DVR_LOSSES };

struct dvr {
	char dir[DVR_PATH];
	char name[64];
	int64_t window_us, size, clip_us;
	struct loop *loop;
	struct metrics *metrics;
	struct disk *write, *read;
	struct archive archive;
	struct dvr_slot slot[CMAF_RENDITIONS];
	struct dvr_slot pictures; /* thumbnails */
	int lock;		  /* descriptor of the file that says that the folder is ours */
	bool begun;
	bool dates_dirty; /* the file of date ranges is not what it should be */
	struct dvr_keys keys;
	int pending; /* jobs under way */
	int writing; /* of segments among them */
	bool closed;
	bool failing;
	int64_t retry_us, pause_us; /* failing: nothing is tried before */
	int64_t kept, lost[DVR_LOSSES], lost_before;
	struct loop_timer tick;
	struct list fetches; /* dvr_read.c: newest use last */
	size_t fetched;
	struct list clips; /* dvr_clip.c */
	int nclips;
	int64_t reads, read_errors, clips_made;
	struct metric *m[8];
};

/* Takes the folder and what is in it. 0, or a negative errno with one line in err (DVR_ERR bytes). */
int dvr_create(struct dvr **out, const struct dvr_conf *c, struct loop *l, struct metrics *m,
	       char *err) MUST_USE;
/* What is under way may go on for a while. NULL is allowed. */
void dvr_destroy(struct dvr *d);
/* A segment of the presentation is complete, or is a gap. */
void dvr_segment(struct dvr *d, const struct cmaf *c, const struct cmaf_segment *s,
		 const struct cmaf_track *t);
/* The newest of the thumbnails has come. */
void dvr_picture(struct dvr *d, const struct pictures *all);
/* The presentation is over; the next begins anew. */
void dvr_restart(struct dvr *d);
/* A job is done or was not taken; true: d is no more. */
bool dvr_release(struct dvr *d);

/* ---- dvr.c, dvr_files.c ---- */

/* A segment, or a thumbnail, to be written. */
struct dvr_write {
	struct disk_job job;
	struct dvr *d;
	struct dvr_slot *slot;
	int64_t id;
	struct archive_about about;
	struct archive_entry e; /* run sets offset */
	struct buf *init;
	VEC(struct buf *) chunk;
};
/* A write with nothing in it but whose it is. NULL without memory. */
struct dvr_write *dvr_write_create(struct dvr *d, struct dvr_slot *slot, size_t bytes);
void dvr_write_free(struct dvr_write *w);
/* The file that it belongs to: the one in progress, or one that begins with it. */
void dvr_choose_file(struct dvr *d, struct dvr_write *w, int64_t start_us);
/* To the writing thread; takes w. */
void dvr_post(struct dvr *d, struct dvr_write *w);
/* Takes a file out of the archive and off the disk. False: not now. */
bool dvr_remove(struct dvr *d, struct archive_track *t, struct archive_file *f);
void dvr_lose(struct dvr *d, struct dvr_slot *slot, bool discontinuity, enum dvr_loss why);
int dvr_files_write(struct disk_job *j);
void dvr_files_close(struct dvr_out *o);
/* Fills the archive from the folder. */
int dvr_files_load(struct dvr *d, char *err) MUST_USE;
/* The folder's lock. */
int dvr_files_lock(struct dvr *d, char *err) MUST_USE;
/* The ending of a track's files of media: ".mp4", of thumbnails ".mjpeg". */
const char *dvr_files_ending(const char *track);
void dvr_files_path(const struct dvr *d, const char *track, int64_t id, const char *ending,
		    char out[DVR_PATH]);
/* Reads exactly n bytes of a file; -EIO when there are fewer. On a disk's thread. */
int dvr_files_read(const char *path, uint64_t offset, void *out, size_t n);

/* ---- dvr_export.c ---- */

/* Its metrics, into d->m. */
void dvr_export(struct dvr *d);

/* ---- dvr_dates.c ---- */

/* What live playlists tell of date ranges goes to disk, and what is too old goes. */
void dvr_dates(struct dvr *d, const struct cmaf *c);
/* Reads the file; that there is none is no error. */
int dvr_dates_load(struct dvr *d, char *err) MUST_USE;

/* ---- dvr_keys.c ---- */

/* Reads the file; that there is none is no error. place: as dvr_conf has it. */
int dvr_keys_load(struct dvr *d, const char *place, char *err) MUST_USE;
/* The key of a segment that is going to be kept; it gets to disk before that. */
void dvr_keys_add(struct dvr *d, const struct cmaf_key *k);
/* NULL: it is none of the past's. */
const struct cmaf_secret *dvr_keys_find(const struct dvr *d, const uint8_t kid[16]);
/* Forgets keys of which nothing is left, and writes what has not got to disk. */
void dvr_keys_tick(struct dvr *d);
void dvr_keys_finish(struct dvr *d);

/* ---- dvr_read.c, dvr_clip.c ---- */

/* Answers r by segment `number` of a rendition, or by an init segment, when it is on disk; false: it is not, and r is not
 * answered. */
bool dvr_get_segment(struct dvr *d, const char *rendition, int64_t number, struct http_request *r);
/* The same of a text, as WebVTT. */
bool dvr_get_text(struct dvr *d, const char *rendition, int64_t number, struct http_request *r);
bool dvr_get_init(struct dvr *d, const char *rendition, const char *name, struct http_request *r);
/* What a query asks for: t= (live from then on), from= and to=. 0: nothing; 1: *range says what; -EINVAL. */
int dvr_range(const struct dvr *d, const char *query, struct archive_range *range);
/* How much of the window there is now. */
void dvr_window(const struct dvr *d, struct archive_range *range);
void dvr_read_finish(struct dvr *d);
void dvr_clip(struct dvr *d, struct http_request *r);
void dvr_clip_finish(struct dvr *d);

#endif
