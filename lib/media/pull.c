/* What is pulled by HTTP: a stream, or a playlist and what it names. Only from the host and port of the URL, wherever a
 * playlist or a redirect points, or whoever serves it could have us ask others in our network. */
#include <strings.h>

#include "log/log.h"
#include "media/demux.h"
#include "os/os.h"

#define TIMEOUT_US "10000000"
#define REDIRECTS "4"
#define LOOK_US (10 * SEC_US)
#define PLAYLIST_MAX (1 << 20)

struct origin {
	const char *host;
	size_t len;
	int port;
};

/* Of an http or https URL; len 0 for any other. */
static struct origin origin_of(const char *url)
{
	struct origin o = {0};
	bool tls;

	if (str_starts(url, "crypto+") || str_starts(url, "crypto:"))
		url += 7;
	tls = !strncasecmp(url, "https://", 8);
	if (!tls && strncasecmp(url, "http://", 7))
		return o;
	url += tls ? 8 : 7;
	size_t n = strcspn(url, "/?#");
	for (const char *at; (at = memchr(url, '@', n));) {
		n -= (size_t)(at + 1 - url);
		url = at + 1;
	}
	const char *close = *url == '[' ? memchr(url, ']', n) : NULL,
		   *colon = memchr(close ? close : url, ':', n - (size_t)(close ? close - url : 0));
	o.host = url;
	o.len = colon ? (size_t)(colon - url) : n;
	o.port = colon ? (int)strtol(colon + 1, NULL, 10) : tls ? 443 : 80;
	return o;
}

bool media_pull_same_origin(const char *a, const char *b)
{
	struct origin x = origin_of(a), y = origin_of(b);

	return x.len && x.len == y.len && x.port == y.port && !strncasecmp(x.host, y.host, x.len);
}

static int refuse(struct media_demux *d, const char *url)
{
	struct origin o = origin_of(url);

	if (log_allow(&d->refused, 3, 10 * SEC_US, os_mono_us()))
		log_warn("pull", "refused: %.*s is not where the URL points", (int)MIN(o.len, 80),
			 o.len ? o.host : "");
	return AVERROR(EACCES);
}

/* ---- how far the end of a live playlist is ---- */

static void remember(struct media_pull *p, const char *url)
{
	free(p->opened[p->next]);
	p->opened[p->next] = strdup(url);
	p->next = (p->next + 1) % PULL_OPENED;
}

void media_pull_finish(struct media_demux *d)
{
	for (int i = 0; i < PULL_OPENED; i++)
		free(d->pull.opened[i]);
}

/* What has been read of it stays in its buffer. */
static bool is_playlist(AVIOContext *pb)
{
	static const char head[] = "#EXTM3U";
	unsigned char b[sizeof(head) - 1];
	int n = avio_read(pb, b, sizeof(b));

	if (n > 0 && avio_seek(pb, -n, SEEK_CUR) < 0)
		return false;
	return n == (int)sizeof(b) && !memcmp(b, head, sizeof(b));
}

/* libavformat does not tell where in a playlist it is, so the playlist is fetched once more, now and then, when it looks for the
 * next segment. */
static void measure(struct media_demux *d, const char *url, AVDictionary **opts)
{
	AVIOContext *pb = NULL;
	int64_t left_us, segment_us;
	char *text = malloc(PLAYLIST_MAX + 1);

	if (text && d->open_default(d->fc, &pb, url, AVIO_FLAG_READ, opts) >= 0) {
		int n = avio_read(pb, (unsigned char *)text, PLAYLIST_MAX);

		text[MAX(n, 0)] = 0;
		avio_closep(&pb);
		if (n < PLAYLIST_MAX &&
		    pace_left(text, d->pull.opened, PULL_OPENED, &left_us, &segment_us)) {
			pace_deep(&d->pull.depth, left_us, segment_us);
			log_debug("pull", "%.1f s are left of the playlist, %+d ppm",
				  (double)left_us / (double)SEC_US, d->pull.depth.ppm);
		}
	}
	free(text);
}

/* url has been opened. top: it is the first, of which libavformat keeps hold. */
static void note(struct media_demux *d, AVIOContext *pb, const char *url, bool top,
		 AVDictionary **opts)
{
	struct media_pull *p = &d->pull;
	int64_t now_us = os_mono_us();

	if (top)
		return;
	if (!is_playlist(pb)) {
		remember(p, url);
	} else if (p->opened[0] && now_us - p->looked_us >= LOOK_US) {
		p->looked_us = now_us;
		measure(d, url, opts);
	}
}

static int pull_open(AVFormatContext *s, AVIOContext **pb, const char *url, int flags,
		     AVDictionary **opts)
{
	struct media_demux *d = s->opaque;
	uint8_t *location = NULL;

	if (flags & AVIO_FLAG_WRITE || !media_pull_same_origin(d->url, url))
		return refuse(d, url);
	AVDictionary *again = NULL;
	if (opts)
		av_dict_copy(&again, *opts, 0);
	int rc = d->open_default(s, pb, url, flags, opts);
	if (rc < 0) {
		av_dict_free(&again);
		return rc;
	}
	if (av_opt_get(*pb, "location", AV_OPT_SEARCH_CHILDREN, &location) >= 0 && location &&
	    *location && strstr((char *)location, "://") &&
	    !media_pull_same_origin(d->url, (char *)location)) {
		rc = refuse(d, (char *)location);
		avio_closep(pb);
	}
	av_free(location);
	if (rc >= 0)
		note(d, *pb, url, pb == &s->pb, &again);
	av_dict_free(&again);
	return rc;
}

void media_pull_prepare(struct media_demux *d, const char *url, AVDictionary **o)
{
	d->url = url;
	d->open_default = d->fc->io_open;
	d->fc->opaque = d;
	d->fc->io_open = pull_open;
	av_dict_set(o, "rw_timeout", TIMEOUT_US, 0);
	av_dict_set(o, "max_redirects", REDIRECTS, 0);
	/* A connection that is used again does not pass by pull_open. */
	av_dict_set(o, "http_persistent", "0", 0);
	av_dict_set(o, "http_multiple", "0", 0);
}

/* Of a playlist's variants the one with the highest rate; libavformat would fetch them all. */
void media_pull_choose(struct media_demux *d)
{
	const AVFormatContext *fc = d->fc;
	int64_t most = -1;
	unsigned best = 0;

	if (strcmp(fc->iformat->name, "hls") || fc->nb_programs < 2)
		return;
	for (unsigned i = 0; i < fc->nb_programs; i++) {
		const AVDictionaryEntry *e =
		    av_dict_get(fc->programs[i]->metadata, "variant_bitrate", NULL, 0);
		int64_t rate = e ? strtoll(e->value, NULL, 10) : 0;

		if (rate > most) {
			most = rate;
			best = i;
		}
	}
	for (unsigned i = 0; i < fc->nb_streams; i++)
		fc->streams[i]->discard = AVDISCARD_ALL;
	for (unsigned i = 0; i < fc->programs[best]->nb_stream_indexes; i++)
		fc->streams[fc->programs[best]->stream_index[i]]->discard = AVDISCARD_DEFAULT;
}
