/* clock-read: reads the clock that clock-source put into picture and sound off any stream that
 * libavformat opens, and prints what it finds as key=value lines.
 *
 *   clock-read [options] URL|-
 *     --seconds N      end after N seconds of the picture's clock (default: at the end of the
 * input)
 *     --timeout N      end after N seconds in any case (default: --seconds + 300, or none)
 *     --stream S       the video stream: its number among the video streams, or its title (default
 * 0)
 *     --all            all video streams; keys then begin with the stream's title or number and a
 * dot
 *     --audio N        which of the audio streams (default 0)
 *     --format F       name of the demuxer
 *     --key-frames     list the instants of the key frames, and their pts
 *     --frames         one line a frame, as it comes
 *
 *   frames, unreadable, decode_errors   pictures decoded; of them without a clock; packets refused
 *   first_ms, last_ms, fps              first and last instant read, frames a second between them
 *   repeats, backward, gaps, gap_max_ms, missing   steps of the clock of zero; below; above 1.5
 * frames; the longest; and the number of frames left out in them latency_frames, latency_p50_ms,
 * latency_p95_ms, latency_p99_ms, latency_max_ms   now - instant when a frame left the decoder, over frames made
 * since the input was open, so that what waited there is no delay pts_offset_ms, pts_jitter_ms
 * median of pts - instant, and the largest distance from it beeps, beeps_unmatched, audio_gaps,
 * av_offset_ms, av_offset_worst_ms   sound minus picture by their pts: > 0 is late sound; jumps of
 * the audio pts above 20 ms key_frames, key_pts_ms               instants and pts in ms, with commas
 *
 * Exit status: 0; 65 when no frame was readable; 69 when the input could not be opened; 64. */
#include "clock-account.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sysexits.h>
#include <time.h>

static volatile sig_atomic_t stopping;

struct track {
	int stream;
	char name[64];
	AVCodecContext *codec;
	struct sights sights;
	struct places keys;
	int64_t frames, unreadable, errors;
};

struct reader {
	const char *url, *stream, *format;
	int64_t seconds, timeout;
	int audio_number;
	bool all, list_keys, list_frames;

	AVFormatContext *demux;
	int64_t open_ms;
	struct track tracks[MAX_TRACKS];
	size_t n_tracks;

	int audio;
	AVCodecContext *audio_codec;
	struct cm_ear ear;
	int64_t audio_next_us, audio_gaps;
	struct beeps beeps;
};

/* SIGALRM comes again and again once the time is up, and ends the read(2) that a pipe blocks in. */
static void on_signal(int sig)
{
	stopping = 1;
}

static int64_t utc_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * SEC_US + t.tv_nsec / 1000;
}

static int interrupted(void *arg)
{
	return stopping;
}

/* ---- opening ---- */

static AVCodecContext *open_codec(AVStream *st)
{
	const AVCodec *codec = avcodec_find_decoder(st->codecpar->codec_id);
	AVCodecContext *ctx = codec ? avcodec_alloc_context3(codec) : NULL;

	if (!ctx || avcodec_parameters_to_context(ctx, st->codecpar) < 0)
		goto fail;
	ctx->pkt_timebase = st->time_base;
	ctx->thread_count = 1;
	ctx->flags |= AV_CODEC_FLAG_LOW_DELAY;
	if (avcodec_open2(ctx, codec, NULL) < 0)
		goto fail;
	return ctx;
fail:
	avcodec_free_context(&ctx);
	return NULL;
}

static bool wanted(const struct reader *r, const char *title, int number)
{
	char *end;
	long n = strtol(r->stream, &end, 10);

	if (r->all || (title && !strcmp(title, r->stream)))
		return true;
	return *r->stream && !*end && n == number;
}

static int add_track(struct reader *r, AVStream *st, int number)
{
	AVDictionaryEntry *title = av_dict_get(st->metadata, "title", NULL, 0);
	struct track *t = &r->tracks[r->n_tracks];

	if (r->n_tracks == MAX_TRACKS || !wanted(r, title ? title->value : NULL, number))
		return 0;
	t->stream = st->index;
	if (title)
		str_copy(t->name, sizeof(t->name), title->value);
	else
		snprintf(t->name, sizeof(t->name), "%d", number);
	t->codec = open_codec(st);
	r->n_tracks++;
	return t->codec ? 0 : -ENOSYS;
}

