#include "media/silence.h"

#include <math.h>

/* Is every one of n samples within +-limit (of full scale 1)? */
static bool below(enum AVSampleFormat format, const void *p, int64_t n, double limit)
{
	const uint8_t *u8 = p;
	const int16_t *s16 = p;
	const int32_t *s32 = p;
	const float *flt = p;
	const double *dbl = p;

	for (int64_t i = 0; i < n; i++) {
		double v;

		switch ((int)format) {
		case AV_SAMPLE_FMT_U8:
			v = (u8[i] - 128) / 128.0;
			break;
		case AV_SAMPLE_FMT_S16:
			v = s16[i] / 32768.0;
			break;
		case AV_SAMPLE_FMT_S32:
			v = s32[i] / 2147483648.0;
			break;
		case AV_SAMPLE_FMT_FLT:
			v = (double)flt[i];
			break;
		case AV_SAMPLE_FMT_DBL:
			v = dbl[i];
			break;
		default:
			return false;
		}
		if (fabs(v) > limit)
			return false;
	}
	return true;
}

bool silence_in(const AVFrame *f, double level_db)
{
	enum AVSampleFormat packed = av_get_packed_sample_fmt(f->format);
	bool planar = packed != (enum AVSampleFormat)f->format;
	int planes = planar ? f->ch_layout.nb_channels : 1;
	int64_t n = (int64_t)f->nb_samples * (planar ? 1 : f->ch_layout.nb_channels);
	double limit = pow(10, level_db / 20);

	for (int i = 0; i < planes; i++)
		if (!below(packed, f->extended_data[i], n, limit))
			return false;
	return true;
}
