#include <sysexits.h>

#include "listen.h"
#include "log/log.h"
#include "tool/tool.h"

struct app {
	struct tool tool;
	struct conf conf;
	struct crypt_ring ring;
	struct relay *relay;
	struct links *links;
	struct front *front;
};

static void on_up(void *arg)
{
	struct app *a = arg;

	front_wake(a->front);
}

static void drain(void *app)
{
	struct app *a = app;

	front_stop(a->front);
	links_drain(a->links, a->conf.tunnel.drain_us);
}

static bool same_endpoints(const struct conf *a, const struct conf *b)
{
	bool same = a->endpoints.len == b->endpoints.len;

	for (size_t i = 0; same && i < a->endpoints.len; i++)
		same = !strcmp(a->endpoints.at[i].host, b->endpoints.at[i].host) &&
		       a->endpoints.at[i].port == b->endpoints.at[i].port;
	return same;
}

/* All that the file says now, but the endpoints: the tunnel stays where it is. */
static void take(struct app *a, struct conf *fresh)
{
	char err[TOOL_ERR] = "";

	conf_settle(fresh);
	if (!same_endpoints(&a->conf, fresh))
		log_error(NULL, "endpoint in [tunnel] is another: that takes a restart");
	SWAP(a->conf, *fresh);
	SWAP(a->conf.endpoints, fresh->endpoints);
	if (links_reload(a->links))
		log_error(NULL, "no memory for all paths");
	if (front_set(a->front, &a->conf, err, sizeof(err)))
		log_error(NULL, "%s; the listeners after it stay as they were", err);
	else
		log_info(NULL, "configuration read again");
}

static void hangup(void *app)
{
	struct app *a = app;
	struct conf fresh = {0};

	if (!links_draining(a->links) && tool_reread_checked(&a->tool, &fresh, conf_check))
		take(a, &fresh);
	conf_free(&fresh);
	relay_setup_reload(&a->conf.tunnel, &a->ring);
}

static void show(void *app, char *line, size_t cap)
{
	struct app *a = app;

	relay_figures_status(links_figures(a->links), links_state(a->links),
			     loop_now_us(a->tool.loop), line, cap);
	links_paths(a->links, line + strlen(line), cap - strlen(line));
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;

	if (conf_check(&a->conf, err, cap))
		return EX_USAGE;
	conf_settle(&a->conf);
	return relay_setup_keys(&a->conf.tunnel, &a->ring, err, cap);
}

static int set_up(void *app, char *err)
{
	struct app *a = app;
	struct links_conf lc = {&a->conf, &a->ring, a->tool.metrics, on_up, a};
	int r = relay_create(&a->relay, a->tool.loop);

	if (!r)
		r = links_create(&a->links, a->tool.loop, a->relay, &lc);
	if (!r)
		r = front_create(&a->front, a->relay, a->links, &a->conf, a->tool.metrics, err,
				 TOOL_ERR);
	if (!r)
		links_start(a->links);
	return r;
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

	links_destroy(a->links);
	front_destroy(a->front);
	relay_destroy(a->relay);
}

static void finish(void *app)
{
	struct app *a = app;

	crypt_wipe(&a->ring, sizeof(a->ring));
	conf_free(&a->conf);
}

static const struct tool_ops ops = {
    .cli = &listen_cli,
    .check = check,
    .open = set_up,
    .drain = drain,
    .hangup = hangup,
    .status = show,
    .close = tear_down,
    .finish = finish,
};

TOOL_MAIN(ops)
