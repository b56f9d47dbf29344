/* loudness-read CHANNELS: 32-bit floats, interleaved, 48 kHz, on standard input; prints what the meter says of them:
 * "momentary LUFS", "short_term LUFS", "integrated LUFS". A test aid. */
#include <stdio.h>

#include "media/loudness.h"

#define FRAMES 4800

int main(int argc, char **argv)
{
	int channels = argc == 2 ? atoi(argv[1]) : 0;
	static float in[FRAMES * LOUDNESS_CHANNELS], out[LOUDNESS_CHANNELS][FRAMES];
	const float *at[LOUDNESS_CHANNELS];
	struct loudness l;

	if (channels < 1 || channels > LOUDNESS_CHANNELS) {
		fprintf(stderr, "usage: loudness-read CHANNELS <FLOATS\n");
		return 64;
	}
	loudness_init(&l, 48000, channels);
	for (size_t n; (n = fread(in, sizeof(*in) * (size_t)channels, FRAMES, stdin)) > 0;) {
		for (int c = 0; c < channels; c++) {
			at[c] = out[c];
			for (size_t i = 0; i < n; i++)
				out[c][i] = in[i * (size_t)channels + (size_t)c];
		}
		loudness_add(&l, at, (int)n);
	}
	printf("momentary %.2f\nshort_term %.2f\nintegrated %.2f\n", loudness_momentary(&l),
	       loudness_short_term(&l), loudness_integrated(&l));
	return 0;
}