static int open_input(struct reader *r)
{
	const AVInputFormat *format = r->format ? av_find_input_format(r->format) : NULL;
	AVDictionary *opt = NULL;
	int video = 0, audio = 0, err;

	r->audio = -1;
	r->demux = avformat_alloc_context();
	if (!r->demux || (r->format && !format))
		return -EINVAL;
	r->demux->interrupt_callback = (AVIOInterruptCB){interrupted, NULL};
	av_dict_set(&opt, "probesize", "500000", 0);
	av_dict_set(&opt, "analyzeduration", "500000", 0);
	av_dict_set(&opt, "fpsprobesize", "0", 0);
	err = avformat_open_input(&r->demux, strcmp(r->url, "-") ? r->url : "pipe:0", format, &opt);
	av_dict_free(&opt);
	if (err < 0 || (err = avformat_find_stream_info(r->demux, NULL)) < 0)
		return err;
	for (unsigned i = 0; i < r->demux->nb_streams && err >= 0; i++) {
		AVStream *st = r->demux->streams[i];

		st->discard = AVDISCARD_ALL;
		if (st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO)
			err = add_track(r, st, video++);
		else if (st->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
			 audio++ == r->audio_number && (r->audio_codec = open_codec(st)))
			r->audio = (int)i;
	}
	for (size_t i = 0; i < r->n_tracks; i++)
		r->demux->streams[r->tracks[i].stream]->discard = AVDISCARD_DEFAULT;
	if (r->audio >= 0)
		r->demux->streams[r->audio]->discard = AVDISCARD_DEFAULT;
	r->open_ms = utc_us() / 1000;
	return err < 0 ? err : r->n_tracks ? 0 : AVERROR_STREAM_NOT_FOUND;
}

/* ---- picture ---- */

static bool is_key(const AVFrame *f)
{
#ifdef AV_FRAME_FLAG_KEY
	return f->flags & AV_FRAME_FLAG_KEY;
#else
	return f->key_frame;
#endif
}

static int read_mark(const AVFrame *f, int64_t *utc_ms)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
	struct cm_plane p = {f->data[0], f->linesize[0], f->width, f->height, 8};

	if (!d || d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_HWACCEL) ||
	    d->comp[0].step > 2 || d->comp[0].shift)
		return -EINVAL;
	p.depth = d->comp[0].depth;
	return cm_read(&p, utc_ms);
}

static void take_picture(struct reader *r, struct track *t, const AVFrame *f)
{
	AVRational tb = r->demux->streams[t->stream]->time_base;
	struct sight s = {.key = is_key(f)};
	int64_t now = utc_us();
	int err = read_mark(f, &s.utc_ms);

	s.pts_us = f->best_effort_timestamp == AV_NOPTS_VALUE
		       ? NO_PTS
		       : av_rescale_q(f->best_effort_timestamp, tb, AV_TIME_BASE_Q);
	t->frames++;
	if (s.key && s.pts_us != NO_PTS && vec_push(&t->keys, s.pts_us))
		stopping = 1;
	if (err) {
		t->unreadable++;
		if (r->list_frames)
			printf("frame stream=%s unreadable=%d key=%d\n", t->name, -err, s.key);
		return;
	}
	s.latency_us = now - s.utc_ms * 1000;
	if (vec_push(&t->sights, s))
		stopping = 1;
	if (r->list_frames)
		printf("frame stream=%s utc_ms=%lld pts_us=%lld latency_ms=%.1f key=%d\n", t->name,
		       (long long)s.utc_ms, (long long)s.pts_us, s.latency_us / 1000.0, s.key);
}

/* ---- sound ---- */

