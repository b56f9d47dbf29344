/* archive: which segments lie on disk and where, and playlists and MPDs of any span of them. Pure: what reads
 * and writes the files calls in here with what it found or did.
 *
 * A track has a run of files, each the init segment and then whole segments one after the other, so each is a fragmented MP4 that
 * plays by itself; beside it lies an index: a head that says what the track is, and a record a segment, of constant size and
 * with a sum, appended after the segment's bytes. After a crash a file is good up to the first record that is torn or
 * speaks of bytes that are not there; nothing is ever appended to a file of an earlier life. A file ends after its time, and
 * where the init segment or the key changes. What is encrypted is so on disk: the index names its key, and has none.
 *
 * Segments have the numbers of the grid in UTC (cmaf.h), so an address has one meaning, whether memory or a file answers.
 * Numbers that are missing are gaps in a live playlist: its media sequence is the number. */
#ifndef GEX_CMAF_ARCHIVE_H
#define GEX_CMAF_ARCHIVE_H

#include "cmaf/cmaf.h"
#include "cmaf/picture.h"

#define ARCHIVE_HEAD 512  /* bytes of an index's head */
#define ARCHIVE_RECORD 40 /* of a record in it */

/* What a track is, as long as a file goes. */
struct archive_about {
	int index; /* its place among the tracks */
	enum media_kind kind;
	char name[32], lang[8], label[64], codec[32];
	char
	    init[32]; /* name of the init segment, which is the first init_size bytes of the file */
	bool standard, uneven; /* uneven: d is that of the longest segment; not in an index */
	int width, height, sample_rate, channels;
	struct ratio fps, d; /* d: seconds a segment, as the grid was laid */
	int64_t scale, frame;
	uint32_t init_size;
	int64_t breaks; /* discontinuities of the track before the file */
	enum cmaf_scheme scheme;
	uint8_t kid[16], iv[16]; /* of the key, by which all in the file is encrypted; 0: clear */
	int64_t
	    epoch_us; /* the instant at which times are 0; of a recording, and not in an index */
};

struct archive_entry {
	int64_t number, start; /* in the track's scale */
	uint64_t offset;
	uint32_t size, dur;
	bool independent, discontinuity, gap; /* a gap has no bytes */
};

struct archive_file {
	struct list link;
	int64_t id; /* its name: the number of its first segment */
	struct archive_about about;
	VEC(struct archive_entry) e;
	uint64_t size;
	struct buf *lines; /* of its entries in a playlist, when nothing more will come */
};

struct archive_track {
	char name[32];
	struct list files; /* oldest first */
	int64_t breaks;	   /* discontinuities ever */
	int64_t peak;	   /* bit/s of a segment */
	int64_t bits, us;  /* of all segments, for the mean */
};

/* Captions in the pictures, as players are told of them. */
struct archive_captions {
	bool unknown; /* there may be: players look themselves */
	struct cmaf_caption at[CC_CHANNELS];
	int n;
};

/* A date range (range.h) that lies in it. */
#define ARCHIVE_DATES 4096 /* beyond it the oldest goes */
struct archive_date {
	char id[40];
	int64_t start_us, end_us; /* INT64_MAX: it goes on */
	char *line;		  /* of playlists */
};

struct archive {
	struct archive_track *track[CMAF_RENDITIONS]; /* texts among them: of kind MEDIA_DATA */
	int n;
	struct archive_track *pictures; /* thumbnails (picture.h); NULL: none */
	uint64_t bytes;
	int64_t version; /* changes with everything that a text could show */
	VEC(struct archive_date) dates;
	struct archive_captions captions; /* for the playlists; the owner's */
	struct cmaf_key_places keys;	  /* the same */
};

void archive_finish(struct archive *a);
/* The track of that name, or that of thumbnails; NULL: none. */
struct archive_track *archive_find(const struct archive *a, const char *name);
/* Begins a file of the track about->name, which is made when there is none; about->breaks is what is to be written in the
 * file's head, as archive_breaks tells. NULL without memory, with too many tracks, or when its id is not beyond those there. */
struct archive_file *archive_begin(struct archive *a, const struct archive_about *about,
				   int64_t id);
/* What players are told of a text; false: it is none. */
bool archive_text(const struct archive_track *t, struct cmaf_caption *out);
/* A segment of it as WebVTT. NULL for what is none, and without memory. */
struct buf *archive_vtt(const uint8_t *p, size_t n) MUST_USE;
/* The newest file of a track. */
struct archive_file *archive_newest(const struct archive_track *t);
/* Adds a segment that is on disk to the newest file. -EINVAL when it is not beyond those there, -ENOMEM. */
int archive_add(struct archive *a, struct archive_track *t, const struct archive_entry *e) MUST_USE;
/* Segment `number` of a track, and its file. NULL when it is not there or a gap. */
const struct archive_entry *archive_segment(const struct archive_track *t, int64_t number,
					    const struct archive_file **f);
