/* http-foe: clients that mean no good to an HTTP server, many at once, for a time.
 *
 *   http-foe KIND HOST PORT [-n CONNECTIONS] [-t TIME] [-p PATH]
 *
 * -n 100, -t 2s, -p /. KIND is one of
 *   idle           say nothing
 *   loris          send a head a byte at a time, 10 a second
 *   heads          send heads that are too long
 *   sip            ask a hundred times, and take no byte of the answers
 *   flood          ask without end, and do not wait for answers
 *   reset          HTTP/2: ask and cancel without end
 *   continuation   HTTP/2: a head without end
 *   pings          HTTP/2: pings without end, whose answers nobody takes
 *
 * A connection that was closed is opened again, until the time is over or SIGTERM comes. Prints key=value: opened, open (at the end), closed (by the server),
 * sent (bytes), answers (statuses and GOAWAYs seen), and of these status_NNN and goaway_CODE. Exit status 0; 64. */
#include "probe.h"

#include <sys/epoll.h>

#define FRAME 9
#define BLOCK (64 << 10)

enum kind { IDLE, LORIS, HEADS, SIP, FLOOD, RESET, CONTINUATION, PINGS, KINDS };
static const char *const names[KINDS] = {"idle",  "loris", "heads",	   "sip",
					 "flood", "reset", "continuation", "pings"};

struct foe {
	int fd;
	bool greeted;
	uint32_t stream;
	uint8_t left[1024]; /* of a frame of ours that the socket did not take */
	size_t nleft;
	int64_t next_us;
};

static struct foes {
	struct sockaddr_storage to;
	socklen_t to_len;
	enum kind kind;
	const char *path;
	int64_t n, time_us;
	int epoll;
	struct foe *foe;
	int64_t opened, closed, sent, status[600], goaway[16];
	uint8_t block[BLOCK]; /* what is sent, made anew each time */
	size_t len;
} all = {.n = 100, .time_us = 2 * SEC_US, .path = "/"};

static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
	ended = 1;
}

static int64_t now_us(void)
{
	return now_ns() / 1000;
}

/* ---- what is sent ---- */

static void put(const void *p, size_t n)
{
	if (n && all.len + n <= BLOCK) {
		memcpy(all.block + all.len, p, n);
		all.len += n;
	}
}

static void put_text(const char *s)
{
	put(s, strlen(s));
}

static void put_request(const char *end)
{
	put_text("GET ");
	put_text(all.path);
	put_text(" HTTP/1.1\r\nHost: x\r\n");
	put_text(end);
}

static void put_frame(uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
	const uint8_t head[FRAME] = {(uint8_t)(n >> 16),
				     (uint8_t)(n >> 8),
				     (uint8_t)n,
				     type,
				     flags,
				     (uint8_t)(stream >> 24),
				     (uint8_t)(stream >> 16),
				     (uint8_t)(stream >> 8),
				     (uint8_t)stream};

	put(head, sizeof(head));
	put(p, n);
}

/* RFC 7541: indexed :method GET and :scheme http, literal :path and :authority. */
static void put_headers(uint32_t stream, uint8_t flags)
{
	uint8_t b[256] = {0x82, 0x86, 0x04, (uint8_t)strlen(all.path)};
	size_t n = 4 + strlen(all.path);

	memcpy(b + 4, all.path, strlen(all.path));
	memcpy(b + n, "\x01\x01x", 3);
	put_frame(1, flags, stream, b, n + 3);
}

static void greet_h2(void)
{
	put_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	put_frame(4, 0, 0, NULL, 0);
}

static void put_resets(struct foe *f)
{
	for (int i = 0; i < 50; i++, f->stream += 2) {
		put_headers(f->stream, 0x5);
		put_frame(3, 0, f->stream, "\0\0\0\x8", 4);
	}
}

