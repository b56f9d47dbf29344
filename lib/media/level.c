#include "media/level.h"

#include <math.h>

#define STEPS_A_SECOND (1000 / LOUDNESS_STEP_MS)
#define MEMORY (8 * STEPS_A_SECOND) /* blocks in the mean */
#define QUIET_MAX (10 * STEPS_A_SECOND)
#define FLOOR (-50.0) /* LUFS: noise is not made louder */
#define GATE 10.0     /* LU */
#define UP_DB (2.0 / STEPS_A_SECOND)
#define DOWN_DB (4.0 / STEPS_A_SECOND)
#define HURRY (4 * STEPS_A_SECOND) /* blocks at the beginning of a source in which it is faster, */
#define HURRY_DB (12.0 / STEPS_A_SECOND)
#define RELEASE 0.00025 /* of what is missing, a sample: 80 ms */

static double power_of(double lufs)
{
	return pow(10, (lufs + 0.691) / 10);
}

/* ---- the gain ---- */

void level_source(struct level *l)
{
	loudness_reset(&l->meter);
	l->blocks = l->quiet = 0;
	l->hurry = HURRY;
}

/* Takes a block into the mean, or not. */
static void hear(struct level *l)
{
	double m = loudness_momentary(&l->meter), power = power_of(m);

	if (m < FLOOR)
		return;
	/* Quieter for so long is no pause. */
	if (l->blocks && power < l->heard * pow(10, -GATE / 10) && ++l->quiet < QUIET_MAX)
		return;
	if (l->quiet >= QUIET_MAX)
		l->blocks = 0;
	l->quiet = 0;
	l->blocks = MIN(l->blocks + 1, MEMORY);
	l->heard = l->blocks == 1 ? power : l->heard + (power - l->heard) / l->blocks;
}

static void end_step(struct level *l)
{
	double was = l->gain_db, up = UP_DB, down = DOWN_DB;

	hear(l);
	if (l->on && l->blocks) {
		double want = l->target - (10 * log10(l->heard) - 0.691);

		want = CLAMP(want, -LEVEL_DOWN_MAX, LEVEL_UP_MAX);
		if (l->hurry > 0 && !l->quiet && l->hurry--)
			up = down = HURRY_DB;
		l->gain_db = CLAMP(want, was - down, was + up);
	}
	/* From where it is now, so that no error gathers. */
	double to = pow(10, l->gain_db / 20);
	int n = LEVEL_RATE * LOUDNESS_STEP_MS / 1000;
	l->slope = fabs(to / l->gain - 1) < 1e-9 ? 1 : pow(to / l->gain, 1.0 / n);
	if (l->slope == 1)
		l->gain = to;
}

static void amplify(struct level *l, float *const *at, int n)
{
	if (l->gain == 1 && l->slope == 1)
		return;
	double gain = l->gain;
	for (int i = 0; i < n; i++) {
		for (int c = 0; c < l->channels; c++)
			at[c][i] *= (float)gain;
		gain *= l->slope;
	}
	l->gain = gain;
}

double level_gain(const struct level *l)
{
	return 20 * log10(l->gain);
}

/* ---- the limiter ---- */

/* No such point is higher than so many times the largest of the samples. */
#define BOUND 2.2f

/* By windowed sincs. */
static void make_between(float between[3][LEVEL_TAPS])
{
	const double reach = LEVEL_TAPS / 2 + 0.25;

	for (int p = 0; p < 3; p++) {
		double sum = 0, tap[LEVEL_TAPS];

		for (int k = 0; k < LEVEL_TAPS; k++) {
			double x = M_PI * (k - (LEVEL_TAPS / 2 - 1) - (p + 1) / 4.0);

			tap[k] = sin(x) / x * (0.5 + 0.5 * cos(x / reach));
			sum += tap[k];
		}
		for (int k = 0; k < LEVEL_TAPS; k++)
			between[p][k] = (float)(tap[k] / sum);
	}
}

