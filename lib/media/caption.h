/* captions: the bytes of CEA-608 and CEA-708 (ATSC A/53 part 4, cc_data of three bytes each) on their way from the frames that
 * are decoded to those that are encoded. They are a stream of their own, which has its order and no doubles: what came with a
 * frame that has no place goes with the next one, a frame that is repeated bears none again. One queue for each rung, from the
 * video thread to the rung's. Not for other modules. */
#ifndef GEX_MEDIA_CAPTION_H
#define GEX_MEDIA_CAPTION_H

#include <pthread.h>

#include "media/av.h"

#define CAPTION_FRAME 31 /* triplets that a frame can bear: cc_count has five bits */
#define CAPTIONS_MAX \
	4096 /* that wait, more than those of a full queue of pictures; the oldest go first */

struct captions {
	pthread_mutex_t lock;
	struct {
		int64_t n;
		uint8_t cc[3];
	} at[CAPTIONS_MAX];
	size_t head, len;
	bool made;
	int64_t dropped;
};
void captions_init(struct captions *c);
void captions_finish(struct captions *c); /* zeroed is allowed */
/* size bytes of cc_data for frame n of the rung; n never falls. */
void captions_put(struct captions *c, int64_t n, const uint8_t *cc, size_t size);
/* What frame n is to bear: how many bytes. Padding is left out only where it would be too much; what is too much even so waits
 * for the next frame. */
size_t captions_take(struct captions *c, int64_t n, uint8_t cc[CAPTION_FRAME * 3]);

/* The packet with these bytes in it, as libavcodec makes them for H.264 by itself: of HEVC (Annex B) in an SEI message before its
 * first slice, of AV1 (units with a size) in an OBU of metadata before its first frame. Takes p, and gives it back as it was when
 * there is no memory or no such place, or for another codec. */
struct media_packet *captions_into(struct media_packet *p, enum media_codec codec,
				   const uint8_t *cc, size_t size);

#endif
