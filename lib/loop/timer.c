#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop/loop_priv.h"
#include "os/os.h"

static void put(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap.at[i] = t;
	t->slot = i + 1;
}

static void sift_up(struct loop *l, size_t i, struct loop_timer *t)
{
	while (i) {
		size_t up = (i - 1) / 2;

		if (l->heap.at[up]->at_us <= t->at_us)
			break;
		put(l, i, l->heap.at[up]);
		i = up;
	}
	put(l, i, t);
}

static void sift_down(struct loop *l, size_t i, struct loop_timer *t)
{
	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= l->heap.len)
			break;
		if (kid + 1 < l->heap.len && l->heap.at[kid + 1]->at_us < l->heap.at[kid]->at_us)
			kid++;
		if (l->heap.at[kid]->at_us >= t->at_us)
			break;
		put(l, i, l->heap.at[kid]);
		i = kid;
	}
	put(l, i, t);
}

static void place(struct loop *l, size_t i, struct loop_timer *t)
{
	if (i && l->heap.at[(i - 1) / 2]->at_us > t->at_us)
		sift_up(l, i, t);
	else
		sift_down(l, i, t);
}

static void take_out(struct loop *l, struct loop_timer *t)
{
	size_t i = t->slot - 1;
	struct loop_timer *last = l->heap.at[--l->heap.len];

	t->slot = 0;
	if (last != t)
		place(l, i, last);
}

/* The timerfd follows the head of the heap; it is left alone when it would only fire early for a timer stopped since. */
static void arm(struct loop *l)
{
	int64_t at = l->heap.len ? MAX(l->heap.at[0]->at_us, 1) : NEVER_US;

	if (at >= l->armed_us)
		return;
	struct itimerspec its = {.it_value = {at / SEC_US, at % SEC_US * 1000}};
	timerfd_settime(l->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
	l->armed_us = at;
}

static void on_timerfd(uv_poll_t *poll, int status, int events)
{
	struct loop *l = poll->data;
	uint64_t ticks;

	(void)!read(l->timerfd, &ticks, sizeof(ticks));
	l->armed_us = NEVER_US;
	/* Timers that callbacks arm for now or the past wait for the next turn, so that no one can hold the loop. */
	int64_t now = os_mono_us();
	for (size_t budget = l->heap.len; budget && l->heap.len && l->heap.at[0]->at_us <= now;
	     budget--) {
		struct loop_timer *t = l->heap.at[0];

		take_out(l, t);
		loop_call(l, t->fn, t->arg, "timer");
	}
	arm(l);
}

int loop_timer_setup(struct loop *l)
{
	l->armed_us = NEVER_US;
	l->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->timerfd < 0)
		return -errno;
	int rc = uv_poll_init(&l->uv, &l->timer_poll, l->timerfd);
	if (rc)
		return rc;
	l->timer_poll.data = l;
	return uv_poll_start(&l->timer_poll, UV_READABLE, on_timerfd);
}

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fn)(void *), void *arg)
{
	*t = (struct loop_timer){.loop = l, .fn = fn, .arg = arg, .at_us = NEVER_US};
}

int loop_timer_at(struct loop_timer *t, int64_t at_us)
{
	struct loop *l = t->loop;

	if (at_us == NEVER_US) {
		loop_timer_stop(t);
		return 0;
	}
	if (t->slot && t->at_us == at_us)
		return 0;
	t->at_us = at_us;
	if (t->slot) {
		place(l, t->slot - 1, t);
	} else {
		if (vec_push(&l->heap, t))
			return -ENOMEM;
		sift_up(l, l->heap.len - 1, t);
	}
	arm(l);
	return 0;
}

int loop_timer_in(struct loop_timer *t, int64_t delay_us)
{
	return loop_timer_at(t, os_mono_us() + delay_us);
}

void loop_timer_stop(struct loop_timer *t)
{
	if (t->slot)
		take_out(t->loop, t);
}
