/* os: what the platform gives and the pure modules must not touch: clocks, readiness, secrets, limits, exit
 * statuses. */
#ifndef GEX_OS_H
#define GEX_OS_H

#include <sysexits.h>

#include "base/base.h"

int64_t os_mono_us(void); /* CLOCK_MONOTONIC */
int64_t os_utc_us(void);  /* CLOCK_REALTIME, since the Unix epoch */

/* sysexits(3) status for a negative errno: EX_NOPERM, EX_UNAVAILABLE, EX_IOERR, … */
int os_exit_status(int err);

/* Tells whoever started us: READY=1 to systemd's NOTIFY_SOCKET, and a newline to ready_fd (closed afterwards) when
 * it is >= 0. */
void os_ready(int ready_fd);
/* Any other sd_notify(3) text ("STOPPING=1", "STATUS=..."). Without NOTIFY_SOCKET nothing happens. */
void os_notify(const char *text);
/* Microseconds between two WATCHDOG=1 that systemd wants (half of WATCHDOG_USEC), 0 for none. */
int64_t os_watchdog_us(void);

/* Sockets that were passed to this process (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS): how many, from *first on. */
int os_passed_fds(int *first);

/* Random bytes from the kernel. */
void os_random(void *p, size_t n);
/* Overwrites memory in a way that the compiler keeps. */
void os_wipe(void *p, size_t n);

/* Reads a secret file of at most cap - 1 bytes, terminated, trailing white space cut. -EPERM when group or others
 * can read it, -EFBIG, -EINVAL for an empty one, or the errno of open(2). A name without a slash is looked for in
 * $CREDENTIALS_DIRECTORY first. */
int os_read_secret(const char *path, char *out, size_t cap) MUST_USE;

/* Replaces the file in one step: temporary name, fsync, rename. The second: by one that nobody else can read. */
int os_write_atomic(const char *path, const void *data, size_t len) MUST_USE;
int os_write_secret(const char *path, const void *data, size_t len) MUST_USE;
/* mkdir -p. */
int os_make_dirs(const char *path) MUST_USE;

/* Raises the soft limit of open files to the hard one. */
void os_raise_nofile(void);

/* Names the calling thread, for top(1) and debuggers; what is longer than 15 letters is cut. */
void os_thread_name(const char *name);
/* Processors that this process may run on, at least 1. */
int os_cpus(void);

/* The ports that the kernel gives out by itself, first and last. */
void os_local_ports(unsigned *first, unsigned *last);

#endif
