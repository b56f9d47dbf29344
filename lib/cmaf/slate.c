/* What stands in the place of media that are not there, for players that ask by the clock. */
#include <errno.h>

#include "cmaf/coder.h"
#include "cmaf/cut.h"
#include "cmaf/emsg.h"
#include "cmaf/mpd.h"

#define STILL_US (250 * MS_US) /* a picture is shown anew so often: browsers want some in hand */
/* A message is about what is ahead of the player, who may be so far behind. */
#define BEHIND_US (30 * SEC_US)

struct cmaf_init *cmaf_init_find(const struct cmaf_track *t, const char *name)
{
	const struct cmaf_segment *s;

	if (t->init && !strcmp(t->init->name, name))
		return t->init;
	for (int i = t->changes; i-- > 0;)
		if (!strcmp(t->change[i].init->name, name))
			return t->change[i].init;
	list_for (s, &t->segments, link)
		if (s->init && !strcmp(s->init->name, name))
			return s->init;
	return NULL;
}

bool cmaf_init_fits(const struct cmaf *c, const struct cmaf_track *t, int64_t number,
		    const char *name)
{
	if (t->kind == MEDIA_DATA)
		return !strcmp(t->init->name, name);
	struct cmaf_key *key = c->conf.scheme == CMAF_CBCS ? key_of(c, number) : NULL;
	struct cmaf_init *i = track_init_for(t, track_params(t, number), key);
	bool fits = i && !strcmp(i->name, name);

	init_unref(i);
	return fits;
}

int64_t cmaf_short(const struct cmaf *c, const struct cmaf_track *t, const struct cmaf_segment *s)
{
	int64_t to = cmaf_grid_start(&c->grid, t->scale, s->number + 1, 0);

	if (t->kind == MEDIA_DATA)
		return INT64_MIN;
	return to - s->end > 2 * t->frame ? s->end : INT64_MIN;
}

/* ---- in the place of the source ---- */

/* A reference to what may stand in t; NULL: there is nothing. */
static struct media_packet *stand_in(const struct cmaf_track *t)
{
	uint8_t silence[CODER_SILENCE];
	struct media_packet *p = NULL;
	size_t size;

	if (!t->init || !t->cut->started)
		return NULL;
	if (t->kind == MEDIA_VIDEO)
		return t->init->still ? media_packet_ref(t->init->still) : NULL;
	size = t->coder->silence ? t->coder->silence(t->init->config, cmaf_us(t, t->frame), silence)
				 : 0;
	if (size)
		p = media_packet_create(size);
	if (p)
		memcpy(p->data, silence, size);
	return p;
}

/* While new parameters wait for their segment a slate is by those before. To them, and the other way round. */
static void turn_back(struct cmaf_track *t)
{
	struct cmaf_init *i = t->init;

	if (!t->cut->was)
		return;
	t->init = t->cut->was;
	t->cut->was = i;
	t->changed = !t->changed;
}

void slate_stand(struct cmaf *c, struct cmaf_track *t, int64_t until)
{
	struct media_packet *p;

	turn_back(t);
	p = stand_in(t);
	if (p)
		(void)!track_stand(c, t, p, until);
	media_packet_unref(p);
	turn_back(t);
}

bool cmaf_stand(struct cmaf *c, int64_t utc_us)
{
	for (int i = 0; i < c->n; i++) {
		struct media_packet *p;

		turn_back(c->track[i]);
		p = stand_in(c->track[i]);
		turn_back(c->track[i]);
		if (!p)
			return false;
		media_packet_unref(p);
	}
	for (int i = 0; i < c->n; i++)
		slate_stand(c, c->track[i], base_scale(utc_us, c->track[i]->scale, SEC_US));
	return true;
}

/* ---- media ---- */

struct still {
	struct sample *at; /* n of the same bytes */
	size_t n;
	struct media_packet *p; /* NULL: silence */
	uint8_t silence[CODER_SILENCE];
};

