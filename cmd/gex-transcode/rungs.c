/* The rungs, as -r and the INI file say them: -r RUNG, [rung NAME]. */
#include <errno.h>
#include <stdio.h>

#include "transcode.h"

#define RUNG_KEY(fn, set) \
	int fn(void *base, const char *value, char *err, size_t cap) \
	{ \
		struct rung_conf *r = base; \
		char why[MEDIA_ERR]; \
		int rc = set(&r->rung, value, why); \
\
		if (rc) \
			snprintf(err, cap, "%s", why); \
		return rc; \
	}
RUNG_KEY(rung_size, rung_set_size)
RUNG_KEY(rung_fps, rung_set_fps)
RUNG_KEY(rung_codec, rung_set_codec)
RUNG_KEY(rung_preset, rung_set_preset)

static struct rung_conf *add_rung(struct conf *c, const char *name, const struct rung *rung,
				  char *err, size_t cap)
{
	struct rung_conf *r;

	if (c->rungs.len == LADDER_MAX) {
		snprintf(err, cap, "more than %d rungs", LADDER_MAX);
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r || conf_set_str(&r->name, name) || vec_push(&c->rungs, r)) {
		free(r ? r->name : NULL);
		free(r);
		return NULL;
	}
	r->rung = *rung;
	return r;
}

/* [rung 720p] begins as -r 720p does, [rung auto] too; any other name as the source's size. */
void *find_rung(struct conf *c, const char *name, char *err, size_t cap)
{
	struct rung_conf **r;
	struct rung rung;
	char why[MEDIA_ERR], text[64];

	vec_for (r, &c->rungs)
		if (!strcmp((*r)->name, name))
			return *r;
	snprintf(text, sizeof(text), "%.40s=", name);
	if (strchr(name, ',') || (rung_parse(&rung, name, why) && rung_parse(&rung, text, why))) {
		snprintf(err, cap, "%s", why);
		return NULL;
	}
	return add_rung(c, name, &rung, err, cap);
}

void free_rungs(struct conf *c)
{
	struct rung_conf **r;

	vec_for (r, &c->rungs) {
		free((*r)->name);
		free(*r);
	}
	vec_free(&c->rungs);
}

/* audio[,RATE][,codec=C]: what [audio] says. */
static int set_audio(struct conf *c, const char *value, char *err, size_t cap)
{
	char item[32];
	int more;

	while ((more = conf_list_next(&value, item, sizeof(item))) > 0) {
		if (str_starts(item, "codec=")) {
			if (sound_codec_of_all(c, item + 6, err, cap))
				return -EINVAL;
		} else if (num_rate(item, &c->audio.sound.bitrate) ||
			   c->audio.sound.bitrate > SOUND_RATE_MAX) {
			more = -EINVAL;
			break;
		}
	}
	if (!more)
		return 0;
	snprintf(err, cap, "-r audio: neither a bit rate from 16k to 512k nor codec=");
	return -EINVAL;
}

int flag_rung(void *root, const char *value, char *err, size_t cap)
{
	struct conf *c = root;
	struct rung rung;
	char why[MEDIA_ERR];

	if (!c->rungs_flag)
		free_rungs(c);
	c->rungs_flag = true;
	if (!strcmp(value, "audio") || str_starts(value, "audio,"))
		return set_audio(c, value + 5, err, cap);
	if (rung_parse(&rung, value, why)) {
		snprintf(err, cap, "-r %.60s: %s", value, why);
		return -EINVAL;
	}
	if (!add_rung(c, rung.name, &rung, err, cap))
		return *err ? -EINVAL : -ENOMEM;
	return 0;
}

/* Is the name that of a sound, or of a rung before this one? */
static const char *taken(const struct conf *c, size_t i, const char *name)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(c->rungs.at[k]->rung.name, name))
			return "another rung";
	for (size_t k = 0; k < c->audios.len; k++)
		if (!strcmp(c->audios.at[k]->name, name))
			return "a sound";
	return strcmp(name, "audio") ? NULL : "the sound";
}

int check_rungs(const struct conf *c, char *err, size_t cap)
{
	for (size_t i = 0; i < c->rungs.len; i++) {
		const char *name = c->rungs.at[i]->rung.name, *by = taken(c, i, name);

		if (!by)
			continue;
		snprintf(err, cap, "a rung cannot be named %s: %s is", name, by);
		return -EINVAL;
	}
	return 0;
}
