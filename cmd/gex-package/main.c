#include <sysexits.h>

#include "log/log.h"
#include "origin.h"
#include "tool/tool.h"

struct app {
	struct tool tool;
	struct origin_conf conf;
	struct origin *origin;
	struct loop_timer drain;
};

static void on_drained(void *arg)
{
	struct app *a = arg;

	loop_stop(a->tool.loop, EX_OK);
}

static void on_ended(void *arg, int status)
{
	struct app *a = arg;

	loop_stop(a->tool.loop, status);
}

/* What is held is answered; what is being sent has a moment to go out. */
static void drain(void *app)
{
	struct app *a = app;

	origin_drain(a->origin);
	loop_timer_in(&a->drain, 200 * MS_US);
}

static void hangup(void *app)
{
	struct app *a = app;
	struct origin_conf fresh = {0};
	char err[TOOL_ERR] = "";

	if (tool_reread(&a->tool, &fresh)) {
		if (origin_conf_check(&fresh, err, sizeof(err)) ||
		    origin_reload(a->origin, &a->conf, &fresh, err))
			log_error(NULL, "not reloaded: %s", err);
		else
			log_info(NULL, "reloaded");
	}
	conf_finish(origin_cli.table, NULL, &fresh);
}

static void show(void *app, char *line, size_t cap)
{
	struct app *a = app;

	origin_status(a->origin, line, cap);
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;

	return origin_conf_check(&a->conf, err, cap) ? EX_USAGE : EX_OK;
}

/* Replaced and read again on a reload. */
static void confine_secret(struct os_sandbox *s, const char *path)
{
	if (!path)
		return;
	os_sandbox_secret(s, path);
	os_sandbox_reread(s, path);
}

static bool confine(void *app, struct os_sandbox *s)
{
	struct app *a = app;

	struct stream_url url;
	char err[MEDIA_ERR];

	if (!stream_url_parse(&url, a->conf.package.input, err))
		stream_sandbox_input(&url, s);
	stream_url_finish(&url);
	if (a->conf.certificate)
		os_sandbox_reread(s, a->conf.certificate);
	confine_secret(s, a->conf.key);
	confine_secret(s, a->conf.access_keys);
	confine_secret(s, a->conf.package.encryption_keys);
	confine_secret(s, a->conf.package.encryption_auth);
	if (a->conf.package.encryption_url &&
	    !stream_url_parse(&url, a->conf.package.encryption_url, err)) {
		os_sandbox_connect(s, url.port);
		stream_url_finish(&url);
	}
	const char *list = a->conf.listen;
	char addr[256];
	while (conf_list_next(&list, addr, sizeof(addr)) > 0)
		if (str_starts(addr, "unix:"))
			os_sandbox_socket(s, addr + strlen("unix:"));
	if (a->conf.package.dvr)
		os_sandbox_folder(s, a->conf.package.dvr);
	if (a->conf.package.vod)
		os_sandbox_read(s, a->conf.package.vod);
	share_sandbox(a->conf.share, s);
	return a->conf.sandbox;
}

static int set_up(void *app, char *err)
{
	struct app *a = app;

	media_setup_log();
	loop_timer_init(a->tool.loop, &a->drain, on_drained, a);
	return origin_create(&a->origin, &a->conf, a->tool.loop, a->tool.metrics, on_ended, a, err);
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

	loop_timer_stop(&a->drain);
	origin_destroy(a->origin);
}

static void finish(void *app)
{
	struct app *a = app;

	conf_finish(origin_cli.table, NULL, &a->conf);
}

static const struct tool_ops ops = {
    .cli = &origin_cli,
    .check = check,
    .confine = confine,
    .open = set_up,
    .drain = drain,
    .hangup = hangup,
    .status = show,
    .close = tear_down,
    .finish = finish,
};

TOOL_MAIN(ops)
