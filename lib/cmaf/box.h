/* Inside cmaf: ISO BMFF boxes (ISO/IEC 14496-12) and what is in them. */
#ifndef GEX_CMAF_BOX_H
#define GEX_CMAF_BOX_H

#include "cmaf/cmaf.h"

/* A growing box file. */
struct boxes {
	VEC(uint8_t) out;
	bool bad; /* without memory */
};
void box_bytes(struct boxes *b, const void *p, size_t n);
void box_u8(struct boxes *b, unsigned v);
void box_u16(struct boxes *b, unsigned v);
void box_u32(struct boxes *b, uint32_t v);
void box_u64(struct boxes *b, uint64_t v);
/* Opens a box and returns its place, for box_end, which fills its length in. */
size_t box_begin(struct boxes *b, const char *type);
size_t box_begin_full(struct boxes *b, const char *type, unsigned version, uint32_t flags);
void box_end(struct boxes *b, size_t at);

/* The init segment (ftyp, moov) of n tracks. config: the content of each one's configuration box
 * (coder.h). key: of each, NULL where it is clear. NULL without memory. */
struct buf *box_init(const struct cmaf_track *const *t, struct buf *const *config,
		     const struct cmaf_key *const *key, size_t n);
/* A track has the same number in every file, so that its chunks fit all of them. */
static inline uint32_t box_track_id(const struct cmaf_track *t)
{
	return (uint32_t)t->index + 1;
}

/* Of a sample of encrypted video: bytes that are clear, then bytes that are encrypted by the pattern. */
struct subsample {
	uint16_t clear;
	uint32_t encrypted;
};
#define SUBSAMPLES_MAX 42 /* to a sample: saiz counts their bytes by 8 bits */
struct subsamples {
	struct subsample *at;
	size_t len, cap;
};

struct sample {
	struct media_packet *p; /* owned by whoever keeps the sample */
	int64_t dts;
	int32_t cts; /* pts - dts */
	uint32_t dur, size;
	bool key;
	uint32_t nsubs; /* of the subsamples of its chunk, in their order */
};
/* One chunk: moof and the head of mdat for n samples of a track; room for `payload` bytes follows at
 * *data. subs: of encrypted video; NULL or empty: none. before: what stands before it, or NULL. NULL without
 * memory. */
struct buf *box_chunk(uint32_t track_id, uint32_t sequence, const struct sample *s, size_t n,
		      const struct subsamples *subs, const struct boxes *before, size_t payload,
		      uint8_t **data);

#endif
