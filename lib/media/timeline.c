#include "media/timeline.h"

#define SETTLE_US (300 * MS_US)
#define UTC_NEAR_US (60 * SEC_US)
#define BACK_US (200 * MS_US)
#define FORTH_US (2 * SEC_US)
#define FILE_FORTH_US (10 * SEC_US)
#define NEAR_US SEC_US
#define PASSED_US (300 * MS_US) /* a step of time that differs less from what passed is a pause */
#define AGAIN_US (5 * SEC_US)	/* sound that steps back by less, alone, may be sent twice, */
#define AGAIN_FOR_US (300 * MS_US) /* for so long */
#define ALONE_US (500 * MS_US)
#define SKEW_US (1500 * MS_US) /* tracks whose first times are farther apart are not of one clock */
#define EARLY_US (100 * MS_US)
#define WINDOW_US (500 * MS_US)
/* Less than what the output waits for a frame (HOLD_US of the engine): later than that none of them would be shown. */
#define LATE_US (200 * MS_US)
#define LATE_WINDOWS 2
#define LEAD_MAX_US SEC_US
#define CREDIT_US (10 * SEC_US)
#define DRIFT_WINDOWS 10
#define DRIFT_SLACK_US (4 * MS_US) /* the least delay of a good line differs that much */
#define DRIFT_TIME_S 30		   /* in which a deviation is brought back */
#define SLEW_PPM 500
#define WRAP_US INT64_C(95443717689) /* 2^33 / 90 kHz */

const char *const timeline_repair_name[TIMELINE_REPAIRS] = {"jump", "wrap",   "skip",	  "late",
							    "skew", "double", "disorder", "drift"};

static void forget_delays(struct timeline *t, int64_t arrival_us)
{
	for (size_t k = 0; k < ARRAY_LEN(t->track); k++)
		t->track[k].least_us = NEVER_US;
	t->window_us = arrival_us + WINDOW_US;
	t->windows = 0;
	t->drift_us = t->usual_us = NEVER_US;
	t->slew_ppm = 0;
}

void timeline_init(struct timeline *t, bool live, struct ratio fps, int64_t gop)
{
	*t = (struct timeline){.live = live, .fps = fps, .gop = gop, .start_us = NEVER_US};
}

void timeline_source(struct timeline *t, bool utc, bool has_video)
{
	t->utc = utc;
	t->has_video = has_video;
	t->anchored = false;
	t->late_windows = 0;
	t->lead_us = t->skipped_us = t->slew_rest = 0;
	memset(t->track, 0, sizeof(t->track));
	forget_delays(t, 0);
}

/* The grid's instant at or before us: a frame is never said to be younger than it is. */
static int64_t on_grid(const struct timeline *t, int64_t us)
{
	int64_t n = grid_nearest(t->fps, us);

	return grid_us(t->fps, grid_us(t->fps, n) > us ? n - 1 : n);
}

static int64_t next_gop_us(const struct timeline *t, int64_t us)
{
	int64_t n = -base_floor_div(-grid_nearest(t->fps, us), t->gop) * t->gop;

	return grid_us(t->fps, grid_us(t->fps, n) < us ? n + t->gop : n);
}

static void shift(struct timeline *t, int64_t by_us)
{
	t->offset_us += by_us;
	for (size_t k = 0; k < ARRAY_LEN(t->track); k++)
		t->track[k].offset_us += by_us;
}

/* ---- the first packets of a source ---- */

static void settle(struct timeline *t, int64_t pts_us)
{
	if (t->has_video)
		shift(t, on_grid(t, pts_us + t->offset_us) - (pts_us + t->offset_us));
	t->settled = true;
	if (t->start_us == NEVER_US)
		t->start_us = next_gop_us(t, pts_us + t->offset_us);
}

