/* clock-source: a live source on the wall clock, for tests. Frame n is made at the instant n / fps
 * since the epoch and bears that instant (clockmark.h); the sound beeps at each whole second.
 * Writes raw video and PCM as NUT, timestamps since the epoch, for an encoder to read: clock-source
 * | ffmpeg -f nut -i - ...
 *
 *   clock-source [--size WxH] [--fps R] [--rate HZ] [--seconds N] [--no-audio] [--fast]
 *                [-o FILE|FIFO]
 *
 * A frame that can't be made in time, because the reader is slow, is left out and counted; the
 * sound is whole. --fast: for a clip of which no frame may be missing, as fast as it is read,
 * with the instants to come. Ends after N seconds, at SIGTERM or SIGINT, or when the reader is gone. Prints on
 * stderr, as key=value, start_ms at the first frame; frames, skipped and late_max_ms (of a wake-up)
 * at the end. */
#include "clockmark.h"

#include <libavformat/avformat.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

static volatile sig_atomic_t stopping;

struct source {
	int width, height, rate;
	struct ratio fps;
	int64_t seconds;
	bool no_audio, fast;
	const char *path;

	AVFormatContext *mux;
	AVPacket *packet;
	uint8_t *frame;	  /* yuv420p, size bytes */
	uint8_t *texture; /* the moving ground: twice as wide as a plane */
	int16_t *sound;	  /* CM_TONES seconds of stereo */
	size_t size;
	int64_t skipped, frames, late_max_us;
};

static void on_signal(int sig)
{
	stopping = 1;
}

static int interrupted(void *arg)
{
	return stopping;
}

static int64_t utc_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * SEC_US + t.tv_nsec / 1000;
}

