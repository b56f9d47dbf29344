/* Packets of any bytes and times into the packager: the first byte of all chooses the codecs, the first
 * of each key frame and step of time, the second its size. All that is stored stays in order, and the playlists can
 * always be written. */
#include <assert.h>

#include "cmaf/cmaf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct cmaf_events events;

static struct media_info *tracks(unsigned codecs)
{
	static const enum media_codec pictures[] = {MEDIA_H264, MEDIA_HEVC, MEDIA_AV1, MEDIA_VP9};
	struct media_info *i = media_info_create();
	bool opus = codecs & 4;

	i->n = 2;
	i->utc = true;
	i->track[0] = (struct media_track){.kind = MEDIA_VIDEO,
					   .codec = pictures[codecs & 3],
					   .name = "v",
					   .tb = {1, 30},
					   .width = 16,
					   .height = 16,
					   .fps = {30, 1}};
	i->track[1] = (struct media_track){.kind = MEDIA_AUDIO,
					   .codec = opus ? MEDIA_OPUS : MEDIA_AAC,
					   .name = "a",
					   .tb = {1, 48000},
					   .sample_rate = 48000,
					   .channels = 2,
					   .frame_samples = 1024};
	i->track[1].extra =
	    opus ? buf_copy("OpusHead\1\2\x38\1\x80\xbb\0\0\0\0\0", 19) : buf_copy("\x11\x90", 2);
	return i;
}

static void check(const struct cmaf *c)
{
	char text[1 << 16];

	for (int i = 0; i < c->n; i++) {
		const struct cmaf_segment *s, *before = NULL;

		list_for (s, &c->track[i]->segments, link) {
			assert(!before ||
			       (s->number == before->number + 1 && s->start >= before->start));
			before = s;
		}
		FILE *f = fmemopen(text, sizeof(text), "w");
		cmaf_hls_media(c, c->track[i], i & 1 ? CMAF_SKIP_RANGES : CMAF_WHOLE, f);
		cmaf_hls_iframes(c, c->track[i], f);
		fclose(f);
	}
	FILE *f = fmemopen(text, sizeof(text), "w");
	cmaf_dash(c, "/t", f);
	fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const int64_t steps[8] = {1, 1, 1, 0, -3, 15, 60, 1000};
	const struct cmaf_conf conf = {
	    .segment_us = SEC_US, .part_us = 200 * MS_US, .window = 6, .memory = 1 << 20};
	struct media_info *info = tracks(n ? data[0] : 0);
	struct cmaf *c;
	char err[CMAF_ERR];
	int64_t at[2] = {INT64_C(1795361000) * 30, INT64_C(1795361000) * 48000};
	struct rd r = rd_of(data + (n > 0), n - (n > 0));

	if (cmaf_create(&c, &conf, info, 0, &events, NULL, err))
		abort();
	while (rd_left(&r) > 2) {
		unsigned what = rd_u8(&r), size = rd_u8(&r);
		int track = what & 1;
		struct media_packet *p = media_packet_create(MIN(size, rd_left(&r)));

		memcpy(p->data, rd_bytes(&r, p->size), p->size);
		p->track = track;
		p->key = what & 2;
		at[track] += steps[what >> 2 & 7] * (track ? 1024 : 1);
		p->dts = at[track];
		p->pts = at[track] + (what >> 5 & 3);
		p->duration = track ? 1024 : what >> 7;
		if (cmaf_packet(c, p, 0))
			abort();
		media_packet_unref(p);
		if (size == 255)
			cmaf_gap(c, at[0] * SEC_US / 30 + SEC_US);
	}
	check(c);
	cmaf_destroy(c);
	media_info_unref(info);
	return 0;
}
