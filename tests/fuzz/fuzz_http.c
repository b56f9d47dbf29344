/* A request head of any bytes, in one piece and byte by byte; what is accepted obeys the laws that
 * the server relies on. */
#include <assert.h>

#include "http/body.h"
#include "http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_path(struct http_text raw)
{
	char out[HTTP_TARGET_MAX + 1], again[HTTP_TARGET_MAX + 1];

	if (http_path_normalise(raw, out, sizeof(out)))
		return;
	assert(*out == '/');
	assert(!strstr(out, "//") && !strstr(out, "/../") && !strstr(out, "/./"));
	size_t len = strlen(out);
	assert(len < 3 || strcmp(out + len - 3, "/.."));
	if (!strchr(out, '%')) {
		assert(!http_path_normalise((struct http_text){out, len}, again, sizeof(again)));
		assert(!strcmp(out, again));
	}
}

static void check_query(struct http_text raw)
{
	char query[HTTP_TARGET_MAX + 1], out[32];

	memcpy(query, raw.p, raw.n);
	query[raw.n] = 0;
	int len = http_query_get(query, "_HLS_msn", out, sizeof(out));
	assert(len < 0 || strlen(out) == (size_t)len);
}

static void check_head(const char *p, size_t n)
{
	struct http_head h;
	uint64_t first, last;

	if (http_head_parse(&h, p, n))
		return;
	assert(h.n <= HTTP_FIELDS_MAX);
	bool coded = http_head_field(&h, "transfer-encoding");
	assert(coded == h.chunked && (!coded || (h.method == HTTP_POST && !h.has_length)));
	assert(h.method == HTTP_POST || !h.length);
	assert(h.minor == 0 || h.host.p);
	for (size_t i = 0; i < h.n; i++) {
		assert(h.field[i].name.n && !memchr(h.field[i].value.p, '\n', h.field[i].value.n));
		assert(h.field[i].value.p + h.field[i].value.n <= p + n);
	}
	check_path(h.path);
	check_query(h.query);
	const struct http_text *range = http_head_field(&h, "range");
	if (range && http_range_parse(*range, 1000, &first, &last) == 1)
		assert(first <= last && last < 1000);
	const struct http_text *etag = http_head_field(&h, "if-none-match");
	if (etag)
		http_etag_match(*etag, "\"abc\"");
}

/* Of any bytes, whole and in pieces of one: the same bytes are taken, and the same are in it. */
static void check_body(const char *p, size_t n, bool chunked, uint64_t length)
{
	struct http_body a, b;
	ssize_t all, one = 0;
	size_t at = 0;

	http_body_begin(&a, chunked, length, 300);
	http_body_begin(&b, chunked, length, 300);
	all = http_body_take(&a, p, n);
	while (at < n && !b.done && (one = http_body_take(&b, p + at, 1)) > 0)
		at += (size_t)one;
	assert((all < 0) == (one < 0) && (all >= 0 || all == one));
	if (all >= 0) {
		assert((size_t)all == at && a.done == b.done && a.n == b.n && a.n <= 300);
		assert(!a.n || (!memcmp(a.data, b.data, a.n) && !a.data[a.n]));
	}
	http_body_finish(&a);
	http_body_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data;
	size_t seen = 0, at = 0;
	ssize_t whole = http_head_find(p, n, &at), piece = 0;

	for (size_t i = 1; i <= n && !piece; i++)
		piece = http_head_find(p, i, &seen);
	assert(piece == whole || !n);
	if (whole > 0) {
		assert((size_t)whole <= n);
		check_head(p, (size_t)whole);
	}
	check_body(p, n, true, 0);
	check_body(p, n, false, n / 2);
	if (n <= HTTP_TARGET_MAX)
		check_path((struct http_text){p, n});
	return 0;
}
