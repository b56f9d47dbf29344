/* Whole segments. A DASH player asks for them by the clock: for the one in progress, which it gets as it is made; for the one that
 * is about to begin, before that has come through the encoder; and for those that a playlist would tell it are gaps. It asks
 * by the MPD that it has, which may be older than the parameters of the coder. An answer that is none stops some for good, so
 * each that names its init segment gets media that fit to it: where there are none, a slate (lib/cmaf). Slates are not to be
 * kept by caches: what was late may come. Requests wait as in hold.c. */
#include "dvr.h"
#include "keys.h"
#include "os/os.h"
#include "package.h"

struct waiting {
	struct package *p;
	struct cmaf_track *t;
	int64_t number;
	char init[32]; /* "": a player of playlists */
};

static void let_go(struct http_request *r)
{
	struct waiting *w = r->user;

	list_remove(&r->link);
	w->p->held--;
	free(w);
	r->user = NULL;
	r->gone = NULL;
}

static void on_gone(struct http_request *r)
{
	let_go(r);
}

static bool keep(const struct waiting *w, struct list *list, struct http_request *r)
{
	struct waiting *mine = malloc(sizeof(*mine));

	if (!mine)
		return false;
	*mine = *w;
	r->user = mine;
	r->gone = on_gone;
	list_append(list, &r->link);
	w->p->held++;
	return true;
}

static void refuse(struct http_request *r, int status)
{
	http_reply(r, &(struct http_answer){.status = status,
					    .cache = status == 503 ? "no-store" : "max-age=1",
					    .retry_after_s = status == 503 ? 1 : 0});
}

/* The type of a track's media. */
static const char *type(const struct cmaf_track *t)
{
	return t->kind == MEDIA_VIDEO	? "video/mp4"
	       : t->kind == MEDIA_AUDIO ? "audio/mp4"
					: "application/mp4";
}

/* ---- slates ---- */

static void answer_slate(const struct waiting *w, struct http_request *r)
{
	struct cmaf *c = w->p->cmaf;
	struct buf *b = cmaf_slate(c, w->t, cmaf_init_find(w->t, w->init), w->number, INT64_MIN,
				   !cmaf_init_fits(c, w->t, w->number, w->init));

	if (!b) {
		refuse(r, 503);
		return;
	}
	struct slice s = {b, 0, b->len};
	http_reply(r,
		   &(struct http_answer){
		       .status = 200, .type = type(w->t), .cache = "no-store", .body = &s, .n = 1});
	buf_unref(b);
}

/* What stands for the rest of s, which has less than its time: a reference, or NULL when it needs none. */
static struct buf *tail(const struct waiting *w, const struct cmaf_segment *s)
{
	int64_t from = *w->init ? cmaf_short(w->p->cmaf, w->t, s) : INT64_MIN;

	if (from == INT64_MIN)
		return NULL;
	return cmaf_slate(w->p->cmaf, w->t, s->init, s->number, from, false);
}

/* Are s's media such as the player can have? */
static bool fits(const struct waiting *w, const struct cmaf_segment *s)
{
	return !*w->init || !strcmp(s->init->name, w->init);
}

static void answer_segment(const struct waiting *w, const struct cmaf_segment *s,
			   struct http_request *r)
{
	struct buf *b = tail(w, s);

	serve_segment(s, b, r);
	buf_unref(b);
}

/* ---- segments in progress ---- */

static void send_chunk(struct http_request *r, struct buf *chunk)
{
	(void)!http_stream_write(r, &(struct slice){chunk, 0, chunk->len});
}

static void trickle(const struct waiting *w, const struct cmaf_segment *s, struct http_request *r)
{
	if (!keep(w, &w->p->rendition[w->t->index].trickled, r)) {
		refuse(r, 503);
		return;
	}
	http_stream_start(r, &(struct http_answer){.status = 200,
						   .type = type(w->t),
						   .cache = "public, max-age=86400, immutable"});
	for (size_t i = 0; i < s->chunk.len; i++)
		send_chunk(r, s->chunk.at[i]);
}

/* Nothing more comes of s. */
static void end_trickle(struct http_request *r, const struct cmaf_segment *s)
{
	struct buf *b = s ? tail(r->user, s) : NULL;

	let_go(r);
	if (b)
		send_chunk(r, b);
	buf_unref(b);
	http_stream_end(r);
}

/* Those who asked for the segment before it began, or for one that is not there and will not be. */
static void begin_waiting(struct package *p, struct cmaf_track *t, const struct cmaf_segment *s)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &p->rendition[t->index].held[HOLD_SEGMENT], link) {
		struct waiting w = *(struct waiting *)r->user;

		if (w.number > s->number || (w.number < s->number && !*w.init))
			continue;
		delay_add(&p->hold[HOLD_SEGMENT], loop_now_us(p->loop) - r->since_us);
		let_go(r);
		if (w.number == s->number && fits(&w, s))
			trickle(&w, s, r);
		else
			answer_slate(&w, r);
	}
}

