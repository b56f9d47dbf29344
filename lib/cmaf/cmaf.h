/* cmaf: coded frames in, CMAF out (ISO/IEC 23000-19): per track an init segment and a chain of
 * segments, each made of parts, each made of chunks (moof + mdat, one or a few frames). Every byte
 * is in memory once, in the chunks; a part or a segment is a run of them, so LL-HLS parts, LL-DASH
 * chunks in progress and whole segments are views of the same memory.
 *
 * All cuts lie on one grid in UTC (grid.c): segment n is the time from origin + n * d on, d a whole
 * number of video frames near the length that was asked for, and the parts divide it evenly. So the
 * number of a segment is a function of UTC: it does not go back when the packager restarts, two
 * packagers of one stream agree on every URL, and the tracks of a presentation agree on every
 * segment. A track is cut at the frame that starts nearest to the grid line; frames longer or
 * shorter than the track's usual one move no later cut.
 *
 * PART-TARGET is chosen once for all tracks: the pitch of the parts is the one nearest to the
 * length asked for with which each track's parts, whole frames, keep within 85 and 100 % of the
 * longest (RFC 8216bis, 4.4.4.9). A frame's end is known when it comes, by its duration, so a part
 * is complete with its last frame and does not wait for the next.
 *
 * A part or segment is seen by readers only when complete. What is missing stays missing in UTC:
 * segments without media are marked as gaps, and where a segment ended before its time the next is
 * a discontinuity, in every track. So is a change of codec parameters, with a new init segment under
 * another name, and in the MPD a period.
 *
 * Media may be encrypted: by cbcs the samples in the chunks, so that all views share the encrypted
 * bytes too, or by AES-128 the files, which then are copies. Without a key frames are dropped: what
 * is to be protected never gets into the store in clear. A key holds from one segment on in all
 * tracks, and each of its own has an init segment that names it.
 *
 * Cues and ID3 that come beside the media are date ranges in playlists (range.h) and messages before
 * chunks (emsg.h); thumbnails have playlists and files of their own (picture.h).
 *
 * Captions in the pictures of a track (subtitle.h) are shown twice when they are asked for: players are told of them, and each of
 * their channels is a rendition of WebVTT with a segment for each of that track.
 *
 * Playlists (hls.c) and the MPD (dash.c) are written as text from this store. No clock, no I/O, one
 * thread. */
#ifndef GEX_CMAF_H
#define GEX_CMAF_H

#include <stdio.h>

#include "base/base.h"
#include "buf/buf.h"
#include "cmaf/cc.h"
#include "media/media.h"

#define CMAF_ERR 256
#define CMAF_BREAKS 8
#define CMAF_CHANGES 16
#define CMAF_KEYS 64
#define CMAF_RENDITIONS \
	(MEDIA_TRACKS_MAX + CC_CHANNELS) /* tracks of media and texts: bound of their index */

/* ---- the grid ---- */

struct cmaf_grid {
	struct ratio
	    origin;	/* instant of segment 0, seconds since the epoch; num may be negative */
	struct ratio d; /* seconds a segment */
	int parts;	/* to a segment */
};
/* The segment in whose time x lies, and where segment n, or part k of it, begins; in units of
 * 1/scale s since the epoch. */
int64_t cmaf_grid_number(const struct cmaf_grid *g, int64_t scale, int64_t x);
int64_t cmaf_grid_start(const struct cmaf_grid *g, int64_t scale, int64_t n, int k);
int64_t cmaf_grid_us(const struct cmaf_grid *g, int64_t n);
/* Chooses how many parts a segment of d has, for tracks with frames of frame[i] seconds: the pitch
 * nearest to want_us that keeps the 85 % rule. Returns the target duration of parts in us (rounded
 * up), and sets *parts. When nothing keeps the rule (frames of very different length), the best
 * there is; *ratio is what the shortest part then is of the target. */
int64_t cmaf_choose_parts(struct ratio d, int64_t want_us, const struct ratio *frame, size_t n,
			  int *parts, double *ratio);

