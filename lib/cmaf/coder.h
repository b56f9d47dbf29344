/* Inside cmaf: what each codec wants in its sample entry and of its samples, and its name by RFC 6381.
 * One file a codec; who packages knows them by this table only. */
#ifndef GEX_CMAF_CODER_H
#define GEX_CMAF_CODER_H

#include "cmaf/box.h"

#define CODER_NAME 32
#define CODER_SILENCE 64

struct coder {
	enum media_codec codec;
	const char *entry, *box; /* types of the sample entry and of the configuration in it */
	const char *usual;	 /* its name while the parameters are not known */
	/* From track.extra or a key frame: the content of the configuration box, after what is in out
	 * already, and the name. 0; -ENODATA when there are no parameters in it; -EINVAL; -ENOMEM. */
	int (*config)(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		      char name[CODER_NAME]);
	/* Does this key frame bring parameters? NULL: none ever does. */
	bool (*has_config)(const uint8_t *p, size_t n);
	/* Size of a packet as a sample, and the copy of as many bytes. NULL: it is one as it comes. */
	size_t (*size)(const uint8_t *p, size_t n);
	void (*copy)(const uint8_t *p, size_t n, uint8_t *out);
	/* Of sound, by the content of the configuration box: one frame of frame_us in which nothing is heard. Its size; 0: not
	 * known. NULL: it has none. */
	size_t (*silence)(const struct buf *config, int64_t frame_us, uint8_t out[CODER_SILENCE]);
	/* Of video, for cbcs: how large is what has to be known of parameters and of pictures before (zero at first); takes it
	 * from parameters (NULL: it is all in the packets); splits a packet, as a sample has it, appending to out. -EINVAL: it cannot
	 * be told, -E2BIG, -ENOMEM. Every packet has to be split, in the order of decoding. */
	size_t sets;
	void (*learn)(void *sets, const uint8_t *p, size_t n);
	int (*split)(void *sets, const uint8_t *p, size_t n, struct subsamples *out);
};
extern const struct coder coder_avc, coder_hevc, coder_av1, coder_vp9, coder_aac, coder_opus;

/* Of texts (wvtt.c): made here, of no packets. */
extern const struct coder coder_wvtt;

/* NULL: it cannot be packaged. */
const struct coder *coder_of(enum media_codec codec);

#endif