/* A file with this init segment; NULL: none. */
const struct archive_file *archive_init(const struct archive_track *t, const char *init);
/* Are they by the same init segment and key? */
bool archive_same(const struct archive_about *a, const struct archive_about *b);
/* Is anything there encrypted by this key? */
bool archive_has_key(const struct archive *a, const uint8_t kid[16]);
/* The last number of a track, gaps too; INT64_MIN for none. */
int64_t archive_last(const struct archive_track *t);
/* Begin of the oldest and end of the newest segment; false when there is none. */
bool archive_span(const struct archive *a, int64_t *from_us, int64_t *to_us);
/* The oldest file of which nothing begins after before_us, or, while there are more than `bytes`, the oldest of all; never a track's
 * newest. NULL: none. *t: whose it is. */
struct archive_file *archive_expired(const struct archive *a, int64_t before_us, uint64_t bytes,
				     struct archive_track **t);
/* Takes a file out and frees it; with the last of thumbnails their track. */
void archive_drop(struct archive *a, struct archive_track *t, struct archive_file *f);

/* The first entry of a file whose number is not below. */
size_t archive_lower(const struct archive_file *f, int64_t number);

/* The instant of a time of the track, and the length of a duration. */
static inline int64_t archive_us(const struct archive_file *f, int64_t v)
{
	return f->about.epoch_us + base_scale(v, SEC_US, f->about.scale);
}

static inline int64_t archive_length_us(const struct archive_file *f, int64_t v)
{
	return base_scale(v, SEC_US, f->about.scale);
}

/* ---- date ranges ---- */

struct ranges;
/* What live playlists tell of them now. 1 when something is another; 0; -ENOMEM. */
int archive_dates_take(struct archive *a, const struct ranges *r) MUST_USE;
/* Forgets those that were over before that; true: there were some. */
bool archive_dates_expire(struct archive *a, int64_t before_us);
void archive_dates_finish(struct archive *a);
/* The lines of those that touch a span. */
void archive_dates_put(const struct archive *a, int64_t from_us, int64_t to_us, FILE *f);
/* All of them as the text of a file, and from one: how many lines were none, or -ENOMEM. */
void archive_dates_write(const struct archive *a, FILE *f);
int archive_dates_read(struct archive *a, const char *text, size_t size) MUST_USE;

/* ---- the index file ---- */

void archive_put_head(const struct archive_about *about, int64_t id, uint8_t out[ARCHIVE_HEAD]);
/* -EINVAL for what is no head. */
int archive_get_head(struct archive_about *about, int64_t *id,
		     const uint8_t in[ARCHIVE_HEAD]) MUST_USE;
void archive_put_record(const struct archive_entry *e, uint8_t out[ARCHIVE_RECORD]);
/* Reads an index file of n bytes beside a file of `size` bytes into the archive: all records up to the first that cannot be. Returns
 * how many, -EINVAL when it is no index, -EEXIST when it is not beyond what is there, -ENOMEM. Files of a track have to come oldest first. */
int archive_read(struct archive *a, const uint8_t *index, size_t n, uint64_t size) MUST_USE;

/* ---- text ---- */

/* What is shown: segments that end after from_us and begin before to_us. */
struct archive_range {
	int64_t from_us, to_us;
	bool
	    live; /* goes on at its end; else it is all that there will be, and what is missing is left out */
	bool start;	/* players are to begin at from_us, not at the end */
	char query[96]; /* of the addresses of playlists in a multivariant one: "?t=..." */
};

/* Instant of a text: seconds since the epoch, ISO 8601 ("2026-11-23T00:10:00Z", with a fraction, with +09:00), or seconds
 * before now ("-90", "-1.5"). 0, -EINVAL. */
int archive_time(const char *text, int64_t now_us, int64_t *out_us) MUST_USE;
/* Has any track a segment in the range? */
bool archive_has(const struct archive *a, const struct archive_range *r);
void archive_hls_multivariant(const struct archive *a, const struct archive_range *r,
			      const char *playlist, FILE *f);
/* delta: see cmaf_hls_media. */
void archive_hls_media(const struct archive *a, const struct archive_track *t,
		       const struct archive_range *r, bool delta, FILE *f);
/* A period for each run without a discontinuity, and for each key. What is encrypted by AES-128 is left out; writes nothing where
 * nothing remains. time_url: of UTCTiming. */
void archive_dash(const struct archive *a, const struct archive_range *r, const char *time_url,
		  FILE *f);

/* ---- archive_picture.c: thumbnails ---- */
/* Are there any in the range? What they are; their playlist. The latter two where there is a track of them. */
bool archive_has_pictures(const struct archive *a, const struct archive_range *r);
struct picture_about archive_pictures(const struct archive *a);
void archive_hls_pictures(const struct archive *a, const struct archive_range *r, FILE *f);

#endif
