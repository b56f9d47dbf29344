/* /NAME/live.mp4: one rendition and its sound as a file that does not end, each chunk as it is made.
 * It begins with the segment in progress, so with a key frame, and ends where the coder's parameters
 * change: the player asks again. Who reads too slowly is cut by lib/http. */
#include <errno.h>

#include "package.h"

enum { VIDEO, AUDIO, KINDS };

struct live {
	struct package *p;
	struct cmaf_track *t[KINDS]; /* NULL: none of that kind */
	struct cmaf_init *init[KINDS];
	bool begun[KINDS]; /* a segment of it has been sent from its beginning on */
};

static void let_go(struct http_request *r)
{
	struct live *v = r->user;

	list_remove(&r->link);
	v->p->live--;
	free(v);
	r->user = NULL;
	r->gone = NULL;
}

static void on_gone(struct http_request *r)
{
	let_go(r);
}

static void end(struct http_request *r)
{
	let_go(r);
	http_stream_end(r);
}

/* The track of a kind that was asked for by name, else the first. *found: it, or NULL where there is
 * none of that kind. False: no such name. */
static bool choose(const struct package *p, const struct http_request *r, enum media_kind kind,
		   const char *parameter, struct cmaf_track **found)
{
	char name[32];
	int n = http_query_get(r->query, parameter, name, sizeof(name));

	*found = NULL;
	for (int i = p->cmaf->n - 1; i >= 0; i--) {
		struct cmaf_track *t = p->cmaf->track[i];

		if (t->kind == kind && (n < 0 || !strcmp(t->name, name)))
			*found = t;
	}
	return n == -ENOENT || *found;
}

/* What there is of the segment in progress, from its beginning; without a key frame there, and between two segments, the
 * next one is waited for. */
static void send_begun(struct http_request *r, struct live *v, int kind)
{
	struct cmaf_segment *s = v->t[kind] ? cmaf_last(v->t[kind]) : NULL;

	if (!s || s->complete || !s->chunk.len || (kind == VIDEO && !s->independent))
		return;
	v->begun[kind] = true;
	for (size_t i = 0; i < s->chunk.len; i++)
		http_stream_write(r, &(struct slice){s->chunk.at[i], 0, s->chunk.at[i]->len});
}

static void seen(struct http_request *r)
{
	struct live *v = r->user;

	for (int k = 0; k < KINDS; k++)
		if (v->t[k])
			viewers_seen(&v->p->viewers, r, v->t[k], loop_now_us(v->p->loop));
}

static struct buf *begin(struct live *v)
{
	const struct cmaf_track *t[KINDS];
	size_t n = 0;

	for (int k = 0; k < KINDS; k++) {
		if (!v->t[k])
			continue;
		v->init[k] = v->t[k]->init;
		t[n++] = v->t[k];
	}
	return n ? cmaf_mux(t, n) : NULL;
}

void live_start(struct package *p, struct http_request *r)
{
	struct live *v = calloc(1, sizeof(*v));
	struct buf *head = NULL;
	int status = 503;

	if (!v)
		goto fail;
	v->p = p;
	if (!choose(p, r, MEDIA_VIDEO, "rendition", &v->t[VIDEO]) ||
	    !choose(p, r, MEDIA_AUDIO, "audio", &v->t[AUDIO])) {
		status = 404;
		goto fail;
	}
	head = begin(v);
	if (!head)
		goto fail;
	r->user = v;
	r->gone = on_gone;
	list_append(&p->live_list, &r->link);
	p->live++;
	http_stream_start(
	    r, &(struct http_answer){.status = 200, .type = "video/mp4", .cache = "no-store"});
	http_stream_write(r, &(struct slice){head, 0, head->len});
	for (int k = 0; k < KINDS; k++)
		send_begun(r, v, k);
	seen(r);
	buf_unref(head);
	return;
fail:
	free(v);
	http_reply(r, &(struct http_answer){.status = status,
					    .cache = status == 404 ? "max-age=1" : "no-store",
					    .retry_after_s = status == 503 ? 1 : 0});
}

static void pass_on(struct http_request *r, int kind, const struct cmaf_segment *s,
		    struct buf *chunk, int64_t age_us)
{
	struct live *v = r->user;
	bool first = s->chunk.len == 1;

	if (s->init != v->init[kind]) {
		end(r);
		return;
	}
	v->begun[kind] |= first && (kind == AUDIO || s->independent);
	if (v->begun[kind]) {
		delay_add(&v->p->rendition[v->t[kind]->index].sent, age_us);
		http_stream_write(r, &(struct slice){chunk, 0, chunk->len});
	}
	if (first)
		seen(r);
}

void live_on_chunk(struct package *p, const struct cmaf_track *t, const struct cmaf_segment *s,
		   struct buf *chunk, int64_t age_us)
{
	struct http_request *r, *tmp;
	int kind = t->kind == MEDIA_VIDEO ? VIDEO : AUDIO;

	list_for_safe (r, tmp, &p->live_list, link)
		if (((struct live *)r->user)->t[kind] == t)
			pass_on(r, kind, s, chunk, age_us);
}

void live_end(struct package *p)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &p->live_list, link)
		end(r);
}
