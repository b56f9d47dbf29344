/* The parts of relay that need no tunnel: names, the keys both tools share, the figures. Connections and flows are
 * tested through the tools (tests/cli/accel-*.sh). */
#include "unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "relay/drain.h"
#include "relay/resolve.h"
#include "relay/setup.h"

/* ---- names ---- */

struct fixture {
	struct loop *loop;
	struct loop_timer limit;
	struct resolve_name *name;
	struct resolve_wait a, b;
	int calls, err;
};

static void on_limit(void *arg)
{
	struct fixture *f = arg;

	loop_stop(f->loop, 1);
}

static void on_name(void *arg, int err)
{
	struct fixture *f = arg;

	f->calls++;
	f->err = err;
	loop_stop(f->loop, 0);
}

static void on_name_destroy(void *arg, int err)
{
	struct fixture *f = arg;

	f->calls++;
	resolve_destroy(f->name);
	f->name = NULL;
	loop_stop(f->loop, 0);
}

static void begin(struct fixture *f, const char *host, void (*fn)(void *, int))
{
	*f = (struct fixture){.a = {.fn = fn, .arg = f}, .b = {.fn = fn, .arg = f}};
	assert_int_equal(loop_create(&f->loop), 0);
	loop_timer_init(f->loop, &f->limit, on_limit, f);
	loop_timer_in(&f->limit, 120 * SEC_US);
	assert_int_equal(resolve_create(&f->name, f->loop, host, SEC_US), 0);
}

static void end(struct fixture *f)
{
	loop_timer_stop(&f->limit);
	resolve_destroy(f->name);
	loop_destroy(f->loop);
}

static void test_number(void **state)
{
	const struct net_addr *a;
	struct fixture f;
	size_t n;

	begin(&f, "192.0.2.7", on_name);
	a = resolve_addrs(f.name, &n);
	assert_int_equal(n, 1);
	assert_int_equal(a->ip[3], 7);
	resolve_wait(f.name, &f.a);
	assert_int_equal(f.calls, 0); /* never inside the call */
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(f.calls, 1);
	assert_int_equal(f.err, 0);
	end(&f);
}

static void test_name(void **state)
{
	const struct net_addr *a;
	struct fixture f;
	size_t n;

	begin(&f, "localhost", on_name);
	resolve_addrs(f.name, &n);
	assert_int_equal(n, 0);
	resolve_wait(f.name, &f.a);
	resolve_wait(f.name, &f.b);
	resolve_cancel(&f.b);
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(f.calls, 1);
	a = resolve_addrs(f.name, &n);
	assert_true(n >= 1);
	assert_true(net_addr_is_loopback(a));
	assert_string_equal(resolve_error(f.name), "");
	end(&f);
}

static void test_name_destroyed(void **state)
{
	struct fixture f;

	begin(&f, "localhost", on_name_destroy);
	resolve_wait(f.name, &f.a);
	resolve_wait(f.name, &f.b);
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(f.calls, 1); /* the second is not called any more */
	end(&f);
	begin(&f, "localhost", on_name);
	resolve_wait(f.name, &f.a);
	end(&f); /* with a lookup under way */
}

/* ---- keys ---- */

static void test_values(void **state)
{
	enum tunnel_class class = TUNNEL_AUTO;
	int64_t rate = 1;
	char err[160];

	assert_int_equal(relay_parse_rate(&rate, "200M", err, sizeof(err)), 0);
	assert_int_equal(rate, 200000000);
	assert_int_equal(relay_parse_rate(&rate, "auto", err, sizeof(err)), 0);
	assert_int_equal(rate, 0);
	assert_int_equal(relay_parse_rate(&rate, "1", err, sizeof(err)), -EINVAL);
	assert_int_equal(relay_parse_rate(&rate, "Auto", err, sizeof(err)), -EINVAL);
	assert_int_equal(relay_parse_class(&class, "live", err, sizeof(err)), 0);
	assert_int_equal(class, TUNNEL_LIVE);
	assert_int_equal(relay_parse_class(&class, "urgent", err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "urgent"));
}

