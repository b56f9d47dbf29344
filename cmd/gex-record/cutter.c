#include "cutter.h"

#include <errno.h>

/* How long a cut waits for the other tracks. */
#define LAG_US (300 * MS_US)

void cutter_init(struct cutter *c, int64_t fragment_us)
{
	*c = (struct cutter){.fragment_us = fragment_us, .lead = -1};
}

void cutter_start(struct cutter *c, struct media_info *info)
{
	cutter_taken(c, c->q.len);
	media_info_unref(c->info);
	c->info = media_info_ref(info);
	c->lead = -1;
	c->video = 0;
	for (int i = 0; i < info->n && i < MEDIA_TRACKS_MAX; i++)
		c->video |= (uint32_t)(info->track[i].kind == MEDIA_VIDEO) << i;
}

void cutter_finish(struct cutter *c)
{
	cutter_taken(c, c->q.len);
	vec_free(&c->q);
	media_info_unref(c->info);
	c->info = NULL;
}

static bool is_video(const struct cutter *c, int track)
{
	return c->video >> track & 1;
}

static bool is_cut(const struct cutter *c, const struct cutter_item *i)
{
	return c->video ? i->p->track == c->lead && i->p->key : true;
}

int cutter_push(struct cutter *c, struct media_packet *p)
{
	struct cutter_item i = {p, media_packet_us(c->info, p)};

	if (c->video && c->lead < 0 && is_video(c, p->track) && p->key)
		c->lead = p->track;
	if (c->video && c->lead < 0) {
		c->dropped++;
		media_packet_unref(p);
		return 0;
	}
	if (!vec_push(&c->q, i))
		return 0;
	c->dropped++;
	media_packet_unref(p);
	return -ENOMEM;
}

void cutter_taken(struct cutter *c, size_t n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		media_packet_unref(c->q.at[i].p);
	c->q.len -= n;
	memmove(c->q.at, c->q.at + n, c->q.len * sizeof(*c->q.at));
}

bool cutter_at_start(const struct cutter *c)
{
	return c->q.len && is_cut(c, &c->q.at[0]);
}

/* The next key frame of the leading track behind the first item, or 0. */
static size_t find_cut(const struct cutter *c)
{
	for (size_t i = 1; i < c->q.len; i++)
		if (c->video && is_cut(c, &c->q.at[i]))
			return i;
	return 0;
}

/* Have all tracks come up to the cut, or had their time to? */
static bool is_ripe(const struct cutter *c, int64_t cut_us)
{
	uint32_t here = 0, all = c->info->n >= 32 ? UINT32_MAX : (1u << c->info->n) - 1;

	for (size_t i = 0; i < c->q.len; i++) {
		const struct cutter_item *x = &c->q.at[i];

		if (x->us >= cut_us + LAG_US)
			return true;
		if (x->us >= cut_us && (x->p->key || !is_video(c, x->p->track)))
			here |= 1u << x->p->track;
	}
	return here == all;
}

/* Brings the items before the cut to the front, and the key frame behind them; returns how many are before. */
static size_t partition(struct cutter *c, size_t cut)
{
	struct cutter_item key = c->q.at[cut];
	size_t n = 0, rest = 0;
	struct cutter_item *after = malloc(c->q.len * sizeof(*after));
	uint32_t over = 0;

	/* Without memory the items in front of the key frame are the fragment. */
	if (!after)
		return cut;
	after[rest++] = key;
	for (size_t i = 0; i < c->q.len; i++) {
		struct cutter_item x = c->q.at[i];
		uint32_t bit = 1u << x.p->track;

		if (i == cut) {
			over |= bit;
			continue;
		}
		if (x.us >= key.us && (!is_video(c, x.p->track) || x.p->key))
			over |= bit;
		if (over & bit)
			after[rest++] = x;
		else
			c->q.at[n++] = x;
	}
	memcpy(c->q.at + n, after, rest * sizeof(*after));
	free(after);
	return n;
}

static int64_t span(const struct cutter *c)
{
	int64_t lo = INT64_MAX, hi = INT64_MIN;

	for (size_t i = 0; i < c->q.len; i++) {
		lo = MIN(lo, c->q.at[i].us);
		hi = MAX(hi, c->q.at[i].us);
	}
	return hi > lo ? hi - lo : 0;
}

size_t cutter_next(struct cutter *c, bool all)
{
	size_t cut = find_cut(c);

	if (cut && (all || is_ripe(c, c->q.at[cut].us)))
		return partition(c, cut);
	if (all || (!cut && span(c) >= c->fragment_us))
		return c->q.len;
	return 0;
}