static int fill(struct still *s, int64_t dts, int32_t cts, int64_t dur, uint32_t size)
{
	s->at = calloc(MAX(s->n, 1), sizeof(*s->at));
	if (!s->at)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		s->at[i] = (struct sample){
		    .dts = dts + dur * (int64_t)i / (int64_t)s->n,
		    .cts = cts,
		    .dur = (uint32_t)(dur * (int64_t)(i + 1) / (int64_t)s->n -
				      dur * (int64_t)i / (int64_t)s->n),
		    .size = size,
		    .key = true,
		};
	return 0;
}

static int show(struct still *s, const struct cmaf_track *t, struct media_packet *p, int64_t from,
		int64_t to)
{
	int64_t cts = t->cut->cts_off;
	size_t size = t->coder->size ? t->coder->size(p->data, p->size) : p->size;

	s->p = p;
	s->n = (size_t)(1 + cmaf_us(t, to - from - 1) / STILL_US);
	return fill(s, from - cts, (int32_t)cts, to - from, (uint32_t)size);
}

static int hush(struct still *s, const struct cmaf_track *t, const struct cmaf_init *i,
		int64_t from, int64_t to)
{
	size_t size = t->coder->silence(i->config, cmaf_us(t, t->frame), s->silence);

	s->n = size ? (size_t)((to - from + t->frame / 2) / t->frame) : 0;
	return fill(s, from, 0, (int64_t)s->n * t->frame, (uint32_t)size);
}

/* s->n stays 0 where there is nothing to show. */
static int choose(struct still *s, const struct cmaf_track *t, const struct cmaf_init *i,
		  int64_t from, int64_t to)
{
	if (!i || i->key || to <= from)
		return 0;
	if (t->kind == MEDIA_VIDEO)
		return i->still ? show(s, t, i->still, from, to) : 0;
	return t->coder->silence ? hush(s, t, i, from, to) : 0;
}

static void copy(const struct still *s, const struct cmaf_track *t, uint8_t *to)
{
	for (size_t i = 0; i < s->n; to += s->at[i++].size) {
		if (!s->p)
			memcpy(to, s->silence, s->at[i].size);
		else if (t->coder->copy)
			t->coder->copy(s->p->data, s->p->size, to);
		else
			memcpy(to, s->p->data, s->p->size);
	}
}

/* ---- the answer ---- */

/* So that an answer without media is not empty, which is an error to players. */
static void put_type(struct boxes *b)
{
	size_t at = box_begin(b, "styp");

	box_bytes(b, "msdh\0\0\0\0msdh", 12);
	box_end(b, at);
}

static void put_expired(const struct cmaf *c, const struct cmaf_track *t, int64_t number,
			struct boxes *b)
{
	char published[MPD_TIME];

	mpd_time(published, cmaf_dash_published_us(c));
	emsg_put_expired(t->scale, cmaf_grid_us(&c->grid, number) - BEHIND_US, (uint32_t)number,
			 published, b);
}

struct buf *cmaf_slate(const struct cmaf *c, const struct cmaf_track *t, const struct cmaf_init *i,
		       int64_t number, int64_t from, bool expired)
{
	int64_t to = cmaf_grid_start(&c->grid, t->scale, number + 1, 0);
	struct boxes before = {0};
	struct still s = {0};
	struct buf *out = NULL;
	uint8_t *data;

	if (from == INT64_MIN)
		from = cmaf_grid_start(&c->grid, t->scale, number, 0);
	if (t->kind == MEDIA_DATA)
		return texts_blank(t, from, to);
	if (choose(&s, t, i, from, to))
		return NULL;
	put_type(&before);
	if (expired)
		put_expired(c, t, number, &before);
	if (!s.n && !before.bad)
		out = buf_copy(before.out.at, before.out.len);
	else if (!before.bad)
		out = box_chunk(box_track_id(t), (uint32_t)(number * 1000 + 999), s.at, s.n, NULL,
				&before, s.n * s.at[0].size, &data);
	if (out && s.n)
		copy(&s, t, data);
	vec_free(&before.out);
	free(s.at);
	return out;
}
