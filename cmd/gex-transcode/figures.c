#include <errno.h>
#include <stdio.h>

#include "os/os.h"
#include "transcode.h"

/* A figure that somebody else keeps: what a metric's function is given. */
struct reading {
	struct figures *f;
	double (*get)(const struct figures *f, int i);
	int i;
};

#define READINGS_MAX \
	(64 + 2 * THUMBS_MAX + 2 * INPUTS_MAX * ENGINE_ALERTS + 12 * LADDER_MAX + \
	 4 * OUTPUTS_MAX + 5 * SOUNDS_MAX)

#define FRAMES_MAX 2048

struct figures {
	struct metrics *m;
	struct engine *engine;
	struct engine_stats now, before; /* before: a second ago, for the status line */
	struct stream_sink *sink[OUTPUTS_MAX];
	int sinks;
	struct media_info *info;
	struct metric *encode[MEDIA_TRACKS_MAX], *latency[MEDIA_TRACKS_MAX];
	int64_t stats_at_us, status_at_us;
	/* Of the video packets since the last status line. */
	int64_t took_us[FRAMES_MAX], late_us[FRAMES_MAX];
	int frames;
	int64_t bytes[MEDIA_TRACKS_MAX],
	    bytes_before[MEDIA_TRACKS_MAX]; /* given out of each track */
	struct reading reading[READINGS_MAX];
	int readings;
};

static const double seconds[] = {.001, .002, .003, .005, .0075, .01, .015, .02, .03, .04, .06, .08,
				 .1,   .15,  .2,   .3,	 .5,	.75, 1,	   1.5, 2,   3,	  5};

int figures_create(struct figures **out, struct metrics *m)
{
	struct figures *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->m = m;
	f->status_at_us = os_mono_us();
	*out = f;
	return 0;
}

void figures_destroy(struct figures *f)
{
	if (!f)
		return;
	media_info_unref(f->info);
	free(f);
}

/* One snapshot for all metrics of a scrape. */
static const struct engine_stats *stats(struct figures *f)
{
	int64_t now = os_mono_us();

	if (f->engine && now - f->stats_at_us > MS_US) {
		engine_stats(f->engine, &f->now);
		f->stats_at_us = now;
	}
	return &f->now;
}

static double read_figure(void *arg)
{
	struct reading *r = arg;

	stats(r->f);
	return r->get(r->f, r->i);
}

static void add(struct figures *f, bool counter, const char *name, const char *help,
		const char *labels, double (*get)(const struct figures *f, int i), int i)
{
	if (f->readings == READINGS_MAX)
		return;
	struct reading *r = &f->reading[f->readings++];
	*r = (struct reading){f, get, i};
	if (counter)
		metrics_counter_fn(f->m, name, help, labels, read_figure, r);
	else
		metrics_gauge_fn(f->m, name, help, labels, read_figure, r);
}

#define GETTER(fn, expr) \
	static double fn(const struct figures *f, int i) \
	{ \
		return (double)(expr); \
	}
