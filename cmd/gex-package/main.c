#include <errno.h>
#include <sysexits.h>

#include "log/log.h"
#include "origin.h"
#include "tool/tool.h"

#define RELOAD_ATTEMPTS 6

struct app {
	struct tool tool;
	struct origin_conf conf;
	struct origin *origin;
	struct loop_timer drain, again;
	int attempts;
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

/* A port that has just been given up, by us or somebody else, may take a moment to be free: SRT's do. */
static void reload(struct app *a)
{
	struct origin_conf fresh = {0};
	char err[TOOL_ERR] = "";

	if (tool_reread(&a->tool, &fresh)) {
		int rc = origin_settle(&fresh, err, sizeof(err));

		if (!rc)
			rc = origin_reload(a->origin, &a->conf, &fresh, err);
		bool again = rc == -EADDRINUSE && --a->attempts > 0;
		if (rc)
			log_error(NULL, "not reloaded%s: %s", again ? ", trying again" : "", err);
		if (again)
			loop_timer_in(&a->again, SEC_US);
	}
	origin_conf_finish(&fresh);
}

static void on_again(void *arg)
{
	reload(arg);
}

static void hangup(void *app)
{
	struct app *a = app;

	a->attempts = RELOAD_ATTEMPTS;
	loop_timer_stop(&a->again);
	reload(a);
}

static void show(void *app, char *line, size_t cap)
{
	struct app *a = app;

	origin_status(a->origin, line, cap);
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;

	return origin_settle(&a->conf, err, cap) ? EX_USAGE : EX_OK;
}

/* Replaced and read again on a reload. */
static void confine_secret(struct os_sandbox *s, const char *path)
{
	if (!path || !*path)
		return;
	os_sandbox_secret(s, path);
	os_sandbox_reread(s, path);
}

static void confine_stream(const struct package_conf *c, struct os_sandbox *s)
{
	struct stream_url url;
	char err[MEDIA_ERR];

	if (!stream_url_parse(&url, c->input, err))
		stream_sandbox_input(&url, s);
	stream_url_finish(&url);
	confine_secret(s, c->access_keys);
	confine_secret(s, c->encryption_keys);
	confine_secret(s, c->encryption_auth);
	if (c->encryption_url && *c->encryption_url) {
		if (!stream_url_parse(&url, c->encryption_url, err))
			os_sandbox_connect(s, url.port);
		stream_url_finish(&url);
	}
	if (c->dvr && *c->dvr)
		os_sandbox_folder(s, c->dvr);
	if (c->dvr_keys && *c->dvr_keys)
		os_sandbox_folder(s, c->dvr_keys);
	if (c->state && *c->state)
		os_sandbox_folder(s, c->state);
	if (c->vod && *c->vod)
		os_sandbox_read(s, c->vod);
}

static bool confine(void *app, struct os_sandbox *s)
{
	struct app *a = app;
	struct package_conf **at;

	vec_for (at, &a->conf.streams)
		confine_stream(*at, s);
	confine_secret(s, a->conf.package.access_keys);
	if (a->conf.certificate)
		os_sandbox_reread(s, a->conf.certificate);
	confine_secret(s, a->conf.key);
	const char *list = a->conf.listen;
	char addr[256];
	while (conf_list_next(&list, addr, sizeof(addr)) > 0)
		if (str_starts(addr, "unix:"))
			os_sandbox_socket(s, addr + strlen("unix:"));
	share_sandbox(a->conf.share, s);
	return a->conf.sandbox;
}

static int set_up(void *app, char *err)
{
	struct app *a = app;

	media_setup_log();
	loop_timer_init(a->tool.loop, &a->drain, on_drained, a);
	loop_timer_init(a->tool.loop, &a->again, on_again, a);
	return origin_create(&a->origin, &a->conf, a->tool.loop, a->tool.metrics, on_ended, a, err);
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

	loop_timer_stop(&a->drain);
	loop_timer_stop(&a->again);
	origin_destroy(a->origin);
}

static void finish(void *app)
{
	struct app *a = app;

	origin_conf_finish(&a->conf);
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
