/* Inside cmaf: the units of AV1 (section numbers are those of its bitstream specification), and what encryption wants to know of
 * them. Where a frame's header ends, only who has read all of it knows, and what some of its fields are depends on the frames
 * that it refers to: so their headers are read in order, and what later ones need is kept. */
#ifndef GEX_CMAF_AV1_H
#define GEX_CMAF_AV1_H

#include "cmaf/nal.h"

enum {
	OBU_SEQUENCE = 1,
	OBU_DELIMITER = 2,
	OBU_FRAME_HEADER = 3,
	OBU_TILE_GROUP = 4,
	OBU_METADATA = 5,
	OBU_FRAME = 6,
	OBU_REDUNDANT_HEADER = 7,
	OBU_PADDING = 15,
};

struct obu {
	int type;
	unsigned temporal, spatial; /* layer */
	const uint8_t *p;	    /* with its head */
	size_t n;
	const uint8_t *body;
	size_t body_n;
};
/* The next one from *at on (5.3). What has no size goes to the end. */
bool obu_next(const uint8_t **at, const uint8_t *end, struct obu *o);

/* ---- av1_sequence.c ---- */

#define AV1_POINTS 32
#define AV1_SELECT 2 /* a tool that each frame tells of */
struct av1_sequence {
	unsigned profile, level, tier, depth;
	bool high, twelve, mono;
	unsigned sub_x, sub_y, position;
	/* For the headers of frames. */
	bool reduced, decoder_model, equal_interval, frame_ids, large_blocks, warped, order_hint,
	    ref_mvs, superres, cdef, restoration, separate_uv, grain;
	unsigned points, removal_bits, presentation_bits, width_bits, height_bits, delta_id_bits,
	    id_bits, screen_content, integer_mv, hint_bits;
	uint32_t width, height;
	uint16_t point[AV1_POINTS]; /* which layers it has */
	bool modelled[AV1_POINTS];
};
/* 5.5.1. False: damaged. */
bool av1_sequence_read(const struct obu *o, struct av1_sequence *s);

/* ---- av1_frame.c, av1_tools.c: headers of frames ---- */

#define AV1_REFS 8
#define AV1_PER_FRAME 7
enum { AV1_KEY, AV1_INTER, AV1_INTRA_ONLY, AV1_SWITCH };

/* The quantizer of each segment, as far as it differs. */
struct av1_segments {
	bool on;
	bool changes[8];
	int16_t by[8];
};
/* What is kept of a frame that others may refer to. */
struct av1_ref {
	unsigned type, hint;
	uint32_t upscaled, width, height;
	struct av1_segments segments;
};

struct av1_header {
	struct bits b;
	const struct av1_sequence *seq;
	bool bad;
	unsigned type, refresh, primary, hint, screen_content, integer_mv;
	bool shown, showable, resilient, intra, intrabc, high_precision, size_override;
	bool shows_again; /* another frame; this one has no tiles */
	unsigned again;
	unsigned ref[AV1_PER_FRAME];
	uint32_t upscaled, width, height;
	struct av1_segments segments;
	unsigned quantizer;
	bool deltas, lossless;
	unsigned cols_log2, rows_log2, tile_bytes, tiles;
};

struct av1_state {
	bool known, pending; /* pending: tiles of `header` are still to come */
	struct av1_sequence seq;
	struct av1_ref ref[AV1_REFS];
	struct av1_header header; /* of the frame in progress */
	unsigned next;		  /* tile */
};
/* A frame_header_obu() (5.9.1) at the beginning of o. Its length in whole bytes, or 0: damaged. */
size_t av1_frame_header(struct av1_state *s, const struct obu *o);
/* All tiles of the frame have come: it may be referred to (7.20). */
void av1_frame_done(struct av1_state *s);
/* How far hint a lies after b (5.9.3, get_relative_dist). */
int av1_distance(const struct av1_sequence *s, unsigned a, unsigned b);
/* ns(n), 4.10.7 */
uint32_t av1_ns(struct bits *b, uint32_t n);
/* What follows the tiles in the header (5.9.2, from quantization_params on). */
void av1_read_tools(struct av1_header *h, const struct av1_ref *refs);

/* ---- av1_split.c ---- */

/* As coder.h's. */
void av1_learn(void *state, const uint8_t *p, size_t n);
/* Of frames and tile groups each tile is encrypted, all else stays clear ("AV1 Codec ISO Media File Format Binding", Common
 * Encryption). */
int av1_subsamples(void *state, const uint8_t *p, size_t n, struct subsamples *out);

#endif
