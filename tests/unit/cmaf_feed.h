/* A source for the tests of cmaf: tracks of any frame rate, on the epoch's grid or off it, with
 * recognisable payloads. */
#ifndef GEX_TESTS_CMAF_FEED_H
#define GEX_TESTS_CMAF_FEED_H

#include "cmaf/cmaf.h"

/* Parameter sets of 640x360, High, level 3.0. */
static const uint8_t feed_sps[] = {0,	 0,    0,    1,	   0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9,
				   0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0,    0,	   3,	 0,
				   1,	 0,    0,    3,	   0,	 0x3c, 0x0f, 0x16, 0x2d, 0x96,
				   0,	 0,    0,    1,	   0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0};
static const uint8_t feed_asc[] = {0x11, 0x90}; /* AAC-LC, 48 kHz, stereo */

static inline void feed_video(struct media_track *t, const char *name, int width, int height,
			      struct ratio fps)
{
	*t = (struct media_track){.kind = MEDIA_VIDEO,
				  .codec = MEDIA_H264,
				  .tb = {fps.den, fps.num},
				  .width = width,
				  .height = height,
				  .fps = fps,
				  .sar = {1, 1},
				  .bitrate = 800000};
	str_copy(t->name, sizeof(t->name), name);
	str_copy(t->codec_name, sizeof(t->codec_name), "h264");
	t->extra = buf_copy(feed_sps, sizeof(feed_sps));
}

static inline void feed_audio(struct media_track *t, const char *name, int rate)
{
	*t = (struct media_track){.kind = MEDIA_AUDIO,
				  .codec = MEDIA_AAC,
				  .tb = {1, rate},
				  .sample_rate = rate,
				  .channels = 2,
				  .frame_samples = 1024,
				  .bitrate = 96000};
	str_copy(t->name, sizeof(t->name), name);
	str_copy(t->codec_name, sizeof(t->codec_name), "aac");
	t->extra = buf_copy(feed_asc, sizeof(feed_asc));
}

/* Frame n of a track: its number of units since the epoch; a key frame each gop. */
static inline struct media_packet *feed_packet(const struct media_info *info, int track, int64_t n,
					       int64_t gop)
{
	const struct media_track *t = &info->track[track];
	bool video = t->kind == MEDIA_VIDEO;
	size_t size = video ? 400 : 120;
	struct media_packet *p = media_packet_create(size);

	p->track = track;
	p->key = !video || n % gop == 0;
	p->pts = p->dts = video ? n : n * 1024;
	p->duration = video ? 1 : 1024;
	memset(p->data, 0x80 | (int)(n & 15), size);
	if (video)
		memcpy(p->data, (const uint8_t[]){0, 0, 0, 1, p->key ? 0x65 : 0x41}, 5);
	return p;
}

/* Feeds all tracks, in the order of time, from `from_us` on until `to_us`. gop: of every video
 * track, in frames. */
static inline void feed_run(struct cmaf *c, struct media_info *info, int64_t gop, int64_t from_us,
			    int64_t to_us)
{
	int64_t next[MEDIA_TRACKS_MAX];

	for (int i = 0; i < info->n; i++) {
		const struct media_track *t = &info->track[i];
		int64_t step = t->kind == MEDIA_VIDEO ? 1 : 1024;

		next[i] =
		    -base_floor_div(-base_rescale(from_us, (struct ratio){1, SEC_US}, t->tb), step);
	}
	for (;;) {
		int64_t first = INT64_MAX;
		int track = 0;

		for (int i = 0; i < info->n; i++) {
			const struct media_track *t = &info->track[i];
			int64_t step = t->kind == MEDIA_VIDEO ? 1 : 1024;
			int64_t us = base_rescale(next[i] * step, t->tb, (struct ratio){1, SEC_US});

			if (us < first) {
				first = us;
				track = i;
			}
		}
		if (first >= to_us)
			return;
		struct media_packet *p = feed_packet(info, track, next[track]++, gop);
		if (cmaf_packet(c, p, 0))
			abort();
		media_packet_unref(p);
	}
}

#endif
