/* subtitle: the captions in a track's pictures (CTA-608 in cc_data of ATSC A/53 part 4, in an SEI message of H.264 or HEVC) as
 * WebVTT, a text for each segment of the track. Packets come in the order of decoding, captions are meant in that of
 * showing: a picture's wait until no earlier one can come, which its neighbours' decoding times tell.
 *
 * A caption that is shown across the end of a segment is a cue in both. Where characters appear while they are sent a cue of
 * its own for each pair would make players busy and nobody reads by pairs: what comes within SUBTITLE_STEP_US of a cue's
 * beginning is in it. Times are UTC in microseconds. Inside cmaf; pure. */
#ifndef GEX_CMAF_SUBTITLE_H
#define GEX_CMAF_SUBTITLE_H

#include "buf/buf.h"
#include "cmaf/cc608.h"
#include "media/media.h"

#define SUBTITLE_STEP_US (250 * MS_US)
#define SUBTITLE_IDLE_US (16 * SEC_US) /* after that long without a byte nothing is shown */
#define SUBTITLE_PENDING 256 /* pairs that wait for their turn; beyond it the first goes early */
#define SUBTITLE_CUES 256    /* of a segment; what is more is dropped */
#define CC_DATA_MAX 186	     /* bytes of cc_data with a picture: those of two fields */

struct subtitle {
	struct cc608 cc;
	struct subtitle_pair {
		int64_t us;
		uint8_t b[2];
	} pending[SUBTITLE_PENDING]; /* by us */
	size_t npending;
	struct subtitle_cue {
		int64_t start_us, end_us;
		struct cc608_screen screen;
	} now;			       /* what is shown since start_us */
	bool open;		       /* there is something in it */
	VEC(struct subtitle_cue) cues; /* of the segment in progress */
	int64_t floor_us;	       /* where that began: nothing is shown before it */
	int64_t heard_us;	       /* of the last byte */
	int64_t dropped;
};

void subtitle_finish(struct subtitle *s); /* zeroed is a beginning */
/* Is there anything that this codec's pictures could bring? */
bool subtitle_can(enum media_codec codec);
/* The cc_data in a packet; returns how many bytes, three for each. */
size_t subtitle_find(enum media_codec codec, const uint8_t *p, size_t n, uint8_t cc[CC_DATA_MAX]);
/* cc_data of a picture that is shown at pts_us; no later one is decoded before dts_us. */
void subtitle_take(struct subtitle *s, int64_t pts_us, int64_t dts_us, const uint8_t *cc, size_t n);
/* The segment from from_us to to_us is over: its WebVTT. NULL without memory. */
struct buf *subtitle_cut(struct subtitle *s, int64_t from_us, int64_t to_us) MUST_USE;
/* The WebVTT of a segment without captions. NULL without memory. */
struct buf *subtitle_blank(int64_t from_us) MUST_USE;

#endif
