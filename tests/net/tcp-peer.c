/* tcp-peer: the two ends of TCP connections whose ways of ending and timing tests need.
 *
 *   tcp-peer serve MODE HOST PORT [--ready-fd N]    a process for each connection, until it is ended
 *      echo      sends back what comes; passes on the end
 *      count     reads to the end, then sends "BYTES CHECKSUM\n"
 *      source    reads a line with a number, sends so many bytes, ends
 *      greet     speaks first: sends "hello\n", then echoes
 *      reset     reads one byte, then resets
 *      hold      reads to the end, sends a byte, waits for what comes then, says how it ended
 *   tcp-peer push HOST PORT BYTES    to `count`: half-closes, checks the answer; prints mbit= ms=
 *   tcp-peer pull HOST PORT BYTES    from `source`: checks the bytes; prints mbit= ms= and gap_ms=, the longest pause
 *   tcp-peer greet HOST PORT         waits for a line before it says anything; prints it
 *   tcp-peer ending HOST PORT        sends a byte and prints how the connection ends: eof, reset, refused
 *   tcp-peer abort HOST PORT         gets one byte echoed, then resets
 *   tcp-peer half HOST PORT          to `hold`: half-closes, gets the byte, then resets
 *   tcp-peer many HOST PORT COUNT BYTES    so many connections at once to `echo`, each checked
 *   tcp-peer ping HOST PORT COUNT    round trips of 100 bytes to `echo`; prints rtt_p50_us= rtt_p99_us=
 *   tcp-peer idle HOST PORT COUNT    opens them, prints "open", holds them until its input ends
 *
 * HOST is a numeric address. Exit status 1 when something is not as it has to be. */
#include "base/base.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

static void die(const char *what)
{
	fprintf(stderr, "tcp-peer: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SEC_US + t.tv_nsec / 1000;
}

/* Byte number i of every stream. */
static uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

static uint64_t sum(uint64_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static int open_socket(const char *host, const char *port, bool server)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *a;
	const int one = 1;

	if (getaddrinfo(host, port, &hints, &a))
		die(host);
	int fd = socket(a->ai_family, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (server ? bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1024)
		   : connect(fd, a->ai_addr, a->ai_addrlen)) {
		int err = errno;

		close(fd);
		errno = err;
		fd = -1;
	}
	freeaddrinfo(a);
	return fd;
}

static int must_connect(const char *host, const char *port)
{
	int fd = open_socket(host, port, false);

	if (fd < 0)
		die("connect");
	return fd;
}

static bool send_all(int fd, const uint8_t *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t w = write(fd, p + done, n - done);

		if (w <= 0)
			return false;
		done += (size_t)w;
	}
	return true;
}

static void reset(int fd)
{
	const struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* ---- servers ---- */

static void serve_echo(int fd)
{
	uint8_t buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (!send_all(fd, buf, (size_t)n))
			break;
	fprintf(stderr, "connection ended: %s\n", n < 0 ? strerror(errno) : "end");
}

static void serve_count(int fd)
{
	uint64_t total = 0, h = 0;
	uint8_t buf[CHUNK];
	char line[64];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		h = sum(h, buf, (size_t)n);
		total += (uint64_t)n;
	}
	int len = snprintf(line, sizeof(line), "%llu %llx\n", (unsigned long long)total,
			   (unsigned long long)h);

	send_all(fd, (uint8_t *)line, (size_t)len);
}

static void serve_source(int fd)
{
	uint8_t buf[CHUNK];
	char line[32] = "";
	uint64_t at = 0, total;
	size_t len = 0;

	while (len < sizeof(line) - 1 && !strchr(line, '\n') && read(fd, line + len, 1) == 1)
		len++;
	total = strtoull(line, NULL, 10);
	while (at < total) {
		size_t n = MIN(sizeof(buf), total - at);

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(at + i);
		if (!send_all(fd, buf, n))
			return;
		at += n;
	}
}

static void serve_hold(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLPRI};
	uint8_t buf[CHUNK];
	socklen_t n = sizeof(errno);

	while (read(fd, buf, sizeof(buf)) > 0)
		;
	if (!send_all(fd, buf, 1))
		return;
	if (poll(&p, 1, 5000) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &n);
	else
		errno = ETIMEDOUT;
	fprintf(stderr, "connection held: %s\n", strerror(errno));
}

