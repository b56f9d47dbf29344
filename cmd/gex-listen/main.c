#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "http/http.h"
#include "listen.h"
#include "log/log.h"
#include "os/os.h"

struct app {
	struct conf conf;
	struct conf_common common;
	struct crypt_ring ring;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *http;
	struct relay *relay;
	struct links *links;
	struct front *front;
	struct loop_timer second, drain, watchdog;
	int64_t drain_until_us; /* 0: not draining */
};

static void on_up(void *arg)
{
	struct app *a = arg;

	if (a->front && !a->drain_until_us)
		front_wake(a->front);
}

static void on_closed(void *arg)
{
	struct app *a = arg;

	loop_stop(a->loop, EX_OK);
}

/* Until the last connection has ended, or time is up. */
static void on_drain(void *arg)
{
	struct app *a = arg;

	if (links_busy(a->links) && loop_now_us(a->loop) < a->drain_until_us)
		loop_timer_in(&a->drain, 20 * MS_US);
	else
		links_close(a->links, on_closed, a);
}

static void drain(void *arg)
{
	struct app *a = arg;

	a->drain_until_us = loop_now_us(a->loop) + a->conf.tunnel.drain_us;
	front_stop(a->front);
	if (links_busy(a->links))
		log_info(NULL, "%zu connections have %.1f s to end", links_busy(a->links),
			 (double)a->conf.tunnel.drain_us / 1e6);
	on_drain(a);
}

/* Keys of the file as it is now, for handshakes from now on; tunnels that are up keep theirs. */
static void on_hangup(void *arg, int signo)
{
	struct app *a = arg;
	struct crypt_ring ring;
	char err[512];

	if (relay_setup_keys(&a->conf.tunnel, &ring, err, sizeof(err))) {
		log_error(NULL, "%s; the keys stay as they were", err);
		return;
	}
	a->ring = ring;
	crypt_wipe(&ring, sizeof(ring));
	log_info(NULL, "key file read again");
}

static void on_watchdog(void *arg)
{
	struct app *a = arg;

	os_notify("WATCHDOG=1");
	loop_timer_in(&a->watchdog, os_watchdog_us());
}

static void on_second(void *arg)
{
	struct app *a = arg;
	char line[256];

	relay_figures_status(links_figures(a->links), links_state(a->links), loop_now_us(a->loop),
			     line, sizeof(line));
	log_status(line);
	loop_timer_in(&a->second, SEC_US);
}

/* Returns the status to exit with, -1 to go on. */
static int set_up(struct app *a)
{
	struct links_conf lc = {&a->conf, &a->ring, a->metrics, on_up, a};
	char err[512] = "";
	int r;

	os_raise_nofile();
	r = loop_create(&a->loop);
	if (!r)
		r = metrics_create(&a->metrics);
	if (!r)
		r = relay_create(&a->relay, a->loop);
	lc.metrics = a->metrics;
	if (!r)
		r = links_create(&a->links, a->loop, a->relay, &lc);
	if (!r)
		r = loop_on_quit(a->loop, drain, a);
	if (!r)
		r = loop_on_signal(a->loop, SIGHUP, on_hangup, a);
	if (!r)
		r = front_create(&a->front, a->relay, a->links, &a->conf, a->metrics, err,
				 sizeof(err));
	if (!r && a->common.metrics)
		r = http_serve_metrics(&a->http, a->loop, a->metrics, a->common.metrics, err);
	if (!r)
		return -1;
	log_error(NULL, "%s", *err ? err : strerror(-r));
	return os_exit_status(r);
}

static void tear_down(struct app *a)
{
	log_status(NULL);
	if (a->loop) {
		loop_timer_stop(&a->second);
		loop_timer_stop(&a->drain);
		loop_timer_stop(&a->watchdog);
	}
	http_server_destroy(a->http);
	front_destroy(a->front);
	links_destroy(a->links);
	relay_destroy(a->relay);
	loop_destroy(a->loop);
	metrics_destroy(a->metrics);
	crypt_wipe(&a->ring, sizeof(a->ring));
	conf_free(&a->conf);
}

static int run(struct app *a)
{
	int status = set_up(a);

	if (status >= 0)
		return status;
	loop_timer_init(a->loop, &a->second, on_second, a);
	loop_timer_init(a->loop, &a->drain, on_drain, a);
	loop_timer_init(a->loop, &a->watchdog, on_watchdog, a);
	if (os_watchdog_us())
		loop_timer_in(&a->watchdog, os_watchdog_us());
	if (log_on_terminal())
		loop_timer_in(&a->second, SEC_US);
	links_start(a->links);
	os_ready(a->common.ready_fd);
	return loop_run(a->loop);
}

int main(int argc, char **argv)
{
	static struct app app;
	char err[512];
	int status = conf_cli(&listen_cli, &app.conf, argc, argv, &app.common);

	if (status >= 0)
		goto out;
	if (conf_check(&app.conf, err, sizeof(err))) {
		log_error(NULL, "%s", err);
		status = app.common.file ? EX_CONFIG : EX_USAGE;
		goto out;
	}
	status = relay_setup_keys(&app.conf.tunnel, &app.ring, err, sizeof(err));
	if (status) {
		log_error(NULL, "%s", err);
		if (status == EX_USAGE && app.common.file)
			status = EX_CONFIG;
		goto out;
	}
	if (app.common.test) {
		puts("configuration OK");
		goto out;
	}
	status = run(&app);
out:
	tear_down(&app);
	return status;
}
