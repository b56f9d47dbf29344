/* wan-link: a long-distance link between two network namespaces, for kernels without netem. Each
 * namespace gets a TUN device; what one sends comes out of the other after what wan-model.h does to
 * it.
 *
 *   wan-link --netns-a NAME --netns-b NAME [--dev wan0] [--mtu 1500] [--seed 1] [--limit PACKETS]
 *            [--control FIFO] [--stats FILE] [--ready-fd N]
 *            [--delay 50ms] [--jitter 5ms] [--reorder yes] [--loss 1%] [--burst 20ms|8p]
 *            [--bad-loss 100%] [--duplicate 1%] [--rate 50M] [--queue 100ms|64k] [--max-size BYTES]
 *            [--outage START+DURATION]... [--cut yes]
 *
 * The second group holds for both directions; after --from-a or --from-b for that one, after --both
 * for both again. Lines of the same options on the control FIFO change them while it runs (outages
 * then count from now); a line `stats` writes the counters to the stats file, which appears at once
 * and whole. `reset` sets them to zero. They are printed on exit too. a_* is what came from
 * namespace a. Addresses and routes are the caller's business.
 *
 * One thread, asleep until a packet is due or comes. Exit status: 0 after SIGTERM or SIGINT, 64
 * usage, 71 failure, 77 where TUN devices or namespaces are not allowed. */
#include "punctual.h"
#include "wan-options.h"
#include "wan-queue.h"
#include "wan-tun.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
/* What is due so soon goes with what is due now: fewer wake-ups, and far below what anybody
 * measures here. */
#define EARLY_NS INT64_C(20000)

struct counters {
	int64_t in_packets, in_bytes, out_packets, out_bytes;
	int64_t dropped[WAN_FATES], dropped_full, dropped_down, duplicated;
	int64_t late_sum_ns, late_max_ns;
};

struct direction {
	struct wan_dir model;
	struct wan_queue queue;
	struct counters n;
};

struct link {
	struct wan_options opt;
	struct direction dir[2];
	int tun[2]; /* dir[i] reads tun[i] and writes tun[1 - i] */
	int control;
	char line[1024];
	size_t line_len;
	bool line_skip; /* the rest of a line that was too long */
	int bad_controls;
	struct timespec start;
};

static volatile sig_atomic_t ending;

static void on_signal(int sig)
{
	ending = 1;
}

static int64_t link_now(const struct link *l)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - l->start.tv_sec) * SEC_NS + (t.tv_nsec - l->start.tv_nsec);
}

static int open_devices(struct link *l)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), i, r = 0;

	if (home < 0)
		return -errno;
	for (i = 0; i < 2 && !r; i++) {
		r = enter_netns(l->opt.netns[i]);
		if (r)
			break;
		l->tun[i] = open_tun(l->opt.dev, (int)l->opt.mtu);
		r = MIN(l->tun[i], 0);
	}
	if (setns(home, CLONE_NEWNET) && !r)
		r = -errno;
	close(home);
	return r;
}

/* ---- statistics ---- */

static void print_direction(FILE *f, const struct direction *d, char name)
{
	static const char *const fate[] = {"passed", "outage", "size", "queue", "loss"};
	int64_t rate = d->model.conf.rate_bps;
	int i;

	fprintf(f, "%c_in_packets=%jd\n%c_in_bytes=%jd\n", name, (intmax_t)d->n.in_packets, name,
		(intmax_t)d->n.in_bytes);
	fprintf(f, "%c_out_packets=%jd\n%c_out_bytes=%jd\n", name, (intmax_t)d->n.out_packets, name,
		(intmax_t)d->n.out_bytes);
	for (i = WAN_OUTAGE; i < WAN_FATES; i++)
		fprintf(f, "%c_dropped_%s=%jd\n", name, fate[i], (intmax_t)d->n.dropped[i]);
	fprintf(f, "%c_dropped_full=%jd\n%c_dropped_down=%jd\n", name, (intmax_t)d->n.dropped_full,
		name, (intmax_t)d->n.dropped_down);
	fprintf(f, "%c_duplicated=%jd\n", name, (intmax_t)d->n.duplicated);
	fprintf(f, "%c_queue_mean_ms=%.3f\n", name,
		d->model.queued ? (double)d->model.queue_sum_ns / (double)d->model.queued / 1e6
				: 0);
	fprintf(f, "%c_queue_max_ms=%.3f\n%c_queue_max_bytes=%jd\n", name,
		(double)d->model.queue_max_ns / 1e6, name,
		(intmax_t)base_scale(d->model.queue_max_ns, rate, WAN_BITS * SEC_NS));
	fprintf(f, "%c_on_way=%u\n%c_on_way_max=%u\n", name, d->queue.len, name, d->queue.max);
	fprintf(f, "%c_late_mean_us=%.1f\n%c_late_max_us=%.1f\n", name,
		d->n.out_packets ? (double)d->n.late_sum_ns / (double)d->n.out_packets / 1e3 : 0,
		name, (double)d->n.late_max_ns / 1e3);
}

