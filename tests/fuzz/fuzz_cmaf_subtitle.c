/* Pictures of any bytes, and any captions at any times: what is kept has its bounds, and the texts are WebVTT whose cues
 * lie in their segments. */
#include <assert.h>
#include <stdio.h>

#include "cmaf/subtitle.h"
#include "cmaf/wvtt.h"

#define T0 (INT64_C(1795361000) * SEC_US)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_time(const char *line, int64_t length_ms)
{
	long long h, m, s, ms, end_h, end_m, end_s, end_ms;

	assert(sscanf(line, "%lld:%lld:%lld.%lld --> %lld:%lld:%lld.%lld line:", &h, &m, &s, &ms,
		      &end_h, &end_m, &end_s, &end_ms) == 8);
	long long start = ms + 1000 * (s + 60 * (m + 60 * h));
	long long end = end_ms + 1000 * (end_s + 60 * (end_m + 60 * end_h));
	assert(start >= 0 && start < end && end <= length_ms);
}

/* An arrow stands in the line of a cue's times, which follows its name and that an empty line, and nowhere else; no line of
 * words is empty. */
static void check_text(const struct buf *b, int64_t length_ms)
{
	char *text = str_ndup((const char *)b->data, b->len), *at = text;
	int since_empty = 2; /* lines; the head is like words */

	assert(b->len < SUBTITLE_CUES * CC_ROWS * 900);
	assert(!strncmp(at, "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:", 30) && strlen(text) == b->len);
	for (char *line; (line = strsep(&at, "\n"));) {
		assert(at || !*line);
		since_empty = *line ? since_empty + 1 : 0;
		assert((since_empty == 2) == (strstr(line, "-->") != NULL));
		if (strstr(line, "-->"))
			check_time(line, length_ms);
	}
	free(text);
}

static void check_state(const struct subtitles *s)
{
	assert(s->data.npending <= CCDATA_PENDING && s->data.have <= DTVCC_MAX);
	for (int i = 0; i < CC_CHANNELS; i++) {
		const struct subtitle *of = s->of[i];

		assert(of->cues.len <= SUBTITLE_CUES);
		if (i < CC_SERVICE1) {
			assert(of->cc608.row >= 0 && of->cc608.row < CC_ROWS);
			assert(of->cc608.column >= 0 && of->cc608.column < CC608_COLUMNS);
			continue;
		}
		for (int k = 0; k < CC708_WINDOWS; k++) {
			const struct cc708_window *w = &of->cc708.window[k];

			assert(w->row <= MAX(w->rows - 1, 0) && w->column <= w->columns);
			assert(w->rows <= CC_ROWS && w->columns <= CC_COLUMNS);
		}
	}
}

static void cut(struct subtitles *s, int64_t from, int64_t to)
{
	subtitles_until(s, to);
	for (int i = 0; i < CC_CHANNELS; i++) {
		struct buf *b = subtitle_cut(s->of[i], 33, from, to), *text;

		assert(b);
		text = wvtt_text(b->data, b->len);
		assert(text);
		check_text(text, (to - from) / MS_US);
		buf_unref(b);
		buf_unref(text);
	}
}

/* Four bytes an item: when, of which field or whether a packet begins, and what. */
static void say(const uint8_t *data, size_t n)
{
	struct subtitles *s = subtitles_create((1u << CC_CHANNELS) - 1);
	int64_t us = T0, from = T0;

	for (; n >= 4; data += 4, n -= 4) {
		uint8_t cc[3] = {data[1] | 0xf8, data[2], data[3]};

		us += (data[0] & 15) * 33 * MS_US;
		subtitles_take(s, us + (int8_t)data[0] * MS_US, us - (data[0] >> 6) * 40 * MS_US,
			       cc, 3);
		check_state(s);
		if ((us - from < SEC_US && n >= 8) || us < from)
			continue;
		cut(s, from, us + 1000);
		from = us + 1000;
	}
	subtitles_destroy(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t cc[CCDATA_MAX];

	static const enum media_codec codecs[] = {MEDIA_H264, MEDIA_HEVC, MEDIA_AV1};

	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		size_t got = subtitle_find(codecs[i], data, n, cc);

		assert(got <= sizeof(cc) && got % 3 == 0);
	}
	buf_unref(wvtt_text(data, n)); /* as from a damaged disk */
	say(data, n);
	return 0;
}