static void anchor(struct timeline *t, int64_t pts_us, int64_t arrival_us)
{
	t->anchored = true;
	t->settled = false;
	t->offset_us = arrival_us - pts_us;
	t->settle_at_us = t->slewed_at_us = arrival_us;
	t->settle_at_us += SETTLE_US;
	forget_delays(t, t->settle_at_us);
	t->utc = t->utc && llabs(t->offset_us) <= UTC_NEAR_US;
	if (t->utc) {
		t->offset_us = 0;
		t->settled = true;
		if (t->start_us == NEVER_US)
			t->start_us = next_gop_us(t, pts_us);
	} else if (!t->live && t->start_us == NEVER_US) {
		t->offset_us = next_gop_us(t, arrival_us) - pts_us;
		settle(t, pts_us);
	} else if (t->start_us != NEVER_US) {
		if (!t->live && t->last_us) /* a file that begins again */
			t->offset_us = grid_us(t->fps, grid_nearest(t->fps, t->last_us)) - pts_us;
		settle(t, pts_us); /* the output is running: it is to be taken back at once */
	}
}

static void enter(struct timeline *t, struct timeline_track *k, int64_t pts_us, int64_t arrival_us)
{
	k->seen = true;
	k->offset_us = t->offset_us;
	k->end_us = INT64_MIN;
	k->back_us = NEVER_US;
	if (!t->live || t->utc || llabs(arrival_us - pts_us - t->offset_us) <= SKEW_US)
		return;
	k->offset_us = arrival_us - pts_us;
	t->repairs[REPAIR_SKEW]++;
}

/* ---- jumps ---- */

/* The one that a track is measured by: the first sound for the picture, the picture (or the first sound) for a sound. */
static const struct timeline_track *other(const struct timeline *t, int kind)
{
	return &t->track[kind == MEDIA_VIDEO || (kind > MEDIA_AUDIO && !t->has_video)
			     ? MEDIA_AUDIO
			     : MEDIA_VIDEO];
}

/* Where a packet at dts_us is to stand when time has gone on. */
static int64_t wanted(const struct timeline *t, const struct timeline_track *k, int64_t duration_us,
		      int64_t arrival_us)
{
	int64_t passed = t->live ? arrival_us - k->arrival_us : duration_us;

	return k->dts_us + k->offset_us + MAX(passed, 0);
}

/* The other track's offset fits, and this one's does not (any more): the tracks are of one clock. */
static bool rejoin(struct timeline *t, int kind, int64_t dts_us, int64_t want_us, int64_t near_us)
{
	struct timeline_track *k = &t->track[kind];
	const struct timeline_track *o = other(t, kind);

	if (!o->seen || o->offset_us == k->offset_us ||
	    llabs(dts_us + o->offset_us - want_us) >= near_us ||
	    llabs(dts_us + k->offset_us - want_us) < BACK_US)
		return false;
	k->offset_us = t->offset_us = o->offset_us;
	k->end_us = INT64_MIN;
	return true;
}

static bool jumped(const struct timeline *t, const struct timeline_track *k, int64_t dts_us,
		   int64_t arrival_us)
{
	int64_t step = dts_us - k->dts_us;

	if (step >= -BACK_US && step <= (t->live ? FORTH_US : FILE_FORTH_US))
		return false;
	/* A source that was silent while its time went on. */
	return !t->live || llabs(step - (arrival_us - k->arrival_us)) > PASSED_US;
}

static void jump(struct timeline *t, int kind, int64_t dts_us, int64_t want_us, int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];

	k->end_us = INT64_MIN;
	for (int sign = -1; sign <= 1; sign += 2) {
		int64_t offset = k->offset_us + sign * WRAP_US;

		if (llabs(dts_us + offset - want_us) >= NEAR_US)
			continue;
		t->offset_us = k->offset_us = offset;
		t->repairs[REPAIR_WRAP]++;
		return;
	}
	t->offset_us = want_us - dts_us;
	if (kind == MEDIA_VIDEO)
		t->offset_us += grid_us(t->fps, grid_nearest(t->fps, want_us)) - want_us;
	k->offset_us = t->offset_us;
	t->repairs[REPAIR_JUMP]++;
	forget_delays(t, arrival_us);
}

