#include "media/upright.h"

#include <errno.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <math.h>

#define MOTION 10 /* of 256: what differs by less from the picture before has not moved */

static bool is_planar(const AVPixFmtDescriptor *d, int format)
{
	return d &&
	       !(d->flags & (AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_PAL |
			     AV_PIX_FMT_FLAG_BITSTREAM)) &&
	       av_pix_fmt_count_planes(format) == d->nb_components && d->comp[0].step <= 2;
}

/* An empty picture with f's properties. NULL without memory. */
static AVFrame *picture_like(const AVFrame *f, int format, int width, int height)
{
	AVFrame *n = av_frame_alloc();

	if (!n)
		return NULL;
	n->format = format;
	n->width = width;
	n->height = height;
	if (av_frame_get_buffer(n, 0) < 0 || av_frame_copy_props(n, f) < 0)
		av_frame_free(&n);
	return n;
}

static int plane_lines(const AVFrame *f, const AVPixFmtDescriptor *d, int p)
{
	bool chroma = (p == 1 || p == 2) && !(d->flags & AV_PIX_FMT_FLAG_RGB);

	return chroma ? AV_CEIL_RSHIFT(f->height, d->log2_chroma_h) : f->height;
}

static int plane_width(const AVFrame *f, const AVPixFmtDescriptor *d, int p)
{
	bool chroma = (p == 1 || p == 2) && !(d->flags & AV_PIX_FMT_FLAG_RGB);

	return chroma ? AV_CEIL_RSHIFT(f->width, d->log2_chroma_w) : f->width;
}

/* ---- lines ---- */

/* The line between `up` and `down`: its own of the other field where nothing moves, else the mean of its neighbours. */
#define WEAVE(name, type) \
	static void name(type *to, const type *own, const type *own0, const type *up, \
			 const type *up0, const type *down, const type *down0, int n, int limit) \
	{ \
		for (int i = 0; i < n; i++) { \
			int moved = \
			    abs(own[i] - own0[i]) + abs(up[i] - up0[i]) + abs(down[i] - down0[i]); \
			to[i] = (type)(moved < limit ? own[i] : (up[i] + down[i] + 1) / 2); \
		} \
	}
WEAVE(weave8, uint8_t)
WEAVE(weave16, uint16_t)

/* kept: the field whose lines stay, 0 for the upper one. */
static void weave_plane(const AVFrame *f, const AVFrame *before, AVFrame *to, int p, int kept,
			const AVPixFmtDescriptor *d)
{
	int lines = plane_lines(f, d, p), w = plane_width(f, d, p), row = f->linesize[p];
	bool deep = d->comp[0].depth > 8;
	int limit = 3 * MOTION << (d->comp[0].depth - 8);

	for (int y = 0; y < lines; y++) {
		const uint8_t *own = f->data[p] + (ptrdiff_t)y * row,
			      *own0 = before->data[p] + (ptrdiff_t)y * before->linesize[p];
		uint8_t *out = to->data[p] + (ptrdiff_t)y * to->linesize[p];
		ptrdiff_t up = y ? -1 : 1, down = y + 1 < lines ? 1 : -1;

		if (y % 2 == kept || lines < 2) {
			memcpy(out, own, (size_t)w << deep);
			continue;
		}
		if (deep)
			weave16((uint16_t *)out, (const uint16_t *)own, (const uint16_t *)own0,
				(const uint16_t *)(own + up * row),
				(const uint16_t *)(own0 + up * before->linesize[p]),
				(const uint16_t *)(own + down * row),
				(const uint16_t *)(own0 + down * before->linesize[p]), w, limit);
		else
			weave8(out, own, own0, own + up * row, own0 + up * before->linesize[p],
			       own + down * row, own0 + down * before->linesize[p], w, limit);
	}
}

/* The picture of one field of f; NULL without memory. */
static AVFrame *field_picture(const struct upright *u, const AVFrame *f, int kept,
			      const AVPixFmtDescriptor *d)
{
	AVFrame *to = picture_like(f, f->format, f->width, f->height);
	const AVFrame *before = u->before && u->before->format == f->format &&
					u->before->width == f->width &&
					u->before->height == f->height
				    ? u->before
				    : f;

	for (int p = 0; to && p < d->nb_components; p++)
		weave_plane(f, before, to, p, kept, d);
	if (to)
		to->interlaced_frame = 0;
	return to;
}

