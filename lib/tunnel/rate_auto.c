/* The rate that is found out.
 *
 * `bw` is what passes the line in a second: what arrived and what was lost at random, by the rate
 * samples of the last round trip. The pace is bw times a factor, and losses do not slow it down: a
 * queue does. There are four modes.
 *
 * STARTUP doubles and more with each round trip, until the first sign of a queue, or three rounds
 * without growth (BBR, draft-ietf-ccwg-bbr). DRAIN takes away the queue that this has made.
 *
 * ALONE keeps a small queue, so that the line never idles and any change shows within a round trip:
 * the pace is bw x (1 + (target - queue) / 2 round trips). The target falls with the root of the
 * rate (Swift, SIGCOMM 2020): of two such senders the slower one bears the longer queue, so that
 * they meet at equal rates. While there is no queue at all the upward step doubles each round. bw
 * falls only beside a queue: a sender that was held up, or had nothing to send, does not forget the
 * line. Every few seconds a round trip is spent with a little less than bw, to see the path empty.
 *
 * SHARED is for a queue that stays although we sent less than the line gave us for some rounds:
 * somebody else's, who would take all from one that yields. There it behaves as that one does, like
 * BBR version 1: the highest goodput of ten rounds, gains 1.25, 0.75, 1 ..., up to two round trips'
 * worth in flight. Now and then, and when the queue falls by itself, it lets its own part drain; if
 * the queue is gone then, it was ours, or the other has left or is a tunnel in the same mode: back
 * to ALONE. */
#include "tunnel/rate.h"

#define MSS TN_RATE_MSS
#define CWND_INIT (64 * MSS)
#define INIT_US (20 * MS_US) /* in which the first window leaves */
#define CWND_MIN (8 * MSS)
#define PACING_LEAST UINT64_C(125000)
#define SLACK_US (30 * MS_US) /* acknowledgements may come so late */
#define BATCH_US (1 * MS_US)  /* of data held back by hosts that work in batches */
#define PCT_STARTUP 277
#define PCT_DRAIN 40
#define PPM INT64_C(1000000)
#define TARGET_US (8 * MS_US) /* at TARGET_BW bytes a second */
#define TARGET_BW 12500000
#define TARGET_MIN_US (3 * MS_US)
#define TARGET_MAX_US (16 * MS_US)
#define UP_MAX_PPM 250000
#define DOWN_MAX_PPM 400000
#define EMPTY_EVERY_US (3 * SEC_US)
#define STANDING_ROUNDS 4
#define OLD_US (60 * SEC_US)
#define OLD_MAX 6
#define EMPTY_CYCLES 8
#define SHARED_MIN_PCT 200 /* round trips worth in flight */
#define SHARED_MAX_PCT 260

/* Percent of bw in the phases of a SHARED cycle, each a round trip long. */
static const unsigned cycle[] = {125, 75, 100, 100, 100, 100, 100, 100};

static uint64_t bdp(const struct tn_rate *r, uint64_t bw)
{
	return bw * (uint64_t)r->m.min_rtt_us / SEC_US;
}

/* Of x >= 1, by Newton's method, from a power of two above it. */
static uint64_t root(uint64_t x)
{
	uint64_t y = UINT64_C(1) << (64 - __builtin_clzll(x) + 1) / 2;

	for (uint64_t z = (y + x / y) / 2; z < y; z = (y + x / y) / 2)
		y = z;
	return y;
}

/* The queue that we want to see. */
static int64_t target(const struct tn_rate *r)
{
	uint64_t most = TARGET_BW * UINT64_C(10000);
	uint64_t part = MAX(most / MAX(r->a.bw, UINT64_C(1)), UINT64_C(1));

	return CLAMP(TARGET_US * (int64_t)root(part) / 100, TARGET_MIN_US, TARGET_MAX_US);
}

/* One that we do not. */
static int64_t too_long(const struct tn_rate *r)
{
	return target(r) + MAX(4 * MS_US, r->m.min_rtt_us / 16);
}

