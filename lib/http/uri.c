#include "http/parse.h"

#include <errno.h>
#include <strings.h>
#include <time.h>

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* The next character of percent-encoded text; -1 when its encoding is broken. */
static int decode(const char **p, const char *end)
{
	if (**p != '%')
		return (unsigned char)*(*p)++;
	if (end - *p < 3 || hex((*p)[1]) < 0 || hex((*p)[2]) < 0)
		return -1;
	int c = hex((*p)[1]) << 4 | hex((*p)[2]);
	*p += 3;
	return c;
}

/* Takes the last segment off out, which holds n bytes and ends in '/'; the new length, 0 when there
 * is none. */
static size_t climb(const char *out, size_t n)
{
	if (n <= 1)
		return 0;
	for (n--; n && out[n - 1] != '/'; n--)
		;
	return n;
}

/* out[from..n) is a segment that just ended. Returns the new length, 0 for an error. */
static size_t end_segment(const char *out, size_t from, size_t n)
{
	if (n - from == 1 && out[from] == '.')
		return from;
	if (n - from == 2 && out[from] == '.' && out[from + 1] == '.')
		return climb(out, from);
	return n;
}

int http_path_normalise(struct http_text raw, char *out, size_t cap)
{
	const char *p = raw.p, *end = raw.p + raw.n;
	size_t n = 0, from = 1;

	if (!raw.n || *p != '/' || cap < 2)
		return -400;
	out[n++] = *p++;
	while (p < end) {
		bool plain = *p != '%';
		int c = decode(&p, end);

		if (c < 0x20 || c == 0x7f || c == '\\' || (c == '/' && !plain))
			return -400;
		if (c == '/') {
			n = end_segment(out, from, n);
			if (!n)
				return -400;
			if (out[n - 1] == '/') {
				from = n;
				continue;
			}
			from = n + 1;
		}
		if (n + 1 >= cap)
			return -414;
		out[n++] = (char)c;
	}
	n = end_segment(out, from, n);
	out[n] = 0;
	return n ? 0 : -400;
}

int http_query_get(const char *query, const char *name, char *out, size_t cap)
{
	size_t len = strlen(name);

	for (const char *p = query; *p; p += *p == '&') {
		const char *end = p + strcspn(p, "&");

		if (strncmp(p, name, len) || (p[len] != '=' && p + len != end)) {
			p = end;
			continue;
		}
		p += len + (p[len] == '=');
		size_t n = 0;
		while (p < end) {
			int c = decode(&p, end);

			if (c <= 0 || n + 1 >= cap)
				return -EINVAL;
			out[n++] = (char)c;
		}
		out[n] = 0;
		return (int)n;
	}
	return -ENOENT;
}

static bool read_u64(const char **p, const char *end, uint64_t *v)
{
	const char *start = *p;

	for (*v = 0; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		if (*v > (UINT64_MAX - 9) / 10)
			return false;
		*v = *v * 10 + (uint64_t)(**p - '0');
	}
	return *p > start;
}

int http_range_parse(struct http_text value, uint64_t size, uint64_t *first, uint64_t *last)
{
	const char *p = value.p + 6, *end = value.p + value.n;
	uint64_t a, b = UINT64_MAX;

	if (value.n < 8 || strncasecmp(value.p, "bytes=", 6))
		return 0;
	if (*p == '-') {
		p++;
		if (!read_u64(&p, end, &b) || p != end)
			return 0;
		if (!b || !size)
			return -416;
		*first = b < size ? size - b : 0;
		*last = size - 1;
		return 1;
	}
	if (!read_u64(&p, end, &a) || p == end || *p++ != '-')
		return 0;
	if (p < end && (!read_u64(&p, end, &b) || p != end || b < a))
		return 0;
	if (a >= size)
		return -416;
	*first = a;
	*last = MIN(b, size - 1);
	return 1;
}

int64_t http_date_parse(struct http_text t)
{
	char text[40];
	struct tm tm = {0};

	if (t.n >= sizeof(text))
		return -1;
	memcpy(text, t.p, t.n);
	text[t.n] = 0;
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return end && !*end ? timegm(&tm) : -1;
}

bool http_etag_match(struct http_text list, const char *etag)
{
	const char *p = list.p, *end = list.p + list.n;
	size_t len = strlen(etag);

	if (list.n == 1 && *p == '*')
		return true;
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *e = comma ? comma : end;

		while (p < e && (*p == ' ' || *p == '\t'))
			p++;
		while (e > p && (e[-1] == ' ' || e[-1] == '\t'))
			e--;
		if (e - p > 2 && p[0] == 'W' && p[1] == '/')
			p += 2;
		if ((size_t)(e - p) == len && !memcmp(p, etag, len))
			return true;
		p = comma ? comma + 1 : end;
	}
	return false;
}
