/* How many symbols, and when. */
#include "tunnel/repair.h"

/* Between a packet and its copy, and between copies, at least. Where each way takes a copy they
 * add up, and with what timers are late they are to stay below 5 ms. */
#define STEP_US 1500
#define FIRST_MAX_US (48 * MS_US) /* a first copy later than this is felt */
#define BURST_MIN_US STEP_US	  /* shorter ones do not reach from a packet to its copy */
#define WORTH_PPM 300		  /* a burst of less loss than this needs no symbols */
#define ROWS_PART 5		  /* of a burst's packets, at most so many in symbols: a fifth */

/* When copies go where losses come in bursts, in tenths of a mean burst; how many of a thousand
 * bursts last so much longer than until the packet; and how many of a million packets may be left
 * without before another copy is worth it. A datagram that is lost delays nobody but itself, a
 * stream's packet all that come after it. */
static const struct plan {
	int64_t at[TN_COPIES_MAX], last[TN_COPIES_MAX];
	uint32_t left_ppm[TN_COPIES_MAX];
} plans[] = {
    [TN_GUARD_FLOW] = {{35, 70, 99}, {30, 1, 1}, {1000, 5000, 5000}},
    [TN_GUARD_STREAM] = {{10, 25, 45}, {368, 82, 11}, {200, 200, 200}},
};

int64_t tn_plan_offset(const struct tn_line *l, enum tn_guard guard, unsigned i)
{
	int64_t least = (i + 1) * CLAMP(l->rtt_us / 8, (int64_t)1, STEP_US);
	int64_t burst_us = l->burst_us > BURST_MIN_US ? l->burst_us : 0;
	int64_t at = MAX(least, burst_us * plans[guard].at[i] / 10);

	if (i == 0)
		at = MIN(at, MAX(FIRST_MAX_US, l->burst_us * 2));
	return MIN(at, MAX(l->rtt_us, least)); /* by then it could be sent again */
}

/* Of a million packets, those that are lost with their first n copies. */
static uint32_t left_ppm(const struct tn_line *l, const struct plan *plan, unsigned n)
{
	uint64_t chance = 1000000;

	if (n == 0)
		return l->ppm;
	for (unsigned i = 0; i < n; i++)
		chance = chance * l->ppm / 1000000;
	if (l->burst_us > BURST_MIN_US)
		chance += (uint64_t)plan->last[n - 1] * 1000;
	return (uint32_t)(l->ppm * MIN(chance, (uint64_t)1000000) / 1000000);
}

uint32_t tn_plan_copies(const struct tn_line *l, enum tn_guard guard)
{
	const struct plan *plan = &plans[guard];
	uint32_t sum = 0;

	for (unsigned i = 0; i < TN_COPIES_MAX; i++) {
		uint64_t left = left_ppm(l, plan, i), next = left_ppm(l, plan, i + 1);

		if (left <= plan->left_ppm[i])
			break;
		if (next >= plan->left_ppm[i] || next >= left) {
			sum += 1 << 16;
			continue;
		}
		return sum + (uint32_t)(((left - plan->left_ppm[i]) << 16) / (left - next));
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
