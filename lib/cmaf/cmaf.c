#include "cmaf/cmaf.h"

#include <errno.h>
#include <stdio.h>

#include "cmaf/coder.h"
#include "cmaf/cut.h"

int64_t cmaf_us(const struct cmaf_track *t, int64_t v)
{
	return base_scale(v, SEC_US, t->scale);
}

/* ---- making it ---- */

/* A scale in which the packets' times are whole: of audio its sample rate, of video the
 * container's, made fine enough to tell frames. */
static int64_t choose_scale(const struct media_track *m)
{
	if (m->kind == MEDIA_AUDIO)
		return m->sample_rate;
	int64_t scale = m->tb.den;
	if (scale > 10000000)
		return 90000;
	while (scale < 1000 * m->tb.num)
		scale *= 10;
	return scale;
}

static struct ratio frame_seconds(const struct media_track *m)
{
	if (m->kind == MEDIA_AUDIO)
		return (struct ratio){m->frame_samples > 0     ? m->frame_samples
				      : m->codec == MEDIA_OPUS ? m->sample_rate / 50
							       : 1024,
				      m->sample_rate};
	if (m->fps.num > 0 && m->fps.den > 0)
		return (struct ratio){m->fps.den, m->fps.num};
	return (struct ratio){1, 25};
}

static bool same_rate(struct ratio a, struct ratio b)
{
	return a.num * b.den == b.num * a.den;
}

static int check_track(const struct media_info *info, int i, char *err)
{
	const struct media_track *m = &info->track[i];

	if (!coder_of(m->codec)) {
		snprintf(err, CMAF_ERR,
			 "track %s is %s: what can be packaged is H.264, HEVC, AV1, VP9, AAC, Opus",
			 m->name, m->codec_name);
		return -EINVAL;
	}
	if (m->kind == MEDIA_AUDIO ? m->sample_rate <= 0 || m->channels <= 0
				   : m->width <= 0 || m->height <= 0) {
		snprintf(err, CMAF_ERR, "track %s: its %s is not known", m->name,
			 m->kind == MEDIA_AUDIO ? "sample rate" : "size");
		return -EINVAL;
	}
	if (m->tb.num <= 0 || m->tb.den <= 0) {
		snprintf(err, CMAF_ERR, "track %s has no time base", m->name);
		return -EINVAL;
	}
	for (int k = 0; k < i; k++) {
		if (!strcmp(info->track[k].name, m->name)) {
			snprintf(err, CMAF_ERR, "two tracks have the name %s", m->name);
			return -EINVAL;
		}
	}
	return 0;
}

/* Names become parts of URLs. */
static void url_name(char *dst, size_t cap, const struct media_track *m)
{
	size_t n = 0;

	for (const char *s = m->name; *s && n + 1 < cap; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			     (*s >= '0' && *s <= '9') || *s == '_' || *s == '-';

		dst[n++] = plain ? *s : '_';
	}
	dst[n] = 0;
	if (!n)
		str_copy(dst, cap, m->kind == MEDIA_VIDEO ? "video" : "audio");
}

static struct cmaf_track *track_create(const struct media_track *m, int index)
{
	struct cmaf_track *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	list_init(&t->segments);
	t->cut = calloc(1, sizeof(*t->cut));
	if (!t->cut) {
		free(t);
		return NULL;
	}
	t->index = index;
	t->kind = m->kind;
	t->coder = coder_of(m->codec);
	url_name(t->name, sizeof(t->name), m);
	str_copy(t->lang, sizeof(t->lang), m->lang);
	str_copy(t->label, sizeof(t->label), m->label);
	t->standard = m->standard;
	t->width = m->width;
	t->height = m->height;
	t->sample_rate = m->sample_rate;
	t->channels = m->channels;
	t->fps = m->fps;
	t->sar = m->sar;
	t->bitrate = m->bitrate;
	t->scale = choose_scale(m);
	struct ratio f = frame_seconds(m);
	t->frame = MAX(1, base_scale(t->scale, f.num, f.den));
	t->cut->tb = m->tb;
	t->cut->last_number = NO_NUMBER;
	return t;
}

static void track_destroy(struct cmaf *c, struct cmaf_track *t)
{
	store_clear(c, t);
	track_reset(t);
	while (t->changes)
		init_unref(t->change[--t->changes].init);
	init_unref(t->init);
	free(t->cut);
	free(t);
}

