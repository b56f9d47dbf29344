/* Chunks, parts and segments of one track, made of its samples: their beginnings, ends and gaps. */
#include "cmaf/cut.h"

#include <errno.h>

#include "cmaf/coder.h"
#include "log/log.h"

/* ---- discontinuities ---- */

/* A discontinuity at segment `number`, in every track (RFC 8216bis, 6.2.1), also in those that come
 * to it later. Where a track has had that segment already there is none in any: players find the
 * same instant in all tracks by counting discontinuities, and neither a hole nor new parameters of
 * a coder, which have their EXT-X-MAP, need one as much as that. */
void cut_break(struct cmaf *c, int64_t number)
{
	for (int i = 0; i < c->n; i++) {
		const struct cmaf_cut *cut = c->track[i]->cut;

		if (cut->last_number > number || (cut->last_number == number && !cut->cur))
			return;
	}
	for (int i = 0; i < c->n; i++) {
		struct cmaf_cut *cut = c->track[i]->cut;

		if (cut->cur && cut->cur->number == number)
			cut->cur->discontinuity = true;
	}
	c->break_at[c->breaks++ % CMAF_BREAKS] = number;
}

static bool is_break(const struct cmaf *c, int64_t number)
{
	for (size_t i = 0; i < CMAF_BREAKS; i++)
		if (c->break_at[i] == number)
			return true;
	return false;
}

/* ---- chunks, parts, segments: their ends ---- */

void cut_drop(struct cmaf_cut *cut)
{
	for (size_t i = 0; i < cut->npend; i++)
		media_packet_unref(cut->pend[i].p);
	cut->npend = 0;
	cut->pend_dur = 0;
	cut->subs.len = 0;
}

/* The payload of the chunk in progress, as it goes into mdat. */
static int fill_chunk(struct cmaf *c, struct cmaf_track *t, uint8_t *data)
{
	struct cmaf_cut *cut = t->cut;
	uint8_t *to = data;

	for (size_t i = 0; i < cut->npend; i++) {
		const struct media_packet *p = cut->pend[i].p;

		if (t->coder->copy)
			t->coder->copy(p->data, p->size, to);
		else
			memcpy(to, p->data, p->size);
		to += cut->pend[i].size;
	}
	if (c->conf.scheme != CMAF_CBCS)
		return 0;
	return protect_samples(cut->cur->key, t->kind == MEDIA_VIDEO, cut->pend, cut->npend,
			       &cut->subs, data);
}

int cut_end_chunk(struct cmaf *c, struct cmaf_track *t)
{
	struct cmaf_cut *cut = t->cut;
	struct cmaf_segment *s = cut->cur;
	struct boxes before = {0};
	size_t payload = 0;
	uint8_t *data;

	if (!cut->npend)
		return 0;
	for (size_t i = 0; i < cut->npend; i++)
		payload += cut->pend[i].size;
	/* Deterministic, so that two packagers make the same bytes. */
	uint32_t sequence = (uint32_t)(s->number * 1000 + (int64_t)s->chunk.len + 1);
	beside_put(c, t, &before);
	struct buf *b = box_chunk(box_track_id(t), sequence, cut->pend, cut->npend, &cut->subs,
				  &before, payload, &data);
	vec_free(&before.out);
	int rc = b ? fill_chunk(c, t, data) : -ENOMEM;
	cut_drop(cut);
	if (rc) {
		buf_unref(b);
		return rc;
	}
	rc = store_chunk(c, t, s, b);
	if (!rc && c->ev.chunk)
		c->ev.chunk(c->arg, t, s, b);
	return rc;
}

/* With AES-128: the part as a file, and at its end the segment. */
static int seal_part(struct cmaf *c, struct cmaf_track *t, struct cmaf_part *p)
{
	struct cmaf_segment *s = t->cut->cur;

	if (c->conf.scheme != CMAF_AES128)
		return 0;
	p->sealed = protect_file(s->key, s->number, s->chunk.at + p->first, p->n);
	if (!p->sealed)
		return -ENOMEM;
	p->size = p->sealed->len;
	t->bytes += p->size;
	c->bytes += p->size;
	return 0;
}