/* Over this time the pace answers: below some ms timers and batches blur all. */
static int64_t horizon(const struct tn_rate *r)
{
	return 2 * (r->m.min_rtt_us + 10 * MS_US);
}

static uint64_t shared_bw(const struct tn_rate *r)
{
	return tn_rate_made_up(&r->m, r->m.goodput);
}

/* ---- bw ---- */

/* What the line gives while there is a queue. Losses beside a long one may be its own. */
static uint64_t came_out(const struct tn_rate *r, const struct tn_rate_sample *s)
{
	if (r->m.queue_us > too_long(r))
		return s->out_arrived + MIN(s->out_lost, s->out_arrived / 4);
	return s->out_arrived + s->out_lost;
}

static void take_bw(struct tn_rate *r, const struct tn_rate_sample *s)
{
	struct tn_rate_auto *a = &r->a;
	uint64_t pipe = MAX(bdp(r, a->bw), (uint64_t)MSS), step = MIN(2 * s->acked, pipe);
	uint64_t x = s->passed, out;

	if (x == 0 || (s->app_limited && x <= a->bw))
		return;
	out = came_out(r, s);
	if (a->mode == TN_RATE_STARTUP) {
		a->bw = MAX(a->bw, x);
		return;
	}
	if (x > a->bw)
		a->bw += (uint64_t)base_scale((int64_t)(x - a->bw), (int64_t)step, (int64_t)pipe);
	else if (out && out < a->bw && r->m.queue_us > target(r) / 2)
		a->bw -= (uint64_t)base_scale((int64_t)(a->bw - out), (int64_t)step, (int64_t)pipe);
}

/* ---- modes ---- */

static void go_alone(struct tn_rate *r, int64_t now_us)
{
	r->a.mode = TN_RATE_ALONE;
	r->a.up_ppm = 0;
	r->a.standing_us = 0;
	r->a.empty_us = now_us;
	r->a.drain_end_us = 0;
}

static void go_shared(struct tn_rate *r, int64_t now_us)
{
	r->a.mode = TN_RATE_SHARED;
	r->a.line = MAX(r->a.line, r->m.goodput);
	r->a.phase = 2;
	r->a.phase_us = now_us;
	r->a.cycles = 0;
	r->a.emptying = false;
	r->a.usual_queue_us = r->m.queue_us;
	r->a.phase_queue_us = NEVER_US;
}

/* The line is full when three rounds brought no real growth, or when its queue grows. */
static void startup_round(struct tn_rate_auto *a)
{
	if (a->bw * 4 >= a->full_bw * 5) {
		a->full_bw = a->bw;
		a->full_rounds = 0;
	} else if (++a->full_rounds >= 3) {
		a->mode = TN_RATE_DRAIN;
	}
}

static void startup_step(struct tn_rate *r, const struct tn_rate_sample *s)
{
	/* A queue beside little in flight is not ours: what flows the other way makes one, too; and
	 * what little was sent has taught no bw. */
	if (r->a.mode == TN_RATE_STARTUP && r->m.queue_us > target(r) + 4 * MS_US &&
	    !s->app_limited && s->in_flight > MAX(bdp(r, r->a.bw), (uint64_t)CWND_INIT / 4))
		r->a.mode = TN_RATE_DRAIN;
	if (r->a.mode == TN_RATE_DRAIN && (s->in_flight <= bdp(r, r->a.bw)))
		go_alone(r, s->now_us);
}

/* Does a queue stay that ought to have gone? */
static void alone_round(struct tn_rate *r, int64_t now_us)
{
	struct tn_rate_auto *a = &r->a;
	int64_t queue = r->m.round_queue_us;

	if (queue == NEVER_US)
		return;
	a->up_ppm = queue < target(r) / 2 ? MIN(a->up_ppm * 2, UP_MAX_PPM) : 0;
	a->up_ppm = MAX(a->up_ppm, target(r) * PPM / horizon(r));
	if (queue <= too_long(r)) {
		a->standing_us = 0;
		a->line = MAX(a->line - a->line / 64, a->bw);
	} else if (a->standing_us == 0) {
		a->standing_us = queue;
		a->standing_rounds = 0;
	} else if (++a->standing_rounds >= STANDING_ROUNDS) {
		if (queue > a->standing_us * 6 / 10)
			go_shared(r, now_us);
		a->standing_us = queue;
		a->standing_rounds = 0;
	}
}

