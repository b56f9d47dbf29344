#include <stdio.h>
#include <sysexits.h>

#include "log/log.h"
#include "os/os.h"
#include "package.h"

struct app {
	struct package_conf conf;
	struct conf_common common;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *metrics_server;
	struct package *package;
	struct loop_timer drain;
};

static void on_drained(void *arg)
{
	struct app *a = arg;

	loop_stop(a->loop, EX_OK);
}

/* What is held is answered; what is being sent has a moment to go out. */
static void drain(void *arg)
{
	struct app *a = arg;

	package_drain(a->package);
	loop_timer_in(&a->drain, 200 * MS_US);
}

static void on_ended(void *arg, int status)
{
	struct app *a = arg;

	loop_stop(a->loop, status);
}

/* The status to exit with, -1 to go on. */
static int set_up(struct app *a)
{
	char err[MEDIA_ERR] = "";
	int rc;

	os_raise_nofile();
	media_setup_log();
	rc = loop_create(&a->loop);
	if (!rc)
		rc = metrics_create(&a->metrics);
	if (!rc)
		rc = loop_on_quit(a->loop, drain, a);
	if (!rc)
		rc = package_create(&a->package, &a->conf, a->loop, a->metrics, on_ended, a, err);
	if (!rc && a->common.metrics)
		rc = http_serve_metrics(&a->metrics_server, a->loop, a->metrics, a->common.metrics,
					err);
	if (!rc)
		return -1;
	log_error(NULL, "%s", *err ? err : strerror(-rc));
	return os_exit_status(rc);
}

static int run(struct app *a)
{
	int status = set_up(a);

	if (status >= 0)
		return status;
	loop_timer_init(a->loop, &a->drain, on_drained, a);
	os_ready(a->common.ready_fd);
	return loop_run(a->loop);
}

static void tear_down(struct app *a)
{
	log_status(NULL);
	if (a->loop)
		loop_timer_stop(&a->drain);
	http_server_destroy(a->metrics_server);
	package_destroy(a->package);
	loop_destroy(a->loop);
	metrics_destroy(a->metrics);
}

int main(int argc, char **argv)
{
	static struct app app;
	char err[CONF_ERR];
	int status = conf_cli(&package_cli, &app.conf, argc, argv, &app.common);

	if (status >= 0)
		goto done;
	if (package_conf_check(&app.conf, err, sizeof(err))) {
		log_error(NULL, "%s", err);
		status = app.common.file ? EX_CONFIG : EX_USAGE;
		goto done;
	}
	if (app.common.test) {
		puts("configuration OK");
		status = EX_OK;
		goto done;
	}
	status = run(&app);
	tear_down(&app);
done:
	conf_finish(package_cli.table, NULL, &app.conf);
	return status;
}
