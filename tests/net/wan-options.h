/* wan-options: the link's options as text, on the command line and, while it runs, as lines on its
 * control FIFO. */
#ifndef GEX_TESTS_WAN_OPTIONS_H
#define GEX_TESTS_WAN_OPTIONS_H

#include "wan-model.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

struct wan_options {
	struct wan_conf dir[2]; /* from a, from b */
	const char *netns[2], *dev, *control, *stats;
	int64_t mtu, seed, limit, ready_fd;
	unsigned which; /* bits: the directions that the next options are for */
	int64_t now_ns; /* outages count from here */
};

enum {
	OPT_DELAY = 1,
	OPT_JITTER,
	OPT_REORDER,
	OPT_LOSS,
	OPT_BAD_LOSS,
	OPT_BURST,
	OPT_DUPLICATE,
	OPT_RATE,
	OPT_QUEUE,
	OPT_MAX_SIZE,
	OPT_OUTAGE,
	OPT_CUT,
	OPT_FROM_A,
	OPT_FROM_B,
	OPT_BOTH,
	OPT_SETUP, /* those from here on are for the start only */
	OPT_NETNS_A,
	OPT_NETNS_B,
	OPT_DEV,
	OPT_CONTROL,
	OPT_STATS,
	OPT_MTU,
	OPT_SEED,
	OPT_LIMIT,
	OPT_READY_FD,
};

static const struct option wan_long_options[] = {
    {"delay", 1, NULL, OPT_DELAY},
    {"jitter", 1, NULL, OPT_JITTER},
    {"reorder", 1, NULL, OPT_REORDER},
    {"loss", 1, NULL, OPT_LOSS},
    {"bad-loss", 1, NULL, OPT_BAD_LOSS},
    {"burst", 1, NULL, OPT_BURST},
    {"duplicate", 1, NULL, OPT_DUPLICATE},
    {"rate", 1, NULL, OPT_RATE},
    {"queue", 1, NULL, OPT_QUEUE},
    {"max-size", 1, NULL, OPT_MAX_SIZE},
    {"outage", 1, NULL, OPT_OUTAGE},
    {"cut", 1, NULL, OPT_CUT},
    {"from-a", 0, NULL, OPT_FROM_A},
    {"from-b", 0, NULL, OPT_FROM_B},
    {"both", 0, NULL, OPT_BOTH},
    {"netns-a", 1, NULL, OPT_NETNS_A},
    {"netns-b", 1, NULL, OPT_NETNS_B},
    {"dev", 1, NULL, OPT_DEV},
    {"control", 1, NULL, OPT_CONTROL},
    {"stats", 1, NULL, OPT_STATS},
    {"mtu", 1, NULL, OPT_MTU},
    {"seed", 1, NULL, OPT_SEED},
    {"limit", 1, NULL, OPT_LIMIT},
    {"ready-fd", 1, NULL, OPT_READY_FD},
    {NULL, 0, NULL, 0},
};

static inline int wan_parse_time(const char *s, int64_t max_ns, int64_t *out_ns)
{
	int64_t us;
	int r = num_duration(s, &us);

	if (!r && us > max_ns / 1000)
		r = -ERANGE;
	if (!r)
		*out_ns = us * 1000;
	return r;
}

/* "1%" or "0.01%"; the sign is required so that nobody takes it for a fraction. */
static inline int wan_parse_percent(const char *s, double *out)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || strcmp(end, "%") != 0 || !(v >= 0 && v <= 100))
		return -EINVAL;
	*out = v / 100;
	return 0;
}

/* A time as "20ms", or packets as "8p". */
static inline int wan_parse_burst(const char *s, struct wan_conf *c)
{
	char *end;
	double v = strtod(s, &end);

	if (end != s && !strcmp(end, "p") && v >= 1 && v <= 1e6) {
		c->burst_packets = v;
		c->burst_ns = 0;
		return 0;
	}
	c->burst_packets = 0;
	return wan_parse_time(s, 60 * SEC_NS, &c->burst_ns);
}

/* A time as "100ms", or bytes as "64k". */
static inline int wan_parse_queue(const char *s, struct wan_conf *c)
{
	size_t n = strlen(s);

	if (n && s[n - 1] == 's') {
		c->queue_bytes = 0;
		return wan_parse_time(s, 60 * SEC_NS, &c->queue_ns);
	}
	c->queue_ns = 0;
	return num_size(s, &c->queue_bytes);
}