static void write_key(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_key_file(void **state)
{
	char path[] = "/tmp/gex-test-relay-XXXXXX";
	static const char key[] =
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
	struct relay_setup s = {0};
	struct crypt_ring ring;
	char err[256];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(relay_setup_keys(&s, &ring, err, sizeof(err)), EX_USAGE);
	s.key_file = path;
	write_key(path, key, 0600);
	assert_int_equal(relay_setup_keys(&s, &ring, err, sizeof(err)), 0);
	assert_int_equal(ring.n, 1);
	assert_int_equal(ring.key[0].secret[31], 0xff);
	write_key(path, key, 0640);
	assert_int_equal(relay_setup_keys(&s, &ring, err, sizeof(err)), EX_NOPERM);
	assert_non_null(strstr(err, path));
	write_key(path, "zz\n", 0600);
	assert_int_equal(relay_setup_keys(&s, &ring, err, sizeof(err)), EX_CONFIG);
	assert_non_null(strstr(err, ":1:"));
	assert_null(strstr(err, "zz")); /* nothing of a key file is shown */
	unlink(path);
	assert_int_equal(relay_setup_keys(&s, &ring, err, sizeof(err)), EX_CONFIG);
}

/* ---- figures ---- */

static void sum(void *arg, struct tunnel_stats *out)
{
	relay_figures_add(out, arg);
}

static void test_figures(void **state)
{
	struct tunnel_stats live = {.packets_sent = 10, .rtt_us = 2500, .streams = 3};
	struct relay_figures f = {.sum = sum, .arg = &live, .tool = "test"};
	struct tunnel_stats now;
	struct metrics *m;
	size_t len;
	char line[256];

	f.ended.packets_sent = 5;
	relay_figures_now(&f, &now);
	assert_int_equal(now.packets_sent, 15);
	assert_int_equal(now.streams, 3);
	assert_int_equal(metrics_create(&m), 0);
	relay_figures_export(&f, m);
	char *text = metrics_text(m, &len);

	assert_non_null(strstr(text, "\ngex_test_tunnel_sent_packets_total 15\n"));
	assert_non_null(strstr(text, "\ngex_test_tunnel_rtt_seconds 0.0025\n"));
	assert_non_null(strstr(text, "# TYPE gex_test_tunnel_streams gauge"));
	free(text);
	metrics_destroy(m);
	live.packets_sent = 110;
	live.packets_lost = 1;
	live.stream_bytes_sent = 1250000;
	relay_figures_status(&f, "up", SEC_US, line, sizeof(line));
	assert_string_equal(
	    line, "up  streams 3  flows 0  up 10.0  down 0.0 Mbit/s  rtt 2.5 ms  lost 0.9 %");
}

/* ---- the end ---- */

struct drained {
	struct relay_drain drain;
	struct loop *loop;
	size_t busy, tunnels; /* one less each time that they are asked for */
	bool stuck;	      /* they stay */
	char called[64];
	int64_t goodbye_us;
};

static size_t left(struct drained *d, size_t *n, char what)
{
	size_t was = *n, len = strlen(d->called);

	if (len < sizeof(d->called) - 1)
		d->called[len] = what;
	*n -= was && !d->stuck;
	return was;
}

static size_t busy(const void *arg)
{
	struct drained *d = (struct drained *)arg;

	return left(d, &d->busy, 'b');
}

static size_t tunnels(const void *arg)
{
	struct drained *d = (struct drained *)arg;

	return left(d, &d->tunnels, 't');
}

static void goodbye(void *arg)
{
	struct drained *d = arg;

	assert_true(relay_draining(&d->drain));
	strcat(d->called, "g");
	d->goodbye_us = os_mono_us();
}

static const struct relay_drain_ops drain_ops = {busy, goodbye, tunnels};

/* What is there ends: the loop stops long before the time is up. */
static void test_drain(void **state)
{
	struct drained d = {.busy = 2, .tunnels = 1};

	relay_drain_finish(&d.drain);
	assert_int_equal(loop_create(&d.loop), 0);
	relay_drain_init(&d.drain, d.loop, &drain_ops, &d);
	assert_false(relay_draining(&d.drain));
	relay_drain_begin(&d.drain, 3600 * SEC_US);
	assert_string_equal(d.called, "bb");
	assert_int_equal(loop_run(d.loop), 0);
	assert_string_equal(d.called, "bbbgtt");
	relay_drain_finish(&d.drain);
	assert_true(loop_destroy(d.loop));
}

/* Nothing ends by itself. */
static void test_drain_stuck(void **state)
{
	struct drained d = {.busy = 1, .tunnels = 1, .stuck = true};
	int64_t start = os_mono_us();

	assert_int_equal(loop_create(&d.loop), 0);
	relay_drain_init(&d.drain, d.loop, &drain_ops, &d);
	relay_drain_begin(&d.drain, 50 * MS_US);
	assert_int_equal(loop_run(d.loop), 0);
	assert_true(d.goodbye_us - start >= 50 * MS_US);
	assert_non_null(strstr(d.called, "gt"));
	relay_drain_finish(&d.drain);
	assert_true(loop_destroy(d.loop));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_number),	   cmocka_unit_test(test_name),
    cmocka_unit_test(test_name_destroyed), cmocka_unit_test(test_values),
    cmocka_unit_test(test_key_file),	   cmocka_unit_test(test_figures),
    cmocka_unit_test(test_drain),	   cmocka_unit_test(test_drain_stuck),
};

RUN_TESTS(tests)
