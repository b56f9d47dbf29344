/* wan-model: what a long-distance link does to a packet, as arithmetic. One struct wan_dir is one
 * direction. A packet goes through, in this order:
 *
 *   outage -> size limit -> drop-tail queue, drained at `rate` -> loss -> duplicate -> delay
 *
 * so a lost packet has used the line's rate, as on a real link, and the best possible goodput is
 * rate * (1 - loss). Time and random numbers go in, a verdict comes out; no clock, no I/O: the same
 * seed and the same arrivals give the same verdicts. Times are int64_t nanoseconds since the link
 * started.
 *
 * Loss has two states (Gilbert-Elliott). In the good one nothing is lost, in the bad one `bad_loss`
 * of what passes. Their mean lengths follow from the mean length of the bad state, in time or in
 * packets, and from the loss wanted over all; without a length each packet is lost on its own.
 *
 * Jitter adds 0 to `jitter`. With order kept it wanders from one random value to the next, each
 * reached after twice the jitter, so neighbours are late alike and nobody overtakes, as behind a
 * queue; packets far apart see independent values. With reordering each packet draws its own. */
#ifndef GEX_TESTS_WAN_MODEL_H
#define GEX_TESTS_WAN_MODEL_H

#include "base/base.h"

#include <math.h>

#define MS_NS INT64_C(1000000)
#define SEC_NS INT64_C(1000000000)
#define WAN_OUTAGES 32
#define WAN_BITS 8

struct wan_conf {
	int64_t delay_ns, jitter_ns;
	bool reorder;
	double loss, bad_loss; /* fractions; bad_loss 0 means 1 */
	int64_t burst_ns;      /* mean bad state in time, or 0 */
	double burst_packets;  /* mean bad state in packets, or 0 */
	double duplicate;      /* fraction */
	int64_t rate_bps;      /* IP bytes count; 0 = no limit */
	int64_t queue_bytes;   /* or 0 */
	int64_t queue_ns;      /* used without queue_bytes; 0 = 100 ms */
	int64_t max_size; /* longer packets vanish, as in a path that drops ICMP; 0 = none do */
	struct {
		int64_t start_ns, end_ns;
	} outage[WAN_OUTAGES];
	int outages;
	bool cut; /* an outage until told otherwise */
};

enum wan_fate { WAN_PASS, WAN_OUTAGE, WAN_SIZE, WAN_QUEUE, WAN_LOSS, WAN_FATES };

struct wan_verdict {
	enum wan_fate fate;
	int copies;	   /* 1, or 2 with a duplicate; 0 unless WAN_PASS */
	int64_t due_ns[2]; /* when each leaves at the far end */
};

