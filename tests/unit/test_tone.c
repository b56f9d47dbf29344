#include "unit.h"
#include "picture.h"

#include <libavutil/mastering_display_metadata.h>
#include <math.h>

#include "media/scale.h"
#include "media/tone.h"

static AVFrame *deep(int w, int h, const int yuv[3], enum AVColorTransferCharacteristic trc)
{
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P10, w, h, 0);

	f->color_trc = trc;
	f->colorspace = AVCOL_SPC_BT2020_NCL;
	f->color_primaries = AVCOL_PRI_BT2020;
	for (int p = 0; p < 3; p++)
		for (int y = 0; y < (p ? h / 2 : h); y++)
			for (int x = 0; x < (p ? w / 2 : w); x++)
				((uint16_t *)(f->data[p] + (ptrdiff_t)y * f->linesize[p]))[x] =
				    (uint16_t)yuv[p];
	return f;
}

/* The pixel in the middle of what the scaler makes of it. */
static void toned_by(struct scaler *s, AVFrame *f, int out[3])
{
	AVFrame *to;
	char err[MEDIA_ERR];

	if (scaler_run(s, f, &to, err))
		fail_msg("%s", err);
	assert_int_equal(to->format, AV_PIX_FMT_YUV420P);
	for (int p = 0; p < 3; p++)
		out[p] = to->data[p][(p ? 7 : 14) * to->linesize[p] + (p ? 12 : 24)];
}

static void toned(AVFrame *f, int out[3])
{
	struct scaler *s;

	assert_int_equal(scaler_create(&s, 48, 28), 0);
	toned_by(s, f, out);
	scaler_destroy(s);
}

/* The signal of a light, by ST 2084 and BT.2100, and the luma of BT.1886 that BT.2390 gives it for white at 203 cd/m2. */
static void greys_come_out_where_they_should(void **state)
{
	static const struct {
		enum AVColorTransferCharacteristic trc;
		int peak, in;
		double out;
	} k[] = {
	    {AVCOL_TRC_SMPTE2084, 0, 64, 16},
	    {AVCOL_TRC_SMPTE2084, 0, 195, 39.9},  /* 1 cd/m2 */
	    {AVCOL_TRC_SMPTE2084, 0, 327, 78.5},  /* 10 */
	    {AVCOL_TRC_SMPTE2084, 0, 450, 138.2}, /* 50 */
	    {AVCOL_TRC_SMPTE2084, 0, 509, 178.6}, /* 100 */
	    {AVCOL_TRC_SMPTE2084, 0, 573, 213.8}, /* 203 */
	    {AVCOL_TRC_SMPTE2084, 0, 636, 230.7}, /* 400 */
	    {AVCOL_TRC_SMPTE2084, 0, 723, 235},
	    {AVCOL_TRC_SMPTE2084, 0, 940, 235},
	    {AVCOL_TRC_SMPTE2084, 4000, 509, 169.0},
	    {AVCOL_TRC_SMPTE2084, 4000, 723, 230.8},
	    {AVCOL_TRC_SMPTE2084, 4000, 855, 235},
	    {AVCOL_TRC_ARIB_STD_B67, 0, 64, 16},
	    {AVCOL_TRC_ARIB_STD_B67, 0, 283, 77.4},
	    {AVCOL_TRC_ARIB_STD_B67, 0, 502, 138.9},
	    {AVCOL_TRC_ARIB_STD_B67, 0, 721, 213.9},
	    {AVCOL_TRC_ARIB_STD_B67, 0, 940, 235},
	};

	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		AVFrame *f = deep(64, 36, (int[]){k[i].in, 512, 512}, k[i].trc);
		int out[3];

		if (k[i].peak) {
			AVContentLightMetadata *l = av_content_light_metadata_create_side_data(f);

			assert_non_null(l);
			l->MaxCLL = (unsigned)k[i].peak;
		}
		toned(f, out);
		if (fabs(out[0] - k[i].out) > 1.3)
			fail_msg("%d: %d, not %.1f", k[i].in, out[0], k[i].out);
		assert_in_range(out[1], 127, 129);
		assert_in_range(out[2], 127, 129);
		av_frame_free(&f);
	}
}