static void lay_grid(struct cmaf *c, const struct media_info *info, int64_t first_key_us)
{
	struct ratio frames[MEDIA_TRACKS_MAX], fps = {0, 1};
	double ratio;

	for (int i = 0; i < info->n; i++) {
		frames[i] = frame_seconds(&info->track[i]);
		if (info->track[i].kind == MEDIA_VIDEO && !fps.num)
			fps = info->track[i].fps;
	}
	c->grid.d = (struct ratio){c->conf.segment_us, SEC_US};
	if (fps.num > 0 && fps.den > 0) {
		int64_t n = MAX(1, base_scale(c->conf.segment_us, fps.num, fps.den * SEC_US));

		c->grid.d = (struct ratio){n * fps.den, fps.num};
	}
	c->part_target_us = cmaf_choose_parts(c->grid.d, c->conf.part_us, frames, (size_t)info->n,
					      &c->grid.parts, &ratio);
	c->grid.origin = (struct ratio){0, SEC_US};
	if (first_key_us) {
		/* One later than the number of that instant on the plain grid: a restart never goes
		 * back. */
		int64_t n = cmaf_grid_number(&c->grid, SEC_US, first_key_us) + 1;

		c->grid.origin.num = first_key_us - cmaf_grid_start(&c->grid, SEC_US, n, 0);
	}
}

int cmaf_create(struct cmaf **out, const struct cmaf_conf *conf, struct media_info *info,
		int64_t first_key_us, const struct cmaf_events *ev, void *arg, char *err)
{
	*out = NULL;
	if (!info->n) {
		snprintf(err, CMAF_ERR, "the source has no tracks");
		return -EINVAL;
	}
	for (int i = 0; i < info->n; i++) {
		int rc = check_track(info, i, err);

		if (rc)
			return rc;
	}
	struct cmaf *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->conf = *conf;
	c->ev = *ev;
	c->arg = arg;
	c->utc = !first_key_us;
	c->info = media_info_ref(info);
	for (size_t i = 0; i < CMAF_BREAKS; i++)
		c->break_at[i] = NO_NUMBER;
	lay_grid(c, info, first_key_us);
	beside_learn(c, info);
	for (int i = 0; i < info->n; i++) {
		c->track[i] = track_create(&info->track[i], i);
		if (!c->track[i]) {
			cmaf_destroy(c);
			return -ENOMEM;
		}
		c->track[i]->discontinuities = conf->discontinuities;
		c->n++;
		const struct buf *extra = info->track[i].extra;
		if (extra && track_config(c, c->track[i], extra->data, extra->len) == -ENOMEM) {
			cmaf_destroy(c);
			return -ENOMEM;
		}
	}
	if (texts_create(c)) {
		cmaf_destroy(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void cmaf_destroy(struct cmaf *c)
{
	if (!c)
		return;
	texts_destroy(c);
	for (int i = 0; i < c->n; i++)
		track_destroy(c, c->track[i]);
	for (int i = 0; i < c->nkeys; i++)
		key_unref(c->key[i]);
	beside_finish(c);
	media_info_unref(c->info);
	free(c);
}

static bool has_name(const struct media_info *info, const char *name)
{
	for (int i = 0; i < info->n; i++)
		if (!strcmp(info->track[i].name, name))
			return true;
	return false;
}

/* A foreign stream's names are made of what the pictures are: another resolution is another name, and the track keeps
 * the one that its addresses have. */
static bool may_be(const struct cmaf *c, const struct media_info *info, int i)
{
	const char *was = c->info->track[i].name, *is = info->track[i].name;

	return !strcmp(was, is) || (!info->utc && !has_name(info, was) && !has_name(c->info, is));
}

int cmaf_resume(struct cmaf *c, struct media_info *info)
{
	if (info->n != c->n || info->utc != c->info->utc)
		return -ESTALE;
	for (int i = 0; i < info->n; i++) {
		const struct media_track *a = &c->info->track[i], *b = &info->track[i];

		if (!may_be(c, info, i) || a->kind != b->kind || a->codec != b->codec ||
		    choose_scale(a) != choose_scale(b) ||
		    !same_rate(frame_seconds(a), frame_seconds(b)))
			return -ESTALE;
	}
	for (int i = 0; i < info->n; i++) {
		struct cmaf_track *t = c->track[i];
		const struct buf *extra = info->track[i].extra;

		t->cut->tb = info->track[i].tb;
		t->width = info->track[i].width;
		t->height = info->track[i].height;
		t->channels = info->track[i].channels;
		t->sar = info->track[i].sar;
		if (extra && track_config(c, t, extra->data, extra->len) == -ENOMEM)
			return -ENOMEM;
	}
	beside_learn(c, info);
	media_info_unref(c->info);
	c->info = media_info_ref(info);
	return 0;
}

int64_t cmaf_discontinuities(const struct cmaf *c)
{
	return c->conf.discontinuities + c->breaks;
}

/* ---- running ---- */

int cmaf_packet(struct cmaf *c, struct media_packet *p, int64_t offset_us)
{
	if (p->track < 0 || p->track >= c->n)
		return 0;
	texts_hear(c, p, offset_us); /* before the segment that it may end is written */
	return track_packet(c, c->track[p->track], p, offset_us);
}

void cmaf_gap(struct cmaf *c, int64_t utc_us)
{
	for (int i = 0; i < c->n; i++)
		track_away(c, c->track[i], utc_us);
	for (int i = 0; i < c->n; i++)
		track_gap(c, c->track[i], utc_us);
}

void cmaf_end(struct cmaf *c)
{
	c->ended = true;
	c->version++;
	for (int i = 0; i < c->n; i++)
		track_end(c, c->track[i]);
}

/* ---- looking ---- */

struct cmaf_track *cmaf_find(const struct cmaf *c, const char *name)
{
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->track[i]->name, name))
			return c->track[i];
	return NULL;
}

struct cmaf_segment *cmaf_last(const struct cmaf_track *t)
{
	return list_last(&t->segments, struct cmaf_segment, link);
}

struct cmaf_segment *cmaf_segment(const struct cmaf_track *t, int64_t number)
{
	for (struct list *l = t->segments.prev; l != &t->segments; l = l->prev) {
		struct cmaf_segment *s = list_entry(l, struct cmaf_segment, link);

		if (s->number == number)
			return s;
		if (s->number < number)
			break;
	}
	return NULL;
}

void cmaf_next(const struct cmaf_track *t, int64_t *number, int *part)
{
	const struct cmaf_segment *s = cmaf_last(t);

	*number = !s ? 0 : s->complete ? s->number + 1 : s->number;
	*part = !s || s->complete ? 0 : (int)s->part.len;
}

struct buf *cmaf_mux(const struct cmaf_track *const *t, size_t n)
{
	struct buf *config[MEDIA_TRACKS_MAX];
	const struct cmaf_key *key[MEDIA_TRACKS_MAX];

	if (n > MEDIA_TRACKS_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!t[i]->init)
			return NULL;
		config[i] = t[i]->init->config;
		key[i] = t[i]->init->key;
	}
	return box_init(t, config, key, n);
}

