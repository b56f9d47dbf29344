#include <stdio.h>

#include "origin.h"

#define OFF(f) offsetof(struct origin_conf, f)

/* What each stream has: in [package] with defaults, in [stream NAME] without, so that settle.c can tell what was said. O is
 * the offset of a member of struct package_conf, D what is done with a default. CONF_RELOAD: may change while the stream
 * runs; all else makes it begin anew. */
#define STREAM_KEYS(S, O, D) \
	KEY(S, "input", CONF_STR, O(input), NULL, 0, 0, 0), \
	    KEY(S, "segment", CONF_DURATION, O(segment_us), D("1s"), 250 * MS_US, 20 * SEC_US, 0), \
	    KEY(S, "part", CONF_DURATION, O(part_us), D("200ms"), 20 * MS_US, 5 * SEC_US, 0), \
	    KEY(S, "chunk", CONF_DURATION, O(chunk_us), D("30ms"), 0, 5 * SEC_US, 0), \
	    KEY(S, "window", CONF_DURATION, O(window_us), D("20s"), 6 * SEC_US, 3600 * SEC_US, 0), \
	    KEY(S, "latency", CONF_DURATION, O(latency_us), D("1s"), 100 * MS_US, 60 * SEC_US, 0), \
	    KEY(S, "slate", CONF_DURATION, O(slate_us), D("20s"), 0, 3600 * SEC_US, CONF_RELOAD), \
	    KEY(S, "memory", CONF_SIZE, O(memory), D("512M"), 1 << 20, INT64_C(1) << 40, \
		CONF_RELOAD), \
	    KEY(S, "dvr", CONF_STR, O(dvr), NULL, 0, 0, CONF_RELOAD), \
	    KEY(S, "dvr_keys", CONF_STR, O(dvr_keys), NULL, 0, 0, CONF_RELOAD), \
	    KEY(S, "state", CONF_STR, O(state), NULL, 0, 0, CONF_RELOAD), \
	    KEY(S, "vod", CONF_STR, O(vod), NULL, 0, 0, CONF_RELOAD), \
	    KEY(S, "dvr_window", CONF_DURATION, O(dvr_window_us), D("4h"), 60 * SEC_US, \
		90 * 86400 * SEC_US, CONF_RELOAD), \
	    KEY(S, "dvr_size", CONF_SIZE, O(dvr_size), D("50G"), 1 << 20, INT64_C(1) << 50, \
		CONF_RELOAD), \
	    KEY(S, "clip", CONF_DURATION, O(clip_us), D("10m"), 0, 3600 * SEC_US, CONF_RELOAD), \
	    KEY(S, "captions", CONF_STR, O(captions), D("vtt"), 0, 0, 0), \
	    KEY(S, "captions_channels", CONF_STR, O(captions_channels), D("auto"), 0, 0, 0), \
	    KEY(S, "captions_language", CONF_STR, O(captions_lang), D("en"), 0, 0, 0), \
	    KEY(S, "encryption", CONF_STR, O(encryption), D("none"), 0, 0, 0), \
	    KEY(S, "encryption_keys", CONF_STR, O(encryption_keys), NULL, 0, 0, 0), \
	    KEY(S, "encryption_url", CONF_STR, O(encryption_url), NULL, 0, 0, 0), \
	    KEY(S, "encryption_auth", CONF_STR, O(encryption_auth), NULL, 0, 0, 0), \
	    KEY(S, "encryption_rotate", CONF_DURATION, O(encryption_rotate_us), D("0"), 0, \
		INT64_C(366) * 86400 * SEC_US, 0), \
	    KEY(S, "encryption_uri", CONF_STR, O(encryption_uri), NULL, 0, 0, 0), \
	    KEY(S, "encryption_formats", CONF_STR, O(encryption_formats), D("identity,clearkey"), \
		0, 0, 0)
#define KEY(...) \
	{ \
		__VA_ARGS__, NULL \
	}
#define SAID(x) x
#define INHERITED(x) NULL
#define IN_PACKAGE(f) offsetof(struct origin_conf, package.f)
#define IN_STREAM(f) offsetof(struct package_conf, f)