/* Sample i of the first channel. */
static double sample_of(const AVFrame *f, int i)
{
	int step = av_sample_fmt_is_planar(f->format) ? 1 : f->ch_layout.nb_channels;

	switch (av_get_packed_sample_fmt(f->format)) {
	case AV_SAMPLE_FMT_FLT:
		return ((const float *)f->data[0])[i * step];
	case AV_SAMPLE_FMT_S16:
		return ((const int16_t *)f->data[0])[i * step] / 32768.0;
	case AV_SAMPLE_FMT_S32:
		return ((const int32_t *)f->data[0])[i * step] / 2147483648.0;
	default:
		return 0;
	}
}

static void add_beep(struct reader *r, int64_t pts_us, int tone)
{
	struct beep b = {.pts_us = pts_us, .tone = tone};

	for (size_t i = 0; i < r->n_tracks; i++)
		b.seen[i] = r->tracks[i].sights.len;
	if (vec_push(&r->beeps, b))
		stopping = 1;
}

static void take_sound(struct reader *r, const AVFrame *f)
{
	AVRational tb = r->demux->streams[r->audio]->time_base;
	int64_t pts, start, onset;
	int tone;

	if (f->best_effort_timestamp == AV_NOPTS_VALUE || f->sample_rate < 8000)
		return;
	pts = av_rescale_q(f->best_effort_timestamp, tb, AV_TIME_BASE_Q);
	if (r->ear.rate != f->sample_rate || llabs(pts - r->audio_next_us) > 20 * MS_US) {
		r->audio_gaps += r->ear.rate != 0;
		cm_ear_init(&r->ear, f->sample_rate);
	}
	r->audio_next_us = pts + base_scale(f->nb_samples, SEC_US, f->sample_rate);
	start = r->ear.n;
	for (int i = 0; i < f->nb_samples; i++)
		if (cm_ear_push(&r->ear, sample_of(f, i), &onset, &tone))
			add_beep(r, pts + base_scale(onset - start, SEC_US, f->sample_rate), tone);
}

/* ---- the loop ---- */

static void decode(struct reader *r, struct track *t, const AVPacket *pkt, AVFrame *frame)
{
	AVCodecContext *codec = t ? t->codec : r->audio_codec;
	int err = avcodec_send_packet(codec, pkt);

	if (err < 0 && err != AVERROR_EOF && t)
		t->errors++;
	while (avcodec_receive_frame(codec, frame) >= 0) {
		if (t)
			take_picture(r, t, frame);
		else
			take_sound(r, frame);
		av_frame_unref(frame);
	}
}

static struct track *track_of(struct reader *r, int stream)
{
	for (size_t i = 0; i < r->n_tracks; i++)
		if (r->tracks[i].stream == stream)
			return &r->tracks[i];
	return NULL;
}

static bool enough(const struct reader *r)
{
	for (size_t i = 0; i < r->n_tracks; i++) {
		const struct track *t = &r->tracks[i];
		size_t n = t->sights.len;

		if (!r->seconds || !n ||
		    t->sights.at[n - 1].utc_ms - t->sights.at[0].utc_ms < r->seconds * 1000)
			return false;
	}
	return true;
}

static int run(struct reader *r)
{
	AVPacket *pkt = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	int err = pkt && frame ? 0 : -ENOMEM;

	while (!err && !stopping && !enough(r)) {
		struct track *t;

		if (av_read_frame(r->demux, pkt) < 0)
			break;
		t = track_of(r, pkt->stream_index);
		if (t || pkt->stream_index == r->audio)
			decode(r, t, pkt, frame);
		av_packet_unref(pkt);
		if (r->list_frames)
			fflush(stdout);
	}
	for (size_t i = 0; !err && i < r->n_tracks; i++)
		decode(r, &r->tracks[i], NULL, frame);
	av_packet_free(&pkt);
	av_frame_free(&frame);
	return err;
}

/* ---- the account ---- */

