/* The audio thread: all voices, in turn. */
#include "media/voice.h"
#include "os/os.h"

#define LOOK_US (50 * MS_US) /* how often one looks whether sound that no source has must begin */

struct audio {
	struct engine *e;
	struct voice voice[SOUNDS_MAX];
	int voices; /* once it is begun */
	bool begun, failed;
};

/* All voices begin with the frame in which the output's start lies. wait: for the pictures, which say what is built. */
static void begin(struct audio *a, bool wait)
{
	struct engine *e = a->e;
	int64_t start = engine_start_us(e);

	if (a->begun || a->failed || start == NEVER_US)
		return;
	pthread_mutex_lock(&e->lock);
	bool no_picture = e->no_picture, built = e->built;
	pthread_mutex_unlock(&e->lock);
	if (no_picture && !built && engine_build(e, NULL, NULL))
		a->failed = true;
	if (a->failed || !(wait || built || no_picture) || !engine_built(e))
		return;
	for (int i = 0; i < e->sounds; i++)
		a->failed |= voice_begin(&a->voice[i], voice_sample_at(start)) != 0;
	a->voices = e->sounds;
	a->begun = !a->failed;
}

static void take(struct audio *a, const struct work *w)
{
	struct voice *v = &a->voice[w->voice];

	if (!w->packet) {
		voice_source(v, w);
		return;
	}
	begin(a, true);
	voice_packet(v, w);
}

/* When a live source will have given no sound for HOLD_US (monotonic). */
static int64_t due(const struct audio *a)
{
	int64_t least = NEVER_US;

	if (!a->e->live || a->failed)
		return NEVER_US;
	if (!a->begun)
		return os_mono_us() + LOOK_US;
	for (int i = 0; i < a->voices; i++)
		if (!a->voice[i].failed)
			least = MIN(least, a->voice[i].written);
	if (least == NEVER_US)
		return NEVER_US;
	return base_scale(least, SEC_US, AUDIO_RATE) + HOLD_US - a->e->utc_base_us + MS_US;
}

/* Then there is silence. */
static void fill(struct audio *a)
{
	begin(a, false);
	for (int i = 0; i < a->voices; i++)
		voice_silence(&a->voice[i], voice_sample_at(engine_utc_us(a->e) - HOLD_US),
			      a->voice[i].fed);
}

/* In a source that is not live, what no track goes into keeps up with the others. */
static void keep_up(struct audio *a)
{
	int64_t most = INT64_MIN;

	for (int i = 0; i < a->voices; i++)
		if (a->voice[i].fed)
			most = MAX(most, a->voice[i].written);
	for (int i = 0; i < a->voices; i++)
		if (!a->voice[i].fed)
			voice_silence(&a->voice[i], most, false);
}

void *audio_main(void *arg)
{
	struct audio a = {.e = arg};
	struct engine *e = arg;
	bool ended = false;

	for (int i = 0; i < SOUNDS_MAX; i++)
		ended |= voice_init(&a.voice[i], e, i) != 0;
	while (!ended) {
		struct work *w = queue_pop(&e->audio_queue, due(&a), &ended);

		if (w)
			take(&a, w);
		work_destroy(w);
		if (!ended && e->live && !queue_len(&e->audio_queue))
			fill(&a);
		else if (!ended && !e->live)
			keep_up(&a);
	}
	for (int i = 0; i < SOUNDS_MAX; i++)
		voice_flush(&a.voice[i]);
	if (!e->live)
		keep_up(&a);
	for (int i = 0; i < SOUNDS_MAX; i++)
		voice_finish(&a.voice[i]);
	engine_stage_done(e);
	return NULL;
}
