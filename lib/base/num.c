#include "base/base.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

struct unit {
	const char *name;
	double factor;
};

int num_int(const char *s, int64_t *out)
{
	char *end;

	if (!*s || isspace((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	if (*end || end == s)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*out = v;
	return 0;
}

/* Plain decimals only: strtod alone would take "inf", "nan" and hex floats too. */
static int decimal(const char *s, const char **end, double *out)
{
	size_t n = strspn(s, "0123456789.");

	if (!n || (n == 1 && *s == '.') || n > 30)
		return -EINVAL;
	char *stop;
	*out = strtod(s, &stop);
	if (stop != s + n)
		return -EINVAL;
	*end = stop;
	return 0;
}

static int scaled(const char *s, const struct unit *units, size_t n, int64_t *out)
{
	const char *end;
	double v;
	int rc = decimal(s, &end, &v);

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(end, units[i].name))
			continue;
		v = round(v * units[i].factor);
		if (v > 9e18)
			return -ERANGE;
		*out = (int64_t)v;
		return 0;
	}
	return -EINVAL;
}

int num_duration(const char *s, int64_t *out_us)
{
	static const struct unit units[] = {{"", 1e6},	 {"us", 1},	{"ms", 1e3},   {"s", 1e6},
					    {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}};

	return scaled(s, units, ARRAY_LEN(units), out_us);
}

int num_size(const char *s, int64_t *out)
{
	static const struct unit units[] = {
	    {"", 1}, {"k", 1024}, {"K", 1024}, {"M", 1048576.0}, {"G", 1073741824.0}};

	return scaled(s, units, ARRAY_LEN(units), out);
}

int num_rate(const char *s, int64_t *out_bps)
{
	static const struct unit units[] = {
	    {"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}};

	return scaled(s, units, ARRAY_LEN(units), out_bps);
}

int num_bool(const char *s, bool *out)
{
	static const char *const names[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!strcmp(s, names[i])) {
			*out = i & 1;
			return 0;
		}
	}
	return -EINVAL;
}

/* The rates of broadcasting that people round: 29.97 means 30000/1001. */
static struct ratio ntsc_or(double v)
{
	int64_t up = (int64_t)ceil(v);

	if (v < (double)up && fabs(v - (double)up * 1000 / 1001) < 0.005)
		return (struct ratio){up * 1000, 1001};
	int64_t den = v == (double)up ? 1 : 1000;
	return (struct ratio){(int64_t)round(v * (double)den), den};
}

int num_ratio(const char *s, struct ratio *out)
{
	const char *end;
	double v;
	int rc = decimal(s, &end, &v);

	if (rc)
		return rc;
	if (*end == '/') {
		int64_t num, den;
		char *first = str_ndup(s, (size_t)(end - s));

		if (!first)
			return -ENOMEM;
		rc = num_int(first, &num);
		free(first);
		if (rc || num_int(end + 1, &den))
			return -EINVAL;
		if (num <= 0 || den <= 0 || num > INT32_MAX || den > INT32_MAX)
			return -ERANGE;
		*out = (struct ratio){num, den};
		return 0;
	}
	if (*end)
		return -EINVAL;
	if (v <= 0 || v > 1e6)
		return -ERANGE;
	*out = ntsc_or(v);
	return 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

int num_hex(const char *s, uint8_t *out, size_t n)
{
	while (isspace((unsigned char)*s))
		s++;
	for (size_t i = 0; i < n; i++, s += 2) {
		int hi = hex_digit(s[0]), lo = hi < 0 ? -1 : hex_digit(s[1]);

		if (lo < 0)
			return -EINVAL;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	while (isspace((unsigned char)*s))
		s++;
	return *s ? -EINVAL : 0;
}

int64_t base_floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t base_scale(int64_t v, int64_t num, int64_t den)
{
	int64_t half = den / 2, near;
	__int128 p;

	/* A division of 64 bits where that is enough: pacing asks several times for each datagram. */
	if (!__builtin_mul_overflow(v, num, &near) &&
	    !__builtin_add_overflow(near, near < 0 ? -half : half, &near))
		return near / den;
	p = (__int128)v * num;
	return (int64_t)((p < 0 ? p - half : p + half) / den);
}

int64_t base_rescale(int64_t v, struct ratio from, struct ratio to)
{
	return base_scale(v, from.num * to.den, from.den * to.num);
}