static void print_stats(FILE *f, const struct link *l)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	fprintf(f, "seconds=%.3f\ncpu_seconds=%.3f\nbad_controls=%d\n", (double)link_now(l) / 1e9,
		(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
		l->bad_controls);
	print_direction(f, &l->dir[0], 'a');
	print_direction(f, &l->dir[1], 'b');
}

static void write_stats(const struct link *l)
{
	char *part = l->opt.stats ? str_format("%s.part", l->opt.stats) : NULL;
	FILE *f = part ? fopen(part, "we") : NULL;

	if (f) {
		print_stats(f, l);
		if (fclose(f) || rename(part, l->opt.stats))
			perror("wan-link: stats");
	}
	free(part);
}

static void reset_stats(struct link *l)
{
	struct direction *d;

	for (d = l->dir; d < l->dir + 2; d++) {
		d->n = (struct counters){0};
		d->model.queued = d->model.queue_sum_ns = d->model.queue_max_ns = 0;
		d->queue.max = d->queue.len;
	}
}

/* ---- control ---- */

static void apply_line(struct link *l, char *line)
{
	struct wan_options o = l->opt;
	char *argv[64] = {"wan-link"}, *save = NULL, *word;
	int argc = 1, i;

	for (word = strtok_r(line, " \t", &save); word && argc < 63;
	     word = strtok_r(NULL, " \t", &save))
		argv[argc++] = word;
	if (argc == 2 && !strcmp(argv[1], "stats")) {
		write_stats(l);
		return;
	}
	if (argc == 2 && !strcmp(argv[1], "reset")) {
		reset_stats(l);
		return;
	}
	o.now_ns = link_now(l);
	if (wan_parse(&o, argc, argv, true)) {
		l->bad_controls++;
		return;
	}
	l->opt = o;
	for (i = 0; i < 2; i++)
		wan_set(&l->dir[i].model, &o.dir[i]);
}

static void take_char(struct link *l, char c)
{
	if (c != '\n') {
		if (l->line_len < sizeof(l->line) - 1)
			l->line[l->line_len++] = c;
		else
			l->line_skip = true;
		return;
	}
	l->line[l->line_len] = '\0';
	if (l->line_skip)
		l->bad_controls++;
	else
		apply_line(l, l->line);
	l->line_len = 0;
	l->line_skip = false;
}

static void on_control(struct link *l)
{
	char buf[512];
	ssize_t n, i;

	while ((n = read(l->control, buf, sizeof(buf))) > 0)
		for (i = 0; i < n; i++)
			take_char(l, buf[i]);
}

/* ---- packets ---- */

static void take_packet(struct direction *d, uint32_t slot, size_t len, int64_t now_ns)
{
	struct wan_verdict v = wan_packet(&d->model, len, now_ns);
	uint32_t copy;

	d->n.in_packets++;
	d->n.in_bytes += (int64_t)len;
	if (v.fate != WAN_PASS) {
		d->n.dropped[v.fate]++;
		wan_give(&d->queue, slot);
		return;
	}
	wan_push(&d->queue, slot, len, v.due_ns[0]);
	if (v.copies < 2 || !wan_take(&d->queue, &copy))
		return;
	memcpy(wan_slot(&d->queue, copy), wan_slot(&d->queue, slot), len + WAN_HEADER);
	wan_push(&d->queue, copy, len, v.due_ns[1]);
	d->n.duplicated++;
}

/* Takes in what the namespace has sent, at most a batch. */
static void read_packets(struct link *l, int i)
{
	struct direction *d = &l->dir[i];
	static uint8_t waste[16384];
	uint32_t slot;
	ssize_t n;
	int k;

	for (k = 0; k < BATCH; k++) {
		if (!wan_take(&d->queue, &slot)) {
			if (read(l->tun[i], waste, sizeof(waste)) <= 0)
				return;
			d->n.dropped_full++;
			continue;
		}
		n = read(l->tun[i], wan_slot(&d->queue, slot), d->queue.slot_size);
		if (n <= (ssize_t)WAN_HEADER) {
			wan_give(&d->queue, slot);
			return;
		}
		take_packet(d, slot, (size_t)n - WAN_HEADER, link_now(l));
	}
}