static void serve_one(const char *mode, int fd)
{
	uint8_t byte;

	if (!strcmp(mode, "count")) {
		serve_count(fd);
	} else if (!strcmp(mode, "source")) {
		serve_source(fd);
	} else if (!strcmp(mode, "hold")) {
		serve_hold(fd);
	} else if (!strcmp(mode, "reset")) {
		if (read(fd, &byte, 1) == 1)
			reset(fd);
		_exit(0);
	} else {
		if (!strcmp(mode, "greet"))
			send_all(fd, (const uint8_t *)"hello\n", 6);
		serve_echo(fd);
	}
	close(fd);
	_exit(0);
}

static _Noreturn void serve(int argc, char **argv)
{
	const int one = 1;
	int fd = open_socket(argv[3], argv[4], true);

	if (fd < 0)
		die("listen");
	signal(SIGCHLD, SIG_IGN);
	if (argc == 7 && !strcmp(argv[5], "--ready-fd") && write(atoi(argv[6]), "\n", 1) != 1)
		die("ready");
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			continue;
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!fork()) {
			close(fd);
			serve_one(argv[2], c);
		}
		close(c);
	}
}

/* ---- clients ---- */

static void print_rate(uint64_t bytes, int64_t since_us)
{
	int64_t us = MAX(now_us() - since_us, 1);

	printf("mbit=%.1f\nms=%.2f\n", (double)bytes * 8 / (double)us, (double)us / 1e3);
}

static int push(const char *host, const char *port, uint64_t total)
{
	int64_t start = now_us();
	int fd = must_connect(host, port);
	uint8_t buf[CHUNK];
	uint64_t h = 0;
	char want[64], got[64] = "";
	size_t len = 0;

	for (uint64_t at = 0; at < total;) {
		size_t n = MIN(sizeof(buf), total - at);

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(at + i);
		h = sum(h, buf, n);
		if (!send_all(fd, buf, n))
			die("send");
		at += n;
	}
	shutdown(fd, SHUT_WR);
	for (ssize_t r; (r = read(fd, got + len, sizeof(got) - 1 - len)) > 0;)
		len += (size_t)r;
	snprintf(want, sizeof(want), "%llu %llx\n", (unsigned long long)total,
		 (unsigned long long)h);
	if (strcmp(want, got)) {
		fprintf(stderr, "tcp-peer: answer \"%s\", not \"%s\"\n", got, want);
		return 1;
	}
	print_rate(total, start);
	return 0;
}

static int pull(const char *host, const char *port, uint64_t total)
{
	int64_t start = now_us();
	int fd = must_connect(host, port);
	uint8_t buf[CHUNK];
	uint64_t at = 0;
	char line[32];
	int64_t last = 0, gap = 0;
	ssize_t n;

	int len = snprintf(line, sizeof(line), "%llu\n", (unsigned long long)total);

	if (!send_all(fd, (uint8_t *)line, (size_t)len))
		die("send");
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		gap = last ? MAX(gap, now_us() - last) : 0;
		last = now_us();
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != pattern(at++)) {
				fprintf(stderr, "tcp-peer: wrong byte at %llu\n",
					(unsigned long long)at - 1);
				return 1;
			}
	}
	if (n < 0 || at != total)
		die("receive");
	print_rate(total, start);
	printf("gap_ms=%lld\n", (long long)(gap / 1000));
	return 0;
}

static int greet(const char *host, const char *port)
{
	int fd = must_connect(host, port);
	char line[64];
	ssize_t n = read(fd, line, sizeof(line) - 1);

	if (n <= 0)
		die("no greeting");
	line[n] = 0;
	fputs(line, stdout);
	return 0;
}

/* A reset is told once: by connect, by write, or by read. */
static const char *how_it_ends(const char *host, const char *port)
{
	int fd = open_socket(host, port, false);
	uint8_t byte = 'x';
	ssize_t n = -1;

	if (fd >= 0) {
		n = write(fd, &byte, 1);
		while (n > 0)
			n = read(fd, &byte, 1);
	}
	if (!n)
		return "eof";
	if (errno == ECONNREFUSED)
		return "refused";
	if (errno != ECONNRESET && errno != EPIPE)
		die("ending");
	return "reset";
}

static int ending(const char *host, const char *port)
{
	puts(how_it_ends(host, port));
	return 0;
}