/* Fields of a head that does not end. */
static void put_continuation(struct foe *f)
{
	uint8_t b[4000];
	size_t n = 0;

	if (!f->greeted)
		put_headers(1, 0x1);
	while (n + 40 < sizeof(b)) {
		memcpy(b + n, "\0\x04evil\x20", 7);
		memset(b + n + 7, 'x', 32);
		n += 39;
	}
	put_frame(9, 0, 1, b, n);
}

/* Fills all.block with what one says next. */
static void compose(struct foe *f)
{
	all.len = 0;
	if (f->nleft) {
		put(f->left, f->nleft);
		f->nleft = 0;
	}
	if (all.kind >= RESET && !f->greeted) {
		greet_h2();
		f->stream = 1;
	}
	switch (all.kind) {
	case LORIS:
		if (f->greeted)
			put_text("x");
		else
			put_request("X-Slow: ");
		break;
	case HEADS:
		put_request("X-Long: ");
		while (all.len < 40000)
			put_text("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		put_text("\r\n\r\n");
		break;
	case SIP:
		for (int i = 0; i < 100 && !f->greeted; i++)
			put_request("\r\n");
		break;
	case FLOOD:
		for (int i = 0; i < 20; i++)
			put_request("\r\n");
		break;
	case RESET:
		put_resets(f);
		break;
	case CONTINUATION:
		put_continuation(f);
		break;
	case PINGS:
		for (int i = 0; i < 200; i++)
			put_frame(6, 0, 0, "12345678", 8);
		break;
	default:
		break;
	}
	f->greeted = true;
}

/* ---- connections ---- */

static void watch(struct foe *f, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = f};

	if (epoll_ctl(all.epoll, op, f->fd, &e))
		die("epoll");
}

static bool pushes(void)
{
	return all.kind >= FLOOD;
}

static void start(struct foe *f)
{
	f->fd = socket(all.to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0)
		die("socket");
	if (all.kind == SIP)
		set_option(f->fd, SOL_SOCKET, SO_RCVBUF, 4096);
	if (connect(f->fd, (struct sockaddr *)&all.to, all.to_len) && errno != EINPROGRESS)
		die("connect");
	f->greeted = false;
	f->nleft = 0;
	all.opened++;
	watch(f, EPOLL_CTL_ADD, EPOLLOUT | EPOLLIN);
}

static void lose(struct foe *f)
{
	all.closed++;
	tcp_reset(f->fd);
	f->fd = -1;
	f->next_us = now_us() + 50 * MS_US;
}

static void speak(struct foe *f)
{
	compose(f);
	if (!all.len)
		return;
	ssize_t n = send(f->fd, all.block, all.len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		lose(f);
		return;
	}
	n = MAX(n, 0);
	all.sent += n;
	/* What does not fit between calls cannot be kept whole: such a connection ends. */
	if (all.len - (size_t)n > sizeof(f->left)) {
		if (!pushes())
			return;
		all.len = (size_t)n;
		shutdown(f->fd, SHUT_WR);
		return;
	}
	f->nleft = all.len - (size_t)n;
	memcpy(f->left, all.block + n, f->nleft);
}

/* Whatever status or GOAWAY is in it; a foe is no judge of the rest. */
static void listen_to(struct foe *f)
{
	static char in[65536];
	ssize_t n = recv(f->fd, in, sizeof(in) - 1, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		lose(f);
		return;
	}
	if (n < 0)
		return;
	if (all.kind < RESET) {
		in[n] = 0;
		for (const char *p = in; (p = memmem(p, (size_t)(in + n - p), "HTTP/1.1 ", 9));
		     p += 9)
			all.status[CLAMP(atoi(p + 9), 0, 599)]++;
		return;
	}
	for (ssize_t i = 0; i + FRAME + 8 <= n;) {
		const uint8_t *p = (const uint8_t *)in + i;

		if (p[3] == 7)
			all.goaway[p[FRAME + 7] & 15]++;
		i += FRAME + (p[0] << 16 | p[1] << 8 | p[2]);
	}
}

