/* tool: what every command line tool does around its own work, in one order:
 *
 *   command line and file (conf_cli) -> check -> -t ends here -> confine -> loop, metrics, signals, server of -m -> open
 *   -> watchdog and status line -> readiness -> the loop runs -> close -> loop and metrics go -> finish
 *
 * A tool fills in struct tool_ops and ends its main.c with TOOL_MAIN(ops). Its state is a struct app, which embeds a
 * struct tool named tool and the root of its key table named conf; all calls are given that. It begins zeroed, so that
 * close and finish may come at any stage. */
#ifndef GEX_TOOL_H
#define GEX_TOOL_H

#include "conf/conf.h"
#include "http/http.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "os/sandbox.h"

/* Bytes of the err that check and open are given: enough for every module's. */
#define TOOL_ERR CONF_ERR

struct tool_ops {
	const struct conf_cli *cli;
	/* What single keys cannot tell; reads secrets. 0, or the sysexits(3) status to end with and one line in err.
	 * EX_USAGE, for what was given, becomes EX_CONFIG when a file was. */
	int (*check)(void *app, char *err, size_t cap);
	/* Names what the tool touches from here on, threads' work included. False: it is not to be confined. NULL: never is. */
	bool (*confine)(void *app, struct os_sandbox *s);
	/* Makes everything and starts it; the tool's loop and metrics are there. 0, a negative errno
	 * (os_exit_status tells the status), or a status itself; with one line in err, or none: strerror's. */
	int (*open)(void *app, char *err);
	/* On SIGTERM or SIGINT: ends by loop_stop. */
	void (*drain)(void *app);
	/* On SIGHUP. NULL: the signal is left as it was. */
	void (*hangup)(void *app);
	/* The status line, for once a second on a terminal. */
	void (*status)(void *app, char *line, size_t cap);
	/* Undoes open, or as much of it as was done, while the loop is still there. Status is what the process will end
	 * with: for one that a device holds and that has to _exit. */
	void (*close)(void *app, int status);
	/* Frees the configuration and what the loop's last callbacks may use. */
	void (*finish)(void *app);
};

struct tool {
	const struct tool_ops *ops;
	void *app;
	void *conf; /* the root of the key table */
	/* From here on tool_main's; the tool reads loop and metrics. */
	struct conf_common common;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *metrics_server;
	struct loop_timer second, watchdog;
	int confined; /* the version of Landlock, or 0 */
	int argc;
	char **argv;
};

/* For hangup: the command line and the file as they are now, into a root that is zeroed. False, said in the log,
 * when they are wrong; the root is to be freed in any case. */
bool tool_reread(struct tool *t, void *root);
/* The same where there is a file, and what `check` finds wrong is said as well. */
bool tool_reread_checked(struct tool *t, void *root,
			 int (*check)(const void *root, char *err, size_t cap));
/* The status to return from main. */
int tool_main(struct tool *t, int argc, char **argv) MUST_USE;

#define TOOL_MAIN(ops_) \
	int main(int argc, char **argv) \
	{ \
		static struct app app = { \
		    .tool = {.ops = &(ops_), .app = &app, .conf = &app.conf}}; \
\
		return tool_main(&app.tool, argc, argv); \
	}

#endif
