#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's headers end at ABI 2 (linux/landlock.h of Linux 6.18 for the rest). */
#define FS_TRUNCATE (1ULL << 14)    /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15)   /* 5 */
#define NET_CONNECT_TCP (1ULL << 1) /* 4 */
#define SCOPE_SIGNAL (1ULL << 1)    /* 6 */
#define RULE_NET_PORT 2

struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct net_port_attr {
	uint64_t allowed, port;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define FS_MAKE (LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define FS_SOCKET (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define FS_FOLDER \
	(FS_READ | FS_WRITE | FS_MAKE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)
/* What a rule about something that is no folder may say. */
#define FS_OF_FILE (LANDLOCK_ACCESS_FS_READ_FILE | FS_WRITE | FS_IOCTL_DEV)

static uint64_t fs_of(int abi)
{
	uint64_t all = LANDLOCK_ACCESS_FS_REFER - 1; /* ABI 1 */

	if (abi >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= FS_TRUNCATE;
	if (abi >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

static void add(struct os_sandbox *s, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr a = {.allowed_access = rights & fs_of(s->abi)};
	struct stat st;

	if (!s->abi)
		return;
	a.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (a.parent_fd < 0)
		return;
	if (!fstat(a.parent_fd, &st) && !S_ISDIR(st.st_mode))
		a.allowed_access &= FS_OF_FILE;
	/* EBADFD: a pipe or a socket, which no rule is needed for. */
	if (syscall(SYS_landlock_add_rule, s->fd, LANDLOCK_RULE_PATH_BENEATH, &a, 0) &&
	    errno != EBADFD && !s->err)
		s->err = -errno;
	close(a.parent_fd);
}

/* The folder that path is in, or path's nearest that exists. */
static void add_parent(struct os_sandbox *s, const char *path, uint64_t rights)
{
	char *p = str_format("%s%s", *path == '/' ? "" : "./", path);

	for (char *slash; p && (slash = strrchr(p, '/'));) {
		slash[slash == p] = 0; /* the root's own stays */
		if (!access(p, F_OK) || slash == p)
			break;
	}
	if (p)
		add(s, p, rights);
	free(p);
}

void os_sandbox_read(struct os_sandbox *s, const char *path)
{
	add(s, path, FS_READ);
}

void os_sandbox_reread(struct os_sandbox *s, const char *path)
{
	char *real = realpath(path, NULL);

	add_parent(s, path, FS_READ);
	if (real)
		add_parent(s, real, FS_READ);
	free(real);
}

void os_sandbox_secret(struct os_sandbox *s, const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char *full = dir && !strchr(path, '/') ? str_format("%s/%s", dir, path) : NULL;

	if (full)
		add(s, full, FS_READ);
	free(full);
	add(s, path, FS_READ);
}

void os_sandbox_write(struct os_sandbox *s, const char *path)
{
	if (!access(path, F_OK))
		add(s, path, FS_WRITE);
	else
		add_parent(s, path, FS_WRITE | LANDLOCK_ACCESS_FS_MAKE_REG);
}

void os_sandbox_folder(struct os_sandbox *s, const char *path)
{
	if (!access(path, F_OK))
		add(s, path, FS_FOLDER);
	else
		add_parent(s, path, FS_FOLDER);
}

void os_sandbox_socket(struct os_sandbox *s, const char *path)
{
	add_parent(s, path, FS_SOCKET);
}

void os_sandbox_connect(struct os_sandbox *s, int port)
{
	struct net_port_attr a = {NET_CONNECT_TCP, (uint64_t)port};

	if (s->abi >= 4 && syscall(SYS_landlock_add_rule, s->fd, RULE_NET_PORT, &a, 0) && !s->err)
		s->err = -errno;
}

void os_sandbox_devices(struct os_sandbox *s)
{
	add(s, "/dev", FS_READ | FS_WRITE | FS_IOCTL_DEV);
	add(s, "/proc", FS_READ);
	add(s, "/sys", FS_READ);
}

static const char *const everybody[] = {
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/gnutls",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/run/systemd/resolve",
    "/dev/null",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/net",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    /* What a report is made from. */
    "/proc",
    "/proc/self/exe",
#endif
};

void os_sandbox_init(struct os_sandbox *s)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr a = {.fs = fs_of((int)abi)};
	size_t size = sizeof(a.fs);

	*s = (struct os_sandbox){.fd = -1};
	if (abi <= 0)
		return;
	if (abi >= 4) {
		a.net = NET_CONNECT_TCP;
		size += sizeof(a.net);
	}
	if (abi >= 6) {
		a.scoped = SCOPE_SIGNAL;
		size += sizeof(a.scoped);
	}
	s->fd = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (s->fd < 0)
		return;
	s->abi = (int)abi;
	for (size_t i = 0; i < ARRAY_LEN(everybody); i++)
		add(s, everybody[i], FS_READ);
	os_sandbox_connect(s, 53); /* names whose answer does not fit into a datagram */
}

void os_sandbox_finish(struct os_sandbox *s)
{
	if (s->abi)
		close(s->fd);
	*s = (struct os_sandbox){.fd = -1};
}

int os_sandbox_enter(struct os_sandbox *s)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (!s->abi)
		return -ENOSYS;
	if (s->err)
		return s->err;
	return syscall(SYS_landlock_restrict_self, s->fd, 0) ? -errno : 0;
}