GETTER(get_frames, f->now.frames_in)
GETTER(get_bytes, f->now.bytes_in)
GETTER(get_damaged, f->now.damaged)
GETTER(get_undecoded, f->now.undecoded)
GETTER(get_skipped, f->now.skipped)
GETTER(get_broken, f->now.broken)
GETTER(get_switches, f->now.switches[i])
GETTER(get_slates, f->now.slates)
GETTER(get_slate, f->now.slate)
GETTER(get_opened, f->now.input[i].opened)
GETTER(get_present, f->now.input[i].present)
GETTER(get_active, f->now.input[i].active)
GETTER(get_alert, f->now.input[i / ENGINE_ALERTS].alerted >> i % ENGINE_ALERTS & 1)
GETTER(get_alerts, f->now.input[i / ENGINE_ALERTS].alerts[i % ENGINE_ALERTS])
GETTER(get_silence, f->now.silence_samples / 48000.0)
GETTER(get_overrun, f->now.overrun)
GETTER(get_cut, f->now.cut_samples / 48000.0)
GETTER(get_repair, f->now.repairs[i])
GETTER(get_decode, f->now.decode_us / 1e6)
GETTER(get_queued, f->now.queued)
GETTER(get_thumbs, f->now.thumb[i].written)
GETTER(get_thumbs_failed, f->now.thumb[i].failed)
GETTER(get_rung_bytes, f->bytes[i])
GETTER(get_rung_frames, f->now.rung[i].frames)
GETTER(get_rung_dropped, f->now.rung[i].dropped)
GETTER(get_rung_repeated, f->now.rung[i].repeated)
GETTER(get_rung_instead, f->now.rung[i].instead)
GETTER(get_rung_captioned, f->now.rung[i].captioned)
GETTER(get_rung_ready, f->now.rung[i].ready)
GETTER(get_rung_scale, f->now.rung[i].scale_us / 1e6)
GETTER(get_rung_busy, f->now.rung[i].encode_us / 1e6)
GETTER(get_rung_queued, f->now.rung[i].queued)
GETTER(get_side, f->now.side_packets)
GETTER(get_side_dropped, f->now.side_dropped)
GETTER(get_momentary, f->now.sound[i].momentary)
GETTER(get_short_term, f->now.sound[i].short_term)
GETTER(get_integrated, f->now.sound[i].integrated)
GETTER(get_gain, f->now.sound[i].gain)
GETTER(get_limited, f->now.sound[i].limited / 48000.0)
GETTER(get_sink_bytes, f->sink[i] ? stream_sink_stats(f->sink[i]).bytes : 0)
GETTER(get_sink_readers, f->sink[i] ? stream_sink_stats(f->sink[i]).readers : 0)
GETTER(get_sink_dropped, f->sink[i] ? stream_sink_stats(f->sink[i]).dropped : 0)
GETTER(get_sink_cut, f->sink[i] ? stream_sink_stats(f->sink[i]).cut : 0)
GETTER(get_sink_queued, f->sink[i] ? stream_sink_queued(f->sink[i]) : 0)

static void add_alerts(struct figures *f, int input, const char *number)
{
	for (int k = 0; k < ENGINE_ALERTS; k++) {
		char label[96] = "";

		metrics_label(label, sizeof(label), "input", number);
		metrics_label(label, sizeof(label), "kind",
			      k < FAILOVER_FAULTS ? failover_why_name[k]
						  : alert_name[k - FAILOVER_FAULTS]);
		add(f, false, "gex_transcode_alert", "1 while this is so.", label, get_alert,
		    input * ENGINE_ALERTS + k);
		add(f, true, "gex_transcode_alerts_total", "How often there was an alert.", label,
		    get_alerts, input * ENGINE_ALERTS + k);
	}
}

