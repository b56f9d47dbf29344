/* alerts: what an input's packets tell of how it is encoded, that its owner should know of: key frames too far apart, frames
 * that come out of their order (B-frames, each a frame of delay), a frame rate that is none, a bit rate that jumps. Pure.
 *
 * An alert stands for at least ALERTS_HOLD_US after what caused it was last seen, so that a log of them stays short. */
#ifndef GEX_MEDIA_ALERTS_H
#define GEX_MEDIA_ALERTS_H

#include "base/base.h"

enum alert { ALERT_GOP, ALERT_BFRAMES, ALERT_VFR, ALERT_BITRATE, ALERTS };
extern const char *const alert_name[ALERTS]; /* for metrics */
/* For people: that it begins, and that it has ended. */
extern const char *const alert_begins[ALERTS], *const alert_ends[ALERTS];

#define ALERTS_HOLD_US (10 * SEC_US)
#define ALERTS_STEPS 48 /* distances of frames that are looked at together */
#define ALERTS_SECONDS 10

struct alerts_conf {
	int64_t gop_us; /* longest distance of key frames; 0: any */
	bool bframes, vfr;
	int64_t
	    bitrate; /* this many times more or less in a second than in the ten before; 0: any */
};

struct alerts {
	struct alerts_conf conf;
	bool seen;
	unsigned on; /* bits */
	int64_t until_us[ALERTS];
	int64_t dts_us, pts_us, key_us; /* of the last frame, the latest, the last key frame */
	int64_t step[ALERTS_STEPS];
	int steps;
	int64_t second_us, bytes; /* the second in progress */
	int64_t before[ALERTS_SECONDS];
	int seconds;
};

void alerts_init(struct alerts *a, const struct alerts_conf *conf);
/* The source has come again: what it was like does not count. Alerts stay until they have not been caused for long. */
void alerts_source(struct alerts *a);
/* A packet, in the source's time. Returns which alerts stand, as bits. */
unsigned alerts_frame(struct alerts *a, bool key, int64_t dts_us, int64_t pts_us, size_t size);
unsigned alerts_sound(struct alerts *a, size_t size);

#endif
