#include "cmaf/cut.h"

#include <errno.h>

static void name_init(struct cmaf_init *i)
{
	uint32_t hash = 2166136261u; /* FNV-1a: a name, not a signature */

	for (size_t k = 0; k < i->buf->len; k++)
		hash = (hash ^ i->buf->data[k]) * 16777619u;
	snprintf(i->name, sizeof(i->name), "init-%08x.mp4", hash);
}

struct cmaf_init *init_create(const struct cmaf_track *t, struct buf *config, const char *codec,
			      struct cmaf_key *key)
{
	struct cmaf_init *i = calloc(1, sizeof(*i));
	const struct cmaf_key *one_key = key;

	if (!i)
		return NULL;
	i->refs = 1;
	i->config = buf_ref(config);
	i->key = key_ref(key);
	i->buf = box_init(&t, &config, &one_key, 1);
	if (!i->buf) {
		init_unref(i);
		return NULL;
	}
	name_init(i);
	str_copy(i->codec, sizeof(i->codec), codec);
	i->width = t->width;
	i->height = t->height;
	i->channels = t->channels;
	i->sar = t->sar;
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
	key_unref(i->key);
	media_packet_unref(i->still);
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

int store_seal(struct cmaf *c, struct cmaf_track *t, struct cmaf_segment *s)
{
	struct buf *b = protect_file(s->key, s->number, s->chunk.at, s->chunk.len);

	if (!b)
		return -ENOMEM;
	for (size_t i = 0; i < s->chunk.len; i++)
		buf_unref(s->chunk.at[i]);
	s->chunk.len = 1; /* it had one: it has media */
	s->chunk.at[0] = b;
	t->bytes += b->len - s->size;
	c->bytes += b->len - s->size;
	s->size = b->len;
	return 0;
}

/* What the segment costs: its size, and once more its encrypted parts. */
static size_t cost(const struct cmaf_segment *s)
{
	size_t n = s->size;

	for (size_t i = 0; i < s->part.len; i++)
		n += s->part.at[i].sealed ? s->part.at[i].sealed->len : 0;
	return n;
}

/* Keys and parameters that nothing has any more. */
static void forget(struct cmaf *c)
{
	int64_t first = INT64_MAX;

	for (int i = 0; i < c->n; i++)
		if (c->track[i]->n)
			first = MIN(
			    first,
			    list_first(&c->track[i]->segments, struct cmaf_segment, link)->number);
	if (first == INT64_MAX)
		return;
	key_forget(c, first);
	for (int i = 0; i < c->n; i++)
		track_forget(c->track[i], first);
}

static void evict(struct cmaf *c, struct cmaf_track *t, struct cmaf_segment *s)
{
	if (c->ev.evicted)
		c->ev.evicted(c->arg, t, s);
	list_remove(&s->link);
	t->n--;
	t->bytes -= cost(s);
	c->bytes -= cost(s);
	t->discontinuities += s->discontinuity;
	c->version++;
	for (size_t i = 0; i < s->chunk.len; i++)
		buf_unref(s->chunk.at[i]);
	vec_free(&s->chunk);
	for (size_t i = 0; i < s->part.len; i++)
		buf_unref(s->part.at[i].sealed);
	vec_free(&s->part);
	init_unref(s->init);
	key_unref(s->key);
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
	forget(c);
	beside_pass(c);
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
