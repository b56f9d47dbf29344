/* gex-package: live sources as LL-HLS, LL-DASH and plain HLS over HTTP. Two objects: the origin (origin.h) is what the
 * process has once, its listeners, its limits, the page's files and the names of its streams; a package is one stream: its
 * source, presentation, held requests and viewers. Packages share nothing but the loop.
 *
 *   origin.c   requests to the stream that they name; start, reload and end of all
 *   package.c  making, changing and ending one; its clock
 *   source.c   what comes from the source
 *   presentation.c  made of that, by lib/cmaf; its events
 *   export.c   metrics of a package, with the label stream
 *   serve.c    routes below /NAME/: what a path means and what is answered at once
 *   playlist.c media playlists: what a request for one asks for
 *   index.c    / and /streams.json: which streams there are
 *   reload.c   streams that come, go and change by SIGHUP, all or none
 *   text.c     playlists and MPD: made once a version, compressed once, with the viewer's token
 *   hold.c     playlists and parts that are waited for
 *   early.c    requests that come before there is a stream
 *   clock.c    segments: asked for by the clock, sent while they are made, stood in for when they do not come
 *   live.c     a rendition as one file without an end
 *   vod*.c     recordings (vod.h)
 *   dvr*.c     what was, on disk (dvr.h);  shift.c  playlists of it;  disk.c  threads that wait for the disk
 *   thumbs.c   thumbnails
 *   state.c    what it has to know of its earlier life
 *   viewers.c  an estimate of how many watch
 *   keys*.c    encryption: whose turn it is, the key server, what players get
 *   delay.c    how late media and answers are: histograms, and latency.json
 *   share.c    the player page's files
 *   captions.c which captions are wanted
 *   conf.c     keys and flags;  settle.c  what each stream has by them;  main.c  start and end */
#ifndef GEX_PACKAGE_H
#define GEX_PACKAGE_H

#include "cmaf/cmaf.h"
#include "conf/conf.h"
#include "http/access.h"
#include "http/http.h"
#include "state.h"
#include "stream/stream.h"

struct origin;

#define PACKAGE_NAME_MAX 64

/* One stream, as [stream NAME] or [package] says. */
struct package_conf {
	char *name, *input;
	int64_t segment_us, part_us, chunk_us, window_us, latency_us, slate_us, memory;
	char *access_keys, *allow, *deny; /* NULL or empty: none */
	char *encryption, *encryption_keys, *encryption_url, *encryption_auth, *encryption_uri,
	    *encryption_formats;
	int64_t encryption_rotate_us;
	char *captions, *captions_channels, *captions_lang;
	char *dvr;	/* folder; NULL: none */
	char *dvr_keys; /* the same, of the keys of what is there */
	char *vod;	/* the same, of recordings */
	char *state;	/* the same, of what outlives the process */
	int64_t dvr_window_us, dvr_size, clip_us;
};
bool package_name_fits(const char *name);
/* Of that name and nothing said. NULL without memory. */
struct package_conf *package_conf_create(const struct conf_table *t, const char *name);
void package_conf_free(const struct conf_table *t, struct package_conf *c);
enum { CHANGED_LIMITS = 1, CHANGED_FORM = 2, CHANGED_INPUT = 4 };
/* In what b differs from a: in what may change while the stream runs, in what its presentation is made by, in its source. */
unsigned package_conf_changes(const struct conf_table *t, const struct package_conf *a,
			      const struct package_conf *b);
/* What c says of captions into *out. 0, or -EINVAL with one line in err (MEDIA_ERR bytes). */
int package_captions(const struct package_conf *c, struct cmaf_conf *out, char *err) MUST_USE;
/* What c says of who may have it; *out is NULL when it says nothing. 0, or a negative errno with one line in err
 * (HTTP_ERR bytes). */
int package_access(const struct package_conf *c, struct access **out, char *err) MUST_USE;

/* ---- viewers ---- */

#define VIEWERS_SLOTS 16384
struct viewers {
	struct viewer {
		uint64_t id;
		int64_t seen_us;
		int8_t rendition[2]; /* index of a video and of another; -1: none yet */
	} slot[VIEWERS_SLOTS];
	uint64_t key;
};
/* t: what was asked for. */
void viewers_seen(struct viewers *v, const struct http_request *r, const struct cmaf_track *t,
		  int64_t now_us);
