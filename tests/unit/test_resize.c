#include "unit.h"
#include "picture.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "media/resize.h"
#include "media/scale.h"

static const int shapes[][4] = {
    {1920, 1080, 1280, 720}, {1920, 1080, 854, 480}, {1280, 720, 640, 360},
    {1920, 1080, 640, 360},  {1280, 720, 854, 480},  {1279, 717, 426, 240},
    {640, 360, 127, 24},     {130, 36, 34, 8},	     {1920, 1080, 128, 72},
    {854, 480, 426, 240},    {1000, 562, 799, 449},  {2160, 3840, 606, 1080}};

static AVFrame *noise(int w, int h, unsigned seed, bool extreme)
{
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, w, h, 0);

	srand(seed);
	for (int p = 0; p < 4 && f->buf[p]; p++)
		for (size_t i = 0; i < f->buf[p]->size; i++)
			f->buf[p]->data[i] = (uint8_t)(extreme ? -(rand() >> 9 & 1) : rand() >> 9);
	return f;
}

/* Made larger than asked for by what a whole piece may write. */
static AVFrame *resized(const AVFrame *f, int w, int h, enum resize_by by)
{
	AVFrame *to = picture_filled(AV_PIX_FMT_YUV420P, (w + 63) / 64 * 64, h, 0);
	struct resize *r;

	assert_int_equal(resize_create(&r, f->width, f->height, w, h, by), 0);
	resize_run(r, f->data, f->linesize, to->data, to->linesize);
	resize_destroy(r);
	to->width = w;
	return to;
}

static bool same(const AVFrame *a, const AVFrame *b)
{
	bool yes = true;

	for (int p = 0; p < 3; p++)
		for (int y = 0; y < (p ? (a->height + 1) / 2 : a->height); y++)
			yes &= !memcmp(a->data[p] + (ptrdiff_t)y * a->linesize[p],
				       b->data[p] + (ptrdiff_t)y * b->linesize[p],
				       (size_t)(p ? (a->width + 1) / 2 : a->width));
	return yes;
}

static void every_way_gives_the_same(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const int *k = shapes[i];
		AVFrame *f = noise(k[0], k[1], (unsigned)i, i % 2);
		AVFrame *plain = resized(f, k[2], k[3], RESIZE_PLAIN);

		for (enum resize_by by = RESIZE_AVX2; by <= resize_best(); by++) {
			AVFrame *fast = resized(f, k[2], k[3], by);

			assert_true(same(plain, fast));
			av_frame_free(&fast);
		}
		av_frame_free(&plain);
		av_frame_free(&f);
	}
}

/* Waves of many lengths and directions, of 10 bits, so that 8 can be rounded from it. */
static int wave(int p, double x, double y)
{
	return (int)lround(512 + 150 * sin(x * x / 9e3 + p) + 120 * cos(y * y / 7e3) +
			   90 * sin((x + 2 * y) / 11 + p));
}

static AVFrame *waves(int w, int h, bool deep)
{
	AVFrame *f = picture_filled(deep ? AV_PIX_FMT_YUV420P10 : AV_PIX_FMT_YUV420P, w, h, 0);

	for (int p = 0; p < 3; p++)
		for (int y = 0; y < (p ? h / 2 : h); y++)
			for (int x = 0; x < (p ? w / 2 : w); x++) {
				uint8_t *row = f->data[p] + (ptrdiff_t)y * f->linesize[p];
				int v = wave(p, x, y) / 4;

				if (deep)
					((uint16_t *)row)[x] = (uint16_t)(v * 4);
				else
					row[x] = (uint8_t)v;
			}
	return f;
}

static double psnr(const AVFrame *a, const AVFrame *b, int p)
{
	int w = p ? a->width / 2 : a->width, h = p ? a->height / 2 : a->height;
	double sum = 0;

	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			int d = a->data[p][(ptrdiff_t)y * a->linesize[p] + x] -
				b->data[p][(ptrdiff_t)y * b->linesize[p] + x];
			sum += d * d;
		}
	return 10 * log10(255.0 * 255.0 * w * h / MAX(sum, 1));
}

/* zimg is given the same picture in 10 bits, which are not ours. */
static void it_is_what_zimg_makes(void **state)
{
	static const int to[][2] = {{426, 240}, {284, 160}, {212, 120}};
	AVFrame *f = waves(640, 360, false), *deep = waves(640, 360, true), *by_zimg;
	char err[MEDIA_ERR];

	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		struct scaler *s;
		AVFrame *ours = resized(f, to[i][0], to[i][1], RESIZE_PLAIN);

		assert_int_equal(scaler_create(&s, to[i][0], to[i][1]), 0);
		assert_int_equal(scaler_run(s, deep, &by_zimg, err), 0);
		for (int p = 0; p < 3; p++)
			assert_true(psnr(ours, by_zimg, p) > 52);
		scaler_destroy(s);
		av_frame_free(&ours);
	}
	av_frame_free(&f);
	av_frame_free(&deep);
}

static void a_flat_picture_stays_what_it_is(void **state)
{
	for (int v = 0; v < 256; v += 51) {
		AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, 256, 144, v);
		AVFrame *want = picture_filled(AV_PIX_FMT_YUV420P, 102, 56, v);
		AVFrame *got = resized(f, 102, 56, resize_best());

		assert_true(same(want, got));
		av_frame_free(&f);
		av_frame_free(&want);
		av_frame_free(&got);
	}
}

/* Nothing beyond the pieces it may write, nor before. */
static void only_its_rows_are_written(void **state)
{
	AVFrame *f = noise(256, 144, 1, true);

	for (enum resize_by by = RESIZE_PLAIN; by <= resize_best(); by++) {
		uint8_t room[3][128 * 62];
		uint8_t *to[3] = {room[0] + 128, room[1] + 128, room[2] + 128};
		struct resize *r;

		memset(room, 7, sizeof(room));
		assert_int_equal(resize_create(&r, 256, 144, 102, 57, by), 0);
		resize_run(r, f->data, f->linesize, to, (int[]){128, 128, 128});
		resize_destroy(r);
		for (int p = 0; p < 3; p++)
			for (int y = -1; y < 60; y++) {
				int rows = p ? 29 : 57, wide = y < 0 || y >= rows ? 0
							       : p		  ? 64
										  : 128;

				for (int x = wide; x < 128; x++)
					assert_int_equal(to[p][y * 128 + x], 7);
			}
	}
	av_frame_free(&f);
}

static void what_it_is_not_for_is_refused(void **state)
{
	static const int no[][4] = {{1280, 720, 1280, 720}, {1280, 720, 1920, 1080},
				    {1280, 720, 640, 720},  {1280, 720, 1100, 500},
				    {1280, 720, 40, 360},   {100, 720, 50, 360},
				    {1280, 720, 640, 4},    {1280, 8, 640, 4}};

	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		struct resize *r;

		assert_int_equal(
		    resize_create(&r, no[i][0], no[i][1], no[i][2], no[i][3], RESIZE_PLAIN),
		    -ENOTSUP);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_way_gives_the_same),	       cmocka_unit_test(it_is_what_zimg_makes),
    cmocka_unit_test(a_flat_picture_stays_what_it_is), cmocka_unit_test(only_its_rows_are_written),
    cmocka_unit_test(what_it_is_not_for_is_refused),
};
RUN_TESTS(tests)
