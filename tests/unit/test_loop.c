#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "loop/loop.h"

struct fixture {
	struct loop *loop;
	struct loop_timer a, b, c;
	int order[16], n;
	int64_t start_us, late_us;
};

static void note(struct fixture *f, int v)
{
	f->order[f->n++ % 16] = v;
}

static void on_a(void *arg)
{
	struct fixture *f = arg;

	note(f, 1);
	loop_timer_stop(&f->b);
}

static void on_b(void *arg)
{
	note(arg, 2);
}

static void on_c(void *arg)
{
	struct fixture *f = arg;

	note(f, 3);
	f->late_us = loop_now_us(f->loop) - f->start_us;
	loop_stop(f->loop, 7);
}

static void timers_fire_in_order_and_stop(void **state)
{
	struct fixture f = {0};

	assert_int_equal(loop_create(&f.loop), 0);
	f.start_us = loop_now_us(f.loop);
	loop_timer_init(f.loop, &f.a, on_a, &f);
	loop_timer_init(f.loop, &f.b, on_b, &f);
	loop_timer_init(f.loop, &f.c, on_c, &f);
	assert_int_equal(loop_timer_in(&f.c, 9000), 0);
	assert_int_equal(loop_timer_in(&f.a, 3000), 0);
	assert_int_equal(loop_timer_in(&f.b, 6000), 0);
	assert_int_equal(loop_run(f.loop), 7);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.order[0], 1);
	assert_int_equal(f.order[1], 3);
	assert_true(f.late_us >= 9000);
	loop_destroy(f.loop);
}

struct many {
	struct loop *loop;
	struct loop_timer t[500];
	int64_t last_us;
	int fired, disorder;
};

struct one {
	struct many *m;
	int64_t at_us;
};
static struct one ones[500];

static void on_one(void *arg)
{
	struct one *o = arg;

	o->m->disorder += o->at_us < o->m->last_us;
	o->m->last_us = o->at_us;
	if (++o->m->fired == 250)
		loop_stop(o->m->loop, 0);
}

static void heap_of_many_timers_stays_sorted(void **state)
{
	static struct many m;
	unsigned seed = 1;

	assert_int_equal(loop_create(&m.loop), 0);
	int64_t now = loop_now_us(m.loop);
	for (int i = 0; i < 500; i++) {
		ones[i] = (struct one){&m, now + 1000 + rand_r(&seed) % 20000};
		loop_timer_init(m.loop, &m.t[i], on_one, &ones[i]);
		assert_int_equal(loop_timer_at(&m.t[i], now + rand_r(&seed) % 50000), 0);
		assert_int_equal(loop_timer_at(&m.t[i], ones[i].at_us), 0); /* moved */
	}
	for (int i = 0; i < 500; i += 2)
		loop_timer_stop(&m.t[i]);
	loop_run(m.loop);
	assert_int_equal(m.fired, 250);
	assert_int_equal(m.disorder, 0);
	loop_destroy(m.loop);
}

static void use_up(void *arg)
{
	struct fixture *f = *(struct fixture **)arg;

	note(f, 40);
	assert_int_equal(loop_post(f->loop, use_up, arg), -ESHUTDOWN);
	free(arg);
}

/* What was handed over with a posted call is not lost with the loop. */
static void posted_calls_are_made_at_the_end(void **state)
{
	struct fixture f = {0}, **given = malloc(sizeof(*given));

	assert_non_null(given);
	*given = &f;
	assert_int_equal(loop_create(&f.loop), 0);
	assert_int_equal(loop_post(f.loop, use_up, given), 0);
	loop_destroy(f.loop);
	assert_int_equal(f.n, 1);
}

static void deferred_three(void *arg)
{
	note(arg, 30);
	loop_stop(((struct fixture *)arg)->loop, 0);
}

static void deferred_one(void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(loop_defer(f->loop, deferred_three, f), 0);
	note(f, 10); /* before the one it deferred */
}

static void deferred_two(void *arg)
{
	note(arg, 20);
}

static void deferred_calls_never_nest(void **state)
{
	struct fixture f = {0};

	assert_int_equal(loop_create(&f.loop), 0);
	assert_int_equal(loop_defer(f.loop, deferred_one, &f), 0);
	assert_int_equal(loop_defer(f.loop, deferred_two, &f), 0);
	loop_run(f.loop);
	assert_int_equal(f.n, 3);
	assert_int_equal(f.order[0], 10);
	assert_int_equal(f.order[1], 20);
	assert_int_equal(f.order[2], 30);
	loop_destroy(f.loop);
}

static void on_mail(void *arg)
{
	struct fixture *f = arg;

	if (++f->n == 2000)
		loop_stop(f->loop, 0);
}

static void *poster(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < 1000; i++)
		if (loop_post(f->loop, on_mail, f))
			return f;
	return NULL;
}

static void mailbox_takes_from_any_thread(void **state)
{
	struct fixture f = {0};
	pthread_t t[2];
	void *failed;

	assert_int_equal(loop_create(&f.loop), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, poster, &f), 0);
	loop_run(f.loop);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(f.n, 2000);
	loop_destroy(f.loop);
}

static void on_drain(void *arg)
{
	note(arg, 5);
	kill(getpid(), SIGTERM); /* the second one stops at once */
}

static void on_raise(void *arg)
{
	kill(getpid(), SIGTERM);
}

static void quit_drains_then_stops(void **state)
{
	struct fixture f = {0};

	assert_int_equal(loop_create(&f.loop), 0);
	assert_int_equal(loop_on_quit(f.loop, on_drain, &f), 0);
	assert_int_equal(loop_defer(f.loop, on_raise, &f), 0);
	assert_int_equal(loop_run(f.loop), 0);
	assert_int_equal(f.n, 1);
	loop_destroy(f.loop);
}

static void destroy_with_work_left(void **state)
{
	struct fixture f = {0};

	assert_int_equal(loop_create(&f.loop), 0);
	loop_timer_init(f.loop, &f.a, on_a, &f);
	assert_int_equal(loop_timer_in(&f.a, SEC_US), 0);
	assert_int_equal(loop_defer(f.loop, deferred_two, &f), 0);
	assert_int_equal(loop_post(f.loop, deferred_two, &f), 0);
	loop_destroy(f.loop);
	loop_destroy(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(timers_fire_in_order_and_stop),
    cmocka_unit_test(heap_of_many_timers_stays_sorted),
    cmocka_unit_test(deferred_calls_never_nest),
    cmocka_unit_test(posted_calls_are_made_at_the_end),
    cmocka_unit_test(mailbox_takes_from_any_thread),
    cmocka_unit_test(quit_drains_then_stops),
    cmocka_unit_test(destroy_with_work_left),
};
RUN_TESTS(tests)
