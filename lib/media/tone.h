/* tone: pictures of high dynamic range (BT.2100: PQ or HLG, BT.2020 primaries) as pictures for ordinary screens (BT.709, 8 bits).
 * Light up to about half of SDR's white stays what it is, what is brighter is bent by the curve of BT.2390 so that the source's
 * peak becomes white; white itself is 203 cd/m2 (BT.2408). Hues stay: the curve is applied to the largest of R, G and B and the
 * others follow; what BT.709 cannot show is mixed with grey. All of it is one table of Y, Cb and Cr, read once for each 2 x 2
 * pixels in its chroma and once for each pixel in its luma. Pure. Not for other modules. */
#ifndef GEX_MEDIA_TONE_H
#define GEX_MEDIA_TONE_H

#include "media/av.h"

#define TONE_WHITE 203.0 /* cd/m2 of SDR's white */

struct tone;
/* Is it such a picture? */
bool tone_wanted(const AVFrame *f);
/* The brightest that it says it has, cd/m2: its content light level, else its mastering display's, else 1000. */
double tone_peak(const AVFrame *f);
/* For PQ (AVCOL_TRC_SMPTE2084) up to `peak`, or HLG (AVCOL_TRC_ARIB_STD_B67). 0 or -ENOMEM. */
int tone_create(struct tone **out, enum AVColorTransferCharacteristic trc, double peak) MUST_USE;
/* in: YUV420P10, limited range, BT.2020; out: YUV420P of the same size, even. */
void tone_run(const struct tone *t, const AVFrame *in, AVFrame *out);
void tone_destroy(struct tone *t);

/* Light (cd/m2) that PQ's signal (0 to 1) stands for, and back: SMPTE ST 2084. */
double tone_pq_light(double signal);
double tone_pq_signal(double light);
/* Light of the display for a light of the source, both cd/m2: BT.2390, 5.4. */
double tone_curve(double light, double peak);

#endif
