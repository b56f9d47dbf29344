#include "media/slate.h"

#include <ctype.h>
#include <errno.h>

#define GLYPH_W 5
#define GLYPH_H 7
#define LUMA_GROUND 40
#define LUMA_BAR 64
#define LUMA_INK 200
#define FORMATS "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,image2,mov,matroska,mpegts,nut,yuv4mpegpipe"

/* Rows from the top, the left column in bit 4. */
static const struct glyph {
	char sign;
	uint8_t row[GLYPH_H];
} glyphs[] = {
    {'A', {0x04, 0x0a, 0x11, 0x11, 0x1f, 0x11, 0x11}},
    {'B', {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e}},
    {'C', {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e}},
    {'D', {0x1c, 0x12, 0x11, 0x11, 0x11, 0x12, 0x1c}},
    {'E', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f}},
    {'F', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10}},
    {'G', {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0e}},
    {'H', {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'I', {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'J', {0x01, 0x01, 0x01, 0x01, 0x11, 0x11, 0x0e}},
    {'K', {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11}},
    {'L', {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f}},
    {'M', {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11}},
    {'N', {0x11, 0x19, 0x19, 0x15, 0x13, 0x13, 0x11}},
    {'O', {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}},
    {'P', {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10}},
    {'Q', {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d}},
    {'R', {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11}},
    {'S', {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}},
    {'T', {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}},
    {'U', {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}},
    {'V', {0x11, 0x11, 0x11, 0x11, 0x0a, 0x0a, 0x04}},
    {'W', {0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11}},
    {'X', {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11}},
    {'Y', {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04}},
    {'Z', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f}},
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}},
    {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'2', {0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f}},
    {'3', {0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}},
    {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e}},
    {'6', {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}},
    {'7', {0x1f, 0x01, 0x02, 0x04, 0x04, 0x08, 0x08}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}},
    {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c}},
    {'-', {0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00}},
    {'_', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1f}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c}},
    {':', {0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x0c, 0x00}},
    {'/', {0x01, 0x01, 0x02, 0x04, 0x08, 0x10, 0x10}},
};

static const uint8_t *glyph_of(char c)
{
	for (size_t i = 0; i < ARRAY_LEN(glyphs); i++)
		if (glyphs[i].sign == toupper((unsigned char)c))
			return glyphs[i].row;
	return NULL;
}

static void fill(AVFrame *f, int x, int y, int w, int h, int luma)
{
	for (int i = MAX(y, 0); i < MIN(y + h, f->height); i++)
		memset(f->data[0] + (ptrdiff_t)i * f->linesize[0] + x, luma, (size_t)w);
}

static void draw_sign(AVFrame *f, char c, int x, int y, int dot)
{
	const uint8_t *row = glyph_of(c);

	for (int r = 0; row && r < GLYPH_H; r++)
		for (int col = 0; col < GLYPH_W; col++)
			if (row[r] & 0x10 >> col)
				fill(f, x + col * dot, y + r * dot, dot, dot, LUMA_INK);
}

/* As large as four fifths of the width allow, and a tenth of the height. */
static void draw_text(AVFrame *f, const char *text)
{
	int n = (int)strlen(text), cells = n * (GLYPH_W + 1) - 1;

	if (n <= 0)
		return;
	int dot = MIN(f->width * 4 / 5 / cells, MAX(f->height / 10 / GLYPH_H, 1));
	if (dot < 1) /* what does not fit even so is cut */
		dot = 1, n = MIN(n, f->width / (GLYPH_W + 1)), cells = n * (GLYPH_W + 1) - 1;
	int x = (f->width - cells * dot) / 2, y = (f->height - GLYPH_H * dot) / 2;
	for (int i = 0; i < n; i++)
		draw_sign(f, text[i], x + i * (GLYPH_W + 1) * dot, y, dot);
}

AVFrame *slate_draw(int width, int height, const char *text)
{
	AVFrame *f = av_frame_alloc();

	if (!f)
		return NULL;
	f->format = AV_PIX_FMT_YUV420P;
	f->width = width;
	f->height = height;
	f->color_range = AVCOL_RANGE_MPEG;
	f->sample_aspect_ratio = (AVRational){1, 1};
	if (av_frame_get_buffer(f, 0) < 0) {
		av_frame_free(&f);
		return NULL;
	}
	fill(f, 0, 0, width, height, LUMA_GROUND);
	fill(f, 0, height / 2 - height / 10, width, height / 5, LUMA_BAR);
	for (int p = 1; p < 3; p++)
		for (int y = 0; y < (height + 1) / 2; y++)
			memset(f->data[p] + (ptrdiff_t)y * f->linesize[p], 128,
			       (size_t)(width + 1) / 2);
	draw_text(f, text);
	return f;
}

/* ---- a file ---- */

static AVCodecContext *open_decoder(const AVStream *st)
{
	const AVCodec *c = avcodec_find_decoder(st->codecpar->codec_id);
	AVCodecContext *cc = c ? avcodec_alloc_context3(c) : NULL;

	if (cc && (avcodec_parameters_to_context(cc, st->codecpar) < 0 ||
		   (cc->thread_count = 1, avcodec_open2(cc, c, NULL)) < 0))
		avcodec_free_context(&cc);
	return cc;
}

static int decode_first(AVFormatContext *fc, AVFrame *f)
{
	int rc = av_find_best_stream(fc, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0), i = rc;
	AVCodecContext *cc = rc < 0 ? NULL : open_decoder(fc->streams[i]);
	AVPacket *pkt = av_packet_alloc();

	if (rc >= 0 && (!cc || !pkt))
		rc = AVERROR_DECODER_NOT_FOUND;
	while (rc >= 0 && (rc = av_read_frame(fc, pkt)) >= 0) {
		if (pkt->stream_index == i)
			avcodec_send_packet(cc, pkt);
		av_packet_unref(pkt);
		if (!avcodec_receive_frame(cc, f))
			goto end;
	}
	if (rc == AVERROR_EOF && !avcodec_send_packet(cc, NULL))
		rc = avcodec_receive_frame(cc, f);
end:
	avcodec_free_context(&cc);
	av_packet_free(&pkt);
	return rc;
}

int slate_load(AVFrame **out, const char *path, char *err)
{
	AVFormatContext *fc = NULL;
	AVDictionary *o = NULL;
	AVFrame *f = av_frame_alloc();
	char words[MEDIA_ERR], url[4096];
	int rc = AVERROR(ENAMETOOLONG);

	av_dict_set(&o, "format_whitelist", FORMATS, 0);
	av_dict_set(&o, "protocol_whitelist", "file", 0);
	/* A % in the name is no pattern, a : no protocol. */
	if (f && str_copy(url, sizeof(url), "file:") && strlen(path) + 6 <= sizeof(url)) {
		memcpy(url + 5, path, strlen(path) + 1);
		rc = avformat_open_input(&fc, url, NULL, &o);
	}
	if (rc >= 0)
		rc = avformat_find_stream_info(fc, NULL);
	if (rc >= 0)
		rc = decode_first(fc, f);
	av_dict_free(&o);
	avformat_close_input(&fc);
	if (rc >= 0) {
		*out = f;
		return 0;
	}
	av_frame_free(&f);
	mav_say(err, "slate %.150s: %s", path, mav_words(rc, words));
	return mav_errno(rc);
}
