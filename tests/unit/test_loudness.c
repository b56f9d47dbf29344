/* The meter by the signals of EBU Tech 3341 (those made of sines), the gain and the limiter. */
#include "unit.h"

#include <math.h>

#include "media/level.h"

#define RATE 48000
#define PART 4800

static double gain_of(double db)
{
	return pow(10, db / 20);
}

/* `seconds` of a 1 kHz sine at these levels (dBFS of the peak; 0: silent) in the channels. */
static void sine(struct loudness *l, double seconds, const double *db)
{
	static float wave[LOUDNESS_CHANNELS][PART];
	const float *at[LOUDNESS_CHANNELS];
	int part = l->rate / 10, cycles = l->rate / 100;

	for (int c = 0; c < l->channels; c++) {
		double a = db[c] < 0 ? gain_of(db[c]) : 0;

		at[c] = wave[c];
		for (int i = 0; i < part; i++)
			wave[c][i] = i < cycles ? (float)(a * sin(2 * M_PI * 1000 * i / l->rate))
						: wave[c][i - cycles];
	}
	for (int64_t left = llrint(seconds * l->rate); left > 0; left -= part)
		loudness_add(l, at, (int)MIN(left, part));
}

static void both(struct loudness *l, double seconds, double db)
{
	sine(l, seconds, (const double[]){db, db});
}

static void near(double got, double want, double by)
{
	if (!(fabs(got - want) <= by))
		fail_msg("%.3f is not %.2f +- %.2f", got, want, by);
}

/* Cases 1 and 2. */
static void a_sine(void **state)
{
	static const int rates[] = {48000, 44100, 32000};
	struct loudness l;

	for (int db = -23; db >= -33; db -= 10) {
		loudness_init(&l, RATE, 2);
		both(&l, 10, db);
		near(loudness_momentary(&l), db, .1);
		near(loudness_short_term(&l), db, .1);
		near(loudness_integrated(&l), db, .1);
	}
	/* The filters follow the rate. */
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		loudness_init(&l, rates[i], 2);
		both(&l, 4, -23);
		near(loudness_integrated(&l), -23, .1);
	}
}

/* Cases 3, 4 and 5, in less time. */
static void gates(void **state)
{
	struct loudness l;

	loudness_init(&l, RATE, 2);
	both(&l, 3, -36);
	both(&l, 18, -23);
	both(&l, 3, -36);
	near(loudness_integrated(&l), -23, .1);
	loudness_init(&l, RATE, 2);
	both(&l, 3, -72);
	both(&l, 3, -36);
	both(&l, 18, -23);
	both(&l, 3, -36);
	both(&l, 3, -72);
	near(loudness_integrated(&l), -23, .1);
	loudness_init(&l, RATE, 2);
	both(&l, 8, -26);
	both(&l, 8.04, -20);
	both(&l, 8, -26);
	near(loudness_integrated(&l), -23, .1);
}

/* Case 6, and that the LFE channel does not count. */
static void channels(void **state)
{
	struct loudness l;

	loudness_init(&l, RATE, 5);
	sine(&l, 5, (const double[]){-28, -28, -24, -30, -30});
	near(loudness_integrated(&l), -23, .1);
	loudness_init(&l, RATE, 6);
	sine(&l, 5, (const double[]){-28, -28, -24, -1, -30, -30});
	near(loudness_integrated(&l), -23, .1);
	loudness_init(&l, RATE, 1);
	sine(&l, 5, (const double[]){-20});
	near(loudness_integrated(&l), -23, .1);
}

/* Cases 9 and 12: bursts whose mean over the window stays the same. */
static void windows(void **state)
{
	struct loudness l;

	loudness_init(&l, RATE, 2);
	for (int i = 0; i < 4; i++) {
		both(&l, 1.34, -20);
		both(&l, 1.66, -30);
		if (i)
			near(loudness_short_term(&l), -23, .1);
	}
	loudness_init(&l, RATE, 2);
	for (int i = 0; i < 15; i++) {
		both(&l, .18, -20);
		both(&l, .22, -30);
		if (i)
			near(loudness_momentary(&l), -23, .1);
	}
}

static void silence_is_no_number(void **state)
{
	struct loudness l;

	loudness_init(&l, RATE, 2);
	near(loudness_integrated(&l), LOUDNESS_NONE, 0);
	sine(&l, 4, (const double[]){0, 0});
	near(loudness_momentary(&l), LOUDNESS_NONE, 0);
	near(loudness_integrated(&l), LOUDNESS_NONE, 0);
	both(&l, 4, -23);
	near(loudness_integrated(&l), -23, .2);
	loudness_reset(&l);
	near(loudness_short_term(&l), LOUDNESS_NONE, 0);
}

/* ---- gain and limiter ---- */

struct bed {
	struct level level;
	struct loudness out;
	double phase, peak;
	int64_t n;
};

static void bed(struct bed *b, double target)
{
	*b = (struct bed){0};
	level_init(&b->level, 2, target);
	loudness_init(&b->out, RATE, 2);
}

/* A 1 kHz sine, in odd portions. */
static void play(struct bed *b, double seconds, double db)
{
	double a = db < 0 ? gain_of(db) : 0;

	for (int64_t left = llrint(seconds * RATE); left > 0;) {
		float l[1000], r[1000], *at[] = {l, r};
		int n = (int)MIN(left, 1 + (left * 7919) % 1000);

		for (int i = 0; i < n; i++) {
			l[i] = r[i] = (float)(a * sin(b->phase));
			b->phase += 2 * M_PI * 1000 / RATE;
		}
		level_run(&b->level, at, n);
		loudness_add(&b->out, (const float *const *)at, n);
		for (int i = 0; i < n; i++)
			b->peak = fmax(b->peak, fabs((double)l[i]));
		left -= n;
		b->n += n;
	}
}