static void alone_step(struct tn_rate *r, const struct tn_rate_sample *s)
{
	struct tn_rate_auto *a = &r->a;

	if (s->rtt_us && s->rtt_us <= r->m.min_rtt_us + MAX(r->m.min_rtt_us / 64, MS_US / 2)) {
		a->empty_us = s->now_us;
		a->drain_end_us = 0;
	}
	if (a->drain_end_us && s->now_us >= a->drain_end_us) {
		a->empty_us = s->now_us;
		a->drain_end_us = 0;
	}
	if (s->now_us - a->empty_us >= EMPTY_EVERY_US && !a->drain_end_us)
		a->drain_end_us = s->now_us + r->m.min_rtt_us;
}

static void next_phase(struct tn_rate *r, int64_t now_us)
{
	struct tn_rate_auto *a = &r->a;

	if (a->emptying) {
		/* What is seen now was sent when our part was gone. */
		a->emptying = false;
		a->cycles = 0;
		a->phase = 0;
		if (a->phase_queue_us <= too_long(r)) {
			go_alone(r, now_us);
			a->bw = shared_bw(r);
			return;
		}
		/* The other has taken our place meanwhile, and remembers it for ten rounds. */
		r->m.best[r->m.best_at] = MAX(r->m.best[r->m.best_at], a->kept);
		r->m.goodput = MAX(r->m.goodput, a->kept);
	} else {
		a->phase = (a->phase + 1) % ARRAY_LEN(cycle);
		a->cycles += a->phase == 0;
	}
	a->phase_us = now_us;
	a->phase_queue_us = NEVER_US;
}

static void shared_step(struct tn_rate *r, const struct tn_rate_sample *s)
{
	struct tn_rate_auto *a = &r->a;
	int64_t phase_us = s->now_us - a->phase_us;
	bool over = phase_us > r->m.min_rtt_us + r->m.queue_us;

	a->phase_queue_us = MIN(a->phase_queue_us, r->m.queue_us);
	if (a->emptying) {
		over = phase_us > 3 * (r->m.min_rtt_us + r->m.queue_us) ||
		       r->m.queue_us <= too_long(r);
	} else if (a->cycles >= EMPTY_CYCLES ||
		   (a->phase > 2 && a->cycles && r->m.queue_us < a->usual_queue_us * 6 / 10)) {
		a->emptying = true;
		a->kept = r->m.goodput;
		a->phase_us = s->now_us;
		a->phase_queue_us = NEVER_US;
		return;
	} else if (cycle[a->phase] < 100) {
		over = over || s->in_flight <= bdp(r, shared_bw(r));
	}
	if (over)
		next_phase(r, s->now_us);
}

static void round_over(struct tn_rate *r, const struct tn_rate_sample *s)
{
	struct tn_rate_auto *a = &r->a;
	bool limited = r->m.round_limited;

	if (!limited && a->mode == TN_RATE_STARTUP)
		startup_round(a);
	else if (!limited && a->mode == TN_RATE_ALONE)
		alone_round(r, s->now_us);
	else if (!limited && a->mode == TN_RATE_SHARED && !a->emptying && a->phase > 1)
		a->usual_queue_us += (r->m.queue_us - a->usual_queue_us) / 4;
	tn_rate_meter_round(&r->m,
			    a->mode != TN_RATE_SHARED && r->m.round_queue_us <= 2 * too_long(r));
}

/* What is known of the line grows old in minutes: a tenth of it each, down to about half. */
static void grow_old(struct tn_rate *r, int64_t now_us)
{
	struct tn_rate_auto *a = &r->a;

	if (!r->m.round_limited || a->mode == TN_RATE_STARTUP) {
		a->known_us = now_us;
		a->old = 0;
	}
	if (now_us - a->known_us < OLD_US || a->old >= OLD_MAX)
		return;
	a->known_us += OLD_US;
	a->bw -= a->bw / 10;
	a->old++;
}