static void on_event(struct foe *f, uint32_t events)
{
	if (f->fd < 0)
		return;
	if (events & EPOLLERR) {
		lose(f);
		return;
	}
	if (events & EPOLLOUT && (pushes() || !f->greeted))
		speak(f);
	if (f->fd >= 0 && events & (EPOLLIN | EPOLLHUP) && (all.kind != SIP && all.kind != PINGS))
		listen_to(f);
	if (f->fd >= 0 && !pushes())
		watch(f, EPOLL_CTL_MOD, all.kind == SIP ? EPOLLRDHUP : EPOLLIN);
	if (f->fd >= 0 && all.kind == SIP && events & (EPOLLRDHUP | EPOLLHUP))
		lose(f);
}

static void tick(void)
{
	int64_t now = now_us();

	for (int64_t i = 0; i < all.n; i++) {
		struct foe *f = &all.foe[i];

		if (f->fd < 0 && f->next_us <= now) {
			start(f);
		} else if (f->fd >= 0 && all.kind == LORIS && f->greeted && f->next_us <= now) {
			speak(f);
			f->next_us = now + 100 * MS_US;
		}
	}
}

static void run(void)
{
	int64_t end = now_us() + all.time_us, ticked = 0;
	struct epoll_event e[256];

	while (!ended && now_us() < end) {
		if (now_us() - ticked > 20 * MS_US) {
			ticked = now_us();
			tick();
		}
		int n = epoll_wait(all.epoll, e, ARRAY_LEN(e), 10);
		for (int i = 0; i < n; i++)
			on_event(e[i].data.ptr, e[i].events);
	}
}

static void print_account(void)
{
	int64_t open = 0, answers = 0;

	for (int64_t i = 0; i < all.n; i++)
		open += all.foe[i].fd >= 0;
	for (size_t i = 0; i < ARRAY_LEN(all.status); i++)
		answers += all.status[i];
	for (size_t i = 0; i < ARRAY_LEN(all.goaway); i++)
		answers += all.goaway[i];
	printf("opened=%jd\nopen=%jd\nclosed=%jd\nsent=%jd\nanswers=%jd\n", (intmax_t)all.opened,
	       (intmax_t)open, (intmax_t)all.closed, (intmax_t)all.sent, (intmax_t)answers);
	for (size_t i = 0; i < ARRAY_LEN(all.status); i++)
		if (all.status[i])
			printf("status_%zu=%jd\n", i, (intmax_t)all.status[i]);
	for (size_t i = 0; i < ARRAY_LEN(all.goaway); i++)
		if (all.goaway[i])
			printf("goaway_%zu=%jd\n", i, (intmax_t)all.goaway[i]);
}

static bool read_kind(const char *s)
{
	for (all.kind = 0; all.kind < KINDS; all.kind++)
		if (!strcmp(s, names[all.kind]))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	int opt, r = 0;

	if (argc < 4 || !read_kind(argv[1])) {
		fprintf(stderr, "usage: see the head of tests/bench/http-foe.c\n");
		return 64;
	}
	all.to_len = address(argv[2], argv[3], &all.to);
	argc -= 3;
	argv += 3;
	while (!r && (opt = getopt(argc, argv, "n:t:p:")) != -1) {
		if (opt == 'p')
			all.path = optarg;
		else
			r = opt == '?'	 ? -EINVAL
			    : opt == 't' ? num_duration(optarg, &all.time_us)
					 : num_int(optarg, &all.n);
	}
	if (r || all.n < 1 || strlen(all.path) > 120)
		return 64;
	many_descriptors();
	signal(SIGTERM, on_signal);
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.foe = calloc((size_t)all.n, sizeof(*all.foe));
	if (!all.foe)
		die("memory");
	for (int64_t i = 0; i < all.n; i++)
		all.foe[i].fd = -1;
	run();
	print_account();
	return 0;
}
