#include <errno.h>
#include <stdio.h>

#include "transcode.h"

/* ---- INI ---- */

static int parse_deinterlace(void *base, const char *value, char *err, size_t cap)
{
	static const char *const names[] = {"frame", "field", "off"};
	struct conf *c = base;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(value, names[i]))
			return c->deinterlace = (enum upright_mode)i, 0;
	snprintf(err, cap, "frame, field or off");
	return -EINVAL;
}

#define DRAWN(f) offsetof(struct drawn_conf, f)
#define ROOT(f) offsetof(struct conf, f)
#define AUDIO(f) offsetof(struct audio_conf, f)

static const struct conf_key keys[] = {
    {"input", "url", CONF_STR, ROOT(input_text), NULL, 0, 0, 0, NULL},
    {"input", "failover", CONF_DURATION, ROOT(loss_us), "250ms", 50 * MS_US, 60 * SEC_US, 0, NULL},
    {"input", "return", CONF_DURATION, ROOT(return_us), "5s", 0, 3600 * SEC_US, 0, NULL},
    {"input", "black", CONF_DURATION, ROOT(black_us), "0", 0, 3600 * SEC_US, 0, NULL},
    {"input", "frozen", CONF_DURATION, ROOT(frozen_us), "0", 0, 3600 * SEC_US, 0, NULL},
    {"input", "silence", CONF_DURATION, ROOT(silent_us), "0", 0, 3600 * SEC_US, 0, NULL},
    {"input", "silence_level", CONF_FN, 0, "-60dB", 0, 0, 0, silence_level},
    {"alerts", "black", CONF_DURATION, ROOT(alert_us[FAULT_BLACK]), "2s", 0, 3600 * SEC_US, 0,
     NULL},
    {"alerts", "frozen", CONF_DURATION, ROOT(alert_us[FAULT_FROZEN]), "10s", 0, 3600 * SEC_US, 0,
     NULL},
    {"alerts", "silence", CONF_DURATION, ROOT(alert_us[FAULT_SILENT]), "10s", 0, 3600 * SEC_US, 0,
     NULL},
    {"alerts", "gop", CONF_DURATION, ROOT(alerts.gop_us), "5s", 0, 3600 * SEC_US, 0, NULL},
    {"alerts", "bframes", CONF_BOOL, ROOT(alerts.bframes), "yes", 0, 0, 0, NULL},
    {"alerts", "vfr", CONF_BOOL, ROOT(alerts.vfr), "yes", 0, 0, 0, NULL},
    {"alerts", "bitrate", CONF_INT, ROOT(alerts.bitrate), "4", 0, 100, 0, NULL},
    {"backup *", "url", CONF_STR, offsetof(struct input_conf, url_text), NULL, 0, 0, 0, NULL},
    {"slate", "after", CONF_DURATION, ROOT(slate_us), "1s", 0, 3600 * SEC_US, 0, NULL},
    {"slate", "file", CONF_STR, ROOT(slate_file), NULL, 0, 0, 0, NULL},
    {"slate", "text", CONF_STR, ROOT(slate_text), "NO SIGNAL", 0, 0, 0, NULL},
    {"video", "cascade", CONF_BOOL, ROOT(cascade), "yes", 0, 0, 0, NULL},
    {"video", "enabled", CONF_BOOL, ROOT(video), "yes", 0, 0, 0, NULL},
    {"video", "gop", CONF_DURATION, ROOT(gop_us), "1s", 200 * MS_US, 10 * SEC_US, 0, NULL},
    {"audio", "bitrate", CONF_RATE, ROOT(audio.sound.bitrate), "128k", 0, SOUND_RATE_MAX, 0, NULL},
    {"audio", "codec", CONF_FN, 0, "aac", 0, 0, 0, sound_codec_of_all},
    {"audio", "channels", CONF_INT, ROOT(audio.channels), "2", 1, 6, 0, NULL},
    {"audio", "map", CONF_FN, 0, NULL, 0, 0, 0, sound_map_of_all},
    {"audio", "loudness", CONF_FN, 0, "off", 0, 0, 0, sound_loudness_of_all},
    {"audio *", "track", CONF_INT, AUDIO(track), NULL, 1, 64, 0, NULL},
    {"audio *", "lang", CONF_FN, 0, NULL, 0, 0, 0, sound_lang},
    {"audio *", "title", CONF_STR, AUDIO(label), NULL, 0, 0, 0, NULL},
    {"audio *", "default", CONF_BOOL, AUDIO(sound.standard), NULL, 0, 0, 0, NULL},
    {"audio *", "bitrate", CONF_RATE, AUDIO(sound.bitrate), NULL, 16000, SOUND_RATE_MAX, 0, NULL},
    {"audio *", "codec", CONF_FN, 0, NULL, 0, 0, 0, sound_codec},
    {"audio *", "channels", CONF_INT, AUDIO(channels), NULL, 1, 6, 0, NULL},
    {"audio *", "map", CONF_FN, 0, NULL, 0, 0, 0, sound_map},
    {"audio *", "loudness", CONF_FN, 0, NULL, 0, 0, 0, sound_loudness},
    {"video", "deinterlace", CONF_FN, 0, "frame", 0, 0, 0, parse_deinterlace},
    {"overlay *", "file", CONF_STR, DRAWN(file), NULL, 0, 0, 0, NULL},
    {"overlay *", "text", CONF_STR, DRAWN(text), NULL, 0, 0, 0, NULL},
    {"overlay *", "font", CONF_STR, DRAWN(font), OVERLAY_FONT, 0, 0, 0, NULL},
    {"overlay *", "zone", CONF_FN, 0, "utc", 0, 0, 0, drawn_zone},
    {"overlay *", "at", CONF_FN, 0, "top-right", 0, 0, 0, drawn_at},
    {"overlay *", "size", CONF_INT, DRAWN(size), "0", 0, 100, 0, NULL},
    {"overlay *", "margin", CONF_INT, DRAWN(margin), "3", 0, 50, 0, NULL},
    {"overlay *", "opacity", CONF_INT, DRAWN(opacity), "100", 1, 100, 0, NULL},
    {"thumbnail *", "path", CONF_STR, offsetof(struct thumbnail_conf, path), NULL, 0, 0, 0, NULL},
    {"thumbnail *", "track", CONF_BOOL, offsetof(struct thumbnail_conf, track), "no", 0, 0, 0,
     NULL},
    {"thumbnail *", "every", CONF_DURATION, offsetof(struct thumbnail_conf, every_us), NULL,
     100 * MS_US, 86400 * SEC_US, 0, NULL},
    {"thumbnail *", "height", CONF_INT, offsetof(struct thumbnail_conf, height), NULL, 16, 2160, 0,
     NULL},
    {"thumbnail *", "quality", CONF_INT, offsetof(struct thumbnail_conf, quality), "80", 1, 100, 0,
     NULL},
    {"output *", "url", CONF_STR, offsetof(struct output_conf, url_text), NULL, 0, 0, 0, NULL},
    {"process", "sandbox", CONF_BOOL, ROOT(sandbox), "yes", 0, 0, 0, NULL},
    {"rung *", "size", CONF_FN, 0, NULL, 0, 0, 0, rung_size},
    {"rung *", "fps", CONF_FN, 0, NULL, 0, 0, 0, rung_fps},
    {"rung *", "bitrate", CONF_RATE, offsetof(struct rung_conf, rung.bitrate), NULL, 10000,
     200000000, 0, NULL},
    {"rung *", "codec", CONF_FN, 0, NULL, 0, 0, 0, rung_codec},
    {"rung *", "preset", CONF_FN, 0, NULL, 0, 0, 0, rung_preset},
};

