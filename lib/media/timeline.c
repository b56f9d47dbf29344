#include "media/timeline.h"

#define SETTLE_US (300 * MS_US)
#define UTC_NEAR_US (60 * SEC_US)
#define BACK_US (500 * MS_US)
#define FORTH_US (2 * SEC_US)
#define FILE_FORTH_US (10 * SEC_US)
#define NEAR_US SEC_US
#define EARLY_US (100 * MS_US)
#define LATE_US SEC_US
#define LATE_FOR_US (2 * SEC_US)
#define WRAP_US INT64_C(95443717689) /* 2^33 / 90 kHz */

int64_t grid_us(struct ratio fps, int64_t n)
{
	return base_scale(n, SEC_US * fps.den, fps.num);
}

int64_t grid_nearest(struct ratio fps, int64_t us)
{
	return base_scale(us, fps.num, fps.den * SEC_US);
}

int64_t grid_gop(struct ratio fps, int64_t gop_us)
{
	return MAX(grid_nearest(fps, gop_us), 1);
}

int64_t grid_gop_of(struct ratio fps, struct ratio gop, int64_t n)
{
	/* n / fps / gop; the products exceed 64 bits. */
	__int128 num = (__int128)n * fps.den * gop.den, den = (__int128)fps.num * gop.num;

	return (int64_t)(num / den - (num % den < 0));
}

bool grid_place(const struct grid *g, int64_t us, int64_t *n)
{
	*n = grid_nearest(g->fps, us);
	if (!g->begun)
		return true;
	if (llabs(us - grid_us(g->fps, g->next)) < grid_us(g->fps, 3) / 4)
		*n = g->next;
	return *n >= g->next;
}

void timeline_init(struct timeline *t, bool live, struct ratio fps, int64_t gop)
{
	*t = (struct timeline){
	    .live = live, .fps = fps, .gop = gop, .start_us = NEVER_US, .late_since_us = NEVER_US};
}

void timeline_source(struct timeline *t, bool utc, bool has_video)
{
	t->utc = utc;
	t->has_video = has_video;
	t->anchored = false;
	t->late_since_us = NEVER_US;
	t->skipped_us = 0;
	memset(t->track, 0, sizeof(t->track));
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

static void settle(struct timeline *t, int64_t pts_us)
{
	if (t->has_video)
		shift(t, on_grid(t, pts_us + t->offset_us) - (pts_us + t->offset_us));
	t->settled = true;
	if (t->start_us == NEVER_US)
		t->start_us = next_gop_us(t, pts_us + t->offset_us);
}

/* The first packet of a source. */
static void anchor(struct timeline *t, int64_t pts_us, int64_t arrival_us)
{
	t->anchored = true;
	t->settled = false;
	t->offset_us = arrival_us - pts_us;
	t->settle_at_us = arrival_us + SETTLE_US;
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
		if (!t->live) /* a file that begins again */
			t->offset_us = grid_us(t->fps, grid_nearest(t->fps, t->last_us)) - pts_us;
		settle(t, pts_us); /* the output is running: it is to be taken back at once */
	}
}

static bool jumped(const struct timeline *t, const struct timeline_track *k, int64_t dts_us,
		   int64_t arrival_us)
{
	int64_t step = dts_us - k->dts_us;

	if (step >= -BACK_US && step <= (t->live ? FORTH_US : FILE_FORTH_US))
		return false;
	/* A source that was silent while its time went on. */
	return !t->live || llabs(step - (arrival_us - k->arrival_us)) > NEAR_US;
}

static void jump(struct timeline *t, enum media_kind kind, int64_t dts_us, int64_t duration_us,
		 int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];
	int64_t passed = t->live ? arrival_us - k->arrival_us : duration_us;
	int64_t want = k->dts_us + k->offset_us + MAX(passed, 0);

	if (t->offset_us != k->offset_us && llabs(dts_us + t->offset_us - want) < NEAR_US) {
		k->offset_us = t->offset_us; /* the other track has jumped before */
		return;
	}
	for (int sign = -1; sign <= 1; sign += 2) {
		int64_t offset = k->offset_us + sign * WRAP_US;

		if (llabs(dts_us + offset - want) >= NEAR_US)
			continue;
		t->offset_us = k->offset_us = offset;
		t->wraps++;
		return;
	}
	t->offset_us = want - dts_us;
	if (kind == MEDIA_VIDEO)
		t->offset_us += grid_us(t->fps, grid_nearest(t->fps, want)) - want;
	k->offset_us = t->offset_us;
	t->jumps++;
}

/* A live source against the clock. */
static void compare(struct timeline *t, int64_t pts_us, int64_t out_us, int64_t arrival_us)
{
	/* A source that has just come back settles as the first did, but in the open. */
	int64_t early = arrival_us < t->settle_at_us ? grid_us(t->fps, 1) : EARLY_US;

	if (out_us - arrival_us > early && t->skipped_us < TIMELINE_SKIP_MAX_US) {
		int64_t by = on_grid(t, arrival_us) - out_us;

		t->skipped_us -= by;
		t->skips++;
		shift(t, by);
	}
	if (arrival_us - out_us <= LATE_US) {
		t->late_since_us = NEVER_US;
	} else if (t->late_since_us == NEVER_US) {
		t->late_since_us = arrival_us;
	} else if (arrival_us - t->late_since_us > LATE_FOR_US) {
		t->late_since_us = NEVER_US;
		t->relates++;
		shift(t, on_grid(t, arrival_us) - out_us);
	}
}

int64_t timeline_map(struct timeline *t, enum media_kind kind, int64_t dts_us, int64_t pts_us,
		     int64_t duration_us, int64_t arrival_us)
{
	struct timeline_track *k = &t->track[kind];

	if (!t->anchored) {
		if (t->has_video && kind != MEDIA_VIDEO)
			return TIMELINE_NONE;
		anchor(t, pts_us, arrival_us);
	}
	if (!k->seen)
		k->offset_us = t->offset_us;
	else if (jumped(t, k, dts_us, arrival_us))
		jump(t, kind, dts_us, duration_us, arrival_us);
	k->seen = true;
	k->dts_us = dts_us;
	k->arrival_us = arrival_us;
	if (t->settled) {
		t->last_us = MAX(t->last_us, pts_us + duration_us + k->offset_us);
		if (t->live && !t->utc)
			compare(t, pts_us, pts_us + k->offset_us, arrival_us);
		return pts_us + k->offset_us;
	}
	if (pts_us + k->offset_us > arrival_us)
		shift(t, arrival_us - pts_us - k->offset_us);
	if (arrival_us < t->settle_at_us || (t->has_video && kind != MEDIA_VIDEO))
		return TIMELINE_NONE;
	settle(t, pts_us);
	return pts_us + k->offset_us;
}

int64_t timeline_ahead(const struct timeline *t, int64_t out_us, int64_t now_us)
{
	if (out_us == TIMELINE_NONE || (t->live && t->skipped_us < TIMELINE_SKIP_MAX_US))
		return 0;
	return MAX(out_us - now_us, 0);
}
