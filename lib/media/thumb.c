#include "media/thumb.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "log/log.h"
#include "media/scale.h"
#include "os/os.h"

#define WIDTH_MAX 4096

struct thumbs {
	int n;
	struct thumb {
		struct thumb_conf conf;
		bool webp;
		int64_t turn;	/* the multiple of every_us that was the last; the video thread's */
		AVFrame *frame; /* that waits, or NULL; shown at: */
		int64_t us;
		struct scaler *scaler;
		int w, h; /* the scaler's */
		struct log_limit limit;
		atomic_llong written, failed;
	} thumb[THUMBS_MAX];
	thumbs_made_fn *made;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t more, done; /* done: one is taken, or made */
	bool busy;
	pthread_t thread;
	bool running, closing;
};

/* ---- the image ---- */

/* The colours of BT.601, which images have, from those of BT.709: luma changes by a share of the chroma. full: to full range
 * as well, which JPEG has. */
static void image_colours(AVFrame *f, bool bt709, bool full)
{
	float y_of[2] = {bt709 ? 0.101579f : 0, bt709 ? 0.196076f : 0},
	      c_of[2][2] = {{bt709 ? 0.989854f : 1, bt709 ? -0.110653f : 0},
			    {bt709 ? -0.072453f : 0, bt709 ? 0.983398f : 1}},
	      y_gain = full ? 255 / 219.0f : 1, c_gain = full ? 255 / 224.0f : 1;

	for (int y = 0; y < f->height / 2; y++)
		for (int x = 0; x < f->width / 2; x++) {
			uint8_t *u = f->data[1] + (ptrdiff_t)y * f->linesize[1] + x,
				*v = f->data[2] + (ptrdiff_t)y * f->linesize[2] + x;
			float cb = (float)(*u - 128), cr = (float)(*v - 128),
			      more = y_of[0] * cb + y_of[1] * cr;

			for (int k = 0; k < 4; k++) {
				uint8_t *l = f->data[0] +
					     (ptrdiff_t)(2 * y + k / 2) * f->linesize[0] + 2 * x +
					     k % 2;
				float v16 = ((float)(*l - 16) + more) * y_gain + (full ? 0 : 16);

				*l = (uint8_t)CLAMP(lroundf(v16), 0, 255);
			}
			*u = (uint8_t)CLAMP(
			    lroundf((c_of[0][0] * cb + c_of[0][1] * cr) * c_gain) + 128, 0, 255);
			*v = (uint8_t)CLAMP(
			    lroundf((c_of[1][0] * cb + c_of[1][1] * cr) * c_gain) + 128, 0, 255);
		}
}

static AVCodecContext *open_image(const AVFrame *f, bool webp, int quality)
{
	const AVCodec *c = avcodec_find_encoder_by_name(webp ? "libwebp" : "mjpeg");
	AVCodecContext *cc = c ? avcodec_alloc_context3(c) : NULL;

	if (!cc)
		return NULL;
	cc->width = f->width;
	cc->height = f->height;
	cc->pix_fmt = webp ? AV_PIX_FMT_YUV420P : AV_PIX_FMT_YUVJ420P;
	cc->color_range = webp ? AVCOL_RANGE_MPEG : AVCOL_RANGE_JPEG;
	cc->sample_aspect_ratio = (AVRational){1, 1};
	cc->time_base = (AVRational){1, 1};
	cc->thread_count = 1;
	if (webp)
		av_opt_set_double(cc->priv_data, "quality", quality, 0);
	cc->flags |= AV_CODEC_FLAG_QSCALE;
	/* MJPEG's scale goes from 1, the best, to 31. */
	cc->global_quality = FF_QP2LAMBDA * (webp ? quality : 1 + (100 - quality) * 30 / 99);
	if (avcodec_open2(cc, c, NULL) < 0)
		avcodec_free_context(&cc);
	return cc;
}

int thumb_encode(AVFrame *f, bool webp, int quality, AVPacket *out)
{
	bool bt601 = f->colorspace == AVCOL_SPC_SMPTE170M || f->colorspace == AVCOL_SPC_BT470BG;
	AVCodecContext *cc = open_image(f, webp, quality);
	int rc;

	if (!cc)
		return -ENOTSUP;
	image_colours(f, !bt601, !webp);
	f->format = cc->pix_fmt;
	f->color_range = cc->color_range;
	f->quality = cc->global_quality;
	f->pict_type = AV_PICTURE_TYPE_I;
	f->pts = 0;
	rc = avcodec_send_frame(cc, f);
	if (rc >= 0)
		rc = avcodec_send_frame(cc, NULL);
	if (rc >= 0)
		rc = avcodec_receive_packet(cc, out);
	avcodec_free_context(&cc);
	return rc < 0 ? mav_errno(rc) : 0;
}

/* ---- the thread ---- */

int thumb_width(const struct thumb_conf *c, const AVFrame *f)
{
	AVRational sar =
	    f->sample_aspect_ratio.num > 0 ? f->sample_aspect_ratio : (AVRational){1, 1};
	int64_t w =
	    base_scale((int64_t)c->height * f->width, sar.num, (int64_t)2 * f->height * sar.den);

	return 2 * (int)CLAMP(w, 8, WIDTH_MAX / 2);
}

static int fit(struct thumb *t, const AVFrame *f)
{
	int width = thumb_width(&t->conf, f);

	if (t->scaler && (t->conf.track || t->w == width))
		return 0;
	scaler_destroy(t->scaler);
	t->scaler = NULL;
	t->w = width;
	t->h = t->conf.height;
	int rc = scaler_create(&t->scaler, t->w, t->h);
	if (!rc)
		scaler_keep(t->scaler);
	return rc;
}

