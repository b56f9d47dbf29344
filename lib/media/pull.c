/* What is pulled by HTTP: a stream, or a playlist and what it names. Only from the host and port of the URL, wherever a
 * playlist or a redirect points, or whoever serves it could have us ask others in our network. */
#include <strings.h>

#include "log/log.h"
#include "media/demux.h"
#include "os/os.h"

#define TIMEOUT_US "10000000"
#define REDIRECTS "4"

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

static int pull_open(AVFormatContext *s, AVIOContext **pb, const char *url, int flags,
		     AVDictionary **opts)
{
	struct media_demux *d = s->opaque;
	uint8_t *location = NULL;

	if (flags & AVIO_FLAG_WRITE || !media_pull_same_origin(d->url, url))
		return refuse(d, url);
	int rc = d->open_default(s, pb, url, flags, opts);
	if (rc < 0)
		return rc;
	if (av_opt_get(*pb, "location", AV_OPT_SEARCH_CHILDREN, &location) >= 0 && location &&
	    *location && strstr((char *)location, "://") &&
	    !media_pull_same_origin(d->url, (char *)location)) {
		rc = refuse(d, (char *)location);
		avio_closep(pb);
	}
	av_free(location);
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
