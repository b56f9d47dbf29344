#include "buf/buf.h"

#include <stdatomic.h>

struct buf *buf_create(size_t len)
{
	struct buf *b = len > SIZE_MAX / 2 ? NULL : malloc(sizeof(*b) + len + BUF_PADDING);

	if (!b)
		return NULL;
	atomic_init(&b->refs, 1);
	b->len = len;
	memset(b->data + len, 0, BUF_PADDING);
	return b;
}

struct buf *buf_copy(const void *data, size_t len)
{
	struct buf *b = buf_create(len);

	if (b && len)
		memcpy(b->data, data, len);
	return b;
}

struct buf *buf_close(FILE *f, char **text, const size_t *n)
{
	bool bad = ferror(f) != 0;

	bad |= fclose(f) != 0;
	struct buf *b = bad ? NULL : buf_copy(*text, *n);
	free(*text);
	return b;
}

struct buf *buf_ref(struct buf *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void buf_unref(struct buf *b)
{
	if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}

struct slice slice_of(struct buf *b, size_t off, size_t len)
{
	off = MIN(off, b->len);
	return (struct slice){buf_ref(b), off, MIN(len, b->len - off)};
}

void slice_finish(struct slice *s)
{
	buf_unref(s->buf);
	*s = (struct slice){0};
}