/* Hands over what is due, at most a batch. Returns when the next packet is due. */
static int64_t write_packets(struct link *l, int i)
{
	struct direction *d = &l->dir[i];
	struct wan_entry e;
	int64_t now = link_now(l);
	int k;

	for (k = 0; k < BATCH && wan_next_due(&d->queue) <= now + EARLY_NS; k++) {
		e = wan_pop(&d->queue);
		if (write(l->tun[1 - i], wan_slot(&d->queue, e.slot), e.len + WAN_HEADER) < 0) {
			d->n.dropped_down++;
		} else {
			d->n.out_packets++;
			d->n.out_bytes += e.len;
		}
		wan_give(&d->queue, e.slot);
		d->n.late_sum_ns += MAX(now - e.due_ns, 0);
		d->n.late_max_ns = MAX(d->n.late_max_ns, now - e.due_ns);
		now = link_now(l);
	}
	return wan_next_due(&d->queue);
}

static void run(struct link *l, const sigset_t *unblocked)
{
	struct pollfd p[3] = {
	    {l->tun[0], POLLIN, 0}, {l->tun[1], POLLIN, 0}, {l->control, POLLIN, 0}};
	struct timespec t;
	int64_t due, wait;
	int i, n;

	while (!ending) {
		due = write_packets(l, 0);
		due = MIN(due, write_packets(l, 1));
		wait = due == INT64_MAX ? SEC_NS : CLAMP(due - link_now(l), 0, SEC_NS);
		t = (struct timespec){wait / SEC_NS, wait % SEC_NS};
		n = ppoll(p, 3, &t, unblocked);
		for (i = 0; i < 2 && n > 0; i++) {
			if (p[i].revents & POLLIN)
				read_packets(l, i);
			else if (p[i].revents) /* its namespace was deleted */
				return;
		}
		if (n > 0 && p[2].revents)
			on_control(l);
	}
}

/* ---- start and end ---- */

static int open_control(struct link *l)
{
	if (!l->opt.control)
		return 0;
	if (mkfifo(l->opt.control, 0600) && errno != EEXIST)
		return -errno;
	/* Open for writing too, or it would be at its end whenever no writer has it open. */
	l->control = open(l->opt.control, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return l->control < 0 ? -errno : 0;
}

static void link_finish(struct link *l)
{
	int i;

	for (i = 0; i < 2; i++) {
		wan_queue_finish(&l->dir[i].queue);
		if (l->tun[i] >= 0)
			close(l->tun[i]);
	}
	if (l->control >= 0)
		close(l->control);
}

static int link_init(struct link *l)
{
	uint64_t seed = (uint64_t)l->opt.seed;
	int i, r;

	clock_gettime(CLOCK_MONOTONIC, &l->start);
	for (i = 0; i < 2; i++) {
		r = wan_queue_init(&l->dir[i].queue, (uint32_t)l->opt.limit,
				   (size_t)l->opt.mtu + WAN_HEADER);
		if (r)
			return r;
		wan_init(&l->dir[i].model, &l->opt.dir[i], wan_random(&seed));
	}
	r = open_control(l);
	return r ? r : open_devices(l);
}

static void block_signals(sigset_t *unblocked)
{
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, unblocked);
	sigdelset(unblocked, SIGTERM);
	sigdelset(unblocked, SIGINT);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
}

static int fail_start(int err)
{
	if (err == -EPERM || err == -EACCES || err == -ENODEV || err == -ENXIO || err == -ENOENT) {
		printf("SKIP: no TUN device in a network namespace: %s\n", strerror(-err));
		return 77;
	}
	fprintf(stderr, "wan-link: %s\n", strerror(-err));
	return 71;
}

int main(int argc, char **argv)
{
	static struct link l = {.tun = {-1, -1}, .control = -1};
	sigset_t unblocked;
	int r;

	l.opt = (struct wan_options){
	    .dev = "wan0", .mtu = 1500, .seed = 1, .limit = 65536, .ready_fd = -1};
	if (wan_parse(&l.opt, argc, argv, false) || !l.opt.netns[0] || !l.opt.netns[1])
		return 64;
	block_signals(&unblocked);
	r = link_init(&l);
	if (r) {
		r = fail_start(r);
		link_finish(&l);
		return r;
	}
	if (!be_punctual())
		fprintf(stderr, "wan-link: not allowed to raise the priority, so less punctual\n");
	if (l.opt.ready_fd >= 0) {
		if (write((int)l.opt.ready_fd, "\n", 1) != 1)
			perror("wan-link: ready-fd");
		close((int)l.opt.ready_fd);
	}
	run(&l, &unblocked);
	print_stats(stdout, &l);
	write_stats(&l);
	link_finish(&l);
	return 0;
}
