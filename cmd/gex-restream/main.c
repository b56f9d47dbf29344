#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "log/log.h"
#include "restream.h"
#include "stream/select.h"
#include "tool/tool.h"

#define QUEUE_BYTES (32 << 20)
#define QUIT_US (3 * SEC_US)
#define FINISH_US (30 * SEC_US)

struct app {
	struct tool tool;
	struct conf conf;
	struct stream_feed *feed;
	VEC(struct target *) targets;
	struct stream_input *input;
	struct stream_select select;
	struct loop_timer limit;
	struct metric *m_up;
	bool opened, ending;
	size_t done;
	int status;
};

static void on_done(void *arg)
{
	struct app *a = arg;

	if (++a->done == a->targets.len)
		loop_stop(a->tool.loop, a->status);
}

static void on_limit(void *arg)
{
	struct app *a = arg;

	log_debug(NULL, "a target does not end in time");
	loop_stop(a->tool.loop, a->status);
}

/* No more input; the targets send what they have. */
static void end(struct app *a, int status, int64_t limit_us)
{
	struct target **t;

	if (a->ending)
		return;
	a->ending = true;
	a->status = status;
	stream_input_destroy(a->input);
	a->input = NULL;
	stream_feed_end(a->feed);
	vec_for (t, &a->targets)
		target_end(*t);
	loop_timer_in(&a->limit, limit_us);
}

static void drain(void *arg)
{
	end(arg, EX_OK, QUIT_US);
}

static void on_opened(void *arg, struct media_info *info)
{
	struct app *a = arg;
	char err[MEDIA_ERR] = "out of memory";
	char *names[2];
	size_t n = 0;
	struct target **t;

	/* FLV has one video and one audio track. */
	if (a->conf.rung)
		names[n++] = a->conf.rung;
	if (a->conf.audio)
		names[n++] = a->conf.audio;
	if (stream_select_start(&a->select, info, names, n, 1, err)) {
		log_error(a->conf.in.shown, "%s", err);
		return;
	}
	a->opened = true;
	metric_set(a->m_up, 1);
	stream_feed_start(a->feed, a->select.info);
	vec_for (t, &a->targets)
		target_start(*t, a->select.info);
}

static void on_packet(void *arg, struct media_packet *p)
{
	struct app *a = arg;
	struct target **t;

	if (stream_select_packet(&a->select, p)) {
		stream_feed_write(a->feed, p);
		vec_for (t, &a->targets)
			target_write(*t, p);
	}
	media_packet_unref(p);
}

static void on_lost(void *arg, const char *reason, bool final)
{
	struct app *a = arg;

	metric_set(a->m_up, 0);
	if (!final)
		log_warn(a->conf.in.shown, "lost: %s", reason);
	else if (a->opened)
		log_info(a->conf.in.shown, "%s", reason);
	else
		log_error(a->conf.in.shown, "%s", reason);
	if (final)
		end(a, a->opened ? EX_OK : EX_DATAERR, FINISH_US);
}

static void show(void *app, char *line, size_t cap)
{
	struct app *a = app;
	char one[100];
	struct target **t;

	vec_for (t, &a->targets) {
		size_t n = strlen(line);

		target_status(*t, one, sizeof(one));
		snprintf(line + n, cap - n, "%s%s", n ? " | " : "", one);
	}
}

static double input_dropped(void *arg)
{
	struct app *a = arg;

	return a->input ? (double)stream_input_dropped(a->input) : 0;
}

static int make_targets(struct app *a, char *err)
{
	struct targets all = {&a->conf, a->feed, a->tool.loop, a->tool.metrics, on_done, a};
	struct target_conf **c;

	vec_for (c, &a->conf.targets) {
		struct target *t;
		int r = target_create(&t, &all, *c, err);

		if (r)
			return r;
		if (vec_push(&a->targets, t)) {
			target_destroy(t);
			return -ENOMEM;
		}
	}
	return 0;
}

static void export_figures(struct app *a)
{
	struct metrics *m = a->tool.metrics;

	a->m_up = metrics_gauge(m, "gex_restream_source_up", "1 while the source is there.", NULL);
	metrics_counter_fn(m, "gex_restream_input_dropped_packets_total",
			   "Packets of the source not taken.", NULL, input_dropped, a);
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;
	int r = conf_check(&a->conf, err);

	if (r == -EPERM || r == -EACCES)
		return EX_NOPERM;
	return r ? EX_USAGE : EX_OK;
}

static bool confine(void *app, struct os_sandbox *s)
{
	struct app *a = app;
	struct target_conf **c;

	stream_sandbox_input(&a->conf.in, s);
	vec_for (c, &a->conf.targets)
		stream_sandbox_output(&(*c)->parsed, s);
	return a->conf.sandbox;
}

static int set_up(void *app, char *err)
{
	static const struct stream_input_events events = {
	    .opened = on_opened, .packet = on_packet, .lost = on_lost};
	struct app *a = app;

	media_setup_log();
	stream_select_finish(&a->select);
	loop_timer_init(a->tool.loop, &a->limit, on_limit, a);
	int r = stream_feed_create(&a->feed, QUEUE_BYTES, a->conf.queue_us);

	if (!r)
		r = make_targets(a, err);
	if (!r)
		r = stream_input_create(&a->input, a->tool.loop, &a->conf.in, &events, a, err);
	if (!r)
		export_figures(a);
	return r;
}

static void tear_down(void *app, int status)
{
	struct app *a = app;
	struct target **t;

	loop_timer_stop(&a->limit);
	stream_input_destroy(a->input);
	vec_for (t, &a->targets)
		if (!target_destroy(*t))
			_exit(status);
	vec_free(&a->targets);
	stream_feed_destroy(a->feed);
	stream_select_finish(&a->select);
}

static void finish(void *app)
{
	struct app *a = app;

	conf_free(&a->conf);
}

static const struct tool_ops ops = {
    .cli = &restream_cli,
    .check = check,
    .confine = confine,
    .open = set_up,
    .drain = drain,
    .status = show,
    .close = tear_down,
    .finish = finish,
};

TOOL_MAIN(ops)
