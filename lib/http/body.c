#include "http/body.h"

#include <ctype.h>
#include <errno.h>

#define DIGITS 8     /* of a chunk's size */
#define BESIDE 1024u /* bytes of extensions and trailers in all */

/* Where a chunked body stands. */
enum {
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER, /* at the beginning of a line behind the last chunk */
	FIELD,
	FIELD_LF,
	END_LF,
};

void http_body_begin(struct http_body *b, bool chunked, uint64_t length, size_t max)
{
	*b = (struct http_body){.chunked = chunked, .left = chunked ? 0 : length, .max = max};
	b->done = !chunked && !length;
}

void http_body_finish(struct http_body *b)
{
	free(b->data);
	*b = (struct http_body){.done = true};
}

/* ---- bytes of it ---- */

static int add(struct http_body *b, const char *p, size_t n)
{
	if (n > b->max - b->n)
		return -413;
	if (b->n + n >= b->cap) {
		size_t cap = MAX(MIN(MAX(2 * b->cap, (size_t)256), b->max + 1), b->n + n + 1);
		char *data = realloc(b->data, cap);

		if (!data)
			return -ENOMEM;
		b->data = data;
		b->cap = cap;
	}
	memcpy(b->data + b->n, p, n);
	b->n += n;
	b->data[b->n] = 0;
	return 0;
}

static ssize_t take_plain(struct http_body *b, const char *p, size_t n)
{
	size_t k = (size_t)MIN((uint64_t)n, b->left);
	int rc = add(b, p, k);

	if (rc)
		return rc;
	if (b->left != HTTP_BODY_OPEN)
		b->left -= k;
	return (ssize_t)k;
}

/* ---- chunks ---- */

static int digit(char c)
{
	return c >= '0' && c <= '9'	    ? c - '0'
	       : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
					    : -1;
}

static int in_size(struct http_body *b, char c)
{
	int v = digit(c);

	if (v >= 0) {
		if (b->seen++ == DIGITS)
			return -413;
		b->left = b->left << 4 | (unsigned)v;
		return 0;
	}
	if (!b->seen || (c != ';' && c != '\r'))
		return -400;
	b->state = c == '\r' ? SIZE_LF : EXTENSION;
	return b->left > b->max - b->n ? -413 : 0;
}

/* What is read over: up to a CR. */
static int beside(struct http_body *b, char c, int next)
{
	if (c == '\r')
		b->state = next;
	else if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
		return -400;
	return 0;
}

static int expect(struct http_body *b, char c, char want, int next)
{
	b->state = next;
	return c == want ? 0 : -400;
}

static int step(struct http_body *b, char c)
{
	switch (b->state) {
	case SIZE:
		return in_size(b, c);
	case EXTENSION:
		return beside(b, c, SIZE_LF);
	case SIZE_LF:
		b->seen = 0;
		return expect(b, c, '\n', b->left ? DATA : TRAILER);
	case DATA_CR:
		return expect(b, c, '\r', DATA_LF);
	case DATA_LF:
		return expect(b, c, '\n', SIZE);
	case TRAILER:
		b->state = c == '\r' ? END_LF : FIELD;
		return c == '\r' ? 0 : beside(b, c, FIELD);
	case FIELD:
		return beside(b, c, FIELD_LF);
	case FIELD_LF:
		return expect(b, c, '\n', TRAILER);
	default:
		b->done = c == '\n';
		return b->done ? 0 : -400;
	}
}

static ssize_t take_chunks(struct http_body *b, const char *p, size_t n)
{
	size_t at = 0;
	int rc = 0;

	while (at < n && !b->done && !rc) {
		if (b->state == DATA) {
			size_t k = (size_t)MIN((uint64_t)(n - at), b->left);

			rc = add(b, p + at, k);
			at += k;
			b->left -= k;
			b->state = b->left ? DATA : DATA_CR;
		} else {
			bool over = b->state == EXTENSION || b->state == FIELD;

			b->beside += over;
			rc = b->beside > BESIDE ? -413 : step(b, p[at++]);
		}
	}
	return rc ? rc : (ssize_t)at;
}

ssize_t http_body_take(struct http_body *b, const char *p, size_t n)
{
	if (b->done)
		return 0;
	if (b->chunked)
		return take_chunks(b, p, n);
	ssize_t k = take_plain(b, p, n);
	b->done = k >= 0 && !b->left;
	return k;
}