static void free_backups(struct conf *c)
{
	struct input_conf **b;

	vec_for (b, &c->backups) {
		stream_url_finish(&(*b)->url);
		free((*b)->url_text);
		free((*b)->name);
		free(*b);
	}
	vec_free(&c->backups);
}

static struct input_conf *find_backup(struct conf *c, const char *name, char *err, size_t cap)
{
	struct input_conf **b, *made;

	vec_for (b, &c->backups)
		if (!strcmp((*b)->name, name))
			return *b;
	if (c->backups.len == INPUTS_MAX - 1) {
		snprintf(err, cap, "more than %d backups", INPUTS_MAX - 1);
		return NULL;
	}
	made = calloc(1, sizeof(*made));
	if (!made || conf_set_str(&made->name, name) || vec_push(&c->backups, made)) {
		free(made ? made->name : NULL);
		free(made);
		return NULL;
	}
	return made;
}

static struct output_conf *add_output(struct conf *c, const char *name)
{
	struct output_conf *o = calloc(1, sizeof(*o));

	if (!o || conf_set_str(&o->name, name) || vec_push(&c->outputs, o)) {
		free(o ? o->name : NULL);
		free(o);
		return NULL;
	}
	return o;
}

static void *find_output(struct conf *c, const char *name, char *err, size_t cap)
{
	struct output_conf **o;

	vec_for (o, &c->outputs)
		if (!strcmp((*o)->name, name))
			return *o;
	if (c->outputs.len == OUTPUTS_MAX) {
		snprintf(err, cap, "more than %d outputs", OUTPUTS_MAX);
		return NULL;
	}
	return add_output(c, name);
}