void clock_on_chunk(struct package *p, struct cmaf_track *t, struct cmaf_segment *s,
		    struct buf *chunk, int64_t age_us)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &p->rendition[t->index].trickled, link) {
		const struct waiting *w = r->user;

		if (w->number != s->number)
			continue;
		delay_add(&p->rendition[t->index].sent, age_us);
		send_chunk(r, chunk);
	}
	begin_waiting(p, t, s);
}

/* ---- what is asked for ---- */

/* With AES-128 there are but whole parts and segments: no chunks, nor what is made of them. */
static bool by_chunks(const struct package *p)
{
	return keys_scheme(p->conf) != CMAF_AES128;
}

static int64_t clock_number(const struct package *p)
{
	return cmaf_grid_number(&p->cmaf->grid, SEC_US, os_utc_us());
}

/* Can it still come? Up to the segment that the clock is in and the one after it. */
static bool may_come(const struct waiting *w)
{
	struct cmaf *c = w->p->cmaf;
	int64_t next, clock = clock_number(w->p);
	int part;

	cmaf_next(w->t, &next, &part);
	if (c->ended)
		return false;
	if (!cmaf_last(w->t))
		return w->number >= clock - 1 && w->number <= clock + 1;
	return w->number >= next && w->number <= MAX(next, clock + 1) && w->number <= next + 10;
}

static bool has_slate(const struct waiting *w)
{
	int64_t clock = clock_number(w->p);

	return *w->init && !w->p->cmaf->ended && by_chunks(w->p) && w->number <= clock &&
	       w->number > clock - 2 * w->p->cmaf->conf.window;
}

void clock_get(struct package *p, struct cmaf_track *t, const char *init, int64_t number,
	       struct http_request *r)
{
	struct cmaf_segment *s = cmaf_segment(t, number);
	struct waiting w = {p, t, number, ""};

	str_copy(w.init, sizeof(w.init), init ? init : "");
	if (t->kind != MEDIA_DATA)
		viewers_seen(&p->viewers, r, t, loop_now_us(p->loop));
	bool here = s && !s->gap && fits(&w, s);
	if (here && s->complete)
		answer_segment(&w, s, r);
	else if (here && s->chunk.len && by_chunks(p))
		trickle(&w, s, r);
	else if (s && !s->gap && !fits(&w, s))
		answer_slate(&w, r);
	else if (may_come(&w)) {
		if (!keep(&w, &p->rendition[t->index].held[HOLD_SEGMENT], r))
			refuse(r, 503);
	} else if (p->dvr && dvr_get_segment(p->dvr, t->name, number, r))
		return;
	else if (has_slate(&w))
		answer_slate(&w, r);
	else
		refuse(r, 404);
}

void clock_on_segment(struct package *p, struct cmaf_track *t, struct cmaf_segment *s)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &p->rendition[t->index].trickled, link) {
		const struct waiting *w = r->user;

		if (w->number <= s->number)
			end_trickle(r, w->number == s->number ? s : NULL);
	}
	list_for_safe (r, tmp, &p->rendition[t->index].held[HOLD_SEGMENT], link) {
		struct waiting w = *(struct waiting *)r->user;

		if (w.number > s->number)
			continue;
		let_go(r);
		if (w.number == s->number && !s->gap && fits(&w, s))
			answer_segment(&w, s, r); /* which alone there is with AES-128 */
		else if (has_slate(&w))
			answer_slate(&w, r);
		else
			refuse(r, 404);
	}
}

/* The rest of a segment in progress, and those after it, as the clock comes to them. */
void clock_on_away(struct package *p, int64_t utc_us)
{
	int64_t over = cmaf_grid_number(&p->cmaf->grid, SEC_US, utc_us);
	struct http_request *r, *tmp;

	for (int i = 0; i < p->cmaf->n + p->cmaf->texts; i++) {
		struct cmaf_track *t = cmaf_any(p->cmaf, i);

		list_for_safe (r, tmp, &p->rendition[t->index].trickled, link) {
			const struct waiting *w = r->user;

			if (*w->init)
				end_trickle(r, cmaf_segment(t, w->number));
		}
		list_for_safe (r, tmp, &p->rendition[t->index].held[HOLD_SEGMENT], link) {
			struct waiting w = *(struct waiting *)r->user;

			if (w.number > over || !has_slate(&w))
				continue;
			let_go(r);
			answer_slate(&w, r);
		}
	}
}

void clock_on_end(struct package *p)
{
	clock_expire(p, INT64_MAX, false);
}

void clock_expire(struct package *p, int64_t now_us, bool all)
{
	int64_t limit = p->cmaf ? 3 * cmaf_target_s(p->cmaf) * SEC_US : 0;
	struct http_request *r, *tmp;

	for (size_t i = 0; i < CMAF_RENDITIONS; i++) {
		list_for_safe (r, tmp, &p->rendition[i].held[HOLD_SEGMENT], link) {
			if (!all && r->since_us > now_us - limit)
				break;
			struct waiting w = *(struct waiting *)r->user;

			let_go(r);
			if (!all && has_slate(&w))
				answer_slate(&w, r);
			else
				refuse(r, all ? 503 : 404);
		}
		list_for_safe (r, tmp, &p->rendition[i].trickled, link)
			if (all)
				end_trickle(r, NULL);
	}
}
