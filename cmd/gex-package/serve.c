/* What a path means. All under /NAME/:
 *
 *   index.m3u8, manifest.mpd, live.mp4, time, latency.json, "" (the page) and the page's files
 *   key/KID, license
 *   RENDITION/index.m3u8, RENDITION/init-HASH.mp4
 *   RENDITION/N.m4s (a segment), RENDITION/N.K.m4s (a part)
 *   RENDITION/HASH/N.m4s (a segment for who has init-HASH.mp4)
 *   cc1/index.m3u8, cc1/N.vtt: captions as text; cc1/init-HASH.mp4, cc1/HASH/N.m4s: the same for DASH
 *   thumbnails/index.m3u8, thumbnails/N.jpg */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "cmaf/picture.h"
#include "dvr.h"
#include "keys.h"
#include "log/log.h"
#include "os/os.h"
#include "origin.h"

#define FOREVER "public, max-age=86400, immutable"
#define PIECES 1024

static void not_found(struct http_request *r)
{
	http_reply(r, &(struct http_answer){.status = 404, .cache = "max-age=1"});
}

static void not_yet(struct http_request *r)
{
	http_reply(r,
		   &(struct http_answer){.status = 503, .cache = "no-store", .retry_after_s = 1});
}

static void send_buf(struct http_request *r, struct buf *b, const char *type, const char *cache,
		     const char *etag)
{
	struct slice s = {b, 0, b->len};

	http_reply(
	    r, &(struct http_answer){
		   .status = 200, .type = type, .cache = cache, .etag = etag, .body = &s, .n = 1});
}

static uint64_t mix(uint64_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211); /* FNV-1a */
	return h;
}

/* What stays for ever and is short: its tag is of all its bytes. */
static void send_small(struct http_request *r, struct buf *b, const char *type)
{
	char etag[24];

	snprintf(etag, sizeof(etag), "\"%016" PRIx64 "\"",
		 mix(UINT64_C(14695981039346656037), b->data, b->len));
	send_buf(r, b, type, FOREVER, etag);
}

/* ---- captions as text ---- */

/* "N.vtt" */
static bool parse_vtt_name(const char *s, int64_t *number)
{
	long long n = 0;
	int used = 0;

	if (*s < '0' || *s > '9' || sscanf(s, "%18lld%n", &n, &used) != 1)
		return false;
	if (strcmp(s + used, ".vtt") != 0)
		return false;
	*number = n;
	return true;
}

static void get_vtt(struct package *p, const struct cmaf_track *t, int64_t number,
		    struct http_request *r)
{
	const struct cmaf_segment *s = cmaf_segment(t, number);
	struct buf *b = s ? cmaf_vtt(s) : NULL;

	if (b)
		send_small(r, b, "text/vtt; charset=utf-8");
	else if (!p->dvr || !dvr_get_text(p->dvr, t->name, number, r))
		not_found(r);
	buf_unref(b);
}

/* ---- media ---- */

/* Of the same bytes the same, also after a restart and of another packager: by the head of the first chunk, and of each its
 * length and its last bytes, which are coded media. */
static void entity_tag(const struct slice *piece, size_t n, char out[24])
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < n; i++) {
		size_t tail = MIN(piece[i].len, 16);

		if (!i)
			h = mix(h, piece[i].buf->data, MIN(piece[i].len, 256));
		h = mix(h, (const uint8_t *)&piece[i].len, sizeof(piece[i].len));
		h = mix(h, piece[i].buf->data + piece[i].len - tail, tail);
	}
	snprintf(out, 24, "\"%016" PRIx64 "\"", h);
}

/* Borrowed. */
static struct slice of_chunk(const struct cmaf_segment *s, size_t i)
{
	return (struct slice){s->chunk.at[i], 0, s->chunk.at[i]->len};
}

void serve_segment(const struct cmaf_segment *s, struct buf *tail, struct http_request *r)
{
	struct slice piece[PIECES + 1];
	size_t n = MIN(s->chunk.len, PIECES);
	char etag[24];

	for (size_t i = 0; i < n; i++)
		piece[i] = of_chunk(s, i);
	if (tail)
		piece[n++] = (struct slice){tail, 0, tail->len};
	entity_tag(piece, n, etag);
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = "video/mp4",
					    .cache = FOREVER,
					    .etag = etag,
					    .body = piece,
					    .n = n});
}

void serve_forget(struct rendition *of)
{
	buf_unref(of->whole.bytes);
	of->whole = (struct whole_part){0};
}

