#include "media/scale.h"

#include <errno.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <zimg.h>

#include "media/resize.h"
#include "media/tone.h"

#define ALIGN 64
#define RING 6

struct scaler {
	int width, height;
	/* what the graph was built for */
	int in_width, in_height, in_format;
	AVRational in_sar;
	enum AVColorRange in_range;
	enum AVColorSpace in_space;
	enum AVColorTransferCharacteristic in_trc;
	bool direct; /* the source is what is wanted */
	bool keep;
	struct resize *resize; /* instead of the graph, for what it can do */
	zimg_filter_graph *graph;
	void *tmp;
	int x, y, w, h;	     /* where the picture goes */
	AVFrame *ring[RING]; /* width x height; what others still look at is left alone */
	AVFrame *picture;    /* the one of them that is made now */
	AVFrame *inner;	     /* w x h, when there are bars */
	struct tone *tone;   /* NULL: the source has no high dynamic range */
	AVFrame *deep;	     /* w x h, 10 bits, what is toned */
	AVFrame *aligned;    /* a copy of the source, when its rows are not aligned as zimg wants */
	AVFrame *plain;	     /* the source plane by plane, when it is not */
	uint16_t *line;
};

int scaler_create(struct scaler **out, int width, int height)
{
	struct scaler *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->width = width;
	s->height = height;
	s->in_format = AV_PIX_FMT_NONE;
	*out = s;
	return 0;
}

void scaler_keep(struct scaler *s)
{
	s->keep = true;
}

static void forget(struct scaler *s)
{
	resize_destroy(s->resize);
	s->resize = NULL;
	zimg_filter_graph_free(s->graph);
	s->graph = NULL;
	free(s->tmp);
	s->tmp = NULL;
	for (int i = 0; i < RING; i++)
		av_frame_free(&s->ring[i]);
	av_frame_free(&s->inner);
	av_frame_free(&s->deep);
	tone_destroy(s->tone);
	s->tone = NULL;
	av_frame_free(&s->aligned);
	s->in_format = AV_PIX_FMT_NONE;
}

void scaler_destroy(struct scaler *s)
{
	if (!s)
		return;
	forget(s);
	av_frame_free(&s->plain);
	free(s->line);
	free(s);
}

static AVFrame *make_frame(int format, int width, int height)
{
	AVFrame *f = av_frame_alloc();

	if (!f)
		return NULL;
	f->format = format;
	f->width = width;
	f->height = height;
	if (av_frame_get_buffer(f, ALIGN) < 0)
		av_frame_free(&f);
	return f;
}

/* ---- packed and odd pixel formats, plane by plane ---- */

#define NEVER_PLAIN \
	(AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_FLOAT | \
	 AV_PIX_FMT_FLAG_BAYER)

static bool is_plain(const AVPixFmtDescriptor *d, int format)
{
	return !(d->flags & (AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_BITSTREAM)) &&
	       d->nb_components >= 3 && av_pix_fmt_count_planes(format) >= 3 && !d->comp[0].shift;
}

/* The planar format that keeps what the other has (but an alpha channel); none for what is not supported. */
static enum AVPixelFormat plain_of(const AVPixFmtDescriptor *d)
{
	static const enum AVPixelFormat to[4][4] = {
	    {AV_PIX_FMT_GBRP, AV_PIX_FMT_GBRP10, AV_PIX_FMT_GBRP12, AV_PIX_FMT_GBRP16},
	    {AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_YUV444P16},
	    {AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV422P16},
	    {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV420P12, AV_PIX_FMT_YUV420P16}};
	int depth = d->comp[0].depth, k = depth <= 8 ? 0 : depth <= 10 ? 1 : depth <= 12 ? 2 : 3;

	if (d->flags & NEVER_PLAIN || depth > 16)
		return AV_PIX_FMT_NONE;
	if (d->nb_components < 3)
		return to[1][k];
	if (d->flags & AV_PIX_FMT_FLAG_RGB)
		return to[0][k];
	if (d->log2_chroma_w > 1 || d->log2_chroma_h > d->log2_chroma_w)
		return AV_PIX_FMT_NONE;
	return to[1 + d->log2_chroma_w + d->log2_chroma_h][k];
}

/* n bits in 16 as to - n more. */
static void widen(uint16_t *v, int n, int bits, int to)
{
	for (int i = 0; i < n && bits < to; i++)
		v[i] = (uint16_t)(v[i] << (to - bits) |
				  (2 * bits >= to ? v[i] >> (2 * bits - to) : 0));
}