static int abort_one(const char *host, const char *port, bool half)
{
	int fd = must_connect(host, port);
	uint8_t byte = 'x';

	if (write(fd, &byte, 1) != 1 || (half && shutdown(fd, SHUT_WR)) || read(fd, &byte, 1) != 1)
		die("echo");
	reset(fd);
	return 0;
}

struct one {
	uint64_t sent, got;
};

/* What one connection can do now; true when it is finished. */
static bool step(struct one *o, int fd, int events, uint64_t total, unsigned salt)
{
	uint8_t buf[4096];
	size_t n = MIN(sizeof(buf), total - o->sent);

	if ((events & POLLOUT) && n) {
		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(o->sent + i + salt);
		ssize_t w = send(fd, buf, n, MSG_DONTWAIT);

		if (w < 0 && errno != EAGAIN)
			die("send");
		o->sent += w > 0 ? (uint64_t)w : 0;
		if (o->sent == total)
			shutdown(fd, SHUT_WR);
	}
	if (!(events & (POLLIN | POLLERR | POLLHUP)))
		return false;
	ssize_t r = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (r < 0 && errno != EAGAIN)
		die("receive");
	for (ssize_t i = 0; i < r; i++)
		if (buf[i] != pattern(o->got++ + salt))
			die("wrong byte");
	if (!r && o->got != total) {
		errno = 0;
		die("short");
	}
	return !r;
}

static int many(const char *host, const char *port, unsigned count, uint64_t total)
{
	struct pollfd *p = calloc(count, sizeof(*p));
	struct one *o = calloc(count, sizeof(*o));
	unsigned open = count;

	if (!p || !o)
		die("memory");
	for (unsigned i = 0; i < count; i++)
		p[i] = (struct pollfd){must_connect(host, port), POLLIN | POLLOUT, 0};
	while (open) {
		if (poll(p, count, 20000) <= 0)
			die("stalled");
		for (unsigned i = 0; i < count; i++) {
			if (p[i].fd < 0 || !p[i].revents)
				continue;
			if (step(&o[i], p[i].fd, p[i].revents, total, i)) {
				close(p[i].fd);
				p[i].fd = -1;
				open--;
			} else if (o[i].sent == total) {
				p[i].events = POLLIN;
			}
		}
	}
	free(p);
	free(o);
	printf("connections=%u\n", count);
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int ping(const char *host, const char *port, unsigned count)
{
	int fd = must_connect(host, port);
	int64_t *rtt = calloc(count, sizeof(*rtt));
	uint8_t buf[100];

	if (!rtt)
		die("memory");
	memset(buf, 'p', sizeof(buf));
	for (unsigned i = 0; i < count; i++) {
		int64_t start = now_us();

		if (!send_all(fd, buf, sizeof(buf)) ||
		    recv(fd, buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
			die("echo");
		rtt[i] = now_us() - start;
		usleep(1000);
	}
	qsort(rtt, count, sizeof(*rtt), compare);
	printf("rtt_p50_us=%lld\nrtt_p99_us=%lld\n", (long long)rtt[count / 2],
	       (long long)rtt[count * 99 / 100]);
	free(rtt);
	return 0;
}

static int idle(const char *host, const char *port, unsigned count)
{
	char byte;

	for (unsigned i = 0; i < count; i++)
		must_connect(host, port);
	puts("open");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (argc >= 5 && !strcmp(what, "serve"))
		serve(argc, argv);
	if (argc == 5 && !strcmp(what, "push"))
		return push(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	if (argc == 5 && !strcmp(what, "pull"))
		return pull(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	if (argc == 4 && !strcmp(what, "greet"))
		return greet(argv[2], argv[3]);
	if (argc == 4 && !strcmp(what, "ending"))
		return ending(argv[2], argv[3]);
	if (argc == 4 && !strcmp(what, "abort"))
		return abort_one(argv[2], argv[3], false);
	if (argc == 4 && !strcmp(what, "half"))
		return abort_one(argv[2], argv[3], true);
	if (argc == 6 && !strcmp(what, "many"))
		return many(argv[2], argv[3], (unsigned)atoi(argv[4]), strtoull(argv[5], NULL, 10));
	if (argc == 5 && !strcmp(what, "ping"))
		return ping(argv[2], argv[3], (unsigned)atoi(argv[4]));
	if (argc == 5 && !strcmp(what, "idle"))
		return idle(argv[2], argv[3], (unsigned)atoi(argv[4]));
	fprintf(stderr, "usage: see the head of tests/net/tcp-peer.c\n");
	return 64;
}