/* The highest point around the middle of the last samples of a channel. */
static float true_peak(float between[3][LEVEL_TAPS], const float *past, float most)
{
	float peak = most;

	for (int p = 0; p < 3; p++) {
		float v = 0;

		for (int k = 0; k < LEVEL_TAPS; k++)
			v += past[k] * between[p][k];
		peak = fmaxf(peak, fabsf(v));
	}
	return peak;
}

static float peak_of(struct level *l, float *const *at, int i, float ceiling)
{
	float peak = 0;

	for (int c = 0; c < l->channels; c++) {
		float most = 0, *past = l->past[c];

		memmove(past, past + 1, (LEVEL_TAPS - 1) * sizeof(*past));
		past[LEVEL_TAPS - 1] = at[c][i];
		for (int k = 0; k < LEVEL_TAPS; k++)
			most = fmaxf(most, fabsf(past[k]));
		most = most * BOUND > ceiling ? true_peak(l->between, past, fabsf(at[c][i]))
					      : fabsf(at[c][i]);
		peak = fmaxf(peak, most);
	}
	return peak;
}

/* The least gain that any of the last LEVEL_DELAY + 1 samples needs. */
static double least(struct level *l, double need)
{
	const int cap = LEVEL_DELAY + 1;

	while (l->len && l->need[(l->first + l->len - 1) % cap] >= need)
		l->len--;
	if (l->len && l->need_at[l->first] <= l->at - cap) {
		l->first = (l->first + 1) % cap;
		l->len--;
	}
	l->need[(l->first + l->len) % cap] = need;
	l->need_at[(l->first + l->len) % cap] = l->at;
	l->len++;
	return l->need[l->first];
}

/* The gain for the sample that came LEVEL_DELAY ago: the mean of values each of which is low enough for it. */
static double ramp(struct level *l, double need)
{
	double low = least(l, need);
	int slot = (int)(l->at % LEVEL_RAMP);

	l->follow = low < l->follow ? low : l->follow + (low - l->follow) * RELEASE;
	if (l->follow > 0.99999)
		l->follow = 1;
	l->ramp_sum += l->follow - l->ramp[slot];
	l->ramp[slot] = l->follow;
	l->calm = l->follow < 1 ? 0 : l->calm + 1;
	if (l->calm < LEVEL_RAMP)
		return MIN(l->ramp_sum / LEVEL_RAMP, 1);
	l->calm = LEVEL_RAMP;
	l->ramp_sum = LEVEL_RAMP;
	return 1;
}

static void limit(struct level *l, float *const *at, int n)
{
	const float ceiling = (float)pow(10, LEVEL_PEAK / 20);

	for (int i = 0; i < n; i++) {
		float peak = peak_of(l, at, i, ceiling);
		double gain = ramp(l, peak > ceiling ? (double)(ceiling / peak) : 1);
		int slot = (int)(l->at++ % LEVEL_DELAY);

		l->limited += gain < 1;
		for (int c = 0; c < l->channels; c++) {
			float out = l->held[c][slot];

			l->held[c][slot] = at[c][i];
			at[c][i] = gain < 1 ? out * (float)gain : out;
		}
	}
}

/* ---- both ---- */

void level_init(struct level *l, int channels, double target)
{
	*l = (struct level){.channels = channels,
			    .on = target < 0,
			    .target = target,
			    .gain = 1,
			    .slope = 1,
			    .follow = 1,
			    .hurry = HURRY,
			    .ramp_sum = LEVEL_RAMP};
	for (int i = 0; i < LEVEL_RAMP; i++)
		l->ramp[i] = 1;
	loudness_init(&l->meter, LEVEL_RATE, channels);
	make_between(l->between);
}

void level_run(struct level *l, float *const *at, int n)
{
	float *part[LOUDNESS_CHANNELS];

	for (int i = 0; i < n;) {
		int step = LEVEL_RATE * LOUDNESS_STEP_MS / 1000 - l->meter.at, k = MIN(n - i, step);

		for (int c = 0; c < l->channels; c++)
			part[c] = at[c] + i;
		bool ended = loudness_add(&l->meter, (const float *const *)part, k);
		amplify(l, part, k);
		if (ended)
			end_step(l);
		i += k;
	}
	limit(l, at, n);
}