void figures_engine(struct figures *f, struct engine *e)
{
	f->engine = e;
	add(f, true, "gex_transcode_input_frames_total", "Video frames read from the source.", NULL,
	    get_frames, 0);
	add(f, true, "gex_transcode_input_bytes_total", "Bytes of coded frames read.", NULL,
	    get_bytes, 0);
	add(f, true, "gex_transcode_input_damaged_total", "Packets that the demuxer refused.", NULL,
	    get_damaged, 0);
	add(f, true, "gex_transcode_undecoded_total",
	    "Packets and pictures that could not be decoded or scaled.", NULL, get_undecoded, 0);
	add(f, true, "gex_transcode_decode_seconds_total", "Time spent in decoding pictures.", NULL,
	    get_decode, 0);
	add(f, false, "gex_transcode_queued_packets", "Packets waiting to be decoded.", NULL,
	    get_queued, 0);
	add(f, true, "gex_transcode_skipped_total",
	    "Pictures not decoded because the machine lagged.", NULL, get_skipped, 0);
	add(f, true, "gex_transcode_broken_total", "Pictures left out because of damage.", NULL,
	    get_broken, 0);
	add(f, true, "gex_transcode_slates_total", "How often the slate came.", NULL, get_slates,
	    0);
	add(f, false, "gex_transcode_slate", "1 while the slate is shown.", NULL, get_slate, 0);
	engine_stats(e, &f->now);
	for (int i = 0; i < f->now.inputs; i++) {
		char label[48] = "", number[16];

		snprintf(number, sizeof(number), "%d", i + 1);
		metrics_label(label, sizeof(label), "input", number);
		add(f, true, "gex_transcode_input_opened_total", "How often the source came.",
		    label, get_opened, i);
		add(f, false, "gex_transcode_input_up", "1 while the source is there.", label,
		    get_present, i);
		add(f, false, "gex_transcode_input_active", "1 for the input that is encoded.",
		    label, get_active, i);
		add_alerts(f, i, number);
	}
	add(f, true, "gex_transcode_side_packets_total",
	    "Cues, timed metadata and thumbnails passed on.", NULL, get_side, 0);
	add(f, true, "gex_transcode_side_dropped_total", "Cues and timed metadata left out.", NULL,
	    get_side_dropped, 0);
	add(f, true, "gex_transcode_silence_seconds_total",
	    "Silence put where the source had no sound.", NULL, get_silence, 0);
	add(f, true, "gex_transcode_cut_seconds_total", "Sound cut because its place was taken.",
	    NULL, get_cut, 0);
	add(f, true, "gex_transcode_overrun_total", "Packets lost because the process was held up.",
	    NULL, get_overrun, 0);
	for (int i = 0; i < FAILOVER_WHYS; i++) {
		char label[48] = "";

		metrics_label(label, sizeof(label), "why", failover_why_name[i]);
		add(f, true, "gex_transcode_switches_total", "How often another input took over.",
		    label, get_switches, i);
	}
	for (int i = 0; i < f->now.thumbs; i++) {
		char label[96] = "";

		metrics_label(label, sizeof(label), "thumbnail", f->now.thumb[i].name);
		add(f, true, "gex_transcode_thumbnails_total", "Thumbnails written.", label,
		    get_thumbs, i);
		add(f, true, "gex_transcode_thumbnails_failed_total",
		    "Thumbnails that could not be made or written.", label, get_thumbs_failed, i);
	}
	for (int i = 0; i < TIMELINE_REPAIRS; i++) {
		char label[48] = "";

		metrics_label(label, sizeof(label), "kind", timeline_repair_name[i]);
		add(f, true, "gex_transcode_repairs_total", "Repairs of the source's time.", label,
		    get_repair, i);
	}
}

void figures_sink(struct figures *f, const char *name, struct stream_sink *s)
{
	char label[128] = "";
	int i = f->sinks;

	if (i == OUTPUTS_MAX)
		return;
	f->sink[f->sinks++] = s;
	metrics_label(label, sizeof(label), "output", name);
	add(f, true, "gex_transcode_output_bytes_total", "Bytes written.", label, get_sink_bytes,
	    i);
	add(f, false, "gex_transcode_output_readers", "Readers now.", label, get_sink_readers, i);
	add(f, false, "gex_transcode_output_queued_bytes",
	    "Bytes that the slowest reader still has to take.", label, get_sink_queued, i);
	add(f, true, "gex_transcode_output_dropped_total", "Packets that slow readers missed.",
	    label, get_sink_dropped, i);
	add(f, true, "gex_transcode_output_cut_total", "Readers ended for being too slow.", label,
	    get_sink_cut, i);
}

void figures_sinks_close(struct figures *f)
{
	memset(f->sink, 0, sizeof(f->sink));
}

static void add_sound(struct figures *f, const char *name, int i)
{
	static const struct {
		const char *window;
		double (*get)(const struct figures *f, int i);
	} loudness[] = {{"momentary", get_momentary},
			{"short_term", get_short_term},
			{"integrated", get_integrated}};
	char label[64] = "";

	metrics_label(label, sizeof(label), "audio", name);
	add(f, false, "gex_transcode_loudness_gain_db", "Gain applied now.", label, get_gain, i);
	add(f, true, "gex_transcode_limited_seconds_total", "Sound made lower for its peaks.",
	    label, get_limited, i);
	for (size_t k = 0; k < ARRAY_LEN(loudness); k++) {
		char both[128];

		str_copy(both, sizeof(both), label);
		metrics_label(both, sizeof(both), "window", loudness[k].window);
		add(f, false, "gex_transcode_loudness_lufs",
		    "Loudness of what the source sends (EBU R128).", both, loudness[k].get, i);
	}
}

