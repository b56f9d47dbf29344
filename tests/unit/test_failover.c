#include "unit.h"

#include "media/failover.h"

#define FRAME 33333

/* Inputs that send a frame every 33 ms, a key frame a second, while they are up. */
struct scene {
	struct failover f;
	int64_t now;
	int64_t n;
	bool up[INPUTS_MAX];
	bool fault[INPUTS_MAX][FAILOVER_FAULTS]; /* as whoever decodes it sees */
	bool unwatched;	     /* inputs are not looked at while they are not active */
	int64_t switched_us; /* when the active one last changed */
};

static void begin(struct scene *s)
{
	*s = (struct scene){.now = 1000 * SEC_US};
	failover_init(&s->f, 250 * MS_US, 5 * SEC_US);
}

static void play(struct scene *s, int64_t us)
{
	for (int64_t end = s->now + us; s->now < end; s->now += FRAME, s->n++) {
		for (int i = INPUTS_MAX; i--;) {
			int was = s->f.active;

			bool key = s->n % 30 == 0;

			/* The others are looked at by their key frames, after they are heard. */
			if (s->up[i])
				failover_heard(&s->f, i, key, s->now + i);
			for (int k = 0; k < FAILOVER_FAULTS; k++)
				if (s->up[i] && (i == s->f.active || (key && !s->unwatched)))
					failover_seen(&s->f, i, k, s->fault[i][k], s->now);
			if (s->f.active != was)
				s->switched_us = s->now;
		}
	}
}

static int64_t changes_of(const struct scene *s)
{
	int64_t n = 0;

	for (int i = 0; i < FAILOVER_WHYS; i++)
		n += s->f.changes[i];
	return n;
}

static void the_backup_takes_over_and_gives_back(void **state)
{
	struct scene s;

	begin(&s);
	s.up[0] = s.up[1] = true;
	play(&s, 3 * SEC_US);
	/* Whoever came first; then the preferred one. */
	play(&s, 4 * SEC_US);
	assert_int_equal(s.f.active, 0);
	s.up[0] = false; /* silent, its connection stands */
	int64_t at = s.now;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
	assert_in_range(s.switched_us - at, 200 * MS_US, 300 * MS_US);
	s.up[0] = true;
	at = s.now;
	play(&s, 4900 * MS_US);
	assert_int_equal(s.f.active, 1);
	play(&s, 2 * SEC_US);
	assert_int_equal(s.f.active, 0);
	assert_in_range(s.switched_us - at, 5 * SEC_US, 6100 * MS_US);
	assert_int_equal((s.switched_us - 1000 * SEC_US) / FRAME % 30, 0); /* at a key frame */
}

static void an_end_is_known_at_once(void **state)
{
	struct scene s;

	begin(&s);
	s.up[0] = s.up[1] = true;
	play(&s, 7 * SEC_US);
	s.up[0] = false;
	failover_lost(&s.f, 0);
	int64_t at = s.now;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
	assert_in_range(s.switched_us - at, 0, FRAME);
}

static void the_preferred_of_those_left(void **state)
{
	struct scene s;

	begin(&s);
	for (int i = 0; i < INPUTS_MAX; i++)
		s.up[i] = true;
	play(&s, 8 * SEC_US);
	assert_int_equal(s.f.active, 0);
	int64_t changes = changes_of(&s);
	s.up[0] = false;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
	s.up[1] = s.up[2] = false;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 3);
	assert_int_equal(changes_of(&s), changes + 2);
	/* One that trembles does not come back. */
	for (int i = 0; i < 20; i++) {
		s.up[0] = i % 2;
		play(&s, SEC_US);
	}
	assert_int_equal(s.f.active, 3);
}

static void alone_it_stays(void **state)
{
	struct scene s;

	begin(&s);
	s.up[0] = true;
	assert_false(failover_heard(&s.f, 0, false, s.now)); /* not before a key frame */
	play(&s, SEC_US);
	failover_lost(&s.f, 0);
	s.now += 60 * SEC_US;
	assert_true(failover_heard(&s.f, 0, true, s.now));
	assert_int_equal(changes_of(&s), 0);
}

static void a_backup_without_a_key_frame_waits(void **state)
{
	struct scene s;

	begin(&s);
	s.up[0] = true;
	play(&s, 3 * SEC_US);
	assert_false(failover_heard(&s.f, 1, false, s.now + SEC_US));
	assert_false(failover_heard(&s.f, 1, false, s.now + 2 * SEC_US));
	assert_true(failover_heard(&s.f, 1, true, s.now + 3 * SEC_US));
}

static void begin_two(struct scene *s, int64_t black_us)
{
	begin(s);
	s->f.fault_us[FAULT_BLACK] = black_us;
	s->up[0] = s->up[1] = true;
	play(s, 8 * SEC_US);
	assert_int_equal(s->f.active, 0);
}

