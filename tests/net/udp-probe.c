/* udp-probe: measures a path with small datagrams sent at a steady pace and echoed by the other
 * end.
 *
 *   udp-probe echo HOST PORT [--ready-fd N]
 *   udp-probe send HOST PORT [-n COUNT] [-i INTERVAL] [-s BYTES] [-w WAIT]
 *
 * HOST is a numeric address. `send` waits WAIT (1 s) for the last echoes and prints sent=,
 * received=, lost=, duplicated=, reordered=, runs= (of losses), loss_percent= and the round trip in
 * ms: rtt_min=, rtt_p50=, rtt_p99=, rtt_max=. A datagram is a number and the sender's clock,
 * padded. */
#include "base/base.h"
#include "punctual.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD 16
#define MAX_COUNT 1000000

struct probe {
	int fd;
	int64_t count, interval_us, size, wait_us;
	int64_t *rtt_ns; /* of each datagram; 0 = no echo */
	int64_t received, duplicated, reordered, last;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int open_socket(const char *host, const char *port, bool server)
{
	struct addrinfo hint = {.ai_socktype = SOCK_DGRAM,
				.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *ai;
	int fd = -1, size = 4 << 20;

	if (getaddrinfo(host, port, &hint, &ai))
		return -1;
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (server ? bind(fd, ai->ai_addr, ai->ai_addrlen)
			       : connect(fd, ai->ai_addr, ai->ai_addrlen))) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(ai);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static int echo(int fd, int ready_fd)
{
	static uint8_t buf[65536];
	struct sockaddr_storage from;
	socklen_t len;
	ssize_t n;

	if (ready_fd >= 0 && write(ready_fd, "\n", 1) != 1)
		return 74;
	for (;;) {
		len = sizeof(from);
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		else if (errno != EINTR && errno != ECONNREFUSED)
			return 74;
	}
}

static void on_echo(struct probe *p, const uint8_t *buf, size_t n)
{
	struct rd r = rd_of(buf, n);
	int64_t number = (int64_t)rd_u64(&r), sent = (int64_t)rd_u64(&r);

	if (r.bad || number < 0 || number >= p->count)
		return;
	if (p->rtt_ns[number]) {
		p->duplicated++;
		return;
	}
	p->rtt_ns[number] = MAX(now_ns() - sent, 1);
	p->received++;
	p->reordered += number < p->last;
	p->last = MAX(p->last, number);
}

/* Takes echoes in until then. */
static void receive_until(struct probe *p, int64_t until_ns)
{
	static uint8_t buf[65536];
	struct pollfd f = {p->fd, POLLIN, 0};
	struct timespec t;
	int64_t left;
	ssize_t n;

	while ((left = until_ns - now_ns()) > 0 && p->received < p->count) {
		t = (struct timespec){left / 1000000000, left % 1000000000};
		if (ppoll(&f, 1, &t, NULL) <= 0)
			continue;
		while ((n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0)
			on_echo(p, buf, (size_t)n);
	}
}

static void send_all(struct probe *p)
{
	static uint8_t buf[65536];
	int64_t start = now_ns(), i;
	struct wr w;

	for (i = 0; i < p->count; i++) {
		receive_until(p, start + i * p->interval_us * 1000);
		w = wr_of(buf, sizeof(buf));
		wr_u64(&w, (uint64_t)i);
		wr_u64(&w, (uint64_t)now_ns());
		send(p->fd, buf, (size_t)p->size, 0);
	}
	receive_until(p, now_ns() + p->wait_us * 1000);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void report(struct probe *p)
{
	int64_t lost = p->count - p->received, runs = 0, i, *v = p->rtt_ns;
	int64_t last = p->count - 1, p50, p99;

	for (i = 0; i < p->count; i++)
		runs += !v[i] && (i == 0 || v[i - 1]);
	printf("sent=%jd\nreceived=%jd\nlost=%jd\nduplicated=%jd\nreordered=%jd\nruns=%jd\n",
	       (intmax_t)p->count, (intmax_t)p->received, (intmax_t)lost, (intmax_t)p->duplicated,
	       (intmax_t)p->reordered, (intmax_t)runs);
	printf("loss_percent=%.3f\n", 100.0 * (double)lost / (double)p->count);
	if (!p->received)
		return;
	qsort(v, (size_t)p->count, sizeof(*v), compare);
	v += lost;
	last -= lost;
	p50 = v[last / 2];
	p99 = v[last * 99 / 100];
	printf("rtt_min=%.3f\nrtt_p50=%.3f\nrtt_p99=%.3f\nrtt_max=%.3f\n", (double)v[0] / 1e6,
	       (double)p50 / 1e6, (double)p99 / 1e6, (double)v[last] / 1e6);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: udp-probe echo HOST PORT [--ready-fd N]\n"
		"       udp-probe send HOST PORT [-n COUNT] [-i INTERVAL] [-s BYTES] [-w WAIT]\n");
	return 64;
}

static int parse(struct probe *p, int argc, char **argv)
{
	int opt, r = 0;

	while (!r && (opt = getopt(argc, argv, "n:i:s:w:")) != -1) {
		if (opt == 'n')
			r = num_int(optarg, &p->count);
		else if (opt == 'i')
			r = num_duration(optarg, &p->interval_us);
		else if (opt == 's')
			r = num_int(optarg, &p->size);
		else if (opt == 'w')
			r = num_duration(optarg, &p->wait_us);
		else
			r = -EINVAL;
	}
	if (r || p->count < 1 || p->count > MAX_COUNT || p->size < HEAD || p->size > 65000)
		return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	struct probe p = {.count = 100, .interval_us = 10000, .size = 100, .wait_us = SEC_US};
	bool server = argc > 1 && !strcmp(argv[1], "echo");

	if (argc < 4 || (!server && strcmp(argv[1], "send") != 0))
		return usage();
	if (!server && parse(&p, argc - 3, argv + 3))
		return usage();
	be_punctual();
	p.fd = open_socket(argv[2], argv[3], server);
	if (p.fd < 0) {
		fprintf(stderr, "udp-probe: %s port %s: %s\n", argv[2], argv[3], strerror(errno));
		return 69;
	}
	if (server)
		return echo(p.fd, argc == 6 && !strcmp(argv[4], "--ready-fd") ? atoi(argv[5]) : -1);
	p.rtt_ns = calloc((size_t)p.count, sizeof(*p.rtt_ns));
	if (!p.rtt_ns)
		return 71;
	send_all(&p);
	report(&p);
	free(p.rtt_ns);
	close(p.fd);
	return 0;
}
