/* Pictures of any bytes, and any captions at any times: what is kept has its bounds, and the texts are WebVTT whose cues
 * lie in their segments. */
#include <assert.h>
#include <stdio.h>

#include "cmaf/subtitle.h"

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

	assert(b->len < SUBTITLE_CUES * CC608_ROWS * 700);
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

static void say(const uint8_t *data, size_t n)
{
	struct subtitle s = {0};
	int64_t us = T0, from = T0;

	for (; n >= 3; data += 3, n -= 3) {
		uint8_t cc[3] = {0xfc, data[1], data[2]};

		us += (data[0] & 15) * 33 * MS_US;
		subtitle_take(&s, us + (int8_t)data[0] * MS_US, us - (data[0] >> 6) * 40 * MS_US,
			      cc, 3);
		assert(s.npending <= SUBTITLE_PENDING && s.cues.len <= SUBTITLE_CUES);
		assert(s.cc.row >= 0 && s.cc.row < CC608_ROWS && s.cc.column < CC608_COLUMNS);
		if (us - from < SEC_US && n >= 6)
			continue;
		struct buf *b = subtitle_cut(&s, from, us + 1);
		check_text(b, (us + 1 - from) / MS_US);
		buf_unref(b);
		from = us + 1;
	}
	subtitle_finish(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t cc[CC_DATA_MAX];

	for (int hevc = 0; hevc < 2; hevc++) {
		size_t got = subtitle_find(hevc ? MEDIA_HEVC : MEDIA_H264, data, n, cc);

		assert(got <= sizeof(cc) && got % 3 == 0);
	}
	say(data, n);
	return 0;
}
