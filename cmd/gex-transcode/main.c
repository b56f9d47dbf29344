#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool/tool.h"
#include "transcode.h"

struct app {
	struct tool tool;
	struct conf conf;
	struct figures *figures;
	struct job *job;
};

static void on_ended(void *arg, int status)
{
	struct app *a = arg;

	loop_stop(a->tool.loop, status);
}

static void drain(void *app)
{
	struct app *a = app;

	job_stop(a->job);
}

static void show(void *app, char *line, size_t cap)
{
	struct app *a = app;

	figures_status(a->figures, line, cap);
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;

	return conf_check(&a->conf, err, cap) ? EX_USAGE : EX_OK;
}

static bool confine(void *app, struct os_sandbox *s)
{
	struct app *a = app;

	conf_sandbox(&a->conf, s);
	return a->conf.sandbox;
}

static bool writes_to_terminal(const struct conf *c)
{
	for (size_t i = 0; i < c->outputs.len; i++)
		if (c->outputs.at[i]->url.scheme == STREAM_PIPE)
			return isatty(STDOUT_FILENO);
	return false;
}

static int set_up(void *app, char *err)
{
	struct app *a = app;

	/* Not in check: with -t standard output is another one. */
	if (writes_to_terminal(&a->conf)) {
		snprintf(err, TOOL_ERR,
			 "standard output is a terminal: send it to a file or a program");
		return EX_USAGE;
	}
	media_setup_log();
	int r = figures_create(&a->figures, a->tool.metrics);

	if (!r)
		r = job_create(&a->job, a->tool.loop, &a->conf, a->figures, on_ended, a, err);
	return r;
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

	job_destroy(a->job);
}

static void finish(void *app)
{
	struct app *a = app;

	figures_destroy(a->figures);
	conf_free(&a->conf);
}

static const struct tool_ops ops = {
    .cli = &transcode_cli,
    .check = check,
    .confine = confine,
    .open = set_up,
    .drain = drain,
    .status = show,
    .close = tear_down,
    .finish = finish,
};

TOOL_MAIN(ops)
