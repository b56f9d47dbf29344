/* mix: which channels of a source go into which of a rendition. Pure.
 *
 *   MAP = PICK[,PICK...]   one for each channel of the rendition
 *   PICK = CHANNEL[+CHANNEL...]   the mean of these
 *   CHANNEL = FL FR FC LFE BL BR SL SR ... | 0 1 2 ...   by its place, or by its number in the source
 *
 * Without a map the channels are mixed by Recommendation ITU-R BS.775-3: 5.1 to stereo is L + 0.7071 C + 0.7071 Ls, to mono
 * 0.7071 L + 0.7071 R + C + 0.5 Ls + 0.5 Rs, mono goes into both with 0.7071; the LFE channel is only in another 5.1. */
#ifndef GEX_MEDIA_MIX_H
#define GEX_MEDIA_MIX_H

#include "media/av.h"

#define MIX_OUT_MAX 6
#define MIX_IN_MAX 64 /* of libswresample */
#define MIX_TERMS_MAX 8

struct mix_pick {
	struct mix_term {
		enum AVChannel place; /* AV_CHAN_NONE: by number */
		int number;
	} term[MIX_TERMS_MAX];
	int terms;
};

struct mix_map {
	struct mix_pick pick[MIX_OUT_MAX];
	int picks; /* 0: by the standard */
};

/* 0, or -EINVAL with a reason in err (MEDIA_ERR bytes). */
int mix_parse(struct mix_map *m, const char *text, char *err) MUST_USE;
/* The layout of a rendition with 1, 2 or 6 channels. */
AVChannelLayout mix_layout(int channels);
/* Weight of channel i in channel o of the rendition at out[o * MIX_IN_MAX + i]. A place that the source has not is left out;
 * when none of a pick is there (a name, and the source has one channel only, counts as there) the map is not followed. False
 * then. */
bool mix_matrix(double out[MIX_OUT_MAX * MIX_IN_MAX], int channels, const struct mix_map *m,
		const AVChannelLayout *in);

#endif