void figures_start(struct figures *f, struct media_info *info)
{
	int sounds = 0;

	f->info = media_info_ref(info);
	for (int i = 0; i < info->n; i++) {
		char label[64] = "";

		metrics_label(label, sizeof(label), "rung", info->track[i].name);
		f->encode[i] = metrics_histogram(f->m, "gex_transcode_encode_seconds",
						 "Time to scale and encode a frame.", label,
						 seconds, ARRAY_LEN(seconds));
		f->latency[i] = metrics_histogram(f->m, "gex_transcode_latency_seconds",
						  "Now minus the frame's instant, when it leaves.",
						  label, seconds, ARRAY_LEN(seconds));
		add(f, true, "gex_transcode_rung_bytes_total", "Bytes made.", label, get_rung_bytes,
		    i);
		if (info->track[i].kind == MEDIA_AUDIO)
			add_sound(f, info->track[i].name, sounds++);
		if (info->track[i].kind != MEDIA_VIDEO)
			continue;
		add(f, true, "gex_transcode_frames_total", "Frames encoded.", label,
		    get_rung_frames, i);
		add(f, true, "gex_transcode_dropped_total", "Frames dropped at the encoder's door.",
		    label, get_rung_dropped, i);
		add(f, true, "gex_transcode_repeated_total", "Frames that repeat the one before.",
		    label, get_rung_repeated, i);
		add(f, true, "gex_transcode_captioned_total", "Frames with captions.", label,
		    get_rung_captioned, i);
		add(f, false, "gex_transcode_fallback",
		    "1 where the processor encodes because the card could not be had.", label,
		    get_rung_instead, i);
		add(f, false, "gex_transcode_scaled_frames", "Scaled frames before the encoder.",
		    label, get_rung_ready, i);
		add(f, true, "gex_transcode_scale_seconds_total", "Time spent in scaling.", label,
		    get_rung_scale, i);
		add(f, true, "gex_transcode_busy_seconds_total", "Time spent in encoding.", label,
		    get_rung_busy, i);
		add(f, false, "gex_transcode_queued_frames", "Frames waiting for the encoder.",
		    label, get_rung_queued, i);
	}
}

void figures_packet(struct figures *f, const struct media_packet *p, int64_t took_us,
		    int64_t utc_us)
{
	int64_t late = utc_us - media_packet_us(f->info, p);

	if (p->track >= f->info->n)
		return;
	metric_observe(f->encode[p->track], (double)took_us / 1e6);
	metric_observe(f->latency[p->track], (double)late / 1e6);
	f->bytes[p->track] += (int64_t)p->size;
	if (f->info->track[p->track].kind != MEDIA_VIDEO || f->frames == FRAMES_MAX)
		return;
	f->took_us[f->frames] = took_us;
	f->late_us[f->frames++] = late;
}

static int by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* In ms, what so many per cent of the frames were below; us: sorted. */
static double below(const struct figures *f, const int64_t *us, int percent)
{
	return f->frames ? (double)us[MIN(f->frames * percent / 100, f->frames - 1)] / 1e3 : 0;
}

/* How many there were, and of which kinds: "3 (late 2, skip 1)". Drift is no number of repairs. */
static void repairs(const struct engine_stats *s, char *text, size_t cap)
{
	char kinds[128] = "";
	size_t n = 0;
	int64_t all = 0;

	for (int i = 0; i < TIMELINE_REPAIRS; i++) {
		if (i == REPAIR_DRIFT || !s->repairs[i] || n >= sizeof(kinds))
			continue;
		all += s->repairs[i];
		n += (size_t)snprintf(kinds + n, sizeof(kinds) - n, "%s%s %lld", n ? ", " : "",
				      timeline_repair_name[i], (long long)s->repairs[i]);
	}
	snprintf(text, cap, all ? "%lld (%s)" : "%lld", (long long)all, kinds);
}

