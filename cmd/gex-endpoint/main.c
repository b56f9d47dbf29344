#include <sysexits.h>

#include "endpoint.h"
#include "log/log.h"
#include "tool/tool.h"

struct app {
	struct tool tool;
	struct conf conf;
	struct crypt_ring ring;
	struct relay *relay;
	struct server *server;
};

static void drain(void *app)
{
	struct app *a = app;

	server_drain(a->server, a->conf.tunnel.drain_us);
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

static void take(struct app *a, struct conf *fresh)
{
	keep(a, fresh);
	SWAP(a->conf, *fresh);
	if (server_set(a->server, &a->conf))
		log_error(NULL, "no memory for all services");
	else
		log_info(NULL, "configuration read again");
}

static void hangup(void *app)
{
	struct app *a = app;
	struct conf fresh = {0};

	if (!server_draining(a->server) && tool_reread_checked(&a->tool, &fresh, conf_check))
		take(a, &fresh);
	conf_free(&fresh);
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
	int r = relay_create(&a->relay, a->tool.loop);

	if (!r)
		r = server_create(&a->server, a->tool.loop, a->relay, &a->conf, &a->ring,
				  a->tool.metrics, err, TOOL_ERR);
	return r;
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

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