/* START+DURATION. */
static inline int wan_parse_outage(const char *s, struct wan_conf *c, int64_t now_ns)
{
	const char *plus = strchr(s, '+');
	char start[32];
	int64_t at, length;

	if (!plus || (size_t)(plus - s) >= sizeof(start))
		return -EINVAL;
	if (c->outages == WAN_OUTAGES)
		return -ENOSPC;
	memcpy(start, s, (size_t)(plus - s));
	start[plus - s] = '\0';
	if (wan_parse_time(start, 86400 * SEC_NS, &at) ||
	    wan_parse_time(plus + 1, 86400 * SEC_NS, &length))
		return -EINVAL;
	c->outage[c->outages].start_ns = now_ns + at;
	c->outage[c->outages].end_ns = now_ns + at + length;
	c->outages++;
	return 0;
}

static inline int wan_set_direction(struct wan_conf *c, int opt, const char *arg, int64_t now_ns)
{
	switch (opt) {
	case OPT_DELAY:
		return wan_parse_time(arg, 60 * SEC_NS, &c->delay_ns);
	case OPT_JITTER:
		return wan_parse_time(arg, SEC_NS, &c->jitter_ns);
	case OPT_REORDER:
		return num_bool(arg, &c->reorder);
	case OPT_LOSS:
		return wan_parse_percent(arg, &c->loss);
	case OPT_BAD_LOSS:
		return wan_parse_percent(arg, &c->bad_loss);
	case OPT_BURST:
		return wan_parse_burst(arg, c);
	case OPT_DUPLICATE:
		return wan_parse_percent(arg, &c->duplicate);
	case OPT_RATE:
		return num_rate(arg, &c->rate_bps);
	case OPT_QUEUE:
		return wan_parse_queue(arg, c);
	case OPT_MAX_SIZE:
		return num_size(arg, &c->max_size);
	case OPT_OUTAGE:
		return wan_parse_outage(arg, c, now_ns);
	case OPT_CUT:
		return num_bool(arg, &c->cut);
	}
	return -EINVAL;
}

static inline int wan_number(const char *arg, int64_t min, int64_t max, int64_t *out)
{
	int64_t v;

	if (num_int(arg, &v) || v < min || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static inline int wan_set_link(struct wan_options *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_NETNS_A:
	case OPT_NETNS_B:
		o->netns[opt == OPT_NETNS_B] = arg;
		return 0;
	case OPT_DEV:
		o->dev = arg;
		return 0;
	case OPT_CONTROL:
		o->control = arg;
		return 0;
	case OPT_STATS:
		o->stats = arg;
		return 0;
	case OPT_MTU:
		return wan_number(arg, 576, 9000, &o->mtu);
	case OPT_SEED:
		return wan_number(arg, 0, INT64_MAX, &o->seed);
	case OPT_LIMIT:
		return wan_number(arg, 1, 1 << 20, &o->limit);
	case OPT_READY_FD:
		return wan_number(arg, 0, 1 << 20, &o->ready_fd);
	}
	return -EINVAL;
}

static inline int wan_set_option(struct wan_options *o, int opt, const char *arg)
{
	int i, r = 0;

	if (opt == OPT_FROM_A || opt == OPT_FROM_B || opt == OPT_BOTH) {
		o->which = opt == OPT_FROM_A ? 1 : opt == OPT_FROM_B ? 2 : 3;
		return 0;
	}
	if (opt > OPT_SETUP)
		return wan_set_link(o, opt, arg);
	for (i = 0; i < 2 && !r; i++)
		if (o->which & (1u << i))
			r = wan_set_direction(&o->dir[i], opt, arg, o->now_ns);
	return r;
}

/* Applies argv[1...] to o. running: the options of the start are refused. Says on stderr what is
 * wrong and returns -EINVAL; o is then half changed, so give a copy. */
static inline int wan_parse(struct wan_options *o, int argc, char **argv, bool running)
{
	int opt;

	optind = 0; /* a fresh start for each line */
	o->which = 3;
	while ((opt = getopt_long(argc, argv, "", wan_long_options, NULL)) != -1) {
		if (opt == '?')
			return -EINVAL;
		if ((running && opt > OPT_SETUP) || wan_set_option(o, opt, optarg)) {
			fprintf(stderr, "wan-link: bad option: %s\n", argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "wan-link: bad argument: %s\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

#endif