static const struct conf_table table;

static void *find_section(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	return !strcmp(kind, "rung")	    ? find_rung(root, name, err, cap)
	       : !strcmp(kind, "backup")    ? (void *)find_backup(root, name, err, cap)
	       : !strcmp(kind, "audio")	    ? find_audio(root, name, err, cap)
	       : !strcmp(kind, "overlay")   ? find_overlay(root, &table, name, err, cap)
	       : !strcmp(kind, "thumbnail") ? find_thumbnail(root, &table, name, err, cap)
					    : (void *)find_output(root, name, err, cap);
}

static const struct conf_table table = {keys, ARRAY_LEN(keys), find_section};

/* ---- the command line ---- */

static void free_outputs(struct conf *c)
{
	struct output_conf **o;

	vec_for (o, &c->outputs) {
		stream_url_finish(&(*o)->url);
		free((*o)->url_text);
		free((*o)->name);
		free(*o);
	}
	vec_free(&c->outputs);
}

/* The first is the source, those after it its backups. */
static int flag_input(void *root, const char *value, char *err, size_t cap)
{
	struct conf *c = root;
	struct input_conf *b;
	char name[16];

	if (!c->input_flag) {
		c->input_flag = true;
		free_backups(c);
		return conf_set_str(&c->input_text, value);
	}
	snprintf(name, sizeof(name), "%zu", c->backups.len + 1);
	b = find_backup(c, name, err, cap);
	if (!b)
		return *err ? -EINVAL : -ENOMEM;
	return conf_set_str(&b->url_text, value);
}

static int flag_output(void *root, const char *value, char *err, size_t cap)
{
	struct conf *c = root;
	struct output_conf *o;
	char name[16];

	if (!c->outputs_flag)
		free_outputs(c);
	c->outputs_flag = true;
	snprintf(name, sizeof(name), "%zu", c->outputs.len + 1);
	o = find_output(c, name, err, cap);
	if (!o)
		return *err ? -EINVAL : -ENOMEM;
	return conf_set_str(&o->url_text, value);
}

static const struct conf_flag flags[] = {
    {'i', "input", "URL", "the source: a stream URL, see gex-url(7); given again: its backups",
     flag_input},
    {'r', "rung", "RUNG", "make this rendition (repeatable): 720p, 720p60, NAME=1280x720@30,2.8M",
     flag_rung},
    {'o', "output", "URL", "write all renditions there (repeatable)", flag_output},
};