static void a_black_picture_is_left_and_taken_back(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.fault[0][FAULT_BLACK] = true;
	int64_t at = s.now;
	play(&s, 1900 * MS_US);
	assert_int_equal(s.f.active, 0);
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
	assert_in_range(s.switched_us - at, 2 * SEC_US, 2 * SEC_US + 3 * FRAME);
	assert_int_equal(s.f.why, FAULT_BLACK);
	play(&s, 20 * SEC_US);
	assert_int_equal(s.f.active, 1);
	/* A moment of light is not enough. */
	s.fault[0][FAULT_BLACK] = false;
	play(&s, 3 * SEC_US);
	s.fault[0][FAULT_BLACK] = true;
	play(&s, SEC_US);
	s.fault[0][FAULT_BLACK] = false;
	at = s.now;
	play(&s, 4900 * MS_US);
	assert_int_equal(s.f.active, 1);
	play(&s, 3 * SEC_US);
	assert_int_equal(s.f.active, 0);
	/* It is seen at the next key frame, and taken back at one. */
	assert_in_range(s.switched_us - at, 5 * SEC_US, 7100 * MS_US);
	assert_int_equal(s.f.why, WHY_RETURN);
}

static void one_that_nobody_looks_at_is_not_taken_back(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.unwatched = true;
	s.fault[0][FAULT_BLACK] = true;
	play(&s, 5 * SEC_US);
	assert_int_equal(s.f.active, 1);
	s.fault[0][FAULT_BLACK] = false;
	play(&s, 60 * SEC_US);
	assert_int_equal(s.f.active, 1);
	/* But better than nothing. */
	s.up[1] = false;
	play(&s, 2 * SEC_US);
	assert_int_equal(s.f.active, 0);
}

static void all_black_is_no_reason(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	int64_t changes = changes_of(&s);
	s.fault[0][FAULT_BLACK] = s.fault[1][FAULT_BLACK] = true;
	play(&s, 60 * SEC_US);
	assert_int_equal(s.f.active, 0);
	assert_int_equal(changes_of(&s), changes);
	s.up[0] = false;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 0); /* it may be a hole of a moment */
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
}

static void a_fault_nobody_minds(void **state)
{
	struct scene s;

	begin_two(&s, 0);
	int64_t changes = changes_of(&s);
	s.fault[0][FAULT_BLACK] = true;
	play(&s, 60 * SEC_US);
	assert_int_equal(s.f.active, 0);
	assert_int_equal(changes_of(&s), changes);
}

static void of_two_backups_the_one_without_fault(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.up[2] = true;
	s.fault[0][FAULT_BLACK] = s.fault[1][FAULT_BLACK] = true;
	play(&s, 3 * SEC_US);
	assert_int_equal(s.f.active, 2);
	/* The loss of it makes a black one good enough, the preferred. */
	s.up[2] = false;
	play(&s, 2 * SEC_US);
	assert_int_equal(s.f.active, 0);
}

/* What makes the source black makes the backup black, a moment later: it is no way out, and known to be none. */
static void a_backup_that_has_just_become_black_is_not_tried(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	int64_t changes = changes_of(&s);
	s.fault[0][FAULT_BLACK] = true;
	play(&s, 500 * MS_US);
	s.fault[1][FAULT_BLACK] = true;
	play(&s, 60 * SEC_US);
	assert_int_equal(s.f.active, 0);
	/* The source is good again, the backup later. */
	s.fault[0][FAULT_BLACK] = false;
	play(&s, SEC_US);
	s.fault[1][FAULT_BLACK] = false;
	play(&s, 60 * SEC_US);
	assert_int_equal(changes_of(&s), changes);
	/* Now the backup alone; the source's turn comes later. */
	s.fault[1][FAULT_BLACK] = true;
	play(&s, 10 * SEC_US);
	s.fault[0][FAULT_BLACK] = true;
	play(&s, 10 * SEC_US);
	assert_int_equal(changes_of(&s), changes);
}

/* Nobody has looked at a backup that has just come. */
static void a_backup_is_looked_at_first(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.up[1] = false;
	failover_lost(&s.f, 1);
	s.fault[0][FAULT_BLACK] = s.fault[1][FAULT_BLACK] = true;
	play(&s, 4 * SEC_US);
	int64_t changes = changes_of(&s);
	s.up[1] = true;
	play(&s, 10 * SEC_US);
	assert_int_equal(changes_of(&s), changes);
	s.fault[1][FAULT_BLACK] = false;
	play(&s, 2 * SEC_US);
	assert_int_equal(s.f.active, 1);
}

static void a_hole_is_not_filled_with_black(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	int64_t changes = changes_of(&s);
	s.fault[1][FAULT_BLACK] = true;
	play(&s, 5 * SEC_US);
	for (int i = 0; i < 5; i++) {
		s.up[0] = false;
		play(&s, 900 * MS_US);
		s.up[0] = true;
		play(&s, 3 * SEC_US);
	}
	assert_int_equal(changes_of(&s), changes);
	/* When it has been put there for want of anything else, the source is taken back at once. */
	s.up[0] = false;
	play(&s, 5 * SEC_US);
	assert_int_equal(s.f.active, 1);
	s.up[0] = true;
	int64_t at = s.now;
	play(&s, 2 * SEC_US);
	assert_int_equal(s.f.active, 0);
	assert_in_range(s.switched_us - at, 0, 1100 * MS_US);
}

