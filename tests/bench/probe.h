/* probe: what the benches' probes share: a clock, sockets, payload that can be checked, order
 * statistics. */
#ifndef GEX_TESTS_BENCH_PROBE_H
#define GEX_TESTS_BENCH_PROBE_H

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEC_NS INT64_C(1000000000)

/* What an item fails of ends the probe: a figure that is half measured is none. */
static inline _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "not as expected");
	exit(1);
}

/* The same in all namespaces of a machine. */
static inline int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SEC_NS + t.tv_nsec;
}

/* A numeric address. Returns its length. */
static inline socklen_t address(const char *host, const char *port, struct sockaddr_storage *out)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *a;
	socklen_t len;

	errno = 0;
	if (getaddrinfo(host, port, &hints, &a))
		die(host);
	len = a->ai_addrlen;
	memcpy(out, a->ai_addr, len);
	freeaddrinfo(a);
	return len;
}

static inline void set_option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* A blocking connection without Nagle's delay. */
static inline int tcp_connect(const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t len = address(host, port, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, (struct sockaddr *)&to, len))
		die("connect");
	return fd;
}

static inline int tcp_listen(const char *host, const char *port)
{
	struct sockaddr_storage at;
	socklen_t len = address(host, port, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (struct sockaddr *)&at, len) || listen(fd, 4096))
		die("listen");
	return fd;
}

/* Ends a connection at once: what is queued is dropped, no port stays in TIME_WAIT. */
static inline void tcp_reset(int fd)
{
	const struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static inline void many_descriptors(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static inline void say_ready(const char *fd)
{
	if (write(atoi(fd), "\n", 1) != 1)
		die("ready");
}

/* ---- payload: byte i of a stream is pattern[i % PATTERN], which is random and no power of two long ---- */

#define PATTERN 1000003
#define CHUNK 65536

static uint8_t pattern[PATTERN + CHUNK];

static inline void pattern_init(void)
{
	uint64_t x = 88172645463325252u; /* xorshift64: Marsaglia 2003 */
	size_t i;

	for (i = 0; i < PATTERN; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 32);
	}
	memcpy(pattern + PATTERN, pattern, CHUNK);
}

/* Up to CHUNK bytes may be read there. */
static inline const uint8_t *pattern_at(uint64_t offset)
{
	return pattern + offset % PATTERN;
}

/* ---- order statistics ---- */

static inline int compare_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts v and prints NAME_p50=, NAME_p99=, NAME_max= in ms. */
static inline void print_quantiles(const char *name, int64_t *v, size_t n)
{
	if (!n)
		return;
	qsort(v, n, sizeof(*v), compare_i64);
	printf("%s_p50=%.3f\n%s_p99=%.3f\n%s_max=%.3f\n", name, (double)v[(n - 1) / 2] / 1e6, name,
	       (double)v[(n - 1) * 99 / 100] / 1e6, name, (double)v[n - 1] / 1e6);
}

#endif