/* Of all renditions in Mbit/s, then of each one's pictures: "5.13 Mbit/s (2.80 1.40 0.80)". */
static void rates(struct figures *f, double span, char *text, size_t cap)
{
	int tracks = f->info ? f->info->n : 0;
	char each[128] = "";
	size_t n = 0;
	double all = 0;

	for (int i = 0; i < tracks; i++) {
		double rate = (double)(f->bytes[i] - f->bytes_before[i]) * 8e-6 / span;

		all += rate;
		if (f->info->track[i].kind == MEDIA_VIDEO && n < sizeof(each))
			n += (size_t)snprintf(each + n, sizeof(each) - n, "%s%.2f", n ? " " : "",
					      rate);
	}
	snprintf(text, cap, "%.2f Mbit/s (%s)", all, each);
	memcpy(f->bytes_before, f->bytes, sizeof(f->bytes));
}

/* In per cent of the time, what decoding, scaling and the busiest encoder worked: a stage near 100 is the slow one. */
static void busy(const struct figures *f, double span, char *text, size_t cap)
{
	const struct engine_stats *s = &f->now, *b = &f->before;
	int64_t scale = 0, most = 0;
	int slowest = 0;

	for (int i = 0; i < s->rungs; i++) {
		int64_t us = s->rung[i].encode_us - b->rung[i].encode_us;

		scale += s->rung[i].scale_us - b->rung[i].scale_us;
		if (us > most)
			most = us, slowest = i;
	}
	snprintf(text, cap, "busy: decode %.0f%%, scale %.0f%%, %s %.0f%%",
		 (double)(s->decode_us - b->decode_us) / span / 1e4, (double)scale / span / 1e4,
		 f->info ? f->info->track[slowest].name : "encode", (double)most / span / 1e4);
}

static const char *state(const struct figures *f)
{
	return f->now.slate	? "slate:"
	       : f->now.present ? "live:"
	       : f->info	? "source gone:"
				: "waiting:";
}

void figures_status(struct figures *f, char *line, size_t cap)
{
	const struct engine_stats *s = stats(f), *b = &f->before;
	int64_t now = os_mono_us(), dropped = 0, repeated = 0, frames = 0, was = 0;
	int queued = 0;
	double span = (double)MAX(now - f->status_at_us, 1) / 1e6;
	char stages[96], made[160], repaired[160];

	for (int i = 0; i < s->rungs; i++) {
		dropped += s->rung[i].dropped;
		repeated += s->rung[i].repeated;
		frames += s->rung[i].frames;
		was += b->rung[i].frames;
		queued += s->rung[i].queued;
	}
	busy(f, span, stages, sizeof(stages));
	rates(f, span, made, sizeof(made));
	repairs(s, repaired, sizeof(repaired));
	qsort(f->took_us, (size_t)f->frames, sizeof(*f->took_us), by_size);
	qsort(f->late_us, (size_t)f->frames, sizeof(*f->late_us), by_size);
	snprintf(line, cap,
		 "%s in %.1f fps %.2f Mbit/s, out %d x %.1f fps %s, encode %.1f/%.1f ms, "
		 "latency %.0f/%.0f ms, queued %d+%d, %s, "
		 "dropped %lld, repeated %lld, damaged %lld, repairs %s",
		 state(f), (double)(s->frames_in - b->frames_in) / span,
		 (double)(s->bytes_in - b->bytes_in) * 8e-6 / span, s->rungs,
		 s->rungs ? (double)(frames - was) / span / s->rungs : 0.0, made,
		 below(f, f->took_us, 50), below(f, f->took_us, 99), below(f, f->late_us, 50),
		 below(f, f->late_us, 99), s->queued, queued, stages, (long long)dropped,
		 (long long)repeated, (long long)(s->damaged + s->undecoded + s->broken), repaired);
	f->frames = 0;
	f->before = *s;
	f->status_at_us = now;
}