static void print_track(const struct reader *r, const struct track *t)
{
	char pre[72] = "";

	if (r->all)
		snprintf(pre, sizeof(pre), "%s.", t->name);
	print_count(pre, "frames", t->frames);
	print_count(pre, "unreadable", t->unreadable);
	print_count(pre, "decode_errors", t->errors);
	if (t->codec->width)
		printf("%ssize=%dx%d\n", pre, t->codec->width, t->codec->height);
	if (r->list_keys)
		account_places(&t->keys, pre);
	if (!t->sights.len)
		return;
	account_steps(&t->sights, pre);
	account_latency(&t->sights, r->open_ms, pre);
	account_pts(&t->sights, pre);
	if (r->audio >= 0) {
		account_sound(&r->beeps, &t->sights, (size_t)(t - r->tracks), pre);
		print_count(pre, "audio_gaps", r->audio_gaps);
	}
	if (r->list_keys)
		account_keys(&t->sights, pre);
}

static int parse(struct reader *r, int argc, char **argv)
{
	static const struct option opts[] = {
	    {"seconds", 1, NULL, 'n'},	  {"timeout", 1, NULL, 't'}, {"stream", 1, NULL, 's'},
	    {"all", 0, NULL, 'a'},	  {"audio", 1, NULL, 'u'},   {"format", 1, NULL, 'f'},
	    {"key-frames", 0, NULL, 'k'}, {"frames", 0, NULL, 'F'},  {NULL, 0, NULL, 0},
	};
	int64_t audio = 0;
	int c, bad = 0;

	while ((c = getopt_long(argc, argv, "n:t:s:au:f:kF", opts, NULL)) != -1) {
		if (c == 'n')
			bad |= num_int(optarg, &r->seconds) != 0;
		else if (c == 't')
			bad |= num_int(optarg, &r->timeout) != 0;
		else if (c == 's')
			r->stream = optarg;
		else if (c == 'u')
			bad |= num_int(optarg, &audio) != 0;
		else if (c == 'f')
			r->format = optarg;
		else if (c == 'a')
			r->all = true;
		else if (c == 'k')
			r->list_keys = true;
		else if (c == 'F')
			r->list_frames = true;
		else
			bad = 1;
	}
	bad |= optind != argc - 1 || r->seconds < 0 || r->timeout < 0 || audio < 0 || audio > 99;
	r->url = argv[optind];
	r->audio_number = (int)audio;
	if (!r->timeout && r->seconds)
		r->timeout = r->seconds + 300;
	return bad ? -EINVAL : 0;
}

static void catch_signals(int64_t timeout)
{
	struct sigaction stop = {.sa_handler = on_signal};
	struct itimerval limit = {{0, 100000}, {timeout, 0}};

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGALRM, &stop, NULL);
	if (timeout)
		setitimer(ITIMER_REAL, &limit, NULL);
}

static void reader_finish(struct reader *r)
{
	for (size_t i = 0; i < r->n_tracks; i++) {
		avcodec_free_context(&r->tracks[i].codec);
		vec_free(&r->tracks[i].sights);
		vec_free(&r->tracks[i].keys);
	}
	avcodec_free_context(&r->audio_codec);
	avformat_close_input(&r->demux);
	vec_free(&r->beeps);
}

int main(int argc, char **argv)
{
	struct reader r = {.stream = "0"};
	size_t read = 0;
	int err;

	if (parse(&r, argc, argv)) {
		fprintf(stderr,
			"usage: clock-read [--seconds N] [--timeout N] [--stream S | --all] "
			"[--audio N] [--format F] [--key-frames] [--frames] URL|-\n");
		return EX_USAGE;
	}
	catch_signals(r.timeout);
	av_log_set_level(AV_LOG_FATAL);
	avformat_network_init();
	err = open_input(&r);
	if (err < 0) {
		fprintf(stderr, "clock-read: %s: %s\n", r.url, av_err2str(err));
		reader_finish(&r);
		return EX_UNAVAILABLE;
	}
	err = run(&r);
	for (size_t i = 0; i < r.n_tracks; i++) {
		print_track(&r, &r.tracks[i]);
		read += r.tracks[i].sights.len;
	}
	reader_finish(&r);
	return err ? EX_OSERR : read ? 0 : EX_DATAERR;
}
