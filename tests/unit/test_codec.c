#include "unit.h"
#include "picture.h"

#include "media/encode.h"

#define FRAMES 50
#define GOP 25

/* libx265 does not free all that it has taken; what is ours is still told. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libx265\n";
}

/* What comes out of an encoder for every frame that goes in: at once, its time unchanged, a key frame where one was asked for
 * and nowhere else, though the picture changes wholly with each frame. */
static void encodes(const char *name, enum media_codec codec, bool instead)
{
	struct rung r = {.fps = {25, 1}};
	struct media_track t = {0};
	struct encoder e;
	char err[MEDIA_ERR], text[64];

	snprintf(text, sizeof(text), "low=96x64@25,100k,preset=ultrafast,codec=%s", name);
	av_log_set_level(AV_LOG_QUIET);
	assert_int_equal(rung_parse(&r, text, err), 0);
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, 96, 64, 128);
	if (encoder_open_video(&e, &r, f, &t, 0, err))
		fail_msg("%s: %s", name, err);
	assert_int_equal(t.codec, codec);
	assert_int_equal(e.instead, instead);
	assert_int_equal(e.cc->max_b_frames, 0);
	assert_true(e.cc->rc_buffer_size <= r.bitrate && e.cc->rc_buffer_size > 0);
	for (int n = 0; n < FRAMES; n++) {
		assert_int_equal(av_frame_make_writable(f), 0);
		memset(f->data[0], n % 3 ? n * 5 : 250 - n, (size_t)(f->linesize[0] * 64));
		f->pts = 1000 + n;
		f->pict_type = n % GOP ? AV_PICTURE_TYPE_NONE : AV_PICTURE_TYPE_I;
		assert_int_equal(encoder_send(&e, f), 0);
		struct media_packet *p = encoder_receive(&e);
		if (!p)
			fail_msg("%s holds frame %d back", name, n);
		assert_int_equal(p->pts, (1000 + n) * 3600);
		assert_int_equal(p->dts, p->pts);
		assert_int_equal(p->key, n % GOP == 0);
		media_packet_unref(p);
	}
	assert_int_equal(encoder_send(&e, NULL), 0);
	assert_null(encoder_receive(&e));
	encoder_close(&e);
	buf_unref(t.extra);
	av_frame_free(&f);
}

static void every_codec_makes_closed_gops_without_delay(void **state)
{
	encodes("h264", MEDIA_H264, false);
	encodes("hevc", MEDIA_HEVC, false);
	encodes("av1", MEDIA_AV1, false);
	encodes("vp9", MEDIA_VP9, false);
}

/* VA-API needs a device that no machine without a card has; the others may be there. */
static void what_cannot_be_opened_is_encoded_by_the_processor(void **state)
{
	if (!access("/dev/dri", F_OK))
		skip();
	encodes("h264_vaapi", MEDIA_H264, true);
	encodes("hevc_vaapi", MEDIA_HEVC, true);
	encodes("h264_qsv", MEDIA_H264, true);
}

static void colours_stand_side_by_side_in_nv12(void **state)
{
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, 34, 18, 128), *to = av_frame_alloc();

	assert_non_null(to);
	to->format = AV_PIX_FMT_NV12;
	to->width = 34;
	to->height = 18;
	assert_int_equal(av_frame_get_buffer(to, 0), 0);
	for (int p = 0; p < 3; p++)
		for (int y = 0; y < (p ? 9 : 18); y++)
			for (int x = 0; x < (p ? 17 : 34); x++)
				f->data[p][y * f->linesize[p] + x] =
				    (uint8_t)(p * 80 + y * 3 + x * 2);
	card_interleave(to, f);
	for (int y = 0; y < 18; y++)
		assert_memory_equal(to->data[0] + y * to->linesize[0],
				    f->data[0] + y * f->linesize[0], 34);
	for (int y = 0; y < 9; y++) {
		for (int x = 0; x < 17; x++) {
			const uint8_t *pair = to->data[1] + y * to->linesize[1] + 2 * x;

			assert_int_equal(pair[0], f->data[1][y * f->linesize[1] + x]);
			assert_int_equal(pair[1], f->data[2][y * f->linesize[2] + x]);
		}
	}
	/* Quick Sync's: ours, with its time; another one while the encoder holds the last. */
	AVCodecContext *cc = avcodec_alloc_context3(NULL);
	struct card c;
	char err[MEDIA_ERR];
	assert_non_null(cc);
	assert_int_equal(card_open(&c, CARD_NV12, cc, err), 0);
	assert_int_equal(cc->pix_fmt, AV_PIX_FMT_NV12);
	f->pts = 7;
	AVFrame *first = card_picture(&c, f), *held = av_frame_clone(first);
	assert_non_null(held);
	assert_int_equal(first->pts, 7);
	const uint8_t *was = held->data[0];
	f->pts = 8;
	AVFrame *second = card_picture(&c, f);
	assert_non_null(second);
	assert_int_equal(second->pts, 8);
	assert_ptr_not_equal(second->data[0], was);
	card_close(&c);
	av_frame_free(&held);
	avcodec_free_context(&cc);
	av_frame_free(&to);
	av_frame_free(&f);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_codec_makes_closed_gops_without_delay),
    cmocka_unit_test(what_cannot_be_opened_is_encoded_by_the_processor),
    cmocka_unit_test(colours_stand_side_by_side_in_nv12),
};
RUN_TESTS(tests)