/* NULL without memory. */
static const struct whole_part *whole(struct rendition *of, const struct cmaf_segment *s, int part)
{
	const struct cmaf_part *a = &s->part.at[part];
	struct slice piece[PIECES];
	struct whole_part *w = &of->whole;
	size_t n = MIN(a->n, PIECES), size = 0, at = 0;

	if (w->of == s && w->part == part)
		return w;
	serve_forget(of);
	for (size_t i = 0; i < n; size += piece[i++].len)
		piece[i] = of_chunk(s, a->first + i);
	w->bytes = buf_create(size);
	if (!w->bytes)
		return NULL;
	for (size_t i = 0; i < n; at += piece[i++].len)
		memcpy(w->bytes->data + at, slice_data(&piece[i]), piece[i].len);
	entity_tag(piece, n, w->etag);
	w->of = s;
	w->part = part;
	return w;
}

void serve_part(struct package *p, const struct cmaf_track *t, const struct cmaf_segment *s,
		int part, struct http_request *r)
{
	const struct cmaf_part *a = &s->part.at[part];
	const struct whole_part *w;
	char etag[24];

	delay_add(&p->rendition[t->index].sent,
		  os_utc_us() - cmaf_us(t, a->start + a->dur - t->frame));
	if (a->sealed) {
		entity_tag(&(struct slice){a->sealed, 0, a->sealed->len}, 1, etag);
		send_buf(r, a->sealed, "video/mp4", FOREVER, etag);
	} else if ((w = whole(&p->rendition[t->index], s, part))) {
		send_buf(r, w->bytes, "video/mp4", FOREVER, w->etag);
	} else {
		not_yet(r);
	}
}

static void get_part(struct package *p, struct cmaf_track *t, int64_t number, int64_t part,
		     struct http_request *r)
{
	const struct cmaf_segment *s = cmaf_segment(t, number);
	int64_t next;
	int next_part;

	cmaf_next(t, &next, &next_part);
	if (s && part < (int64_t)s->part.len)
		serve_part(p, t, s, (int)part, r);
	else if (number == next && part == next_part && !p->cmaf->ended)
		hold(p, t, r, HOLD_PART, number, (int)part); /* the one that was hinted */
	else
		not_found(r);
}

/* With AES-128 there are but whole parts and segments: no chunks, nor what is made of them. */
static bool by_chunks(const struct package *p)
{
	return keys_scheme(p->conf) != CMAF_AES128;
}

static void get_init(struct package *p, struct cmaf_track *t, const char *name,
		     struct http_request *r)
{
	const struct cmaf_init *i = cmaf_init_find(t, name);

	if (i)
		send_small(r, i->buf, "video/mp4");
	else if (!p->dvr || !dvr_get_init(p->dvr, t->name, name, r))
		not_found(r);
}

/* "N.m4s", "N.K.m4s"; *part is -1 in the first. */
static bool parse_media_name(const char *s, int64_t *number, int64_t *part)
{
	int used = 0;
	char dot;

	*part = -1;
	if (*s < '0' || *s > '9' || strlen(s) > 40)
		return false;
	long long n, k;
	if (sscanf(s, "%18lld%c%n", &n, &dot, &used) != 2 || dot != '.')
		return false;
	*number = n;
	s += used;
	if (!strcmp(s, "m4s"))
		return true;
	if (*s < '0' || *s > '9' || sscanf(s, "%9lld%n", &k, &used) != 1)
		return false;
	*part = k;
	return !strcmp(s + used, ".m4s");
}

static struct cmaf_track *find_track(const struct cmaf *c, const char *name)
{
	struct cmaf_track *t = cmaf_find(c, name);

	return t ? t : cmaf_find_text(c, name);
}

/* "HASH/N.m4s": the name of the init segment, and N. */
static bool parse_clock_name(const char *s, char init[32], int64_t *number)
{
	int64_t part;

	if (strspn(s, "0123456789abcdef") != 8 || s[8] != '/')
		return false;
	snprintf(init, 32, "init-%.8s.mp4", s);
	return parse_media_name(s + 9, number, &part) && part < 0;
}

