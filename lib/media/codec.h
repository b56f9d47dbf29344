/* codec: the encoders by the names that rungs call them by, and what each is told: no delay, one thread, no frames out of
 * order, key frames where the grid wants them and nowhere else, every GOP closed. Not for other modules. */
#ifndef GEX_MEDIA_CODEC_H
#define GEX_MEDIA_CODEC_H

#include "media/card.h"
#include "media/ladder.h"

struct codec {
	const char *name, *encoder /* FFmpeg's */, *title /* for people */;
	enum media_codec id;
	void (*tell)(AVDictionary **o, const struct rung *r);
	const char *instead; /* when it cannot be opened: a card that is not there */
	enum card_wants wants;
};

/* H.264 by libx264 for "" and names that there are not. */
const struct codec *codec_named(const char *name);

#endif
