#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "log/log.h"
#include "record.h"
#include "stream/select.h"
#include "tool/tool.h"

/* What may wait for the disk. */
#define QUEUE_BYTES (64 << 20)
#define QUEUE_US (30 * SEC_US)
#define END_US (10 * SEC_US)
#define PAUSE_US (20 * MS_US)

struct app {
	struct tool tool;
	struct conf conf;
	struct stream_feed *feed;
	struct writer *writer;
	struct stream_input *input;
	struct stream_select select;
	struct loop_timer limit, pause;
	struct metric *m_up;
	bool opened, ending;
	int status;
};

static void on_done(void *arg)
{
	struct app *a = arg;

	loop_stop(a->tool.loop, a->status);
}

static void on_limit(void *arg)
{
	struct app *a = arg;

	log_error(NULL, "the disk does not take the last fragment");
	loop_stop(a->tool.loop, EX_IOERR);
}

/* No more input; what is queued goes to the disk, and then on_done comes. */
static void end(struct app *a, int status)
{
	if (a->ending)
		return;
	a->ending = true;
	a->status = status;
	stream_input_destroy(a->input);
	a->input = NULL;
	stream_feed_end(a->feed);
	loop_timer_in(&a->limit, END_US);
}

static void drain(void *arg)
{
	end(arg, EX_OK);
}

static void on_opened(void *arg, struct media_info *info)
{
	struct app *a = arg;
	char err[MEDIA_ERR] = "out of memory";

	if (stream_select_start(&a->select, info, a->conf.rungs.at, a->conf.rungs.len,
				MEDIA_TRACKS_MAX, err)) {
		log_error(a->conf.url.shown, "%s", err);
		return;
	}
	a->opened = true;
	metric_set(a->m_up, 1);
	stream_feed_start(a->feed, a->select.info);
}

/* Those have time: whoever writes there waits, or chooses what to leave out. Of what is live the newest counts. */
static bool can_wait(const struct stream_url *u)
{
	return u->scheme == STREAM_FILE || u->scheme == STREAM_PIPE;
}

static void on_packet(void *arg, struct media_packet *p)
{
	struct app *a = arg;

	if (stream_select_packet(&a->select, p))
		stream_feed_write(a->feed, p);
	media_packet_unref(p);
	if (can_wait(&a->conf.url) && writer_is_behind(a->writer)) {
		stream_input_pause(a->input, true);
		loop_timer_in(&a->pause, PAUSE_US);
	}
}

static void on_pause(void *arg)
{
	struct app *a = arg;

	if (!a->input)
		return;
	if (writer_is_behind(a->writer))
		loop_timer_in(&a->pause, PAUSE_US);
	else
		stream_input_pause(a->input, false);
}

static void on_lost(void *arg, const char *reason, bool final)
{
	struct app *a = arg;

	metric_set(a->m_up, 0);
	if (!final)
		log_warn(a->conf.url.shown, "lost: %s", reason);
	else if (a->opened)
		log_info(a->conf.url.shown, "%s", reason);
	else
		log_error(a->conf.url.shown, "%s", reason);
	if (final)
		end(a, a->opened ? EX_OK : EX_DATAERR);
}

static void show(void *app, char *line, size_t cap)
{
	struct app *a = app;

	writer_status(a->writer, line, cap);
}

static double input_dropped(void *arg)
{
	struct app *a = arg;

	return a->input ? (double)stream_input_dropped(a->input) : 0;
}

static int make_writer(struct app *a, char *err)
{
	struct writer_conf c = {
	    .dir = a->conf.dir,
	    .segment_us = a->conf.segment_us,
	    .fragment_us = a->conf.fragment_us,
	    .feed = a->feed,
	    .loop = a->tool.loop,
	    .metrics = a->tool.metrics,
	    .done = on_done,
	    .arg = a,
	};

	return writer_create(&a->writer, &c, err);
}

static void export_figures(struct app *a)
{
	struct metrics *m = a->tool.metrics;

	a->m_up = metrics_gauge(m, "gex_record_source_up", "1 while the source is there.", NULL);
	metrics_counter_fn(m, "gex_record_dropped_packets_total", "Packets not written.",
			   "reason=\"input\"", input_dropped, a);
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;

	return conf_check(&a->conf, err) ? EX_USAGE : EX_OK;
}

static bool confine(void *app, struct os_sandbox *s)
{
	struct app *a = app;

	stream_sandbox_input(&a->conf.url, s);
	os_sandbox_folder(s, a->conf.dir);
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
	loop_timer_init(a->tool.loop, &a->pause, on_pause, a);
	int r = stream_feed_create(&a->feed, QUEUE_BYTES, QUEUE_US);

	if (!r)
		r = make_writer(a, err);
	if (!r)
		r = stream_input_create(&a->input, a->tool.loop, &a->conf.url, &events, a, err);
	if (!r)
		export_figures(a);
	return r;
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

	loop_timer_stop(&a->limit);
	loop_timer_stop(&a->pause);
	stream_input_destroy(a->input);
	if (!writer_destroy(a->writer))
		_exit(status);
	stream_feed_destroy(a->feed);
	stream_select_finish(&a->select);
}

static void finish(void *app)
{
	struct app *a = app;

	conf_free(&a->conf);
}

static const struct tool_ops ops = {
    .cli = &record_cli,
    .check = check,
    .confine = confine,
    .open = set_up,
    .drain = drain,
    .status = show,
    .close = tear_down,
    .finish = finish,
};

TOOL_MAIN(ops)
