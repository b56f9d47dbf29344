#include "media/voice.h"

#include <errno.h>
#include <math.h>

#include "log/log.h"
#include "media/silence.h"
#include "os/os.h"

#define BLOCK 480 /* samples that are worked on at a time */

static int encode_frame(struct voice *v)
{
	int64_t since = os_mono_us();

	v->out->pts = v->given - v->size;
	v->out->nb_samples = v->size;
	v->have = 0;
	int rc = encoder_send(v->enc, v->out);
	for (struct media_packet *p; (p = encoder_receive(v->enc));)
		engine_emit(v->e, EVENT_PACKET, p, os_mono_us() - since, NULL);
	if (!rc)
		rc = av_frame_make_writable(v->out);
	return rc;
}

/* Samples of at[channel] for the encoder's frames. */
static void give(struct voice *v, float *const *at, int n)
{
	int channels = v->sound->channels, from = MIN(v->skip, n);

	v->skip -= from;
	while (from < n && !v->failed) {
		int part = MIN(n - from, v->size - v->have);

		/* Interleaved for Opus. */
		for (int c = 0; c < channels && !v->sound->opus; c++)
			memcpy((float *)v->out->extended_data[c] + v->have, at[c] + from,
			       (size_t)part * sizeof(float));
		for (int i = 0; i < part * channels && v->sound->opus; i++)
			((float *)v->out->data[0])[v->have * channels + i] =
			    at[i % channels][from + i / channels];
		v->have += part;
		v->given += part;
		from += part;
		if (v->have == v->size && encode_frame(v)) {
			log_error(v->sound->name, "the encoder failed");
			v->failed = true;
		}
	}
}

/* What figures are told. */
static void show(struct voice *v)
{
	struct sound_figures *f = &v->e->sound_figures[v->index];
	const struct loudness *m = &v->level.meter;

	f->momentary = (int)lrint(loudness_momentary(m) * 100);
	f->short_term = (int)lrint(loudness_short_term(m) * 100);
	f->integrated = (int)lrint(loudness_integrated(m) * 100);
	f->gain = (int)lrint(level_gain(&v->level) * 100);
	f->limited = v->level.limited;
}

/* n samples from block (from sample `from` on), or silence. */
static void append(struct voice *v, const AVFrame *block, int64_t from, int64_t n)
{
	int channels = v->sound->channels;
	float room[MIX_OUT_MAX][BLOCK], *at[MIX_OUT_MAX];

	for (int c = 0; c < channels; c++)
		at[c] = room[c];
	while (n > 0 && !v->failed) {
		int part = (int)MIN(n, BLOCK);
		int64_t steps = v->level.meter.steps;

		for (int c = 0; c < channels; c++) {
			if (block)
				memcpy(at[c], (float *)block->extended_data[c] + from,
				       (size_t)part * sizeof(float));
			else
				memset(at[c], 0, (size_t)part * sizeof(float));
		}
		level_run(&v->level, at, part);
		if (v->level.meter.steps != steps)
			show(v);
		v->written += part;
		from += part;
		n -= part;
		give(v, at, part);
	}
}

static enum AVSampleFormat sample_format(const struct voice *v)
{
	return v->sound->opus ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP;
}

/* Puts samples that belong at `at` there. */
static void place(struct voice *v, const AVFrame *block, int64_t at)
{
	struct splice_cut cut = splice_place(&v->splice, at, block->nb_samples);

	v->e->silence += v->fresh ? 0 : cut.silence;
	v->e->cut += v->fresh ? 0 : cut.skip;
	v->fresh = v->fresh && v->splice.rigid;
	append(v, NULL, 0, cut.silence);
	append(v, block, cut.skip, block->nb_samples - cut.skip);
	if (v->splice.stretch != v->stretch || v->stretch)
		swr_set_compensation(v->swr, v->splice.stretch, AUDIO_RATE);
	v->stretch = v->splice.stretch;
}

static int open_resampler(struct voice *v, AVChannelLayout *in)
{
	double matrix[MIX_OUT_MAX * MIX_IN_MAX];
	AVChannelLayout out = mix_layout(v->sound->channels);
	int rc = swr_alloc_set_opts2(&v->swr, &out, AV_SAMPLE_FMT_FLTP, AUDIO_RATE, in,
				     v->frame->format, v->frame->sample_rate, 0, NULL);

	if (rc < 0)
		return rc;
	if (!mix_matrix(matrix, v->sound->channels, &v->sound->map, in))
		log_warn(v->sound->name, "the source has none of the channels of the map");
	rc = swr_set_matrix(v->swr, matrix, MIX_IN_MAX);
	/* Also where the rate is the same: it is stretched (splice.h). */
	if (rc >= 0)
		rc = av_opt_set_int(v->swr, "flags", SWR_FLAG_RESAMPLE, 0);
	return rc < 0 ? rc : swr_init(v->swr);
}

static int set_resampler(struct voice *v)
{
	AVChannelLayout in = {0};
	const AVFrame *f = v->frame;
	int rc = 0;

	if (v->swr && v->in_format == f->format && v->in_rate == f->sample_rate &&
	    !av_channel_layout_compare(&v->in_layout, &f->ch_layout))
		return 0;
	swr_free(&v->swr);
	/* Without an order of channels (raw PCM) the usual one of that number. */
	if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
		av_channel_layout_default(&in, f->ch_layout.nb_channels);
	else
		rc = av_channel_layout_copy(&in, &f->ch_layout);
	if (rc >= 0)
		rc = open_resampler(v, &in);
	v->stretch = 0;
	v->in_format = f->format;
	v->in_rate = f->sample_rate;
	av_channel_layout_uninit(&in);
	av_channel_layout_uninit(&v->in_layout);
	if (rc >= 0)
		rc = av_channel_layout_copy(&v->in_layout, &f->ch_layout);
	if (rc < 0)
		swr_free(&v->swr);
	return rc;
}

