/* Which captions are wanted, by what name and in what language. */
#include <errno.h>
#include <stdio.h>

#include "conf/conf.h"
#include "package.h"

/* Bits of enum cmaf_captions; -EINVAL. */
static int forms(const char *text)
{
	static const char *const names[] = {"no", "cea", "vtt", "both"}; /* by their bits */

	for (int i = 0; i < (int)ARRAY_LEN(names); i++)
		if (!strcmp(text, names[i]))
			return i;
	return -EINVAL;
}

static bool is_tag(const char *s)
{
	return strlen(s) < sizeof(((struct cmaf_caption *)0)->lang) && access_is_plain(s);
}

/* What stands between quotes in a playlist, and in an MPD. */
static bool is_label(const char *s)
{
	return strlen(s) < sizeof(((struct cmaf_caption *)0)->label) && !strpbrk(s, "\"<&\n\r");
}

/* CHANNEL[:LANGUAGE[:NAME]] */
static int parse(char *text, struct cmaf_caption *out, char *err)
{
	char *name = text, *lang, *label;

	strsep(&name, ":");
	lang = name;
	strsep(&name, ":");
	label = name;
	int ch = cc_channel(text);
	if (ch < 0)
		snprintf(err, MEDIA_ERR,
			 "captions_channels '%.32s': CC1 to CC4 and SERVICE1 to SERVICE6", text);
	else if (lang && !is_tag(lang))
		snprintf(err, MEDIA_ERR, "captions_channels '%.35s': a tag like en or pt-BR", lang);
	else if (label && !is_label(label))
		snprintf(err, MEDIA_ERR, "captions_channels '%.63s': too long, or with a quote",
			 label);
	else {
		*out = (struct cmaf_caption){.channel = (enum cc_channel)ch};
		str_copy(out->lang, sizeof(out->lang), lang ? lang : "");
		str_copy(out->label, sizeof(out->label), label ? label : "");
		return 0;
	}
	return -EINVAL;
}

/* The first channel of both standards has the language that is configured; of the others nothing is known. */
static void take_all(const struct package_conf *c, struct cmaf_conf *out)
{
	out->captions_auto = true;
	out->ncaptions = CC_CHANNELS;
	for (int i = 0; i < CC_CHANNELS; i++) {
		struct cmaf_caption *k = &out->caption[i];

		*k = (struct cmaf_caption){.channel = (enum cc_channel)i};
		if (i == CC_CC1 || i == CC_SERVICE1) {
			str_copy(k->lang, sizeof(k->lang),
				 c->captions_lang ? c->captions_lang : "");
			str_copy(k->label, sizeof(k->label), "Captions");
		}
	}
}

static bool is_there(const struct cmaf_conf *c, enum cc_channel ch)
{
	for (int i = 0; i < c->ncaptions; i++)
		if (c->caption[i].channel == ch)
			return true;
	return false;
}

static int take_list(const char *list, struct cmaf_conf *out, char *err)
{
	char one[128];
	int rc;

	while ((rc = conf_list_next(&list, one, sizeof(one))) > 0) {
		struct cmaf_caption k;

		rc = parse(one, &k, err);
		if (rc)
			return rc;
		if (is_there(out, k.channel)) {
			snprintf(err, MEDIA_ERR, "captions_channels: %s is there twice",
				 cc_name(k.channel));
			return -EINVAL;
		}
		out->caption[out->ncaptions++] = k;
	}
	if (rc)
		snprintf(err, MEDIA_ERR, "captions_channels: one that is too long");
	return rc;
}

int package_captions(const struct package_conf *c, struct cmaf_conf *out, char *err)
{
	const char *how = c->captions ? c->captions : "no", *lang = c->captions_lang;
	const char *list = c->captions_channels ? c->captions_channels : "auto";
	int bits = forms(how);

	if (bits < 0) {
		snprintf(err, MEDIA_ERR, "captions '%.32s': no, cea, vtt or both", how);
		return -EINVAL;
	}
	if (lang && !is_tag(lang)) {
		snprintf(err, MEDIA_ERR, "captions_language '%.35s': a tag like en or pt-BR", lang);
		return -EINVAL;
	}
	out->captions = (unsigned)bits;
	out->ncaptions = 0;
	out->captions_auto = false;
	if (strcmp(list, "auto"))
		return take_list(list, out, err);
	take_all(c, out);
	return 0;
}