static void store(uint8_t *to, const uint16_t *v, int n, int bits)
{
	if (bits > 8)
		memcpy(to, v, (size_t)n * sizeof(*v));
	else
		for (int i = 0; i < n; i++)
			to[i] = (uint8_t)v[i];
}

static void unpack_plane(struct scaler *s, const AVFrame *in, int c)
{
	const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(in->format),
				 *to = av_pix_fmt_desc_get(s->plain->format);
	bool chroma = c && !(from->flags & AV_PIX_FMT_FLAG_RGB);
	int w = chroma ? AV_CEIL_RSHIFT(in->width, to->log2_chroma_w) : in->width,
	    h = chroma ? AV_CEIL_RSHIFT(in->height, to->log2_chroma_h) : in->height;

	for (int y = 0; y < h; y++) {
		if (!c || from->nb_components >= 3) {
			av_read_image_line2(s->line, (const uint8_t **)in->data, in->linesize, from,
					    0, y, c, w, 0, sizeof(*s->line));
			widen(s->line, w, from->comp[c].depth, to->comp[c].depth);
		} else { /* grey */
			for (int x = 0; x < w; x++)
				s->line[x] = (uint16_t)(1 << (to->comp[c].depth - 1));
		}
		store(s->plain->data[to->comp[c].plane] +
			  (ptrdiff_t)y * s->plain->linesize[to->comp[c].plane],
		      s->line, w, to->comp[c].depth);
	}
}

/* in, or what it is plane by plane; NULL without memory. */
static AVFrame *unpack(struct scaler *s, AVFrame *in)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(in->format);
	enum AVPixelFormat to = !d || is_plain(d, in->format) ? AV_PIX_FMT_NONE : plain_of(d);

	if (to == AV_PIX_FMT_NONE)
		return in;
	if (!s->plain || s->plain->format != to || s->plain->width != in->width ||
	    s->plain->height != in->height) {
		av_frame_free(&s->plain);
		free(s->line);
		s->line = calloc((size_t)in->width + 8, sizeof(*s->line));
		s->plain = make_frame(to, in->width, in->height);
	}
	if (!s->plain || !s->line)
		return NULL;
	s->plain->sample_aspect_ratio = in->sample_aspect_ratio;
	s->plain->color_range = in->color_range;
	s->plain->color_trc = in->color_trc;
	s->plain->colorspace = d->nb_components < 3 ? AVCOL_SPC_BT709 : in->colorspace;
	for (int c = 0; c < 3; c++)
		unpack_plane(s, in, c);
	return s->plain;
}

/* ---- the graph ---- */

/* The largest rectangle of the source's shape inside the picture; all of it when the shapes differ by a line or two. */
static void fit(struct scaler *s, const AVFrame *in)
{
	AVRational sar =
	    in->sample_aspect_ratio.num > 0 ? in->sample_aspect_ratio : (AVRational){1, 1};
	int64_t w =
	    base_scale((int64_t)s->height * in->width, sar.num, (int64_t)in->height * sar.den);
	int64_t h =
	    base_scale((int64_t)s->width * in->height, sar.den, (int64_t)in->width * sar.num);

	s->w = s->width;
	s->h = s->height;
	if (w < s->width - s->width / 64 - 2)
		s->w = (int)MAX(w / 2 * 2, 2);
	else if (h < s->height - s->height / 64 - 2)
		s->h = (int)MAX(h / 2 * 2, 2);
	s->x = (s->width - s->w) / 4 * 2;
	s->y = (s->height - s->h) / 4 * 2;
}

static bool is_full_range(const AVFrame *f)
{
	switch (f->format) {
	case AV_PIX_FMT_YUVJ420P:
	case AV_PIX_FMT_YUVJ422P:
	case AV_PIX_FMT_YUVJ444P:
	case AV_PIX_FMT_YUVJ440P:
		return true;
	default:
		return f->color_range == AVCOL_RANGE_JPEG;
	}
}

