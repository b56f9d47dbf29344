/* cutter: groups packets into the fragments of a recording. A fragment begins at a key frame of the leading video track,
 * or is a later piece of the same group of pictures when that is longer than the wished duration. The other tracks are cut at
 * the same instant: sound at its time, other rungs at their own key frames; for them a cut waits a moment, since encoders
 * work side by side. Pure: no clock but the packets' own. */
#ifndef GEX_RECORD_CUTTER_H
#define GEX_RECORD_CUTTER_H

#include "media/media.h"

struct cutter_item {
	struct media_packet *p;
	int64_t us;
};

struct cutter {
	struct media_info *info;
	int64_t fragment_us;
	uint32_t video; /* tracks */
	int lead; /* the video track that leads, -1 before its first key frame or without video */
	VEC(struct cutter_item) q;
	int64_t dropped;
};

void cutter_init(struct cutter *c, int64_t fragment_us);
/* Other tracks; what was pending must have been taken. A reference is kept. */
void cutter_start(struct cutter *c, struct media_info *info);
void cutter_finish(struct cutter *c);
/* Takes p over. What stands before the first key frame is dropped and counted. 0 or -ENOMEM (p is dropped). */
int cutter_push(struct cutter *c, struct media_packet *p) MUST_USE;
/* How many of the first items of q form the next fragment; 0: not enough yet. all: also what is not complete. The caller takes
 * them (cutter_taken). */
size_t cutter_next(struct cutter *c, bool all);
/* Can a file begin with the first item of q? */
bool cutter_at_start(const struct cutter *c);
/* Drops the first n items of q and their references. */
void cutter_taken(struct cutter *c, size_t n);

#endif
