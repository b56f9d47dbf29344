#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/os.h"

static char dir[] = "/tmp/gex-test-os-XXXXXX";

static char *path(const char *name)
{
	static char p[128];

	snprintf(p, sizeof(p), "%s/%s", dir, name);
	return p;
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void secrets_must_be_private(void **state)
{
	char s[16];

	put("key", "hush \n", 0600);
	assert_int_equal(os_read_secret(path("key"), s, sizeof(s)), 0);
	assert_string_equal(s, "hush");
	put("key", "hush", 0640);
	assert_int_equal(os_read_secret(path("key"), s, sizeof(s)), -EPERM);
	put("long", "0123456789abcdef", 0600);
	assert_int_equal(os_read_secret(path("long"), s, sizeof(s)), -EFBIG);
	put("empty", "\n", 0600);
	assert_int_equal(os_read_secret(path("empty"), s, sizeof(s)), -EINVAL);
	assert_int_equal(os_read_secret(path("none"), s, sizeof(s)), -ENOENT);
	put("cred", "from systemd", 0600);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(os_read_secret("cred", s, sizeof(s)), 0);
	assert_string_equal(s, "from systemd");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void atomic_write_replaces(void **state)
{
	char b[8] = "";

	put("f", "old", 0644);
	assert_int_equal(os_write_atomic(path("f"), "new", 3), 0);
	int fd = open(path("f"), O_RDONLY);
	assert_int_equal(read(fd, b, sizeof(b)), 3);
	close(fd);
	assert_string_equal(b, "new");
	assert_int_equal(os_write_atomic(path("no/such"), "x", 1), -ENOENT);
	assert_int_equal(os_make_dirs(path("no/such")), 0);
	assert_int_equal(os_make_dirs(path("no/such")), 0);
	assert_int_equal(os_write_atomic(path("no/such/f"), "x", 1), 0);
}

static void readiness_reaches_fd_and_systemd(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char b[32] = "";
	int p[2];

	assert_int_equal(pipe(p), 0);
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	str_copy(sa.sun_path, sizeof(sa.sun_path), path("notify"));
	assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	setenv("NOTIFY_SOCKET", sa.sun_path, 1);
	os_ready(p[1]);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(recv(s, b, sizeof(b), MSG_DONTWAIT), 7);
	assert_string_equal(b, "READY=1");
	assert_int_equal(read(p[0], b, sizeof(b)), 1);
	assert_int_equal(b[0], '\n');
	assert_int_equal(read(p[0], b, sizeof(b)), 0); /* closed behind it */
	close(p[0]);
	close(s);
}

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void test_local_ports(void **state)
{
	unsigned first, last;

	os_local_ports(&first, &last);
	assert_true(first > 0 && first <= last && last < 65536);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_local_ports),
    cmocka_unit_test(secrets_must_be_private),
    cmocka_unit_test(atomic_write_replaces),
    cmocka_unit_test(readiness_reaches_fd_and_systemd),
};

int main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
