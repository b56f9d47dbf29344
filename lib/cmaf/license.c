#include "cmaf/license.h"

#include <errno.h>
#include <string.h>

#include "cmaf/secret.h"

#define DEPTH 16 /* of what a member may hold */

struct json {
	const char *p, *end;
};

static char peek(struct json *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\r' || *j->p == '\n'))
		j->p++;
	return j->p < j->end ? *j->p : 0;
}

static bool next_is(struct json *j, char c)
{
	if (peek(j) != c)
		return false;
	j->p++;
	return true;
}

/* With its escapes as they are: none of ours has one. */
static bool read_string(struct json *j, const char **s, size_t *n)
{
	if (!next_is(j, '"'))
		return false;
	for (*s = j->p; j->p < j->end && *j->p != '"'; j->p++) {
		if ((unsigned char)*j->p < 0x20)
			return false;
		if (*j->p == '\\' && ++j->p == j->end)
			return false;
	}
	*n = (size_t)(j->p - *s);
	return next_is(j, '"');
}

static bool skip_word(struct json *j)
{
	const char *from = j->p;

	while (j->p < j->end && *j->p && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *j->p))
		j->p++;
	return j->p > from;
}

static bool skip_value(struct json *j, int depth)
{
	char open = peek(j), close = open == '{' ? '}' : ']';
	const char *s;
	size_t n;

	if (open == '"')
		return read_string(j, &s, &n);
	if (open != '{' && open != '[')
		return skip_word(j);
	if (depth == DEPTH)
		return false;
	j->p++;
	if (next_is(j, close))
		return true;
	do {
		if (open == '{' && (!read_string(j, &s, &n) || !next_is(j, ':')))
			return false;
		if (!skip_value(j, depth + 1))
			return false;
	} while (next_is(j, ','));
	return next_is(j, close);
}

static int read_kids(struct json *j, uint8_t kid[LICENSE_KIDS][16])
{
	const char *s;
	size_t n;
	int count = 0;

	if (!next_is(j, '['))
		return -EINVAL;
	if (next_is(j, ']'))
		return 0;
	do {
		if (!read_string(j, &s, &n))
			return -EINVAL;
		if (count == LICENSE_KIDS)
			return -E2BIG;
		count += cmaf_secret_id(s, n, kid[count]);
	} while (next_is(j, ','));
	return next_is(j, ']') ? count : -EINVAL;
}

int license_read(const char *p, size_t n, uint8_t kid[LICENSE_KIDS][16])
{
	struct json j = {p, p + n};
	int count = -EINVAL;
	const char *s;
	size_t len;
	bool kids;

	if (!next_is(&j, '{'))
		return -EINVAL;
	do {
		if (!read_string(&j, &s, &len) || !next_is(&j, ':'))
			return -EINVAL;
		kids = len == 4 && !memcmp(s, "kids", 4);
		if (kids && count >= 0) /* twice: whose is meant? */
			return -EINVAL;
		if (kids)
			count = read_kids(&j, kid);
		else if (!skip_value(&j, 0))
			return -EINVAL;
		if (kids && count < 0)
			return count;
	} while (next_is(&j, ','));
	return next_is(&j, '}') && !peek(&j) && j.p == j.end ? count : -EINVAL;
}
