/* udp-crowd: many UDP flows at a steady pace, from one process, and the server of them.
 *
 *   udp-crowd serve HOST PORT [--ready-fd N]
 *   udp-crowd send HOST PORT [-n FLOWS] [-i INTERVAL] [-t TIME] [-s BYTES] [-1]
 *                 [-a PORT]
 *
 * Each of FLOWS (10000) has a socket of its own and sends BYTES (100) every INTERVAL (50 ms), the flows
 * spread evenly over it. The server echoes them, or with -1 only counts. When the time is over it asks the
 * server for its count, at port PORT of the same host where one way there is better known. Prints sent=, arrived= at the server, received= back,
 * up_lost= and lost= in percent, and rtt_p50= rtt_p99= rtt_max= in ms from the kernel's timestamps. */
#include "probe.h"

#define BATCH 64
#define ASK UINT64_MAX

/* A datagram, padded. */
struct note {
	uint64_t flow; /* or ASK */
	uint64_t echo;
	int64_t sent_ns; /* of the real-time clock, as the kernel's timestamps are */
	uint64_t arrived;
};

static int64_t real_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * SEC_NS + t.tv_nsec;
}

/* ---- the server ---- */

struct batch {
	struct mmsghdr m[BATCH];
	struct iovec io[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t data[BATCH][2048];
};

static void batch_init(struct batch *b)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		b->io[i] = (struct iovec){b->data[i], sizeof(b->data[i])};
		b->m[i].msg_hdr = (struct msghdr){.msg_name = &b->from[i],
						  .msg_namelen = sizeof(b->from[i]),
						  .msg_iov = &b->io[i],
						  .msg_iovlen = 1};
	}
}

/* Counts n datagrams and moves those that want an echo to the front. Returns how many those are. */
static int take(struct batch *b, int n, uint64_t *arrived)
{
	struct note note;
	int i, keep = 0;

	for (i = 0; i < n; i++) {
		memcpy(&note, b->data[i], sizeof(note));
		if (note.flow == ASK) {
			note.arrived = *arrived;
			*arrived = 0;
			memcpy(b->data[i], &note, sizeof(note));
		} else {
			++*arrived;
		}
		if (!note.echo)
			continue;
		b->io[i].iov_len = b->m[i].msg_len;
		if (keep != i) {
			struct mmsghdr m = b->m[keep];

			b->m[keep] = b->m[i];
			b->m[i] = m;
		}
		keep++;
	}
	return keep;
}

static _Noreturn void serve(int argc, char **argv)
{
	static struct batch b;
	struct sockaddr_storage at;
	socklen_t len = address(argv[2], argv[3], &at);
	int fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), n, keep, done, k;
	uint64_t arrived = 0;

	set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20);
	if (bind(fd, (struct sockaddr *)&at, len))
		die("bind");
	if (argc == 6 && !strcmp(argv[4], "--ready-fd"))
		say_ready(argv[5]);
	for (;;) {
		batch_init(&b);
		n = recvmmsg(fd, b.m, BATCH, MSG_WAITFORONE, NULL);
		if (n <= 0)
			continue;
		keep = take(&b, n, &arrived);
		for (done = 0; done < keep; done += k) {
			k = sendmmsg(fd, b.m + done, (unsigned)(keep - done), 0);
			k = MAX(k, 1); /* one that cannot be sent is lost */
		}
	}
}

/* ---- the client ---- */

struct crowd {
	const char *host, *port, *ask_port;
	int64_t flows, interval_us, time_us, size;
	bool one_way;
	int *fd; /* of the flows, and one to ask by */
	int64_t *rtt_ns;
	size_t rtts, rtt_cap;
	uint64_t sent, received;
};

static int open_flow(const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t len = address(host, port, &to);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, len))
		die("flow");
	set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	return fd;
}

static void open_flows(struct crowd *c)
{
	int64_t i;

	c->fd = calloc((size_t)c->flows + 1, sizeof(*c->fd));
	c->rtt_cap = (size_t)(c->flows * (c->time_us / c->interval_us + 2));
	c->rtt_ns = calloc(c->rtt_cap, sizeof(*c->rtt_ns));
	if (!c->fd || !c->rtt_ns)
		die("memory");
	for (i = 0; i < c->flows; i++)
		c->fd[i] = open_flow(c->host, c->port);
	c->fd[i] = open_flow(c->host, c->ask_port);
}

static int64_t arrival_ns(struct msghdr *h)
{
	struct cmsghdr *m = CMSG_FIRSTHDR(h);
	struct timespec t;

	if (!m || m->cmsg_type != SCM_TIMESTAMPNS)
		return real_ns();
	memcpy(&t, CMSG_DATA(m), sizeof(t));
	return t.tv_sec * SEC_NS + t.tv_nsec;
}

