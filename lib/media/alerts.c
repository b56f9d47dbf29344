#include "media/alerts.h"

#define BACK_US SEC_US /* frames out of order step back by less */
#define STEP_MAX_US \
	(2 * SEC_US) /* a step of time that is more, or back, says nothing of the encoder */
#define UNLIKE_US (3 * MS_US) /* containers round to a millisecond */
#define UNLIKE_SHARE 4	      /* of the usual step */
#define UNLIKE_FEW 8	      /* of the steps may be unlike: lost frames are */

const char *const alert_name[ALERTS] = {"gop", "bframes", "vfr", "bitrate"};
const char *const alert_begins[ALERTS] = {
    "its key frames are far apart: players and this tool wait for them",
    "it has B-frames, each of which is a frame of delay", "its frame rate varies",
    "its bit rate jumps"};
const char *const alert_ends[ALERTS] = {
    "its key frames are near enough again", "it has no B-frames any more",
    "its frame rate is steady again", "its bit rate is steady again"};

void alerts_init(struct alerts *a, const struct alerts_conf *conf)
{
	*a = (struct alerts){.conf = *conf};
}

void alerts_source(struct alerts *a)
{
	a->seen = false;
	a->steps = a->seconds = 0;
	a->bytes = 0;
	/* Its time may be another. */
	for (int i = 0; i < ALERTS; i++)
		a->until_us[i] = NEVER_US;
}

static void cause(struct alerts *a, enum alert kind)
{
	a->on |= 1u << kind;
	a->until_us[kind] = a->dts_us + ALERTS_HOLD_US;
}

static int by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Are the distances of the last frames unlike? */
static bool is_uneven(const struct alerts *a)
{
	int64_t sorted[ALERTS_STEPS], usual;
	int unlike = 0;

	memcpy(sorted, a->step, sizeof(sorted));
	qsort(sorted, ALERTS_STEPS, sizeof(*sorted), by_size);
	usual = sorted[ALERTS_STEPS / 2];
	for (int i = 0; i < ALERTS_STEPS; i++)
		unlike += llabs(sorted[i] - usual) > MAX(usual / UNLIKE_SHARE, UNLIKE_US);
	return unlike > ALERTS_STEPS / UNLIKE_FEW;
}

static void end_second(struct alerts *a)
{
	int64_t sum = 0, factor = a->conf.bitrate;

	for (int i = 0; i < ALERTS_SECONDS; i++)
		sum += a->before[i];
	if (factor && a->seconds >= ALERTS_SECONDS &&
	    (a->bytes * ALERTS_SECONDS > sum * factor || a->bytes * ALERTS_SECONDS * factor < sum))
		cause(a, ALERT_BITRATE);
	a->before[a->seconds++ % ALERTS_SECONDS] = a->bytes;
	/* A counter that goes on for ever. */
	if (a->seconds == 2 * ALERTS_SECONDS)
		a->seconds = ALERTS_SECONDS;
	a->bytes = 0;
	a->second_us += SEC_US;
}

static void look(struct alerts *a, bool key, int64_t dts_us, int64_t pts_us)
{
	a->step[a->steps++ % ALERTS_STEPS] = dts_us - a->dts_us;
	/* A container that does not tell the order of decoding. */
	if (dts_us < a->dts_us) {
		a->steps = 0;
		if (a->conf.bframes)
			cause(a, ALERT_BFRAMES);
		return;
	}
	a->dts_us = dts_us;
	if (a->steps >= ALERTS_STEPS) {
		if (a->conf.vfr && is_uneven(a))
			cause(a, ALERT_VFR);
		a->steps = 0;
	}
	if (a->conf.bframes && pts_us < a->pts_us)
		cause(a, ALERT_BFRAMES);
	a->pts_us = MAX(a->pts_us, pts_us);
	if (a->conf.gop_us && dts_us - a->key_us > a->conf.gop_us + UNLIKE_US)
		cause(a, ALERT_GOP);
	if (key)
		a->key_us = dts_us;
	while (dts_us - a->second_us >= SEC_US)
		end_second(a);
}

unsigned alerts_frame(struct alerts *a, bool key, int64_t dts_us, int64_t pts_us, size_t size)
{
	if (!a->seen || dts_us < a->dts_us - BACK_US || dts_us - a->dts_us > STEP_MAX_US) {
		alerts_source(a);
		a->seen = true;
		a->dts_us = a->key_us = a->second_us = dts_us;
		a->pts_us = pts_us;
	} else {
		look(a, key, dts_us, pts_us);
	}
	a->bytes += (int64_t)size;
	for (int i = 0; i < ALERTS; i++) {
		if (!(a->on >> i & 1))
			continue;
		if (a->until_us[i] == NEVER_US)
			a->until_us[i] = dts_us + ALERTS_HOLD_US;
		if (dts_us > a->until_us[i])
			a->on &= ~(1u << i);
	}
	return a->on;
}

unsigned alerts_sound(struct alerts *a, size_t size)
{
	a->bytes += (int64_t)size;
	return a->on;
}
