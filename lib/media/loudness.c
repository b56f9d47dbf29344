#include "media/loudness.h"

#include <math.h>

#define MOMENTARY 4 /* steps */
#define ABSOLUTE_GATE (-70.0)
#define RELATIVE_GATE (-10.0)
#define OFFSET (-0.691)
#define BIN 0.1

/* ---- K weighting: the filters that BS.1770-4 tabulates for 48 kHz, as analogue prototypes, for any rate ---- */

/* A shelf of +4 dB above 1.7 kHz: the head. */
static struct loudness_filter shelf(double rate)
{
	const double f = 1681.974450955533, gain = 3.999843853973347, q = 0.7071752369554196;
	double k = tan(M_PI * f / rate), vh = pow(10, gain / 20), vb = pow(vh, 0.4996667741545416),
	       a0 = 1 + k / q + k * k;

	return (struct loudness_filter){.b = {(vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0,
					      (vh - vb * k / q + k * k) / a0},
					.a = {1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0}};
}

/* A high-pass at 38 Hz. */
static struct loudness_filter high_pass(double rate)
{
	const double f = 38.13547087602444, q = 0.5003270373238773;
	double k = tan(M_PI * f / rate), a0 = 1 + k / q + k * k;

	return (struct loudness_filter){.b = {1, -2, 1},
					.a = {1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0}};
}

/* Transposed direct form II. */
static double run(const struct loudness_filter *f, double *s, double x)
{
	double y = f->b[0] * x + s[0];

	s[0] = f->b[1] * x - f->a[1] * y + s[1];
	s[1] = f->b[2] * x - f->a[2] * y;
	return y;
}

/* ---- the meter ---- */

void loudness_init(struct loudness *l, int rate, int channels)
{
	*l = (struct loudness){.channels = channels, .rate = rate};
	l->filter[0] = shelf(rate);
	l->filter[1] = high_pass(rate);
	for (int c = 0; c < channels; c++) {
		bool low = channels == 6 && c == 3, surround = c >= (channels == 6 ? 4 : 3);

		l->weight[c] = low ? 0 : surround ? 1.41 : 1;
	}
}

void loudness_reset(struct loudness *l)
{
	l->at = 0;
	l->sum = 0;
	l->steps = 0;
	memset(l->count, 0, sizeof(l->count));
	memset(l->power, 0, sizeof(l->power));
}

static double lufs(double power)
{
	return power <= 1e-12 ? LOUDNESS_NONE : OFFSET + 10 * log10(power);
}

/* The mean power of the last so many steps. */
static double mean(const struct loudness *l, int steps)
{
	int64_t n = MIN(l->steps, steps);
	double sum = 0;

	for (int64_t i = 1; i <= n; i++)
		sum += l->step[(l->steps - i) % LOUDNESS_SHORT];
	return n ? sum / (double)n : 0;
}

static void end_step(struct loudness *l)
{
	l->step[l->steps++ % LOUDNESS_SHORT] = l->sum / l->at;
	l->at = 0;
	l->sum = 0;
	if (l->steps < MOMENTARY)
		return;
	double power = mean(l, MOMENTARY), level = lufs(power);
	if (level < ABSOLUTE_GATE)
		return;
	int bin = MIN((int)((level - ABSOLUTE_GATE) / BIN), LOUDNESS_BINS - 1);
	l->count[bin]++;
	l->power[bin] += power;
}

/* Decaying to nothing, numbers become so small that computing with them is slow. */
static void flush_state(struct loudness *l)
{
	for (int c = 0; c < l->channels; c++)
		for (int k = 0; k < 2; k++)
			for (int i = 0; i < 2; i++)
				if (fabs(l->state[c][k][i]) < 1e-30)
					l->state[c][k][i] = 0;
}

int loudness_add(struct loudness *l, const float *const *at, int n)
{
	int step = l->rate * LOUDNESS_STEP_MS / 1000, ended = 0;

	for (int i = 0; i < n;) {
		int part = MIN(n - i, step - l->at);

		for (int c = 0; c < l->channels; c++) {
			double sum = 0;

			for (int k = 0; k < part && l->weight[c] > 0; k++) {
				double y = run(&l->filter[0], l->state[c][0], (double)at[c][i + k]);

				y = run(&l->filter[1], l->state[c][1], y);
				sum += y * y;
			}
			l->sum += l->weight[c] * sum;
		}
		i += part;
		l->at += part;
		if (l->at < step)
			break;
		end_step(l);
		ended++;
	}
	flush_state(l);
	return ended;
}

double loudness_momentary(const struct loudness *l)
{
	return lufs(mean(l, MOMENTARY));
}

double loudness_short_term(const struct loudness *l)
{
	return lufs(mean(l, LOUDNESS_SHORT));
}

/* The mean of the blocks from this bin on. */
static double mean_from(const struct loudness *l, int bin)
{
	int64_t count = 0;
	double power = 0;

	for (int i = MAX(bin, 0); i < LOUDNESS_BINS; i++) {
		count += l->count[i];
		power += l->power[i];
	}
	return count ? power / (double)count : 0;
}

double loudness_integrated(const struct loudness *l)
{
	double gate = lufs(mean_from(l, 0)) + RELATIVE_GATE;

	return lufs(mean_from(l, (int)floor((gate - ABSOLUTE_GATE) / BIN + 0.5)));
}