const struct conf_cli transcode_cli = {
    .tool = "gex-transcode",
    .synopsis = "gex-transcode -i URL [-i BACKUP_URL]... [-r RUNG]... -o URL [-o URL]... | -c FILE",
    .summary = "Makes a ladder of renditions of one live source, on a timeline in UTC.",
    .table = &table,
    .flags = flags,
    .nflags = ARRAY_LEN(flags),
};

/* ---- the whole ---- */

static int check_output(struct output_conf *o, char *err, size_t cap)
{
	char why[MEDIA_ERR];

	if (!o->url_text) {
		snprintf(err, cap, "[output %s] has no url", o->name);
		return -EINVAL;
	}
	if (stream_url_parse(&o->url, o->url_text, why)) {
		snprintf(err, cap, "output: %s", why);
		return -EINVAL;
	}
	if (o->url.scheme == STREAM_RTMP || o->url.scheme == STREAM_HTTP) {
		snprintf(err, cap,
			 "output %s: not a place for a ladder (gex-restream pushes one rendition)",
			 o->url.shown);
		return -EINVAL;
	}
	return 0;
}

static int check_input(struct stream_url *u, const char *text, char *err, size_t cap)
{
	char why[MEDIA_ERR];

	if (!stream_url_parse(u, text, why))
		return 0;
	snprintf(err, cap, "input: %s", why);
	return -EINVAL;
}

static int check_backups(struct conf *c, char *err, size_t cap)
{
	for (size_t i = 0; i < c->backups.len; i++) {
		struct input_conf *b = c->backups.at[i];
		int rc = 0;

		if (!b->url_text)
			snprintf(err, cap, "[backup %s] has no url", b->name), rc = -EINVAL;
		else
			rc = check_input(&b->url, b->url_text, err, cap);
		if (rc)
			return rc;
	}
	return 0;
}

int conf_check(struct conf *c, char *err, size_t cap)
{
	int rc;

	if (!c->input_text) {
		snprintf(err, cap, "no source: give -i URL, or url in [input]");
		return -EINVAL;
	}
	if ((rc = check_input(&c->input, c->input_text, err, cap)) ||
	    (rc = check_backups(c, err, cap)))
		return rc;
	if (!c->outputs.len) {
		snprintf(err, cap, "nowhere to write: give -o URL, or an [output NAME] section");
		return -EINVAL;
	}
	for (size_t i = 0; i < c->outputs.len; i++) {
		rc = check_output(c->outputs.at[i], err, cap);
		if (rc)
			return rc;
	}
	if ((rc = check_overlays(c, err, cap)) || (rc = check_thumbnails(c, err, cap)) ||
	    (rc = check_audios(c, err, cap)))
		return rc;
	c->video &= !c->rungs_flag || c->rungs.len; /* -r audio */
	if (!c->video && !c->audio.sound.bitrate && !c->audios.len) {
		snprintf(err, cap, "neither pictures nor sound are to be made");
		return -EINVAL;
	}
	return check_rungs(c, err, cap);
}

void conf_sandbox(const struct conf *c, struct os_sandbox *s)
{
	stream_sandbox_input(&c->input, s);
	for (size_t i = 0; i < c->backups.len; i++)
		stream_sandbox_input(&c->backups.at[i]->url, s);
	for (size_t i = 0; i < c->outputs.len; i++)
		stream_sandbox_output(&c->outputs.at[i]->url, s);
	for (size_t i = 0; i < c->rungs.len; i++)
		if (strchr(c->rungs.at[i]->rung.codec, '_')) /* of a card */
			os_sandbox_devices(s);
	if (c->slate_file)
		os_sandbox_read(s, c->slate_file);
	sandbox_pictures(c, s);
}

void conf_free(struct conf *c)
{
	stream_url_finish(&c->input);
	free_backups(c);
	free_overlays(c, &table);
	free_thumbnails(c, &table);
	free_outputs(c);
	free_rungs(c);
	free_audios(c);
	conf_finish(&table, NULL, c);
}
