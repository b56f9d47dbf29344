/* tcp-crowd: many TCP connections to the echo of `tcp-load serve`, from one process.
 *
 *   tcp-crowd idle HOST PORT [-n COUNT] [-p PARALLEL]    opens COUNT (10000), so many at once (64)
 *   tcp-crowd rate HOST PORT [-t TIME] [-p PARALLEL]     opens and closes for TIME (8 s)
 *
 * Each connection is open once a byte has come back. idle prints open= and ms=, holds them until
 * SIGTERM, then sends another byte on each and prints alive=, those that echo it within 10 s. rate
 * prints rate=, connections a second, and failed=. Towards 127.0.0.0/8 the connections come from 200
 * addresses, so that ports do not run out. */
#include "probe.h"

#include <sys/epoll.h>

/* As tcp-load reads it: the mode `echo`, then nothing that an echo needs. */
static const uint64_t request[6] = {3};

struct crowd {
	struct sockaddr_storage to;
	socklen_t to_len;
	int epoll;
	int64_t parallel, count, time_us;
	int64_t started, open, failed;
	int *fd; /* idle: those that are open */
};

static void watch(const struct crowd *c, int op, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	if (epoll_ctl(c->epoll, op, fd, &e))
		die("epoll");
}

static void choose_source(const struct crowd *c, int fd)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&c->to;
	struct sockaddr_in from = {.sin_family = AF_INET};

	if (to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127)
		return;
	set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	from.sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(c->started % 200));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("bind");
}

static void start_one(struct crowd *c)
{
	int fd = socket(c->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	choose_source(c, fd);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, (struct sockaddr *)&c->to, c->to_len) && errno != EINPROGRESS)
		die("connect");
	watch(c, EPOLL_CTL_ADD, fd, EPOLLOUT);
	c->started++;
}

/* Says what it wants, and the byte that shall come back. */
static bool say(const struct crowd *c, int fd)
{
	uint8_t hello[sizeof(request) + 1] = {0};

	memcpy(hello, request, sizeof(request));
	if (send(fd, hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello))
		return false;
	watch(c, EPOLL_CTL_MOD, fd, EPOLLIN);
	return true;
}

/* What one connection in the opening can do; true when it is open or has failed. */
static bool go_on(struct crowd *c, int fd, uint32_t events)
{
	uint8_t byte;

	if (!(events & (EPOLLERR | EPOLLHUP))) {
		if (events & EPOLLOUT && say(c, fd))
			return false;
		if (events & EPOLLIN && recv(fd, &byte, 1, 0) == 1) {
			if (c->fd) {
				c->fd[c->open] = fd;
				epoll_ctl(c->epoll, EPOLL_CTL_DEL, fd, NULL);
			} else {
				close(fd);
			}
			c->open++;
			return true;
		}
	}
	c->failed++;
	close(fd);
	return true;
}

/* Keeps so many in the opening until `count` have been started or the time is over. */
static int64_t run(struct crowd *c, int64_t limit_ns)
{
	int64_t start = now_ns(), end = start + limit_ns, busy = 0;
	struct epoll_event e[64];
	int i, n;

	while (now_ns() < end) {
		while (busy < c->parallel && c->started < c->count) {
			start_one(c);
			busy++;
		}
		if (!busy)
			break;
		n = epoll_wait(c->epoll, e, 64, 100);
		for (i = 0; i < n; i++)
			busy -= go_on(c, e[i].data.fd, e[i].events);
	}
	return now_ns() - start;
}

static int64_t count_alive(const struct crowd *c)
{
	const struct timeval patience = {10, 0};
	int64_t alive = 0, i;
	uint8_t byte = 1;

	for (i = 0; i < c->open; i++)
		if (send(c->fd[i], &byte, 1, MSG_NOSIGNAL) != 1)
			c->fd[i] = -1;
	for (i = 0; i < c->open; i++) {
		fcntl(c->fd[i], F_SETFL, 0);
		setsockopt(c->fd[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		alive += recv(c->fd[i], &byte, 1, 0) == 1;
	}
	return alive;
}

static int idle(struct crowd *c)
{
	sigset_t set;
	int64_t ns;
	int sig;

	c->fd = calloc((size_t)c->count, sizeof(*c->fd));
	if (!c->fd)
		die("memory");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ns = run(c, 60 * SEC_NS);
	printf("open=%jd\nfailed=%jd\nms=%.1f\n", (intmax_t)c->open, (intmax_t)c->failed,
	       (double)ns / 1e6);
	fflush(stdout);
	sigwait(&set, &sig);
	printf("alive=%jd\n", (intmax_t)count_alive(c));
	return 0;
}

static int rate(struct crowd *c)
{
	int64_t ns;

	c->count = INT64_MAX;
	ns = run(c, c->time_us * 1000);
	printf("rate=%.1f\nfailed=%jd\n", (double)c->open * 1e9 / (double)ns, (intmax_t)c->failed);
	return 0;
}

int main(int argc, char **argv)
{
	struct crowd c = {.epoll = epoll_create1(EPOLL_CLOEXEC),
			  .parallel = 64,
			  .count = 10000,
			  .time_us = 8 * SEC_US};
	const char *what = argc >= 4 ? argv[1] : "";
	int opt, r = 0;

	if (strcmp(what, "idle") && strcmp(what, "rate")) {
		fprintf(stderr, "usage: see the head of tests/bench/tcp-crowd.c\n");
		return 64;
	}
	c.to_len = address(argv[2], argv[3], &c.to);
	argc -= 3;
	argv += 3;
	while (!r && (opt = getopt(argc, argv, "n:p:t:")) != -1) {
		if (opt == 't')
			r = num_duration(optarg, &c.time_us);
		else
			r = opt == '?' ? -EINVAL
				       : num_int(optarg, opt == 'n' ? &c.count : &c.parallel);
	}
	if (r || c.count < 1 || c.parallel < 1)
		return 64;
	many_descriptors();
	return !strcmp(what, "idle") ? idle(&c) : rate(&c);
}
