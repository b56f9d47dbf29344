/* Which streams there are: / for people, /streams.json for programs. What is told of a stream is made once a second at most,
 * and only to those who may have it. */
#include <stdio.h>

#include "origin.h"
#include "os/os.h"

#define STREAMS_MAX 1024

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
    "content=\"width=device-width\"><title>Streams</title><style>body{font:1rem/1.5 "
    "system-ui,sans-serif;margin:2rem auto;max-width:48rem;padding:0 "
    "1rem;color-scheme:light dark}table{border-collapse:collapse;width:100%}th,td{text-align:left;"
    "padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8884}</style></head>\n<body><h1>Streams"
    "</h1>\n<table><tr><th>Stream</th><th>State</th><th>Renditions</th><th>Viewers</th></tr>\n";
static const char page_tail[] = "</table></body></html>\n";

void index_forget(struct package *p)
{
	buf_unref(p->told.json);
	buf_unref(p->told.html);
	p->told.json = p->told.html = NULL;
}

/* Names of streams and renditions are letters, digits and what needs no escape. */
static void put_json(struct package *p, int64_t now, FILE *f)
{
	const char *name = p->conf->name;

	fprintf(f,
		"{\"name\": \"%s\", \"path\": \"/%s/\", \"state\": \"%s\", \"latency\": %.3f, "
		"\"viewers\": %d, \"held\": %d, \"bytes\": %zu, \"renditions\": [",
		name, name, package_state(p), (double)package_latency_us(p) / 1e6,
		viewers_count(&p->viewers, now), p->held, p->cmaf ? p->cmaf->bytes : 0);
	for (int i = 0; p->cmaf && i < p->cmaf->n; i++) {
		const struct cmaf_track *t = p->cmaf->track[i];

		fprintf(f, "%s{\"name\": \"%s\", \"kind\": \"%s\", \"codec\": \"%s\", ",
			i ? ", " : "", t->name, t->kind == MEDIA_VIDEO ? "video" : "audio",
			t->init ? t->init->codec : "");
		if (t->kind == MEDIA_VIDEO)
			fprintf(f, "\"width\": %d, \"height\": %d, ", t->width, t->height);
		fprintf(f, "\"viewers\": %d}", viewers_of(&p->viewers, t, now));
	}
	fputs("]}", f);
}

static void put_html(struct package *p, int64_t now, FILE *f)
{
	fprintf(f, "<tr><td><a href=\"/%s/\">%s</a></td><td>%s</td><td>", p->conf->name,
		p->conf->name, package_state(p));
	for (int i = 0; p->cmaf && i < p->cmaf->n; i++)
		fprintf(f, "%s%s", i ? ", " : "", p->cmaf->track[i]->name);
	fprintf(f, "</td><td>%d</td></tr>\n", viewers_count(&p->viewers, now));
}

static struct buf *render(struct package *p, int64_t now,
			  void (*put)(struct package *p, int64_t now, FILE *f))
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	put(p, now, f);
	return buf_close(f, &text, &n);
}

/* NULL without memory. */
static struct buf *told(struct package *p, int64_t now, bool json)
{
	if (!p->told.us || now - p->told.us >= SEC_US) {
		index_forget(p);
		p->told.us = now;
	}
	struct buf **at = json ? &p->told.json : &p->told.html;
	if (!*at)
		*at = render(p, now, json ? put_json : put_html);
	return *at;
}

/* As if r had asked for the stream itself. */
static bool may_know(struct package *p, struct http_request *r)
{
	char path[PACKAGE_NAME_MAX + 3], token[ACCESS_TOKEN_MAX];
	const char *asked = r->path;

	if (!p->access)
		return true;
	snprintf(path, sizeof(path), "/%s/", p->conf->name);
	r->path = path;
	enum access_verdict v = access_check(p->access, r, os_utc_us() / SEC_US, token);
	r->path = asked;
	return v == ACCESS_OK;
}

static bool put(struct slice *at, size_t *n, struct buf *b)
{
	if (!b)
		return false;
	at[(*n)++] = (struct slice){b, 0, b->len};
	return true;
}

void index_send(struct origin *o, struct http_request *r, bool json)
{
	struct slice piece[2 * STREAMS_MAX + 2];
	struct buf *head =
	    json ? buf_copy("{\"streams\": [\n", 14) : buf_copy(page_head, sizeof(page_head) - 1);
	struct buf *tail =
	    json ? buf_copy("\n]}\n", 4) : buf_copy(page_tail, sizeof(page_tail) - 1);
	struct buf *comma = buf_copy(",\n", json ? 2 : 0);
	int64_t now = loop_now_us(o->loop);
	size_t n = 0, streams = 0;
	struct package *p;
	bool ok = comma && put(piece, &n, head);

	list_for (p, &o->packages, link) {
		if (!ok || streams == STREAMS_MAX || !may_know(p, r))
			continue;
		if (streams++ && json)
			put(piece, &n, comma);
		ok = put(piece, &n, told(p, now, json));
	}
	ok = ok && put(piece, &n, tail);
	http_reply(
	    r, ok ? &(struct http_answer){.status = 200,
					  .type = json ? "application/json"
						       : "text/html; charset=utf-8",
					  .cache = o->access ? "private, max-age=1" : "max-age=1",
					  .body = piece,
					  .n = n}
		  : &(struct http_answer){.status = 503, .retry_after_s = 1});
	buf_unref(head);
	buf_unref(tail);
	buf_unref(comma);
}
