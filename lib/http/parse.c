#include "http/parse.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

/* ---- finding the end ---- */

ssize_t http_head_find(const char *p, size_t n, size_t *seen)
{
	size_t i = *seen;

	if (!i && n && !isupper((unsigned char)p[0]))
		return -400;
	for (; i < n && i < HTTP_HEAD_MAX; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\n') {
			if (!i || p[i - 1] != '\r')
				return -400;
			if (i >= 3 && p[i - 2] == '\n')
				return (ssize_t)i + 1;
		} else if ((i && p[i - 1] == '\r') || (c < 0x20 && c != '\r' && c != '\t') ||
			   c == 0x7f) {
			return -400;
		}
	}
	*seen = i;
	return i >= HTTP_HEAD_MAX ? -431 : 0;
}

/* ---- the request line ---- */

static bool text_is(struct http_text t, const char *s)
{
	return t.n == strlen(s) && !strncasecmp(t.p, s, t.n);
}

static bool is_token(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

int http_method_parse(struct http_text t, enum http_method *out)
{
	static const char *const known[] = {"PUT", "DELETE", "PATCH", "CONNECT", "TRACE"};

	if (t.n == 3 && !memcmp(t.p, "GET", 3))
		*out = HTTP_GET;
	else if (t.n == 4 && !memcmp(t.p, "HEAD", 4))
		*out = HTTP_HEAD;
	else if (t.n == 4 && !memcmp(t.p, "POST", 4))
		*out = HTTP_POST;
	else if (t.n == 7 && !memcmp(t.p, "OPTIONS", 7))
		*out = HTTP_OPTIONS;
	else {
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (t.n == strlen(known[i]) && !memcmp(t.p, known[i], t.n))
				return -405;
		for (size_t i = 0; i < t.n; i++)
			if (!is_token((unsigned char)t.p[i]))
				return -400;
		return -501;
	}
	return 0;
}

static int parse_version(struct http_head *h, struct http_text t)
{
	if (t.n != 8 || memcmp(t.p, "HTTP/", 5) || !isdigit((unsigned char)t.p[5]) ||
	    t.p[6] != '.' || !isdigit((unsigned char)t.p[7]))
		return -400;
	if (t.p[5] != '1')
		return -505;
	h->minor = t.p[7] == '0' ? 0 : 1;
	h->keep_alive = h->minor == 1;
	return 0;
}

/* absolute-form (RFC 9112, 3.2.2) is cut to its path; its authority stands for Host and is not
 * otherwise used. */
static struct http_text without_authority(struct http_text t)
{
	size_t skip = t.n > 7 && !strncasecmp(t.p, "http://", 7)    ? 7
		      : t.n > 8 && !strncasecmp(t.p, "https://", 8) ? 8
								    : 0;

	if (!skip)
		return t;
	while (skip < t.n && t.p[skip] != '/')
		skip++;
	return (struct http_text){t.p + skip, t.n - skip};
}

int http_target_split(struct http_text t, struct http_text *path, struct http_text *query)
{
	if (t.n > HTTP_TARGET_MAX)
		return -414;
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] <= 0x20 || t.p[i] >= 0x7f || t.p[i] == '#')
			return -400;
	if (!t.n || *t.p != '/')
		return -400;
	const char *q = memchr(t.p, '?', t.n);
	*path = (struct http_text){t.p, q ? (size_t)(q - t.p) : t.n};
	*query = q ? (struct http_text){q + 1, (size_t)(t.p + t.n - q - 1)}
		   : (struct http_text){t.p + t.n, 0};
	return 0;
}

static int parse_target(struct http_head *h, struct http_text t)
{
	if (t.n == 1 && *t.p == '*' && h->method == HTTP_OPTIONS) {
		h->path = t;
		h->query = (struct http_text){t.p + 1, 0};
		return 0;
	}
	if (t.n > HTTP_TARGET_MAX)
		return -414;
	return http_target_split(without_authority(t), &h->path, &h->query);
}

static int parse_request_line(struct http_head *h, struct http_text line)
{
	const char *end = line.p + line.n;
	const char *a = memchr(line.p, ' ', line.n);
	const char *b = a ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;

	if (!b || a == line.p || memchr(b + 1, ' ', (size_t)(end - b - 1)))
		return -400;
	int rc = parse_version(h, (struct http_text){b + 1, (size_t)(end - b - 1)});
	if (!rc)
		rc =
		    http_method_parse((struct http_text){line.p, (size_t)(a - line.p)}, &h->method);
	return rc ? rc : parse_target(h, (struct http_text){a + 1, (size_t)(b - a - 1)});
}

