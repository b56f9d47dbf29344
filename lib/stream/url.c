/* The grammar of gex-url(7). Pure: no name is resolved, no file looked at. */
#include "stream/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

static const struct scheme {
	const char *prefix;
	enum stream_scheme scheme;
	bool tls;
	int port; /* default; 0: must be given */
} schemes[] = {
    {"file:", STREAM_FILE, false, 0},	   {"unix:", STREAM_UNIX, false, 0},
    {"srt://", STREAM_SRT, false, 0},	   {"udp://", STREAM_UDP, false, 0},
    {"rtmp://", STREAM_RTMP, false, 1935}, {"rtmps://", STREAM_RTMP, true, 443},
    {"http://", STREAM_HTTP, false, 80},   {"https://", STREAM_HTTP, true, 443},
};

/* Length of the scheme that text begins with, its colon counted; 0 for a plain path. */
static size_t scheme_len(const char *text)
{
	size_t n = 0;

	while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') ||
	       (n && ((text[n] >= '0' && text[n] <= '9') || text[n] == '+')))
		n++;
	return n && text[n] == ':' ? n + 1 : 0;
}

static const struct scheme *find_scheme(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (!strncasecmp(text, schemes[i].prefix, strlen(schemes[i].prefix)))
			return &schemes[i];
	return NULL;
}

static int fail(char *err, const char *fmt, ...) PRINTF(2, 3);
static int fail(char *err, const char *fmt, ...)
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
		fail(err, "out of memory");
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
			fail(err, "parameter '%s': bad percent escape", name);
			return NULL;
		}
		*w++ = (char)(hi << 4 | lo);
		i += 2;
	}
	*w = 0;
	return out;
}

/* ---- parameters ---- */

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
	return fail(err, "format '%s' is not one of nut, mpegts, flv, mp4, matroska", v);
}

static int set_bool(bool *dst, const char *name, const char *v, char *err)
{
	return num_bool(v, dst) ? fail(err, "%s=%s is neither 1 nor 0", name, v) : 0;
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
		return fail(err, "streamid has 1 to 512 bytes");
	return set_str(&u->streamid, v);
}

static int set_passphrase_file(struct stream_url *u, char *v, char *err)
{
	return *v ? set_str(&u->passphrase_file, v) : fail(err, "passphrase_file is empty");
}

static int set_latency(struct stream_url *u, char *v, char *err)
{
	int64_t n;

	/* A bare number is milliseconds to libsrt's own tools, microseconds to FFmpeg's, seconds in our INI files. */
	if (!v[strspn(v, "0123456789.")])
		return fail(err, "latency=%s needs a unit, as in latency=120ms", v);
	if (num_duration(v, &n) || n < 0 || n > 60 * SEC_US)
		return fail(err, "latency=%s is not a time between 0ms and 60s", v);
	u->latency_us = n;
	return 0;
}

static int set_mode(struct stream_url *u, char *v, char *err)
{
	if (strcmp(v, "listener") && strcmp(v, "caller") && strcmp(v, "rendezvous"))
		return fail(err, "mode=%s is not one of listener, caller, rendezvous", v);
	u->listener = *v == 'l';
	u->rendezvous = *v == 'r';
	return 0;
}

static int set_publisher(struct stream_url *u, char *v, char *err)
{
	if (strcmp(v, "first") && strcmp(v, "last"))
		return fail(err, "publisher=%s is neither first nor last", v);
	u->last = *v == 'l';
	return 0;
}

static int set_source(struct stream_url *u, char *v, char *err)
{
	return *v ? set_str(&u->source, v) : fail(err, "source is empty");
}

static int set_interface(struct stream_url *u, char *v, char *err)
{
	return *v ? set_str(&u->interface, v) : fail(err, "interface is empty");
}

static int refuse_secret(struct stream_url *u, char *v, char *err)
{
	return fail(
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
    {"publisher", IN(STREAM_SRT), set_publisher},
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
		return fail(err, "unknown parameter '%.*s'", (int)MIN(name, 64), s);
	if (!eq)
		return fail(err, "parameter '%s' has no value", p->name);
	bit = 1u << (p - params);
	if (*seen & bit)
		return fail(err, "parameter '%s' is given twice", p->name);
	*seen |= bit;
	value = decode(eq + 1, n - name - 1, p->name, err);
	if (!value)
		return -EINVAL;
	r = p->set(u, value, err);
	free(value);
	return r == -ENOMEM ? fail(err, "out of memory") : r;
}

static int parse_params(struct stream_url *u, const char *s, char *err)
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

/* ---- authority ---- */

static int parse_port(struct stream_url *u, const char *s, size_t n, char *err)
{
	long v = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || i >= 5)
			return fail(err, "bad port '%.*s'", (int)MIN(n, 64), s);
		v = v * 10 + (s[i] - '0');
	}
	if (v < 1 || v > 65535)
		return fail(err, "port %.*s is not between 1 and 65535", (int)MIN(n, 64), s);
	u->port = (int)v;
	return 0;
}