static const struct conf_key keys[] = {
    STREAM_KEYS("package", IN_PACKAGE, SAID),
    {"package", "name", CONF_STR, OFF(package.name), "live", 0, 0, 0, NULL},
    STREAM_KEYS("stream *", IN_STREAM, INHERITED),
    {"stream *", "access_keys", CONF_STR, IN_STREAM(access_keys), NULL, 0, 0, CONF_RELOAD, NULL},
    {"stream *", "allow", CONF_STR, IN_STREAM(allow), NULL, 0, 0, CONF_RELOAD, NULL},
    {"stream *", "deny", CONF_STR, IN_STREAM(deny), NULL, 0, 0, CONF_RELOAD, NULL},
    {"access", "keys", CONF_STR, OFF(package.access_keys), NULL, 0, 0, 0, NULL},
    {"access", "allow", CONF_STR, OFF(package.allow), NULL, 0, 0, 0, NULL},
    {"access", "deny", CONF_STR, OFF(package.deny), NULL, 0, 0, 0, NULL},
    {"process", "memory", CONF_SIZE, OFF(memory), NULL, 1 << 20, INT64_C(1) << 42, 0, NULL},
    {"process", "sandbox", CONF_BOOL, OFF(sandbox), "yes", 0, 0, 0, NULL},
    {"http", "listen", CONF_STR, OFF(listen), NULL, 0, 0, 0, NULL},
    {"http", "share", CONF_STR, OFF(share), NULL, 0, 0, 0, NULL},
    {"http", "certificate", CONF_STR, OFF(certificate), NULL, 0, 0, 0, NULL},
    {"http", "key", CONF_STR, OFF(key), NULL, 0, 0, 0, NULL},
    {"http", "trusted", CONF_STR, OFF(trusted), NULL, 0, 0, 0, NULL},
    {"http", "forwarded", CONF_STR, OFF(forwarded), "none", 0, 0, 0, NULL},
    {"http", "max_connections", CONF_INT, OFF(max_connections), "20000", 1, 1000000, 0, NULL},
    {"http", "max_per_address", CONF_INT, OFF(max_per_address), "4000", 0, 1000000, 0, NULL},
    {"http", "max_streams", CONF_INT, OFF(max_streams), "100", 1, 1000, 0, NULL},
    {"http", "max_requests", CONF_INT, OFF(max_requests), "100000", 1, 10000000, 0, NULL},
    {"http", "head", CONF_DURATION, OFF(head_us), "10s", SEC_US, 600 * SEC_US, 0, NULL},
    {"http", "idle", CONF_DURATION, OFF(idle_us), "60s", SEC_US, 3600 * SEC_US, 0, NULL},
    {"http", "stall", CONF_DURATION, OFF(stall_us), "15s", SEC_US, 600 * SEC_US, 0, NULL},
};

static void *find_stream(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	struct origin_conf *c = root;
	struct package_conf **at, *s;

	vec_for (at, &c->streams)
		if (!strcmp((*at)->name, name))
			return *at;
	if (!package_name_fits(name)) {
		snprintf(err, cap, "a name is of letters, digits, - and _, %d at most",
			 PACKAGE_NAME_MAX);
		return NULL;
	}
	s = package_conf_create(&origin_table, name);
	if (s && vec_push(&c->streams, s)) {
		package_conf_free(&origin_table, s);
		s = NULL;
	}
	return s;
}

const struct conf_table origin_table = {keys, ARRAY_LEN(keys), find_stream};

static int set_input(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct origin_conf *)root)->package.input, value);
}

static int set_listen(void *root, const char *value, char *err, size_t cap)
{
	struct origin_conf *c = root;
	char *both = c->by_flag ? str_format("%s,%s", c->listen, value) : NULL;

	c->by_flag = true; /* the first -l takes the place of what the file says */
	if (!both)
		return conf_set_str(&c->listen, value);
	free(c->listen);
	c->listen = both;
	return 0;
}

static int set_name(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct origin_conf *)root)->package.name, value);
}

static int set_share(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct origin_conf *)root)->share, value);
}

static const struct conf_flag flags[] = {
    {'i', "input", "URL", "the live source (gex-url(7))", set_input},
    {'l', "listen", "http[s]://HOST:PORT | unix:PATH", "where to serve; may be repeated",
     set_listen},
    {'n', "name", "NAME", "serve at /NAME/ (live)", set_name},
    {0, "share", "DIR", "where the player page's files are", set_share},
};

const struct conf_cli origin_cli = {
    .tool = "gex-package",
    .synopsis = "gex-package -i URL -l http[s]://HOST:PORT ... [-n NAME] | -c FILE",
    .summary = "Cuts live sources into CMAF and serves them as LL-HLS, LL-DASH and plain HLS.",
    .table = &origin_table,
    .flags = flags,
    .nflags = ARRAY_LEN(flags),
};