int viewers_count(const struct viewers *v, int64_t now_us);
/* Those of t; one that has changed counts where it is now. */
int viewers_of(const struct viewers *v, const struct cmaf_track *t, int64_t now_us);

/* ---- delays ---- */

#define DELAY_KEPT 256
/* The newest DELAY_KEPT of a kind, and a histogram over all. */
struct delay {
	struct metric *histogram; /* NULL: none */
	int32_t us[DELAY_KEPT];
	uint64_t n; /* ever */
};
void delay_add(struct delay *d, int64_t us);
struct metric *delay_export(struct delay *d, struct metrics *m, const char *name, const char *help,
			    const char *labels);
struct package;
/* latency.json: made anew once a second at most. */
void delay_send(struct package *p, struct http_request *r);

/* ---- a stream ---- */

#define PACKAGE_METRICS 40
enum hold_kind { HOLD_PLAYLIST, HOLD_PART, HOLD_SEGMENT, HOLD_KINDS };

/* A text for all who ask for it, made once a version; and the same with a token in its addresses, for those
 * who brought one by their query. */
#define TEXT_TOKENS 8
struct cached {
	int64_t version;
	struct http_page page;
	struct cached_for {
		char token[ACCESS_TOKEN_MAX];
		struct http_page page;
	} * with[TEXT_TOKENS];
	int n; /* of with; TEXT_TOKENS: more than that have asked */
};

/* serve.c: the part that was asked for last, in one piece: thousands ask for it within moments. */
struct whole_part {
	const struct cmaf_segment *of; /* NULL: none */
	int part;
	struct buf *bytes;
	char etag[24];
};

struct rendition {
	struct cached playlist, delta, delta_ranges, iframes;
	struct whole_part whole;
	struct list held[HOLD_KINDS]; /* hold.c, clock.c: requests, by their links */
	struct list trickled;	      /* clock.c: the same, of segments in progress */
	int64_t latency_us;	      /* now - the instant of the newest frame of the last part */
	/* Ages of frames: of each when it came (sources in UTC), of the newest in a part when that was
	 * listed, of the newest in a part or chunk when that was sent. */
	struct delay source, part, sent;
	struct metric *gauge, *frames, *dropped, *viewers;
	struct package *p;
	struct cmaf_track *t;
};

/* shift.c: a text of the past, kept while nothing is added to that. */
#define SHIFT_TEXTS 16
struct shift_text {
	char key[256];
	int64_t version, used;
	struct http_page page; /* empty: none */
};

struct package {
	struct list link; /* in its origin */
	struct package_conf *conf;
	struct origin *origin;
	struct loop *loop;	    /* the origin's */
	struct metrics *metrics;    /* the same */
	struct stream_input *input; /* NULL: none, until reopen_us */
	int64_t reopen_us;
	struct media_info *info;
	struct cmaf *cmaf; /* NULL while there is nothing to serve */
	struct keys *keys; /* NULL: in clear */
	char license[80];  /* the path of what keys_send_license answers */
	struct rendition rendition[CMAF_RENDITIONS];
	struct cached multivariant, mpd, pictures;
	struct dvr *dvr; /* NULL: nothing is kept on disk */
	struct vod *vod; /* NULL: no recordings */
	struct state state;
	int64_t discontinuities; /* before the presentation */
	unsigned heard;		 /* and channels of captions */
	struct shift_text shift[SHIFT_TEXTS];
	int64_t shift_uses;
	struct viewers viewers;
	struct access *access;			 /* NULL: all may have all */
	int64_t refused_access[ACCESS_VERDICTS]; /* [ACCESS_OK]: granted */
	struct http_account account;
	struct loop_timer tick, more; /* more: hold.c's */
	bool mapped;		      /* offset_us holds (streams not in UTC) */
	int64_t offset_us;
	int keys_seen; /* of this connection, before it was mapped */
	bool goes_on;  /* offset_us may hold again: parameters have changed, no more */
	int64_t last_media_us, lost_us; /* monotonic; lost_us 0: there is a source */
	bool refused;			/* what came cannot be packaged: said once */
	bool was_open;
	bool away;	   /* the source is, and what is packaged is not its */
	bool over;	   /* its source has ended and its time with it: nothing is served */
	int status;	   /* then: 0, or that it could not be read (sysexits) */
	bool leaving;	   /* taken out by a reload: players may finish */
	int64_t began_us;  /* monotonic */
	struct list early; /* early.c: requests, by their links */
	int held;	   /* requests held now */
	struct delay hold[HOLD_KINDS]; /* how long each was when it was answered */
	struct http_page delays;       /* latency.json, made at delays_us */
	int64_t delays_us;
	struct list live_list; /* live.c: requests, by their links */
	int live;	       /* of them */
	int64_t restarts, end_us;
	int64_t beside_n[2];   /* cues and ID3: taken, and not */
	int64_t pictures_n[2]; /* thumbnails: the same */
	struct {	       /* index.c: what is told of it, made at us */
		struct buf *json, *html;
		int64_t us;
	} told;
	struct metric *metric[PACKAGE_METRICS]; /* those that it has as long as it lives */
	int metrics_n;
};