/* ---- what is stored ---- */

enum cmaf_scheme {
	CMAF_CLEAR,
	CMAF_CBCS,   /* ISO/IEC 23001-7: samples are encrypted as chunks are made */
	CMAF_AES128, /* RFC 8216bis: each part, and each segment, is encrypted as a whole file */
};

/* The key itself is at the URI, or a player with ClearKey (W3C EME) asks for it by its id. hls.js
 * takes only the latter, and only where the former is not. */
enum cmaf_key_format { CMAF_IDENTITY = 1, CMAF_CLEARKEY = 2 };

/* Where players get keys, borrowed: the address of one with its name behind it, as media playlists have it; where the MPD's
 * get them by the protocol of ClearKey (NULL: it does not tell). */
struct cmaf_key_places {
	const char *uri, *license;
	unsigned formats; /* of EXT-X-KEY with cbcs: bits of cmaf_key_format */
};

/* What is made of captions in the pictures. No text with AES-128: it would be in clear. */
enum cmaf_captions {
	CMAF_CAPTIONS_CEA = 1, /* players are told that they are there */
	CMAF_CAPTIONS_VTT = 2, /* renditions of WebVTT */
};
/* A channel of them that is wanted, and what players are told of it. */
struct cmaf_caption {
	enum cc_channel channel;
	char lang[36];	/* BCP 47; "": not told */
	char label[64]; /* what people are shown; "": its name */
};

struct cmaf_key {
	int refs;
	uint8_t kid[16], key[16];
	uint8_t iv[16]; /* of cbcs; with AES-128 it is the number of the segment */
	int64_t from;	/* segments from this number on, until another's */
	struct crypt_cbc *cbc;
};

struct cmaf_part {
	uint32_t first, n;  /* chunks of the segment */
	int64_t start, dur; /* in the track's scale */
	size_t size;
	bool independent;   /* holds a key frame */
	struct buf *sealed; /* with AES-128, its bytes instead of the chunks */
};

struct cmaf_init {
	int refs;
	struct buf *buf, *config; /* config: the content of the coder's configuration box */
	struct cmaf_key *key;	  /* that it names; NULL: clear */
	char name[32];	/* "init-0123abcd.mp4": by content, so it is the same after a restart */
	char codec[32]; /* RFC 6381: "avc1.64001e", "mp4a.40.2" */
	int width, height, channels;
	struct ratio sar;
	struct media_packet *still; /* its newest key frame; NULL: sound, or none yet */
};

/* Parameters of a coder, on from a segment; its init segment may be one of an earlier or later key. */
struct cmaf_change {
	int64_t from; /* INT64_MIN: the first ever */
	struct cmaf_init *init;
};

struct ranges;
struct emsgs;
struct pictures;

struct cmaf_segment {
	struct list link;
	int64_t number, start, end; /* in the track's scale */
	bool complete, independent, gap, discontinuity;
	struct cmaf_init *init;	 /* NULL in a gap before any media */
	struct cmaf_key *key;	 /* NULL: clear, or a gap */
	VEC(struct buf *) chunk; /* with AES-128 one, the encrypted file, once it is complete */
	VEC(struct cmaf_part) part;
	size_t size;
};

struct cmaf_track {
	int index;
	enum media_kind kind;
	const struct coder *coder; /* coder.h */
	char name[32], lang[8], label[64];
	bool standard; /* see media_track */
	int width, height, sample_rate, channels;
	struct ratio fps, sar;
	int64_t bitrate;	 /* as told, 0: not known */
	int64_t scale;		 /* units a second of all times here */
	int64_t frame;		 /* usual length of a frame */
	struct cmaf_init *init;	 /* of new media; NULL until the parameters are known */
	struct list segments;	 /* oldest first; the last may be in progress */
	int n;			 /* of them */
	int64_t discontinuities; /* that have left the list */
	size_t bytes;
	struct cmaf_change change[CMAF_CHANGES]; /* of what is stored, oldest first */
	int changes;
	bool changed;		 /* init is new: the next segment is a discontinuity */
	int64_t frames, dropped; /* dropped: before the first cut, late, or unusable */
	struct cmaf_cut *cut;	 /* cut.c's and track.c's own */
};

