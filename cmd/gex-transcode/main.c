#include <stdio.h>
#include <unistd.h>

#include "http/http.h"
#include "log/log.h"
#include "os/os.h"
#include "transcode.h"

struct app {
	struct conf conf;
	struct conf_common common;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *http;
	struct figures *figures;
	struct job *job;
	struct loop_timer second;
};

static void on_ended(void *arg, int status)
{
	struct app *a = arg;

	loop_stop(a->loop, status);
}

static void drain(void *arg)
{
	struct app *a = arg;

	if (a->job)
		job_stop(a->job);
	else
		loop_stop(a->loop, EX_OK);
}

static void on_second(void *arg)
{
	struct app *a = arg;
	char line[256];

	figures_status(a->figures, line, sizeof(line));
	log_status(line);
	loop_timer_in(&a->second, SEC_US);
}

/* Returns the status to exit with, -1 to go on. */
static int set_up(struct app *a)
{
	char err[CONF_ERR] = "";
	int rc;

	os_raise_nofile();
	rc = loop_create(&a->loop);
	if (!rc)
		rc = metrics_create(&a->metrics);
	if (!rc)
		rc = figures_create(&a->figures, a->metrics);
	if (!rc)
		rc = loop_on_quit(a->loop, drain, a);
	if (!rc && a->common.metrics)
		rc = http_serve_metrics(&a->http, a->loop, a->metrics, a->common.metrics, err);
	if (!rc)
		rc = job_create(&a->job, a->loop, &a->conf, a->figures, on_ended, a, err);
	if (!rc)
		return -1;
	log_error(NULL, "%s", *err ? err : strerror(-rc));
	return os_exit_status(rc);
}

static void tear_down(struct app *a)
{
	log_status(NULL);
	if (a->loop)
		loop_timer_stop(&a->second);
	http_server_destroy(a->http);
	job_destroy(a->job);
	loop_destroy(a->loop);
	metrics_destroy(a->metrics);
	figures_destroy(a->figures);
	conf_free(&a->conf);
}

static int run(struct app *a)
{
	int status = set_up(a);

	if (status >= 0)
		return status;
	loop_timer_init(a->loop, &a->second, on_second, a);
	if (log_on_terminal())
		loop_timer_in(&a->second, SEC_US);
	os_ready(a->common.ready_fd);
	return loop_run(a->loop);
}

static bool writes_to_terminal(const struct conf *c)
{
	for (size_t i = 0; i < c->outputs.len; i++)
		if (c->outputs.at[i]->url.scheme == STREAM_PIPE)
			return isatty(STDOUT_FILENO);
	return false;
}

int main(int argc, char **argv)
{
	static struct app app;
	char err[CONF_ERR];
	int status = conf_cli(&transcode_cli, &app.conf, argc, argv, &app.common);

	if (status >= 0)
		goto out;
	if (conf_check(&app.conf, err, sizeof(err))) {
		log_error(NULL, "%s", err);
		status = app.common.file ? EX_CONFIG : EX_USAGE;
		goto out;
	}
	if (app.common.test) {
		puts("configuration OK");
		status = EX_OK;
		goto out;
	}
	if (writes_to_terminal(&app.conf)) {
		log_error(NULL, "standard output is a terminal: send it to a file or a program");
		status = EX_USAGE;
		goto out;
	}
	media_setup_log();
	status = run(&app);
out:
	tear_down(&app);
	return status;
}