/* Takes what has come for this flow. Returns the server's count if that was among it, or -1. */
static int64_t drain(struct crowd *c, int fd)
{
	uint8_t data[4][256], control[4][64];
	struct iovec io[4];
	struct mmsghdr m[4];
	int64_t count = -1;
	struct note note;
	int i, n;

	for (i = 0; i < 4; i++) {
		io[i] = (struct iovec){data[i], sizeof(data[i])};
		m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &io[i],
						    .msg_iovlen = 1,
						    .msg_control = control[i],
						    .msg_controllen = sizeof(control[i])}};
	}
	n = recvmmsg(fd, m, 4, MSG_DONTWAIT, NULL);
	for (i = 0; i < n; i++) {
		memcpy(&note, data[i], sizeof(note));
		if (note.flow == ASK) {
			count = (int64_t)note.arrived;
			continue;
		}
		c->received++;
		if (c->rtts < c->rtt_cap)
			c->rtt_ns[c->rtts++] = arrival_ns(&m[i].msg_hdr) - note.sent_ns;
	}
	return count;
}

static void send_one(struct crowd *c, int64_t flow, bool ask)
{
	uint8_t buf[2048] = {0};
	struct note note = {ask ? ASK : (uint64_t)flow, ask || !c->one_way, real_ns(), 0};

	memcpy(buf, &note, sizeof(note));
	if (send(c->fd[flow], buf, (size_t)c->size, 0) == c->size && !ask)
		c->sent++;
}

static void sleep_until(int64_t ns)
{
	struct timespec t = {ns / SEC_NS, ns % SEC_NS};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void send_all(struct crowd *c)
{
	int64_t start = now_ns(), step = c->interval_us * 1000, round, i;

	for (round = 0; round * c->interval_us < c->time_us; round++) {
		for (i = 0; i < c->flows; i++) {
			/* A millisecond's worth at once: far fewer wake-ups. */
			if (i % MAX(c->flows / MAX(c->interval_us / 1000, 1), 1) == 0)
				sleep_until(start + round * step + i * step / c->flows);
			if (!c->one_way)
				drain(c, c->fd[i]);
			send_one(c, i, false);
		}
	}
	sleep_until(now_ns() + SEC_NS);
	for (i = 0; i < c->flows; i++)
		drain(c, c->fd[i]);
}

/* How many the server has had since it was asked last; -1 when it does not say. */
static int64_t ask(struct crowd *c)
{
	int64_t count = -1;
	int i, k;

	for (i = 0; i < 5 && count < 0; i++) {
		send_one(c, c->flows, true);
		for (k = 0; k < 50 && count < 0; k++) {
			sleep_until(now_ns() + SEC_NS / 100);
			count = drain(c, c->fd[c->flows]);
		}
	}
	return count;
}

static void report(struct crowd *c, int64_t arrived)
{
	double sent = (double)MAX(c->sent, 1);

	printf("sent=%ju\narrived=%jd\nreceived=%ju\nup_lost=%.4f\n", (uintmax_t)c->sent,
	       (intmax_t)arrived, (uintmax_t)c->received, 100 - 100 * (double)arrived / sent);
	if (c->one_way)
		return;
	printf("lost=%.4f\n", 100 - 100 * (double)c->received / sent);
	print_quantiles("rtt", c->rtt_ns, c->rtts);
}

int main(int argc, char **argv)
{
	struct crowd c = {
	    .flows = 10000, .interval_us = 50000, .time_us = 10 * SEC_US, .size = 100};
	const char *what = argc >= 4 ? argv[1] : "";
	int64_t arrived;
	int opt, r = 0;

	many_descriptors();
	if (!strcmp(what, "serve"))
		serve(argc, argv);
	if (strcmp(what, "send") != 0) {
		fprintf(stderr, "usage: see the head of tests/bench/udp-crowd.c\n");
		return 64;
	}
	c.host = argv[2];
	c.port = c.ask_port = argv[3];
	argc -= 3;
	argv += 3;
	while (!r && (opt = getopt(argc, argv, "n:i:t:s:a:1")) != -1) {
		if (opt == 'n' || opt == 's')
			r = num_int(optarg, opt == 'n' ? &c.flows : &c.size);
		else if (opt == 'i' || opt == 't')
			r = num_duration(optarg, opt == 'i' ? &c.interval_us : &c.time_us);
		else if (opt == 'a')
			c.ask_port = optarg;
		else if (opt == '1')
			c.one_way = true;
		else
			r = -EINVAL;
	}
	if (r || c.flows < 1 || c.size < (int64_t)sizeof(struct note) || c.size > 256 ||
	    c.interval_us < 1000)
		return 64;
	open_flows(&c);
	ask(&c); /* its count starts at nought */
	send_all(&c);
	arrived = ask(&c);
	errno = 0;
	if (arrived < 0)
		die("the server does not say what came");
	report(&c, arrived);
	return 0;
}
