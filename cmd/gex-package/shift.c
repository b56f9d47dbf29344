/* The past by playlists: the whole window (dvr.m3u8), live from an instant on (?t=), a span that is over (?from=&to=). */
#include <errno.h>
#include <stdio.h>

#include "dvr.h"
#include "keys.h"
#include "os/os.h"
#include "package.h"
#include "vod.h"

#define BRIEFLY "public, max-age=0, s-maxage=1"
#define COMPRESS_MAX ((size_t)512 << 10) /* more would hold the loop for too long */

static void reply(struct http_request *r, int status)
{
	http_reply(r, &(struct http_answer){.status = status,
					    .cache = status == 503 ? "no-store" : "max-age=1",
					    .retry_after_s = status == 503 ? 1 : 0});
}

/* ---- texts that several ask for ---- */

static struct shift_text *find(struct package *p, const char *key)
{
	struct shift_text *oldest = &p->shift[0];

	for (size_t i = 0; i < ARRAY_LEN(p->shift); i++) {
		struct shift_text *t = &p->shift[i];

		if (t->page.body[HTTP_IDENTITY] && !strcmp(t->key, key)) {
			t->used = ++p->shift_uses;
			if (t->version == p->dvr->archive.version)
				return t;
			oldest = t;
			break;
		}
		if (t->used < oldest->used)
			oldest = t;
	}
	http_page_finish(&oldest->page);
	str_copy(oldest->key, sizeof(oldest->key), key);
	oldest->version = p->dvr->archive.version;
	oldest->used = ++p->shift_uses;
	return oldest;
}

void shift_flush(struct package *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->shift); i++)
		http_page_finish(&p->shift[i].page);
}

/* What live players are told of captions in the pictures; without them, what is configured. */
static void tell_captions(const struct package *p, struct archive_captions *out)
{
	const struct cmaf *c = p->cmaf;
	struct cmaf_conf conf = {0};
	char err[MEDIA_ERR];

	*out = (struct archive_captions){0};
	if (package_captions(p->conf, &conf, err) || !(conf.captions & CMAF_CAPTIONS_CEA))
		return;
	for (int i = 0; i < conf.ncaptions; i++)
		if (c && c->texts ? cmaf_is_said(c, i) : !conf.captions_auto)
			out->at[out->n++] = conf.caption[i];
	out->unknown = !out->n;
}

/* NULL without memory; empty for an MPD in which nothing could be. */
static struct buf *render(struct package *p, const struct archive *a, enum shift_kind kind,
			  const struct archive_track *t, const struct archive_range *range,
			  bool delta)
{
	const char *playlist = a == (p->dvr ? &p->dvr->archive : NULL) ? "dvr.m3u8" : "index.m3u8";
	char *text = NULL, time_url[128];
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	snprintf(time_url, sizeof(time_url), "/%s/time", p->conf->name);
	if (p->dvr) {
		tell_captions(p, &p->dvr->archive.captions);
		p->dvr->archive.keys = keys_places(p, p->conf);
	}
	if (kind == SHIFT_MULTIVARIANT)
		archive_hls_multivariant(a, range, playlist, f);
	else if (kind == SHIFT_MEDIA)
		archive_hls_media(a, t, range, delta, f);
	else
		archive_dash(a, range, time_url, f);
	return text_close(f, &text, &n);
}

/* With the viewer's token: made for each. */
static struct buf *with_token(struct package *p, struct http_request *r, struct buf *b, bool mpd)
{
	char token[ACCESS_TOKEN_MAX];

	text_token(p, r, token);
	if (!*token)
		return buf_ref(b);
	return text_inherit(b, token, mpd);
}

/* page: NULL when there was no memory for it. */
static void send_page(struct package *p, struct http_request *r, enum shift_kind kind,
		      struct http_page *page)
{
	struct http_answer a = {.status = 200,
				.type = kind == SHIFT_MPD ? "application/dash+xml"
							  : "application/vnd.apple.mpegurl",
				.cache = BRIEFLY};
	struct buf *plain = page ? page->body[HTTP_IDENTITY] : NULL;
	struct buf *b = plain ? with_token(p, r, plain, kind == SHIFT_MPD) : NULL;

	if (b && !b->len) {
		reply(r, 404);
		buf_unref(b);
		return;
	}
	if (b && b == plain && b->len <= COMPRESS_MAX) {
		http_reply_page(r, &a, page);
	} else if (b) {
		struct slice s = {b, 0, b->len};

		a.body = &s;
		a.n = 1;
		http_reply(r, &a);
	} else {
		reply(r, 503);
	}
	buf_unref(b);
}