/* ---- a live source against the clock ---- */

/* By what the drift moves the offset until now. */
static void slew(struct timeline *t, int64_t arrival_us)
{
	t->slew_rest += t->slew_ppm * (arrival_us - t->slewed_at_us);
	t->slewed_at_us = arrival_us;
	int64_t by = t->slew_rest / SEC_US;

	t->slew_rest -= by * SEC_US;
	t->slewed_us += llabs(by);
	t->repairs[REPAIR_DRIFT] = t->slewed_us / MS_US;
	shift(t, by);
}

static void measure_drift(struct timeline *t)
{
	if (t->usual_us == NEVER_US) {
		t->usual_us = t->drift_us;
	} else {
		int64_t off = t->drift_us - t->usual_us;

		off -= CLAMP(off, -DRIFT_SLACK_US, DRIFT_SLACK_US);
		t->slew_ppm = CLAMP(off / DRIFT_TIME_S, -SLEW_PPM, SLEW_PPM);
	}
	t->windows = 0;
	t->drift_us = NEVER_US;
}

static void relate(struct timeline *t, int64_t by_us, int64_t arrival_us)
{
	/* Whole frames, so that the picture's phase on the grid stays. */
	int64_t n = base_floor_div(by_us, grid_us(t->fps, 1));

	shift(t, t->has_video ? grid_us(t->fps, n) : by_us);
	forget_delays(t, arrival_us);
}

static void end_window(struct timeline *t, int64_t arrival_us)
{
	const struct timeline_track *lead = &t->track[t->has_video ? MEDIA_VIDEO : MEDIA_AUDIO];
	int64_t worst = INT64_MIN, best = NEVER_US;

	for (size_t i = 0; i < ARRAY_LEN(t->track); i++) {
		if (t->track[i].least_us == NEVER_US)
			continue;
		worst = MAX(worst, t->track[i].least_us);
		best = MIN(best, t->track[i].least_us);
	}
	t->late_windows = best != NEVER_US && worst > LATE_US ? t->late_windows + 1 : 0;
	if (t->late_windows >= LATE_WINDOWS) {
		t->late_windows = 0;
		t->lead_us = MAX(t->lead_us, MIN(worst - best, LEAD_MAX_US));
		t->repairs[REPAIR_LATE]++;
		/* What was late may be early by as much again. */
		t->skipped_us = MAX(t->skipped_us - worst, -CREDIT_US);
		relate(t, worst, arrival_us);
		return;
	}
	t->drift_us = MIN(t->drift_us, lead->least_us);
	if (++t->windows >= DRIFT_WINDOWS && t->drift_us != NEVER_US)
		measure_drift(t);
	for (size_t i = 0; i < ARRAY_LEN(t->track); i++)
		t->track[i].least_us = NEVER_US;
	t->window_us = arrival_us + WINDOW_US;
}

/* A packet ahead of the clock: by_us, which is negative, puts it right. */
static void skip(struct timeline *t, int kind, int64_t by_us, int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];
	const struct timeline_track *o = other(t, kind);

	if (o->seen && arrival_us - o->arrival_us < ALONE_US && o->delay_us + by_us > -EARLY_US &&
	    -by_us > ALONE_US) {
		k->offset_us += by_us;
		t->repairs[REPAIR_JUMP]++;
		return;
	}
	t->skipped_us -= by_us;
	t->repairs[REPAIR_SKIP]++;
	shift(t, by_us);
	forget_delays(t, arrival_us);
}

