/* level: brings sound to a loudness, slowly, and keeps its peaks below full scale. Pure; at 48 kHz.
 *
 * The gain follows the loudness of the last seconds (blocks of 400 ms that are not 10 LU quieter than the rest: pauses do not
 * count), within LEVEL_UP_MAX and LEVEL_DOWN_MAX, by at most 2 dB a second up and 4 down, faster in the first seconds of a
 * source. Then a limiter keeps the true peak, as BS.1770-4 Annex 2 estimates it, below LEVEL_PEAK: the gain needed for a peak
 * is reached by a ramp that ends at the peak, 5 ms after it came in; so sound comes out LEVEL_DELAY samples later. What stays
 * below the peak passes bit by bit when there is no gain. */
#ifndef GEX_MEDIA_LEVEL_H
#define GEX_MEDIA_LEVEL_H

#include "media/loudness.h"

#define LEVEL_RATE 48000
#define LEVEL_DELAY 240 /* samples */
#define LEVEL_RAMP 232	/* of them: the rest is what the estimate of true peaks comes late by */
#define LEVEL_UP_MAX 15.0
#define LEVEL_DOWN_MAX 30.0
#define LEVEL_PEAK (-1.0) /* dBTP */
#define LEVEL_TAPS 12

struct level {
	int channels;
	struct loudness meter; /* of what comes in */
	/* the gain */
	bool on;
	double target;	    /* LUFS */
	double heard;	    /* mean power of the blocks that count */
	int blocks;	    /* of them, up to a limit */
	int quiet;	    /* blocks one after the other that did not count */
	int hurry;	    /* so many more of a new source, and it is as slow as ever */
	double gain_db;	    /* that is wanted at the end of this step */
	double gain, slope; /* applied now, and its factor from sample to sample */
	/* the limiter */
	float held[LOUDNESS_CHANNELS][LEVEL_DELAY];
	float
	    between[3]
		   [LEVEL_TAPS]; /* three points between two samples, as weights of those around */
	float past[LOUDNESS_CHANNELS][LEVEL_TAPS];
	double need[LEVEL_DELAY + 1]; /* gains that samples need: a queue of falling minima */
	int64_t need_at[LEVEL_DELAY + 1];
	int first, len;
	double follow;		 /* the gain without the ramp */
	double ramp[LEVEL_RAMP]; /* its last values */
	double ramp_sum;
	int64_t at;	 /* samples in all */
	int calm;	 /* samples since the last that needed a gain */
	int64_t limited; /* samples that were made lower */
};

/* target: LUFS, or 0: only limited. */
void level_init(struct level *l, int channels, double target);
/* Another source: it may be as loud as it likes. The gain begins where it was. */
void level_source(struct level *l);
/* n samples of at[channel][0..n-1], in place; what comes out first are LEVEL_DELAY zeros. */
void level_run(struct level *l, float *const *at, int n);
/* The gain that is applied now, in dB. */
double level_gain(const struct level *l);

#endif
