#include "tool/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "log/log.h"
#include "os/os.h"

static void on_hangup(void *arg, int signo)
{
	struct tool *t = arg;

	t->ops->hangup(t->app);
}

static void on_watchdog(void *arg)
{
	struct tool *t = arg;

	os_notify("WATCHDOG=1");
	loop_timer_in(&t->watchdog, os_watchdog_us());
}

static void on_second(void *arg)
{
	struct tool *t = arg;
	char line[512] = "";

	t->ops->status(t->app, line, sizeof(line));
	log_status(line);
	loop_timer_in(&t->second, SEC_US);
}

/* 0, or the status to end with. */
static int check(struct tool *t)
{
	char err[TOOL_ERR] = "";
	int status = t->ops->check(t->app, err, sizeof(err));

	if (status)
		log_error(NULL, "%s", err);
	return status == EX_USAGE && t->common.file ? EX_CONFIG : status;
}

/* Before there is any thread. */
static int confine(struct tool *t)
{
	struct os_sandbox s;
	int r = 0;

	if (!t->ops->confine)
		return 0;
	os_sandbox_init(&s);
	if (t->ops->hangup && t->common.file)
		os_sandbox_reread(&s, t->common.file);
	if (t->ops->confine(t->app, &s)) {
		r = os_sandbox_enter(&s);
		t->confined = r ? 0 : s.abi;
		if (r == -ENOSYS)
			log_debug(NULL, "no sandbox: this kernel has no Landlock");
		else if (!r)
			log_debug(NULL, "sandbox: Landlock %d", s.abi);
	}
	os_sandbox_finish(&s);
	return r == -ENOSYS ? 0 : r;
}

static void tell_confined(struct tool *t)
{
	char name[64];

	if (!t->ops->confine)
		return;
	snprintf(name, sizeof(name), "%s_sandbox", t->ops->cli->tool);
	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	metric_set(metrics_gauge(t->metrics, name,
				 "Version of Landlock that confines the process; 0: none.", NULL),
		   t->confined);
}

/* The server of metrics comes first: an address in use is found before any peer is troubled. */
static int make_ground(struct tool *t, char *err)
{
	int r = loop_create(&t->loop);

	if (!r)
		r = metrics_create(&t->metrics);
	if (!r)
		r = loop_on_quit(t->loop, t->ops->drain, t->app);
	if (!r && t->ops->hangup)
		r = loop_on_signal(t->loop, SIGHUP, on_hangup, t);
	if (!r && t->common.metrics)
		r = http_serve_metrics(&t->metrics_server, t->loop, t->metrics, t->common.metrics,
				       err);
	return r;
}

/* 0, or the status to end with. */
static int set_up(struct tool *t)
{
	char err[TOOL_ERR] = "";

	os_raise_nofile();
	int r = confine(t);

	if (r)
		snprintf(err, sizeof(err), "sandbox: %s", strerror(-r));
	if (!r)
		r = make_ground(t, err);
	if (!r)
		tell_confined(t);
	if (!r)
		r = t->ops->open(t->app, err);
	if (r)
		log_error(NULL, "%s", *err || r > 0 ? err : strerror(-r));
	return r < 0 ? os_exit_status(r) : r;
}

static int run(struct tool *t)
{
	int status = set_up(t);

	if (status)
		return status;
	loop_timer_init(t->loop, &t->second, on_second, t);
	loop_timer_init(t->loop, &t->watchdog, on_watchdog, t);
	if (os_watchdog_us())
		loop_timer_in(&t->watchdog, os_watchdog_us());
	if (log_on_terminal())
		loop_timer_in(&t->second, SEC_US);
	os_ready(t->common.ready_fd);
	return loop_run(t->loop);
}

/* What a thread cannot be called off from is not waited for. */
static void tear_down(struct tool *t, int status)
{
	bool closed;

	log_status(NULL);
	loop_timer_stop(&t->second);
	loop_timer_stop(&t->watchdog);
	http_server_destroy(t->metrics_server);
	t->ops->close(t->app, status);
	closed = loop_destroy(t->loop);
	metrics_destroy(t->metrics);
	t->ops->finish(t->app);
	if (closed)
		return;
	log_debug(NULL, "something that would not end is left behind");
	_exit(status);
}

bool tool_reread(struct tool *t, void *root)
{
	struct conf_common common;

	return conf_cli(t->ops->cli, root, t->argc, t->argv, &common) < 0;
}

bool tool_reread_checked(struct tool *t, void *root,
			 int (*check_root)(const void *root, char *err, size_t cap))
{
	char err[TOOL_ERR] = "";

	if (!t->common.file)
		return false;
	if (tool_reread(t, root) && !check_root(root, err, sizeof(err)))
		return true;
	if (*err)
		log_error(NULL, "%s", err);
	log_error(NULL, "the configuration stays as it was");
	return false;
}

int tool_main(struct tool *t, int argc, char **argv)
{
	t->argc = argc;
	t->argv = argv;
	int status = conf_cli(t->ops->cli, t->conf, argc, argv, &t->common);

	if (status >= 0)
		goto out;
	status = check(t);
	if (status)
		goto out;
	if (t->common.test)
		puts("configuration OK");
	else
		status = run(t);
out:
	tear_down(t, status);
	return status;
}