struct wan_dir {
	struct wan_conf conf;
	/* A generator for each kind of decision, so that a change of one option leaves the others'
	 * alone. */
	uint64_t rng_loss, rng_jitter, rng_dup;
	int64_t busy_until_ns; /* when the line will have sent all it has accepted */
	bool bad;
	int64_t state_until_ns; /* burst_ns: when the state changes next */
	int64_t jit_from_ns,
	    jit_to_ns;		    /* the jitter goes in a straight line between these times ... */
	int64_t jit_a_ns, jit_b_ns; /* ... from this value to that */
	int64_t last_due_ns;
	int64_t queued, queue_sum_ns, queue_max_ns; /* packets, and how long they had to wait */
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t wan_random(uint64_t *s)
{
	uint64_t z = *s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Uniform in [0, 1). */
static inline double wan_uniform(uint64_t *s)
{
	return (double)(wan_random(s) >> 11) * 0x1p-53;
}

static inline int64_t wan_exponential(uint64_t *s, double mean_ns)
{
	return (int64_t)(-log(1 - wan_uniform(s)) * mean_ns) + 1;
}

static inline void wan_init(struct wan_dir *d, const struct wan_conf *conf, uint64_t seed)
{
	*d = (struct wan_dir){.conf = *conf};
	d->rng_loss = wan_random(&seed);
	d->rng_jitter = wan_random(&seed);
	d->rng_dup = wan_random(&seed);
}

/* Changes the options while the link runs; what is on its way keeps its time. */
static inline void wan_set(struct wan_dir *d, const struct wan_conf *conf)
{
	bool loss_differs = d->conf.loss != conf->loss || d->conf.bad_loss != conf->bad_loss ||
			    d->conf.burst_ns != conf->burst_ns ||
			    d->conf.burst_packets != conf->burst_packets;

	d->conf = *conf;
	if (loss_differs) {
		d->bad = false;
		d->state_until_ns = 0;
	}
	d->jit_to_ns = 0;
	if (!conf->rate_bps)
		d->busy_until_ns = 0;
}

static inline bool wan_in_outage(const struct wan_conf *c, int64_t now_ns)
{
	int i;

	for (i = 0; i < c->outages; i++)
		if (now_ns >= c->outage[i].start_ns && now_ns < c->outage[i].end_ns)
			return true;
	return c->cut;
}

static inline int64_t wan_send_ns(const struct wan_conf *c, int64_t bytes)
{
	return base_scale(bytes * WAN_BITS, SEC_NS, c->rate_bps);
}

/* Puts a packet into the queue. Returns when its last bit has left the line, or -1 when the queue
 * is full. The packet on the line does not count, so a queue of any size passes single packets. */
static inline int64_t wan_enqueue(struct wan_dir *d, int64_t len, int64_t now_ns)
{
	const struct wan_conf *c = &d->conf;
	int64_t start = MAX(now_ns, d->busy_until_ns), backlog = start - now_ns, limit;

	if (!c->rate_bps)
		return now_ns;
	limit = c->queue_bytes ? wan_send_ns(c, c->queue_bytes)
			       : (c->queue_ns ? c->queue_ns : 100 * MS_NS);
	if (backlog > 0 && backlog + wan_send_ns(c, len) > limit)
		return -1;
	d->queued++;
	d->queue_sum_ns += backlog;
	d->queue_max_ns = MAX(d->queue_max_ns, backlog);
	d->busy_until_ns = start + wan_send_ns(c, len);
	return d->busy_until_ns;
}

/* The share of time or packets spent in the bad state. */
static inline double wan_bad_share(const struct wan_conf *c)
{
	return MIN(c->loss / (c->bad_loss > 0 ? c->bad_loss : 1), 1);
}

/* Moves the state that lives in time on to now. */
static inline void wan_walk(struct wan_dir *d, int64_t now_ns)
{
	double share = wan_bad_share(&d->conf), bad = (double)d->conf.burst_ns;
	double good = bad * (1 - share) / share;

	/* At the start, and after a silence in which it would have changed many times: draw it
	 * anew. */
	if (!d->state_until_ns || (double)(now_ns - d->state_until_ns) > 100 * (bad + good)) {
		d->bad = wan_uniform(&d->rng_loss) < share;
		d->state_until_ns = now_ns + wan_exponential(&d->rng_loss, d->bad ? bad : good);
	}
	while (d->state_until_ns <= now_ns) {
		d->bad = !d->bad;
		d->state_until_ns += wan_exponential(&d->rng_loss, d->bad ? bad : good);
	}
}

/* Moves the state that lives in packets on by one. */
static inline void wan_step(struct wan_dir *d)
{
	double share = wan_bad_share(&d->conf), leave = 1 / MAX(d->conf.burst_packets, 1);
	double enter = MIN(leave * share / (1 - share), 1);

	d->bad = wan_uniform(&d->rng_loss) < (d->bad ? 1 - leave : enter);
}

static inline bool wan_lost(struct wan_dir *d, int64_t now_ns)
{
	const struct wan_conf *c = &d->conf;

	if (c->loss <= 0)
		return false;
	if (c->loss >= 1)
		return true;
	if (!c->burst_ns && c->burst_packets <= 0)
		return wan_uniform(&d->rng_loss) < c->loss;
	if (wan_bad_share(c) >= 1)
		d->bad = true;
	else if (c->burst_ns)
		wan_walk(d, now_ns);
	else
		wan_step(d);
	if (!d->bad)
		return false;
	return c->bad_loss <= 0 || c->bad_loss >= 1 || wan_uniform(&d->rng_loss) < c->bad_loss;
}

static inline int64_t wan_draw_jitter(struct wan_dir *d)
{
	return (int64_t)(wan_uniform(&d->rng_jitter) * (double)d->conf.jitter_ns);
}

static inline int64_t wan_jitter(struct wan_dir *d, int64_t now_ns)
{
	int64_t step = 2 * d->conf.jitter_ns;

	if (!d->conf.jitter_ns)
		return 0;
	if (d->conf.reorder)
		return wan_draw_jitter(d);
	if (now_ns - d->jit_to_ns > step) { /* the start, or a silence */
		d->jit_to_ns = now_ns;
		d->jit_b_ns = wan_draw_jitter(d);
	}
	while (d->jit_to_ns <= now_ns) {
		d->jit_from_ns = d->jit_to_ns;
		d->jit_to_ns += step;
		d->jit_a_ns = d->jit_b_ns;
		d->jit_b_ns = wan_draw_jitter(d);
	}
	return d->jit_a_ns + (d->jit_b_ns - d->jit_a_ns) * (now_ns - d->jit_from_ns) / step;
}

static inline int64_t wan_due(struct wan_dir *d, int64_t sent_ns)
{
	int64_t due = sent_ns + d->conf.delay_ns + wan_jitter(d, sent_ns);

	if (!d->conf.reorder) /* options may have changed to a shorter delay */
		due = MAX(due, d->last_due_ns);
	d->last_due_ns = MAX(due, d->last_due_ns);
	return due;
}

/* Decides on a packet of len bytes, IP header included, that arrives now. Calls go forward in time.
 */
static inline struct wan_verdict wan_packet(struct wan_dir *d, size_t len, int64_t now_ns)
{
	struct wan_verdict v = {WAN_PASS, 0, {0, 0}};
	int64_t sent;

	if (wan_in_outage(&d->conf, now_ns)) {
		v.fate = WAN_OUTAGE;
		return v;
	}
	if (d->conf.max_size && (int64_t)len > d->conf.max_size) {
		v.fate = WAN_SIZE;
		return v;
	}
	sent = wan_enqueue(d, (int64_t)len, now_ns);
	if (sent < 0) {
		v.fate = WAN_QUEUE;
		return v;
	}
	if (wan_lost(d, sent)) {
		v.fate = WAN_LOSS;
		return v;
	}
	v.copies = 1 + (d->conf.duplicate > 0 && wan_uniform(&d->rng_dup) < d->conf.duplicate);
	v.due_ns[0] = wan_due(d, sent);
	if (v.copies == 2)
		v.due_ns[1] = wan_due(d, sent);
	return v;
}

#endif
