/* The clock of the test media: what is drawn is read, after scaling, noise and blur too; what is
 * damaged is refused, never misread; bursts of sound are found to the millisecond. */
#include "../media/clockmark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOON INT64_C(1795359388933)

static uint32_t seed = 1;

static int noise(int swing)
{
	seed = seed * 1664525 + 1013904223;
	return (int)((seed >> 8) % (uint32_t)(2 * swing + 1)) - swing;
}

static struct cm_plane plane_create(int w, int h)
{
	struct cm_plane p = {malloc((size_t)w * h), w, w, h, 8};

	assert_non_null(p.data);
	for (int i = 0; i < w * h; i++)
		p.data[i] = (uint8_t)(120 + noise(60));
	return p;
}

/* By the mean of the pixels that each new one covers, as an area scaler does. */
static struct cm_plane scale(const struct cm_plane *p, int w, int h)
{
	struct cm_plane q = plane_create(w, h);

	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			int x0 = x * p->width / w, x1 = MAX((x + 1) * p->width / w, x0 + 1);
			int y0 = y * p->height / h, y1 = MAX((y + 1) * p->height / h, y0 + 1);
			int sum = 0;

			for (int j = y0; j < y1; j++)
				for (int i = x0; i < x1; i++)
					sum += p->data[j * p->stride + i];
			q.data[y * w + x] = (uint8_t)(sum / ((x1 - x0) * (y1 - y0)));
		}
	return q;
}

static void test_crc(void **state)
{
	assert_int_equal(cm_crc24((const uint8_t *)"123456789", 9), 0x21cf02);
	assert_int_equal(cm_crc24(NULL, 0), 0xb704ce);
}

static void test_round_trip(void **state)
{
	static const int sizes[][2] = {{640, 360}, {256, 144}, {426, 240}, {1280, 720}, {130, 74}};
	static const int64_t times[] = {CM_EPOCH_MS, NOON, NOON + 1, CM_EPOCH_MS + CM_RANGE_MS - 1};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct cm_plane p = plane_create(sizes[i][0], sizes[i][1]);

		for (size_t j = 0; j < ARRAY_LEN(times); j++) {
			int64_t ms = 0;

			cm_draw(&p, times[j]);
			assert_int_equal(cm_read(&p, &ms), 0);
			assert_int_equal(ms, times[j]);
		}
		free(p.data);
	}
}

static void test_scaled_and_noisy(void **state)
{
	struct cm_plane p = plane_create(640, 360);

	for (int i = 0; i < 200; i++) {
		int64_t want = NOON + i * 33, ms = 0;
		struct cm_plane q;

		cm_draw(&p, want);
		q = scale(&p, 256, 144);
		/* A dim, grainy picture with a gradient over it. */
		for (int k = 0; k < 256 * 144; k++) {
			int v = q.data[k] / 2 + k % 256 / 4 + noise(25);
			q.data[k] = (uint8_t)CLAMP(v, 0, 255);
		}
		assert_int_equal(cm_read(&q, &ms), 0);
		assert_int_equal(ms, want);
		free(q.data);
	}
	free(p.data);
}

static void test_ten_bits(void **state)
{
	struct cm_plane p = plane_create(256, 144);
	struct cm_plane q = {malloc(256 * 144 * 2), 512, 256, 144, 10};
	int64_t ms = 0;

	assert_non_null(q.data);
	cm_draw(&p, NOON);
	for (size_t i = 0; i < 256 * 144; i++) {
		uint16_t v = (uint16_t)(p.data[i] << 2);
		memcpy(q.data + 2 * i, &v, 2);
	}
	assert_int_equal(cm_read(&q, &ms), 0);
	assert_int_equal(ms, NOON);
	free(q.data);
	free(p.data);
}

