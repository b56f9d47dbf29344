/* Media playlists: what a request for one asks for, whether it is answered at once or kept (RFC 8216bis, 6.2.5.2). */
#include <errno.h>
#include <string.h>

#include "package.h"

static void bad_request(struct http_request *r)
{
	http_reply(r, &(struct http_answer){.status = 400, .cache = "max-age=1"});
}

/* Without cues both versions of the directive ask for the same. */
static enum text wanted(const struct cmaf *c, const struct http_request *r)
{
	char version[8];

	if (http_query_get(r->query, "_HLS_skip", version, sizeof(version)) < 0)
		return TEXT_MEDIA;
	if (!strcmp(version, "v2"))
		return c->cues ? TEXT_DELTA_RANGES : TEXT_DELTA;
	return !strcmp(version, "YES") ? TEXT_DELTA : TEXT_MEDIA;
}

void playlist_send(struct package *p, struct cmaf_track *t, struct http_request *r,
		   const char *cache)
{
	struct rendition *of = &p->rendition[t->index];
	enum text what = wanted(p->cmaf, r);

	if (t->kind == MEDIA_DATA) {
		text_send(p, r, &of->playlist, TEXT_SUBTITLES, t, cache);
		return;
	}

	text_send(p, r,
		  what == TEXT_MEDIA   ? &of->playlist
		  : what == TEXT_DELTA ? &of->delta
				       : &of->delta_ranges,
		  what, t, cache);
}

static int directive(const struct http_request *r, const char *name, int64_t *out)
{
	char text[32];
	int n = http_query_get(r->query, name, text, sizeof(text));

	if (n == -ENOENT)
		return 0;
	if (n < 0 || num_int(text, out) || *out < 0 || *out > INT64_MAX / 4)
		return -EINVAL;
	return 1;
}

/* Safari asks for the first part of a new segment without naming it, and spins when it must wait
 * for the whole. */
static bool is_apple(const struct http_request *r)
{
	char agent[256];

	return http_request_header(r, "user-agent", agent, sizeof(agent)) &&
	       strstr(agent, "AppleCoreMedia");
}

/* More ahead than a player may ask for: two segments, or the Advance Part Limit. */
static bool too_far(const struct cmaf *c, const struct cmaf_track *t, int64_t number, int64_t part)
{
	int64_t limit = c->part_target_us < SEC_US ? 3 * SEC_US / c->part_target_us : 3, next;
	int next_part;
	const struct cmaf_segment *last = cmaf_last(t);

	cmaf_next(t, &next, &next_part);
	if (!last || number > last->number + 2)
		return true;
	if (part < 0 || number < next)
		return false;
	return part > (number == next ? next_part : 0) + limit;
}

void playlist_serve(struct package *p, struct cmaf_track *t, struct http_request *r)
{
	int64_t number = -1, part = -1;
	int has_number = directive(r, "_HLS_msn", &number),
	    has_part = directive(r, "_HLS_part", &part);

	if (t->kind ==
	    MEDIA_DATA) /* without parts a reload that names one waits for its segment too */
		part = -1;
	else
		viewers_seen(&p->viewers, r, t, loop_now_us(p->loop));
	if (has_number < 0 || has_part < 0 || (has_part && !has_number)) {
		bad_request(r);
		return;
	}
	if (!has_number || p->cmaf->ended) {
		playlist_send(p, t, r, BRIEFLY);
		return;
	}
	if (too_far(p->cmaf, t, number, part)) {
		bad_request(r);
		return;
	}
	if (!has_part && is_apple(r) && t->kind != MEDIA_DATA)
		part = 0;
	int64_t next;
	int next_part;
	cmaf_next(t, &next, &next_part);
	if (number + 1 < next) /* old: the whole playlist at once */
		playlist_send(p, t, r, BRIEFLY);
	else if (hold_is_there(t, number, (int)part))
		playlist_send(p, t, r, "public, max-age=6");
	else
		hold(p, t, r, HOLD_PLAYLIST, number, (int)part);
}
