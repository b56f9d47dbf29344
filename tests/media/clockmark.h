/* clockmark: the clock that test media bear, so that the delay and the A/V offset of any stage can
 * be read off what comes out of it. Pure: planes and samples in, times out.
 * tests/browser/clockmark.mjs reads the same layout off a canvas.
 *
 * Picture. The frame is a grid of 32 columns and 18 rows, whatever its size: cell (c, r) covers the
 * pixels from floor(c * width / 32), floor(r * height / 18) up to the next cell's. A word of 64
 * bits, most significant bit first, is bits 0..39   the frame's UTC instant: milliseconds since
 * 2020-01-01T00:00:00Z bits 40..63  CRC-24 (RFC 9580, section 6.1) of those 40 bits as five bytes
 * Row 0 holds bits 0..31 from left to right (1 is light, 0 dark), row 1 their complement, row 2
 * bits 32..63, row 3 their complement. A bit is read as the mean of the middle half of its cell (in
 * both directions) minus that of the cell below it: a difference is free of brightness, range and
 * slow gradients. When any difference is smaller than CM_CONTRAST, or the CRC is wrong, the frame
 * is unreadable: a blend of two frames or a cell that an encoder left stale does not pass as a
 * time. The cells have 8x8 pixels at 256x144.
 *
 * The block of cells (28..31, 14..17) is light in frames whose instant lies in the first 100 ms of
 * a second.
 *
 * Sound. At each whole UTC second a burst of 80 ms begins; its frequency, 800 Hz + 200 Hz * (second
 * mod 8), tells which second it is within ±4 s. Between bursts there is a hum 40 dB below, so that
 * it is not silence. */
#ifndef GEX_TESTS_CLOCKMARK_H
#define GEX_TESTS_CLOCKMARK_H

#include "base/base.h"

#include <errno.h>
#include <math.h>

#define CM_COLS 32
#define CM_ROWS 18
#define CM_BITS 64
#define CM_EPOCH_MS INT64_C(1577836800000)
#define CM_RANGE_MS (INT64_C(1) << 40)
#define CM_LIGHT 210
#define CM_DARK 40
#define CM_CONTRAST 40

#define CM_TONES 8
#define CM_BURST_MS 80
#define CM_FLASH_MS 100

static inline uint32_t cm_crc24(const uint8_t *p, size_t n)
{
	uint32_t crc = 0xb704ce;

	while (n--) {
		crc ^= (uint32_t)*p++ << 16;
		for (int i = 0; i < 8; i++) {
			crc <<= 1;
			if (crc & 0x1000000)
				crc ^= 0x1864cfb;
		}
	}
	return crc & 0xffffff;
}

/* The word that stands for a UTC instant in ms. */
static inline uint64_t cm_word(int64_t utc_ms)
{
	uint64_t t = (uint64_t)(utc_ms - CM_EPOCH_MS) & (CM_RANGE_MS - 1);
	uint8_t b[5] = {t >> 32, t >> 24, t >> 16, t >> 8, t};

	return t << 24 | cm_crc24(b, sizeof(b));
}

/* A plane of luma: 8 bits a sample, or 9..16 in two bytes of the machine's order. */
struct cm_plane {
	uint8_t *data;
	ptrdiff_t stride; /* bytes */
	int width, height;
	int depth;
};

static inline void cm_fill(const struct cm_plane *p, int c, int r, int cols, int rows, int level)
{
	int x0 = c * p->width / CM_COLS, x1 = (c + cols) * p->width / CM_COLS;
	int y0 = r * p->height / CM_ROWS, y1 = (r + rows) * p->height / CM_ROWS;

	for (int y = y0; y < y1; y++)
		memset(p->data + y * p->stride + x0, level, (size_t)(x1 - x0));
}

/* Draws the code into a plane of 8 bits. */
static inline void cm_draw(const struct cm_plane *p, int64_t utc_ms)
{
	uint64_t word = cm_word(utc_ms);

	for (int i = 0; i < CM_BITS; i++) {
		bool on = word >> (CM_BITS - 1 - i) & 1;
		int c = i % CM_COLS, r = i / CM_COLS * 2;

		cm_fill(p, c, r, 1, 1, on ? CM_LIGHT : CM_DARK);
		cm_fill(p, c, r + 1, 1, 1, on ? CM_DARK : CM_LIGHT);
	}
	cm_fill(p, 28, 14, 4, 4, utc_ms % 1000 < CM_FLASH_MS ? CM_LIGHT : CM_DARK);
}

static inline int cm_sample(const struct cm_plane *p, int x, int y)
{
	const uint8_t *row = p->data + y * p->stride;
	uint16_t v;

	if (p->depth <= 8)
		return row[x];
	memcpy(&v, row + 2 * (ptrdiff_t)x, 2);
	return v >> (p->depth - 8);
}

/* The mean of the middle half of a cell. */
static inline int cm_cell(const struct cm_plane *p, int c, int r)
{
	int x0 = (4 * c + 1) * p->width / (4 * CM_COLS),
	    x1 = (4 * c + 3) * p->width / (4 * CM_COLS);
	int y0 = (4 * r + 1) * p->height / (4 * CM_ROWS);
	int y1 = (4 * r + 3) * p->height / (4 * CM_ROWS);
	int sum = 0;

	for (int y = y0; y < y1; y++)
		for (int x = x0; x < x1; x++)
			sum += cm_sample(p, x, y);
	return sum / ((x1 - x0) * (y1 - y0));
}

