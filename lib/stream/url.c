/* The grammar of gex-url(7). Pure: no name is resolved, no file looked at. */
#include "stream/stream.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "stream/url.h"

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

/* ---- authority ---- */

static int parse_port(struct stream_url *u, const char *s, size_t n, char *err)
{
	long v = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || i >= 5)
			return url_fail(err, "bad port '%.*s'", (int)MIN(n, 64), s);
		v = v * 10 + (s[i] - '0');
	}
	if (v < 1 || v > 65535)
		return url_fail(err, "port %.*s is not between 1 and 65535", (int)MIN(n, 64), s);
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
			return url_fail(err, "bad IPv6 address");
		s = host_end + 1;
	} else {
		host = s;
		host_end = memchr(s, ':', (size_t)(end - s));
		s = host_end = host_end ? host_end : end;
	}
	if (host_end - host > 255)
		return url_fail(err, "the host name is too long");
	for (const char *p = host; p < host_end; p++)
		if ((unsigned char)*p <= ' ' || strchr("[]<>\"'`\\^{}|", *p) || *p == 127)
			return url_fail(err, "bad host name");
	u->host = str_ndup(host, (size_t)(host_end - host));
	if (!u->host)
		return url_fail(err, "out of memory");
	if (s < end && *s == ':')
		return parse_port(u, s + 1, (size_t)(end - s - 1), err);
	if (s < end)
		return url_fail(err, "bad host '%.*s'", (int)MIN((size_t)(end - s), 64), s);
	if (!sc->port)
		return url_fail(err, "a port is missing (%sHOST:PORT)", sc->prefix);
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
			return url_publisher(u, value, err);
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
		return url_fail(err, "the host is missing");
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return url_fail(err, "a URL has no spaces or control characters");
	r = u->scheme == STREAM_RTMP ? parse_publisher(u, strchr(text, '?'), err) : 0;
	if (r)
		return r;
	u->path = strdup(text);
	u->shown = shown_web(u, sc, rest + n);
	return u->path && u->shown ? 0 : url_fail(err, "out of memory");
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
		return url_fail(err, "'@' has no meaning in %s", sc->prefix);
	if (*tail == '/')
		tail++;
	if (*tail && *tail != '?')
		return url_fail(err, "a path after the port has no meaning");
	u->listener = u->scheme == STREAM_SRT && !*u->host;
	r = *tail ? url_params(u, tail + 1, err) : 0;
	if (r)
		return r;
	if (u->scheme == STREAM_SRT && !u->listener && !*u->host)
		return url_fail(err, "mode=%s needs a host",
				u->rendezvous ? "rendezvous" : "caller");
	u->shown = str_format("%s%s%s%s:%d", sc->prefix, brackets(u, true), u->host,
			      brackets(u, false), u->port);
	return u->shown ? 0 : url_fail(err, "out of memory");
}

static int parse_path(struct stream_url *u, const char *prefix, const char *text, char *err)
{
	size_t n = strcspn(text, "?");

	if (!n)
		return url_fail(err, "the path is missing");
	u->path = str_ndup(text, n);
	u->shown = str_format("%s%.*s", prefix, (int)n, text);
	if (!u->path || !u->shown)
		return url_fail(err, "out of memory");
	return text[n] ? url_params(u, text + n + 1, err) : 0;
}

static int parse_any(struct stream_url *u, const char *text, char *err)
{
	const struct scheme *sc = find_scheme(text);
	size_t n = scheme_len(text);

	if (text[0] == '-' && (!text[1] || text[1] == '?')) {
		u->scheme = STREAM_PIPE;
		u->shown = strdup("-");
		return text[1] ? url_params(u, text + 2, err) : 0;
	}
	if (!sc && n)
		return url_fail(
		    err, "unknown scheme '%.*s' (a file of such a name is written file:NAME)",
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
		r = url_fail(why, "it is empty");
	else
		r = parse_any(u, text, why);
	if (!r && !u->host)
		u->host = strdup("");
	if (!r && (!u->host || !u->shown))
		r = url_fail(why, "out of memory");
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
