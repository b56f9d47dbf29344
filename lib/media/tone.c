#include "media/tone.h"

#include <errno.h>
#include <libavutil/mastering_display_metadata.h>
#include <math.h>

#define Y_STEP 4 /* bits of a luma between two nodes of the table */
#define C_STEP 5
#define Y_NODES ((1024 >> Y_STEP) + 1)
#define C_NODES ((1024 >> C_STEP) + 1)
#define FRACTION 6 /* bits of an entry behind the point */
#define HLG_PEAK 1000.0
#define HLG_GAMMA 1.2 /* of a display of 1000 cd/m2 */

struct tone {
	/* By Cr, Cb, Y: luma alone, and Cb and Cr. */
	uint16_t luma[C_NODES][C_NODES][Y_NODES];
	uint16_t chroma[C_NODES][C_NODES][Y_NODES][2];
};

bool tone_wanted(const AVFrame *f)
{
	return f->color_trc == AVCOL_TRC_SMPTE2084 || f->color_trc == AVCOL_TRC_ARIB_STD_B67;
}

double tone_peak(const AVFrame *f)
{
	const AVFrameSideData *light = av_frame_get_side_data(f, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL),
			      *display = av_frame_get_side_data(
				  f, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
	double peak = 0;

	if (f->color_trc == AVCOL_TRC_ARIB_STD_B67)
		return HLG_PEAK;
	if (light)
		peak = ((const AVContentLightMetadata *)light->data)->MaxCLL;
	if (display && !(peak > 0)) {
		const AVMasteringDisplayMetadata *m = (const void *)display->data;

		peak = m->has_luminance && m->max_luminance.den ? av_q2d(m->max_luminance) : 0;
	}
	return peak > 0 ? CLAMP(peak, TONE_WHITE, 10000.0) : 1000;
}

/* ---- light ---- */

#define PQ_M1 (2610.0 / 16384)
#define PQ_M2 (2523.0 / 32)
#define PQ_C1 (3424.0 / 4096)
#define PQ_C2 (2413.0 / 128)
#define PQ_C3 (2392.0 / 128)

double tone_pq_light(double signal)
{
	double p = pow(CLAMP(signal, 0.0, 1.0), 1 / PQ_M2);

	return 10000 * pow(MAX(p - PQ_C1, 0.0) / (PQ_C2 - PQ_C3 * p), 1 / PQ_M1);
}

double tone_pq_signal(double light)
{
	double p = pow(CLAMP(light / 10000, 0.0, 1.0), PQ_M1);

	return pow((PQ_C1 + PQ_C2 * p) / (1 + PQ_C3 * p), PQ_M2);
}

double tone_curve(double light, double peak)
{
	double top = tone_pq_signal(peak), white = tone_pq_signal(TONE_WHITE) / top,
	       e = MIN(tone_pq_signal(light) / top, 1.0), knee = 1.5 * white - 0.5;

	if (white >= 1 || e < knee)
		return MIN(light, TONE_WHITE);
	double t = (e - knee) / (1 - knee), t2 = t * t, t3 = t2 * t;
	double p = (2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) +
		   (-2 * t3 + 3 * t2) * white;

	return tone_pq_light(p * top);
}

/* HLG's signal as light of the scene, both 0 to 1: BT.2100, table 5. */
static double hlg_scene(double s)
{
	static const double a = 0.17883277, b = 0.28466892, c = 0.55991073;

	return s <= 0.5 ? s * s / 3 : (exp((s - c) / a) + b) / 12;
}

/* R, G, B of the signal to light of the source's display, cd/m2. */
static void to_light(enum AVColorTransferCharacteristic trc, double rgb[3])
{
	if (trc != AVCOL_TRC_ARIB_STD_B67) {
		for (int i = 0; i < 3; i++)
			rgb[i] = tone_pq_light(rgb[i]);
		return;
	}
	for (int i = 0; i < 3; i++)
		rgb[i] = hlg_scene(rgb[i]);
	double y = 0.2627 * rgb[0] + 0.6780 * rgb[1] + 0.0593 * rgb[2],
	       gain = y > 0 ? HLG_PEAK * pow(y, HLG_GAMMA - 1) : 0;
	for (int i = 0; i < 3; i++)
		rgb[i] *= gain;
}

/* BT.2020 to BT.709, 0 to 1; what lies outside is mixed with a grey of its own light. */
static void to_709(double rgb[3])
{
	static const double m[3][3] = {{1.660491, -0.587641, -0.072850},
				       {-0.124550, 1.132900, -0.008349},
				       {-0.018151, -0.100579, 1.118730}};
	double out[3], least, most;

	for (int i = 0; i < 3; i++)
		out[i] = m[i][0] * rgb[0] + m[i][1] * rgb[1] + m[i][2] * rgb[2];
	double y = 0.2126 * out[0] + 0.7152 * out[1] + 0.0722 * out[2], keep = 1;
	y = CLAMP(y, 0.0, 1.0);
	least = MIN(out[0], MIN(out[1], out[2]));
	most = MAX(out[0], MAX(out[1], out[2]));
	if (least < 0)
		keep = y / (y - least);
	if (most > 1)
		keep = MIN(keep, (1 - y) / (most - y));
	for (int i = 0; i < 3; i++)
		rgb[i] = CLAMP(y + (out[i] - y) * keep, 0.0, 1.0);
}

/* Y, Cb, Cr of 10 bits in BT.2020 to those of 8 bits in BT.709. */
static void map(enum AVColorTransferCharacteristic trc, double peak, const int in[3], double out[3])
{
	double y = (in[0] - 64) / 876.0, cb = (in[1] - 512) / 896.0, cr = (in[2] - 512) / 896.0,
	       rgb[3] = {y + 1.4746 * cr, y - 0.164553 * cb - 0.571353 * cr, y + 1.8814 * cb};

	for (int i = 0; i < 3; i++)
		rgb[i] = CLAMP(rgb[i], 0.0, 1.0);
	to_light(trc, rgb);
	double most = MAX(rgb[0], MAX(rgb[1], rgb[2])),
	       gain = most > 0 ? tone_curve(most, peak) / most / TONE_WHITE : 0;
	for (int i = 0; i < 3; i++)
		rgb[i] *= gain;
	to_709(rgb);
	for (int i = 0; i < 3; i++)
		rgb[i] = pow(rgb[i], 1 / 2.4); /* BT.1886 */
	y = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
	out[0] = 16 + 219 * y;
	out[1] = 128 + 224 * (rgb[2] - y) / 1.8556;
	out[2] = 128 + 224 * (rgb[0] - y) / 1.5748;
}

int tone_create(struct tone **out, enum AVColorTransferCharacteristic trc, double peak)
{
	struct tone *t = malloc(sizeof(*t));
	double yuv[3];

	if (!t)
		return -ENOMEM;
	for (int v = 0; v < C_NODES; v++)
		for (int u = 0; u < C_NODES; u++)
			for (int y = 0; y < Y_NODES; y++) {
				int in[3] = {y << Y_STEP, u << C_STEP, v << C_STEP};

				map(trc, peak, in, yuv);
				t->luma[v][u][y] = (uint16_t)lround(yuv[0] * (1 << FRACTION));
				for (int c = 0; c < 2; c++)
					t->chroma[v][u][y][c] =
					    (uint16_t)lround(yuv[1 + c] * (1 << FRACTION));
			}
	*out = t;
	return 0;
}

void tone_destroy(struct tone *t)
{
	free(t);
}

/* ---- pixels ---- */

#define Y_PART ((1 << Y_STEP) - 1)
#define C_PART ((1 << C_STEP) - 1)
#define SHIFT (2 * C_STEP + Y_STEP + FRACTION)

/* The four columns of the table around a pair of Cb and Cr, and their shares. */
struct corner {
	const uint16_t *luma[4], (*chroma[4])[2];
	uint32_t share[4];
};

static void corners(const struct tone *t, int u, int v, struct corner *k)
{
	int iu = u >> C_STEP, iv = v >> C_STEP;
	uint32_t fu = (uint32_t)u & C_PART, fv = (uint32_t)v & C_PART, one = 1 << C_STEP;

	for (int i = 0; i < 4; i++) {
		k->luma[i] = t->luma[iv + i / 2][iu + i % 2];
		k->chroma[i] = t->chroma[iv + i / 2][iu + i % 2];
		k->share[i] = (i / 2 ? fv : one - fv) * (i % 2 ? fu : one - fu);
	}
}

static uint32_t luma_node(const struct corner *k, int y)
{
	return k->share[0] * k->luma[0][y] + k->share[1] * k->luma[1][y] +
	       k->share[2] * k->luma[2][y] + k->share[3] * k->luma[3][y];
}

static uint32_t chroma_node(const struct corner *k, int y, int c)
{
	return k->share[0] * k->chroma[0][y][c] + k->share[1] * k->chroma[1][y][c] +
	       k->share[2] * k->chroma[2][y][c] + k->share[3] * k->chroma[3][y][c];
}

static uint8_t between(uint32_t a, uint32_t b, int y)
{
	uint32_t part = (uint32_t)y & Y_PART;

	return (uint8_t)((a * ((1 << Y_STEP) - part) + b * part + (1u << (SHIFT - 1))) >> SHIFT);
}

static void run_rows(const struct tone *t, const AVFrame *in, AVFrame *out, int row)
{
	const uint16_t *y[2],
	    *u = (const uint16_t *)(in->data[1] + (ptrdiff_t)row * in->linesize[1]),
	    *v = (const uint16_t *)(in->data[2] + (ptrdiff_t)row * in->linesize[2]);
	uint8_t *to[2], *cb = out->data[1] + (ptrdiff_t)row * out->linesize[1],
			*cr = out->data[2] + (ptrdiff_t)row * out->linesize[2];

	for (int i = 0; i < 2; i++) {
		y[i] = (const uint16_t *)(in->data[0] + (ptrdiff_t)(2 * row + i) * in->linesize[0]);
		to[i] = out->data[0] + (ptrdiff_t)(2 * row + i) * out->linesize[0];
	}
	for (int x = 0; x < out->width / 2; x++) {
		struct corner k;
		uint32_t low = 0, high = 0;
		int at = -1, sum = 2;

		corners(t, u[x] & 1023, v[x] & 1023, &k);
		for (int i = 0; i < 4; i++) {
			int l = y[i / 2][2 * x + i % 2] & 1023, n = l >> Y_STEP;

			/* Neighbours lie in the same cell of the table more often than not. */
			if (n != at) {
				low = luma_node(&k, n);
				high = luma_node(&k, n + 1);
				at = n;
			}
			to[i / 2][2 * x + i % 2] = between(low, high, l);
			sum += l;
		}
		sum /= 4;
		int n = sum >> Y_STEP;
		cb[x] = between(chroma_node(&k, n, 0), chroma_node(&k, n + 1, 0), sum);
		cr[x] = between(chroma_node(&k, n, 1), chroma_node(&k, n + 1, 1), sum);
	}
}

void tone_run(const struct tone *t, const AVFrame *in, AVFrame *out)
{
	for (int row = 0; row < out->height / 2; row++)
		run_rows(t, in, out, row);
}
