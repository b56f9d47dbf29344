/* How a path loses: told by the receiver, who sees which numbers are missing before anything is
 * recovered; put beside the times of sending by the sender. */
#include "tunnel/internal.h"
#include <errno.h>

#define SETTLE_US (30 * MS_US) /* what has not come by then is lost */
#define TELL_US (2 * SEC_US)
#define TELL_YOUNG_US (100 * MS_US)
#define YOUNG 1000 /* numbers */
#define TELL_NUMBERS 512
#define BACK_MAX 3500 /* numbers whose fate is still known */
#define RUNS_MAX 32
#define SCALE 16
#define SENT_MAX 2000  /* packets that weigh in an estimate */
#define REPORT_MAX 128 /* and of one report: what one burst took of a fast transfer is one event */
#define PRIOR_SENT 100
#define PRIOR_PPM 10000
#define PAIRS_MAX 128
#define PAIRS_SURE 120
#define OUTAGE_US (300 * MS_US)
#define QUEUE_US (10 * MS_US)
#define CLOSE_BINS 5
#define LOST_MAX 64 /* of one report, those that are looked at */
#define RUN_PARTS 4 /* and of one run */

/* ---- the receiver ---- */

void tn_loss_heard(struct tn_path *p, int64_t now_us)
{
	struct tn_watch *w = &p->watch;

	if (now_us - w->mark_us < SETTLE_US)
		return;
	w->settled = w->mark;
	w->mark = p->recv_next;
	w->mark_us = now_us;
}

static bool tell_now(const struct tn_watch *w, int64_t now_us)
{
	return w->settled > w->told &&
	       (w->settled - w->told >= TELL_NUMBERS ||
		now_us - w->told_us >= (w->told < YOUNG ? TELL_YOUNG_US : TELL_US));
}

/* The next run of missing numbers in [from, to). */
static struct tn_span next_run(const struct tn_path *p, uint64_t from, uint64_t to)
{
	struct tn_span x = {from, to};

	while (x.lo < to && crypt_replay_seen(&p->replay, x.lo))
		x.lo++;
	for (x.hi = x.lo; x.hi < to && !crypt_replay_seen(&p->replay, x.hi); x.hi++)
		;
	return x;
}

/* LOSS: path, number up to which is told, how many numbers, runs; for each run the numbers that
 * came before it and those that are missing. */
void tn_loss_put(struct tn_path *p, struct wr *w, int64_t now_us)
{
	struct tn_watch *x = &p->watch;
	struct tn_span run[RUNS_MAX];
	uint64_t from, to = x->settled, at;
	size_t n = 0, max = MIN((size_t)RUNS_MAX, wr_left(w) / 8);

	if (!tell_now(x, now_us) || max < 8)
		return;
	from = MAX(x->told, p->recv_next > BACK_MAX ? p->recv_next - BACK_MAX : 0);
	for (max -= 4, at = MIN(from, to); n < max; at = run[n++].hi) {
		run[n] = next_run(p, at, to);
		if (run[n].lo == to)
			break;
	}
	if (n == max)
		to = run[n - 1].hi;
	wr_u8(w, TN_F_LOSS);
	wr_varint(w, p->number);
	wr_varint(w, to);
	wr_varint(w, to - MIN(from, to));
	wr_varint(w, n);
	for (size_t i = 0; i < n; i++) {
		wr_varint(w, run[i].lo - (i ? run[i - 1].hi : from));
		wr_varint(w, run[i].hi - run[i].lo);
	}
	x->told = to;
	x->told_us = now_us;
}

/* ---- the sender: arithmetic ---- */

/* How far apart two packets were sent; the first of each bin. */
static const int64_t bins[TN_LOSS_BINS + 1] = {0,     2000,  5000,  10000, 20000,
					       30000, 45000, 65000, 100000};

void tn_loss_init(struct tn_loss *l)
{
	memset(l, 0, sizeof(*l));
	l->sent = PRIOR_SENT;
	l->lost = (uint32_t)((uint64_t)PRIOR_SENT * SCALE * PRIOR_PPM / 1000000);
}

void tn_loss_count(struct tn_loss *l, uint64_t sent, uint64_t lost)
{
	uint64_t n = MIN(sent, (uint64_t)REPORT_MAX);
	uint32_t more = (uint32_t)(sent ? MIN(lost, sent) * SCALE * n / sent : 0);

	l->sent += (uint32_t)n;
	l->lost += more;
	l->told += (uint32_t)n;
	l->told_lost += more;
	while (l->sent > SENT_MAX) {
		l->sent /= 2;
		l->lost /= 2;
		l->told /= 2;
		l->told_lost /= 2;
	}
}

void tn_loss_pair(struct tn_loss *l, int64_t gap_us, bool both)
{
	int b = 0;

	if (gap_us < 0 || gap_us >= bins[TN_LOSS_BINS])
		return;
	while (gap_us >= bins[b + 1])
		b++;
	l->pairs[b]++;
	l->both[b] += both;
	if (l->pairs[b] < PAIRS_MAX)
		return;
	l->pairs[b] /= 2;
	l->both[b] /= 2;
}

uint32_t tn_loss_ppm(const struct tn_loss *l)
{
	return (uint32_t)((uint64_t)l->lost * 1000000 / SCALE / MAX(l->sent, 1u));
}

int64_t tn_loss_told_ppm(const struct tn_loss *l)
{
	return l->told ? (int64_t)l->told_lost * 1000000 / SCALE / l->told : -1;
}

