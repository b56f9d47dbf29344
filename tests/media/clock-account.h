/* clock-account: what clock-read makes of the frames and bursts that it has seen: steps of the
 * clock, delay, pts and A/V offset, printed as key=value. Each function prints `pre` before its
 * keys. */
#ifndef GEX_TESTS_CLOCK_ACCOUNT_H
#define GEX_TESTS_CLOCK_ACCOUNT_H

#include "clockmark.h"

#include <stdio.h>

#define MAX_TRACKS 16
#define MATCH_US (SEC_US / 2)
#define MATCH_FRAMES 300
#define NO_PTS INT64_MIN

/* A frame whose clock was read. */
struct sight {
	int64_t utc_ms, pts_us, latency_us;
	bool key;
};

struct sights {
	struct sight *at;
	size_t len, cap;
};

/* pts of frames, us. */
struct places {
	int64_t *at;
	size_t len, cap;
};

/* A burst heard, and how many frames each track had then: where to look for its picture. */
struct beep {
	int64_t pts_us;
	int tone;
	size_t seen[MAX_TRACKS];
};

struct beeps {
	struct beep *at;
	size_t len, cap;
};

/* Numbers to be sorted. */
struct numbers {
	int64_t *at;
	size_t len;
};

static int numbers_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static struct numbers numbers_of(size_t cap)
{
	struct numbers n = {calloc(cap + 1, sizeof(int64_t)), 0};

	if (!n.at)
		abort();
	return n;
}

static void numbers_sort(struct numbers *n)
{
	qsort(n->at, n->len, sizeof(int64_t), numbers_compare);
}

/* The value below which `percent` of the sorted numbers lie; 100 gives the largest. */
static int64_t percentile(const struct numbers *n, size_t percent)
{
	return n->at[MIN(n->len - 1, n->len * percent / 100)];
}

static void print_count(const char *pre, const char *key, int64_t value)
{
	printf("%s%s=%lld\n", pre, key, (long long)value);
}

static void print_ms(const char *pre, const char *key, int64_t us)
{
	printf("%s%s_ms=%.1f\n", pre, key, (double)us / 1000);
}

/* Of frames made at since_ms or later. */
static void account_latency(const struct sights *s, int64_t since_ms, const char *pre)
{
	struct numbers n = numbers_of(s->len);

	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].utc_ms >= since_ms)
			n.at[n.len++] = s->at[i].latency_us;
	numbers_sort(&n);
	print_count(pre, "latency_frames", (int64_t)n.len);
	if (n.len) {
		print_ms(pre, "latency_p50", percentile(&n, 50));
		print_ms(pre, "latency_p95", percentile(&n, 95));
		print_ms(pre, "latency_p99", percentile(&n, 99));
		print_ms(pre, "latency_max", percentile(&n, 100));
	}
	free(n.at);
}

/* The median step of the clock from frame to frame, repeats and steps back aside; 0: there is none.
 */
static int64_t median_step(const struct sights *s)
{
	struct numbers n = numbers_of(s->len);
	int64_t median;

	for (size_t i = 1; i < s->len; i++)
		if (s->at[i].utc_ms > s->at[i - 1].utc_ms)
			n.at[n.len++] = s->at[i].utc_ms - s->at[i - 1].utc_ms;
	numbers_sort(&n);
	median = n.len ? percentile(&n, 50) : 0;
	free(n.at);
	return median;
}

static void account_steps(const struct sights *s, const char *pre)
{
	int64_t repeats = 0, backward = 0, gaps = 0, missing = 0, longest = 0;
	int64_t first = s->at[0].utc_ms, last = s->at[s->len - 1].utc_ms, median = median_step(s);

	for (size_t i = 1; i < s->len; i++) {
		int64_t step = s->at[i].utc_ms - s->at[i - 1].utc_ms;

		repeats += step == 0;
		backward += step < 0;
		if (!median || 2 * step <= 3 * median)
			continue;
		gaps++;
		missing += (step + median / 2) / median - 1;
		longest = MAX(longest, step);
	}
	print_count(pre, "first_ms", first);
	print_count(pre, "last_ms", last);
	if (last > first)
		printf("%sfps=%.2f\n", pre, 1000.0 * (double)(s->len - 1) / (double)(last - first));
	print_count(pre, "repeats", repeats);
	print_count(pre, "backward", backward);
	print_count(pre, "gaps", gaps);
	print_count(pre, "gap_max_ms", longest);
	print_count(pre, "missing", missing);
}

