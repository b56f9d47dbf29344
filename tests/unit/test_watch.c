#include "unit.h"

#include "media/watch.h"

#define FRAME 33333

static AVFrame *picture(int format, int w, int h, int grey)
{
	AVFrame *f = av_frame_alloc();

	assert_non_null(f);
	f->format = format;
	f->width = w;
	f->height = h;
	assert_int_equal(av_frame_get_buffer(f, 0), 0);
	for (int p = 0; p < 4 && f->buf[p]; p++)
		memset(f->buf[p]->data, grey, f->buf[p]->size);
	return f;
}

/* A square of 40 pixels that stands at x. */
static void square(AVFrame *f, int x, int luma)
{
	for (int y = 100; y < 140; y++)
		memset(f->data[0] + (ptrdiff_t)y * f->linesize[0] + x, luma, 40);
}

static unsigned play(struct watch *w, const AVFrame *f, int64_t *us, int64_t for_us, unsigned on)
{
	for (int64_t end = *us + for_us; *us < end; *us += FRAME)
		on = watch_look(w, f, *us, on);
	return on;
}

static const unsigned black = 1u << FAULT_BLACK, frozen = 1u << FAULT_FROZEN,
		      silence = 1u << FAULT_SILENCE;

static void black_begins_and_ends(void **state)
{
	struct watch w = {.black_us = 2 * SEC_US, .frozen_us = 5 * SEC_US};
	AVFrame *dark = picture(AV_PIX_FMT_YUV420P, 640, 360, 17),
		*bright = picture(AV_PIX_FMT_YUV420P, 640, 360, 90);
	int64_t us = 1700000000 * SEC_US;

	assert_int_equal(play(&w, dark, &us, 1900 * MS_US, 0), 0);
	assert_int_equal(play(&w, dark, &us, 300 * MS_US, 0), black);
	/* It is no frozen one, however long. Other faults are not touched. */
	assert_int_equal(play(&w, dark, &us, 20 * SEC_US, black | silence), black | silence);
	assert_int_equal(play(&w, bright, &us, 200 * MS_US, black | silence), silence);
	assert_int_equal(play(&w, dark, &us, 1500 * MS_US, 0), 0);
	assert_int_equal(play(&w, bright, &us, 200 * MS_US, 0), 0);
	assert_int_equal(play(&w, dark, &us, 1500 * MS_US, 0), 0);
	/* A title in the dark is no black picture, a point of light is. */
	square(dark, 100, 200);
	assert_int_equal(play(&w, dark, &us, 3 * SEC_US, 0), black);
	square(dark, 200, 200);
	square(dark, 300, 200);
	square(dark, 400, 200);
	assert_int_equal(play(&w, dark, &us, 3 * SEC_US, black), 0);
	av_frame_free(&dark);
	av_frame_free(&bright);
}

static void stillness_begins_and_ends(void **state)
{
	struct watch w = {.frozen_us = 2 * SEC_US};
	AVFrame *f = picture(AV_PIX_FMT_YUV420P, 640, 360, 90);
	int64_t us = SEC_US;
	unsigned on = 0;

	/* Something small moves. */
	for (int x = 0; x < 40; x++) {
		memset(f->buf[0]->data, 90, f->buf[0]->size);
		square(f, x * 10, 120);
		on |= play(&w, f, &us, 100 * MS_US, 0);
	}
	assert_int_equal(on, 0);
	/* The noise of an encoder: two levels up or down, and a little more at key frames. */
	for (int i = 0; i < 90; i++, us += FRAME) {
		for (size_t k = 0; k < f->buf[0]->size; k++)
			f->buf[0]->data[k] =
			    (uint8_t)(90 + (int)(k * 2654435761u >> 16) % 5 - 2 + (i % 30 == 0));
		square(f, 390, 120);
		on = watch_look(&w, f, us, on);
	}
	assert_int_equal(on, frozen);
	square(f, 100, 60);
	assert_int_equal(play(&w, f, &us, 200 * MS_US, on), 0);
	/* Another source has to stand still anew. */
	assert_int_equal(play(&w, f, &us, 1800 * MS_US, 0), 0);
	watch_begin(&w);
	assert_int_equal(play(&w, f, &us, 1800 * MS_US, 0), 0);
	assert_int_equal(play(&w, f, &us, 400 * MS_US, 0), frozen);
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
		AVFrame *f = picture(k[i].format, 161, 91, k[i].fill);

		assert_true(watch_cells(f, cell));
		assert_int_equal(cell[0], k[i].want);
		assert_int_equal(cell[WATCH_W * WATCH_H - 1], k[i].want);
		av_frame_free(&f);
	}
	AVFrame *f = picture(AV_PIX_FMT_YUV420P, 48, 32, 0),
		*g = picture(AV_PIX_FMT_PAL8, 161, 91, 0);
	struct watch w = {.black_us = 1};
	assert_false(watch_cells(f, cell)); /* too small to be looked at */
	assert_int_equal(watch_look(&w, g, 0, black | silence), silence);
	av_frame_free(&f);
	av_frame_free(&g);
}

static void off_it_costs_nothing(void **state)
{
	struct watch w = {0};
	AVFrame nothing = {0};

	assert_int_equal(watch_look(&w, &nothing, 0, silence), silence);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(black_begins_and_ends),
    cmocka_unit_test(stillness_begins_and_ends),
    cmocka_unit_test(any_format_is_read),
    cmocka_unit_test(off_it_costs_nothing),
};
RUN_TESTS(tests)