struct cmaf_conf {
	int64_t segment_us, part_us; /* asked for */
	int64_t chunk_us;   /* a chunk takes frames until it is this long; 0: each frame is one */
	int window;	    /* segments in a playlist; as many again are kept for older ones */
	int64_t memory;	    /* bytes for all tracks; beyond it the oldest segments go early */
	int64_t latency_us; /* target of LL-DASH players */
	bool slate; /* what is missing of the source's media is bridged by cmaf_stand's means */
	enum cmaf_scheme scheme; /* other than CMAF_CLEAR: without a key nothing is packaged */
	struct cmaf_key_places keys;
	int64_t discontinuities; /* before the presentation, which continues their count */
	unsigned captions;	 /* bits of cmaf_captions */
	struct cmaf_caption caption[CC_CHANNELS];
	int ncaptions;
	bool
	    captions_auto; /* each is told of from the first that it says on; else all, from the beginning */
	unsigned heard; /* channels that had spoken before the presentation, bits by cc_channel */
};

struct cmaf_events {
	/* A chunk was added to the segment in progress. With AES-128 it is clear, and nobody's to see. */
	void (*chunk)(void *arg, struct cmaf_track *t, struct cmaf_segment *s, struct buf *chunk);
	/* The last part of s, or s itself, is complete. */
	void (*part)(void *arg, struct cmaf_track *t, struct cmaf_segment *s);
	/* s is complete (part was called before), or is a gap. */
	void (*segment)(void *arg, struct cmaf_track *t, struct cmaf_segment *s);
	/* s leaves the store. */
	void (*evicted)(void *arg, struct cmaf_track *t, struct cmaf_segment *s);
};

struct cmaf {
	struct cmaf_conf conf;
	struct cmaf_events ev;
	void *arg;
	struct media_info *info;
	bool utc; /* key frames are on the grid by contract */
	struct cmaf_grid grid;
	int64_t
	    slid_us; /* by how much its origin has followed late key frames: at most a quarter of d */
	int64_t part_target_us;
	struct cmaf_track *track[MEDIA_TRACKS_MAX];
	int n;
	int64_t began_us; /* start of the first segment ever, 0 before it */
	int64_t version;  /* changes with everything that a playlist could show */
	size_t bytes;
	int64_t evicted_early;
	bool ended;
	/* What comes beside media: whether the source has ever had cues, ID3 (playlists and the MPD
	 * announce it from then on), and what there is of them; NULL before the first. */
	bool cues, tags;
	struct ranges *ranges;
	struct emsgs *messages;
	struct pictures *pictures;     /* thumbnails (picture.h); NULL: the source has none */
	int64_t break_at[CMAF_BREAKS]; /* numbers of the newest discontinuities, round about */
	unsigned breaks;
	struct cmaf_key *key
	    [CMAF_KEYS]; /* by their first segments; those of what is stored, and of what is to come */
	int nkeys;
	struct cmaf_track
	    *spoken; /* whose pictures have captions; NULL: none are wanted, or can be */
	struct subtitles *subtitles;
	struct cmaf_track *text[CC_CHANNELS]; /* by conf.caption; standard: it has an address */
	int texts;
	unsigned heard;	  /* channels that have spoken, bits by cc_channel */
	int64_t keyed_us; /* what was the newest segment's beginning when the last came */
	int64_t
	    changed_us; /* the beginning of the first segment by the newest parameters; 0: never */
};

/* Starts a presentation with the tracks of info. origin_us: 0 for a stream in UTC; else the instant
 * of its first key frame, on which the grid is laid. Refuses (-EINVAL, with one line in err) what
 * cannot be packaged: a codec other than H.264, HEVC, AV1, VP9, AAC or Opus, two tracks of one name. */
int cmaf_create(struct cmaf **out, const struct cmaf_conf *conf, struct media_info *info,
		int64_t first_key_us, const struct cmaf_events *ev, void *arg, char *err) MUST_USE;