static void account_pts(const struct sights *s, const char *pre)
{
	struct numbers n = numbers_of(s->len);
	int64_t median;

	for (size_t i = 0; i < s->len; i++)
		if (s->at[i].pts_us != NO_PTS)
			n.at[n.len++] = s->at[i].pts_us - s->at[i].utc_ms * 1000;
	numbers_sort(&n);
	if (n.len) {
		median = percentile(&n, 50);
		print_ms(pre, "pts_offset", median);
		print_ms(pre, "pts_jitter", MAX(percentile(&n, 100) - median, median - n.at[0]));
	}
	free(n.at);
}

/* The frame whose pts is nearest to the beep's, among those that came about then; NULL: none near
 * enough. One that shows the same as the frame before it has no instant of its own: while the
 * picture stands still, there is nothing that the sound is beside. */
static const struct sight *sight_of(const struct sights *s, const struct beep *b, size_t seen)
{
	size_t from = seen > MATCH_FRAMES ? seen - MATCH_FRAMES : 0;
	size_t to = MIN(s->len, seen + MATCH_FRAMES);
	const struct sight *best = NULL;
	int64_t nearest = MATCH_US;

	for (size_t i = from; i < to; i++) {
		const struct sight *x = &s->at[i];

		if (x->pts_us == NO_PTS || llabs(x->pts_us - b->pts_us) > nearest)
			continue;
		if (i && s->at[i - 1].utc_ms == x->utc_ms)
			continue;
		nearest = llabs(x->pts_us - b->pts_us);
		best = x;
	}
	return best;
}

/* The sound against the picture of that track. */
static void account_sound(const struct beeps *beeps, const struct sights *s, size_t track,
			  const char *pre)
{
	struct numbers n = numbers_of(beeps->len);

	for (size_t i = 0; i < beeps->len; i++) {
		const struct beep *b = &beeps->at[i];
		const struct sight *x = sight_of(s, b, b->seen[track]);
		int64_t utc_us;

		if (!x)
			continue;
		utc_us = x->utc_ms * 1000 + b->pts_us - x->pts_us;
		n.at[n.len++] = utc_us - cm_second_near(utc_us / 1000, b->tone) * SEC_US;
	}
	numbers_sort(&n);
	print_count(pre, "beeps", (int64_t)n.len);
	print_count(pre, "beeps_unmatched", (int64_t)(beeps->len - n.len));
	if (n.len) {
		int64_t low = n.at[0], high = percentile(&n, 100);

		print_ms(pre, "av_offset", percentile(&n, 50));
		print_ms(pre, "av_offset_worst", llabs(low) > llabs(high) ? low : high);
	}
	free(n.at);
}

/* The instants that key frames show. */
static void account_keys(const struct sights *s, const char *pre)
{
	const char *comma = "";

	printf("%skey_frames=", pre);
	for (size_t i = 0; i < s->len; i++) {
		if (!s->at[i].key)
			continue;
		printf("%s%lld", comma, (long long)s->at[i].utc_ms);
		comma = ",";
	}
	printf("\n");
}

/* Where they stand in the stream, readable or not. */
static void account_places(const struct places *k, const char *pre)
{
	printf("%skey_pts_ms=", pre);
	for (size_t i = 0; i < k->len; i++)
		printf("%s%lld", i ? "," : "", (long long)((k->at[i] + 500) / 1000));
	printf("\n");
}

#endif