static bool track_ready(const struct cmaf_track *t)
{
	const struct cmaf_segment *s;

	list_for (s, &t->segments, link)
		if (s->complete && !s->gap)
			return true;
	return false;
}

bool cmaf_ready(const struct cmaf *c)
{
	for (int i = 0; i < c->n; i++)
		if (!track_ready(c->track[i]))
			return false;
	return true;
}

struct cmaf_segment *cmaf_listed(const struct cmaf *c, const struct cmaf_track *t)
{
	struct cmaf_segment *s = cmaf_last(t);

	for (int n = s && s->complete ? 1 : 0;
	     s && n < c->conf.window && s->link.prev != &t->segments; n++)
		s = list_entry(s->link.prev, struct cmaf_segment, link);
	return s;
}

const char *cmaf_codec(const struct cmaf_track *t)
{
	return t->init ? t->init->codec : t->coder->usual;
}

bool cmaf_same_codec(const struct cmaf_track *a, const struct cmaf_track *b)
{
	return a->coder == b->coder;
}

int cmaf_target_s(const struct cmaf *c)
{
	return (int)MAX(1, base_scale(1, c->grid.d.num, c->grid.d.den));
}

int64_t cmaf_skip_until_us(const struct cmaf *c)
{
	return 6 * cmaf_target_s(c) * SEC_US;
}

int64_t cmaf_part_hold_back_us(const struct cmaf *c)
{
	return 3 * c->part_target_us;
}

void cmaf_bitrate(const struct cmaf_track *t, int64_t *peak, int64_t *mean)
{
	const struct cmaf_segment *s;
	int64_t bytes = 0, units = 0;

	*peak = 0;
	list_for (s, &t->segments, link) {
		int64_t dur = s->end - s->start;

		if (s->gap || !s->complete || dur <= 0)
			continue;
		*peak = MAX(*peak, base_scale((int64_t)s->size * 8, t->scale, dur));
		bytes += (int64_t)s->size;
		units += dur;
	}
	*mean = units ? base_scale(bytes * 8, t->scale, units) : 0;
	if (!units)
		*peak = *mean = t->bitrate		 ? t->bitrate
				: t->kind == MEDIA_AUDIO ? 128000
							 : (int64_t)t->width * t->height * 3;
}