/* Opens the source. Takes conf and access over, unless it fails. 0, or a negative errno with one line in err. */
int package_create(struct package **out, struct package_conf *conf, struct access *access,
		   struct origin *o, char *err) MUST_USE;
void package_destroy(struct package *p);
/* Changes of which an input that is over makes more: it has to be opened again. */
unsigned package_needs(const struct package *p, unsigned changes);
/* From here on it is as conf says, which it takes over with access, input (NULL: the one it has) and,
 * when its form changes, keys. changes, as of package_conf_changes, says what of it has to begin anew. */
void package_change(struct package *p, struct package_conf *conf, struct access *access,
		    struct keys *keys, struct stream_input *input, unsigned changes);
/* It is to end: players get the end of the playlist and have the window's time for what they have not seen. */
void package_leave(struct package *p);
/* It is over, with that status; goes back to what it needs to tell so. */
void package_stop(struct package *p, int status);
/* Answers what is held. */
void package_drain(struct package *p);
/* "waiting", "live", "away", "ended", "over", "failed" */
const char *package_state(const struct package *p);
/* "3 tracks, latency 120 ms" */
void package_status(const struct package *p, char *out, size_t cap);
/* May r have what it asks for? Counts what is refused. */
bool package_allows(struct package *p, const struct http_request *r);
int64_t package_latency_us(const struct package *p);

/* source.c */
/* A source for p by c's input, whose events wait until p has it by package_change. Errors as
 * of package_create. */
int source_open(struct package *p, const struct package_conf *c, struct stream_input **out,
		char *err) MUST_USE;

/* presentation.c */
/* Of the source's tracks, into p->cmaf; NULL when they cannot be packaged, which is said once. first_key_us: 0 for a stream
 * in UTC. */
void presentation_make(struct package *p, int64_t first_key_us);
/* No more comes: players get the end of the playlist, and have the window's time for what they have not seen. */
void presentation_end(struct package *p);
/* There is none from here on; what is held is answered. */
void presentation_drop(struct package *p);

/* export.c: metrics of the package, and those of one rendition, which go with the presentation. */
void export_package(struct package *p);
void export_rendition(struct package *p, struct cmaf_track *t);
void unexport_renditions(struct package *p);
void unexport_package(struct package *p);

/* text.c */
enum text {
	TEXT_MULTIVARIANT,
	TEXT_MEDIA,
	TEXT_DELTA,
	TEXT_DELTA_RANGES,
	TEXT_IFRAMES,
	TEXT_SUBTITLES,
	TEXT_PICTURES,
	TEXT_MPD,
};
void text_send(struct package *p, struct http_request *r, struct cached *at, enum text what,
	       const struct cmaf_track *t, const char *cache);
/* The token by which r came and which its answer's addresses are to carry; "": none. */
void text_token(const struct package *p, const struct http_request *r,
		char token[ACCESS_TOKEN_MAX]);
/* inherit.c: appends ?token= to every address in a playlist or an MPD. NULL without memory. */
struct buf *text_inherit(const struct buf *text, const char *token, bool mpd);
void text_flush(struct package *p); /* forgets all */

