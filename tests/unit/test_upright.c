#include "unit.h"
#include "picture.h"

#include <libavutil/display.h>
#include <libavutil/pixdesc.h>

#include "media/scale.h"
#include "media/slate.h"
#include "media/upright.h"

static uint8_t *luma(AVFrame *f, int x, int y)
{
	return f->data[0] + (ptrdiff_t)y * f->linesize[0] + x;
}

/* A white bar 8 wide at x; of an interlaced picture the second field has it `moved` to the right. */
static AVFrame *bar(int x, int moved)
{
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, 64, 32, 128);

	f->interlaced_frame = f->top_field_first = 1;
	for (int y = 0; y < 32; y++) {
		memset(luma(f, 0, y), 16, 64);
		memset(luma(f, x + (y % 2 ? moved : 0), y), 235, 8);
	}
	return f;
}

/* How many pixels differ from both neighbours above and below by much: a comb's teeth. */
static int teeth(AVFrame *f)
{
	int n = 0;

	for (int y = 1; y < 31; y++)
		for (int x = 0; x < 64; x++)
			n += abs(*luma(f, x, y) - *luma(f, x, y - 1)) > 100 &&
			     abs(*luma(f, x, y) - *luma(f, x, y + 1)) > 100;
	return n;
}

static void combs_are_taken_out(void **state)
{
	struct upright u = {0};

	for (int x = 0; x < 40; x += 8) {
		AVFrame *f = bar(x, 4);

		assert_true(teeth(f) > 200);
		assert_int_equal(upright_run(&u, f, 0, NULL), 0);
		assert_false(f->interlaced_frame);
		/* The first picture has none before it to tell movement by. */
		if (x)
			assert_int_equal(teeth(f), 0);
		assert_int_equal(*luma(f, x + 2, 10), 235);
		av_frame_free(&f);
	}
	upright_finish(&u);
}

/* Where the bar is in the middle lines; its width in *w. */
static int bar_at(AVFrame *f, int *w)
{
	int x = 0;

	while (x < 64 && *luma(f, x, 15) < 128)
		x++;
	for (*w = 0; x + *w < 64 && *luma(f, x + *w, 15) > 128;)
		++*w;
	return x;
}

/* Two pictures of each frame, in the order of the fields: the bar goes on by 4 in each. */
static void fields_become_pictures(void **state)
{
	for (int top = 0; top < 2; top++) {
		struct upright u = {.mode = UPRIGHT_FIELD};
		AVFrame *second = av_frame_alloc();
		int w;

		for (int x = 0; x < 40; x += 8) {
			AVFrame *f = bar(x, 4);

			/* With the lower field first the upper lines are the later ones. */
			if (!top)
				for (int y = 0; y < 32; y++) {
					memset(luma(f, 0, y), 16, 64);
					memset(luma(f, x + (y % 2 ? 0 : 4), y), 235, 8);
				}
			f->top_field_first = top;
			f->pts = 1000 + x;
			assert_int_equal(upright_run(&u, f, 0, second), 0);
			assert_false(f->interlaced_frame || second->interlaced_frame);
			assert_int_equal(second->pts, f->pts);
			if (x) {
				assert_int_equal(teeth(f) + teeth(second), 0);
				assert_int_equal(bar_at(f, &w), x);
				assert_int_equal(w, 8);
				assert_int_equal(bar_at(second, &w), x + 4);
				assert_int_equal(w, 8);
			}
			av_frame_unref(second);
			av_frame_free(&f);
		}
		/* What is progressive stays one. */
		AVFrame *f = bar(8, 0);
		f->interlaced_frame = 0;
		assert_int_equal(upright_run(&u, f, 1, second), 0);
		assert_int_equal(second->width, 0);
		av_frame_free(&f);
		f = bar(8, 4);
		assert_int_equal(upright_run(&u, f, 1, second), 0);
		assert_int_equal(second->width, 32);
		av_frame_free(&f);
		av_frame_free(&second);
		upright_finish(&u);
	}
	struct upright off = {.mode = UPRIGHT_OFF};
	AVFrame *f = bar(8, 4);
	assert_int_equal(upright_run(&off, f, 0, NULL), 0);
	assert_true(f->interlaced_frame && teeth(f) > 200);
	av_frame_free(&f);
}

/* Lines one pixel high stay sharp where nothing moves. */
static void what_stands_still_stays(void **state)
{
	struct upright u = {0};

	for (int i = 0; i < 3; i++) {
		AVFrame *f = bar(8, 0);

		memset(luma(f, 0, 13), 200, 64);
		assert_int_equal(upright_run(&u, f, 0, NULL), 0);
		assert_int_equal(*luma(f, 40, 13), 200);
		assert_int_equal(*luma(f, 40, 12), 16);
		av_frame_free(&f);
	}
	upright_finish(&u);
}

