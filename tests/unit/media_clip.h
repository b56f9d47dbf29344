/* A small clip made by the muxer, and memory to write it to and to read it from: for the tests of media. */
#ifndef GEX_TESTS_MEDIA_CLIP_H
#define GEX_TESTS_MEDIA_CLIP_H

#include "unit.h"

#include "media/media.h"

/* 32x16, black, 30 fps: the parameter sets, a key frame, a frame that repeats it. */
static const uint8_t sets[] = {0,    0,	   0, 1, 0x67, 0x42, 0xc0, 0x0a, 0xda, 0x2e, 0xc0, 0x44,
			       0,    0,	   3, 0, 4,    0,    0,	   3,	 0,    0xf2, 0x3c, 0x48,
			       0x9a, 0x80, 0, 0, 0,    1,    0x68, 0xce, 0x0f, 0xc8};
static const uint8_t idr[] = {0, 0, 0, 1, 0x65, 0x88, 0x84, 0x3a, 0x26, 0x28, 0, 9, 2, 0xc9, 0xe0};
static const uint8_t same[] = {0, 0, 0, 1, 0x41, 0x9a, 0x20, 0x26, 0x9c};
/* AAC-LC, 48 kHz, stereo: its configuration and a silent frame. */
static const uint8_t asc[] = {0x11, 0x90};
static const uint8_t silence[] = {0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80};

#define FRAMES 60

struct bytes {
	uint8_t *at;
	size_t len, cap, pos;
	size_t step; /* a read gives at most so many */
	ssize_t end; /* what a read gives at the end */
};

static int keep(void *arg, const void *p, size_t n)
{
	struct bytes *b = arg;

	if (b->len + n > b->cap) {
		b->cap = (b->len + n) * 2;
		b->at = realloc(b->at, b->cap);
		assert_non_null(b->at);
	}
	memcpy(b->at + b->len, p, n);
	b->len += n;
	return 0;
}

static ssize_t give(void *arg, void *p, size_t n)
{
	struct bytes *b = arg;

	n = MIN(n, MIN(b->len - b->pos, b->step ? b->step : SIZE_MAX));
	if (!n)
		return b->end;
	memcpy(p, b->at + b->pos, n);
	b->pos += n;
	return (ssize_t)n;
}

static struct media_info *two_tracks(bool utc)
{
	struct media_info *i = media_info_create();

	assert_non_null(i);
	i->n = 2;
	i->utc = utc;
	i->track[0] = (struct media_track){.kind = MEDIA_VIDEO,
					   .codec = MEDIA_H264,
					   .codec_name = "h264",
					   .name = "hall",
					   .lang = "kor",
					   .tb = {1001, 30000},
					   .bitrate = 800000,
					   .width = 32,
					   .height = 16,
					   .sar = {1, 1},
					   .fps = {30000, 1001},
					   .extra = buf_copy(sets, sizeof(sets))};
	i->track[1] = (struct media_track){.kind = MEDIA_AUDIO,
					   .codec = MEDIA_AAC,
					   .codec_name = "aac",
					   .name = "sound",
					   .lang = "eng",
					   .tb = {1, 48000},
					   .bitrate = 96000,
					   .sample_rate = 48000,
					   .channels = 2,
					   .frame_samples = 1024,
					   .extra = buf_copy(asc, sizeof(asc))};
	return i;
}

static struct media_packet *packet(int track, int64_t n, bool key)
{
	const void *p = track ? silence : key ? idr : same;
	size_t len = track ? sizeof(silence) : key ? sizeof(idr) : sizeof(same);
	size_t head = !track && key ? sizeof(sets) : 0;
	struct media_packet *m = media_packet_create(head + len);

	assert_non_null(m);
	memcpy(m->data, sets, head);
	memcpy(m->data + head, p, len);
	m->track = track;
	m->key = key;
	m->pts = m->dts = track ? n * 1024 : n;
	m->duration = track ? 1024 : 1;
	return m;
}

static inline void write_packet(struct media_mux *m, struct media_packet *p)
{
	assert_int_equal(media_mux_write(m, p), 0);
	media_packet_unref(p);
}

/* So many frames of video from instant start_us on and the sound beside them, in the order of time; what else there is is written by
 * `beside`, which is given the frame's number here and in the track. */
static inline void record_beside(struct bytes *b, const char *format, struct media_info *info,
				 int64_t start_us, int frames,
				 void (*beside)(struct media_mux *m, int i, int64_t v))
{
	struct media_mux *m;
	char err[MEDIA_ERR];
	int64_t v = base_rescale(start_us, (struct ratio){1, SEC_US}, info->track[0].tb);
	int64_t a = base_rescale(start_us, (struct ratio){1, SEC_US}, (struct ratio){1024, 48000});

	if (media_mux_create(&m, format, info, keep, b, err))
		fail_msg("%s: %s", format, err);
	for (int i = 0; i < frames; i++, v++) {
		int64_t end = base_rescale(v + 1, info->track[0].tb, (struct ratio){1024, 48000});

		write_packet(m, packet(0, v, i % 30 == 0));
		for (; a < end; a++)
			write_packet(m, packet(1, a, true));
		if (beside)
			beside(m, i, v);
	}
	assert_int_equal(media_mux_end(m), 0);
	media_mux_destroy(m);
}

static inline void record(struct bytes *b, const char *format, struct media_info *info,
			  int64_t start_us)
{
	record_beside(b, format, info, start_us, FRAMES, NULL);
}

#endif
