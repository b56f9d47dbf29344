#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * SEC_US + ts.tv_nsec / 1000;
}

int64_t os_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t os_utc_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int os_exit_status(int err)
{
	switch (-err) {
	case 0:
		return EX_OK;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ETIMEDOUT:
	case ENOENT:
		return EX_UNAVAILABLE;
	case EINVAL:
	case EBADMSG:
	case ENODATA:
		return EX_DATAERR;
	case EIO:
	case ENOSPC:
	case EPIPE:
	case EROFS:
	case EISDIR:
	case ENOTDIR:
		return EX_IOERR;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return EX_OSERR;
	default:
		return EX_SOFTWARE;
	}
}

void os_notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(sa.sun_path))
		return;
	memcpy(sa.sun_path, path, strlen(path));
	if (*path == '@') /* the abstract namespace */
		sa.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
	close(fd);
}

void os_ready(int ready_fd)
{
	os_notify("READY=1");
	if (ready_fd < 0)
		return;
	(void)!write(ready_fd, "\n", 1);
	close(ready_fd);
}

int64_t os_watchdog_us(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	int64_t v;

	if (!us || num_int(us, &v) || v <= 0)
		return 0;
	return pid && strtol(pid, NULL, 10) != getpid() ? 0 : v / 2;
}

int os_passed_fds(int *first)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int64_t p, n;

	*first = 3;
	if (!pid || !fds || num_int(pid, &p) || num_int(fds, &n))
		return 0;
	return p == getpid() && n > 0 && n <= 256 ? (int)n : 0;
}

void os_random(void *p, size_t n)
{
	uint8_t *at = p;

	while (n) {
		ssize_t got = getrandom(at, MIN(n, 256), 0);

		if (got < 0 && errno != EINTR)
			abort(); /* since Linux 3.17 this cannot fail */
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

void os_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

static int open_secret(const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	int fd = -1;

	if (dir && !strchr(path, '/')) {
		char *full = str_format("%s/%s", dir, path);

		if (!full)
			return -ENOMEM;
		fd = open(full, O_RDONLY | O_CLOEXEC);
		free(full);
	}
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_all(int fd, char *out, size_t cap)
{
	size_t n = 0;
	ssize_t got;

	while (n < cap && (got = read(fd, out + n, cap - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		n += (size_t)got;
	}
	if (n == cap)
		return -EFBIG;
	while (n && strchr(" \t\r\n", out[n - 1]))
		n--;
	out[n] = 0;
	return n ? 0 : -EINVAL;
}

int os_read_secret(const char *path, char *out, size_t cap)
{
	struct stat st;
	int fd = open_secret(path);

	if (fd < 0)
		return fd;
	int rc = fstat(fd, &st) ? -errno : 0;
	if (!rc && S_ISREG(st.st_mode) && (st.st_mode & 077))
		rc = -EPERM;
	if (!rc)
		rc = read_all(fd, out, cap);
	close(fd);
	if (rc)
		os_wipe(out, cap);
	return rc;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int replace(const char *path, const void *data, size_t len, mode_t mode)
{
	char *tmp = str_format("%s.tmp.%d", path, (int)getpid());

	if (!tmp)
		return -ENOMEM;
	unlink(tmp); /* of a process that had our number */
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int rc = fd < 0 ? -errno : write_all(fd, data, len);
	if (!rc && fsync(fd))
		rc = -errno;
	if (fd >= 0 && close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(tmp, path))
		rc = -errno;
	if (rc && fd >= 0)
		unlink(tmp);
	free(tmp);
	return rc;
}

int os_write_atomic(const char *path, const void *data, size_t len)
{
	return replace(path, data, len, 0644);
}

int os_write_secret(const char *path, const void *data, size_t len)
{
	return replace(path, data, len, 0600);
}

int os_make_dirs(const char *path)
{
	char *p = str_format("%s", path);
	int rc = p ? 0 : -ENOMEM;

	for (char *s = p ? p + 1 : NULL; s && !rc; s++) {
		s = strchr(s, '/');
		if (s)
			*s = 0;
		if (mkdir(p, 0777) && errno != EEXIST)
			rc = -errno;
		if (!s)
			break;
		*s = '/';
	}
	free(p);
	return rc;
}

void os_raise_nofile(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

void os_local_ports(unsigned *first, unsigned *last)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (!f || fscanf(f, "%u %u", first, last) != 2 || *first > *last || *last > 65535) {
		*first = 32768; /* Linux's default */
		*last = 60999;
	}
	if (f)
		fclose(f);
}

void os_thread_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

int os_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : MAX(CPU_COUNT(&set), 1);
}