/* Y, Cb, Cr of 10 bits for a colour of BT.709 at so many cd/m2 a channel. */
static void signal_of(const double rgb709[3], int yuv[3])
{
	static const double m[3][3] = {{0.627404, 0.329283, 0.043313},
				       {0.069097, 0.919540, 0.011362},
				       {0.016391, 0.088013, 0.895595}};
	double rgb[3];

	for (int i = 0; i < 3; i++)
		rgb[i] =
		    tone_pq_signal(m[i][0] * rgb709[0] + m[i][1] * rgb709[1] + m[i][2] * rgb709[2]);
	double y = 0.2627 * rgb[0] + 0.6780 * rgb[1] + 0.0593 * rgb[2];
	yuv[0] = (int)lround(64 + 876 * y);
	yuv[1] = (int)lround(512 + 896 * (rgb[2] - y) / 1.8814);
	yuv[2] = (int)lround(512 + 896 * (rgb[0] - y) / 1.4746);
}

/* Below the knee a colour of BT.709 is what it was. */
static void colours_stay(void **state)
{
	static const double light[][3] = {{80, 4, 4},	{4, 80, 4},   {4, 4, 80},  {70, 40, 10},
					  {10, 60, 70}, {60, 10, 60}, {30, 32, 28}};

	for (size_t i = 0; i < ARRAY_LEN(light); i++) {
		int in[3], out[3];
		double e[3];

		signal_of(light[i], in);
		AVFrame *f = deep(64, 36, in, AVCOL_TRC_SMPTE2084);
		toned(f, out);
		for (int c = 0; c < 3; c++)
			e[c] = pow(light[i][c] / TONE_WHITE, 1 / 2.4);
		double y = 0.2126 * e[0] + 0.7152 * e[1] + 0.0722 * e[2];
		double want[] = {16 + 219 * y, 128 + 224 * (e[2] - y) / 1.8556,
				 128 + 224 * (e[0] - y) / 1.5748};
		for (int p = 0; p < 3; p++)
			if (fabs(out[p] - want[p]) > 5)
				fail_msg("colour %zu, plane %d: %d, not %.1f", i, p, out[p],
					 want[p]);
		av_frame_free(&f);
	}
}

/* Everything that can be sent gives something that can be shown, brighter for brighter. */
static void the_table_is_sound(void **state)
{
	struct scaler *s;

	assert_int_equal(scaler_create(&s, 48, 28), 0);
	for (int hlg = 0; hlg < 2; hlg++) {
		int out[3], last = 0;
		enum AVColorTransferCharacteristic trc =
		    hlg ? AVCOL_TRC_ARIB_STD_B67 : AVCOL_TRC_SMPTE2084;

		for (int y = 0; y < 1024; y += 31) {
			AVFrame *f = deep(64, 36, (int[]){y, 512, 512}, trc);

			toned_by(s, f, out);
			assert_in_range(out[0], MAX(last, 16), 235);
			last = out[0];
			av_frame_free(&f);
		}
		for (int i = 0; i < 60; i++) {
			AVFrame *f = deep(
			    64, 36, (int[]){i * 397 % 1024, i * 211 % 1024, i * 631 % 1024}, trc);

			toned_by(s, f, out);
			assert_in_range(out[0], 16, 235);
			assert_in_range(out[1], 16, 240);
			assert_in_range(out[2], 16, 240);
			av_frame_free(&f);
		}
	}
	scaler_destroy(s);
	for (double light = 0, was = -1; light <= 10000; light = light * 1.3 + 0.01) {
		double now = tone_curve(light, 1000);

		assert_true(now >= was && now <= TONE_WHITE + 0.01);
		assert_true(fabs(tone_pq_light(tone_pq_signal(light)) - light) <=
			    light * 1e-6 + 1e-9);
		was = now;
	}
	assert_true(fabs(tone_curve(150, 180) - 150) < 0.01);
}

/* A scaler goes from one kind to the other, with bars too. */
static void ordinary_pictures_are_not_touched(void **state)
{
	int hdr[] = {723, 512, 512}, out[3];
	AVFrame *f = deep(64, 64, hdr, AVCOL_TRC_BT709),
		*g = deep(64, 64, hdr, AVCOL_TRC_SMPTE2084), *to;
	struct scaler *s;
	char err[MEDIA_ERR];

	assert_false(tone_wanted(f));
	toned(f, out);
	assert_in_range(out[0], 180, 181);
	assert_int_equal(scaler_create(&s, 48, 28), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(scaler_run(s, i % 2 ? g : f, &to, err), 0);
		assert_in_range(to->data[0][14 * to->linesize[0] + 24], i % 2 ? 234 : 180,
				i % 2 ? 236 : 181);
		assert_int_equal(to->data[0][14 * to->linesize[0] + 2], 16);
	}
	scaler_destroy(s);
	av_frame_free(&f);
	av_frame_free(&g);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(greys_come_out_where_they_should),
    cmocka_unit_test(colours_stay),
    cmocka_unit_test(the_table_is_sound),
    cmocka_unit_test(ordinary_pictures_are_not_touched),
};
RUN_TESTS(tests)
