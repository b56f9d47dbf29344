/* From an input to the decoders: the inside of input.c and route.c. */
#ifndef GEX_MEDIA_ROUTE_H
#define GEX_MEDIA_ROUTE_H

#include "media/pace.h"
#include "media/pipeline.h"

/* What one connection of the source is being read with. */
struct run {
	struct media_demux *d;
	struct media_info *info;
	int video;
	int audio[SOUNDS_MAX]; /* of each voice; -1: it has none */
	int lead;	       /* the sound by which time is told, -1: none */
	bool key_seen;
	struct pace pace;
};

/* Takes p. */
struct work *route_work(const struct input *in, struct media_info *info, int track, int voice,
			struct media_packet *p);
/* Tells a decoder what comes next: a voice, or (-1) that of the pictures. False: the engine is being closed. */
bool route_track(struct input *in, struct media_info *info, int track, int voice);
/* Is it on the air? counts: something came of what that is told by, and it began a picture that can be shown (key). */
bool route_active(struct input *in, bool counts, bool key);
/* Takes w. False: the engine is being closed. */
bool route_packet(struct input *in, struct run *r, struct work *w);
/* What was kept is not wanted any more. */
void route_forget(struct input *in);

#endif