static bool describe(const AVFrame *f, zimg_image_format *z)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);

	zimg_image_format_default(z, ZIMG_API_VERSION);
	if (!d || d->flags & NEVER_PLAIN || !is_plain(d, f->format))
		return false;
	bool rgb = d->flags & AV_PIX_FMT_FLAG_RGB;
	z->width = (unsigned)f->width;
	z->height = (unsigned)f->height;
	z->depth = (unsigned)d->comp[0].depth;
	z->pixel_type = z->depth > 8 ? ZIMG_PIXEL_WORD : ZIMG_PIXEL_BYTE;
	z->subsample_w = d->log2_chroma_w;
	z->subsample_h = d->log2_chroma_h;
	z->color_family = rgb ? ZIMG_COLOR_RGB : ZIMG_COLOR_YUV;
	z->pixel_range = rgb || is_full_range(f) ? ZIMG_RANGE_FULL : ZIMG_RANGE_LIMITED;
	z->matrix_coefficients = rgb ? ZIMG_MATRIX_RGB : (zimg_matrix_coefficients_e)f->colorspace;
	return true;
}

/* BT.709 for what comes as RGB; else the colours stay what they are. What is toned later keeps its depth until then. */
static zimg_image_format wanted(const struct scaler *s, const zimg_image_format *in)
{
	zimg_image_format z = *in;

	z.width = (unsigned)s->w;
	z.height = (unsigned)s->h;
	z.depth = s->tone ? 10 : 8;
	z.pixel_type = s->tone ? ZIMG_PIXEL_WORD : ZIMG_PIXEL_BYTE;
	z.subsample_w = z.subsample_h = 1;
	z.color_family = ZIMG_COLOR_YUV;
	z.pixel_range = ZIMG_RANGE_LIMITED;
	if (in->color_family == ZIMG_COLOR_RGB)
		z.matrix_coefficients = s->tone ? ZIMG_MATRIX_2020_NCL : ZIMG_MATRIX_709;
	return z;
}

static int build_graph(struct scaler *s, const zimg_image_format *from, char *err)
{
	zimg_image_format to = wanted(s, from);
	zimg_graph_builder_params params;
	size_t size;

	zimg_graph_builder_params_default(&params, ZIMG_API_VERSION);
	params.resample_filter = params.resample_filter_uv = ZIMG_RESIZE_BICUBIC;
	/* Sharper than zimg's own choice (1/3, 1/3), at the same cost. */
	params.filter_param_a = params.filter_param_a_uv = 0;
	params.filter_param_b = params.filter_param_b_uv = RESIZE_CUBIC_C;
	params.cpu_type = ZIMG_CPU_AUTO_64B; /* rows are ALIGNed */
	s->graph = zimg_filter_graph_build(from, &to, &params);
	if (!s->graph || zimg_filter_graph_get_tmp_size(s->graph, &size))
		return zimg_get_last_error(err, MEDIA_ERR), -ENOTSUP;
	s->tmp = aligned_alloc(ALIGN, (size + ALIGN) / ALIGN * ALIGN);
	return s->tmp ? 0 : -ENOMEM;
}

static int build(struct scaler *s, const AVFrame *in, char *err)
{
	zimg_image_format from;
	int rc = -ENOTSUP;

	forget(s);
	if (!describe(in, &from)) {
		const char *name = av_get_pix_fmt_name(in->format);

		return mav_say(err, "pixel format %s is not supported", name ? name : "?"), rc;
	}
	mav_say(err, "out of memory");
	fit(s, in);
	if (tone_wanted(in) && tone_create(&s->tone, in->color_trc, tone_peak(in)))
		return -ENOMEM;
	if (in->format == AV_PIX_FMT_YUV420P && !is_full_range(in) && !s->tone &&
	    resize_best() != RESIZE_PLAIN)
		rc = resize_create(&s->resize, in->width, in->height, s->w, s->h, resize_best());
	if (rc == -ENOTSUP)
		rc = build_graph(s, &from, err);
	if (rc)
		return rc;
	bool bars = s->w != s->width || s->h != s->height;
	if (bars)
		s->inner = make_frame(AV_PIX_FMT_YUV420P, s->w, s->h);
	if (s->tone)
		s->deep = make_frame(AV_PIX_FMT_YUV420P10, s->w, s->h);
	if ((bars && !s->inner) || (s->tone && !s->deep))
		return -ENOMEM;
	s->direct = !s->keep && !s->tone && !bars && in->format == AV_PIX_FMT_YUV420P &&
		    !is_full_range(in) && in->width == s->width && in->height == s->height;
	s->in_width = in->width;
	s->in_height = in->height;
	s->in_format = in->format;
	s->in_sar = in->sample_aspect_ratio;
	s->in_range = in->color_range;
	s->in_space = in->colorspace;
	s->in_trc = in->color_trc;
	return 0;
}

