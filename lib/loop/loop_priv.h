#ifndef GEX_LOOP_PRIV_H
#define GEX_LOOP_PRIV_H

#include <pthread.h>

#include "loop/uv.h"

/* A call that waits for its turn: deferred, or posted by another thread. */
struct loop_call {
	struct list link;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_signal {
	struct list link;
	uv_signal_t uv;
	int signo;
	void (*fn)(void *arg, int signo);
	void *arg;
};

struct loop {
	uv_loop_t uv;
	int status;
	bool stopping;

	/* timers: a binary heap on at_us, one timerfd armed for its head */
	VEC(struct loop_timer *) heap;
	int timerfd;
	uv_poll_t timer_poll;
	int64_t armed_us;

	/* deferred calls, run once a turn by an idle handle that is active only while there are some */
	struct list deferred;
	uv_idle_t defer_idle;

	/* the mailbox; lock guards posted and closed. Not a uv_async_t, whose reader spins while the sender, that it has just been
	 * woken by and may have driven off its processor, is between two steps. */
	pthread_mutex_t lock;
	struct list posted;
	bool closed;
	int mailfd;
	uv_poll_t mail;

	struct list signals;
	int quits;
	void (*drain)(void *arg);
	void *drain_arg;
	int64_t slow_warned_us;
};

/* Runs a callback and warns when it took long. */
void loop_call(struct loop *l, void (*fn)(void *), void *arg, const char *what);
int loop_timer_setup(struct loop *l);

#endif