/* ---- fields ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_text trimmed(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	while (end > p && is_space(end[-1]))
		end--;
	return (struct http_text){p, (size_t)(end - p)};
}

static int parse_field(struct http_head *h, struct http_text line)
{
	const char *colon = memchr(line.p, ':', line.n);

	if (!colon || colon == line.p)
		return -400;
	for (const char *c = line.p; c < colon; c++)
		if (!is_token((unsigned char)*c))
			return -400; /* also a folded line and "Name :" */
	for (const char *c = colon + 1; c < line.p + line.n; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return -400;
	if (h->n == HTTP_FIELDS_MAX)
		return -431;
	h->field[h->n].name = (struct http_text){line.p, (size_t)(colon - line.p)};
	h->field[h->n++].value = trimmed(colon + 1, line.p + line.n);
	return 0;
}

const struct http_text *http_head_field(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (text_is(h->field[i].name, name))
			return &h->field[i].value;
	return NULL;
}

static size_t count_fields(const struct http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += text_is(h->field[i].name, name);
	return n;
}

static int check_host(struct http_head *h)
{
	const struct http_text *host = http_head_field(h, "host");

	if (count_fields(h, "host") > 1 || (!host && h->minor == 1))
		return -400;
	for (size_t i = 0; host && i < host->n; i++)
		if (!isalnum((unsigned char)host->p[i]) && !strchr(".-_:[]", host->p[i]))
			return -400;
	if (host)
		h->host = *host;
	return 0;
}

/* -413 beyond what any body may have. */
static int read_length(struct http_text t, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < t.n; i++) {
		if (!isdigit((unsigned char)t.p[i]))
			return -400;
		if (*out > UINT32_MAX)
			return -413;
		*out = *out * 10 + (uint64_t)(t.p[i] - '0');
	}
	return t.n ? 0 : -400;
}

/* Who would have another read a body where we read none, or none where we do, is refused. */
static int check_body(struct http_head *h)
{
	const struct http_text *len = http_head_field(h, "content-length"),
			       *coding = http_head_field(h, "transfer-encoding"),
			       *expect = http_head_field(h, "expect");
	bool post = h->method == HTTP_POST;
	int rc = 0;

	h->has_length = len;
	h->chunked = coding;
	h->length = 0;
	h->waits = expect && h->minor && text_is(*expect, "100-continue");
	if (count_fields(h, "content-length") > 1 || count_fields(h, "transfer-encoding") > 1 ||
	    (coding && (len || !post || !h->minor)))
		return -400;
	if (coding && !text_is(*coding, "chunked"))
		return -501;
	if (len)
		rc = read_length(*len, &h->length);
	return rc ? rc : h->length && !post ? -413 : 0;
}

static void read_connection(struct http_head *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (!text_is(h->field[i].name, "connection"))
			continue;
		const char *p = h->field[i].value.p, *end = p + h->field[i].value.n;

		while (p < end) {
			const char *comma = memchr(p, ',', (size_t)(end - p));
			struct http_text t = trimmed(p, comma ? comma : end);

			if (text_is(t, "close")) {
				h->keep_alive = false;
				return;
			}
			if (text_is(t, "keep-alive"))
				h->keep_alive = true;
			p = comma ? comma + 1 : end;
		}
	}
}

int http_head_parse(struct http_head *h, const char *p, size_t n)
{
	const char *end = p + n;
	bool first = true;

	h->n = 0;
	h->method = HTTP_GET;
	h->host = (struct http_text){p, 0};
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (!lf || lf == p || lf[-1] != '\r')
			return -400;
		struct http_text line = {p, (size_t)(lf - 1 - p)};
		if (!line.n && (first || lf + 1 != end))
			return -400;
		if (memchr(line.p, '\r', line.n) || memchr(line.p, 0, line.n))
			return -400;
		int rc = first ? parse_request_line(h, line) : line.n ? parse_field(h, line) : 0;
		if (rc)
			return rc;
		first = false;
		p = lf + 1;
	}
	int rc = first ? -400 : check_host(h);
	if (!rc)
		rc = check_body(h);
	if (!rc)
		read_connection(h);
	return rc;
}
