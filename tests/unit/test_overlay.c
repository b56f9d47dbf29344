#include "unit.h"
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "media/glyph.h"
#include "media/layer.h"
#include "media/overlay.h"

static int at(const AVFrame *f, int p, int x, int y)
{
	int s = p > 0;

	return f->data[p][(ptrdiff_t)(y >> s) * f->linesize[p] + (x >> s)];
}

static void rgba_of(float *to, int n, float r, float g, float b, float a)
{
	for (int i = 0; i < n; i++) {
		to[4 * i] = r * a / 255;
		to[4 * i + 1] = g * a / 255;
		to[4 * i + 2] = b * a / 255;
		to[4 * i + 3] = a;
	}
}

static void colours_are_laid_on(void **state)
{
	static const struct {
		float r, g, b, a, opacity;
		bool bt601;
		int yuv[3]; /* on a grey of 100 */
	} k[] = {{255, 255, 255, 255, 1, false, {235, 128, 128}},
		 {0, 0, 0, 255, 1, false, {16, 128, 128}},
		 {255, 0, 0, 255, 1, false, {63, 102, 240}},
		 {255, 0, 0, 255, 1, true, {81, 90, 240}},
		 {0, 0, 255, 255, 1, false, {32, 240, 118}},
		 {255, 255, 255, 255, .5f, false, {168, 114, 114}},
		 {255, 255, 255, 127.5f, 1, false, {168, 114, 114}},
		 {9, 99, 199, 0, 1, false, {100, 100, 100}}};
	float rgba[8 * 4 * 4];

	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, 32, 16, 100);
		struct layer l = {0};

		assert_int_equal(layer_size(&l, 7, 3), 0);
		assert_int_equal(l.w, 8);
		rgba_of(rgba, 32, k[i].r, k[i].g, k[i].b, k[i].a);
		layer_from_rgba(&l, rgba, k[i].bt601, k[i].opacity);
		l.x = 6;
		l.y = 4;
		layer_lay(&l, f);
		for (int p = 0; p < 3; p++) {
			assert_in_range(at(f, p, 8, 6), k[i].yuv[p] - 1, k[i].yuv[p] + 1);
			assert_in_range(at(f, p, 13, 7), k[i].yuv[p] - 1, k[i].yuv[p] + 1);
			assert_int_equal(at(f, p, 4, 6), 100);
			assert_int_equal(at(f, p, 14, 6), 100);
			assert_int_equal(at(f, p, 8, 8), 100);
		}
		layer_lift(&l, f);
		for (int p = 0; p < 3; p++)
			for (int x = 0; x < 32; x++)
				assert_int_equal(at(f, p, x, x / 2), 100);
		layer_free(&l);
		av_frame_free(&f);
	}
}

static void pictures_are_scaled(void **state)
{
	float in[6 * 4 * 4];

	/* Left half red, right half transparent: no colour creeps out of what is not seen. */
	rgba_of(in, 24, 200, 50, 0, 255);
	for (int y = 0; y < 4; y++)
		rgba_of(in + 4 * (y * 6 + 3), 3, 0, 0, 0, 0);
	for (int size = 1; size < 5; size++) {
		int w = 3 * size, h = 2 * size;
		float *out = layer_scale(in, 6, 4, w, h);

		assert_non_null(out);
		for (int i = 0; i < w * h; i++) {
			float *p = out + 4 * i;

			if (i % w == 0)
				assert_true(p[3] > 190);
			if (i % w == w - 1)
				assert_true(p[3] < 64);
			if (p[3] > 8)
				assert_in_range((int)(p[0] * 255 / p[3] + .5f), 198, 202);
		}
		free(out);
	}
}

