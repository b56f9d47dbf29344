#include "unit.h"
#include "picture.h"

#include "media/watch.h"

#define FRAME 33333

/* A square of 40 pixels that stands at x. */
static void square(AVFrame *f, int x, int luma)
{
	for (int y = 100; y < 140; y++)
		memset(f->data[0] + (ptrdiff_t)y * f->linesize[0] + x, luma, 40);
}

/* What all looks of a while say, and how many they are. */
static unsigned play(struct watch *w, const AVFrame *f, int64_t *us, int64_t for_us, int *looks)
{
	unsigned has, any = 0;

	for (int64_t end = *us + for_us; *us < end; *us += FRAME)
		if (watch_look(w, f, *us, &has)) {
			any |= has;
			++*looks;
		}
	return any;
}

static const unsigned black = 1u << FAULT_BLACK, frozen = 1u << FAULT_FROZEN;

static void black_is_seen(void **state)
{
	struct watch w = {0};
	AVFrame *dark = picture_filled(AV_PIX_FMT_YUV420P, 640, 360, 17),
		*bright = picture_filled(AV_PIX_FMT_YUV420P, 640, 360, 90);
	int64_t us = 1700000000 * SEC_US;
	int looks = 0;

	/* It is no frozen one, however long. */
	assert_int_equal(play(&w, dark, &us, 20 * SEC_US, &looks), black);
	assert_in_range(looks, 140, 201);
	assert_int_equal(play(&w, bright, &us, 110 * MS_US, &looks), 0);
	assert_int_equal(play(&w, dark, &us, SEC_US, &looks), black);
	/* A title in the dark is no black picture, a point of light is. */
	square(dark, 100, 200);
	assert_int_equal(play(&w, dark, &us, SEC_US, &looks), black);
	square(dark, 200, 200);
	square(dark, 300, 200);
	square(dark, 400, 200);
	assert_int_equal(play(&w, dark, &us, 110 * MS_US, &looks), 0);
	/* In full range 17 is not black any more, 10 is. */
	memset(dark->buf[0]->data, 30, dark->buf[0]->size);
	dark->color_range = AVCOL_RANGE_JPEG;
	assert_int_equal(play(&w, dark, &us, 110 * MS_US, &looks), 0);
	memset(dark->buf[0]->data, 10, dark->buf[0]->size);
	assert_int_equal(play(&w, dark, &us, 110 * MS_US, &looks), black);
	av_frame_free(&dark);
	av_frame_free(&bright);
}

static void stillness_is_seen(void **state)
{
	struct watch w = {0};
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, 640, 360, 90);
	int64_t us = SEC_US;
	unsigned has, moves = 0;
	int looks = 0;

	/* Something small moves. */
	for (int x = 0; x < 40; x++, us += WATCH_STEP_US) {
		memset(f->buf[0]->data, 90, f->buf[0]->size);
		square(f, x * 10, 120);
		assert_true(watch_look(&w, f, us, &has));
		moves += !has;
	}
	assert_int_equal(moves, 40);
	/* The noise of an encoder: two levels up or down, and a little more at key frames. */
	for (int i = 0; i < 90; i++, us += FRAME) {
		for (size_t k = 0; k < f->buf[0]->size; k++)
			f->buf[0]->data[k] =
			    (uint8_t)(88 + ((uint32_t)k * 2654435761u >> 16) % 5 + (i % 30 == 0));
		square(f, 390, 120);
		if (watch_look(&w, f, us, &has))
			assert_int_equal(has, frozen);
	}
	square(f, 100, 60);
	us += SEC_US;
	assert_true(watch_look(&w, f, us, &has));
	assert_int_equal(has, 0);
	us += SEC_US;
	assert_true(watch_look(&w, f, us, &has)); /* key frames are enough */
	assert_int_equal(has, frozen);
	/* A slow fade moves in the end. */
	for (int i = 0; i < 8; i++) {
		memset(f->buf[0]->data, 100 + i, f->buf[0]->size);
		us += SEC_US;
		assert_true(watch_look(&w, f, us, &has));
	}
	assert_int_equal(play(&w, f, &us, SEC_US, &looks), frozen);
	/* Another source has to stand still anew; time that jumps is one, too. */
	watch_begin(&w);
	assert_true(watch_look(&w, f, us, &has));
	assert_int_equal(has, 0);
	assert_true(watch_look(&w, f, us - 60 * SEC_US, &has));
	assert_int_equal(has, 0);
	av_frame_free(&f);
}

static void any_format_is_read(void **state)
{
	static const struct {
		int format, fill, want;
	} k[] = {{AV_PIX_FMT_YUV420P, 200, 200},    {AV_PIX_FMT_NV12, 10, 10},
		 {AV_PIX_FMT_YUV420P10LE, 1, 0x40}, {AV_PIX_FMT_P010LE, 0x40, 0x40},
		 {AV_PIX_FMT_YUV422P16LE, 77, 77},  {AV_PIX_FMT_UYVY422, 100, 100},
		 {AV_PIX_FMT_RGB24, 66, 66},	    {AV_PIX_FMT_GRAY8, 5, 5}};
	uint8_t cell[WATCH_W * WATCH_H];

	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		AVFrame *f = picture_filled(k[i].format, 161, 91, k[i].fill);

		assert_true(watch_cells(f, cell));
		assert_int_equal(cell[0], k[i].want);
		assert_int_equal(cell[WATCH_W * WATCH_H - 1], k[i].want);
		av_frame_free(&f);
	}
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, 48, 32, 0),
		*g = picture_filled(AV_PIX_FMT_PAL8, 161, 91, 0);
	struct watch w = {0};
	unsigned has = black;
	assert_false(watch_cells(f, cell)); /* too small to be looked at */
	assert_true(watch_look(&w, g, 0, &has));
	assert_int_equal(has, 0);
	av_frame_free(&f);
	av_frame_free(&g);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(black_is_seen),
    cmocka_unit_test(stillness_is_seen),
    cmocka_unit_test(any_format_is_read),
};
RUN_TESTS(tests)