/* shift.c */
enum shift_kind { SHIFT_MULTIVARIANT, SHIFT_MEDIA, SHIFT_MPD };
/* Answers r, to "index.m3u8", "dvr.m3u8" and the like below /NAME/, when it is about the past. */
bool shift_serve(struct package *p, const char *path, struct http_request *r);
/* The same by one text. rendition: of a media playlist, and "" for another one that is about the past even without a query. */
bool shift_text(struct package *p, enum shift_kind kind, const char *rendition,
		struct http_request *r);
void shift_flush(struct package *p);

/* serve.c: path is what follows /NAME/. */
void serve(struct package *p, const char *path, struct http_request *r);
/* tail: of a slate behind it, or NULL. */
void serve_segment(const struct cmaf_segment *s, struct buf *tail, struct http_request *r);
/* Before the part or its segment goes, and when there is a newer one. */
void serve_forget(struct rendition *of);
void serve_part(struct package *p, const struct cmaf_track *t, const struct cmaf_segment *s,
		int part, struct http_request *r);

/* playlist.c */
/* Playlists that anybody may get the newest of: an edge need not ask for every viewer. */
#define BRIEFLY "public, max-age=0, s-maxage=1"
/* Answers r, for t's playlist, at once or when it has what r names. */
void playlist_serve(struct package *p, struct cmaf_track *t, struct http_request *r);
/* Answers r by it as it is now, or by the delta that r asks for. */
void playlist_send(struct package *p, struct cmaf_track *t, struct http_request *r,
		   const char *cache);

/* thumbs.c: thumbnails (cmaf/picture.h) */
/* Keeps the one that the presentation has just taken. */
void thumbs_keep(struct package *p);
/* Answers r: file is what follows /NAME/thumbnails/. */
void thumbs_serve(struct package *p, const char *file, struct http_request *r);

/* index.c */
void index_forget(struct package *p);

/* live.c */
/* Answers r by a file that goes on. */
void live_start(struct package *p, struct http_request *r);
/* age_us: of its newest frame. */
void live_on_chunk(struct package *p, const struct cmaf_track *t, const struct cmaf_segment *s,
		   struct buf *chunk, int64_t age_us);
/* The end of all such files: the presentation's, or ours. */
void live_end(struct package *p);

/* hold.c */
/* Keeps r until part `part` (of a playlist, -1: all) of segment `number` is there. */
void hold(struct package *p, struct cmaf_track *t, struct http_request *r, enum hold_kind kind,
	  int64_t number, int part);
void hold_on_part(struct package *p, struct cmaf_track *t);
/* For a timer: goes on with those whom hold_on_part could not answer in one turn. */
void hold_go_on(void *package);
/* Is part `part` (-1: all) of segment `number` listed? A part beyond the last of a complete segment
 * is the first of the next (RFC 8216bis, 6.2.5.2). */
bool hold_is_there(const struct cmaf_track *t, int64_t number, int part);
/* The stream has ended: playlists are answered by their end, what will not come by 404. */
void hold_on_end(struct package *p);
/* Answers those who have waited too long; all: everybody. */
void hold_expire(struct package *p, int64_t now_us, bool all);

/* early.c */
/* Keeps r, for `path` below /NAME/ (in r's own), until there is something to serve; or answers it by 503. */
void early_keep(struct package *p, const char *path, struct http_request *r);
/* Serves those for whom there is, and those who have waited too long. */
void early_ask_again(struct package *p);
/* Answers all of them by 503. */
void early_drain(struct package *p);

/* clock.c: whole segments, for players that ask by the clock */
/* Answers r, or keeps it until there is an answer. init: the name of the init segment that its player has, to which
 * every segment up to the clock's has one; NULL: for a player of playlists, which is told of gaps. */
void clock_get(struct package *p, struct cmaf_track *t, const char *init, int64_t number,
	       struct http_request *r);
void clock_on_chunk(struct package *p, struct cmaf_track *t, struct cmaf_segment *s,
		    struct buf *chunk, int64_t age_us);
void clock_on_segment(struct package *p, struct cmaf_track *t, struct cmaf_segment *s);
/* The source is away, and what should have begun before utc_us does not come. */
void clock_on_away(struct package *p, int64_t utc_us);
/* As those of hold.c. */
void clock_on_end(struct package *p);
void clock_expire(struct package *p, int64_t now_us, bool all);

#endif
