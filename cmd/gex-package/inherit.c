/* A viewer's token into the addresses of a text. */
#include <stdio.h>

#include "package.h"

/* Length of the address at s, up to its closing quote, the next element or the end of its line. */
static size_t address(const char *s)
{
	return strcspn(s, "\"\n<");
}

/* On another host, like a key server, to whom a token is none of its business. */
static bool is_elsewhere(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	return s[n] == ':' || str_starts(s, "//");
}

/* Where the next address begins, or NULL. HLS: a line that is no tag, or URI="; MPD: media=", initialization=",
 * the value of UTCTiming, which is a path, and where ClearKey gets its license. */
static const char *next_address(const char *s, const char *text, bool mpd)
{
	static const char *const marks[] = {" media=\"", " initialization=\"", " value=\"/",
					    "<dashif:Laurl>"};
	const char *best = NULL;

	for (size_t i = 0; mpd && i < ARRAY_LEN(marks); i++) {
		const char *at = strstr(s, marks[i]);

		if (at && (!best || at < best))
			best = at;
	}
	if (mpd)
		return best ? strpbrk(best, "\">") + 1 : NULL;
	for (; *s; s++) {
		bool begins = s == text || s[-1] == '\n';

		if (begins && *s != '#' && *s != '\n')
			return s;
		if (s > text && (s[-1] == ':' || s[-1] == ',') && str_starts(s, "URI=\""))
			return s + strlen("URI=\"");
	}
	return NULL;
}

struct buf *text_inherit(const struct buf *from, const char *token, bool mpd)
{
	char *out = NULL, *text = str_ndup((const char *)from->data, from->len);
	size_t n = 0;
	FILE *f = text ? open_memstream(&out, &n) : NULL;

	if (!f) {
		free(text);
		return NULL;
	}
	const char *s = text, *at;
	while ((at = next_address(s, text, mpd))) {
		const char *end = at + address(at);
		bool has_query = memchr(at, '?', (size_t)(end - at));

		fwrite(s, 1, (size_t)(end - s), f);
		if (!is_elsewhere(at))
			fprintf(f, "%stoken=%s", !has_query ? "?" : mpd ? "&amp;" : "&", token);
		s = end;
	}
	fputs(s, f);
	free(text);
	return buf_close(f, &out, &n);
}