static void send_text(struct package *p, struct http_request *r, enum shift_kind kind,
		      const struct archive_track *t, const struct archive_range *range, bool delta)
{
	char key[256];

	snprintf(key, sizeof(key), "%d/%s/%d%s", kind, t ? t->name : "", delta, range->query);
	struct shift_text *c = find(p, key);
	if (!c->page.body[HTTP_IDENTITY]) {
		struct buf *b = render(p, &p->dvr->archive, kind, t, range, delta);

		if (b)
			http_page_set(&c->page, b);
		buf_unref(b);
	}
	send_page(p, r, kind, c->page.body[HTTP_IDENTITY] ? &c->page : NULL);
}

/* ---- routes ---- */

bool shift_text(struct package *p, enum shift_kind kind, const char *rendition,
		struct http_request *r)
{
	struct archive_range range;
	int asked = p->dvr ? dvr_range(p->dvr, r->query, &range) : 0;
	const struct archive_track *t = NULL;
	char skip[8];

	if (!p->dvr || (!asked && !rendition))
		return false;
	if (asked < 0) {
		reply(r, 400);
		return true;
	}
	if (kind == SHIFT_MEDIA)
		t = archive_find(&p->dvr->archive, rendition);
	if ((kind == SHIFT_MEDIA && !t) || !archive_has(&p->dvr->archive, &range)) {
		reply(r, range.live && kind != SHIFT_MEDIA ? 503 : 404);
		return true;
	}
	bool delta = http_query_get(r->query, "_HLS_skip", skip, sizeof(skip)) >= 0;
	send_text(p, r, kind, t, &range, delta);
	return true;
}

/* ---- recordings ---- */

/* from= and to= narrow it. */
static int narrow(const char *query, struct archive_range *range)
{
	int64_t *const at[] = {&range->from_us, &range->to_us};
	static const char *const names[] = {"from", "to"};

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		char text[64];
		int n = http_query_get(query, names[i], text, sizeof(text));

		if (n == -ENOENT)
			continue;
		if (n < 0 || archive_time(text, os_utc_us(), at[i]))
			return -EINVAL;
		range->live &= i == 0;
		size_t used = strlen(range->query);
		snprintf(range->query + used, sizeof(range->query) - used, "%c%s=%.3f",
			 used ? '&' : '?', names[i], (double)*at[i] / 1e6);
	}
	return range->from_us < range->to_us ? 0 : -EINVAL;
}

static void on_recording(void *arg, struct http_request *r, const struct archive *a,
			 const struct archive_range *all, const char *rendition, const char *file)
{
	struct package *p = arg;
	struct archive_range range = *all;
	const struct archive_track *t = *rendition ? archive_find(a, rendition) : NULL;
	enum shift_kind kind = strcmp(file, "manifest.mpd") == 0 ? SHIFT_MPD
			       : *rendition			 ? SHIFT_MEDIA
								 : SHIFT_MULTIVARIANT;

	if ((kind != SHIFT_MPD && strcmp(file, "index.m3u8") != 0) ||
	    (*rendition && (!t || kind == SHIFT_MPD))) {
		reply(r, 404);
		return;
	}
	if (narrow(r->query, &range)) {
		reply(r, 400);
		return;
	}
	if (!archive_has(a, &range)) {
		reply(r, 404);
		return;
	}
	struct buf *b = render(p, a, kind, t, &range, false);
	struct http_page page = {0};
	if (b)
		http_page_set(&page, b);
	send_page(p, r, kind, b ? &page : NULL);
	http_page_finish(&page);
	buf_unref(b);
}

bool shift_serve(struct package *p, const char *path, struct http_request *r)
{
	if (p->vod && str_starts(path, "vod/")) {
		if (!vod_serve(p->vod, path + strlen("vod/"), r, on_recording, p))
			reply(r, 404);
		return true;
	}
	if (!p->dvr)
		return false;
	if (!strcmp(path, "index.m3u8"))
		return shift_text(p, SHIFT_MULTIVARIANT, NULL, r);
	if (!strcmp(path, "manifest.mpd"))
		return shift_text(p, SHIFT_MPD, NULL, r);
	if (!strcmp(path, "dvr.m3u8"))
		return shift_text(p, SHIFT_MULTIVARIANT, "", r);
	if (!strcmp(path, "dvr.mpd"))
		return shift_text(p, SHIFT_MPD, "", r);
	if (strcmp(path, "clip.mp4") != 0)
		return false;
	dvr_clip(p->dvr, r);
	return true;
}