/* [USER@]HOST[:PORT], n bytes. */
static int parse_authority(struct stream_url *u, const struct scheme *sc, const char *s, size_t n,
			   char *err)
{
	const char *end = s + n, *host, *host_end;

	for (const char *p = s; p < end; p++)
		if (*p == '@')
			s = p + 1;
	if (s < end && *s == '[') {
		host = s + 1;
		host_end = memchr(s, ']', (size_t)(end - s));
		if (!host_end || host_end == host)
			return fail(err, "bad IPv6 address");
		s = host_end + 1;
	} else {
		host = s;
		host_end = memchr(s, ':', (size_t)(end - s));
		s = host_end = host_end ? host_end : end;
	}
	if (host_end - host > 255)
		return fail(err, "the host name is too long");
	for (const char *p = host; p < host_end; p++)
		if ((unsigned char)*p <= ' ' || strchr("[]<>\"'`\\^{}|", *p) || *p == 127)
			return fail(err, "bad host name");
	u->host = str_ndup(host, (size_t)(host_end - host));
	if (!u->host)
		return fail(err, "out of memory");
	if (s < end && *s == ':')
		return parse_port(u, s + 1, (size_t)(end - s - 1), err);
	if (s < end)
		return fail(err, "bad host '%.*s'", (int)MIN((size_t)(end - s), 64), s);
	if (!sc->port)
		return fail(err, "a port is missing (%sHOST:PORT)", sc->prefix);
	u->port = sc->port;
	return 0;
}

/* ---- by scheme ---- */

static const char *brackets(const struct stream_url *u, bool open)
{
	return strchr(u->host, ':') ? open ? "[" : "]" : "";
}

/* What may be shown of an http or rtmp URL: no user, no query, and of rtmp no last path part, which is the stream key. */
static char *shown_web(const struct stream_url *u, const struct scheme *sc, const char *path)
{
	size_t n = strcspn(path, "?#");
	const char *key = "", *query = path[n] ? "?***" : "";

	if (u->scheme == STREAM_RTMP) {
		size_t last = n;

		while (last && path[last - 1] == '/')
			last--;
		n = last;
		while (last && path[last - 1] != '/')
			last--;
		key = last < n ? "***" : "";
		n = last;
	}
	return str_format("%s%s%s%s:%d%.*s%s%s", sc->prefix, brackets(u, true), u->host,
			  brackets(u, false), u->port, (int)n, path, key, query);
}

/* Of an RTMP URL's query, which is the server's, what is ours where we are the server. */
static int parse_publisher(struct stream_url *u, const char *query, char *err)
{
	static const char name[] = "publisher=";
	char value[8];

	while (query) {
		size_t n = strcspn(++query, "&");

		if (str_starts(query, name)) {
			n = MIN(n - strlen(name), sizeof(value) - 1);
			snprintf(value, sizeof(value), "%.*s", (int)n, query + strlen(name));
			return set_publisher(u, value, err);
		}
		query = strchr(query, '&');
	}
	return 0;
}

static int parse_web(struct stream_url *u, const struct scheme *sc, const char *text, char *err)
{
	const char *rest = text + strlen(sc->prefix);
	size_t n = strcspn(rest, "/?#");
	int r = parse_authority(u, sc, rest, n, err);

	if (r)
		return r;
	if (!*u->host && u->scheme == STREAM_HTTP)
		return fail(err, "the host is missing");
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return fail(err, "a URL has no spaces or control characters");
	r = u->scheme == STREAM_RTMP ? parse_publisher(u, strchr(text, '?'), err) : 0;
	if (r)
		return r;
	u->path = strdup(text);
	u->shown = shown_web(u, sc, rest + n);
	return u->path && u->shown ? 0 : fail(err, "out of memory");
}

static int parse_socket(struct stream_url *u, const struct scheme *sc, const char *text, char *err)
{
	const char *rest = text + strlen(sc->prefix);
	size_t n = strcspn(rest, "/?#");
	const char *tail = rest + n;
	int r = parse_authority(u, sc, rest, n, err);

	if (r)
		return r;
	if (memchr(rest, '@', n) && u->scheme != STREAM_UDP)
		return fail(err, "'@' has no meaning in %s", sc->prefix);
	if (*tail == '/')
		tail++;
	if (*tail && *tail != '?')
		return fail(err, "a path after the port has no meaning");
	u->listener = u->scheme == STREAM_SRT && !*u->host;
	r = *tail ? parse_params(u, tail + 1, err) : 0;
	if (r)
		return r;
	if (u->scheme == STREAM_SRT && !u->listener && !*u->host)
		return fail(err, "mode=%s needs a host", u->rendezvous ? "rendezvous" : "caller");
	u->shown = str_format("%s%s%s%s:%d", sc->prefix, brackets(u, true), u->host,
			      brackets(u, false), u->port);
	return u->shown ? 0 : fail(err, "out of memory");
}

