#include "stream/packet.h"

static void *ref_packet(void *p)
{
	return media_packet_ref(p);
}

static void unref_packet(void *p)
{
	media_packet_unref(p);
}

const struct fan_ops stream_packet_ops = {ref_packet, unref_packet};

/* H.264 tells in its first slice header's NAL unit that no other picture refers to this one (nal_ref_idc 0, ISO/IEC
 * 14496-10, 7.4.1). */
static bool is_disposable(const struct media_packet *p)
{
	for (size_t i = 0; i + 3 < p->size && i < 4096; i++) {
		int type;

		if (p->data[i] || p->data[i + 1] || p->data[i + 2] != 1)
			continue;
		type = p->data[i + 3] & 31;
		if (type >= 1 && type <= 5)
			return !(p->data[i + 3] >> 5 & 3);
	}
	return false;
}

struct fan_item stream_packet_item(const struct media_info *info, struct media_packet *p)
{
	const struct media_track *t = &info->track[p->track];

	return (struct fan_item){
	    .p = p,
	    .size = p->size,
	    .us = media_packet_us(info, p),
	    .track = p->track,
	    .key = p->key,
	    .disposable = t->codec == MEDIA_H264 && !p->key && is_disposable(p),
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
