/* sound: the renditions of sound to make, and which track of a source goes into which of them; what ladder is for pictures.
 * Pure.
 *
 * The renditions are chosen once and stay: those that are asked for, whether a source has them or not, or else one for each
 * track of the first source. A rendition takes the track whose number it names; else that of its own language, the first for
 * the first rendition of a language and so on; else, where it or the track has none, the track at its own place. The standard
 * one takes the source's first track rather than none. What no track goes into is silent. */
#ifndef GEX_MEDIA_SOUND_H
#define GEX_MEDIA_SOUND_H

#include "media/media.h"
#include "media/mix.h"

#define SOUNDS_MAX 8

struct sound {
	char name[32];
	char lang[8];	/* ISO 639-2/T, or empty */
	char label[64]; /* for people, or empty */
	int track;	/* of the source's sounds, from 1; 0: by language and place */
	bool opus;	/* instead of AAC */
	bool standard;	/* for who does not choose; exactly one of a stream */
	int64_t bitrate;
	int channels; /* 1, 2 or 6 */
	struct mix_map map;
	double loudness; /* LUFS to which it is brought; 0: as it is */
};

/* One rendition for each sound of the source, SOUNDS_MAX at most, made like `like`. Returns how many. */
int sounds_default(struct sound out[SOUNDS_MAX], const struct sound *like,
		   const struct media_info *source);
/* to[i]: the track of the source that goes into rendition i, or -1. */
void sounds_match(const struct sound *s, int n, const struct media_info *source, int *to);

#endif
