/* movie: reads what stands in fragmented MP4 files (ISO/IEC 14496-12), ours and those of others, and makes the head of a progressive
 * one from samples that lie scattered in such files. Pure: bytes in, bytes out.
 *
 * A progressive file is its head and one mdat, whose content may be anything in between the samples: whole fragments are put
 * there as they are, and the tables of the head point at the samples in them. An edit list (8.6.6) cuts the presentation at an
 * instant between key frames. */
#ifndef GEX_CMAF_MOVIE_H
#define GEX_CMAF_MOVIE_H

#include "cmaf/cmaf.h"

struct movie_box {
	const uint8_t *p; /* of the whole box; NULL: none */
	size_t n;
};

/* A track of a moov. Its boxes lie in the bytes it was read from. */
struct movie_track {
	uint32_t id;
	enum media_kind kind;
	int64_t scale;
	uint16_t lang;			/* packed */
	uint32_t width, height;		/* 16.16 */
	uint32_t duration, size, flags; /* defaults of its samples (trex) */
	struct movie_box hdlr, header /* vmhd or smhd */, dinf, stsd;
};

struct movie_sample {
	uint64_t pos; /* of its bytes */
	int64_t dts;  /* in the track's scale */
	int32_t cts;
	uint32_t dur, size;
	bool key;
};
struct movie_samples {
	VEC(struct movie_sample) s;
};

/* The video and sound tracks of an init segment or of the front of a file (ftyp, moov). How many, at most max; -EINVAL for
 * what has none or is damaged. */
int movie_tracks(const uint8_t *p, size_t n, struct movie_track *t, int max) MUST_USE;
/* Adds the samples of a moof, whose first byte is byte `pos` of something; samples[i] takes those of t[i]. Other tracks are passed
 * over. 0, -EINVAL (what came before it is kept; also beyond a million), -ENOMEM. */
int movie_moof(const uint8_t *p, size_t n, uint64_t pos, const struct movie_track *t, int tracks,
	       struct movie_samples *samples) MUST_USE;
void movie_samples_finish(struct movie_samples *s);

/* The codec of a track by RFC 6381, as its first sample entry tells: "" for what is not known here. */
void movie_codec(const struct movie_track *t, char out[32]);
/* What that entry says of sound; 0: nothing. */
void movie_sound(const struct movie_track *t, int *rate, int *channels);
/* An init segment of this track alone, and one fragment of it with samples whose bytes are at from + pos. NULL without memory. */
struct buf *movie_init(const struct movie_track *t) MUST_USE;
struct buf *movie_fragment(const struct movie_track *t, uint32_t sequence,
			   const struct movie_sample *s, size_t n, const uint8_t *from) MUST_USE;

/* A track of a progressive file. */
struct movie_out {
	const struct movie_track *t;
	const struct movie_sample *s; /* pos: from the first byte of mdat's content on */
	size_t n;
	int64_t from,
	    to; /* what is presented of it, in its scale, on the line of its pts; the instant `from` is the same in all */
};

/* Of a track's samples those that are needed for [from, to): *first and *n, from a key frame on. False: none. */
bool movie_cut(const struct movie_sample *s, size_t len, int64_t from, int64_t to, size_t *first,
	       size_t *n);
/* ftyp, moov and the head of an mdat of `content` bytes. NULL without memory. */
struct buf *movie_head(const struct movie_out *o, int n, uint64_t content) MUST_USE;

#endif
