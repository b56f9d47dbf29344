/* loop: the one event loop of a process, on libuv: timers, signals, deferred calls, and the mailbox by which
 * other threads hand work to it. Everything else of a tool runs on the loop's thread except media's and
 * stream's own threads, which block in codecs and devices and post their results here.
 *
 * Timers have microsecond resolution (one timerfd and a heap; libuv's own are in milliseconds, too coarse to
 * pace a tunnel). A callback that holds the loop for over 50 ms is logged: it delays everybody.
 *
 * Modules that own sockets (carrier, stream, http) include loop/uv.h to reach the uv_loop_t. They close in two
 * steps, as libuv demands: silence the callbacks, uv_close, free in the close callback. loop_destroy runs the
 * loop until the last handle has closed, so nothing leaks at exit. */
#ifndef GEX_LOOP_H
#define GEX_LOOP_H

#include "base/base.h"

struct loop;

/* Returns 0 or a negative errno. SIGPIPE is ignored from here on. */
int loop_create(struct loop **out) MUST_USE;
/* Makes the calls that were posted and have not been made: they own what they are given. Closes what is left, frees.
 * NULL is allowed. False after 1 s: a thread of libuv still works for it (a lookup that no name server answers), so its
 * memory stays; exit(3) would wait for that thread, _exit(2) does not. */
bool loop_destroy(struct loop *l);

/* Runs until loop_stop; returns the status that was given there. */
int loop_run(struct loop *l);
/* From the loop's thread. The first status given stays. */
void loop_stop(struct loop *l, int status);
bool loop_stopping(const struct loop *l);

/* Monotonic, read afresh. */
int64_t loop_now_us(const struct loop *l);

/* A timer; embed it, zero it, loop_timer_init it. One shot: the callback may arm it again. */
struct loop_timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	int64_t at_us;
	size_t slot; /* place in the heap + 1; 0 = not armed */
};
void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fn)(void *), void *arg);
/* Arms for the monotonic instant at_us (a past one: as soon as the loop turns); NEVER_US stops. 0 or -ENOMEM. */
int loop_timer_at(struct loop_timer *t, int64_t at_us);
int loop_timer_in(struct loop_timer *t, int64_t delay_us);
/* Also right on a zeroed timer. */
void loop_timer_stop(struct loop_timer *t);

/* Calls fn(arg, signo) on the loop's thread. 0 or a negative errno. One handler a signal. */
int loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg) MUST_USE;
/* The convention of all tools: the first SIGTERM or SIGINT calls drain(arg), which ends by loop_stop; a second
 * one stops at once with status 0. */
int loop_on_quit(struct loop *l, void (*drain)(void *arg), void *arg) MUST_USE;

/* Calls fn(arg) after the current callback has returned, never inside this call. 0 or -ENOMEM. */
int loop_defer(struct loop *l, void (*fn)(void *arg), void *arg) MUST_USE;
/* The same from any thread: the mailbox. Calls are made in the order posted. The poster bounds what is under way
 * (loop_post itself only fails with -ENOMEM, or -ESHUTDOWN once the loop is being destroyed). */
int loop_post(struct loop *l, void (*fn)(void *arg), void *arg) MUST_USE;

#endif