static void compare(struct timeline *t, int kind, int64_t pts_us, int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];
	/* A source that has just come back settles as the first did, but in the open. */
	int64_t early = arrival_us < t->settle_at_us ? grid_us(t->fps, 1) : EARLY_US;

	slew(t, arrival_us);
	if (arrival_us >= t->window_us)
		end_window(t, arrival_us);
	int64_t out = pts_us + k->offset_us;
	if (out - arrival_us > early + t->lead_us && t->skipped_us < TIMELINE_SKIP_MAX_US)
		skip(t, kind, on_grid(t, arrival_us + t->lead_us) - out, arrival_us);
	k->delay_us = arrival_us - pts_us - k->offset_us;
	k->least_us = MIN(k->least_us, k->delay_us);
}

/* Is it sound that was there before, or may it be? */
static bool again(struct timeline *t, int kind, int64_t dts_us, int64_t pts_us, int64_t duration_us,
		  int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];

	if (kind == MEDIA_VIDEO || duration_us <= 0 || pts_us + duration_us / 2 >= k->end_us ||
	    k->dts_us - dts_us > AGAIN_US || (t->has_video && !other(t, kind)->seen)) {
		k->back_us = NEVER_US;
		return false;
	}
	if (k->back_us == NEVER_US)
		k->back_us = arrival_us;
	return k->dts_us - dts_us <= BACK_US || arrival_us - k->back_us < AGAIN_FOR_US;
}

/* A track goes on. False: what comes is not to be used. */
static bool go_on(struct timeline *t, int kind, int64_t dts_us, int64_t pts_us, int64_t duration_us,
		  int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];
	int64_t want = wanted(t, k, duration_us, arrival_us);
	bool leap = jumped(t, k, dts_us, arrival_us);

	if (rejoin(t, kind, dts_us, want, leap ? NEAR_US : BACK_US))
		return true;
	if (again(t, kind, dts_us, pts_us, duration_us, arrival_us)) {
		t->repairs[REPAIR_DOUBLE]++;
		return false;
	}
	if (leap)
		jump(t, kind, dts_us, want, arrival_us);
	else
		t->repairs[REPAIR_DISORDER] += dts_us < k->dts_us;
	return true;
}

int64_t timeline_map(struct timeline *t, int kind, int64_t dts_us, int64_t pts_us,
		     int64_t duration_us, int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];

	if (!t->anchored) {
		if (t->has_video && kind != MEDIA_VIDEO)
			return TIMELINE_NONE;
		anchor(t, pts_us, arrival_us);
	}
	if (!k->seen)
		enter(t, k, pts_us, arrival_us);
	else if (!go_on(t, kind, dts_us, pts_us, duration_us, arrival_us))
		return TIMELINE_NONE;
	k->dts_us = dts_us;
	k->end_us = MAX(k->end_us, pts_us + duration_us);
	k->arrival_us = arrival_us;
	if (t->settled) {
		t->last_us = MAX(t->last_us, pts_us + duration_us + k->offset_us);
		if (t->live && !t->utc)
			compare(t, kind, pts_us, arrival_us);
		return pts_us + k->offset_us;
	}
	int64_t ahead = pts_us + k->offset_us - arrival_us;
	if (ahead > 0) {
		shift(t, -ahead);
		t->skipped_us += ahead;
	}
	/* What comes much faster than time is not live: it would be over before there is a start. */
	if ((arrival_us < t->settle_at_us && t->skipped_us < TIMELINE_SKIP_MAX_US) ||
	    (t->has_video && kind != MEDIA_VIDEO))
		return TIMELINE_NONE;
	settle(t, pts_us);
	return pts_us + k->offset_us;
}

int64_t timeline_beside(const struct timeline *t, int64_t pts_us)
{
	const struct timeline_track *k = &t->track[t->has_video ? MEDIA_VIDEO : MEDIA_AUDIO];

	return t->settled && k->seen ? pts_us + k->offset_us : TIMELINE_NONE;
}

int64_t timeline_ahead(const struct timeline *t, int64_t out_us, int64_t now_us)
{
	if (out_us == TIMELINE_NONE || (t->live && t->skipped_us < TIMELINE_SKIP_MAX_US))
		return 0;
	return MAX(out_us - now_us, 0);
}
