#include "http/parse.h"

#include <strings.h>

/* A q value in thousandths (RFC 9110, section 12.4.2); -1 when it is none. */
static int read_q(const char *p, const char *end)
{
	int q, unit = 100;

	if (p == end || (*p != '0' && *p != '1'))
		return -1;
	q = (*p++ - '0') * 1000;
	if (p < end && *p++ != '.')
		return -1;
	for (; p < end; p++, unit /= 10) {
		if (*p < '0' || *p > '9' || !unit)
			return -1;
		q += (*p - '0') * unit;
	}
	return q <= 1000 ? q : -1;
}

static bool is(struct http_text t, const char *s)
{
	return t.n == strlen(s) && !strncasecmp(t.p, s, t.n);
}

static struct http_text trim(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct http_text){p, (size_t)(end - p)};
}

/* One item: "gzip", "br;q=0.5". The q value, -1 when it is damaged. */
static int read_item(const char *p, const char *end, struct http_text *name)
{
	const char *semi = memchr(p, ';', (size_t)(end - p));

	*name = trim(p, semi ? semi : end);
	if (!semi)
		return 1000;
	struct http_text t = trim(semi + 1, end);
	if (t.n < 3 || (*t.p != 'q' && *t.p != 'Q') || t.p[1] != '=')
		return -1;
	return read_q(t.p + 2, t.p + t.n);
}

enum http_coding http_coding_choose(struct http_text accept)
{
	int q[HTTP_CODINGS] = {-1, -1, -1}, any = -1; /* -1: not named */
	const char *p = accept.p, *end = accept.p + accept.n;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct http_text name;
		int v = read_item(p, comma ? comma : end, &name);

		if (v >= 0 && is(name, "br"))
			q[HTTP_BROTLI] = v;
		else if (v >= 0 && (is(name, "gzip") || is(name, "x-gzip")))
			q[HTTP_GZIP] = v;
		else if (v >= 0 && is(name, "identity"))
			q[HTTP_IDENTITY] = v;
		else if (v >= 0 && is(name, "*"))
			any = v;
		p = comma ? comma + 1 : end;
	}
	enum http_coding best = HTTP_IDENTITY;
	int best_q = q[HTTP_IDENTITY] >= 0 ? q[HTTP_IDENTITY] : 0; /* not named: the last resort */
	for (enum http_coding c = HTTP_GZIP; c < HTTP_CODINGS; c++) {
		int v = q[c] >= 0 ? q[c] : MAX(any, 0);

		if (v && v >= best_q) {
			best = c;
			best_q = v;
		}
	}
	return best;
}