static int make(struct thumbs *all, struct thumb *t, AVFrame *f, int64_t us, char *err)
{
	AVPacket *pkt = av_packet_alloc();
	AVFrame *small;
	int rc = pkt ? fit(t, f) : -ENOMEM;

	if (!rc)
		rc = scaler_run(t->scaler, f, &small, err);
	if (!rc) {
		AVFrame *image = av_frame_clone(small);

		if (image)
			image->colorspace = f->colorspace != AVCOL_SPC_UNSPECIFIED ? f->colorspace
					    : f->height < 720 ? AVCOL_SPC_SMPTE170M
							      : AVCOL_SPC_BT709;
		rc = image ? thumb_encode(image, t->webp, t->conf.quality, pkt) : -ENOMEM;
		av_frame_free(&image);
	}
	if (!rc && t->conf.track)
		all->made(all->arg, pkt, us);
	if (!rc && t->conf.path)
		rc = os_write_atomic(t->conf.path, pkt->data, (size_t)pkt->size);
	if (rc && !*err)
		mav_say(err, "%s", strerror(-rc));
	av_packet_free(&pkt);
	return rc;
}

static void work(struct thumbs *all, struct thumb *t, AVFrame *f, int64_t us)
{
	char err[MEDIA_ERR] = "";

	if (!make(all, t, f, us, err)) {
		t->written++;
		return;
	}
	t->failed++;
	if (log_allow(&t->limit, 1, 60 * SEC_US, os_mono_us()))
		log_warn(t->conf.name, "thumbnail %s: %s", t->conf.path ? t->conf.path : "track",
			 err);
}

static struct thumb *waiting(struct thumbs *t)
{
	for (int i = 0; i < t->n; i++)
		if (t->thumb[i].frame)
			return &t->thumb[i];
	return NULL;
}

static void *thumbs_main(void *arg)
{
	struct thumbs *t = arg;
	struct thumb *k;

	pthread_mutex_lock(&t->lock);
	while ((k = waiting(t)) || !t->closing) {
		if (!k) {
			pthread_cond_wait(&t->more, &t->lock);
			continue;
		}
		AVFrame *f = k->frame;
		int64_t us = k->us;
		k->frame = NULL;
		t->busy = true;
		pthread_cond_broadcast(&t->done);
		pthread_mutex_unlock(&t->lock);
		work(t, k, f, us);
		av_frame_free(&f);
		pthread_mutex_lock(&t->lock);
		t->busy = false;
		pthread_cond_broadcast(&t->done);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int take_conf(struct thumb *k, const struct thumb_conf *c, char *err)
{
	const char *end = c->path ? strrchr(c->path, '.') : NULL;

	k->conf = *c;
	k->webp = end && !strcmp(end, ".webp");
	if (!c->path || (k->webp && !c->track) ||
	    (end && (!strcmp(end, ".jpg") || !strcmp(end, ".jpeg"))))
		return 0;
	return mav_say(err,
		       "thumbnail %.150s: a name ends in .jpg, .jpeg or, without a track, .webp",
		       c->path),
	       -EINVAL;
}

int thumbs_create(struct thumbs **out, const struct thumb_conf *conf, int n, thumbs_made_fn *made,
		  void *arg, char *err)
{
	struct thumbs *t = calloc(1, sizeof(*t));
	int rc = 0;

	if (!t)
		return mav_say(err, "out of memory"), -ENOMEM;
	t->made = made;
	t->arg = arg;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->more, NULL);
	pthread_cond_init(&t->done, NULL);
	for (int i = 0; i < n && !rc; i++)
		rc = take_conf(&t->thumb[t->n++], &conf[i], err);
	if (!rc) {
		rc = -pthread_create(&t->thread, NULL, thumbs_main, t);
		t->running = !rc;
		if (rc)
			mav_say(err, "%s", strerror(-rc));
	}
	if (rc)
		thumbs_destroy(t);
	else
		*out = t;
	return rc;
}

void thumbs_destroy(struct thumbs *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->closing = true;
	pthread_cond_signal(&t->more);
	pthread_mutex_unlock(&t->lock);
	if (t->running)
		pthread_join(t->thread, NULL);
	for (int i = 0; i < t->n; i++) {
		av_frame_free(&t->thumb[i].frame);
		scaler_destroy(t->thumb[i].scaler);
	}
	pthread_cond_destroy(&t->more);
	pthread_cond_destroy(&t->done);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void thumbs_offer(struct thumbs *t, const AVFrame *f, int64_t utc_us, bool wait)
{
	for (int i = 0; i < t->n; i++) {
		struct thumb *k = &t->thumb[i];
		int64_t turn = utc_us / k->conf.every_us;

		if (turn == k->turn)
			continue;
		k->turn = turn;
		pthread_mutex_lock(&t->lock);
		while (wait && k->frame)
			pthread_cond_wait(&t->done, &t->lock);
		if (!k->frame) {
			k->frame = av_frame_clone(f);
			k->us = utc_us;
		}
		pthread_cond_signal(&t->more);
		pthread_mutex_unlock(&t->lock);
	}
}

void thumbs_flush(struct thumbs *t)
{
	pthread_mutex_lock(&t->lock);
	while (t->busy || waiting(t))
		pthread_cond_wait(&t->done, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

int64_t thumbs_written(const struct thumbs *t, int i)
{
	return t->thumb[i].written;
}

int64_t thumbs_failed(const struct thumbs *t, int i)
{
	return t->thumb[i].failed;
}
