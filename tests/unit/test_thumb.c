#include "unit.h"
#include "picture.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "media/layer.h"
#include "media/slate.h"
#include "media/thumb.h"
#include "os/os.h"

static AVFrame *filled(int w, int h, const int yuv[3], enum AVColorSpace space)
{
	AVFrame *f = picture_filled(AV_PIX_FMT_YUV420P, w, h, 0);

	f->colorspace = space;
	for (int p = 0; p < 3; p++)
		memset(f->data[p], yuv[p], (size_t)f->linesize[p] * (size_t)(p ? h / 2 : h));
	return f;
}

static void colours_are_those_of_images(void **state)
{
	static const struct {
		int yuv[3];
		enum AVColorSpace space;
		float rgb[3];
	} k[] = {{{235, 128, 128}, AVCOL_SPC_BT709, {255, 255, 255}},
		 {{16, 128, 128}, AVCOL_SPC_BT709, {0, 0, 0}},
		 {{126, 128, 128}, AVCOL_SPC_BT709, {128, 128, 128}},
		 {{63, 102, 240}, AVCOL_SPC_BT709, {255, 0, 0}},
		 {{173, 42, 26}, AVCOL_SPC_BT709, {0, 255, 0}},
		 {{32, 240, 118}, AVCOL_SPC_BT709, {0, 0, 255}},
		 {{81, 90, 240}, AVCOL_SPC_SMPTE170M, {255, 0, 0}}};
	char err[MEDIA_ERR];

	for (size_t i = 0; i < 2 * ARRAY_LEN(k); i++) {
		bool webp = i >= ARRAY_LEN(k);
		size_t c = i % ARRAY_LEN(k);
		char path[] = "/tmp/thumb-XXXXXX";
		AVFrame *f = filled(64, 36, k[c].yuv, k[c].space), *back;
		AVPacket *pkt = av_packet_alloc();
		int fd = mkstemp(path);

		assert_true(fd >= 0 && pkt);
		assert_int_equal(thumb_encode(f, webp, 90, pkt), 0);
		assert_int_equal(write(fd, pkt->data, (size_t)pkt->size), pkt->size);
		close(fd);
		if (slate_load(&back, path, err))
			fail_msg("%s", err);
		assert_int_equal(back->width, 64);
		float *rgba = layer_rgba(back);
		assert_non_null(rgba);
		for (int p = 0; p < 3; p++)
			if (fabsf(rgba[4 * (20 * 64 + 30) + p] - k[c].rgb[p]) > 6)
				fail_msg("%zu: component %d is %.1f", i, p,
					 (double)rgba[4 * (20 * 64 + 30) + p]);
		free(rgba);
		unlink(path);
		av_packet_free(&pkt);
		av_frame_free(&f);
		av_frame_free(&back);
	}
}

struct made {
	int n, broken;
	int64_t us[8];
};

static void on_made(void *arg, const AVPacket *jpeg, int64_t utc_us)
{
	struct made *m = arg;

	m->broken += jpeg->size < 4 || jpeg->data[0] != 0xff || jpeg->data[1] != 0xd8;
	if (m->n < 8)
		m->us[m->n++] = utc_us;
}

static void they_are_written_now_and_then(void **state)
{
	char folder[] = "/tmp/thumbs-XXXXXX", a[64], b[64], c[64], err[MEDIA_ERR];
	static const int grey[] = {126, 128, 128};
	struct made made = {0};
	struct thumbs *t;

	assert_non_null(mkdtemp(folder));
	snprintf(a, sizeof(a), "%s/a.jpg", folder);
	snprintf(b, sizeof(b), "%s/b.webp", folder);
	snprintf(c, sizeof(c), "%s/none/c.jpg", folder);
	struct thumb_conf conf[] = {
	    {.name = "a",
	     .path = a,
	     .track = true,
	     .every_us = SEC_US,
	     .height = 36,
	     .quality = 80},
	    {.name = "b", .path = b, .every_us = 10 * SEC_US, .height = 90, .quality = 80},
	    {.name = "c", .path = c, .every_us = 10 * SEC_US, .height = 90, .quality = 80}};
	assert_int_equal(thumbs_create(&t, conf, 3, on_made, &made, err), 0);
	/* An anamorphic picture: 4 to 3. */
	AVFrame *f = filled(320, 180, grey, AVCOL_SPC_BT709);
	f->sample_aspect_ratio = (AVRational){3, 4};
	for (int i = 0; i < 3; i++) {
		/* One that is busy leaves out what is offered, so each is waited for; then it is not yet time. */
		for (int k = 0; k < 20; k++)
			thumbs_offer(t, f, (1700000000 + i) * SEC_US + k * 40 * MS_US, false);
		while (thumbs_written(t, 0) <= i || !thumbs_written(t, 1) || !thumbs_failed(t, 2))
			usleep(1000);
	}
	assert_int_equal(thumbs_written(t, 0), 3);
	assert_int_equal(thumbs_written(t, 1), 1);
	assert_int_equal(thumbs_failed(t, 2), 1);
	for (int i = 3; i < 6; i++) /* none is left out */
		thumbs_offer(t, f, (1700000000 + i) * SEC_US, true);
	thumbs_flush(t);
	assert_int_equal(made.n, 6);
	thumbs_destroy(t);
	assert_int_equal(made.broken, 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(made.us[i], (1700000000 + i) * SEC_US);
	AVFrame *back;
	assert_int_equal(slate_load(&back, a, err), 0);
	assert_int_equal(back->width, 48);
	assert_int_equal(back->height, 36);
	av_frame_free(&back);
	assert_int_equal(slate_load(&back, b, err), 0);
	assert_int_equal(back->width, 120);
	av_frame_free(&back);
	av_frame_free(&f);
	unlink(a);
	unlink(b);
	assert_int_equal(rmdir(folder), 0); /* no other files are left */
	conf[0].path = "x.gif";
	assert_int_equal(thumbs_create(&t, conf, 1, NULL, NULL, err), -EINVAL);
	conf[0].path = "x.webp"; /* a track is of JPEG */
	assert_int_equal(thumbs_create(&t, conf, 1, NULL, NULL, err), -EINVAL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(colours_are_those_of_images),
    cmocka_unit_test(they_are_written_now_and_then),
};
RUN_TESTS(tests)