static void pictures_are_turned(void **state)
{
	static const int formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_GBRP,
				      AV_PIX_FMT_YUV420P10};
	struct upright u = {0};

	for (size_t k = 0; k < ARRAY_LEN(formats); k++) {
		int size = k == 3 ? 2 : 1;

		for (int turn = 0; turn < 4; turn++) {
			/* A mark in the corner at the top left. */
			static const int at[4][2] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}};
			AVFrame *f = picture_filled(formats[k], 64, 32, 128);

			*luma(f, 0, 0) = 250;
			f->sample_aspect_ratio = (AVRational){4, 3};
			assert_int_equal(upright_run(&u, f, turn, NULL), 0);
			assert_int_equal(f->width, turn % 2 ? 32 : 64);
			assert_int_equal(f->height, turn % 2 ? 64 : 32);
			assert_int_equal(f->sample_aspect_ratio.num, turn % 2 ? 3 : 4);
			assert_int_equal(*luma(f, at[turn][0] * (f->width - 1) * size,
					       at[turn][1] * (f->height - 1)),
					 250);
			av_frame_free(&f);
		}
	}
	int32_t matrix[9];
	for (int quarter = 0; quarter < 4; quarter++) {
		av_display_rotation_set(matrix, 90.0 * quarter);
		assert_int_equal(upright_turn(matrix), quarter);
	}
}

/* ---- any format through the scaler ---- */

static void every_format_is_taken(void **state)
{
	static const int formats[] = {
	    AV_PIX_FMT_YUV420P,	  AV_PIX_FMT_YUVJ420P,	 AV_PIX_FMT_YUV422P10, AV_PIX_FMT_NV12,
	    AV_PIX_FMT_NV21,	  AV_PIX_FMT_P010LE,	 AV_PIX_FMT_YUYV422,   AV_PIX_FMT_UYVY422,
	    AV_PIX_FMT_RGB24,	  AV_PIX_FMT_BGRA,	 AV_PIX_FMT_RGB0,      AV_PIX_FMT_GBRP,
	    AV_PIX_FMT_GRAY8,	  AV_PIX_FMT_YA8,	 AV_PIX_FMT_RGB565LE,  AV_PIX_FMT_RGB48BE,
	    AV_PIX_FMT_YUV444P16, AV_PIX_FMT_YUV420P10BE};

	for (size_t k = 0; k < ARRAY_LEN(formats); k++) {
		const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(formats[k]);
		AVFrame *f = picture_filled(formats[k], 70, 38, 128), *out;
		struct scaler *s;
		char err[MEDIA_ERR];

		for (int p = 0; p < 4 && f->buf[p]; p++) /* the writer adds to what is there */
			memset(f->buf[p]->data, 0, f->buf[p]->size);
		/* White on the left, black on the right, by FFmpeg's own writer. */
		for (int c = 0; c < d->nb_components; c++)
			for (int y = 0;
			     y <
			     (c && !(d->flags & AV_PIX_FMT_FLAG_RGB) ? 38 >> d->log2_chroma_h : 38);
			     y++) {
				bool chroma = c && !(d->flags & AV_PIX_FMT_FLAG_RGB);
				int w = chroma ? 70 >> d->log2_chroma_w : 70;
				uint16_t line[70];

				for (int x = 0; x < w; x++)
					line[x] =
					    (uint16_t)(chroma && d->nb_components > 2
							   ? 1 << (d->comp[c].depth - 1)
						       : x < w / 2 ? (1 << d->comp[c].depth) - 1
								   : 0);
				av_write_image_line2(line, f->data, f->linesize, d, 0, y, c, w, 2);
			}
		assert_int_equal(scaler_create(&s, 36, 20), 0);
		for (int again = 0; again < 2; again++) {
			if (scaler_run(s, f, &out, err))
				fail_msg("%s: %s", d->name, err);
			assert_int_equal(out->format, AV_PIX_FMT_YUV420P);
			assert_in_range(*luma(out, 4, 10), 225, 255);
			assert_in_range(*luma(out, 30, 10), 0, 18);
			assert_in_range(out->data[1][5 * out->linesize[1] + 2], 125, 131);
			assert_in_range(out->data[2][5 * out->linesize[2] + 15], 125, 131);
		}
		scaler_destroy(s);
		av_frame_free(&f);
	}
}

/* ---- slates ---- */

static void a_slate_bears_its_text(void **state)
{
	static const int sizes[][2] = {{1920, 1080}, {320, 180}, {16, 16}, {98, 54}};
	static const char *const texts[] = {"", "Hall-1",
					    "a rather long name of a stream: 0123456789 _./"};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			AVFrame *f = slate_draw(sizes[i][0], sizes[i][1], texts[k]);
			int ink = 0;

			assert_non_null(f);
			for (int y = 0; y < f->height; y++)
				for (int x = 0; x < f->width; x++)
					ink += *luma(f, x, y) > 150;
			if (k)
				assert_true(ink > 0);
			else
				assert_int_equal(ink, 0);
			av_frame_free(&f);
		}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(combs_are_taken_out),     cmocka_unit_test(fields_become_pictures),
    cmocka_unit_test(what_stands_still_stays), cmocka_unit_test(pictures_are_turned),
    cmocka_unit_test(every_format_is_taken),   cmocka_unit_test(a_slate_bears_its_text),
};
RUN_TESTS(tests)
