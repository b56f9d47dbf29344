/* state: what a stream has to know of its earlier life, in a small file: how many discontinuities its playlists have had, and which
 * channels of captions have spoken. The number of a segment is a function of UTC; this count is not, and must not go back (RFC
 * 8216bis, 6.2.2); and what players were told of stays. Both change rarely, so nothing is written while a stream goes on. */
#ifndef GEX_PACKAGE_STATE_H
#define GEX_PACKAGE_STATE_H

#include "base/base.h"

struct state {
	char *path;	/* NULL: nothing is kept */
	int64_t kept;	/* what the file says of discontinuities */
	unsigned heard; /* and of captions: bits by cc_channel */
	bool found;	/* it was there */
};

/* Reads the file of stream `name` in folder dir (NULL or empty: there is none), which is made. A damaged file is logged
 * and counts as none. 0, or a negative errno with one line in err (MEDIA_ERR bytes). */
int state_open(struct state *s, const char *dir, const char *name, char *err) MUST_USE;
/* Writes both, if one is another; what cannot be written is logged once. */
void state_keep(struct state *s, const char *name, int64_t discontinuities, unsigned heard);
void state_finish(struct state *s);

#endif
