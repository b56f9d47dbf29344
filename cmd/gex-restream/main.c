#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "http/http.h"
#include "log/log.h"
#include "os/os.h"
#include "restream.h"
#include "stream/select.h"

#define QUEUE_BYTES (32 << 20)
#define QUIT_US (3 * SEC_US)
#define FINISH_US (30 * SEC_US)

struct app {
	struct conf conf;
	struct conf_common common;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *http;
	struct stream_feed *feed;
	VEC(struct target *) targets;
	struct stream_input *input;
	struct stream_select select;
	struct loop_timer second, limit;
	struct metric *m_up;
	bool opened, ending;
	size_t done;
	int status;
};

static void on_done(void *arg)
{
	struct app *a = arg;

	if (++a->done == a->targets.len)
		loop_stop(a->loop, a->status);
}

static void on_limit(void *arg)
{
	struct app *a = arg;

	log_debug(NULL, "a target does not end in time");
	loop_stop(a->loop, a->status);
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
	struct target **t;

	/* FLV has one video and one audio track. */
	if (stream_select_start(&a->select, info, &a->conf.rung, a->conf.rung != NULL, 1, err)) {
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

static void on_second(void *arg)
{
	struct app *a = arg;
	char line[256] = "", one[100];
	struct target **t;

	vec_for (t, &a->targets) {
		size_t n = strlen(line);

		target_status(*t, one, sizeof(one));
		snprintf(line + n, sizeof(line) - n, "%s%s", n ? " | " : "", one);
	}
	log_status(line);
	loop_timer_in(&a->second, SEC_US);
}

static double input_dropped(void *arg)
{
	struct app *a = arg;

	return a->input ? (double)stream_input_dropped(a->input) : 0;
}

static int make_targets(struct app *a, char *err)
{
	struct targets all = {&a->conf, a->feed, a->loop, a->metrics, on_done, a};
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
		r = stream_feed_create(&a->feed, QUEUE_BYTES, a->conf.queue_us);
	if (!r)
		r = loop_on_quit(a->loop, drain, a);
	if (!r) {
		loop_timer_init(a->loop, &a->second, on_second, a);
		loop_timer_init(a->loop, &a->limit, on_limit, a);
		r = make_targets(a, err);
	}
	if (!r && a->common.metrics)
		r = http_serve_metrics(&a->http, a->loop, a->metrics, a->common.metrics, err);
	if (!r)
		r = stream_input_create(&a->input, a->loop, &a->conf.in, &events, a, err);
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
	a->m_up = metrics_gauge(a->metrics, "gex_restream_source_up",
				"1 while the source is there.", NULL);
	metrics_counter_fn(a->metrics, "gex_restream_input_dropped_packets_total",
			   "Packets of the source not taken.", NULL, input_dropped, a);
	if (log_on_terminal())
		loop_timer_in(&a->second, SEC_US);
	os_ready(a->common.ready_fd);
	return loop_run(a->loop);
}

static void tear_down(struct app *a, int status)
{
	struct target **t;

	log_status(NULL);
	if (a->loop) {
		loop_timer_stop(&a->second);
		loop_timer_stop(&a->limit);
	}
	stream_input_destroy(a->input);
	vec_for (t, &a->targets)
		if (!target_destroy(*t))
			_exit(status);
	vec_free(&a->targets);
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
	int status = conf_cli(&restream_cli, &app.conf, argc, argv, &app.common);

	if (status >= 0)
		goto out;
	status = conf_check(&app.conf, err);
	if (status) {
		log_error(NULL, "%s", err);
		status = status == -EPERM || status == -EACCES ? EX_NOPERM
			 : app.common.file		       ? EX_CONFIG
							       : EX_USAGE;
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
