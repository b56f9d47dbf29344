/* Media packets as items of a fan. */
#ifndef GEX_STREAM_PACKET_H
#define GEX_STREAM_PACKET_H

#include "fan/fan.h"
#include "media/media.h"

extern const struct fan_ops stream_packet_ops;
/* The item of p, which holds no reference of its own. */
struct fan_item stream_packet_item(const struct media_info *info, struct media_packet *p);
/* Bit t is set when track t is video: for fan_start. */
uint32_t stream_video_mask(const struct media_info *info);
/* Can packets of b follow those of a in one container: same tracks, codecs, parameters and time bases? */
bool stream_same_tracks(const struct media_info *a, const struct media_info *b);

#endif