static void it_comes_to_the_target(void **state)
{
	static const double from[] = {-33, -28, -23, -18, -12, -6};
	struct bed b;

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		bed(&b, -23);
		play(&b, 6, from[i]);
		near(loudness_short_term(&b.out), -23, .6);
		near(level_gain(&b.level), -23 - from[i], .3);
	}
	/* Not by any gain. */
	bed(&b, -23);
	play(&b, 8, -45);
	near(level_gain(&b.level), LEVEL_UP_MAX, .01);
}

static void pauses_are_let_be(void **state)
{
	struct bed b;

	bed(&b, -23);
	play(&b, 5, -20);
	double gain = level_gain(&b.level);
	play(&b, 3, -38);
	near(level_gain(&b.level), gain, .2);
	play(&b, 20, -75);
	near(level_gain(&b.level), gain, .2);
	/* But not for ever: then it is the programme, and slowly. */
	play(&b, 13, -38);
	assert_true(level_gain(&b.level) > gain + 3 && level_gain(&b.level) < gain + 13);
	level_source(&b.level);
	play(&b, 3, -20);
	near(level_gain(&b.level), -3, .3);
}

static void it_moves_slowly(void **state)
{
	struct bed b;

	bed(&b, -23);
	play(&b, 5, -23);
	double was = level_gain(&b.level);
	for (int i = 0; i < 40; i++) {
		play(&b, .1, i < 20 ? -15 : -30);
		assert_true(level_gain(&b.level) - was < .21);
		assert_true(level_gain(&b.level) - was > -.41);
		was = level_gain(&b.level);
	}
}

static void what_is_low_passes_as_it_is(void **state)
{
	struct level level;
	float l[RATE], r[RATE], was[RATE], *at[] = {l, r};

	level_init(&level, 2, 0);
	for (int i = 0; i < RATE; i++)
		was[i] = l[i] = r[i] = (float)(.39 * sin(i * .05) + .39 * sin(i * .31));
	level_run(&level, at, RATE);
	for (int i = 0; i < LEVEL_DELAY; i++)
		assert_true(l[i] == 0);
	assert_memory_equal(l + LEVEL_DELAY, was, (RATE - LEVEL_DELAY) * sizeof(*l));
	assert_int_equal(level.limited, 0);
}

/* The highest point of a signal between its samples, by 16 points a sample of a long sinc. */
static double exact_peak(const float *x, int n)
{
	double peak = 0;

	for (int i = 40; i < n - 40; i++) {
		if (fabs((double)x[i]) < .5)
			continue;
		for (int p = 0; p < 16; p++) {
			double v = 0;

			for (int k = -32; k <= 32; k++) {
				double t = M_PI * (p / 16.0 - k);

				v += (double)x[i + k] *
				     (fabs(t) < 1e-9 ? 1 : sin(t) / t * (.5 + .5 * cos(t / 33)));
			}
			peak = fmax(peak, fabs(v));
		}
	}
	return peak;
}

static void no_peak_is_above(void **state)
{
	struct level level;
	static float l[RATE / 4], r[RATE / 4];
	float *at[] = {l, r};
	unsigned seed = 1;

	for (int kind = 0; kind < 4; kind++) {
		level_init(&level, 2, 0);
		for (int i = 0; i < RATE / 4; i++) {
			double v = 0;

			seed = seed * 1103515245 + 12345;
			if (kind ==
			    0) /* between the samples: a quarter of the rate, shifted by an eighth */
				v = 1.3 * sin(M_PI / 2 * i + M_PI / 4);
			else if (kind == 1)
				v = 2 * sin(i * .13) * (i / 1000 % 3 == 1);
			else if (kind == 2) /* single ones */
				v = i % 3001 == 0 ? 1.8 : .1 * sin(i * .02);
			else
				v = 2.0 * ((seed >> 16 & 0x7fff) / 16384.0 - 1) * (i / 700 % 2);
			l[i] = (float)v;
			r[i] = kind == 3 ? 0 : (float)(v / 2);
		}
		level_run(&level, at, RATE / 4);
		double most = 0;
		for (int i = 0; i < RATE / 4; i++)
			most = fmax(most, fabs((double)l[i]));
		if (most > gain_of(LEVEL_PEAK) + 1e-4)
			fail_msg("signal %d: a sample of %f", kind, most);
		assert_true(level.limited > 0);
		/* Noise up to half the rate is more than what the estimate is for. */
		double exact = exact_peak(l, RATE / 4);
		if (kind != 3 && exact > gain_of(LEVEL_PEAK + .6))
			fail_msg("signal %d: a true peak of %f", kind, exact);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_sine),
    cmocka_unit_test(gates),
    cmocka_unit_test(channels),
    cmocka_unit_test(windows),
    cmocka_unit_test(silence_is_no_number),
    cmocka_unit_test(it_comes_to_the_target),
    cmocka_unit_test(pauses_are_let_be),
    cmocka_unit_test(it_moves_slowly),
    cmocka_unit_test(what_is_low_passes_as_it_is),
    cmocka_unit_test(no_peak_is_above),
};

RUN_TESTS(tests)
