/* What Prometheus sees of a package. */
#include <stdio.h>

#include "keys.h"
#include "package.h"

#define LABELS 192

static void label_stream(const struct package *p, char labels[LABELS])
{
	metrics_label(labels, LABELS, "stream", p->conf->name);
}

static double read_latency(void *arg)
{
	return (double)((struct rendition *)arg)->latency_us / 1e6;
}

static double read_count(void *arg)
{
	return (double)*(int64_t *)arg;
}

static double read_rendition_viewers(void *arg)
{
	struct rendition *r = arg;

	return viewers_of(&r->p->viewers, r->t, loop_now_us(r->p->loop));
}

void export_rendition(struct package *p, struct cmaf_track *t)
{
	struct rendition *r = &p->rendition[t->index];
	char labels[LABELS] = "";

	label_stream(p, labels);
	metrics_label(labels, sizeof(labels), "rendition", t->name);
	r->latency_us = 0;
	r->gauge = metrics_gauge_fn(p->metrics, "gex_package_latency_seconds",
				    "Age of the newest frame of the last part when it was listed.",
				    labels, read_latency, r);
	delay_export(&r->source, p->metrics, "gex_package_source_latency_seconds",
		     "Age of each frame when it came, of sources in UTC.", labels);
	delay_export(&r->part, p->metrics, "gex_package_part_latency_seconds",
		     "Age of the newest frame of each part when it was listed.", labels);
	delay_export(&r->sent, p->metrics, "gex_package_sent_latency_seconds",
		     "Age of the newest frame of each part or chunk when it was sent to a player.",
		     labels);
	r->p = p;
	r->t = t;
	r->viewers =
	    metrics_gauge_fn(p->metrics, "gex_package_rendition_viewers",
			     "Estimate of players, by the rendition that they last asked for.",
			     labels, read_rendition_viewers, r);
	r->frames = metrics_counter_fn(p->metrics, "gex_package_frames_total", "Frames packaged.",
				       labels, read_count, &t->frames);
	r->dropped = metrics_counter_fn(
	    p->metrics, "gex_package_dropped_frames_total",
	    "Frames without a place: before the first key frame, late or damaged.", labels,
	    read_count, &t->dropped);
}

void unexport_renditions(struct package *p)
{
	for (size_t i = 0; i < MEDIA_TRACKS_MAX; i++) {
		struct rendition *r = &p->rendition[i];
		struct metric *m[] = {r->gauge,		 r->source.histogram, r->part.histogram,
				      r->sent.histogram, r->frames,	      r->dropped,
				      r->viewers};

		for (size_t k = 0; k < ARRAY_LEN(m); k++)
			if (m[k])
				metrics_remove(p->metrics, m[k]);
		r->gauge = r->frames = r->dropped = r->viewers = NULL;
		r->source = r->part = r->sent = (struct delay){0};
	}
}

static double read_held(void *arg)
{
	return ((struct package *)arg)->held;
}

static double read_viewers(void *arg)
{
	struct package *p = arg;

	return viewers_count(&p->viewers, loop_now_us(p->loop));
}

static double read_bytes(void *arg)
{
	struct package *p = arg;

	return p->cmaf ? (double)p->cmaf->bytes : 0;
}

static double read_bound(void *arg)
{
	return (double)((struct package *)arg)->conf->memory;
}

static double read_input_dropped(void *arg)
{
	struct package *p = arg;

	return p->input ? (double)stream_input_dropped(p->input) : 0;
}

static double read_key_late(void *arg)
{
	return keys_late(((struct package *)arg)->keys);
}

static double read_key_failures(void *arg)
{
	return (double)keys_failures(((struct package *)arg)->keys);
}

static void keep(struct package *p, struct metric *m)
{
	if (m && p->metrics_n < PACKAGE_METRICS)
		p->metric[p->metrics_n++] = m;
}

static void export_gauge(struct package *p, const char *name, const char *help,
			 double (*fn)(void *arg))
{
	char labels[LABELS] = "";

	label_stream(p, labels);
	keep(p, metrics_gauge_fn(p->metrics, name, help, labels, fn, p));
}