/* Do losses so close together happen more often than by chance, beyond five standard deviations? It
 * is asked with each report: three are met by chance every few minutes, and cost a third more bytes.
 * Of real bursts ten pairs show more than five. */
static bool bursty(const struct tn_loss *l)
{
	int64_t n = 0, both = 0, more;

	for (int b = 0; b < CLOSE_BINS; b++) {
		n += l->pairs[b];
		both += l->both[b];
	}
	more = both * 1000000 - n * tn_loss_ppm(l) - 500000;
	return more > 0 && more / 1000 * (more / 1000) > 25 * n * tn_loss_ppm(l);
}

bool tn_loss_unsure(const struct tn_loss *l)
{
	unsigned n = 0;

	for (int b = 0; b < TN_LOSS_BINS; b++)
		n += l->pairs[b];
	return n < PAIRS_SURE;
}

/* How much likelier than by chance a packet is lost that was sent so long after a lost one, in ppm;
 * -1: not known. */
static int64_t excess(const struct tn_loss *l, int b)
{
	int64_t n = l->pairs[b] + 1, p = tn_loss_ppm(l);

	return n == 1 ? -1 : MAX((l->both[b] * INT64_C(1000000) + p) / n - p, 0);
}

/* The area under the excess over distance is the mean length of a burst, when lengths are spread as
 * in a chain of two states. Where nothing is known the neighbours tell. */
int64_t tn_loss_burst(const struct tn_loss *l)
{
	int64_t sum = 0, before = -1, after;

	for (int b = 0; b < TN_LOSS_BINS && bursty(l); b++) {
		int64_t x = excess(l, b);

		if (x < 0) {
			int c = b;

			while (c < TN_LOSS_BINS && excess(l, c) < 0)
				c++;
			after = c < TN_LOSS_BINS ? excess(l, c) : 0;
			x = before < 0 ? after : (before + after) / 2;
		}
		sum += x * (bins[b + 1] - bins[b]) / 1000000;
		before = x;
	}
	return sum;
}

/* ---- the sender: a report ---- */

void tn_loss_sent(struct tn_path *p, int64_t now_us)
{
	p->loss.left_us[p->next % TN_LOSS_TIMES] = now_us;
}

/* When that packet was sent; -1 when that is forgotten. */
static int64_t sent_at(const struct tn_path *p, uint64_t number)
{
	uint64_t age = p->next - number;

	if (number >= p->next || (age > TN_LOSS_TIMES && age > p->sent_cap))
		return -1;
	if (age <= TN_LOSS_TIMES)
		return p->loss.left_us[number % TN_LOSS_TIMES];
	return tn_sent_slot(p, number)->left_us ? tn_sent_slot(p, number)->left_us : -1;
}

static bool lost_in(const struct tn_span *run, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++)
		if (number < run[i].hi)
			return number >= run[i].lo;
	return false;
}

/* What became of the packets after a lost one. */
static void take_lost(struct tn_path *p, uint64_t number, const struct tn_span *run, size_t n,
		      uint64_t upto)
{
	int64_t at = sent_at(p, number), other;

	for (uint64_t a = 1, b = 2, y; at >= 0 && (y = number + a) < upto && a < 1000;) {
		other = sent_at(p, y);
		if (other - at >= bins[TN_LOSS_BINS])
			return;
		if (other >= 0)
			tn_loss_pair(&p->loss, other - at, lost_in(run, n, y));
		y = a + b;
		a = b;
		b = y;
	}
}

/* So long a silence says nothing of the line as it is otherwise. */
static bool outage(const struct tn_path *p, const struct tn_span *run)
{
	int64_t from = sent_at(p, run->lo), to = sent_at(p, run->hi - 1);

	return from >= 0 && to - from > OUTAGE_US;
}

/* A queue that has grown loses by itself; repair would only make it longer. */
static bool congested(const struct tn_path *p)
{
	return p->min_rtt_us != NEVER_US &&
	       p->latest_us > p->min_rtt_us + p->min_rtt_us / 4 + QUEUE_US;
}

int tn_loss_take(struct tunnel *t, struct rd *r)
{
	struct tn_span run[RUNS_MAX];
	uint64_t path = rd_varint(r), upto = rd_varint(r), numbers = rd_varint(r);
	uint64_t n = rd_varint(r), at = upto - numbers, lost = 0;
	unsigned looked = 0;
	struct tn_path *p;

	if (r->bad || path >= TN_PATHS || !t->path[path] || numbers > upto || n > RUNS_MAX)
		return -EPROTO;
	p = t->path[path];
	if (upto > p->next)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		uint64_t gap = rd_varint(r), len = rd_varint(r);

		if (r->bad || gap > upto - at || len == 0 || len > upto - at - gap)
			return -EPROTO;
		run[i] = (struct tn_span){at + gap, at + gap + len};
		at = run[i].hi;
		if (outage(p, &run[i]))
			numbers -= len;
		else
			lost += len;
	}
	if (congested(p))
		return 0;
	tn_loss_count(&p->loss, numbers, lost);
	for (size_t i = 0; i < n; i++) {
		uint64_t step = (run[i].hi - run[i].lo + RUN_PARTS - 1) / RUN_PARTS;

		for (uint64_t x = run[i].lo; x < run[i].hi && looked < LOST_MAX;
		     x += step, looked++)
			take_lost(p, x, run, n, upto);
	}
	p->burst_us = tn_loss_burst(&p->loss);
	return 0;
}
