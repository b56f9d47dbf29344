/* What a source tells beside its media: cues become date ranges and messages, ID3 becomes messages, thumbnails are kept. */
#include <errno.h>

#include "cmaf/cut.h"
#include "cmaf/emsg.h"
#include "cmaf/picture.h"
#include "cmaf/range.h"

#define PTS_SPAN (INT64_C(1) << 33)
#define CUE_HEAD 9 /* bytes before what is the same in a repetition: behind pts_adjustment */
#define CUE_TAIL 4
#define NEAR_US (60 * SEC_US) /* from the newest media: there a thumbnail may be */

/* The grid of another distance is another one, which begins empty. */
static void learn_pictures(struct cmaf *c, const struct media_track *m)
{
	int64_t window_us = c->conf.window * base_scale(SEC_US, c->grid.d.num, c->grid.d.den);

	if (c->pictures && c->pictures->every_us == pictures_every_us(m))
		return;
	pictures_destroy(c->pictures);
	c->pictures = pictures_create(m, window_us);
}

void beside_learn(struct cmaf *c, const struct media_info *info)
{
	for (int i = info->n; i < info->n + info->sides; i++) {
		c->cues |= info->track[i].codec == MEDIA_SCTE35;
		c->tags |= info->track[i].codec == MEDIA_ID3;
		if (info->track[i].codec == MEDIA_JPEG && c->conf.scheme == CMAF_CLEAR)
			learn_pictures(c, &info->track[i]);
	}
}

static bool has_video(const struct cmaf *c)
{
	for (int i = 0; i < c->n; i++)
		if (c->track[i]->kind == MEDIA_VIDEO)
			return true;
	return false;
}

bool beside_carries(const struct cmaf *c, const struct cmaf_track *t)
{
	return t->kind == MEDIA_VIDEO || !has_video(c);
}

/* Repetitions of a cue are one message, whatever their packets' times; cues that take effect at once are told apart by those. */
static uint32_t cue_id(const struct splice *s, const struct media_packet *p, int64_t now_us)
{
	int64_t now_s = now_us / SEC_US;
	uint32_t h = emsg_hash(0, p->data + CUE_HEAD, p->size - CUE_HEAD - CUE_TAIL);

	return s->pts == SPLICE_NONE ? emsg_hash(h, &now_s, sizeof(now_s)) : h;
}

static int64_t cue_length_us(const struct splice *s)
{
	int64_t ticks = s->segments ? s->segment[0].duration : s->duration;

	return ticks == SPLICE_NONE ? SPLICE_NONE : base_scale(ticks, SEC_US, SPLICE_CLOCK);
}

/* The instant of a cue: its 33 bits are next to the time of its packet. */
static int64_t cue_us(const struct splice *s, int64_t now_us, int64_t offset_us)
{
	int64_t near = base_scale(now_us - offset_us, SPLICE_CLOCK, SEC_US);
	int64_t diff = (s->pts - near) & (PTS_SPAN - 1);

	if (s->pts == SPLICE_NONE)
		return now_us;
	if (diff >= PTS_SPAN / 2)
		diff -= PTS_SPAN;
	return base_scale(near + diff, SEC_US, SPLICE_CLOCK) + offset_us;
}

static int add(struct cmaf *c, struct emsg m, const struct media_packet *p)
{
	if (!c->messages)
		c->messages = calloc(1, sizeof(*c->messages));
	return c->messages ? emsgs_add(c->messages, m, p->data, p->size) : -ENOMEM;
}

static int take_cue(struct cmaf *c, const struct media_packet *p, int64_t now_us, int64_t offset_us)
{
	struct splice s;
	int rc = splice_read(&s, p->data, p->size);

	if (rc)
		return rc;
	int64_t at_us = cue_us(&s, now_us, offset_us);
	struct emsg m = {EMSG_SCTE35, cue_id(&s, p, now_us), at_us, cue_length_us(&s), NULL};
	rc = add(c, m, p);
	if (rc)
		return rc;
	if (!c->ranges)
		c->ranges = calloc(1, sizeof(*c->ranges));
	return c->ranges ? ranges_cue(c->ranges, &s, p->data, p->size, at_us, now_us) : -ENOMEM;
}

static int take_tag(struct cmaf *c, const struct media_packet *p, int64_t now_us)
{
	uint32_t id = emsg_hash(emsg_hash(0, p->data, p->size), &now_us, sizeof(now_us));

	if (p->size < 10 || memcmp(p->data, "ID3", 3) != 0)
		return -EINVAL;
	return add(c, (struct emsg){EMSG_ID3, id, now_us, SPLICE_NONE, NULL}, p);
}

static int take_picture(struct cmaf *c, const struct media_packet *p, int64_t now_us)
{
	const struct cmaf_segment *newest = cmaf_last(c->track[0]);

	if (!c->pictures)
		return -ENOTSUP;
	if (!newest || llabs(now_us - cmaf_us(c->track[0], newest->end)) > NEAR_US)
		return -EINVAL;
	int rc = pictures_take(c->pictures, p->data, p->size, now_us);
	c->version += !rc;
	return rc;
}

int cmaf_beside(struct cmaf *c, const struct media_track *m, const struct media_packet *p,
		int64_t offset_us)
{
	int64_t now_us = base_rescale(p->pts, m->tb, (struct ratio){1, SEC_US}) + offset_us;

	if (m->codec == MEDIA_SCTE35)
		return take_cue(c, p, now_us, offset_us);
	if (m->codec == MEDIA_JPEG)
		return take_picture(c, p, now_us);
	return m->codec == MEDIA_ID3 ? take_tag(c, p, now_us) : -EINVAL;
}

void beside_put(const struct cmaf *c, struct cmaf_track *t, struct boxes *b)
{
	const struct cmaf_segment *s = t->cut->cur;
	bool first = !s->chunk.len;

	if (c->messages && beside_carries(c, t))
		emsgs_put(c->messages, t->scale, first ? cmaf_us(t, s->start) : INT64_MAX,
			  &t->cut->told, b);
}

/* Date ranges go with the segments of all tracks. */
void beside_pass(struct cmaf *c)
{
	int64_t oldest = INT64_MAX, newest = INT64_MIN;

	for (int i = 0; i < c->n && c->ranges; i++) {
		const struct cmaf_segment *s = cmaf_listed(c, c->track[i]),
					  *last = cmaf_last(c->track[i]);

		if (!s)
			continue;
		oldest = MIN(oldest, cmaf_us(c->track[i], s->start));
		newest = MAX(newest, cmaf_us(c->track[i], last->end));
	}
	if (newest != INT64_MIN &&
	    ranges_pass(c->ranges, oldest, newest, cmaf_skip_until_us(c) + SEC_US))
		c->version++;
}

void beside_finish(struct cmaf *c)
{
	if (c->ranges)
		ranges_finish(c->ranges);
	if (c->messages)
		emsgs_finish(c->messages);
	free(c->ranges);
	free(c->messages);
	pictures_destroy(c->pictures);
}