static void auto_on_ack(struct tn_rate *r, const struct tn_rate_sample *s)
{
	tn_rate_meter_take(&r->m, s);
	take_bw(r, s);
	grow_old(r, s->now_us);
	if (s->round)
		round_over(r, s);
	startup_step(r, s);
	if (r->a.mode == TN_RATE_ALONE)
		alone_step(r, s);
	else if (r->a.mode == TN_RATE_SHARED)
		shared_step(r, s);
}

/* ---- answers ---- */

/* Millionths of bw. */
static int64_t alone_factor(const struct tn_rate *r)
{
	int64_t want = target(r), over = (r->m.queue_us - want) * PPM / horizon(r);

	if (r->a.drain_end_us)
		over = MAX(over, MIN(2 * want * PPM / horizon(r) + PPM / 50, DOWN_MAX_PPM));
	if (over > 0)
		return PPM - MIN(over, DOWN_MAX_PPM);
	return PPM + MIN(MAX(-over, r->m.queue_us < want / 2 ? r->a.up_ppm : 0), UP_MAX_PPM);
}

/* So little makes no queue, whatever is taken for one: who has sent no more than this has not seen what
 * the line can do. */
static uint64_t least(const struct tn_rate *r)
{
	return MIN(CWND_MIN * SEC_US / MAX((uint64_t)r->m.min_rtt_us, UINT64_C(1)), PACING_LEAST);
}

static uint64_t auto_pacing(const struct tn_rate *r)
{
	uint64_t first = CWND_INIT * SEC_US / INIT_US, x = 0;

	switch (r->a.mode) {
	case TN_RATE_STARTUP:
		x = MAX(r->a.bw * PCT_STARTUP / 100, first);
		break;
	case TN_RATE_DRAIN:
		x = r->a.bw * PCT_DRAIN / 100;
		break;
	case TN_RATE_ALONE:
		x = (uint64_t)base_scale((int64_t)r->a.bw, alone_factor(r), PPM);
		break;
	case TN_RATE_SHARED:
		x = shared_bw(r) * (r->a.emptying ? 50 : cycle[r->a.phase]) / 100;
		break;
	}
	return MAX(x, least(r));
}

/* Where windows fill the queue, shares are as windows, whatever they are: two round trips' worth hold
 * what there is. Somewhat more, while it is less than half of the line as we knew it. */
static uint64_t shared_cwnd(const struct tn_rate *r)
{
	uint64_t bw = shared_bw(r), share = r->m.goodput * 100 / MAX(r->a.line, UINT64_C(1));
	uint64_t pct =
	    (uint64_t)CLAMP(200 + 2 * (50 - (int64_t)share), SHARED_MIN_PCT, SHARED_MAX_PCT);

	return bdp(r, bw) * pct / 100 + MAX(20 * MSS, bw * BATCH_US / SEC_US);
}

/* What arrived and is not yet known to have, since acknowledgements queue. */
static uint64_t behind(const struct tn_rate *r)
{
	return r->a.bw * (uint64_t)r->m.back_us / SEC_US;
}

static uint64_t auto_cwnd(const struct tn_rate *r)
{
	uint64_t pipe = bdp(r, r->a.bw);

	switch (r->a.mode) {
	case TN_RATE_STARTUP:
		return MAX(CWND_INIT, pipe * PCT_STARTUP / 100) + r->a.bw * BATCH_US / SEC_US;
	case TN_RATE_SHARED:
		return MAX(shared_cwnd(r) + behind(r), CWND_MIN);
	default:
		pipe += behind(r);
		return MAX(pipe * 5 / 4 + r->a.bw * SLACK_US / SEC_US + 10 * MSS, CWND_MIN);
	}
}

bool tn_rate_searching(const struct tn_rate *r)
{
	return r->ops == &tn_rate_auto && r->a.mode == TN_RATE_STARTUP;
}

const struct tn_rate_ops tn_rate_auto = {"auto", auto_on_ack, auto_pacing, auto_cwnd};
