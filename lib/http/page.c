/* Texts that many ask for: compressed once, when the first one comes who takes it so. Measured on a 4.6 kB playlist:
 * libdeflate 6 makes 529 bytes in 34 us, zlib 5 544 in 145 us, brotli 4 418 in 123 us and 9 hardly less in 1.9 ms. */
#include "http/server.h"

#include <brotli/encode.h>
#include <libdeflate.h>
#include <stdio.h>

#define GZIP_LEVEL 6
#define BROTLI_LEVEL 4
#define BROTLI_WINDOW 18 /* 256 kB */
#define WORTH_IT 256	 /* shorter texts stay as they are */

static struct buf *shrunk(const struct buf *from, size_t n)
{
	return n && n < from->len ? buf_create(n) : NULL;
}

static struct buf *gzip(const struct buf *b)
{
	static struct libdeflate_compressor *c; /* one for the process, for ever: it is large */
	struct buf *out = NULL;

	if (!c)
		c = libdeflate_alloc_compressor(GZIP_LEVEL);
	uint8_t *room = malloc(b->len);
	size_t n = c && room ? libdeflate_gzip_compress(c, b->data, b->len, room, b->len) : 0;
	out = shrunk(b, n);
	if (out)
		memcpy(out->data, room, n);
	free(room);
	return out;
}

static struct buf *brotli(const struct buf *b)
{
	size_t n = b->len;
	struct buf *out = NULL;
	uint8_t *room = malloc(b->len);

	if (!room || !BrotliEncoderCompress(BROTLI_LEVEL, BROTLI_WINDOW, BROTLI_MODE_TEXT, b->len,
					    b->data, &n, room))
		n = 0;
	out = shrunk(b, n);
	if (out)
		memcpy(out->data, room, n);
	free(room);
	return out;
}

void http_page_set(struct http_page *p, struct buf *text)
{
	http_page_finish(p);
	p->body[HTTP_IDENTITY] = buf_ref(text);
}

void http_page_finish(struct http_page *p)
{
	for (size_t i = 0; i < HTTP_CODINGS; i++)
		buf_unref(p->body[i]);
	*p = (struct http_page){0};
}

struct buf *http_page_get(struct http_page *p, enum http_coding *coding)
{
	struct buf *text = p->body[HTTP_IDENTITY];

	if (*coding != HTTP_IDENTITY && text->len >= WORTH_IT && !p->body[*coding] &&
	    !p->tried[*coding]) {
		p->body[*coding] = *coding == HTTP_GZIP ? gzip(text) : brotli(text);
		p->tried[*coding] = true;
	}
	if (!p->body[*coding])
		*coding = HTTP_IDENTITY;
	return p->body[*coding];
}

void http_reply_page(struct http_request *r, const struct http_answer *a, struct http_page *p)
{
	static const char *const names[HTTP_CODINGS] = {NULL, "gzip", "br"};
	enum http_coding coding = HTTP_IDENTITY;
	struct http_text accept;
	struct http_answer own = *a;
	char etag[80];

	/* A range is one of the text as it is. */
	if (request_field(r, "accept-encoding", &accept) &&
	    !request_field(r, "range", &(struct http_text){0}))
		coding = http_coding_choose(accept);
	struct buf *b = http_page_get(p, &coding);
	struct slice s = {b, 0, b->len};
	own.body = &s;
	own.n = 1;
	own.encoding = names[coding];
	own.vary = true;
	if (a->etag && coding &&
	    strlen(a->etag) < sizeof(etag) - 8) { /* other bytes, another tag */
		snprintf(etag, sizeof(etag), "%.*s-%s\"", (int)strlen(a->etag) - 1, a->etag,
			 names[coding]);
		own.etag = etag;
	}
	http_reply(r, &own);
}
