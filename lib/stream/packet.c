#include "stream/packet.h"

#include "media/lag.h"

static void *ref_packet(void *p)
{
	return media_packet_ref(p);
}

static void unref_packet(void *p)
{
	media_packet_unref(p);
}

const struct fan_ops stream_packet_ops = {ref_packet, unref_packet};

struct fan_item stream_packet_item(const struct media_info *info, struct media_packet *p)
{
	const struct media_track *t = &info->track[p->track];

	return (struct fan_item){
	    .p = p,
	    .size = p->size,
	    .us = media_packet_us(info, p),
	    .track = p->track,
	    .key = p->key,
	    .disposable = !p->key && lag_disposable(t, p),
	};
}

uint32_t stream_video_mask(const struct media_info *info)
{
	uint32_t mask = 0;

	for (int i = 0; i < info->n && i < MEDIA_TRACKS_MAX; i++)
		mask |= (uint32_t)(info->track[i].kind == MEDIA_VIDEO) << i;
	return mask;
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	size_t na = a ? a->len : 0, nb = b ? b->len : 0;

	return na == nb && (!na || !memcmp(a->data, b->data, na));
}

static bool same_track(const struct media_track *a, const struct media_track *b)
{
	return a->kind == b->kind && a->codec == b->codec && !strcmp(a->name, b->name) &&
	       a->width == b->width && a->height == b->height && a->sample_rate == b->sample_rate &&
	       a->channels == b->channels && a->tb.num == b->tb.num && a->tb.den == b->tb.den &&
	       same_bytes(a->extra, b->extra);
}

bool stream_same_tracks(const struct media_info *a, const struct media_info *b)
{
	if (a->n != b->n || a->sides != b->sides || a->utc != b->utc)
		return false;
	for (int i = 0; i < a->n + a->sides; i++)
		if (!same_track(&a->track[i], &b->track[i]))
			return false;
	return true;
}
