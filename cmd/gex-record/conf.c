#include <errno.h>
#include <stdio.h>

#include "record.h"

static void clear_rungs(struct conf *c)
{
	for (size_t i = 0; i < c->rungs.len; i++)
		free(c->rungs.at[i]);
	c->rungs.len = 0;
}

static int add_rung(struct conf *c, const char *name, size_t n)
{
	char *copy = str_ndup(name, n);

	if (!copy || vec_push(&c->rungs, copy)) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

/* A list, which takes the place of the one before. */
static int parse_rungs(void *base, const char *value, char *err, size_t cap)
{
	struct conf *c = base;

	clear_rungs(c);
	while (*value) {
		size_t n = strcspn(value, ", \t");

		if (n && add_rung(c, value, n))
			return -ENOMEM;
		value += n + (value[n] != 0);
	}
	return 0;
}

#define ROOT(f) offsetof(struct conf, f)

static const struct conf_key keys[] = {
    {"record", "input", CONF_STR, ROOT(input), NULL, 0, 0, 0, NULL},
    {"record", "dir", CONF_STR, ROOT(dir), NULL, 0, 0, 0, NULL},
    {"record", "rung", CONF_FN, 0, NULL, 0, 0, 0, parse_rungs},
    {"record", "segment", CONF_DURATION, ROOT(segment_us), "10m", SEC_US, 24 * 3600 * SEC_US, 0,
     NULL},
    {"record", "fragment", CONF_DURATION, ROOT(fragment_us), "500ms", 100 * MS_US, 10 * SEC_US, 0,
     NULL},
    {"process", "sandbox", CONF_BOOL, ROOT(sandbox), "yes", 0, 0, 0, NULL},
};

static const struct conf_table table = {keys, ARRAY_LEN(keys), NULL};

static int flag_input(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct conf *)root)->input, value);
}

static int flag_dir(void *root, const char *value, char *err, size_t cap)
{
	return conf_set_str(&((struct conf *)root)->dir, value);
}

static int flag_rung(void *root, const char *value, char *err, size_t cap)
{
	struct conf *c = root;

	if (!c->rungs_by_flag)
		clear_rungs(c);
	c->rungs_by_flag = true;
	return add_rung(c, value, strlen(value));
}

static const struct conf_flag flags[] = {
    {'i', "input", "URL", "the stream to record (gex-url(7))", flag_input},
    {'r', "rung", "NAME",
     "a rung or track to record (repeatable; default: the best video and all sound)", flag_rung},
    {'d', "dir", "DIR", "the folder for the files", flag_dir},
};

const struct conf_cli record_cli = {
    .tool = "gex-record",
    .synopsis = "gex-record -i URL [-r RUNG]... -d DIR | -c FILE",
    .summary = "Writes a live stream to fragmented MP4 files that survive a crash.",
    .table = &table,
    .flags = flags,
    .nflags = ARRAY_LEN(flags),
};

int conf_check(struct conf *c, char *err)
{
	*err = 0;
	if (!c->input || !*c->input)
		snprintf(err, CONF_ERR, "no input: give -i URL, or input in [record]");
	else if (!c->dir || !*c->dir)
		snprintf(err, CONF_ERR, "no folder: give -d DIR, or dir in [record]");
	if (*err)
		return -EINVAL;
	int r = stream_url_parse(&c->url, c->input, err);
	/* Nobody waits for what a file has: the disk takes it as fast as it can. */
	if (!r && c->url.realtime < 0)
		c->url.realtime = 0;
	return r;
}

void conf_free(struct conf *c)
{
	clear_rungs(c);
	vec_free(&c->rungs);
	stream_url_finish(&c->url);
	conf_finish(&table, NULL, c);
}
