/* How many symbols, and when. */
#include "tunnel/repair.h"
#include <math.h>

/* Between a packet and its copy, and between copies, at least. Where each way takes a copy they
 * add up, and with what timers are late they are to stay below 5 ms. */
#define STEP_US 1500
#define BURST_MIN_US STEP_US	   /* shorter ones do not reach from a packet to its copy */
#define UNSURE_RTT_US (20 * MS_US) /* below, sending again is soon enough */
#define WORTH_PPM 300		   /* a burst of less loss than this needs no symbols */
#define ROWS_PART 5		   /* of a burst's packets, at most so many in symbols: a fifth */
#define AGAIN_PPM 3000
#define RICH_PPM 5

/* When copies go where losses come in bursts, in tenths of a mean burst: as late as that, but not
 * later than is felt, unless they would then come too soon to be of use. How long bursts are is not
 * known well; 60 ms are felt. And how many of a million packets may be left without before another
 * copy is worth it: a datagram that is lost delays nobody but itself, a stream's packet all that
 * come after it. */
static const struct plan {
	int64_t late[TN_COPIES_MAX], soon[TN_COPIES_MAX], felt_us[TN_COPIES_MAX];
	uint32_t left_ppm[TN_COPIES_MAX];
} plans[] = {
    [TN_GUARD_AGAIN] = {{20, 50, 75, 100},
			{20, 50, 75, 100},
			{0},
			{AGAIN_PPM, AGAIN_PPM, AGAIN_PPM, AGAIN_PPM}},
    [TN_GUARD_FLOW] = {{50, 100, 150, 200},
		       {17, 40, 60, 80},
		       {47 * MS_US, 100 * MS_US, 150 * MS_US, 200 * MS_US},
		       {1000, 10000, 10000, 10000}},
    [TN_GUARD_STREAM] = {{20, 50, 75, 100},
			 {7, 17, 27, 36},
			 {20 * MS_US, 48 * MS_US, 72 * MS_US, 96 * MS_US},
			 {200, 200, 200, 200}},
};

/* Both as if losses came in bursts and as if they did not: a stream that begins has all to lose. */
static const int64_t both_us[TN_COPIES_MAX] = {STEP_US, 20 * MS_US, 48 * MS_US, 72 * MS_US};

/* Where copies cost next to nothing the first after a burst is to come at once: in tenths of a mean
 * burst, which is taken to be at least as long as RICH_MIN_US and at most RICH_MAX_US. */
#define RICH_MIN_US (10 * MS_US)
#define RICH_MAX_US (25 * MS_US)
static const int64_t rich[TN_COPIES_RICH] = {3, 6, 9, 12, 16, 21, 28, 40};

bool tn_plan_bursts(const struct tn_line *l)
{
	return l->burst_us > BURST_MIN_US ||
	       (l->unsure && l->ppm >= WORTH_PPM && l->rtt_us >= UNSURE_RTT_US);
}

static bool unsure(const struct tn_line *l, enum tn_guard guard)
{
	return guard == TN_GUARD_STREAM && l->burst_us <= BURST_MIN_US && tn_plan_bursts(l);
}

static bool is_rich(const struct tn_line *l, enum tn_guard guard)
{
	return l->rich && guard >= TN_GUARD_FLOW;
}

int64_t tn_plan_offset(const struct tn_line *l, enum tn_guard guard, unsigned i)
{
	const struct plan *p = &plans[guard];
	int64_t least = (i + 1) * CLAMP(l->rtt_us / 8, (int64_t)1, STEP_US), at = 0;

	if (is_rich(l, guard) && tn_plan_bursts(l))
		at = CLAMP(l->burst_us, RICH_MIN_US, RICH_MAX_US) * rich[i] / 10;
	else if (unsure(l, guard))
		at = both_us[i];
	else if (l->burst_us > BURST_MIN_US)
		at = MIN(l->burst_us * p->late[i],
			 MAX(l->burst_us * p->soon[i], 10 * p->felt_us[i])) /
		     10;
	return MIN(MAX(at, least), MAX(l->rtt_us, least)); /* by then it could be sent again */
}

/* Of a million packets, those that are lost with their first n copies. */
static uint32_t left_ppm(const struct tn_line *l, enum tn_guard guard, unsigned n)
{
	double p = l->ppm / 1e6, chance = pow(p, n);

	if (n && l->burst_us > BURST_MIN_US) /* it has not ended by then */
		chance += exp(-(double)tn_plan_offset(l, guard, n - 1) / (double)l->burst_us);
	return (uint32_t)(l->ppm * MIN(chance, 1.0));
}

uint32_t tn_plan_copies(const struct tn_line *l, enum tn_guard guard)
{
	bool many = is_rich(l, guard);
	unsigned most = many ? TN_COPIES_RICH : TN_COPIES_MAX;
	uint32_t sum = 0;

	if (unsure(l, guard) || (many && tn_plan_bursts(l)))
		return most << 16;
	for (unsigned i = 0; i < most; i++) {
		uint64_t left = left_ppm(l, guard, i), next = left_ppm(l, guard, i + 1);
		uint32_t worth = many ? RICH_PPM : plans[guard].left_ppm[i];

		if (left <= worth)
			break;
		if (next >= worth || next >= left) {
			sum += 1 << 16;
			continue;
		}
		return sum + (uint32_t)(((left - worth) << 16) / (left - next));
	}
	return sum;
}

/* How likely it is that more than m of n packets are lost. */
static double more_lost(double p, unsigned n, unsigned m)
{
	double term = 1, sum = 0;

	for (unsigned i = 0; i < n; i++)
		term *= 1 - p;
	for (unsigned i = 0; i <= m; i++) {
		sum += term;
		term *= (n - i) * p / ((i + 1) * (1 - p));
	}
	return 1 - sum;
}

unsigned tn_plan_rows(const struct tn_line *l, enum tn_guard guard, unsigned k)
{
	double p = MIN(l->ppm, 500000u) / 1e6;
	unsigned m = 0, most = guard == TN_GUARD_BURST ? k / ROWS_PART + 2 : k;
	double left = guard == TN_GUARD_BURST ? 1e-3 : plans[guard].left_ppm[0] / 1e6;

	if (l->ppm < WORTH_PPM)
		return 0;
	if (guard != TN_GUARD_BURST && l->burst_us > BURST_MIN_US)
		return MIN(k, (unsigned)TN_RS_ROWS); /* a burst takes all of them */
	while (m < most && m < TN_RS_ROWS && more_lost(p, k + m, m) > left)
		m++;
	return m;
}