static void rendition(struct package *p, const char *path, struct http_request *r)
{
	char name[32], init[32];
	const char *slash = strchr(path, '/');
	int64_t number = -1, part = -1;

	if ((size_t)(slash - path) >= sizeof(name)) {
		not_found(r);
		return;
	}
	memcpy(name, path, (size_t)(slash - path));
	name[slash - path] = 0;
	struct cmaf_track *t = p->cmaf ? find_track(p->cmaf, name) : NULL;
	const char *file = slash + 1;
	bool by_clock = parse_clock_name(file, init, &number);
	bool media = by_clock || parse_media_name(file, &number, &part);
	if (!strcmp(file, "dvr.m3u8") && shift_text(p, SHIFT_MEDIA, name, r))
		return;
	if (!t && !strcmp(name, CMAF_PICTURES)) {
		thumbs_serve(p, file, r);
		return;
	}
	if (!t && p->dvr && parse_vtt_name(file, &number) && dvr_get_text(p->dvr, name, number, r))
		return;
	if (!t && p->dvr &&
	    (media ? part < 0 && dvr_get_segment(p->dvr, name, number, r)
		   : dvr_get_init(p->dvr, name, file, r)))
		return;
	bool playlist = !strcmp(file, "index.m3u8") || !strcmp(file, "iframes.m3u8");
	if (!p->cmaf || (t && playlist && !cmaf_ready(p->cmaf)))
		early_keep(p, path, r);
	else if (!t)
		not_found(r);
	else if (!strcmp(file, "index.m3u8"))
		playlist_serve(p, t, r);
	else if (!strcmp(file, "iframes.m3u8") && t->kind == MEDIA_VIDEO && by_chunks(p))
		text_send(p, r, &p->rendition[t->index].iframes, TEXT_IFRAMES, t, "no-cache");
	else if (str_starts(file, "init-"))
		get_init(p, t, file, r);
	else if (t->kind == MEDIA_DATA && parse_vtt_name(file, &number))
		get_vtt(p, t, number, r);
	else if (!media)
		not_found(r);
	else if (part < 0)
		clock_get(p, t, by_clock ? init : NULL, number, r);
	else
		get_part(p, t, number, part, r);
}

/* ---- the rest ---- */

/* xs:dateTime in milliseconds, for UTCTiming and for the page. */
static void send_time(struct http_request *r)
{
	int64_t us = os_utc_us();
	time_t s = (time_t)(us / SEC_US);
	char text[40];
	struct tm tm;

	gmtime_r(&s, &tm);
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(us % SEC_US / 1000));
	struct buf *b = buf_copy(text, n);
	if (!b) {
		not_yet(r);
		return;
	}
	send_buf(r, b, "text/plain", "no-store", NULL);
	buf_unref(b);
}

/* The page's own requests carry no token: who brought one for the page has it from then on as a cookie. */
static const char *cookie_of(struct package *p, struct http_request *r, char *out, size_t cap)
{
	char token[ACCESS_TOKEN_MAX];

	text_token(p, r, token);
	if (!*token)
		return NULL;
	snprintf(out, cap, "token=%s; Path=/%s/; HttpOnly; SameSite=Lax%s", token, p->conf->name,
		 r->tls ? "; Secure" : "");
	return out;
}

static void send_file(struct package *p, const char *name, struct http_request *r)
{
	struct share_file *f = share_find(&p->origin->share, name);
	char cookie[ACCESS_TOKEN_MAX + 160];

	if (!f) {
		not_found(r);
		return;
	}
	http_reply_page(r,
			&(struct http_answer){.status = 200,
					      .type = f->type,
					      .cache = "no-cache",
					      .etag = f->etag,
					      .modified_s = f->modified_s,
					      .cookie = cookie_of(p, r, cookie, sizeof(cookie))},
			&f->page);
}

void serve(struct package *p, const char *path, struct http_request *r)
{
	bool ready = p->cmaf && cmaf_ready(p->cmaf);
	bool of_chunks = !strcmp(path, "manifest.mpd") || !strcmp(path, "live.mp4");

	if (p->over) {
		not_found(r);
		return;
	}
	if (keys_serve(p, path, r) || shift_serve(p, path, r))
		return;
	if (strchr(path, '/'))
		rendition(p, path, r);
	else if (!strcmp(path, "time"))
		send_time(r);
	else if (!strcmp(path, "latency.json"))
		delay_send(p, r);
	else if (!strcmp(path, "index.m3u8") && ready)
		text_send(p, r, &p->multivariant, TEXT_MULTIVARIANT, NULL, BRIEFLY);
	else if (of_chunks && !by_chunks(p))
		not_found(r);
	else if (!strcmp(path, "manifest.mpd") && ready)
		text_send(p, r, &p->mpd, TEXT_MPD, NULL, BRIEFLY);
	else if (!strcmp(path, "live.mp4") && ready && !p->cmaf->ended)
		live_start(p, r);
	else if (!strcmp(path, "index.m3u8") || of_chunks)
		early_keep(p, path, r);
	else
		send_file(p, *path ? path : "player.html", r);
}