int cut_end_part(struct cmaf *c, struct cmaf_track *t, bool last)
{
	struct cmaf_cut *cut = t->cut;
	struct cmaf_segment *s = cut->cur;
	int rc = cut_end_chunk(c, t);

	if (rc)
		return rc;
	uint32_t n = (uint32_t)s->chunk.len - cut->part_first;
	if (n) {
		struct cmaf_part p = {
		    .first = cut->part_first,
		    .n = n,
		    .start = cut->part_start,
		    .dur = cut->next - cut->part_start,
		    .independent = cut->part_key,
		};

		for (uint32_t i = 0; i < n; i++)
			p.size += s->chunk.at[p.first + i]->len;
		rc = seal_part(c, t, &p);
		if (!rc)
			rc = vec_push(&s->part, p);
		if (rc)
			return rc;
	}
	if (last && c->conf.scheme == CMAF_AES128 && s->chunk.len)
		rc = store_seal(c, t, s);
	if (rc)
		return rc;
	cut->part_first += n;
	cut->part_start = s->end = cut->next;
	cut->part_key = false;
	if (last) {
		s->complete = true;
		cut->cur = NULL;
	}
	c->version++;
	if (n && c->ev.part)
		c->ev.part(c->arg, t, s);
	if (last && c->ev.segment)
		c->ev.segment(c->arg, t, s);
	if (last) {
		texts_cut(c, t, s);
		store_trim(c, t);
	}
	return 0;
}

/* A segment that ends long before its time leaves a hole, which the dates of what follows would jump over; a frame or two
 * that an encoder left out are none. */
int cut_end_short(struct cmaf *c, struct cmaf_track *t)
{
	int64_t number = t->cut->cur->number;
	int64_t missing = cmaf_grid_start(&c->grid, t->scale, number + 1, 0) - t->cut->next;
	int rc = cut_end_part(c, t, true);

	if (cmaf_us(t, missing) > c->part_target_us && !is_break(c, number + 1))
		cut_break(c, number + 1);
	return rc;
}

/* ---- beginnings ---- */

static int add_gap(struct cmaf *c, struct cmaf_track *t, int64_t number)
{
	struct cmaf_segment *s =
	    store_add(c, t, number, cmaf_grid_start(&c->grid, t->scale, number, 0));

	if (!s)
		return -ENOMEM;
	init_unref(s->init); /* nothing in it needs one */
	s->init = NULL;
	s->gap = s->complete = true;
	s->discontinuity = is_break(c, number);
	s->end = cmaf_grid_start(&c->grid, t->scale, number + 1, 0);
	t->cut->last_number = number;
	t->cut->standing = false;
	if (c->ev.segment)
		c->ev.segment(c->arg, t, s);
	texts_cut(c, t, s);
	store_trim(c, t);
	return 0;
}

int cut_fill_gaps(struct cmaf *c, struct cmaf_track *t, int64_t number)
{
	struct cmaf_cut *cut = t->cut;

	if (cut->last_number == NO_NUMBER)
		return 0;
	if (number - cut->last_number > c->conf.window) {
		store_clear(c, t);
		return 0;
	}
	while (cut->last_number < number - 1) {
		int rc = add_gap(c, t, cut->last_number + 1);

		if (rc)
			return rc;
	}
	return 0;
}

/* The init segment names the key of cbcs; with another one it is another, and nothing else changes. */
static int turn_key(struct cmaf *c, struct cmaf_track *t, int64_t number)
{
	struct cmaf_key *k = key_of(c, number);
	struct cmaf_init *i;

	if (c->conf.scheme != CMAF_CBCS)
		return 0;
	i = track_init_for(t, t->init, k);
	if (!i)
		return -ENOMEM;
	init_unref(t->init);
	t->init = i;
	return 0;
}

int cut_begin(struct cmaf *c, struct cmaf_track *t, int64_t x, int64_t number, bool key)
{
	struct cmaf_cut *cut = t->cut;
	int rc = cut_fill_gaps(c, t, number);

	if (rc)
		return rc;
	rc = turn_key(c, t, number);
	if (rc)
		return rc;
	struct cmaf_segment *s = store_add(c, t, number, x);
	if (!s)
		return -ENOMEM;
	s->key = key_ref(key_of(c, number));
	s->independent = key;
	cut->keyless = key ? 0 : cut->keyless + 1;
	track_note_params(c, t, number, x);
	if (t->changed)
		cut_break(c, number);
	s->discontinuity = is_break(c, number);
	if (t->changed) {
		init_unref(cut->was);
		cut->was = NULL;
	}
	t->changed = false;
	if (cut->keyless > 2 && !cut->warned) {
		cut->warned = true;
		log_warn(
		    t->name,
		    "segments do not begin with key frames: the source should make one each %.3f s",
		    (double)c->grid.d.num / (double)c->grid.d.den);
	}
	if (!c->began_us)
		c->began_us = cmaf_us(t, x);
	cut->cur = s;
	cut->started = true;
	cut->waiting_us = 0;
	cut->last_number = number;
	cut->cell = 0;
	cut->part_first = 0;
	cut->part_start = x;
	return 0;
}
