/* Playlists and parts that cannot be answered yet (segments: clock.c). Each lives in a list of its rendition, one for each kind, by
 * http_request.link and in the order they came; its `user` says what it waits for. Replies never call back into here, so the lists may be walked
 * while answering. */
#include <errno.h>
#include <limits.h>

#include "log/log.h"
#include "package.h"

#define PORTION 128 /* requests of a track that are answered in a turn */

struct held {
	struct package *p;
	struct cmaf_track *t;
	enum hold_kind kind;
	int64_t number;
	int part; /* of a playlist, -1: the whole segment */
};

static void let_go(struct http_request *r)
{
	struct held *h = r->user;

	list_remove(&r->link);
	h->p->held--;
	free(h);
	r->user = NULL;
	r->gone = NULL;
}

static void on_gone(struct http_request *r)
{
	let_go(r);
}

/* As let_go, for a request whose answer is there. */
static void release(struct http_request *r)
{
	struct held *h = r->user;

	delay_add(&h->p->hold[h->kind], loop_now_us(h->p->loop) - r->since_us);
	let_go(r);
}

static bool keep(struct package *p, struct cmaf_track *t, struct http_request *r, struct list *list,
		 struct held what)
{
	struct held *h = malloc(sizeof(*h));

	if (!h)
		return false;
	*h = what;
	h->p = p;
	h->t = t;
	r->user = h;
	r->gone = on_gone;
	list_append(list, &r->link);
	p->held++;
	return true;
}

void hold(struct package *p, struct cmaf_track *t, struct http_request *r, enum hold_kind kind,
	  int64_t number, int part)
{
	if (!keep(p, t, r, &p->rendition[t->index].held[kind],
		  (struct held){.kind = kind, .number = number, .part = part}))
		http_reply_status(r, 503);
}

/* ---- parts and playlists ---- */

bool hold_is_there(const struct cmaf_track *t, int64_t number, int part)
{
	int64_t next;
	int next_part;

	cmaf_next(t, &next, &next_part);
	if (part < 0 || number > next)
		return number < next;
	if (number == next)
		return part < next_part;
	const struct cmaf_segment *s = cmaf_segment(t, number);
	if (s && part >= (int)s->part.len && !s->gap && number + 1 == next)
		return next_part > 0;
	return true;
}

static void answer_part(struct package *p, const struct cmaf_track *t, const struct held *h,
			struct http_request *r)
{
	const struct cmaf_segment *s = cmaf_segment(t, h->number);

	if (s && h->part < (int)s->part.len)
		serve_part(p, t, s, h->part, r);
	else /* its segment ended before it: the hint was abandoned */
		http_reply(r, &(struct http_answer){.status = 404, .cache = "max-age=1"});
}

/* At most *room of those whose answer is there, the first ones first. */
static void answer(struct package *p, struct cmaf_track *t, enum hold_kind kind, int *room)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &p->rendition[t->index].held[kind], link) {
		struct held h = *(struct held *)r->user;

		if (!*room)
			return;
		if (!hold_is_there(t, h.number, h.part))
			continue;
		(*room)--;
		release(r);
		if (kind == HOLD_PART)
			answer_part(p, t, &h, r);
		else
			playlist_send(p, t, r, "public, max-age=6");
	}
}

/* Who asked for the part itself has it before others learn of it. False: there may be more to answer. */
static bool answer_some(struct package *p, struct cmaf_track *t, int room)
{
	answer(p, t, HOLD_PART, &room);
	answer(p, t, HOLD_PLAYLIST, &room);
	return room > 0;
}

/* Thousands are answered a portion a turn: those who have their playlist get the part that they ask for then while their
 * connection is still in the processor's caches, and not after the last one has his playlist. */
void hold_go_on(void *package)
{
	struct package *p = package;
	bool all = true;

	for (int i = 0; p->cmaf && i < p->cmaf->n + p->cmaf->texts; i++)
		if (!answer_some(p, cmaf_any(p->cmaf, i), PORTION))
			all = false;
	if (!all)
		loop_timer_in(&p->more, 0);
}

static void answer_rest(struct package *p)
{
	for (int i = 0; p->cmaf && i < p->cmaf->n + p->cmaf->texts; i++)
		answer_some(p, cmaf_any(p->cmaf, i), INT_MAX);
}

void hold_on_part(struct package *p, struct cmaf_track *t)
{
	if (!answer_some(p, t, PORTION))
		loop_timer_in(&p->more, 0);
}

static void end_kind(struct package *p, struct cmaf_track *t, enum hold_kind kind)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &p->rendition[t->index].held[kind], link) {
		let_go(r);
		if (kind == HOLD_PLAYLIST)
			playlist_send(p, t, r, "no-cache");
		else
			http_reply(r, &(struct http_answer){.status = 404, .cache = "max-age=1"});
	}
}

void hold_on_end(struct package *p)
{
	answer_rest(p);
	for (int i = 0; i < p->cmaf->n + p->cmaf->texts; i++)
		for (int kind = 0; kind < HOLD_SEGMENT; kind++)
			end_kind(p, cmaf_any(p->cmaf, i), kind);
}

/* Those that came before `until_us`, which are the first ones. */
static void expire(struct list *held, enum hold_kind kind, int64_t until_us, bool all)
{
	int status = kind == HOLD_PLAYLIST || all ? 503 : 404;
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, held, link) {
		if (!all && r->since_us > until_us)
			return;
		let_go(r);
		http_reply(r,
			   &(struct http_answer){.status = status,
						 .cache = status == 503 ? "no-store" : "max-age=1",
						 .retry_after_s = status == 503 ? 1 : 0});
	}
}

void hold_expire(struct package *p, int64_t now_us, bool all)
{
	int64_t limit = p->cmaf ? 3 * cmaf_target_s(p->cmaf) * SEC_US : 0;

	if (all)
		answer_rest(p);
	for (size_t i = 0; i < CMAF_RENDITIONS; i++)
		for (int kind = 0; kind < HOLD_SEGMENT; kind++)
			expire(&p->rendition[i].held[kind], kind, now_us - limit, all);
}