void cmaf_destroy(struct cmaf *c);
/* The source came back with these tracks. 0: they fit (changed parameters become a discontinuity);
 * -ESTALE: other tracks, names (of a stream in UTC) or frame rates: make a new presentation. */
int cmaf_resume(struct cmaf *c, struct media_info *info) MUST_USE;
/* Takes one packet (borrowed); offset_us is added to its times (streams not in UTC). Damaged ones
 * are dropped and counted. -ENOMEM. */
int cmaf_packet(struct cmaf *c, struct media_packet *p, int64_t offset_us) MUST_USE;
/* The same of a packet of data, which is of the source's track m: a cue or an ID3 tag, what it says is seen with the next chunk and
 * part; or a thumbnail. 0; -EINVAL when it is damaged or far from the media, -EMSGSIZE; -EEXIST: a thumbnail too many; -ENOTSUP: one
 * of a stream that is encrypted, which they are not; -ENOMEM. */
int cmaf_beside(struct cmaf *c, const struct media_track *m, const struct media_packet *p,
		int64_t offset_us) MUST_USE;
/* While the source is away: goes on, up to utc_us, with the newest key frame of each track of pictures, one a part, and
 * silence; media come again with the next segment. False, and nothing is done: there is a track that has neither. */
bool cmaf_stand(struct cmaf *c, int64_t utc_us);
/* The same without them: ends what is in progress and adds gaps up to the segment that is over
 * at utc_us. */
void cmaf_gap(struct cmaf *c, int64_t utc_us);

/* Segments from number `from` on are encrypted by this key, in every track; INT64_MIN for the first key. -EBUSY when
 * that segment, or one after it, has begun or another key was given for it; -ENOSPC for more than CMAF_KEYS of what
 * is stored; -EINVAL for a presentation in clear; -ENOMEM. The last key stays then. */
int cmaf_key(struct cmaf *c, const uint8_t kid[16], const uint8_t key[16], const uint8_t iv[16],
	     int64_t from) MUST_USE;
/* NULL: none that a segment has or will have. */
const struct cmaf_key *cmaf_key_find(const struct cmaf *c, const uint8_t kid[16]);
/* The codec of t's media by RFC 6381, or one of the kind while its parameters are not known. */
const char *cmaf_codec(const struct cmaf_track *t);
/* Do they have the same codec, whatever its parameters? Players change only between such tracks
 * without a break. */
bool cmaf_same_codec(const struct cmaf_track *a, const struct cmaf_track *b);

/* How many discontinuities there have been, those before the presentation too. */
int64_t cmaf_discontinuities(const struct cmaf *c);
/* The text of caption i, i < c->texts: a track of kind MEDIA_DATA, whose index is beyond those of media and whose segments are WebVTT
 * in fMP4 (ISO/IEC 14496-30), each there when that of the pictures is. NULL: text is not wanted. */
struct cmaf_track *cmaf_text(const struct cmaf *c, int i);
/* Of all that there is, c->n + c->texts: tracks of media, then texts. */
static inline struct cmaf_track *cmaf_any(const struct cmaf *c, int i)
{
	return i < c->n ? c->track[i] : c->text[i - c->n];
}
/* By its name, "cc1"; NULL: none. */
struct cmaf_track *cmaf_find_text(const struct cmaf *c, const char *name);
/* Are players told of caption i? */
bool cmaf_is_said(const struct cmaf *c, int i);
/* A segment of a text as WebVTT. NULL without memory. */
struct buf *cmaf_vtt(const struct cmaf_segment *s) MUST_USE;

/* Nothing more will come: completes what is in progress; playlists get EXT-X-ENDLIST. */
void cmaf_end(struct cmaf *c);

/* ---- slates ---- */

/* Players of DASH ask by the clock for what a playlist would tell them is a gap, and by the MPD that they have for what they
 * cannot decode: a segment by parameters that came since. Not all get over an answer that is none (dash.js stops). What they get
 * instead is by the init segment that they have: its newest key frame, standing, and silence; with it, where that is
 * why, the message that their MPD has expired (ISO/IEC 23009-1, 5.10.4.2). */

