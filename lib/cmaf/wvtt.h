/* wvtt: WebVTT in fragments of ISO BMFF (ISO/IEC 14496-30, 7), as DASH players take it, and the same as a text, as HLS
 * players do. A fragment is a segment: samples without a hole between them, of which each has what is shown in its time, or
 * nothing. Times count from 1970 in 1/WVTT_SCALE s. Inside cmaf; pure. */
#ifndef GEX_CMAF_WVTT_H
#define GEX_CMAF_WVTT_H

#include "cmaf/box.h"

#define WVTT_SCALE 90000

/* A fragment in progress. Zeroed but for `next`, its beginning. */
struct wvtt {
	struct boxes data;
	VEC(struct sample) at;
	int64_t next; /* where the next sample begins */
	size_t done;  /* bytes of data that are in samples */
};
/* Another cue of the sample in progress. */
void wvtt_cue(struct wvtt *w, const char *id, const char *settings, const char *text, size_t n);
/* The sample in progress ends there: one without cues shows nothing. Not behind `next`: there is none. */
void wvtt_until(struct wvtt *w, int64_t end);
/* The fragment, which is over. NULL without memory. */
struct buf *wvtt_end(struct wvtt *w, uint32_t track_id) MUST_USE;

/* A fragment as WebVTT, with the time at which it begins (X-TIMESTAMP-MAP, RFC 8216bis, 3.1.4). NULL for what is no such fragment and
 * without memory. */
struct buf *wvtt_text(const uint8_t *p, size_t n) MUST_USE;
/* What a text's segments are by ISO/IEC 14496-30: content of the configuration box. NULL without memory. */
struct buf *wvtt_config(void) MUST_USE;

#endif
