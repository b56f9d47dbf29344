/* loudness: how loud sound is, by Recommendation ITU-R BS.1770-4 and EBU Tech 3341: momentary (400 ms), short-term (3 s) and
 * integrated (all since the beginning, gated at -70 LUFS and then 10 LU below the mean of what is left). Bounded: the integrated
 * one is kept as a histogram of 0.1 LU. Pure. */
#ifndef GEX_MEDIA_LOUDNESS_H
#define GEX_MEDIA_LOUDNESS_H

#include "base/base.h"

#define LOUDNESS_CHANNELS 6
#define LOUDNESS_NONE (-120.0) /* LUFS of silence, and while nothing is known */
#define LOUDNESS_STEP_MS 100   /* the figures change once in so long */
#define LOUDNESS_SHORT 30      /* steps of the short-term figure */
#define LOUDNESS_BINS 800      /* from -70 LUFS */

struct loudness {
	int channels, rate;
	double weight[LOUDNESS_CHANNELS];
	struct loudness_filter {
		double b[3], a[3];
	} filter[2]; /* the shelf and the high-pass of the K weighting */
	double state[LOUDNESS_CHANNELS][2][2];
	int at;	    /* samples of the step in progress */
	double sum; /* their weighted squares */
	double step[LOUDNESS_SHORT];
	int64_t steps;
	int64_t count[LOUDNESS_BINS]; /* of blocks of 400 ms */
	double power[LOUDNESS_BINS];  /* the sum of theirs */
};

/* channels: 1, 2, 3 (with centre), 5 (3/2) or 6 (5.1: L R C LFE Ls Rs); rate: Hz, 8000 or more. */
void loudness_init(struct loudness *l, int rate, int channels);
/* Forgets what was heard; the filters go on. */
void loudness_reset(struct loudness *l);
/* n samples; that of channel c at time i is at[c][i]. Returns how many steps have ended. */
int loudness_add(struct loudness *l, const float *const *at, int n);

/* LUFS, of what ended with the last step. Less than a whole window after the beginning is taken as it is; LOUDNESS_NONE
 * without any. */
double loudness_momentary(const struct loudness *l);
double loudness_short_term(const struct loudness *l);
double loudness_integrated(const struct loudness *l);

#endif
