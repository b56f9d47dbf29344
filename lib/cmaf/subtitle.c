#include "cmaf/subtitle.h"

#include "cmaf/wvtt.h"

/* ---- from bytes to cues ---- */

static bool is_608(const struct subtitle *s)
{
	return s->channel < CC_SERVICE1;
}

static const struct cc_screen *shown(const struct subtitle *s)
{
	return is_608(s) ? cc608_shown(&s->cc608) : cc708_shown(&s->cc708);
}

static void close_cue(struct subtitle *s, int64_t us)
{
	if (!s->open || us <= s->now.start_us)
		return;
	s->now.end_us = us;
	if (s->cues.len >= SUBTITLE_CUES || vec_push(&s->cues, s->now))
		s->dropped++;
}

/* From us on what is shown is what the decoder shows. */
static void turn(struct subtitle *s, int64_t us)
{
	const struct cc_screen *is = shown(s);

	if (s->open && !memcmp(is, &s->now.screen, sizeof(*is)))
		return;
	close_cue(s, us);
	s->now.start_us = us;
	s->now.screen = *is;
	s->open = !cc_is_blank(is);
}

static void erase(struct subtitle *s)
{
	if (is_608(s))
		cc608_erase(&s->cc608);
	else
		cc708_erase(&s->cc708);
}

static void fall_silent(struct subtitle *s, int64_t us)
{
	if (!s->open || us - s->heard_us < SUBTITLE_IDLE_US)
		return;
	erase(s);
	turn(s, MAX(s->heard_us + SUBTITLE_IDLE_US, s->floor_us));
}

static void apply(struct subtitle *s, int64_t us, const struct ccdata_piece *p)
{
	enum cc_change change;

	us = MAX(us, s->floor_us);
	fall_silent(s, us);
	if (!is_608(s) || (p->p[0] | p->p[1]) & 0x7f)
		s->heard_us = us;
	change =
	    is_608(s) ? cc608_take(&s->cc608, p->p) : cc708_take(&s->cc708, p->p, p->n, p->gap);
	if (change == CC_MORE && s->open && us - s->now.start_us < SUBTITLE_STEP_US)
		s->now.screen = *shown(s);
	else if (change != CC_SAME)
		turn(s, us);
}

/* ---- all channels ---- */

static void give(struct subtitles *s, int ch, int64_t us, const struct ccdata_piece *p)
{
	if (s->of[ch])
		apply(s->of[ch], us, p);
}

static void on_piece(void *arg, int64_t us, const struct ccdata_piece *p)
{
	struct subtitles *s = arg;

	if (p->kind == CCDATA_SERVICE && p->service <= CC_SERVICES) {
		give(s, CC_SERVICE1 + p->service - 1, us, p);
	} else if (p->kind != CCDATA_SERVICE) {
		int first = p->kind == CCDATA_FIELD2 ? CC_CC3 : CC_CC1;

		give(s, first, us, p);
		give(s, first + 1, us, p);
	}
}

struct subtitles *subtitles_create(unsigned channels)
{
	struct subtitles *s = calloc(1, sizeof(*s));

	for (int i = 0; s && i < CC_CHANNELS; i++) {
		if (!(channels >> i & 1))
			continue;
		s->of[i] = calloc(1, sizeof(*s->of[i]));
		if (!s->of[i]) {
			subtitles_destroy(s);
			return NULL;
		}
		s->of[i]->channel = (enum cc_channel)i;
		if (i == CC_CC2 || i == CC_CC4)
			s->of[i]->cc608.second = true;
	}
	if (s) {
		s->data.sink = on_piece;
		s->data.arg = s;
	}
	return s;
}

void subtitles_destroy(struct subtitles *s)
{
	for (int i = 0; s && i < CC_CHANNELS; i++) {
		if (s->of[i])
			vec_free(&s->of[i]->cues);
		free(s->of[i]);
	}
	free(s);
}

void subtitles_take(struct subtitles *s, int64_t pts_us, int64_t dts_us, const uint8_t *cc,
		    size_t n)
{
	ccdata_take(&s->data, pts_us, dts_us, cc, n);
}

void subtitles_until(struct subtitles *s, int64_t us)
{
	ccdata_until(&s->data, us);
}

bool subtitles_heard(const struct subtitles *s, enum cc_channel ch)
{
	const struct subtitle *of = s->of[ch];

	return of && (is_608(of) ? of->cc608.heard : of->cc708.heard);
}

/* ---- from cues to a segment ---- */

void subtitle_forget(struct subtitle *s)
{
	erase(s);
	turn(s, s->floor_us);
}

static int64_t ticks(int64_t us)
{
	return base_scale(us, WVTT_SCALE, SEC_US);
}

struct buf *subtitle_cut(struct subtitle *s, uint32_t track_id, int64_t from_us, int64_t to_us)
{
	struct wvtt w = {.next = ticks(from_us)};
	struct subtitle_cue *c;

	fall_silent(s, to_us);
	close_cue(s, to_us);
	s->now.start_us = MAX(s->now.start_us, to_us);
	vec_for (c, &s->cues) {
		c->start_us = CLAMP(c->start_us, from_us, MAX(from_us, to_us));
		wvtt_until(&w, ticks(c->start_us));
		subtitle_put(&w, c, is_608(s) ? CC608_COLUMNS : CC_COLUMNS);
		wvtt_until(&w, ticks(MIN(c->end_us, to_us)));
	}
	wvtt_until(&w, ticks(to_us));
	s->cues.len = 0;
	s->floor_us = to_us;
	return wvtt_end(&w, track_id);
}