static void any_picture_is_read(void **state)
{
	static const struct {
		int format, fill;
		float rgba[4];
	} k[] = {{AV_PIX_FMT_RGBA, 128, {64.25f, 64.25f, 64.25f, 128}},
		 {AV_PIX_FMT_RGB24, 128, {128, 128, 128, 255}},
		 {AV_PIX_FMT_GRAY8, 77, {77, 77, 77, 255}},
		 {AV_PIX_FMT_YA8, 255, {255, 255, 255, 255}},
		 {AV_PIX_FMT_YUVJ420P, 128, {128, 128, 128, 255}},
		 {AV_PIX_FMT_YUVA420P, 128, {65.5f, 65.5f, 65.5f, 128}},
		 {AV_PIX_FMT_RGBA64BE, 255, {255, 255, 255, 255}}};

	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		AVFrame *f = picture_filled(k[i].format, 21, 11, k[i].fill);
		float *rgba = layer_rgba(f);

		assert_non_null(rgba);
		for (int c = 0; c < 4; c++)
			assert_true(fabsf(rgba[4 * (21 * 11 - 1) + c] - k[i].rgba[c]) < 1);
		free(rgba);
		av_frame_free(&f);
	}
	AVFrame *f = picture_filled(AV_PIX_FMT_PAL8, 21, 11, 3);
	((uint32_t *)f->data[1])[3] = 0xff102030;
	float *rgba = layer_rgba(f);
	assert_non_null(rgba);
	assert_int_equal((int)rgba[0], 0x10);
	assert_int_equal((int)rgba[2], 0x30);
	assert_int_equal((int)rgba[3], 255);
	free(rgba);
	av_frame_free(&f);
}

/* A picture of 24 bits in one colour. */
static void write_bmp(char *path, int w, int h, const uint8_t bgr[3])
{
	uint8_t head[54] = {'B', 'M'};
	int size = w * 3 * h, fd = mkstemp(path);

	assert_true(fd >= 0 && w % 4 == 0);
	memcpy(head + 2, &(uint32_t){(uint32_t)(54 + size)}, 4);
	head[10] = 54;
	head[14] = 40;
	head[18] = (uint8_t)w;
	head[22] = (uint8_t)h;
	head[26] = 1;
	head[28] = 24;
	assert_int_equal(write(fd, head, 54), 54);
	for (int i = 0; i < w * h; i++)
		assert_int_equal(write(fd, bgr, 3), 3);
	close(fd);
}

/* The rectangle of pixels that differ from 100. */
static void extent(const AVFrame *f, int r[4])
{
	r[0] = r[1] = 99999;
	r[2] = r[3] = -1;
	for (int y = 0; y < f->height; y++)
		for (int x = 0; x < f->width; x++) {
			if (at(f, 0, x, y) == 100)
				continue;
			r[0] = MIN(r[0], x);
			r[1] = MIN(r[1], y);
			r[2] = MAX(r[2], x);
			r[3] = MAX(r[3], y);
		}
}