static int make_progressive(struct upright *u, AVFrame *f, AVFrame *second,
			    const AVPixFmtDescriptor *d)
{
	int first = f->top_field_first ? 0 : 1;
	AVFrame *to = field_picture(u, f, first, d), *now = av_frame_clone(f),
		*last = u->mode == UPRIGHT_FIELD ? field_picture(u, f, !first, d) : NULL;

	if (!to || !now || (u->mode == UPRIGHT_FIELD && !last)) {
		av_frame_free(&to);
		av_frame_free(&last);
		av_frame_free(&now);
		return -ENOMEM;
	}
	av_frame_unref(f);
	av_frame_move_ref(f, to);
	av_frame_free(&to);
	if (last) {
		av_frame_remove_side_data(last, AV_FRAME_DATA_A53_CC); /* once is enough */
		av_frame_move_ref(second, last);
		av_frame_free(&last);
	}
	av_frame_free(&u->before);
	u->before = now;
	return 0;
}

/* ---- quarters ---- */

int upright_turn(const int32_t *matrix)
{
	double ccw = av_display_rotation_get(matrix);

	return isnan(ccw) ? 0 : (4 - (int)lround(ccw / 90)) & 3;
}

/* 4:2:2 lies on its side afterwards. NONE for what has no such counterpart. */
static enum AVPixelFormat turned_format(int format, int turn)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);

	if (turn % 2 == 0 || d->log2_chroma_w == d->log2_chroma_h)
		return format;
	switch (format) {
	case AV_PIX_FMT_YUV422P:
		return AV_PIX_FMT_YUV440P;
	case AV_PIX_FMT_YUVJ422P:
		return AV_PIX_FMT_YUVJ440P;
	case AV_PIX_FMT_YUV422P10:
		return AV_PIX_FMT_YUV440P10;
	case AV_PIX_FMT_YUV422P12:
		return AV_PIX_FMT_YUV440P12;
	default:
		return AV_PIX_FMT_NONE;
	}
}

/* Reads the source plane along columns or backwards: pixel (x, y) of the result is at origin + x * dx + y * dy. */
static void turn_plane(const AVFrame *f, AVFrame *to, int p, int turn, const AVPixFmtDescriptor *d,
		       const AVPixFmtDescriptor *to_d)
{
	int w = plane_width(f, d, p), h = plane_lines(f, d, p), size = d->comp[0].step;
	ptrdiff_t row = f->linesize[p],
		  dx = turn == 1   ? -row
		       : turn == 2 ? -size
				   : row,
		  dy = turn == 1   ? size
		       : turn == 2 ? -row
				   : -size;
	const uint8_t *at = f->data[p] + (turn == 1   ? (h - 1) * row
					  : turn == 2 ? (h - 1) * row + (ptrdiff_t)(w - 1) * size
						      : (ptrdiff_t)(w - 1) * size);
	int to_w = plane_width(to, to_d, p), to_h = plane_lines(to, to_d, p);

	for (int y = 0; y < to_h; y++) {
		uint8_t *out = to->data[p] + (ptrdiff_t)y * to->linesize[p];
		const uint8_t *in = at + y * dy;

		for (int x = 0; x < to_w; x++, in += dx, out += size)
			memcpy(out, in, (size_t)size);
	}
}

static int turn_back(AVFrame *f, int turn)
{
	enum AVPixelFormat format = turned_format(f->format, turn);
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
	bool side = turn % 2;

	if (format == AV_PIX_FMT_NONE)
		return 0;
	AVFrame *to =
	    picture_like(f, format, side ? f->height : f->width, side ? f->width : f->height);
	if (!to)
		return -ENOMEM;
	for (int p = 0; p < d->nb_components; p++)
		turn_plane(f, to, p, turn, d, av_pix_fmt_desc_get(format));
	if (side && f->sample_aspect_ratio.num > 0)
		to->sample_aspect_ratio = av_inv_q(f->sample_aspect_ratio);
	av_frame_remove_side_data(to, AV_FRAME_DATA_DISPLAYMATRIX);
	av_frame_unref(f);
	av_frame_move_ref(f, to);
	av_frame_free(&to);
	return 0;
}

int upright_run(struct upright *u, AVFrame *f, int turn, AVFrame *second)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
	const AVFrameSideData *said = av_frame_get_side_data(f, AV_FRAME_DATA_DISPLAYMATRIX);
	int rc = 0;

	if (said)
		turn = upright_turn((const int32_t *)said->data);
	if (!is_planar(d, f->format))
		return 0;
	if (f->interlaced_frame && u->mode != UPRIGHT_OFF)
		rc = make_progressive(u, f, second, d);
	else if (u->before)
		av_frame_free(&u->before);
	if (rc || !turn)
		return rc;
	rc = turn_back(f, turn);
	return rc || !second || !second->width ? rc : turn_back(second, turn);
}

void upright_finish(struct upright *u)
{
	av_frame_free(&u->before);
}
