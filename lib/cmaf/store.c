#include "cmaf/cut.h"

#include <errno.h>

struct cmaf_init *init_create(struct buf *buf, struct buf *config, const char *codec)
{
	struct cmaf_init *i = calloc(1, sizeof(*i));
	uint32_t hash = 2166136261u; /* FNV-1a: a name, not a signature */

	if (!i || !buf || !config) {
		buf_unref(buf);
		buf_unref(config);
		free(i);
		return NULL;
	}
	for (size_t k = 0; k < buf->len; k++)
		hash = (hash ^ buf->data[k]) * 16777619u;
	i->refs = 1;
	i->buf = buf;
	i->config = config;
	snprintf(i->name, sizeof(i->name), "init-%08x.mp4", hash);
	str_copy(i->codec, sizeof(i->codec), codec);
	return i;
}

struct cmaf_init *init_ref(struct cmaf_init *i)
{
	if (i)
		i->refs++;
	return i;
}

void init_unref(struct cmaf_init *i)
{
	if (!i || --i->refs)
		return;
	buf_unref(i->buf);
	buf_unref(i->config);
	free(i);
}

struct cmaf_segment *store_add(struct cmaf *c, struct cmaf_track *t, int64_t number, int64_t start)
{
	struct cmaf_segment *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->number = number;
	s->start = s->end = start;
	s->init = init_ref(t->init);
	list_append(&t->segments, &s->link);
	t->n++;
	c->version++;
	return s;
}

int store_chunk(struct cmaf *c, struct cmaf_track *t, struct cmaf_segment *s, struct buf *b)
{
	if (vec_push(&s->chunk, b)) {
		buf_unref(b);
		return -ENOMEM;
	}
	s->size += b->len;
	t->bytes += b->len;
	c->bytes += b->len;
	return 0;
}

static void evict(struct cmaf *c, struct cmaf_track *t, struct cmaf_segment *s)
{
	if (c->ev.evicted)
		c->ev.evicted(c->arg, t, s);
	list_remove(&s->link);
	t->n--;
	t->bytes -= s->size;
	c->bytes -= s->size;
	t->discontinuities += s->discontinuity;
	c->version++;
	for (size_t i = 0; i < s->chunk.len; i++)
		buf_unref(s->chunk.at[i]);
	vec_free(&s->chunk);
	vec_free(&s->part);
	init_unref(s->init);
	free(s);
}

static struct cmaf_track *biggest(struct cmaf *c)
{
	struct cmaf_track *t = NULL;

	for (int i = 0; i < c->n; i++)
		if (c->track[i]->n > 1 && (!t || c->track[i]->bytes > t->bytes))
			t = c->track[i];
	return t;
}

void store_trim(struct cmaf *c, struct cmaf_track *t)
{
	while (t->n > 2 * c->conf.window + 1)
		evict(c, t, list_first(&t->segments, struct cmaf_segment, link));
	while (c->conf.memory && c->bytes > (size_t)c->conf.memory) {
		struct cmaf_track *b = biggest(c);

		if (!b)
			return;
		c->evicted_early++;
		evict(c, b, list_first(&b->segments, struct cmaf_segment, link));
	}
}

void store_clear(struct cmaf *c, struct cmaf_track *t)
{
	while (t->n)
		evict(c, t, list_first(&t->segments, struct cmaf_segment, link));
}
