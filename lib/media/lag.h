/* lag: what is left out before it is decoded, when the machine is too slow for a source that does not wait; so that what is
 * shown is never much older than LAG_KEYS_US, whatever the load, and the queue before the decoder never holds the source up
 * (libsrt would keep minutes of it). Pure.
 *
 *  1. from LAG_SOME_US on: pictures that no other depends on;
 *  2. from LAG_MANY_US on: all up to a key frame that waits already, the newest of them;
 *  3. from LAG_KEYS_US on: all up to the next key frame, whenever it comes. */
#ifndef GEX_MEDIA_LAG_H
#define GEX_MEDIA_LAG_H

#include "media/media.h"

#define LAG_SOME_US (500 * MS_US)
#define LAG_MANY_US SEC_US
#define LAG_KEYS_US (2500 * MS_US)

struct lag {
	bool skipping; /* until a key frame */
};

struct lag_packet {
	int64_t waited_us; /* since it was received */
	bool key, disposable;
	int keys_behind; /* key frames that wait behind it */
};

/* Packets in their order. True: this one is not to be decoded. */
bool lag_leaves_out(struct lag *l, const struct lag_packet *p);

/* No other picture is decoded from this one: nal_ref_idc 0 (ISO/IEC 14496-10, 7.4.1), a sub-layer non-reference picture (ITU-T
 * H.265, table 7-1), a B picture (ISO/IEC 13818-2, 6.3.9). False where that is not known. */
bool lag_disposable(const struct media_track *t, const struct media_packet *p);

#endif
