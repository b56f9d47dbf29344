/* gex-package: one live source as LL-HLS, LL-DASH and plain HLS over HTTP.
 *
 *   package.c  the source's events, the presentation (lib/cmaf), the clock, metrics
 *   serve.c    routes: what a path means and what is answered at once
 *   text.c     playlists and MPD: made once a version, compressed once, with the viewer's token
 *   hold.c     requests that wait, and segments that are sent while they are made
 *   live.c     a rendition as one file without an end
 *   viewers.c  an estimate of how many watch
 *   share.c    the player page's files
 *   conf.c     keys and flags;  main.c  start and end */
#ifndef GEX_PACKAGE_H
#define GEX_PACKAGE_H

#include "cmaf/cmaf.h"
#include "conf/conf.h"
#include "http/access.h"
#include "http/http.h"
#include "stream/stream.h"

struct package_conf {
	char *input, *listen, *name;
	bool by_flag; /* listen is what -l said */
	int64_t segment_us, part_us, chunk_us, window_us, latency_us, memory;
	char *share;
	bool sandbox;
	char *certificate, *key;
	char *access_keys, *allow, *deny;
	int64_t max_connections, max_per_address, max_streams, max_requests;
	int64_t head_us, idle_us, stall_us;
};
extern const struct conf_cli package_cli;
/* What [access] says; *out is NULL when it says nothing. */
int package_access(const struct package_conf *c, struct access **out, char *err) MUST_USE;
int package_conf_check(const struct package_conf *c, char *err, size_t cap);

/* ---- viewers ---- */

#define VIEWERS_SLOTS 16384
struct viewers {
	struct viewer {
		uint64_t id;
		int64_t seen_us;
	} slot[VIEWERS_SLOTS];
	uint64_t key;
};
void viewers_seen(struct viewers *v, const struct http_request *r, int64_t now_us);
int viewers_count(const struct viewers *v, int64_t now_us);

/* ---- share ---- */

struct share_file {
	const char *name, *type;
	struct http_page page;
	int64_t modified_s;
	char etag[24];
};
struct share {
	struct share_file file[12];
};
/* Reads the page's files from dir, or where they are installed, or beside the program. Missing ones
 * are logged: the streams are served without the page. */
void share_load(struct share *s, const char *dir);
struct share_file *share_find(struct share *s, const char *name);
/* Names the folders in which that looks. */
void share_sandbox(const char *dir, struct os_sandbox *s);
void share_finish(struct share *s);

/* ---- the packager ---- */

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

struct rendition {
	struct cached playlist, delta, iframes;
	struct list held;     /* hold.c: requests, by their links */
	struct list trickled; /* the same, of segments in progress */
	int64_t latency_us;   /* now - the instant of the newest frame of the last part */
	struct metric *gauge, *histogram, *frames, *dropped;
};

struct package {
	const struct package_conf *conf;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *server;
	struct stream_input *input;
	struct media_info *info;
	struct cmaf *cmaf; /* NULL while there is nothing to serve */
	struct rendition rendition[MEDIA_TRACKS_MAX];
	struct cached multivariant, mpd;
	struct share share;
	struct viewers viewers;
	struct access *access;			 /* NULL: all may have all */
	int64_t refused_access[ACCESS_VERDICTS]; /* [ACCESS_OK]: granted */
	struct loop_timer tick;
	bool mapped; /* offset_us holds (streams not in UTC) */
	int64_t offset_us;
	int keys_seen;			 /* of this connection, before it was mapped */
	int64_t last_packet_us, lost_us; /* monotonic; lost_us 0: there is a source */
	bool refused;			 /* what came cannot be packaged: said once */
	bool final, was_open;
	int held;	       /* requests held now */
	struct list live_list; /* live.c: requests, by their links */
	int live;	       /* of them */
	int64_t restarts, end_us;
	int64_t status_us, status_sent;
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

int package_create(struct package **out, const struct package_conf *conf, struct loop *l,
		   struct metrics *m, void (*ended)(void *arg, int status), void *arg,
		   char *err) MUST_USE;
void package_destroy(struct package *p);
/* Takes what may change while it runs (limits, the certificate and its key) from fresh into conf, which
 * it was made with. On failure nothing changes and err has one line. */
int package_reload(struct package *p, struct package_conf *conf, struct package_conf *fresh,
		   char *err) MUST_USE;
/* Answers what is held, accepts no more. */
void package_drain(struct package *p);
/* The status line of the time since the last one. */
void package_status(struct package *p, char *line, size_t cap);

/* text.c */
enum text { TEXT_MULTIVARIANT, TEXT_MEDIA, TEXT_DELTA, TEXT_IFRAMES, TEXT_MPD };
void text_send(struct package *p, struct http_request *r, struct cached *at, enum text what,
	       const struct cmaf_track *t, const char *cache);
/* The token by which r came and which its answer's addresses are to carry; "": none. */
void text_token(const struct package *p, const struct http_request *r,
		char token[ACCESS_TOKEN_MAX]);
/* inherit.c: appends ?token= to every address in a playlist or an MPD. NULL without memory. */
struct buf *text_inherit(const struct buf *text, const char *token, bool mpd);
void text_flush(struct package *p); /* forgets all */

/* serve.c */
void serve(void *arg, struct http_request *r);
void serve_playlist(struct package *p, struct cmaf_track *t, struct http_request *r,
		    const char *cache);
void serve_part(const struct cmaf_segment *s, int part, struct http_request *r);

/* live.c */
/* Answers r by a file that goes on. */
void live_start(struct package *p, struct http_request *r);
void live_on_chunk(struct package *p, const struct cmaf_track *t, const struct cmaf_segment *s,
		   struct buf *chunk);
/* The end of all such files: the presentation's, or ours. */
void live_end(struct package *p);

/* hold.c */
enum hold_kind { HOLD_PLAYLIST, HOLD_PART, HOLD_SEGMENT };
/* Keeps r until part `part` (-1: all) of segment `number` is there. */
void hold(struct package *p, struct cmaf_track *t, struct http_request *r, enum hold_kind kind,
	  int64_t number, int part);
/* Sends what there is of the segment in progress and the rest as it is made. */
void trickle(struct package *p, struct cmaf_track *t, struct cmaf_segment *s,
	     struct http_request *r);
void hold_on_chunk(struct package *p, struct cmaf_track *t, struct cmaf_segment *s,
		   struct buf *chunk);
void hold_on_part(struct package *p, struct cmaf_track *t);
void hold_on_segment(struct package *p, struct cmaf_track *t, struct cmaf_segment *s);
/* Is part `part` (-1: all) of segment `number` listed? A part beyond the last of a complete segment
 * is the first of the next (RFC 8216bis, 6.2.5.2). */
bool hold_is_there(const struct cmaf_track *t, int64_t number, int part);
/* The stream has ended: playlists are answered by their end, what will not come by 404. */
void hold_on_end(struct package *p);
/* Answers those who have waited too long; all: everybody. */
void hold_expire(struct package *p, int64_t now_us, bool all);

#endif