static void sleep_until(int64_t us)
{
	struct timespec t = {us / SEC_US, us % SEC_US * 1000};

	while (!stopping && clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* ---- picture ---- */

/* 5x7 dots, a row a byte, for 0..9 : . */
static const uint8_t font[12][7] = {
    {14, 17, 19, 21, 25, 17, 14}, {4, 12, 4, 4, 4, 4, 14},   {14, 17, 1, 2, 4, 8, 31},
    {31, 2, 4, 2, 1, 17, 14},	  {2, 6, 10, 18, 31, 2, 2},  {31, 16, 30, 1, 1, 17, 14},
    {6, 8, 16, 30, 17, 17, 14},	  {31, 1, 2, 4, 8, 8, 8},    {14, 17, 17, 14, 17, 17, 14},
    {14, 17, 17, 15, 1, 2, 12},	  {0, 12, 12, 0, 12, 12, 0}, {0, 0, 0, 0, 0, 12, 12},
};

static void draw_glyph(const struct cm_plane *p, const uint8_t *rows, int x, int y, int scale)
{
	for (int i = 0; i < 7 * scale; i++)
		for (int j = 0; j < 5 * scale; j++)
			if (rows[i / scale] >> (4 - j / scale) & 1)
				p->data[(y + i) * p->stride + x + j] = 235;
}

/* HH:MM:SS.mmm in the middle of the picture, for people. */
static void draw_clock(const struct cm_plane *p, int64_t ms)
{
	int scale = MAX(1, p->width / 96), width = 12 * 6 * scale;
	int x = (p->width - width) / 2, y = 7 * p->height / CM_ROWS;
	time_t s = ms / 1000;
	char text[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	snprintf(text, sizeof(text), "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(ms % 1000));
	for (int i = -scale; i < 8 * scale; i++)
		memset(p->data + (y + i) * p->stride + x - scale, 16, (size_t)(width + scale));
	for (const char *c = text; *c; c++, x += 6 * scale)
		draw_glyph(p, font[*c == ':' ? 10 : *c == '.' ? 11 : *c - '0'], x, y, scale);
}

/* Hills of several sizes that meet at the seam, with a little grain; luma, then the two chroma
 * planes. */
static void make_texture(uint8_t *out, int w, int h, int level, int swing, uint32_t seed)
{
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			double u = 2 * M_PI * x / w, v = 2 * M_PI * y / h;
			double s = sin(3 * u + 2 * sin(v)) + sin(5 * v + 3 * sin(2 * u)) / 2;

			seed = seed * 1664525 + 1013904223;
			s = level + swing * s / 1.5 + (double)(seed >> 29) - 4;
			out[(size_t)y * 2 * w + x] = out[(size_t)y * 2 * w + w + x] = (uint8_t)s;
		}
}

static void copy_plane(uint8_t *dst, const uint8_t *texture, int w, int h, int64_t shift)
{
	for (int y = 0; y < h; y++)
		memcpy(dst + (size_t)y * w, texture + (size_t)y * 2 * w + shift % w, (size_t)w);
}

static void draw_frame(struct source *s, int64_t n, int64_t ms)
{
	int w = s->width, h = s->height, cw = w / 2, ch = h / 2, rows = ch / CM_ROWS;
	size_t luma = (size_t)w * h, chroma = (size_t)cw * ch;
	struct cm_plane p = {s->frame, w, w, h, 8};

	copy_plane(s->frame, s->texture, w, h, 2 * n);
	for (int i = 0; i < 2; i++) {
		uint8_t *c = s->frame + luma + i * chroma;

		copy_plane(c, s->texture + 2 * (luma + i * chroma), cw, ch, n);
		memset(c, 128, (size_t)cw * (4 * rows + 4));		       /* under the code */
		memset(c + (size_t)cw * 6 * rows, 128, (size_t)cw * 4 * rows); /* and the clock */
	}
	draw_clock(&p, ms);
	cm_draw(&p, ms);
}

/* ---- output ---- */

static int add_stream(struct source *s, enum AVMediaType type)
{
	AVStream *st = avformat_new_stream(s->mux, NULL);

	if (!st)
		return -ENOMEM;
	st->codecpar->codec_type = type;
	if (type == AVMEDIA_TYPE_VIDEO) {
		st->codecpar->codec_id = AV_CODEC_ID_RAWVIDEO;
		st->codecpar->codec_tag = MKTAG('I', '4', '2', '0');
		st->codecpar->format = AV_PIX_FMT_YUV420P;
		st->codecpar->width = s->width;
		st->codecpar->height = s->height;
		st->time_base = (AVRational){(int)s->fps.den, (int)s->fps.num};
		st->avg_frame_rate = (AVRational){(int)s->fps.num, (int)s->fps.den};
	} else {
		st->codecpar->codec_id = AV_CODEC_ID_PCM_S16LE;
		st->codecpar->format = AV_SAMPLE_FMT_S16;
		st->codecpar->sample_rate = s->rate;
		st->codecpar->block_align = 4;
		st->codecpar->bits_per_coded_sample = 16;
		av_channel_layout_default(&st->codecpar->ch_layout, 2);
		st->time_base = (AVRational){1, s->rate};
	}
	return 0;
}

static int open_output(struct source *s)
{
	AVDictionary *opt = NULL;
	int err = avformat_alloc_output_context2(&s->mux, NULL, "nut", s->path);

	if (err < 0 || (err = add_stream(s, AVMEDIA_TYPE_VIDEO)))
		return err;
	if (!s->no_audio && (err = add_stream(s, AVMEDIA_TYPE_AUDIO)))
		return err;
	s->mux->interrupt_callback = (AVIOInterruptCB){interrupted, NULL};
	s->mux->flags |= AVFMT_FLAG_FLUSH_PACKETS;
	av_dict_set(&opt, "blocksize", "1048576", 0);
	err = avio_open2(&s->mux->pb, s->path, AVIO_FLAG_WRITE, &s->mux->interrupt_callback, &opt);
	av_dict_free(&opt);
	return err < 0 ? err : avformat_write_header(s->mux, NULL);
}

/* data stays ours: av_write_frame writes it out before it returns. */
static int write_packet(struct source *s, int stream, void *data, size_t size, int64_t pts,
			int64_t duration)
{
	AVStream *st = s->mux->streams[stream];
	AVRational from =
	    stream ? (AVRational){1, s->rate} : (AVRational){(int)s->fps.den, (int)s->fps.num};

	s->packet->data = data;
	s->packet->size = (int)size;
	s->packet->stream_index = stream;
	s->packet->pts = s->packet->dts = pts;
	s->packet->duration = duration;
	s->packet->flags = AV_PKT_FLAG_KEY;
	av_packet_rescale_ts(s->packet, from, st->time_base);
	return av_write_frame(s->mux, s->packet);
}

static int write_sound(struct source *s, int64_t from, int64_t to)
{
	while (from < to) {
		int64_t second = from / s->rate, i = from % s->rate;
		int64_t n = MIN(MIN(to - from, s->rate - i), 1024);
		int16_t *at = s->sound + (second % CM_TONES * s->rate + i) * 2;
		int err = write_packet(s, 1, at, (size_t)n * 4, from, n);

		if (err < 0)
			return err;
		from += n;
	}
	return 0;
}

static int64_t frame_at(const struct source *s, int64_t us)
{
	return (int64_t)((__int128)us * s->fps.num / ((__int128)s->fps.den * SEC_US));
}

static int run(struct source *s)
{
	int64_t n = frame_at(s, utc_us()) + 1;
	int64_t end = s->seconds ? n + frame_at(s, s->seconds * SEC_US) : INT64_MAX;
	int64_t sound = base_scale(n, s->rate * s->fps.den, s->fps.num);
	int err = 0;

	fprintf(stderr, "start_ms=%lld\n", (long long)base_scale(n, 1000 * s->fps.den, s->fps.num));
	for (; n < end && !err; n++) {
		int64_t at = base_scale(n, SEC_US * s->fps.den, s->fps.num), now, latest, upto;

		if (!s->fast)
			sleep_until(at);
		if (stopping)
			break;
		now = s->fast ? at : utc_us();
		latest = frame_at(s, now);
		if (latest > n) {
			s->skipped += latest - n;
			n = latest;
			at = base_scale(n, SEC_US * s->fps.den, s->fps.num);
		} else {
			s->late_max_us = MAX(s->late_max_us, now - at);
		}
		upto = base_scale(n, s->rate * s->fps.den, s->fps.num);
		if (!s->no_audio && (err = write_sound(s, sound, upto)) < 0)
			break;
		sound = upto;
		draw_frame(s, n, base_scale(n, 1000 * s->fps.den, s->fps.num));
		err = write_packet(s, 0, s->frame, s->size, n, 1);
		s->frames += !err;
	}
	return err == AVERROR(EPIPE) || err == AVERROR_EXIT ? 0 : err;
}

static int prepare(struct source *s)
{
	int w = s->width, h = s->height;
	size_t luma = (size_t)w * h, chroma = luma / 4;

	s->size = luma + 2 * chroma;
	s->frame = malloc(s->size);
	s->texture = malloc(2 * s->size);
	s->sound = malloc((size_t)CM_TONES * s->rate * 4);
	s->packet = av_packet_alloc();
	if (!s->frame || !s->texture || !s->sound || !s->packet)
		return -ENOMEM;
	make_texture(s->texture, w, h, 110, 50, 1);
	make_texture(s->texture + 2 * luma, w / 2, h / 2, 132, 18, 2);
	make_texture(s->texture + 2 * (luma + chroma), w / 2, h / 2, 122, -18, 3);
	for (int i = 0; i < CM_TONES * s->rate; i++)
		s->sound[2 * i] = s->sound[2 * i + 1] =
		    (int16_t)lrint(32767 * cm_sound(i / s->rate, i % s->rate, s->rate));
	return 0;
}

static int parse(struct source *s, int argc, char **argv)
{
	static const struct option opts[] = {{"size", 1, NULL, 's'},   {"fps", 1, NULL, 'f'},
					     {"rate", 1, NULL, 'r'},   {"seconds", 1, NULL, 'n'},
					     {"output", 1, NULL, 'o'}, {"no-audio", 0, NULL, 'A'},
					     {"fast", 0, NULL, 'F'},   {NULL, 0, NULL, 0}};
	int64_t rate = s->rate;
	int c, bad = 0;

	while ((c = getopt_long(argc, argv, "s:f:r:n:o:A", opts, NULL)) != -1) {
		if (c == 's')
			bad |= sscanf(optarg, "%dx%d", &s->width, &s->height) != 2;
		else if (c == 'f')
			bad |= num_ratio(optarg, &s->fps) != 0;
		else if (c == 'r')
			bad |= num_int(optarg, &rate) != 0;
		else if (c == 'n')
			bad |= num_int(optarg, &s->seconds) != 0;
		else if (c == 'o')
			s->path = optarg;
		else if (c == 'A')
			s->no_audio = true;
		else if (c == 'F')
			s->fast = true;
		else
			bad = 1;
	}
	s->rate = (int)rate;
	bad |= optind != argc || s->width < 128 || s->width > 4096 || s->width % 2;
	bad |= s->height < 72 || s->height > 2160 || s->height % 2 || rate < 8000 || rate > 96000;
	bad |= s->seconds < 0 || s->fps.num > 240 * s->fps.den || s->fps.num > 1000000;
	return bad ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	struct source s = {
	    .width = 640, .height = 360, .rate = 48000, .fps = {30, 1}, .path = "pipe:1"};
	struct sigaction stop = {.sa_handler = on_signal};
	int err;

	if (parse(&s, argc, argv)) {
		fprintf(stderr,
			"usage: clock-source [--size WxH] [--fps R] [--rate HZ] [--seconds N] "
			"[--no-audio] [--fast] [-o FILE]\n");
		return EX_USAGE;
	}
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	av_log_set_level(AV_LOG_ERROR);
	err = prepare(&s);
	if (!err)
		err = open_output(&s);
	if (err >= 0)
		err = run(&s);
	if (err >= 0)
		av_write_trailer(s.mux);
	fprintf(stderr, "frames=%lld\nskipped=%lld\nlate_max_ms=%.1f\n", (long long)s.frames,
		(long long)s.skipped, s.late_max_us / 1000.0);
	if (s.mux)
		avio_closep(&s.mux->pb);
	avformat_free_context(s.mux);
	av_packet_free(&s.packet);
	free(s.sound);
	free(s.texture);
	free(s.frame);
	if (err < 0)
		fprintf(stderr, "clock-source: %s\n", av_err2str(err));
	return err < 0 ? EX_IOERR : 0;
}
