#include <errno.h>
#include <stdio.h>

#include "cmaf/picture.h"
#include "origin.h"

static void forget(struct cached *c)
{
	http_page_finish(&c->page);
	for (int i = 0; i < TEXT_TOKENS; i++) {
		if (c->with[i])
			http_page_finish(&c->with[i]->page);
		free(c->with[i]);
	}
	*c = (struct cached){0};
}

void text_flush(struct package *p)
{
	forget(&p->multivariant);
	forget(&p->mpd);
	forget(&p->pictures);
	for (size_t i = 0; i < CMAF_RENDITIONS; i++) {
		forget(&p->rendition[i].playlist);
		forget(&p->rendition[i].delta);
		forget(&p->rendition[i].delta_ranges);
		forget(&p->rendition[i].iframes);
	}
}

static struct buf *render(struct package *p, enum text what, const struct cmaf_track *t)
{
	char *text = NULL, time_url[128];
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	snprintf(time_url, sizeof(time_url), "/%s/time", p->conf->name);
	if (what == TEXT_MULTIVARIANT)
		cmaf_hls_multivariant(p->cmaf, f);
	else if (what == TEXT_MEDIA || what == TEXT_DELTA || what == TEXT_DELTA_RANGES)
		cmaf_hls_media(p->cmaf, t,
			       what == TEXT_MEDIA   ? CMAF_WHOLE
			       : what == TEXT_DELTA ? CMAF_SKIP
						    : CMAF_SKIP_RANGES,
			       f);
	else if (what == TEXT_IFRAMES)
		cmaf_hls_iframes(p->cmaf, t, f);
	else if (what == TEXT_SUBTITLES)
		cmaf_hls_subtitles(p->cmaf, t, f);
	else if (what == TEXT_PICTURES)
		pictures_put_list(p->cmaf->pictures, p->cmaf->ended, f);
	else
		cmaf_dash(p->cmaf, time_url, f);
	return text_close(f, &text, &n);
}

/* ---- with a token ---- */

void text_token(const struct package *p, const struct http_request *r, char token[ACCESS_TOKEN_MAX])
{
	const char *keys = p->conf->access_keys;

	*token = 0;
	if (keys && *keys &&
	    (http_query_get(r->query, "token", token, ACCESS_TOKEN_MAX) < 0 ||
	     !access_is_plain(token)))
		*token = 0;
}

/* ---- sending ---- */

static bool refresh(struct package *p, struct cached *c, enum text what, const struct cmaf_track *t)
{
	if (c->page.body[HTTP_IDENTITY] && c->version == p->cmaf->version)
		return true;
	forget(c);
	struct buf *b = render(p, what, t);
	if (!b)
		return false;
	http_page_set(&c->page, b);
	buf_unref(b);
	c->version = p->cmaf->version;
	return true;
}

static struct cached_for *find(struct cached *c, const char *token)
{
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->with[i]->token, token))
			return c->with[i];
	return NULL;
}

static void send_with(struct http_request *r, struct cached *c, const struct http_answer *a,
		      const char *token, bool mpd)
{
	struct cached_for *w = find(c, token);

	if (w) {
		http_reply_page(r, a, &w->page);
		return;
	}
	struct buf *b = text_inherit(c->page.body[HTTP_IDENTITY], token, mpd);
	if (!b) {
		http_reply_status(r, 503);
		return;
	}
	w = c->n < TEXT_TOKENS ? calloc(1, sizeof(*w)) : NULL;
	if (w) {
		str_copy(w->token, sizeof(w->token), token);
		http_page_set(&w->page, b);
		c->with[c->n++] = w;
		http_reply_page(r, a, &w->page);
	} else { /* a token each: compressing for every one would cost more than it saves */
		struct http_answer own = *a;
		struct slice s = {b, 0, b->len};

		own.body = &s;
		own.n = 1;
		http_reply(r, &own);
	}
	buf_unref(b);
}

void text_send(struct package *p, struct http_request *r, struct cached *at, enum text what,
	       const struct cmaf_track *t, const char *cache)
{
	char token[ACCESS_TOKEN_MAX];
	struct http_answer a = {.status = 200,
				.type = what == TEXT_MPD ? "application/dash+xml"
							 : "application/vnd.apple.mpegurl",
				.cache = cache};

	if (!refresh(p, at, what, t)) {
		http_reply_status(r, 503);
		return;
	}
	text_token(p, r, token);
	if (*token)
		send_with(r, at, &a, token, what == TEXT_MPD);
	else
		http_reply_page(r, &a, &at->page);
}
