#include <sysexits.h>

#include "endpoint.h"
#include "log/log.h"
#include "tool/tool.h"

#define SWAP(a, b) \
	do { \
		__typeof__(a) x_ = a; \
		a = b; \
		b = x_; \
	} while (0)

struct app {
	struct tool tool;
	struct conf conf;
	struct crypt_ring ring;
	struct relay *relay;
	struct server *server;
	struct loop_timer drain;
	int64_t drain_until_us; /* 0: not draining */
};

static void on_closed(void *arg)
{
	struct app *a = arg;

	loop_stop(a->tool.loop, EX_OK);
}

/* Until the last connection has ended, or time is up. */
static void on_drain(void *arg)
{
	struct app *a = arg;

	if (server_busy(a->server) && loop_now_us(a->tool.loop) < a->drain_until_us)
		loop_timer_in(&a->drain, 20 * MS_US);
	else
		server_close(a->server, on_closed, a);
}

static void drain(void *app)
{
	struct app *a = app;

	a->drain_until_us = loop_now_us(a->tool.loop) + a->conf.tunnel.drain_us;
	server_stop(a->server);
	if (server_busy(a->server))
		log_info(NULL, "%zu connections have %.1f s to end", server_busy(a->server),
			 (double)a->conf.tunnel.drain_us / 1e6);
	on_drain(a);
}

/* A port that the kernel chose is the same as before. */
static bool same_addrs(const struct net_addr *a, size_t n, const struct net_addr *b, size_t m)
{
	bool same = n == m;

	for (size_t i = 0; same && i < n; i++) {
		struct net_addr x = a[i], y = b[i];

		if (!y.port)
			x.port = 0;
		same = net_addr_equal(&x, &y);
	}
	return same;
}

/* What the sockets are made from stays until the next start. */
static void keep(struct app *a, struct conf *fresh)
{
	struct conf *now = &a->conf;
	const char *bad = NULL;

	if (!same_addrs(now->listen.at, now->listen.len, fresh->listen.at, fresh->listen.len))
		bad = "listen";
	else if (!same_addrs(now->listen_srt.at, now->listen_srt.len, fresh->listen_srt.at,
			     fresh->listen_srt.len))
		bad = "listen_srt";
	else if (now->udp != fresh->udp || now->tls != fresh->tls)
		bad = "carriers";
	else if (now->max_tunnels != fresh->max_tunnels)
		bad = "max_tunnels";
	if (bad)
		log_error(NULL, "%s in [tunnel] is another: that takes a restart", bad);
	SWAP(now->listen, fresh->listen);
	SWAP(now->listen_srt, fresh->listen_srt);
	fresh->udp = now->udp;
	fresh->tls = now->tls;
	fresh->max_tunnels = now->max_tunnels;
}

static void reread(struct app *a)
{
	char err[TOOL_ERR] = "";
	struct conf fresh = {0};

	if (!a->tool.common.file || a->drain_until_us)
		return;
	if (!tool_reread(&a->tool, &fresh) || conf_check(&fresh, err, sizeof(err))) {
		if (*err)
			log_error(NULL, "%s", err);
		log_error(NULL, "the configuration stays as it was");
	} else {
		keep(a, &fresh);
		SWAP(a->conf, fresh);
		if (server_set(a->server, &a->conf))
			log_error(NULL, "no memory for all services");
		else
			log_info(NULL, "configuration read again");
	}
	conf_free(&fresh);
}

static void hangup(void *app)
{
	struct app *a = app;

	reread(a);
	if (relay_setup_reload(&a->conf.tunnel, &a->ring))
		server_set_keys(a->server, &a->ring);
}

static void show(void *app, char *line, size_t cap)
{
	struct app *a = app;
	char state[32];

	snprintf(state, sizeof(state), "tunnels %zu", server_tunnels(a->server));
	relay_figures_status(server_figures(a->server), state, loop_now_us(a->tool.loop), line,
			     cap);
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;

	if (conf_check(&a->conf, err, cap))
		return EX_USAGE;
	return relay_setup_keys(&a->conf.tunnel, &a->ring, err, cap);
}

static int set_up(void *app, char *err)
{
	struct app *a = app;

	loop_timer_init(a->tool.loop, &a->drain, on_drain, a);
	int r = relay_create(&a->relay, a->tool.loop);

	if (!r)
		r = server_create(&a->server, a->tool.loop, a->relay, &a->conf, &a->ring,
				  a->tool.metrics, err, TOOL_ERR);
	return r;
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

	loop_timer_stop(&a->drain);
	server_destroy(a->server);
	relay_destroy(a->relay);
}

static void finish(void *app)
{
	struct app *a = app;

	crypt_wipe(&a->ring, sizeof(a->ring));
	conf_free(&a->conf);
}

static const struct tool_ops ops = {
    .cli = &endpoint_cli,
    .check = check,
    .open = set_up,
    .drain = drain,
    .hangup = hangup,
    .status = show,
    .close = tear_down,
    .finish = finish,
};

TOOL_MAIN(ops)
