/* The texts of a presentation: a rendition for each channel of captions that is wanted, segment by segment beside the track in
 * whose pictures they are. */
#include "cmaf/coder.h"
#include "cmaf/cut.h"
#include "cmaf/subtitle.h"
#include "cmaf/wvtt.h"

#include <ctype.h>
#include <errno.h>

#define BITRATE 2000 /* about what captions take */

static struct cmaf_track *text_create(const struct cmaf_conf *conf, const struct cmaf_caption *k)
{
	struct cmaf_track *t = calloc(1, sizeof(*t));
	struct buf *config = wvtt_config();

	if (!t || !config)
		goto fail;
	list_init(&t->segments);
	t->index = MEDIA_TRACKS_MAX + (int)k->channel;
	t->kind = MEDIA_DATA;
	t->coder = &coder_wvtt;
	str_copy(t->name, sizeof(t->name), cc_name(k->channel));
	for (char *s = t->name; *s; s++)
		*s = (char)tolower(*s);
	str_copy(t->lang, sizeof(t->lang), k->lang);
	str_copy(t->label, sizeof(t->label), k->label);
	t->scale = WVTT_SCALE;
	t->bitrate = BITRATE;
	t->discontinuities = conf->discontinuities;
	t->init = init_create(t, config, t->coder->usual, NULL);
	if (!t->init)
		goto fail;
	buf_unref(config);
	return t;
fail:
	buf_unref(config);
	free(t);
	return NULL;
}

static bool is_taken(const struct cmaf *c, const char *name)
{
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->track[i]->name, name))
			return true;
	return false;
}

/* All tracks of pictures have the same captions: those of the first that can have any are read. */
static struct cmaf_track *speaker(const struct cmaf *c)
{
	for (int i = 0; i < c->n; i++)
		if (c->track[i]->kind == MEDIA_VIDEO && subtitle_can(c->track[i]->coder->codec))
			return c->track[i];
	return NULL;
}

int texts_create(struct cmaf *c)
{
	unsigned channels = 0;

	c->spoken = c->conf.captions ? speaker(c) : NULL;
	if (!c->spoken)
		return 0;
	for (int i = 0; i < c->conf.ncaptions; i++) {
		const struct cmaf_caption *k = &c->conf.caption[i];
		struct cmaf_track *t = text_create(&c->conf, k);

		if (!t)
			return -ENOMEM;
		c->text[c->texts++] = t;
		t->standard = !is_taken(c, t->name); /* else its address is another's */
		channels |= 1u << k->channel;
	}
	c->heard = c->conf.heard & channels;
	c->subtitles = subtitles_create(channels);
	return c->subtitles ? 0 : -ENOMEM;
}

void texts_destroy(struct cmaf *c)
{
	for (int i = 0; i < c->texts; i++) {
		store_clear(c, c->text[i]);
		init_unref(c->text[i]->init);
		free(c->text[i]);
	}
	subtitles_destroy(c->subtitles);
}

static enum cc_channel channel_of(const struct cmaf_track *t)
{
	return (enum cc_channel)(t->index - MEDIA_TRACKS_MAX);
}

/* Has somebody spoken who has not before? */
static void note_heard(struct cmaf *c)
{
	unsigned before = c->heard;

	for (int i = 0; i < c->texts; i++)
		if (subtitles_heard(c->subtitles, channel_of(c->text[i])))
			c->heard |= 1u << channel_of(c->text[i]);
	c->version += c->heard != before;
}

void texts_hear(struct cmaf *c, const struct media_packet *p, int64_t offset_us)
{
	const struct cmaf_track *t = c->track[p->track];
	const struct ratio us = {1, SEC_US};
	uint8_t cc[CCDATA_MAX];

	if (t != c->spoken)
		return;
	size_t n = subtitle_find(t->coder->codec, p->data, p->size, cc);
	subtitles_take(c->subtitles, base_rescale(p->pts, t->cut->tb, us) + offset_us,
		       base_rescale(p->dts, t->cut->tb, us) + offset_us, cc, n);
	note_heard(c);
}

/* Without memory for what is said the segment is a gap. */
static void cut(struct cmaf *c, struct cmaf_track *t, const struct cmaf_track *of,
		const struct cmaf_segment *from)
{
	struct subtitle *said = c->subtitles->of[channel_of(t)];
	struct cmaf_segment *s;
	struct buf *b;

	if (from->gap)
		subtitle_forget(said);
	b = subtitle_cut(said, box_track_id(t), cmaf_us(of, from->start), cmaf_us(of, from->end));
	s = store_add(c, t, from->number, base_scale(from->start, t->scale, of->scale));
	if (!s) {
		buf_unref(b);
		return;
	}
	s->end = base_scale(from->end, t->scale, of->scale);
	s->independent = s->complete = true;
	s->discontinuity = from->discontinuity;
	s->gap = !b || store_chunk(c, t, s, b);
	if (c->ev.segment)
		c->ev.segment(c->arg, t, s);
	store_trim(c, t);
}

void texts_cut(struct cmaf *c, const struct cmaf_track *of, const struct cmaf_segment *s)
{
	if (of != c->spoken)
		return;
	subtitles_until(c->subtitles, cmaf_us(of, s->end));
	note_heard(c);
	for (int i = 0; i < c->texts; i++)
		cut(c, c->text[i], of, s);
}

struct buf *texts_blank(const struct cmaf_track *t, int64_t from, int64_t to)
{
	struct wvtt w = {.next = from};

	wvtt_until(&w, to);
	return wvtt_end(&w, box_track_id(t));
}

/* ---- who is told of it ---- */

bool cmaf_is_said(const struct cmaf *c, int i)
{
	enum cc_channel ch = channel_of(c->text[i]);

	/* The first service says the same as CC1, where there are both. */
	if (ch == CC_SERVICE1 && c->conf.captions_auto && c->heard & 1u << CC_CC1)
		return false;
	return !c->conf.captions_auto || c->heard & 1u << ch;
}

struct cmaf_track *cmaf_text(const struct cmaf *c, int i)
{
	bool wanted = c->conf.captions & CMAF_CAPTIONS_VTT && c->conf.scheme != CMAF_AES128;

	return wanted && c->text[i]->standard ? c->text[i] : NULL;
}

struct cmaf_track *cmaf_find_text(const struct cmaf *c, const char *name)
{
	for (int i = 0; i < c->texts; i++)
		if (!strcmp(c->text[i]->name, name))
			return cmaf_text(c, i);
	return NULL;
}

struct buf *cmaf_vtt(const struct cmaf_segment *s)
{
	return s->chunk.len ? wvtt_text(s->chunk.at[0]->data, s->chunk.at[0]->len) : NULL;
}
