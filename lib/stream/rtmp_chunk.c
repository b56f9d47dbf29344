#include "stream/rtmp_chunk.h"

#include <errno.h>

#define FIRST_SIZE 128
#define EXTENDED 0xffffff
#define GROW 4096

enum { SET_CHUNK_SIZE = 1, ABORT = 2 };

void rtmp_chunks_init(struct rtmp_chunks *c, size_t most)
{
	*c = (struct rtmp_chunks){.size = FIRST_SIZE, .most = most};
}

void rtmp_chunks_finish(struct rtmp_chunks *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->stream); i++)
		free(c->stream[i].data);
	*c = (struct rtmp_chunks){0};
}

static struct rtmp_chunk_stream *find(struct rtmp_chunks *c, uint32_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(c->stream); i++)
		if (c->stream[i].id == id)
			return &c->stream[i];
	return NULL;
}

/* ---- headers ---- */

static uint32_t u24(const uint8_t *p)
{
	return (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]);
}

/* Bytes of the basic header (5.3.1.1), of which the first is there. */
static size_t basic(const uint8_t *head)
{
	return (head[0] & 63) == 0 ? 2 : (head[0] & 63) == 1 ? 3 : 1;
}

static uint32_t id_of(const uint8_t *head)
{
	switch (basic(head)) {
	case 2:
		return 64 + head[1];
	case 3:
		return 64 + head[1] + head[2] * 256u;
	default:
		return head[0] & 63;
	}
}

/* How long the header is, as far as it can be told by what is there of it. */
static size_t head_size(struct rtmp_chunks *c)
{
	static const size_t message[] = {11, 7, 3, 0};

	if (!c->head_len)
		return 1;
	size_t at = basic(c->head), n = at + message[c->head[0] >> 6];
	if (c->head_len < n)
		return n;
	const struct rtmp_chunk_stream *s = find(c, id_of(c->head));
	bool extended = c->head[0] >> 6 == 3 ? s && s->extended : u24(c->head + at) == EXTENDED;
	return n + (extended ? 4 : 0);
}

static void set_time(struct rtmp_chunk_stream *s, int form, uint32_t t)
{
	bool begins = !s->have;

	if (form == 0) {
		s->time_ms = t;
		s->delta_ms = 0;
	} else if (form < 3) {
		s->delta_ms = t;
	}
	if (form && begins)
		s->time_ms += s->delta_ms;
}

/* The header is whole. */
static int begin_chunk(struct rtmp_chunks *c)
{
	int form = c->head[0] >> 6;
	uint32_t id = id_of(c->head);
	const uint8_t *p = c->head + basic(c->head);
	struct rtmp_chunk_stream *s = find(c, id);

	if (!s && !form)
		s = find(c, 0);
	/* A message is not begun anew in its middle; and what has no beginning is none. */
	if (!s || id < 2 || (s->have && form != 3))
		return -EPROTO;
	s->id = id;
	uint32_t t = form < 3 ? u24(p) : 0;
	if (form < 3)
		s->extended = t == EXTENDED;
	if (form < 2) {
		s->length = u24(p + 3);
		s->type = p[6];
	}
	if (s->length > c->most)
		return -EMSGSIZE;
	if (s->extended && form < 3) {
		p = c->head + c->head_len - 4;
		t = u24(p) << 8 | p[3];
	}
	set_time(s, form, t);
	c->now = s;
	c->left = MIN(c->size, s->length - s->have);
	c->head_len = 0;
	return 0;
}

/* ---- messages ---- */

static int reserve(struct rtmp_chunks *c, struct rtmp_chunk_stream *s, size_t n)
{
	if (s->have + n <= s->cap)
		return 0;
	size_t cap = MIN(MAX(s->cap * 2, s->have + n + GROW), s->length);
	if (c->held - s->cap + cap > 2 * c->most)
		return -EMSGSIZE;
	uint8_t *data = realloc(s->data, cap);
	if (!data)
		return -ENOMEM;
	c->held += cap - s->cap;
	s->data = data;
	s->cap = cap;
	return 0;
}

static int end_chunk(struct rtmp_chunks *c, rtmp_message_fn *on, void *arg)
{
	struct rtmp_chunk_stream *s = c->now;

	c->now = NULL;
	if (s->have < s->length)
		return 0;
	/* An empty one has none, and may come first. */
	const uint8_t *data = s->data ? s->data : (const uint8_t *)"";
	struct rtmp_message m = {s->type, s->time_ms, data, s->length};
	s->have = 0;
	return on(arg, &m);
}

int rtmp_chunks_input(struct rtmp_chunks *c, const uint8_t *p, size_t n, rtmp_message_fn *on,
		      void *arg)
{
	int r = 0;

	while (!r && n) {
		size_t take;

		if (!c->now) {
			take = MIN(head_size(c) - c->head_len, n);
			memcpy(c->head + c->head_len, p, take);
			c->head_len += take;
			if (c->head_len == head_size(c))
				r = begin_chunk(c);
		} else {
			take = MIN(c->left, n);
			r = reserve(c, c->now, take);
			if (r)
				return r;
			memcpy(c->now->data + c->now->have, p, take);
			c->now->have += take;
			c->left -= take;
		}
		p += take;
		n -= take;
		if (!r && c->now && !c->left)
			r = end_chunk(c, on, arg);
	}
	return r;
}

int rtmp_chunks_control(struct rtmp_chunks *c, const struct rtmp_message *m)
{
	struct rd r = rd_of(m->data, m->size);
	uint32_t v = rd_u32(&r);

	if (r.bad)
		return -EPROTO;
	if (m->type == SET_CHUNK_SIZE) {
		if (!v || v >> 31)
			return -EPROTO;
		c->size = v;
	} else if (m->type == ABORT) {
		struct rtmp_chunk_stream *s = v ? find(c, v) : NULL;

		if (s)
			s->have = 0;
	}
	return 0;
}
