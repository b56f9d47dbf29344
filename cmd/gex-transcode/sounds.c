/* The renditions of sound, as the INI file says them: [audio], [audio NAME]; and what counts as silence. */
#include <errno.h>
#include <stdio.h>

#include "media/language.h"
#include "transcode.h"

static int set_audio_codec(struct audio_conf *a, const char *value, char *err, size_t cap)
{
	a->codec_set = true;
	a->sound.opus = !strcmp(value, "opus");
	if (a->sound.opus || !strcmp(value, "aac"))
		return 0;
	snprintf(err, cap, "aac or opus");
	return -EINVAL;
}

static int set_map(struct audio_conf *a, const char *value, char *err, size_t cap)
{
	char why[MEDIA_ERR];
	int rc = mix_parse(&a->sound.map, value, why);

	if (rc)
		snprintf(err, cap, "%s", why);
	return rc;
}

/* What [audio] and [audio NAME] both have. */
#define BOTH_AUDIOS(fn, set) \
	int fn(void *base, const char *value, char *err, size_t cap) \
	{ \
		return set(base, value, err, cap); \
	} \
	int fn##_of_all(void *base, const char *value, char *err, size_t cap) \
	{ \
		struct conf *c = base; \
		return set(&c->audio, value, err, cap); \
	}
BOTH_AUDIOS(sound_codec, set_audio_codec)
BOTH_AUDIOS(sound_map, set_map)

/* "-60", "-60dB", "-23 LUFS": a level within these bounds. */
static int parse_level(double *out, const char *value, double min, double max, char *err,
		       size_t cap)
{
	char *end;
	double v = strtod(value, &end);

	end += strspn(end, " ");
	if (end != value && (!*end || !strcasecmp(end, "dB") || !strcasecmp(end, "LUFS")) &&
	    v >= min && v <= max) {
		*out = v;
		return 0;
	}
	snprintf(err, cap, "a level from %g to %g", min, max);
	return -EINVAL;
}

static int set_loudness(struct audio_conf *a, const char *value, char *err, size_t cap)
{
	a->sound.loudness = 0;
	a->loudness_set = true;
	return !strcmp(value, "off") ? 0
				     : parse_level(&a->sound.loudness, value, -40, -5, err, cap);
}
BOTH_AUDIOS(sound_loudness, set_loudness)

int sound_lang(void *base, const char *value, char *err, size_t cap)
{
	struct audio_conf *a = base;

	if (language_code(a->sound.lang, value))
		return 0;
	snprintf(err, cap, "%.20s is no language: ko, en, kor ...", value);
	return -EINVAL;
}

int silence_level(void *base, const char *value, char *err, size_t cap)
{
	struct conf *c = base;

	return parse_level(&c->silence_db, value, -120, -1, err, cap);
}

void free_audios(struct conf *c)
{
	struct audio_conf **a;

	vec_for (a, &c->audios) {
		free((*a)->label);
		free((*a)->name);
		free(*a);
	}
	vec_free(&c->audios);
}

void *find_audio(struct conf *c, const char *name, char *err, size_t cap)
{
	struct audio_conf **a, *made;

	vec_for (a, &c->audios)
		if (!strcmp((*a)->name, name))
			return *a;
	if (c->audios.len == SOUNDS_MAX || strlen(name) >= sizeof(made->sound.name)) {
		snprintf(err, cap,
			 c->audios.len == SOUNDS_MAX ? "more than %d renditions of sound"
						     : "a name longer than 31 letters",
			 SOUNDS_MAX);
		return NULL;
	}
	made = calloc(1, sizeof(*made));
	if (!made || conf_set_str(&made->name, name) || vec_push(&c->audios, made)) {
		free(made ? made->name : NULL);
		free(made);
		return NULL;
	}
	str_copy(made->sound.name, sizeof(made->sound.name), name);
	return made;
}

/* ---- the whole ---- */

static int check_channels(struct audio_conf *a, const char *name, char *err, size_t cap)
{
	int picks = a->sound.map.picks;

	if (a->channels != 1 && a->channels != 2 && a->channels != 6)
		snprintf(err, cap, "%s.channels: 1, 2 or 6", name);
	else if (picks && picks != a->channels)
		snprintf(err, cap, "%s.map: it has %d channels, and channels is %d", name, picks,
			 (int)a->channels);
	else
		return a->sound.channels = (int)a->channels, 0;
	return -EINVAL;
}

/* What a rendition of sound leaves open is as [audio] says. */
static int check_audio(struct conf *c, struct audio_conf *a, char *err, size_t cap)
{
	const struct audio_conf *like = &c->audio;

	a->sound.track = (int)a->track;
	if (!a->sound.bitrate)
		a->sound.bitrate = like->sound.bitrate;
	if (!a->loudness_set)
		a->sound.loudness = like->sound.loudness;
	if (!a->codec_set)
		a->sound.opus = like->sound.opus;
	if (!a->sound.map.picks && (!a->channels || a->channels == like->channels))
		a->sound.map = like->sound.map;
	if (!a->channels)
		a->channels = a->sound.map.picks ? a->sound.map.picks : like->channels;
	str_copy(a->sound.label, sizeof(a->sound.label), a->label ? a->label : "");
	if (strpbrk(a->sound.label, "\"\n")) {
		snprintf(err, cap, "[audio %s]: a title without quotation marks", a->name);
		return -EINVAL;
	}
	return check_channels(a, a->name, err, cap);
}

int check_audios(struct conf *c, char *err, size_t cap)
{
	struct audio_conf **a;
	int standards = 0, rc;

	if (c->audio.sound.bitrate && c->audio.sound.bitrate < 16000) {
		snprintf(err, cap, "audio.bitrate: 0 (no sound) or from 16k");
		return -EINVAL;
	}
	if (c->audio.channels == 2 && c->audio.sound.map.picks)
		c->audio.channels = c->audio.sound.map.picks;
	if ((rc = check_channels(&c->audio, "audio", err, cap)))
		return rc;
	vec_for (a, &c->audios) {
		if ((rc = check_audio(c, *a, err, cap)))
			return rc;
		standards += (*a)->sound.standard;
	}
	if (standards > 1) {
		snprintf(err, cap, "two renditions of sound are the default");
		return -EINVAL;
	}
	if (c->audios.len && !standards)
		c->audios.at[0]->sound.standard = true;
	return 0;
}
