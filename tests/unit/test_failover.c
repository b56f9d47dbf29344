#include "unit.h"

#include "media/failover.h"

#define FRAME 33333

/* Inputs that send a frame every 33 ms, a key frame a second, while they are up. */
struct scene {
	struct failover f;
	int64_t now;
	int64_t n;
	bool up[INPUTS_MAX];
	bool black[INPUTS_MAX]; /* as whoever decodes it sees */
	bool watched;		/* inputs are looked at while they are not active, too */
	int64_t switched_us;	/* when the active one last changed */
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

			if (s->up[i] && (i == s->f.active || s->watched))
				failover_seen(&s->f, i, FAULT_BLACK, s->black[i], s->now);
			if (s->up[i])
				failover_heard(&s->f, i, s->n % 30 == 0, s->now + i);
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
	s->watched = true;
	s->up[0] = s->up[1] = true;
	play(s, 8 * SEC_US);
	assert_int_equal(s->f.active, 0);
}

static void a_black_picture_is_left_and_taken_back(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.black[0] = true;
	int64_t at = s.now;
	play(&s, 1900 * MS_US);
	assert_int_equal(s.f.active, 0);
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
	assert_in_range(s.switched_us - at, 2 * SEC_US, 2 * SEC_US + 2 * FRAME);
	assert_int_equal(s.f.why, FAULT_BLACK);
	play(&s, 20 * SEC_US);
	assert_int_equal(s.f.active, 1);
	/* A moment of light is not enough. */
	s.black[0] = false;
	play(&s, 3 * SEC_US);
	s.black[0] = true;
	play(&s, SEC_US);
	s.black[0] = false;
	at = s.now;
	play(&s, 4900 * MS_US);
	assert_int_equal(s.f.active, 1);
	play(&s, 2 * SEC_US);
	assert_int_equal(s.f.active, 0);
	assert_in_range(s.switched_us - at, 5 * SEC_US, 6100 * MS_US);
	assert_int_equal(s.f.why, WHY_RETURN);
}

static void one_that_nobody_looks_at_is_not_taken_back(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.watched = false;
	s.black[0] = true;
	play(&s, 5 * SEC_US);
	assert_int_equal(s.f.active, 1);
	s.black[0] = false;
	play(&s, 60 * SEC_US);
	assert_int_equal(s.f.active, 1);
	/* But better than nothing. */
	s.up[1] = false;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 0);
}

static void all_black_is_no_reason(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	int64_t changes = changes_of(&s);
	s.black[0] = s.black[1] = true;
	play(&s, 60 * SEC_US);
	assert_int_equal(s.f.active, 0);
	assert_int_equal(changes_of(&s), changes);
	s.up[0] = false;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 1);
}

static void a_fault_nobody_minds(void **state)
{
	struct scene s;

	begin_two(&s, 0);
	int64_t changes = changes_of(&s);
	s.black[0] = true;
	play(&s, 60 * SEC_US);
	assert_int_equal(s.f.active, 0);
	assert_int_equal(changes_of(&s), changes);
}

static void of_two_backups_the_one_without_fault(void **state)
{
	struct scene s;

	begin_two(&s, 2 * SEC_US);
	s.up[2] = true;
	s.black[0] = s.black[1] = true;
	play(&s, 3 * SEC_US);
	assert_int_equal(s.f.active, 2);
	/* The loss of it makes a black one good enough, the preferred. */
	s.up[2] = false;
	play(&s, SEC_US);
	assert_int_equal(s.f.active, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_black_picture_is_left_and_taken_back),
    cmocka_unit_test(one_that_nobody_looks_at_is_not_taken_back),
    cmocka_unit_test(all_black_is_no_reason),
    cmocka_unit_test(a_fault_nobody_minds),
    cmocka_unit_test(of_two_backups_the_one_without_fault),
    cmocka_unit_test(the_backup_takes_over_and_gives_back),
    cmocka_unit_test(an_end_is_known_at_once),
    cmocka_unit_test(the_preferred_of_those_left),
    cmocka_unit_test(alone_it_stays),
    cmocka_unit_test(a_backup_without_a_key_frame_waits),
};
RUN_TESTS(tests)