static AVFrame *black_frame(int width, int height)
{
	AVFrame *f = make_frame(AV_PIX_FMT_YUV420P, width, height);

	if (!f)
		return NULL;
	ptrdiff_t rows[4] = {f->linesize[0], f->linesize[1], f->linesize[2]};
	av_image_fill_black(f->data, rows, AV_PIX_FMT_YUV420P, AVCOL_RANGE_MPEG, width, height);
	return f;
}

/* One that nobody else refers to; bars are black in it already. NULL without memory. */
static AVFrame *next_picture(struct scaler *s)
{
	AVFrame **f = s->ring;

	while (f < &s->ring[RING - 1] && *f && !av_frame_is_writable(*f))
		f++;
	if (*f && !av_frame_is_writable(*f))
		av_frame_free(f); /* the rest is theirs */
	if (!*f)
		*f = black_frame(s->width, s->height);
	return *f;
}

static bool built_for(const struct scaler *s, const AVFrame *in)
{
	return s->in_format == in->format && s->in_width == in->width &&
	       s->in_height == in->height && s->in_range == in->color_range &&
	       s->in_space == in->colorspace && s->in_trc == in->color_trc &&
	       !av_cmp_q(s->in_sar, in->sample_aspect_ratio);
}

/* in, or a copy of it whose rows zimg can take. */
static const AVFrame *aligned(struct scaler *s, const AVFrame *in)
{
	bool ok = true;

	for (int i = 0; i < 3; i++)
		ok &= !((uintptr_t)in->data[i] % ALIGN) && in->linesize[i] > 0 &&
		      !(in->linesize[i] % ALIGN);
	if (ok)
		return in;
	if (!s->aligned)
		s->aligned = make_frame(in->format, in->width, in->height);
	if (!s->aligned || av_frame_copy(s->aligned, in) < 0)
		return NULL;
	return s->aligned;
}

static int process(struct scaler *s, const AVFrame *in, AVFrame *out)
{
	zimg_image_buffer_const from = {.version = ZIMG_API_VERSION};
	zimg_image_buffer to = {.version = ZIMG_API_VERSION};

	for (int i = 0; i < 3; i++) {
		from.plane[i].data = in->data[i];
		from.plane[i].stride = in->linesize[i];
		from.plane[i].mask = ZIMG_BUFFER_MAX;
		to.plane[i].data = out->data[i];
		to.plane[i].stride = out->linesize[i];
		to.plane[i].mask = ZIMG_BUFFER_MAX;
	}
	/* zimg's planes are R, G, B; FFmpeg's are G, B, R. */
	if (in->format != AV_PIX_FMT_NONE &&
	    av_pix_fmt_desc_get(in->format)->flags & AV_PIX_FMT_FLAG_RGB) {
		for (int i = 0; i < 3; i++) {
			from.plane[i].data = in->data[(i + 2) % 3];
			from.plane[i].stride = in->linesize[(i + 2) % 3];
		}
	}
	return zimg_filter_graph_process(s->graph, &from, &to, s->tmp, NULL, NULL, NULL, NULL)
		   ? -EIO
		   : 0;
}

static void place(struct scaler *s)
{
	for (int i = 0; i < 3; i++) {
		int shift = i ? 1 : 0, row = s->picture->linesize[i];

		av_image_copy_plane(s->picture->data[i] + (s->y >> shift) * row + (s->x >> shift),
				    row, s->inner->data[i], s->inner->linesize[i], s->w >> shift,
				    s->h >> shift);
	}
}

int scaler_run(struct scaler *s, AVFrame *in, AVFrame **out, char *err)
{
	in = unpack(s, in);
	if (!in)
		return mav_say(err, "out of memory"), -ENOMEM;
	int rc = built_for(s, in) ? 0 : build(s, in, err);

	if (rc)
		return rc;
	if (s->direct) {
		*out = in;
		return 0;
	}
	const AVFrame *from = s->resize ? in : aligned(s, in);
	s->picture = next_picture(s);
	if (!from || !s->picture)
		return mav_say(err, "out of memory"), -ENOMEM;
	AVFrame *to = s->inner ? s->inner : s->picture;
	if (s->resize)
		resize_run(s->resize, in->data, in->linesize, to->data, to->linesize);
	else if ((rc = process(s, from, s->deep ? s->deep : to)))
		return zimg_get_last_error(err, MEDIA_ERR), rc;
	if (s->tone)
		tone_run(s->tone, s->deep, to);
	if (s->inner)
		place(s);
	*out = s->picture;
	return 0;
}
