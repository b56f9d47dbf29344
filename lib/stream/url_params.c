/* The parameters of a URL of gex-url(7), behind its question mark: the table of them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stream/url.h"

int url_fail(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, MEDIA_ERR, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'		    ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* Percent-decodes n bytes into a string of its own. NULL and a reason in err. */
static char *decode(const char *s, size_t n, const char *name, char *err)
{
	char *out = malloc(n + 1), *w = out;

	if (!out) {
		url_fail(err, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		int hi, lo;

		if (s[i] != '%') {
			*w++ = s[i];
			continue;
		}
		hi = i + 1 < n ? hex_digit(s[i + 1]) : -1;
		lo = i + 2 < n ? hex_digit(s[i + 2]) : -1;
		if (hi < 0 || lo < 0 || !(hi | lo)) {
			free(out);
			url_fail(err, "parameter '%s': bad percent escape", name);
			return NULL;
		}
		*w++ = (char)(hi << 4 | lo);
		i += 2;
	}
	*w = 0;
	return out;
}

#define IN(s) (1u << (s))

static int set_str(char **dst, char *value)
{
	free(*dst);
	*dst = strdup(value);
	return *dst ? 0 : -ENOMEM;
}

static int set_format(struct stream_url *u, char *v, char *err)
{
	static const char *const known[] = {"nut", "mpegts", "flv", "mp4", "matroska"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(v, known[i]))
			return set_str(&u->format, v);
	return url_fail(err, "format '%s' is not one of nut, mpegts, flv, mp4, matroska", v);
}

static int set_bool(bool *dst, const char *name, const char *v, char *err)
{
	return num_bool(v, dst) ? url_fail(err, "%s=%s is neither 1 nor 0", name, v) : 0;
}

static int set_realtime(struct stream_url *u, char *v, char *err)
{
	bool on = false;
	int r = set_bool(&on, "realtime", v, err);

	u->realtime = on;
	return r;
}

static int set_loop(struct stream_url *u, char *v, char *err)
{
	return set_bool(&u->loop, "loop", v, err);
}

static int set_list(struct stream_url *u, char *v, char *err)
{
	return set_bool(&u->list, "list", v, err);
}

static int set_streamid(struct stream_url *u, char *v, char *err)
{
	/* SRTO_STREAMID holds 512 bytes. */
	if (!*v || strlen(v) > 512)
		return url_fail(err, "streamid has 1 to 512 bytes");
	return set_str(&u->streamid, v);
}

static int set_passphrase_file(struct stream_url *u, char *v, char *err)
{
	return *v ? set_str(&u->passphrase_file, v) : url_fail(err, "passphrase_file is empty");
}

static int set_latency(struct stream_url *u, char *v, char *err)
{
	int64_t n;

	/* A bare number is milliseconds to libsrt's own tools, microseconds to FFmpeg's, seconds in our INI files. */
	if (!v[strspn(v, "0123456789.")])
		return url_fail(err, "latency=%s needs a unit, as in latency=120ms", v);
	if (num_duration(v, &n) || n < 0 || n > 60 * SEC_US)
		return url_fail(err, "latency=%s is not a time between 0ms and 60s", v);
	u->latency_us = n;
	return 0;
}

static int set_mode(struct stream_url *u, char *v, char *err)
{
	if (strcmp(v, "listener") && strcmp(v, "caller") && strcmp(v, "rendezvous"))
		return url_fail(err, "mode=%s is not one of listener, caller, rendezvous", v);
	u->listener = *v == 'l';
	u->rendezvous = *v == 'r';
	return 0;
}

int url_publisher(struct stream_url *u, char *v, char *err)
{
	if (strcmp(v, "first") && strcmp(v, "last"))
		return url_fail(err, "publisher=%s is neither first nor last", v);
	u->last = *v == 'l';
	return 0;
}

static int set_source(struct stream_url *u, char *v, char *err)
{
	return *v ? set_str(&u->source, v) : url_fail(err, "source is empty");
}

static int set_interface(struct stream_url *u, char *v, char *err)
{
	return *v ? set_str(&u->interface, v) : url_fail(err, "interface is empty");
}

static int refuse_secret(struct stream_url *u, char *v, char *err)
{
	return url_fail(
	    err,
	    "a passphrase is not given in a URL, where others can read it: use passphrase_file=");
}

static const struct param {
	const char *name;
	unsigned schemes;
	int (*set)(struct stream_url *u, char *value, char *err);
} params[] = {
    {"format",
     IN(STREAM_PIPE) | IN(STREAM_FILE) | IN(STREAM_UNIX) | IN(STREAM_SRT) | IN(STREAM_UDP),
     set_format},
    {"realtime", IN(STREAM_FILE), set_realtime},
    {"loop", IN(STREAM_FILE), set_loop},
    {"list", IN(STREAM_FILE), set_list},
    {"streamid", IN(STREAM_SRT), set_streamid},
    {"latency", IN(STREAM_SRT), set_latency},
    {"passphrase_file", IN(STREAM_SRT), set_passphrase_file},
    {"passphrase", IN(STREAM_SRT), refuse_secret},
    {"mode", IN(STREAM_SRT), set_mode},
    {"publisher", IN(STREAM_SRT), url_publisher},
    {"interface", IN(STREAM_UDP), set_interface},
    {"source", IN(STREAM_UDP), set_source},
};

static const struct param *find_param(enum stream_scheme s, const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (params[i].schemes & IN(s) && strlen(params[i].name) == n &&
		    !memcmp(params[i].name, name, n))
			return &params[i];
	return NULL;
}

static int parse_param(struct stream_url *u, const char *s, size_t n, unsigned *seen, char *err)
{
	const char *eq = memchr(s, '=', n);
	size_t name = eq ? (size_t)(eq - s) : n;
	const struct param *p = find_param(u->scheme, s, name);
	unsigned bit;
	char *value;
	int r;

	if (!p)
		return url_fail(err, "unknown parameter '%.*s'", (int)MIN(name, 64), s);
	if (!eq)
		return url_fail(err, "parameter '%s' has no value", p->name);
	bit = 1u << (p - params);
	if (*seen & bit)
		return url_fail(err, "parameter '%s' is given twice", p->name);
	*seen |= bit;
	value = decode(eq + 1, n - name - 1, p->name, err);
	if (!value)
		return -EINVAL;
	r = p->set(u, value, err);
	free(value);
	return r == -ENOMEM ? url_fail(err, "out of memory") : r;
}

int url_params(struct stream_url *u, const char *s, char *err)
{
	unsigned seen = 0;

	while (s) {
		const char *amp = strchr(s, '&');
		int r = parse_param(u, s, amp ? (size_t)(amp - s) : strlen(s), &seen, err);

		if (r)
			return r;
		s = amp ? amp + 1 : NULL;
	}
	return 0;
}
