#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "log/log.h"
#include "tool/tool.h"

struct conf {
	int64_t n;
};

struct app {
	struct tool tool;
	struct conf conf;
	struct loop_timer timer;
	int check_status, open_result, ended_by;
	char called[64]; /* a letter a call */
};

static const struct conf_key keys[] = {
    {"thing", "n", CONF_INT, offsetof(struct conf, n), "1", 0, 10, 0, NULL},
};
static const struct conf_table table = {keys, ARRAY_LEN(keys), NULL};
static const struct conf_cli cli = {
    .tool = "gex-thing", .synopsis = "gex-thing", .summary = "None.", .table = &table};

static void note(struct app *a, const char *what)
{
	strncat(a->called, what, sizeof(a->called) - strlen(a->called) - 1);
}

static int check(void *app, char *err, size_t cap)
{
	struct app *a = app;

	note(a, "c");
	assert_null(a->tool.loop);
	snprintf(err, cap, "refused");
	return a->check_status;
}

/* First SIGHUP, then SIGTERM. */
static void on_timer(void *arg)
{
	struct app *a = arg;

	raise(strchr(a->called, 'h') ? SIGTERM : SIGHUP);
}

static int set_up(void *app, char *err)
{
	struct app *a = app;

	note(a, "o");
	snprintf(err, TOOL_ERR, "%s", a->open_result > 0 ? "cannot open" : "");
	assert_non_null(a->tool.metrics);
	loop_timer_init(a->tool.loop, &a->timer, on_timer, a);
	if (!a->open_result)
		assert_int_equal(loop_timer_in(&a->timer, 50 * MS_US), 0);
	return a->open_result;
}

static void hangup(void *app)
{
	struct app *a = app;

	note(a, "h");
	assert_int_equal(loop_timer_in(&a->timer, 0), 0);
}

static void drain(void *app)
{
	struct app *a = app;

	note(a, "d");
	loop_stop(a->tool.loop, 7);
}

static void show(void *app, char *line, size_t cap)
{
	snprintf(line, cap, "shown");
}

static void tear_down(void *app, int status)
{
	struct app *a = app;

	note(a, "x");
	a->ended_by = status;
	loop_timer_stop(&a->timer);
}

static void finish(void *app)
{
	note(app, "f");
}

static const struct tool_ops ops = {
    .cli = &cli,
    .check = check,
    .open = set_up,
    .drain = drain,
    .hangup = hangup,
    .status = show,
    .close = tear_down,
    .finish = finish,
};

static struct app app;

/* Returns the status; app.called tells what came in which order. */
static int run(int check_status, int open_result, const char *a1, const char *a2, const char *a3)
{
	char *argv[] = {"gex-thing", (char *)a1, (char *)a2, (char *)a3, NULL};
	int argc = 1;

	while (argv[argc])
		argc++;
	app = (struct app){.tool = {.ops = &ops, .app = &app, .conf = &app.conf},
			   .check_status = check_status,
			   .open_result = open_result};
	int status = tool_main(&app.tool, argc, argv);

	assert_int_equal(app.ended_by, status);
	return status;
}

static void a_failing_check_ends_it(void **state)
{
	char file[] = "/tmp/gex-test-tool-XXXXXX";
	int fd = mkstemp(file);

	assert_int_equal(write(fd, "[thing]\nn = 2\n", 14), 14);
	close(fd);
	assert_int_equal(run(EX_USAGE, 0, NULL, NULL, NULL), EX_USAGE);
	assert_string_equal(app.called, "cxf");
	assert_int_equal(run(EX_USAGE, 0, "-t", NULL, NULL), EX_USAGE);
	assert_int_equal(run(EX_USAGE, 0, "-c", file, NULL), EX_CONFIG);
	assert_string_equal(app.called, "cxf");
	assert_int_equal(app.conf.n, 2);
	/* What is not about the words stays what it is. */
	assert_int_equal(run(EX_NOPERM, 0, "-c", file, NULL), EX_NOPERM);
	assert_int_equal(run(EX_CONFIG, 0, NULL, NULL, NULL), EX_CONFIG);
	unlink(file);
}

static void a_wrong_command_line_is_not_even_checked(void **state)
{
	assert_int_equal(run(0, 0, "--no-such", NULL, NULL), EX_USAGE);
	assert_string_equal(app.called, "xf");
	assert_int_equal(run(0, 0, "-S", "thing.n=11", NULL), EX_USAGE);
	assert_string_equal(app.called, "xf");
}

static void test_only_checks(void **state)
{
	assert_int_equal(run(0, 0, "-t", NULL, NULL), EX_OK);
	assert_string_equal(app.called, "cxf");
	assert_null(app.tool.loop);
}

static void what_cannot_open_is_not_ready(void **state)
{
	char fd[16], b;
	int p[2];

	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	snprintf(fd, sizeof(fd), "%d", p[1]);
	assert_int_equal(run(0, -EADDRINUSE, "--ready-fd", fd, NULL), EX_UNAVAILABLE);
	assert_string_equal(app.called, "coxf");
	assert_int_equal(run(0, EX_USAGE, "--ready-fd", fd, NULL), EX_USAGE);
	assert_int_equal(read(p[0], &b, 1), -1);
	assert_int_equal(errno, EAGAIN);
	close(p[0]);
	close(p[1]);
}

static void metrics_come_before_open(void **state)
{
	assert_int_not_equal(run(0, 0, "-m", "192.0.2.1:1", NULL), EX_OK);
	assert_string_equal(app.called, "cxf");
	assert_int_equal(run(0, 0, "-m", "127.0.0.1:0", NULL), 7);
}

/* A socket that systemd would listen on; its name into NOTIFY_SOCKET. */
static int notify_socket(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/gex-test-tool-%d", (int)getpid());
	assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	setenv("NOTIFY_SOCKET", sa.sun_path, 1);
	return s;
}

static void it_serves_until_a_signal(void **state)
{
	char fd[16], b[32] = "";
	int p[2], s = notify_socket(), dogs = 0;

	setenv("WATCHDOG_USEC", "20000", 1);
	assert_int_equal(pipe(p), 0);
	snprintf(fd, sizeof(fd), "%d", p[1]);
	assert_int_equal(run(0, 0, "--ready-fd", fd, NULL), 7);
	assert_string_equal(app.called, "cohdxf");
	assert_int_equal(read(p[0], b, sizeof(b)), 1);
	assert_int_equal(b[0], '\n');
	assert_int_equal(recv(s, b, sizeof(b), 0), 7);
	assert_memory_equal(b, "READY=1", 7);
	/* By the watchdog's timer, and at last by the signal. */
	while (recv(s, b, sizeof(b), 0) == 10 && !memcmp(b, "WATCHDOG=1", 10))
		dogs++;
	assert_true(dogs >= 1);
	assert_memory_equal(b, "STOPPING=1", 10);
	unlink(getenv("NOTIFY_SOCKET"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	close(p[0]);
	close(s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_failing_check_ends_it),
    cmocka_unit_test(a_wrong_command_line_is_not_even_checked),
    cmocka_unit_test(test_only_checks),
    cmocka_unit_test(what_cannot_open_is_not_ready),
    cmocka_unit_test(metrics_come_before_open),
    cmocka_unit_test(it_serves_until_a_signal),
};

RUN_TESTS(tests)
