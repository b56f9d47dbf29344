#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int vec_reserve_(void **at, size_t *cap, size_t want, size_t size)
{
	if (want <= *cap)
		return 0;
	size_t n = *cap ? *cap * 2 : 8;
	void *p = realloc(*at, (n < want ? want : n) * size);

	if (!p)
		return -ENOMEM;
	*at = p;
	*cap = n < want ? want : n;
	return 0;
}

char *str_ndup(const char *s, size_t n)
{
	char *d = malloc(n + 1);

	if (d) {
		memcpy(d, s, n);
		d[n] = 0;
	}
	return d;
}

char *str_format(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool str_copy(char *dst, size_t cap, const char *src)
{
	size_t n = strlen(src);

	if (cap) {
		memcpy(dst, src, MIN(n, cap - 1));
		dst[MIN(n, cap - 1)] = 0;
	}
	return n < cap;
}
