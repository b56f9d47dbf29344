/* A target is a push (RTMP, with a thread of its own) or a sink (SRT, on the loop), and its metrics. */
#include <errno.h>
#include <stdio.h>

#include "log/log.h"
#include "push.h"

#define SINK_END_US (2 * SEC_US)

struct target {
	struct targets all;
	const struct target_conf *conf;
	struct push *push;
	struct stream_sink *sink;
};

static struct push_stats stats(struct target *t)
{
	struct push_stats s = {0};
	struct stream_sink_stats k;

	if (t->push)
		push_stats(t->push, &s);
	if (t->sink) {
		k = stream_sink_stats(t->sink);
		s.connected = k.readers > 0;
		s.bytes = k.bytes;
		s.packets = k.packets;
		s.dropped = k.dropped;
		s.connects = k.readers + k.left;
		s.failures = k.cut;
	}
	return s;
}

static double get_connected(void *arg)
{
	return stats(arg).connected;
}

static double get_bytes(void *arg)
{
	return (double)stats(arg).bytes;
}

static double get_dropped(void *arg)
{
	return (double)stats(arg).dropped;
}

static double get_connects(void *arg)
{
	return (double)stats(arg).connects;
}

static double get_failures(void *arg)
{
	return (double)stats(arg).failures;
}

static void make_metrics(struct target *t)
{
	struct metrics *m = t->all.metrics;
	char label[128] = "";

	metrics_label(label, sizeof(label), "target", t->conf->name);
	metrics_gauge_fn(m, "gex_restream_connected", "1 while the target takes the stream.", label,
			 get_connected, t);
	metrics_counter_fn(m, "gex_restream_sent_bytes_total", "Media bytes sent.", label,
			   get_bytes, t);
	metrics_counter_fn(m, "gex_restream_dropped_packets_total",
			   "Packets not sent because the target was too slow or away.", label,
			   get_dropped, t);
	metrics_counter_fn(m, "gex_restream_connects_total", "Connections that were made.", label,
			   get_connects, t);
	metrics_counter_fn(m, "gex_restream_failures_total",
			   "Connections that failed or were lost.", label, get_failures, t);
}

int target_create(struct target **out, const struct targets *all, struct target_conf *c, char *err)
{
	struct target *t = calloc(1, sizeof(*t));
	int r = -ENOMEM;

	*err = 0;
	*out = NULL;
	if (!t)
		goto fail;
	t->all = *all;
	t->conf = c;
	if (c->parsed.scheme == STREAM_SRT)
		r = stream_sink_create(&t->sink, all->loop, &c->parsed, err);
	else
		r = push_create(&t->push, all, c);
	if (r)
		goto fail;
	make_metrics(t);
	*out = t;
	return 0;
fail:
	if (!*err)
		snprintf(err, MEDIA_ERR, "%s: %s", c->parsed.shown, strerror(-r));
	free(t);
	return r;
}

void target_start(struct target *t, struct media_info *info)
{
	/* What it cannot carry it has said. */
	if (t->sink && stream_sink_start(t->sink, info))
		log_debug(t->conf->parsed.shown, "not started");
}

void target_write(struct target *t, struct media_packet *p)
{
	if (t->sink)
		stream_sink_write(t->sink, p);
}

void target_end(struct target *t)
{
	if (t->sink)
		stream_sink_close(t->sink, SINK_END_US, t->all.done, t->all.arg);
	t->sink = NULL;
}

bool target_destroy(struct target *t)
{
	if (!t)
		return true;
	if (!push_destroy(t->push))
		return false;
	stream_sink_close(t->sink, 0, NULL, NULL);
	free(t);
	return true;
}

void target_status(struct target *t, char *out, size_t cap)
{
	struct push_stats s = stats(t);

	if (s.connected)
		snprintf(out, cap, "%s: %.1f MB, %lld dropped", t->conf->name,
			 (double)s.bytes / 1e6, (long long)s.dropped);
	else
		snprintf(out, cap, "%s: %.40s", t->conf->name, *s.reason ? s.reason : "waiting");
}
