#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "http/http.h"
#include "log/log.h"
#include "os/os.h"
#include "record.h"
#include "stream/select.h"

/* What may wait for the disk. */
#define QUEUE_BYTES (64 << 20)
#define QUEUE_US (30 * SEC_US)
#define END_US (10 * SEC_US)
#define PAUSE_US (20 * MS_US)

struct app {
	struct conf conf;
	struct conf_common common;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *http;
	struct stream_feed *feed;
	struct writer *writer;
	struct stream_input *input;
	struct stream_select select;
	struct loop_timer second, limit, pause;
	struct metric *m_up;
	bool opened, ending;
	int status;
};

static void on_done(void *arg)
{
	struct app *a = arg;

	loop_stop(a->loop, a->status);
}

static void on_limit(void *arg)
{
	struct app *a = arg;

	log_error(NULL, "the disk does not take the last fragment");
	loop_stop(a->loop, EX_IOERR);
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

static void on_packet(void *arg, struct media_packet *p)
{
	struct app *a = arg;

	if (stream_select_packet(&a->select, p))
		stream_feed_write(a->feed, p);
	media_packet_unref(p);
	/* A file has time; of what is live, the newest counts. */
	if (a->conf.url.scheme == STREAM_FILE && writer_is_behind(a->writer)) {
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

static void on_second(void *arg)
{
	struct app *a = arg;
	char line[200];

	writer_status(a->writer, line, sizeof(line));
	log_status(line);
	loop_timer_in(&a->second, SEC_US);
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
	    .loop = a->loop,
	    .metrics = a->metrics,
	    .done = on_done,
	    .arg = a,
	};

	return writer_create(&a->writer, &c, err);
}

/* Returns the status to exit with, -1 to go on. */
static int set_up(struct app *a)
{
	static const struct stream_input_events events = {on_opened, on_packet, on_lost};
	char err[512] = "";
	int r;

	os_raise_nofile();
	stream_select_finish(&a->select);
	r = loop_create(&a->loop);
	if (!r)
		r = metrics_create(&a->metrics);
	if (!r)
		r = stream_feed_create(&a->feed, QUEUE_BYTES, QUEUE_US);
	if (!r)
		r = loop_on_quit(a->loop, drain, a);
	if (!r) {
		loop_timer_init(a->loop, &a->second, on_second, a);
		loop_timer_init(a->loop, &a->limit, on_limit, a);
		loop_timer_init(a->loop, &a->pause, on_pause, a);
		r = make_writer(a, err);
	}
	if (!r && a->common.metrics)
		r = http_serve_metrics(&a->http, a->loop, a->metrics, a->common.metrics, err);
	if (!r)
		r = stream_input_create(&a->input, a->loop, &a->conf.url, &events, a, err);
	if (!r)
		return -1;
	log_error(NULL, "%s", *err ? err : strerror(-r));
	return os_exit_status(r);
}

static int run(struct app *a)
{
	int status = set_up(a);

	if (status >= 0)
		return status;
	a->m_up =
	    metrics_gauge(a->metrics, "gex_record_source_up", "1 while the source is there.", NULL);
	metrics_counter_fn(a->metrics, "gex_record_dropped_packets_total", "Packets not written.",
			   "reason=\"input\"", input_dropped, a);
	if (log_on_terminal())
		loop_timer_in(&a->second, SEC_US);
	os_ready(a->common.ready_fd);
	return loop_run(a->loop);
}

static void tear_down(struct app *a, int status)
{
	log_status(NULL);
	if (a->loop) {
		loop_timer_stop(&a->second);
		loop_timer_stop(&a->limit);
		loop_timer_stop(&a->pause);
	}
	stream_input_destroy(a->input);
	if (!writer_destroy(a->writer))
		_exit(status);
	stream_feed_destroy(a->feed);
	stream_select_finish(&a->select);
	http_server_destroy(a->http);
	loop_destroy(a->loop);
	metrics_destroy(a->metrics);
	conf_free(&a->conf);
}

int main(int argc, char **argv)
{
	static struct app app;
	char err[CONF_ERR] = "";
	int status = conf_cli(&record_cli, &app.conf, argc, argv, &app.common);

	if (status >= 0)
		goto out;
	if (conf_check(&app.conf, err)) {
		log_error(NULL, "%s", err);
		status = app.common.file ? EX_CONFIG : EX_USAGE;
		goto out;
	}
	media_setup_log();
	if (app.common.test) {
		status = EX_OK;
		puts("configuration OK");
		goto out;
	}
	status = run(&app);
out:
	tear_down(&app, status);
	return status;
}