static int parse_path(struct stream_url *u, const char *prefix, const char *text, char *err)
{
	size_t n = strcspn(text, "?");

	if (!n)
		return fail(err, "the path is missing");
	u->path = str_ndup(text, n);
	u->shown = str_format("%s%.*s", prefix, (int)n, text);
	if (!u->path || !u->shown)
		return fail(err, "out of memory");
	return text[n] ? parse_params(u, text + n + 1, err) : 0;
}

static int parse_any(struct stream_url *u, const char *text, char *err)
{
	const struct scheme *sc = find_scheme(text);
	size_t n = scheme_len(text);

	if (text[0] == '-' && (!text[1] || text[1] == '?')) {
		u->scheme = STREAM_PIPE;
		u->shown = strdup("-");
		return text[1] ? parse_params(u, text + 2, err) : 0;
	}
	if (!sc && n)
		return fail(err,
			    "unknown scheme '%.*s' (a file of such a name is written file:NAME)",
			    (int)MIN(n, 32), text);
	u->scheme = sc ? sc->scheme : STREAM_FILE;
	u->tls = sc && sc->tls;
	switch (u->scheme) {
	case STREAM_RTMP:
	case STREAM_HTTP:
		return parse_web(u, sc, text, err);
	case STREAM_SRT:
	case STREAM_UDP:
		return parse_socket(u, sc, text, err);
	case STREAM_UNIX:
		return parse_path(u, "unix:", text + n, err);
	default:
		return parse_path(u, "", text + n, err);
	}
}

int stream_url_parse(struct stream_url *u, const char *text, char *err)
{
	char why[MEDIA_ERR] = "";
	int r;

	*u = (struct stream_url){.latency_us = -1, .realtime = -1};
	*err = 0;
	if (!*text)
		r = fail(why, "it is empty");
	else
		r = parse_any(u, text, why);
	if (!r && !u->host)
		u->host = strdup("");
	if (!r && (!u->host || !u->shown))
		r = fail(why, "out of memory");
	if (r) {
		/* The text itself may hold a key; what has been understood of it does not. */
		if (u->shown && *u->shown)
			snprintf(err, MEDIA_ERR, "URL %.80s: %.165s", u->shown, why);
		else
			snprintf(err, MEDIA_ERR, "URL: %.240s", why);
		stream_url_finish(u);
	}
	return r;
}

static bool copy_str(char **dst, const char *src)
{
	*dst = src ? strdup(src) : NULL;
	return !src || *dst;
}

int stream_url_copy(struct stream_url *dst, const struct stream_url *src)
{
	bool ok;

	*dst = *src;
	ok = copy_str(&dst->path, src->path);
	ok &= copy_str(&dst->host, src->host);
	ok &= copy_str(&dst->format, src->format);
	ok &= copy_str(&dst->streamid, src->streamid);
	ok &= copy_str(&dst->passphrase_file, src->passphrase_file);
	ok &= copy_str(&dst->interface, src->interface);
	ok &= copy_str(&dst->source, src->source);
	ok &= copy_str(&dst->shown, src->shown);
	if (!ok)
		stream_url_finish(dst);
	return ok ? 0 : -ENOMEM;
}

void stream_url_finish(struct stream_url *u)
{
	if (!u)
		return;
	free(u->path);
	free(u->host);
	free(u->format);
	free(u->streamid);
	free(u->passphrase_file);
	free(u->interface);
	free(u->source);
	free(u->shown);
	*u = (struct stream_url){0};
}

const char *stream_url_input_format(const struct stream_url *u)
{
	return u->scheme == STREAM_RTMP ? "flv" : u->format;
}

const char *stream_url_output_format(const struct stream_url *u)
{
	const char *dot = u->path ? strrchr(u->path, '.') : NULL;

	if (u->format)
		return u->format;
	if (u->scheme == STREAM_SRT || u->scheme == STREAM_UDP)
		return "mpegts";
	if (u->scheme != STREAM_FILE || !dot)
		return "nut";
	if (!strcmp(dot, ".ts") || !strcmp(dot, ".m2ts"))
		return "mpegts";
	if (!strcmp(dot, ".mp4") || !strcmp(dot, ".m4s"))
		return "mp4";
	return !strcmp(dot, ".flv") ? "flv" : "nut";
}
