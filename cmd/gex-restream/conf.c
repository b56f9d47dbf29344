#include <errno.h>
#include <stdio.h>

#include "os/os.h"
#include "restream.h"

#define NAME_MAX_LEN 63
#define TARGETS_MAX 64

#define ROOT(f) offsetof(struct conf, f)
#define TARGET(f) offsetof(struct target_conf, f)

static const struct conf_key keys[] = {
    {"restream", "input", CONF_STR, ROOT(input), NULL, 0, 0, 0, NULL},
    {"restream", "rung", CONF_STR, ROOT(rung), NULL, 0, 0, 0, NULL},
    {"restream", "audio", CONF_STR, ROOT(audio), NULL, 0, 0, 0, NULL},
    {"restream", "timeout", CONF_DURATION, ROOT(timeout_us), "10s", SEC_US, 120 * SEC_US, 0, NULL},
    {"restream", "retry", CONF_DURATION, ROOT(retry_us), "1s", 100 * MS_US, 60 * SEC_US, 0, NULL},
    {"restream", "retry_max", CONF_DURATION, ROOT(retry_max_us), "30s", 100 * MS_US, 3600 * SEC_US,
     0, NULL},
    {"restream", "queue", CONF_DURATION, ROOT(queue_us), "5s", SEC_US, 60 * SEC_US, 0, NULL},
    {"process", "sandbox", CONF_BOOL, ROOT(sandbox), "yes", 0, 0, 0, NULL},
    {"target *", "url", CONF_STR, TARGET(url), NULL, 0, 0, 0, NULL},
    {"target *", "key_file", CONF_STR, TARGET(key_file), NULL, 0, 0, 0, NULL},
};

static void *find_target(void *root, const char *kind, const char *name, char *err, size_t cap);

static const struct conf_table table = {keys, ARRAY_LEN(keys), find_target};

static void target_free(struct target_conf *t)
{
	if (!t)
		return;
	conf_finish(&table, "target *", t);
	stream_url_finish(&t->parsed);
	if (t->full)
		os_wipe(t->full, strlen(t->full));
	free(t->full);
	free(t->name);
	free(t);
}

static void *find_target(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	struct conf *c = root;
	struct target_conf **at, *t;

	vec_for (at, &c->targets)
		if (!strcmp((*at)->name, name))
			return *at;
	if (!*name || strlen(name) > NAME_MAX_LEN || c->targets.len >= TARGETS_MAX) {
		snprintf(err, cap, "a name has 1 to %d bytes, and there are at most %d targets",
			 NAME_MAX_LEN, TARGETS_MAX);
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->name = str_ndup(name, strlen(name));
	if (!t->name || conf_defaults(&table, "target *", t) || vec_push(&c->targets, t)) {
		target_free(t);
		return NULL;
	}
	return t;
}

static int flag_input(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct conf *)root)->input, value);
}

static int flag_rung(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct conf *)root)->rung, value);
}

/* -o URL: a target named by its number. */
static int flag_output(void *root, const char *value, char *err, size_t cap)
{
	struct conf *c = root;
	struct target_conf *t;
	char name[16];

	snprintf(name, sizeof(name), "%zu", c->targets.len + 1);
	t = find_target(root, "target", name, err, cap);
	if (!t)
		return *err ? -EINVAL : -ENOMEM;
	return conf_set_str(&t->url, value);
}

static const struct conf_flag flags[] = {
    {'i', "input", "URL", "the stream to send on (gex-url(7))", flag_input},
    {'r', "rung", "NAME", "the rung to send (default: the largest)", flag_rung},
    {'o', "output", "URL", "where to: rtmp://, rtmps:// or srt:// (repeatable)", flag_output},
};

const struct conf_cli restream_cli = {
    .tool = "gex-restream",
    .synopsis = "gex-restream -i URL [-r RUNG] -o URL [-o URL]... | -c FILE",
    .summary = "Sends one rung of a live stream on to RTMP, RTMPS and SRT servers.",
    .table = &table,
    .flags = flags,
    .nflags = ARRAY_LEN(flags),
};

/* The URL with the stream key of the key file behind it. */
static int make_full(struct target_conf *t, char *err)
{
	char key[512] = "";
	size_t n = strlen(t->url);
	int r;

	if (!t->key_file)
		return conf_set_str(&t->full, t->url);
	r = os_read_secret(t->key_file, key, sizeof(key));
	if (r < 0) {
		snprintf(err, CONF_ERR, "[target %s] key_file %.160s: %s", t->name, t->key_file,
			 r == -EPERM ? "others can read it; chmod 600" : strerror(-r));
		return r;
	}
	t->full = str_format("%.*s%s%s", (int)n, t->url, n && t->url[n - 1] == '/' ? "" : "/", key);
	os_wipe(key, sizeof(key));
	return t->full ? 0 : -ENOMEM;
}

static int check_target(struct target_conf *t, char *err)
{
	char why[MEDIA_ERR];
	int r;

	if (!t->url || !*t->url) {
		snprintf(err, CONF_ERR, "[target %s] has no url", t->name);
		return -EINVAL;
	}
	r = make_full(t, err);
	if (r)
		return r;
	r = stream_url_parse(&t->parsed, t->full, why);
	if (r) {
		snprintf(err, CONF_ERR, "[target %s] %s", t->name, why);
		return r;
	}
	if (t->parsed.scheme != STREAM_RTMP && t->parsed.scheme != STREAM_SRT) {
		snprintf(err, CONF_ERR,
			 "[target %s] %.160s: a target is rtmp://, rtmps:// or srt://", t->name,
			 t->parsed.shown);
		return -EINVAL;
	}
	if (t->parsed.scheme == STREAM_RTMP && !*t->parsed.host) {
		snprintf(err, CONF_ERR, "[target %s] %.160s: the host is missing", t->name,
			 t->parsed.shown);
		return -EINVAL;
	}
	if (t->parsed.scheme == STREAM_SRT && t->key_file) {
		snprintf(
		    err, CONF_ERR,
		    "[target %s]: key_file is of RTMP; srt:// has streamid= and passphrase_file=",
		    t->name);
		return -EINVAL;
	}
	return 0;
}

int conf_check(struct conf *c, char *err)
{
	struct target_conf **t;
	int r;

	*err = 0;
	if (!c->input || !*c->input)
		snprintf(err, CONF_ERR, "no input: give -i URL, or input in [restream]");
	else if (!c->targets.len)
		snprintf(err, CONF_ERR, "no target: give -o URL, or a [target NAME] section");
	else if (c->retry_max_us < c->retry_us)
		snprintf(err, CONF_ERR, "[restream] retry_max is less than retry");
	if (*err)
		return -EINVAL;
	vec_for (t, &c->targets) {
		r = check_target(*t, err);
		if (r)
			return r;
	}
	return stream_url_parse(&c->in, c->input, err);
}

void conf_free(struct conf *c)
{
	struct target_conf **t;

	vec_for (t, &c->targets)
		target_free(*t);
	vec_free(&c->targets);
	stream_url_finish(&c->in);
	conf_finish(&table, NULL, c);
}