/* The decoded frame at 48 kHz, with the channels of the rendition, into v->block. */
static int resample(struct voice *v)
{
	int rc = set_resampler(v);

	av_frame_unref(v->block);
	if (rc < 0)
		return rc;
	v->block->format = AV_SAMPLE_FMT_FLTP;
	v->block->sample_rate = AUDIO_RATE;
	v->block->ch_layout = mix_layout(v->sound->channels);
	v->block->nb_samples = swr_get_out_samples(v->swr, v->frame->nb_samples);
	if ((rc = av_frame_get_buffer(v->block, 0)) < 0)
		return rc;
	rc = swr_convert(v->swr, v->block->extended_data, v->block->nb_samples,
			 (const uint8_t **)v->frame->extended_data, v->frame->nb_samples);
	if (rc >= 0)
		v->block->nb_samples = rc;
	return rc;
}

static void on_frame(struct voice *v)
{
	if (v->frame->pts == AV_NOPTS_VALUE || v->failed || !v->begun)
		return;
	if (v->sound->standard)
		engine_fault(v->e, v->input, FAULT_SILENT,
			     silence_in(v->frame, v->e->conf.silence_db));
	int64_t before = v->swr ? swr_get_delay(v->swr, AUDIO_RATE) : 0,
		at = voice_sample_at(v->frame->pts) - before;

	if (resample(v) < 0)
		v->e->undecoded++;
	else
		place(v, v->block, at);
}

static void receive(struct voice *v)
{
	while (!avcodec_receive_frame(v->dec, v->frame)) {
		on_frame(v);
		av_frame_unref(v->frame);
	}
}

void voice_flush(struct voice *v)
{
	if (v->dec && !avcodec_send_packet(v->dec, NULL))
		receive(v);
	avcodec_free_context(&v->dec);
	swr_free(&v->swr);
}

void voice_source(struct voice *v, const struct work *w)
{
	char err[MEDIA_ERR];

	voice_flush(v);
	v->input = w->input;
	v->fed = w->track >= 0;
	v->splice.rigid = v->begun;
	if (v->begun)
		level_source(&v->level);
	if (!v->fed)
		return;
	v->dec = engine_decoder(&w->info->track[w->track], err);
	if (!v->dec)
		log_warn("audio", "%s", err);
}

void voice_packet(struct voice *v, const struct work *w)
{
	if (w->input != v->input)
		return;
	mav_packet_borrow(v->pkt, w->packet);
	v->pkt->pts = w->out_us;
	v->pkt->dts = AV_NOPTS_VALUE;
	v->pkt->duration = 0;
	int rc = v->dec ? avcodec_send_packet(v->dec, v->pkt) : AVERROR_DECODER_NOT_FOUND;
	av_packet_unref(v->pkt);
	if (rc < 0)
		v->e->undecoded++;
	if (v->dec)
		receive(v);
}

void voice_silence(struct voice *v, int64_t to, bool counts)
{
	int64_t missing = to - v->written;

	if (!v->begun || v->failed || missing <= 0)
		return;
	missing = (missing + v->size - 1) / v->size * v->size;
	v->e->silence += counts ? missing : 0;
	append(v, NULL, 0, missing);
	splice_silence(&v->splice, missing);
}

int voice_begin(struct voice *v, int64_t start)
{
	v->sound = &v->e->sound[v->index];
	v->enc = &v->e->sound_enc[v->index];
	v->size = v->sound->opus ? AUDIO_FRAME_OPUS : AUDIO_FRAME_AAC;
	v->out->format = sample_format(v);
	v->out->sample_rate = AUDIO_RATE;
	v->out->nb_samples = v->size;
	v->out->ch_layout = mix_layout(v->sound->channels);
	int rc = av_frame_get_buffer(v->out, 0);
	if (rc < 0)
		return mav_errno(rc);
	v->written = v->given = base_floor_div(start, v->size) * v->size;
	v->skip = LEVEL_DELAY;
	level_init(&v->level, v->sound->channels, v->sound->loudness);
	show(v);
	v->splice = (struct splice){.next = v->written, .rigid = true};
	v->begun = v->fresh = true;
	return 0;
}

int voice_init(struct voice *v, struct engine *e, int index)
{
	*v = (struct voice){.e = e, .index = index, .input = -1};
	v->pkt = av_packet_alloc();
	v->frame = av_frame_alloc();
	v->block = av_frame_alloc();
	v->out = av_frame_alloc();
	return v->pkt && v->frame && v->block && v->out ? 0 : -ENOMEM;
}

void voice_finish(struct voice *v)
{
	if (v->begun && !v->failed) {
		append(v, NULL, 0, LEVEL_DELAY);
		if (v->have)
			append(v, NULL, 0, v->size - v->have);
		if (!encoder_send(v->enc, NULL))
			for (struct media_packet *p; (p = encoder_receive(v->enc));)
				engine_emit(v->e, EVENT_PACKET, p, 0, NULL);
	}
	avcodec_free_context(&v->dec);
	swr_free(&v->swr);
	av_packet_free(&v->pkt);
	av_frame_free(&v->frame);
	av_frame_free(&v->block);
	av_frame_free(&v->out);
	av_channel_layout_uninit(&v->in_layout);
}
