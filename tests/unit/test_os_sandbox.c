#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "os/sandbox.h"

static char dir[] = "/tmp/gex-test-sandbox-XXXXXX";
static int port, other_port, listener[2];

static const char *in_dir(const char *name)
{
	static char p[8][160];
	static int i;

	i = (i + 1) % 8;
	snprintf(p[i], sizeof(p[i]), "%s/%s", dir, name);
	return p[i];
}

/* 0 or errno. */
static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_connect(int to)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)to),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;

	close(fd);
	return r;
}

/* Runs in a child, since there is no way back. Returns the line that is wrong, or 0. */
static int in_child(int (*fn)(struct os_sandbox *s))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		struct os_sandbox s;

		os_sandbox_init(&s);
		_exit(fn(&s));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define WANT(x) \
	do { \
		if (!(x)) \
			return __LINE__ % 250 + 1; \
	} while (0)

static int files(struct os_sandbox *s)
{
	os_sandbox_read(s, in_dir("in"));
	os_sandbox_read(s, in_dir("none"));
	os_sandbox_write(s, in_dir("out"));
	os_sandbox_write(s, in_dir("sub/new"));
	WANT(!os_sandbox_enter(s));
	os_sandbox_finish(s);
	WANT(!try_open(in_dir("in"), O_RDONLY));
	WANT(try_open(in_dir("in"), O_WRONLY) == EACCES);
	WANT(try_open(in_dir("secret"), O_RDONLY) == EACCES);
	WANT(try_open(dir, O_RDONLY | O_DIRECTORY) == EACCES);
	WANT(try_open("/etc/hostname", O_RDONLY) == EACCES);
	WANT(!try_open("/etc/hosts", O_RDONLY));
	WANT(!try_open(in_dir("out"), O_WRONLY));
	WANT(try_open(in_dir("made"), O_WRONLY | O_CREAT) == EACCES);
	WANT(!try_open(in_dir("sub/new"), O_WRONLY | O_CREAT));
	WANT(unlink(in_dir("in")) && errno == EACCES);
	WANT(execl("/bin/true", "true", NULL) && errno == EACCES);
	return 0;
}

static int folders(struct os_sandbox *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	os_sandbox_folder(s, in_dir("dvr"));
	os_sandbox_socket(s, in_dir("run/sock"));
	WANT(!os_sandbox_enter(s));
	WANT(!mkdir(in_dir("dvr/day"), 0700));
	WANT(!os_write_atomic(in_dir("dvr/day/file"), "x", 1));
	WANT(!unlink(in_dir("dvr/day/file")));
	WANT(mkdir(in_dir("elsewhere"), 0700) && errno == EACCES);
	str_copy(a.sun_path, sizeof(a.sun_path), in_dir("run/sock"));
	WANT(!bind(fd, (struct sockaddr *)&a, sizeof(a)));
	WANT(!unlink(a.sun_path));
	WANT(try_open(in_dir("run/file"), O_WRONLY | O_CREAT) == EACCES);
	return 0;
}

static int secrets(struct os_sandbox *s)
{
	char b[16];

	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	os_sandbox_secret(s, "secret");
	WANT(!os_sandbox_enter(s));
	WANT(!os_read_secret("secret", b, sizeof(b)));
	WANT(os_read_secret(in_dir("in"), b, sizeof(b)) == -EACCES);
	return 0;
}

static void *thread(void *arg)
{
	*(int *)arg = try_open("/etc/hostname", O_RDONLY);
	return NULL;
}

static int threads(struct os_sandbox *s)
{
	pthread_t t;
	int seen = 0;

	WANT(!os_sandbox_enter(s));
	WANT(!pthread_create(&t, NULL, thread, &seen) && !pthread_join(t, NULL));
	WANT(seen == EACCES);
	return 0;
}

static int ports(struct os_sandbox *s)
{
	os_sandbox_connect(s, port);
	WANT(!os_sandbox_enter(s));
	WANT(!try_connect(port));
	WANT(try_connect(other_port) == (s->abi >= 4 ? EACCES : 0));
	return 0;
}

static int without_landlock(struct os_sandbox *s)
{
	os_sandbox_finish(s);
	os_sandbox_read(s, "/etc");
	os_sandbox_write(s, in_dir("out"));
	os_sandbox_connect(s, port);
	WANT(os_sandbox_enter(s) == -ENOSYS);
	WANT(!try_open(in_dir("secret"), O_RDONLY));
	return 0;
}

static void needs_landlock(void)
{
	struct os_sandbox s;

	os_sandbox_init(&s);
	int abi = s.abi;
	os_sandbox_finish(&s);
	if (!abi)
		skip();
}

static void test_files(void **state)
{
	needs_landlock();
	assert_int_equal(in_child(files), 0);
}

static void test_folders(void **state)
{
	needs_landlock();
	assert_int_equal(in_child(folders), 0);
}

static void test_secrets(void **state)
{
	needs_landlock();
	assert_int_equal(in_child(secrets), 0);
}

static void test_threads(void **state)
{
	needs_landlock();
	assert_int_equal(in_child(threads), 0);
}

static void test_ports(void **state)
{
	needs_landlock();
	assert_int_equal(in_child(ports), 0);
}

static void test_without_landlock(void **state)
{
	assert_int_equal(in_child(without_landlock), 0);
}

static int listen_somewhere(int *fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(*fd, (struct sockaddr *)&a, sizeof(a)) || listen(*fd, 8) ||
	    getsockname(*fd, (struct sockaddr *)&a, &len))
		return 0;
	return ntohs(a.sin_port);
}

static int setup(void **state)
{
	static const char *const made[] = {"in", "out", "secret"};

	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		if (os_write_atomic(in_dir(made[i]), "hush", 4) || chmod(in_dir(made[i]), 0600))
			return -1;
	port = listen_somewhere(&listener[0]);
	other_port = listen_somewhere(&listener[1]);
	return mkdir(in_dir("sub"), 0700) || mkdir(in_dir("dvr"), 0700) ||
	       mkdir(in_dir("run"), 0700) || !port || !other_port;
}

static int teardown(void **state)
{
	static const char *const gone[] = {"in",      "out", "secret", "sub/new", "sub",
					   "dvr/day", "dvr", "run",    ""};

	close(listener[0]);
	close(listener[1]);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		remove(in_dir(gone[i]));
	return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_files),   cmocka_unit_test(test_folders),
    cmocka_unit_test(test_secrets), cmocka_unit_test(test_threads),
    cmocka_unit_test(test_ports),   cmocka_unit_test(test_without_landlock),
};

int main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
