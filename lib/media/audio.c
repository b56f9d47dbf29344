#include <errno.h>
#include <libswresample/swresample.h>

#include "log/log.h"
#include "media/pipeline.h"
#include "media/splice.h"
#include "os/os.h"

/* Sound on the timeline: the splice knows the place (samples since the epoch) of the sample that comes next; frames for the
 * encoder begin at multiples of its size, for every instance alike. */
struct audio {
	struct engine *e;
	int input; /* whose packets are decoded */
	AVCodecContext *dec;
	AVPacket *pkt;
	AVFrame *frame, *block, *out;
	SwrContext *swr;
	int in_format, in_rate;
	AVChannelLayout in_layout;
	struct splice splice;
	int64_t written; /* the place behind what is in out */
	int size;	 /* of a frame for the encoder */
	int have;	 /* samples in out */
	int stretch;	 /* what the resampler was last told */
	bool begun, failed;
	bool fresh; /* nothing is written yet */
};

static int64_t sample_at(int64_t us)
{
	return base_scale(us, AUDIO_RATE, SEC_US);
}

static int encode_frame(struct audio *a)
{
	int64_t since = os_mono_us();

	a->out->pts = a->written - a->size;
	a->out->nb_samples = a->size;
	a->have = 0;
	int rc = encoder_send(&a->e->audio_enc, a->out);
	for (struct media_packet *p; (p = encoder_receive(&a->e->audio_enc));)
		engine_emit(a->e, EVENT_PACKET, p, os_mono_us() - since, NULL);
	if (!rc)
		rc = av_frame_make_writable(a->out);
	return rc;
}

/* n samples from block (from sample `from` on), or silence. */
static void append(struct audio *a, const AVFrame *block, int64_t from, int64_t n)
{
	while (n > 0 && !a->failed) {
		int part = (int)MIN(n, a->size - a->have);

		/* Interleaved for Opus: one plane of both channels. */
		int planes = a->e->conf.opus ? 1 : 2, width = 3 - planes;
		for (int c = 0; c < planes; c++) {
			float *to = (float *)a->out->extended_data[c] + a->have * width;

			if (block)
				memcpy(to, (float *)block->extended_data[c] + from * width,
				       (size_t)(part * width) * sizeof(*to));
			else
				memset(to, 0, (size_t)(part * width) * sizeof(*to));
		}
		a->have += part;
		a->written += part;
		from += part;
		n -= part;
		if (a->have == a->size && encode_frame(a)) {
			log_error("audio", "the encoder failed");
			a->failed = true;
		}
	}
}

/* The place of the first sample: the frame in which the output's start lies. False: not known yet. */
static bool begin(struct audio *a)
{
	int64_t start = engine_start_us(a->e);

	if (a->begun)
		return true;
	if (start == NEVER_US)
		return false;
	if (a->e->no_picture && !a->e->built && engine_build(a->e, NULL, NULL))
		a->failed = true;
	if (a->failed || !engine_built(a->e))
		return false;
	a->written = base_floor_div(sample_at(start), a->size) * a->size;
	a->splice = (struct splice){.next = a->written, .rigid = true};
	a->begun = a->fresh = true;
	return true;
}

/* Puts samples that belong at `at` there. */
static void place(struct audio *a, const AVFrame *block, int64_t at)
{
	struct splice_cut cut = splice_place(&a->splice, at, block->nb_samples);

	a->e->silence += a->fresh ? 0 : cut.silence;
	a->e->cut += a->fresh ? 0 : cut.skip;
	a->fresh = a->fresh && a->splice.rigid;
	append(a, NULL, 0, cut.silence);
	append(a, block, cut.skip, block->nb_samples - cut.skip);
	if (a->splice.stretch != a->stretch || a->stretch)
		swr_set_compensation(a->swr, a->splice.stretch, AUDIO_RATE);
	a->stretch = a->splice.stretch;
}

static enum AVSampleFormat sample_format(const struct audio *a)
{
	return a->e->conf.opus ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP;
}

static int set_resampler(struct audio *a)
{
	AVChannelLayout stereo = AV_CHANNEL_LAYOUT_STEREO, in = {0};
	const AVFrame *f = a->frame;
	int rc = 0;

	if (a->swr && a->in_format == f->format && a->in_rate == f->sample_rate &&
	    !av_channel_layout_compare(&a->in_layout, &f->ch_layout))
		return 0;
	swr_free(&a->swr);
	/* Without an order of channels (raw PCM) the usual one of that number. */
	if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
		av_channel_layout_default(&in, f->ch_layout.nb_channels);
	else
		rc = av_channel_layout_copy(&in, &f->ch_layout);
	if (rc >= 0)
		rc = swr_alloc_set_opts2(&a->swr, &stereo, sample_format(a), AUDIO_RATE, &in,
					 f->format, f->sample_rate, 0, NULL);
	/* Also where the rate is the same: it is stretched (splice.h). */
	if (rc >= 0)
		rc = av_opt_set_int(a->swr, "flags", SWR_FLAG_RESAMPLE, 0);
	if (rc >= 0)
		rc = swr_init(a->swr);
	a->stretch = 0;
	a->in_format = f->format;
	a->in_rate = f->sample_rate;
	av_channel_layout_uninit(&in);
	av_channel_layout_uninit(&a->in_layout);
	if (rc >= 0)
		rc = av_channel_layout_copy(&a->in_layout, &f->ch_layout);
	if (rc < 0)
		swr_free(&a->swr);
	return rc;
}

