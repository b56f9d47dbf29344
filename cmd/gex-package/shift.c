/* The past by playlists: the whole window (dvr.m3u8), live from an instant on (?t=), a span that is over (?from=&to=). */
#include <errno.h>
#include <stdio.h>

#include "dvr.h"
#include "package.h"

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

static struct buf *render(struct package *p, enum shift_kind kind, const struct archive_track *t,
			  const struct archive_range *range, bool delta)
{
	char *text = NULL, time_url[128];
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	snprintf(time_url, sizeof(time_url), "/%s/time", p->conf->name);
	if (kind == SHIFT_MULTIVARIANT)
		archive_hls_multivariant(&p->dvr->archive, range, "dvr.m3u8", f);
	else if (kind == SHIFT_MEDIA)
		archive_hls_media(&p->dvr->archive, t, range, delta, f);
	else
		archive_dash(&p->dvr->archive, range, time_url, f);
	bool bad = ferror(f);
	bad |= fclose(f) != 0;
	struct buf *b = bad ? NULL : buf_copy(text, n);
	free(text);
	return b;
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

static void send_text(struct package *p, struct http_request *r, enum shift_kind kind,
		      const struct archive_track *t, const struct archive_range *range, bool delta)
{
	char key[256];
	struct http_answer a = {.status = 200,
				.type = kind == SHIFT_MPD ? "application/dash+xml"
							  : "application/vnd.apple.mpegurl",
				.cache = BRIEFLY};

	snprintf(key, sizeof(key), "%d/%s/%d%s", kind, t ? t->name : "", delta, range->query);
	struct shift_text *c = find(p, key);
	if (!c->page.body[HTTP_IDENTITY]) {
		struct buf *b = render(p, kind, t, range, delta);

		if (!b) {
			reply(r, 503);
			return;
		}
		http_page_set(&c->page, b);
		buf_unref(b);
	}
	struct buf *plain = c->page.body[HTTP_IDENTITY];
	struct buf *b = with_token(p, r, plain, kind == SHIFT_MPD);
	if (b && b == plain && b->len <= COMPRESS_MAX) {
		http_reply_page(r, &a, &c->page);
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

bool shift_serve(struct package *p, const char *path, struct http_request *r)
{
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
