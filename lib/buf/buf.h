/* buf: immutable bytes with a reference count, shared between threads and between the readers of a fan-out
 * without copies. Whoever creates a buf fills it before anyone else sees it; after that nobody writes. */
#ifndef GEX_BUF_H
#define GEX_BUF_H

#include <stdio.h>

#include "base/base.h"

struct buf {
	_Atomic int refs;
	size_t len;
	uint8_t data[]; /* len bytes, then BUF_PADDING zero bytes */
};

/* Readers of bit streams (codecs) may look this far past the end. */
#define BUF_PADDING 64

/* len bytes, not yet set. NULL without memory. The caller owns one reference. */
struct buf *buf_create(size_t len);
struct buf *buf_copy(const void *data, size_t len);
/* What was written to f, which open_memstream(3) has made of text and n; all three are over. NULL without memory. */
struct buf *buf_close(FILE *f, char **text, const size_t *n) MUST_USE;
/* Returns b with one reference more. */
struct buf *buf_ref(struct buf *b);
/* Gives one reference up; the last frees. NULL is allowed. */
void buf_unref(struct buf *b);

/* A part of a buf; owns a reference to it. */
struct slice {
	struct buf *buf;
	size_t off, len;
};

static inline const uint8_t *slice_data(const struct slice *s)
{
	return s->buf->data + s->off;
}

/* Takes a reference of its own to b; off and len are cut to what b has. */
struct slice slice_of(struct buf *b, size_t off, size_t len);
void slice_finish(struct slice *s);

#endif