static void export_holds(struct package *p)
{
	static const char *kinds[HOLD_KINDS] = {"playlist", "part", "segment"};

	for (int i = 0; i < HOLD_KINDS; i++) {
		char labels[LABELS] = "";

		label_stream(p, labels);
		metrics_label(labels, sizeof(labels), "kind", kinds[i]);
		keep(p, delay_export(&p->hold[i], p->metrics, "gex_package_hold_seconds",
				     "How long requests were held until their answer was there.",
				     labels));
	}
}

static void export_refusals(struct package *p)
{
	for (int i = ACCESS_ADDRESS; i < ACCESS_VERDICTS; i++) {
		char labels[LABELS] = "";

		label_stream(p, labels);
		metrics_label(labels, sizeof(labels), "reason", access_names[i]);
		keep(p, metrics_counter_fn(p->metrics, "gex_package_access_refused_total",
					   "Requests answered by 403, by reason.", labels,
					   read_count, &p->refused_access[i]));
	}
}

static void export_answers(struct package *p)
{
	static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx"};
	char labels[LABELS] = "";

	label_stream(p, labels);
	keep(p, metrics_counter_fn(p->metrics, "gex_package_sent_bytes_total",
				   "Bytes of answers about the stream.", labels, read_count,
				   &p->account.bytes));
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		char both[LABELS];

		str_copy(both, sizeof(both), labels);
		metrics_label(both, sizeof(both), "class", classes[i]);
		keep(p, metrics_counter_fn(p->metrics, "gex_package_responses_total",
					   "Answers about the stream, by class of status.", both,
					   read_count, &p->account.answers[2 + i]));
	}
}

void export_package(struct package *p)
{
	char labels[LABELS] = "";

	label_stream(p, labels);
	export_gauge(p, "gex_package_held_requests", "Requests waiting for what is not yet there.",
		     read_held);
	export_gauge(p, "gex_package_viewers", "Estimate of players, by address and user agent.",
		     read_viewers);
	export_gauge(p, "gex_package_stored_bytes", "Media in memory.", read_bytes);
	export_holds(p);
	export_refusals(p);
	export_answers(p);
	export_gauge(p, "gex_package_key_late", "1 while the key that it is time for has not come.",
		     read_key_late);
	keep(p, metrics_counter_fn(p->metrics, "gex_package_key_failures_total",
				   "Requests to the key server that brought no key.", labels,
				   read_key_failures, p));
	keep(p, metrics_counter_fn(p->metrics, "gex_package_input_dropped_total",
				   "Packets dropped because the packager was too slow.", labels,
				   read_input_dropped, p));
	keep(p, metrics_gauge_fn(p->metrics, "gex_package_memory_bytes",
				 "Bound on gex_package_stored_bytes.", labels, read_bound, p));
	keep(p, metrics_counter_fn(p->metrics, "gex_package_beside_packets_total",
				   "Cues and ID3 taken.", labels, read_count, &p->beside_n[0]));
	keep(p, metrics_counter_fn(p->metrics, "gex_package_beside_dropped_total",
				   "Cues and ID3 that could not be used, or came before media.",
				   labels, read_count, &p->beside_n[1]));
	keep(p, metrics_counter_fn(p->metrics, "gex_package_thumbnails_total", "Thumbnails taken.",
				   labels, read_count, &p->pictures_n[0]));
	keep(p, metrics_counter_fn(p->metrics, "gex_package_thumbnails_dropped_total",
				   "Thumbnails that could not be used: damaged, too many, too "
				   "large, or before media.",
				   labels, read_count, &p->pictures_n[1]));
	keep(p, metrics_counter_fn(p->metrics, "gex_package_restarts_total",
				   "Times the tracks changed so that players had to begin anew.",
				   labels, read_count, &p->restarts));
}

void unexport_package(struct package *p)
{
	for (int i = 0; i < p->metrics_n; i++)
		metrics_remove(p->metrics, p->metric[i]);
	p->metrics_n = 0;
}
