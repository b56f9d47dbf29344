/* subtitle: the captions in a track's pictures (cc_data of ATSC A/53 part 4, in SEI messages of H.264 and HEVC, in metadata of
 * AV1) as text, of each channel that is wanted a rendition of its own, with a segment (wvtt.h) for each segment of the track.
 *
 * A caption that is shown across the end of a segment is a cue in both. Where characters appear while they are sent a cue of
 * its own for each pair would make players busy and nobody reads by pairs: what comes within SUBTITLE_STEP_US of a cue's
 * beginning is in it. Times are UTC in microseconds. Inside cmaf; pure. */
#ifndef GEX_CMAF_SUBTITLE_H
#define GEX_CMAF_SUBTITLE_H

#include "buf/buf.h"
#include "cmaf/cc608.h"
#include "cmaf/cc708.h"
#include "cmaf/ccdata.h"
#include "media/media.h"

#define SUBTITLE_STEP_US (250 * MS_US)
#define SUBTITLE_IDLE_US (16 * SEC_US) /* after that long without a byte nothing is shown */
#define SUBTITLE_CUES 256	       /* of a segment; what is more is dropped */

/* One channel. */
struct subtitle {
	enum cc_channel channel;
	union {
		struct cc608 cc608;
		struct cc708 cc708;
	};
	struct subtitle_cue {
		int64_t start_us, end_us;
		struct cc_screen screen;
	} now;			       /* what is shown since start_us */
	bool open;		       /* there is something in it */
	VEC(struct subtitle_cue) cues; /* of the segment in progress */
	int64_t floor_us;	       /* where that began: nothing is shown before it */
	int64_t heard_us;	       /* of the last byte */
	int64_t dropped;
};

struct subtitles {
	struct ccdata data;
	struct subtitle *of[CC_CHANNELS]; /* NULL: not wanted */
};

/* channels: bits of those that are wanted. NULL without memory. */
struct subtitles *subtitles_create(unsigned channels) MUST_USE;
void subtitles_destroy(struct subtitles *s);
/* cc_data of a picture that is shown at pts_us; no later one is decoded before dts_us. */
void subtitles_take(struct subtitles *s, int64_t pts_us, int64_t dts_us, const uint8_t *cc,
		    size_t n);
/* All that is shown before us is taken. */
void subtitles_until(struct subtitles *s, int64_t us);
/* Has the channel ever said anything? */
bool subtitles_heard(const struct subtitles *s, enum cc_channel ch);
/* After subtitles_until(to_us): the segment from from_us to to_us, which is later, of a channel that is wanted is over. Its fragment. NULL without
 * memory. */
struct buf *subtitle_cut(struct subtitle *s, uint32_t track_id, int64_t from_us,
			 int64_t to_us) MUST_USE;

/* Nothing is shown any more: what follows is after a gap. */
void subtitle_forget(struct subtitle *s);

/* Is there anything that this codec's pictures could bring? */
bool subtitle_can(enum media_codec codec);
/* The cc_data in a packet; returns how many bytes, three for each. */
size_t subtitle_find(enum media_codec codec, const uint8_t *p, size_t n, uint8_t cc[CCDATA_MAX]);

/* ---- subtitle_text.c ---- */

struct wvtt;
/* What a cue shows, as the sample in progress: of rows that follow each other a cue of WebVTT. columns: that the channel's screen
 * has. */
void subtitle_put(struct wvtt *w, const struct subtitle_cue *cue, int columns);

#endif