/* The decoded frame as 48 kHz stereo into a->block. */
static int resample(struct audio *a)
{
	int rc = set_resampler(a);

	av_frame_unref(a->block);
	if (rc < 0)
		return rc;
	a->block->format = sample_format(a);
	a->block->sample_rate = AUDIO_RATE;
	a->block->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_STEREO;
	a->block->nb_samples = swr_get_out_samples(a->swr, a->frame->nb_samples);
	if ((rc = av_frame_get_buffer(a->block, 0)) < 0)
		return rc;
	rc = swr_convert(a->swr, a->block->extended_data, a->block->nb_samples,
			 (const uint8_t **)a->frame->extended_data, a->frame->nb_samples);
	if (rc >= 0)
		a->block->nb_samples = rc;
	return rc;
}

static void on_frame(struct audio *a)
{
	if (a->frame->pts == AV_NOPTS_VALUE || a->failed)
		return;
	int64_t before = a->swr ? swr_get_delay(a->swr, AUDIO_RATE) : 0,
		at = sample_at(a->frame->pts) - before;

	if (resample(a) < 0)
		a->e->undecoded++;
	else if (begin(a))
		place(a, a->block, at);
}

static void receive(struct audio *a)
{
	while (!avcodec_receive_frame(a->dec, a->frame)) {
		on_frame(a);
		av_frame_unref(a->frame);
	}
}

static void flush(struct audio *a)
{
	if (a->dec && !avcodec_send_packet(a->dec, NULL))
		receive(a);
	avcodec_free_context(&a->dec);
	swr_free(&a->swr);
}

static void new_source(struct audio *a, const struct work *w)
{
	char err[MEDIA_ERR];

	flush(a);
	a->input = w->input;
	a->splice.rigid = a->begun;
	a->dec = engine_decoder(&w->info->track[w->track], err);
	if (!a->dec)
		log_warn("audio", "%s", err);
}

static void decode(struct audio *a, const struct work *w)
{
	if (w->input != a->input)
		return;
	mav_packet_borrow(a->pkt, w->packet);
	a->pkt->pts = w->out_us;
	a->pkt->dts = AV_NOPTS_VALUE;
	a->pkt->duration = 0;
	int rc = a->dec ? avcodec_send_packet(a->dec, a->pkt) : AVERROR_DECODER_NOT_FOUND;
	av_packet_unref(a->pkt);
	if (rc < 0)
		a->e->undecoded++;
	if (a->dec)
		receive(a);
}

/* When a live source will have given no sound for HOLD_US (monotonic). */
static int64_t due(const struct audio *a)
{
	if (!a->e->live || !a->begun || a->failed)
		return NEVER_US;
	return base_scale(a->written, SEC_US, AUDIO_RATE) + HOLD_US - a->e->utc_base_us + MS_US;
}

/* Then there is silence. */
static void fill(struct audio *a)
{
	int64_t missing = sample_at(engine_utc_us(a->e) - HOLD_US) - a->written;

	if (!a->begun || a->failed || missing <= 0)
		return;
	missing = (missing + a->size - 1) / a->size * a->size;
	a->e->silence += missing;
	append(a, NULL, 0, missing);
	splice_silence(&a->splice, missing);
}

static bool alloc(struct audio *a)
{
	a->pkt = av_packet_alloc();
	a->frame = av_frame_alloc();
	a->block = av_frame_alloc();
	a->out = av_frame_alloc();
	if (!a->pkt || !a->frame || !a->block || !a->out)
		return false;
	a->size = a->e->conf.opus ? AUDIO_FRAME_OPUS : AUDIO_FRAME_AAC;
	a->out->format = sample_format(a);
	a->out->sample_rate = AUDIO_RATE;
	a->out->nb_samples = a->size;
	av_channel_layout_default(&a->out->ch_layout, 2);
	return av_frame_get_buffer(a->out, 0) >= 0;
}

static void finish(struct audio *a)
{
	if (a->begun && !a->failed) {
		if (a->have)
			append(a, NULL, 0, a->size - a->have);
		if (!encoder_send(&a->e->audio_enc, NULL))
			for (struct media_packet *p; (p = encoder_receive(&a->e->audio_enc));)
				engine_emit(a->e, EVENT_PACKET, p, 0, NULL);
	}
	av_packet_free(&a->pkt);
	av_frame_free(&a->frame);
	av_frame_free(&a->block);
	av_frame_free(&a->out);
	av_channel_layout_uninit(&a->in_layout);
}

void *audio_main(void *arg)
{
	struct audio a = {.e = arg, .input = -1};
	struct engine *e = arg;
	os_thread_name("sound");
	bool ended = !alloc(&a);

	while (!ended) {
		struct work *w = queue_pop(&e->audio_queue, due(&a), &ended);

		if (w && w->packet)
			decode(&a, w);
		else if (w)
			new_source(&a, w);
		work_destroy(w);
		if (!ended && e->live && !queue_len(&e->audio_queue))
			fill(&a);
	}
	flush(&a);
	finish(&a);
	engine_stage_done(e);
	return NULL;
}