/* Any one or two cells that show the wrong bit are found by the CRC. */
static void test_wrong_crc_refused(void **state)
{
	struct cm_plane p = plane_create(256, 144);

	for (int a = 0; a < CM_BITS; a++)
		for (int b = a; b < CM_BITS; b++) {
			uint64_t word = cm_word(NOON);
			int64_t ms;

			cm_draw(&p, NOON);
			for (int k = 0; k < 2; k++) {
				int i = k ? b : a;
				bool on = !(word >> (CM_BITS - 1 - i) & 1);

				cm_fill(&p, i % CM_COLS, i / CM_COLS * 2, 1, 1, on ? 210 : 40);
				cm_fill(&p, i % CM_COLS, i / CM_COLS * 2 + 1, 1, 1, on ? 40 : 210);
			}
			assert_int_equal(cm_read(&p, &ms), -EBADMSG);
		}
	free(p.data);
}

static void test_blend_and_noise_refused(void **state)
{
	struct cm_plane p = plane_create(256, 144), q = plane_create(256, 144);
	int64_t ms;

	assert_int_equal(cm_read(&p, &ms), -EILSEQ);
	for (int i = 1; i < 100; i++) {
		cm_draw(&p, NOON);
		cm_draw(&q, NOON + i);
		for (int k = 0; k < 256 * 144; k++)
			p.data[k] = (uint8_t)((p.data[k] + q.data[k]) / 2);
		assert_int_equal(cm_read(&p, &ms), -EILSEQ);
	}
	p.width = 60;
	assert_int_equal(cm_read(&p, &ms), -EINVAL);
	free(q.data);
	free(p.data);
}

/* Rows of one frame with rows of another, as a torn picture has them: never a time that neither
 * had. */
static void test_torn_refused(void **state)
{
	struct cm_plane p = plane_create(256, 144), q = plane_create(256, 144);

	for (int i = 1; i < 2000; i++) {
		int64_t ms;

		cm_draw(&p, NOON);
		cm_draw(&q, NOON + i);
		for (int y = 0; y < 144; y++)
			memcpy(p.data + 256 * y + 128, q.data + 256 * y + 128, 128);
		if (cm_read(&p, &ms) == 0)
			assert_true(ms == NOON || ms == NOON + i);
	}
	free(q.data);
	free(p.data);
}

/* Hears `seconds` of sound from `from` on; returns how many bursts, each at its place. */
static int hear(int rate, int64_t from, int seconds, int grain, double gain)
{
	struct cm_ear e;
	int heard = 0;

	cm_ear_init(&e, rate);
	for (int64_t i = rate / 2; i < (int64_t)seconds * rate; i++) {
		double s = gain * cm_sound(from + i / rate, (int)(i % rate), rate);
		int64_t onset;
		int tone;

		if (!cm_ear_push(&e, s + noise(1000) / 1000.0 * grain / 1000, &onset, &tone))
			continue;
		onset += rate / 2;
		assert_true(llabs(onset - (heard + 1) * (int64_t)rate) <= rate / 1000 + 1);
		assert_int_equal(tone, (from + heard + 1) % CM_TONES);
		heard++;
	}
	return heard;
}

static void test_sound(void **state)
{
	assert_int_equal(hear(48000, 1795359388, 20, 0, 1), 19);
	assert_int_equal(hear(44100, 1795359388, 10, 0, 1), 9);
	assert_int_equal(hear(8000, 7, 10, 0, 1), 9);
	assert_int_equal(hear(48000, 3, 10, 25, 1), 9);
	assert_int_equal(hear(48000, 3, 10, 0, 0.2), 9);
	assert_int_equal(hear(48000, 3, 10, 0, 0.01), 0);
	assert_int_equal(hear(48000, 3, 10, 400, 0), 0);
}

static void test_second_near(void **state)
{
	for (int64_t s = -20; s < 20; s++)
		for (int64_t off = -3400; off <= 3400; off += 100)
			assert_int_equal(cm_second_near(s * 1000 + off, (int)((s % 8 + 8) % 8)), s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_crc),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_scaled_and_noisy),
	    cmocka_unit_test(test_ten_bits),
	    cmocka_unit_test(test_wrong_crc_refused),
	    cmocka_unit_test(test_blend_and_noise_refused),
	    cmocka_unit_test(test_torn_refused),
	    cmocka_unit_test(test_sound),
	    cmocka_unit_test(test_second_near),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