static void a_mark_has_its_place_in_every_rung(void **state)
{
	char path[] = "/tmp/overlay-XXXXXX", err[MEDIA_ERR];
	static const int sizes[][2] = {{1280, 720}, {256, 144}, {98, 54}};

	write_bmp(path, 40, 20, (uint8_t[]){255, 255, 255});
	for (int where = 0; where < OVERLAY_PLACES; where++) {
		struct overlay_conf c = {.file = path,
					 .at = (enum overlay_at)where,
					 .size = 20,
					 .margin = 5,
					 .opacity = 100};
		struct overlays *set;

		assert_int_equal(overlays_create(&set, &c, 1, err), 0);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			int w = sizes[i][0], h = sizes[i][1], r[4], m = h * 5 / 100;
			AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, w, h, 100);
			struct overlay *o;

			assert_int_equal(overlay_create(&o, set, w, h, AVCOL_SPC_BT709, err), 0);
			overlay_draw(o, f, 0);
			extent(f, r);
			assert_in_range(r[2] - r[0] + 1, h * 4 / 10 - 3, h * 4 / 10 + 1);
			assert_in_range(r[3] - r[1] + 1, h * 2 / 10 - 3, h * 2 / 10 + 1);
			if (where == OVERLAY_TOP_LEFT || where == OVERLAY_BOTTOM_LEFT)
				assert_in_range(r[0], MAX(m - 1, 0), m + 1);
			if (where == OVERLAY_TOP_RIGHT || where == OVERLAY_BOTTOM_RIGHT)
				assert_in_range(w - 1 - r[2], MAX(m - 1, 0), m + 2);
			if (where == OVERLAY_CENTRE)
				assert_in_range(r[0] + r[2] + 1, w - 4, w + 4);
			if (where >= OVERLAY_BOTTOM_LEFT)
				assert_in_range(h - 1 - r[3], MAX(m - 1, 0), m + 2);
			overlay_undraw(o, f);
			extent(f, r);
			assert_int_equal(r[2], -1);
			overlay_destroy(o);
			av_frame_free(&f);
		}
		overlays_destroy(set);
	}
	unlink(path);
	struct overlay_conf gone = {.file = path};
	struct overlays *none;
	assert_true(overlays_create(&none, &gone, 1, err) < 0);
	assert_non_null(strstr(err, path));
	gone = (struct overlay_conf){.text = "x", .font = "/dev/null"};
	assert_true(overlays_create(&none, &gone, 1, err) < 0);
	assert_non_null(strstr(err, "/dev/null"));
}

static void sum_luma(const AVFrame *f, uint64_t *sum)
{
	*sum = 0;
	for (int y = 0; y < f->height; y++)
		for (int x = 0; x < f->width; x++)
			*sum = *sum * 31 + (uint64_t)at(f, 0, x, y);
}

static void a_clock_goes_on(void **state)
{
	struct overlay_conf c[2] = {
	    {.text = "%H:%M:%S \xc3\xa9\xff",
	     .at = OVERLAY_TOP,
	     .size = 8,
	     .margin = 3,
	     .opacity = 90},
	    {.text = "%N%%", .at = OVERLAY_BOTTOM, .size = 8, .margin = 3, .opacity = 90}};
	char err[MEDIA_ERR];
	struct overlays *set;

	if (access(OVERLAY_FONT, R_OK))
		skip();
	assert_int_equal(overlays_create(&set, c, 2, err), 0);
	static const int sizes[][2] = {{1280, 720}, {256, 144}, {64, 36}, {16, 16}};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, sizes[i][0], sizes[i][1], 100);
		uint64_t clean, first, same, later;
		struct overlay *o;
		int r[4];

		assert_int_equal(overlay_create(&o, set, f->width, f->height, AVCOL_SPC_BT709, err),
				 0);
		sum_luma(f, &clean);
		overlay_draw(o, f, 1700000000 * SEC_US + 111000);
		sum_luma(f, &first);
		extent(f, r);
		assert_true(r[2] > r[0] && r[3] > r[1]);
		overlay_undraw(o, f);
		overlay_draw(o, f, 1700000000 * SEC_US + 111999);
		sum_luma(f, &same);
		overlay_undraw(o, f);
		overlay_draw(o, f, 1700000001 * SEC_US + 888000);
		sum_luma(f, &later);
		overlay_undraw(o, f);
		assert_int_equal(first, same);
		assert_int_not_equal(first, clean);
		if (f->width > 100)
			assert_int_not_equal(first, later);
		sum_luma(f, &later);
		assert_int_equal(later, clean);
		overlay_destroy(o);
		av_frame_free(&f);
	}
	overlays_destroy(set);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(colours_are_laid_on), cmocka_unit_test(pictures_are_scaled),
    cmocka_unit_test(any_picture_is_read), cmocka_unit_test(a_mark_has_its_place_in_every_rung),
    cmocka_unit_test(a_clock_goes_on),
};
RUN_TESTS(tests)