/* Reads the code. Returns 0 and the UTC instant in ms, or -EINVAL (plane too small), -EILSEQ (a
 * cell without contrast), -EBADMSG (wrong CRC). */
static inline int cm_read(const struct cm_plane *p, int64_t *utc_ms)
{
	uint64_t word = 0;

	if (p->width < 2 * CM_COLS || p->height < 2 * CM_ROWS)
		return -EINVAL;
	for (int i = 0; i < CM_BITS; i++) {
		int c = i % CM_COLS, r = i / CM_COLS * 2;
		int diff = cm_cell(p, c, r) - cm_cell(p, c, r + 1);

		if (abs(diff) < CM_CONTRAST)
			return -EILSEQ;
		word = word << 1 | (diff > 0);
	}
	*utc_ms = (int64_t)(word >> 24) + CM_EPOCH_MS;
	return cm_word(*utc_ms) == word ? 0 : -EBADMSG;
}

/* ---- sound ---- */

static inline int cm_tone_hz(int64_t second)
{
	return 800 + 200 * (int)(((second % CM_TONES) + CM_TONES) % CM_TONES);
}

/* Sample i (0 <= i < rate) of that second, in -1..1. */
static inline double cm_sound(int64_t second, int i, int rate)
{
	double hum = 0.004 * sin(2 * M_PI * 220 * i / rate);
	double ms = 1000.0 * i / rate;

	if (ms >= CM_BURST_MS)
		return hum;
	return hum + 0.4 * MIN(1, CM_BURST_MS - ms) * sin(2 * M_PI * cm_tone_hz(second) * i / rate);
}

/* Finds the bursts in a mono signal. The level of each millisecond is compared with half of the
 * highest one of late; a burst begins where it rises above that after CM_QUIET_MS below. The
 * frequency is then measured over the 50 ms that begin 10 ms later, where an encoder's pre-echo and
 * transient are over. */
#define CM_QUIET_MS 200
#define CM_TAIL_MS 60

struct cm_ear {
	int rate;
	int block;     /* samples of a millisecond */
	int64_t n;     /* samples taken */
	double sum;    /* of the squares of the block under way */
	double peak;   /* highest level of late, falls by half in about 7 s */
	int quiet_ms;  /* how long below half of it */
	int64_t onset; /* sample of the burst being measured, or -1 */
	double re[CM_TONES], im[CM_TONES];
};

static inline void cm_ear_init(struct cm_ear *e, int rate)
{
	*e = (struct cm_ear){.rate = rate, .block = rate / 1000, .onset = -1};
}

/* Which tone the 50 ms were, or -1 when none stands out. */
static inline int cm_ear_tone(const struct cm_ear *e)
{
	double best = 0, next = 0;
	int tone = -1;

	for (int k = 0; k < CM_TONES; k++) {
		double power = e->re[k] * e->re[k] + e->im[k] * e->im[k];

		if (power > best) {
			next = best;
			best = power;
			tone = k;
		} else if (power > next) {
			next = power;
		}
	}
	return best > 8 * next ? tone : -1;
}

static inline void cm_ear_level(struct cm_ear *e)
{
	double level = sqrt(e->sum / e->block);
	bool loud = level > MAX(0.02, e->peak / 2);

	e->sum = 0;
	e->peak = MAX(level, e->peak * 0.9999);
	if (loud && e->quiet_ms >= CM_QUIET_MS && e->onset < 0) {
		e->onset = e->n - e->block;
		memset(e->re, 0, sizeof(e->re));
		memset(e->im, 0, sizeof(e->im));
	}
	e->quiet_ms = loud ? 0 : e->quiet_ms + 1;
}

/* Takes one sample, -1..1. True when a burst was recognised: *onset is its first sample (counted
 * from cm_ear_init, right to a millisecond), *tone its second modulo CM_TONES. */
static inline bool cm_ear_push(struct cm_ear *e, double s, int64_t *onset, int *tone)
{
	int64_t at = e->n++ - e->onset;

	if (e->onset >= 0 && at >= e->rate / 100 && at < e->rate * CM_TAIL_MS / 1000) {
		for (int k = 0; k < CM_TONES; k++) {
			double a = 2 * M_PI * cm_tone_hz(k) * (double)at / e->rate;

			e->re[k] += s * cos(a);
			e->im[k] += s * sin(a);
		}
	}
	e->sum += s * s;
	if (e->n % e->block == 0)
		cm_ear_level(e);
	if (e->onset < 0 || e->n - e->onset < e->rate * CM_TAIL_MS / 1000)
		return false;
	*onset = e->onset;
	*tone = cm_ear_tone(e);
	e->onset = -1;
	return *tone >= 0;
}

/* The second whose burst this is, when it is heard about utc_ms: the nearest with that tone. */
static inline int64_t cm_second_near(int64_t utc_ms, int tone)
{
	int64_t s = base_floor_div(utc_ms + 500, 1000);
	int64_t off = ((tone - s) % CM_TONES + CM_TONES) % CM_TONES;

	return s + (off > CM_TONES / 2 ? off - CM_TONES : off);
}

#endif