/* The init segment of that name, of what is stored or comes next; NULL: none. */
struct cmaf_init *cmaf_init_find(const struct cmaf_track *t, const char *name);
/* Is it the one for segment `number`, in which there may be no media? */
bool cmaf_init_fits(const struct cmaf *c, const struct cmaf_track *t, int64_t number,
		    const char *name);
/* What stands for segment `number` of t from `from` (in its scale; INT64_MIN: from its beginning) to its end, by the init
 * segment i; without media where i is NULL, has had none or is encrypted. expired: with the message. NULL without memory. */
struct buf *cmaf_slate(const struct cmaf *c, const struct cmaf_track *t, const struct cmaf_init *i,
		       int64_t number, int64_t from, bool expired) MUST_USE;
/* Where the media of s end before its time, so that a slate has to stand for the rest; INT64_MIN: they do not. */
int64_t cmaf_short(const struct cmaf *c, const struct cmaf_track *t, const struct cmaf_segment *s);

struct cmaf_track *cmaf_find(const struct cmaf *c, const char *name);
struct cmaf_segment *cmaf_segment(const struct cmaf_track *t, int64_t number);
/* The last segment, in progress or not; NULL before the first. */
struct cmaf_segment *cmaf_last(const struct cmaf_track *t);
/* What comes next in the track: part *part of segment *number. */
void cmaf_next(const struct cmaf_track *t, int64_t *number, int *part);
/* The init segment of one file with these n tracks, whose chunks may then follow as they come. NULL
 * while one has no parameters yet, or without memory. */
struct buf *cmaf_mux(const struct cmaf_track *const *t, size_t n) MUST_USE;
/* Each track has a whole segment with media: players can begin. */
bool cmaf_ready(const struct cmaf *c);
/* Segments in the playlist: the first that is listed. */
struct cmaf_segment *cmaf_listed(const struct cmaf *c, const struct cmaf_track *t);
int64_t cmaf_us(const struct cmaf_track *t, int64_t v);
/* The target duration in whole seconds; part and whole hold-back in us. Constant over the
 * presentation. */
int cmaf_target_s(const struct cmaf *c);
int64_t cmaf_part_hold_back_us(const struct cmaf *c);
/* How far from its end a playlist is always whole: CAN-SKIP-UNTIL. */
int64_t cmaf_skip_until_us(const struct cmaf *c);
/* Peak and mean over the stored segments, bit/s; what was told or a guess while there are none. */
void cmaf_bitrate(const struct cmaf_track *t, int64_t *peak, int64_t *mean);

/* ---- text ---- */

/* RFC 8216bis: the multivariant playlist and the media playlist of t. A delta update is without the
 * segments that a client has that asked for no more (6.2.5.1; the whole playlist when there is nothing
 * to leave out, or after the end), and of the second version without its date ranges too. */
enum cmaf_delta { CMAF_WHOLE, CMAF_SKIP, CMAF_SKIP_RANGES };
void cmaf_hls_multivariant(const struct cmaf *c, FILE *f);
void cmaf_hls_media(const struct cmaf *c, const struct cmaf_track *t, enum cmaf_delta delta,
		    FILE *f);
/* Of a text. A segment is listed when it is complete: there are no parts. */
void cmaf_hls_subtitles(const struct cmaf *c, const struct cmaf_track *t, FILE *f);
/* The key frames at the beginnings of segments, for a video track: trick play (4.4.3.6). */
void cmaf_hls_iframes(const struct cmaf *c, const struct cmaf_track *t, FILE *f);
/* ISO/IEC 23009-1 with the DASH-IF low-latency profile. time_url: of UTCTiming. The address of a segment has the name of
 * its init segment, so that players with an older MPD never get what they cannot decode. */
void cmaf_dash(const struct cmaf *c, const char *time_url, FILE *f);
int64_t cmaf_dash_published_us(const struct cmaf *c);

#endif
