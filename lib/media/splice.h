/* splice: where decoded sound goes. Sound is laid end to end; each block comes with the place (a sample's number since the
 * epoch) at which the source wants it. While the two differ by little, what comes next is stretched, too little to be heard,
 * and by the mean, so that rounded or trembling times do no harm; by more, there is a hole to be filled with silence, or
 * sound whose place is taken and which is cut. Pure. */
#ifndef GEX_MEDIA_SPLICE_H
#define GEX_MEDIA_SPLICE_H

#include "base/base.h"

#define SPLICE_RATE 48000
#define SPLICE_SLACK (SPLICE_RATE * 20 / 1000) /* samples; less than one lost frame of AAC */
#define SPLICE_HOLE_MAX (60 * (int64_t)SPLICE_RATE)

struct splice {
	int64_t next; /* the place of the sample written next */
	int64_t mean; /* 1/64 samples by which sound is wanted later than it comes to stand */
	bool rigid;   /* the next sound goes where it belongs to the sample, not behind the last */
	int stretch;  /* samples to be added (or left out) in each second of what comes */
};

/* What is to be done with a block of n samples. */
struct splice_cut {
	int64_t silence; /* samples of it before the block */
	int64_t skip;	 /* samples of the block to be left out at its beginning */
};

/* A block of n samples is wanted at `at`. Moves s->next behind it and sets s->stretch for the blocks after it. */
struct splice_cut splice_place(struct splice *s, int64_t at, int64_t n);
/* Silence of n samples, for what never comes; sound after it is put in its place. */
void splice_silence(struct splice *s, int64_t n);

#endif
