/* punctual: for programs that keep or measure time beside busy neighbours. */
#ifndef GEX_TESTS_PUNCTUAL_H
#define GEX_TESTS_PUNCTUAL_H

#include <sched.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Timers to the nanosecond, and ahead of the programs under test: a real line does not slow down
 * with their machine. A whole core of work stays bounded, the kernel keeps 5 % for the others.
 * False where only the timers could be had. */
static inline bool be_punctual(void)
{
	struct sched_param p = {.sched_priority = 2};

	prctl(PR_SET_TIMERSLACK, 1);
	return !sched_setscheduler(0, SCHED_RR, &p) || !setpriority(PRIO_PROCESS, 0, -15);
}

#endif
