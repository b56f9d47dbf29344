#include "media/sound.h"

#include <stdio.h>

#include "media/language.h"

/* The index of the nth sound (from 0) of a language (NULL: of any), or -1. */
static int nth(const struct media_info *source, const char *lang, int n)
{
	for (int i = 0; i < source->n; i++) {
		const struct media_track *t = &source->track[i];

		if (t->kind == MEDIA_AUDIO && (!lang || !strcmp(t->lang, lang)) && n-- == 0)
			return i;
	}
	return -1;
}

static bool is_taken(const struct sound *s, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(s[i].name, name))
			return true;
	return false;
}

/* The first is called audio, whatever it is: who reads the stream finds it. */
static void set_name(struct sound *s, int n)
{
	char tag[4], base[16] = "audio";

	language_tag(tag, s[n].lang);
	if (n && *tag)
		snprintf(base, sizeof(base), "audio-%s", tag);
	str_copy(s[n].name, sizeof(s[n].name), base);
	for (int k = 2; is_taken(s, n, s[n].name); k++)
		snprintf(s[n].name, sizeof(s[n].name), "%s-%d", base, k);
}

int sounds_default(struct sound out[SOUNDS_MAX], const struct sound *like,
		   const struct media_info *source)
{
	int n = 0, standard = -1;

	for (int at; n < SOUNDS_MAX && (at = nth(source, NULL, n)) >= 0; n++) {
		const struct media_track *t = &source->track[at];

		out[n] = *like;
		out[n].standard = false;
		str_copy(out[n].lang, sizeof(out[n].lang), t->lang);
		str_copy(out[n].label, sizeof(out[n].label), t->label);
		if (t->standard && standard < 0)
			standard = n;
		set_name(out, n);
	}
	if (n)
		out[MAX(standard, 0)].standard = true;
	return n;
}

static int by_language(const struct sound *s, int i, const struct media_info *source)
{
	int before = 0;

	if (!*s[i].lang)
		return -1;
	for (int k = 0; k < i; k++)
		before += !s[k].track && !strcmp(s[k].lang, s[i].lang);
	return nth(source, s[i].lang, before);
}

void sounds_match(const struct sound *s, int n, const struct media_info *source, int *to)
{
	for (int i = 0; i < n; i++) {
		int place = nth(source, NULL, s[i].track ? s[i].track - 1 : i);

		to[i] = s[i].track ? place : by_language(s, i, source);
		if (to[i] < 0 && !s[i].track && place >= 0 &&
		    (!*s[i].lang || !*source->track[place].lang))
			to[i] = place;
		if (to[i] < 0 && s[i].standard)
			to[i] = nth(source, NULL, 0);
	}
}
