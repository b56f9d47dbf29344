/* A rung that passes the source's pictures through: its packets, on the timeline. It has holes where the source has, and
 * goes on only with packets of its own kind: what a source with other parameter sets sends cannot follow in the same track. */
#include "log/log.h"
#include "media/pipeline.h"

#define TICKS 90000

static bool same(const struct buf *a, const struct buf *b)
{
	if (!a || !b)
		return a == b;
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

int copy_build(struct stage *s, const struct media_track *source, struct media_track *t)
{
	*t = *source;
	str_copy(t->name, sizeof(t->name), s->conf.name);
	t->tb = (struct ratio){1, TICKS};
	t->fps = s->e->fps;
	t->turn = 0;
	if (t->extra)
		buf_ref(t->extra);
	s->alike = true;
	s->last_dts = INT64_MIN;
	return 0;
}

void copy_source(struct stage *s, const struct media_track *source)
{
	const struct media_track *t = &s->e->info->track[s->index];
	bool alike = source->codec == t->codec && source->width == t->width &&
		     source->height == t->height && same(source->extra, t->extra);

	if (s->alike && !alike)
		log_warn(s->conf.name, "the source is not what it was: nothing is passed through");
	s->alike = alike;
	s->running_on = false;
}

void copy_packet(struct stage *s, const struct work *w)
{
	const struct media_track *from = &w->info->track[w->track];
	struct ratio us = {1, SEC_US}, tb = {1, TICKS};
	const struct media_packet *p = w->packet;

	if (!s->alike || w->out_us == TIMELINE_NONE || w->out_us < engine_start_us(s->e) ||
	    (!s->running_on && !p->key))
		return;
	int64_t pts = base_rescale(w->out_us, us, tb),
		dts = pts - base_rescale(p->pts - p->dts, from->tb, tb);
	if (dts <= s->last_dts || p->loss) {
		s->dropped++;
		s->running_on = false; /* what builds on it goes too */
		if (dts <= s->last_dts || !p->key)
			return;
	}
	struct media_packet *n = media_packet_create(p->size);
	if (!n)
		return;
	memcpy(n->data, p->data, p->size);
	n->track = s->index;
	n->key = p->key;
	n->pts = pts;
	n->dts = dts;
	n->duration = base_rescale(p->duration, from->tb, tb);
	s->running_on = true;
	s->last_dts = dts;
	s->frames++;
	engine_emit(s->e, EVENT_PACKET, n, 0, NULL);
}
