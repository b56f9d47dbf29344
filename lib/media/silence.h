/* silence: is there anything to be heard in a decoded block of sound? Pure. */
#ifndef GEX_MEDIA_SILENCE_H
#define GEX_MEDIA_SILENCE_H

#include "media/av.h"

/* No sample of any channel is above level_db (dBFS, <= 0). A format that is not known is never silent. */
bool silence_in(const AVFrame *f, double level_db);

#endif
