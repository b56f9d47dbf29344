/* caption-source WIDTH HEIGHT FPS FRAMES [pop-on | all]: H.264 in NUT on standard output, each frame with CEA-608 captions: two letters in field 1,
 * null pairs in field 2 and the padding of CEA-708, as much as a frame of this rate bears. What it has said it prints on standard
 * error, two bytes in hex a frame. pop-on: the letters are captions, one a second which is shown from the middle of it on; FPS is
 * 24 or more. all: so are those of CC3 and of service 1 of CEA-708, with words of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dtvcc-make.h"
#include "media/encode.h"

static int on_write(void *arg, const void *p, size_t n)
{
	return fwrite(p, 1, n, stdout) == n ? 0 : -5;
}

/* With odd parity, as CEA-608 has it. */
static uint8_t odd(int c)
{
	return (uint8_t)(c | (__builtin_popcount((unsigned)c) % 2 ? 0 : 0x80));
}

static void letters(uint8_t to[2], int64_t n)
{
	static const char text[] = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG 0123456789 ";

	for (int i = 0; i < 2; i++)
		to[i] = odd(text[(2 * n + i) % (int64_t)(sizeof(text) - 1)]);
}

/* Loading, erasing what was loaded, row 15, the words; at the middle of the second the end of the caption. Codes go twice. */
static void pop_on(uint8_t to[2], int64_t n, int fps, int field, const char *word)
{
	static const uint8_t begin[][2] = {{0x14, 0x20}, {0x14, 0x2e}, {0x14, 0x70}};
	char words[16];
	int at = (int)(n % fps), b[2] = {0, 0};

	snprintf(words, sizeof(words), "%s %03d", word, (int)(n / fps % 1000));
	if (at < 6)
		memcpy(b, (int[]){begin[at / 2][0] + (field && at < 4), begin[at / 2][1]},
		       sizeof(b));
	else if (at < 11)
		memcpy(b, (int[]){words[2 * (at - 6)], words[2 * (at - 6) + 1]}, sizeof(b));
	else if (at / 2 == fps / 4)
		memcpy(b, (int[]){0x14 + field, 0x2f}, sizeof(b));
	to[0] = odd(b[0]);
	to[1] = odd(b[1]);
}

/* The same of service 1: a window with the words, which takes the place of the one before. Returns how many items. */
static int window(uint8_t *to, int64_t n, int fps)
{
	static struct dtvcc d;
	int at = (int)(n % fps), i = (int)(n / fps & 1);
	char words[16];

	if (at && at != fps / 2)
		return 0;
	dtvcc_begin(&d);
	dtvcc_service(&d, 1);
	if (at) {
		dtvcc_windows(&d, 0x8a, 2 >> i);
		dtvcc_windows(&d, 0x89, 1 << i);
	} else {
		snprintf(words, sizeof(words), "service %03d", (int)(n / fps % 1000));
		dtvcc_window(&d, i, 0, 1, 32, 1);
		dtvcc_words(&d, "\f");
		dtvcc_words(&d, words);
	}
	return dtvcc_end(&d, to);
}

enum said { LETTERS, POP_ON, ALL };

static void caption(AVFrame *f, int64_t n, int fps, enum said said)
{
	int count = 600 / fps;
	AVFrameSideData *to = av_frame_new_side_data(f, AV_FRAME_DATA_A53_CC, (size_t)(3 * count));

	if (!to)
		exit(1);
	for (int i = 2; i < count; i++)
		memcpy(to->data + 3 * i, (uint8_t[]){0xfa, 0, 0}, 3);
	memcpy(to->data, (uint8_t[]){0xfc, 0, 0, 0xfd, 0x80, 0x80}, 6);
	if (said)
		pop_on(to->data + 1, n, fps, 0, "SECOND");
	if (said == ALL) {
		pop_on(to->data + 4, n, fps, 1, "TERCER");
		window(to->data + 6, n, fps);
	}
	if (!said)
		letters(to->data + 1, n);
	fprintf(stderr, "%02x%02x\n", to->data[1], to->data[2]);
}

static void picture(AVFrame *f, int64_t n)
{
	for (int y = 0; y < f->height; y++)
		for (int x = 0; x < f->width; x++)
			f->data[0][y * f->linesize[0] + x] = (uint8_t)(x + y + n * 3);
	for (int p = 1; p < 3; p++)
		memset(f->data[p], 128, (size_t)(f->height / 2 * f->linesize[p]));
}

static void drain(struct encoder *e, struct media_mux *m)
{
	for (struct media_packet *p; (p = encoder_receive(e)); media_packet_unref(p))
		if (media_mux_write(m, p))
			exit(1);
}

int main(int argc, char **argv)
{
	struct media_info *info = media_info_create();
	struct rung r = {.name = "said", .bitrate = 300000, .preset = "ultrafast"};
	AVFrame *f = av_frame_alloc();
	struct media_mux *m;
	struct encoder e;
	char err[MEDIA_ERR];

	media_setup_log();
	enum said said = argc < 6 ? LETTERS : !strcmp(argv[5], "all") ? ALL : POP_ON;
	if (argc != (said ? 6 : 5) || !f || !info)
		return 64;
	r.width = f->width = atoi(argv[1]);
	r.height = f->height = atoi(argv[2]);
	r.fps = (struct ratio){atoi(argv[3]), 1};
	f->format = AV_PIX_FMT_YUV420P;
	info->n = 1;
	if (av_frame_get_buffer(f, 0) < 0 ||
	    encoder_open_video(&e, &r, f, &info->track[0], 0, err) ||
	    media_mux_create(&m, "nut", info, on_write, NULL, err))
		return 1;
	for (int64_t n = 0; n < atoi(argv[4]); n++) {
		picture(f, n);
		caption(f, n, (int)r.fps.num, said);
		f->pts = n;
		f->pict_type = n % r.fps.num ? AV_PICTURE_TYPE_NONE : AV_PICTURE_TYPE_I;
		if (encoder_send(&e, f))
			return 1;
		av_frame_remove_side_data(f, AV_FRAME_DATA_A53_CC);
		drain(&e, m);
	}
	if (!encoder_send(&e, NULL))
		drain(&e, m);
	media_mux_end(m);
	media_mux_destroy(m);
	encoder_close(&e);
	media_info_unref(info);
	av_frame_free(&f);
	return 0;
}