/* A still picture without sound stands by for the loss of the source, and for a black one. */
static void a_slide_is_a_backup(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.f.fault_us[FAULT_SILENT] = 3 * SEC_US;
	s.f.fault_us[FAULT_FROZEN] = 5 * SEC_US;
	s.fault[1][FAULT_SILENT] = s.fault[1][FAULT_FROZEN] = true;
	play(&s, 60 * SEC_US);
	int64_t changes = changes_of(&s);
	assert_int_equal(s.f.active, 0);
	/* The source is not worse than that. */
	s.fault[0][FAULT_SILENT] = true;
	play(&s, 60 * SEC_US);
	s.fault[0][FAULT_FROZEN] = true;
	play(&s, 60 * SEC_US);
	assert_int_equal(changes_of(&s), changes);
	s.fault[0][FAULT_SILENT] = s.fault[0][FAULT_FROZEN] = false;
	play(&s, 5 * SEC_US);
	int64_t at = s.now;
	s.up[0] = false;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
	assert_in_range(s.switched_us - at, 200 * MS_US, 300 * MS_US);
	s.up[0] = true;
	play(&s, 10 * SEC_US);
	assert_int_equal(s.f.active, 0);
	s.fault[0][FAULT_BLACK] = true;
	play(&s, 3 * SEC_US);
	assert_int_equal(s.f.active, 1);
	assert_int_equal(s.f.why, FAULT_BLACK);
}

/* One that is black when it would be taken back is not, however short that is. */
static void it_is_not_taken_back_while_black(void **state)
{
	struct scene s;

	begin_two(&s, 20 * SEC_US);
	s.up[0] = false;
	play(&s, SEC_US);
	s.up[0] = true;
	play(&s, 3 * SEC_US);
	s.fault[0][FAULT_BLACK] = true;
	play(&s, 10 * SEC_US);
	assert_int_equal(s.f.active, 1);
	s.fault[0][FAULT_BLACK] = false;
	play(&s, 8 * SEC_US);
	assert_int_equal(s.f.active, 0);
}

/* Of whatever befalls three inputs, the one on the air is never worse for long than the best of the others, and does not change
 * more often than they do. */
static void whatever_happens(void **state)
{
	uint32_t seed = 7;

	for (int run = 0; run < 200; run++) {
		struct scene s;
		int happened = 0;

		begin_two(&s, SEC_US);
		s.f.fault_us[FAULT_SILENT] = s.f.fault_us[FAULT_FROZEN] = SEC_US;
		s.up[2] = true;
		int64_t changes = changes_of(&s);
		for (int i = 0; i < 10; i++) {
			seed = seed * 1664525 + 1013904223;
			int who = (int)(seed >> 16) % 3, what = (int)(seed >> 20) % 4;

			if (what == FAILOVER_FAULTS)
				s.up[who] = !s.up[who];
			else
				s.fault[who][what] = !s.fault[who][what];
			happened++;
			play(&s, 15 * SEC_US);
			int rank[3], best = 9;
			for (int k = 0; k < 3; k++) {
				rank[k] = s.up[k] ? 0 : 9;
				for (int f = FAILOVER_FAULTS; f-- && s.up[k];)
					rank[k] = s.fault[k][f] ? FAILOVER_FAULTS - f : rank[k];
				best = MIN(best, rank[k]);
			}
			assert_int_equal(rank[s.f.active], best);
		}
		assert_true(changes_of(&s) - changes <= 2 * happened);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_black_picture_is_left_and_taken_back),
    cmocka_unit_test(one_that_nobody_looks_at_is_not_taken_back),
    cmocka_unit_test(all_black_is_no_reason),
    cmocka_unit_test(a_fault_nobody_minds),
    cmocka_unit_test(of_two_backups_the_one_without_fault),
    cmocka_unit_test(a_backup_that_has_just_become_black_is_not_tried),
    cmocka_unit_test(a_backup_is_looked_at_first),
    cmocka_unit_test(a_hole_is_not_filled_with_black),
    cmocka_unit_test(a_slide_is_a_backup),
    cmocka_unit_test(it_is_not_taken_back_while_black),
    cmocka_unit_test(whatever_happens),
    cmocka_unit_test(the_backup_takes_over_and_gives_back),
    cmocka_unit_test(an_end_is_known_at_once),
    cmocka_unit_test(the_preferred_of_those_left),
    cmocka_unit_test(alone_it_stays),
    cmocka_unit_test(a_backup_without_a_key_frame_waits),
};
RUN_TESTS(tests)
