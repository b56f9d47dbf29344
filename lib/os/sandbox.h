/* sandbox: from its entry on the process, with all threads that begin later, can open the files and call the TCP ports that
 * were named, run no program and signal no other process (Landlock, Linux 5.13; TCP 6.7, signals 6.12). What is open already
 * stays open; UDP, UNIX sockets and the names of files are not touched. A rule is about the file itself: one that is put in
 * its place later has none, unless the rule is about its folder.
 *
 * A path that does not exist makes no rule, and no error: whoever opens it will tell. All calls accept a sandbox that the
 * kernel has not (abi 0) and do nothing. Not for threads. */
#ifndef GEX_OS_SANDBOX_H
#define GEX_OS_SANDBOX_H

#include "base/base.h"

struct os_sandbox {
	int fd;	 /* of the rules; -1: the kernel has no Landlock */
	int abi; /* of Landlock; 0: none */
	int err; /* the first errno of a rule that could not be made, negative */
};

/* What every program needs is named: libraries and their data, name resolution, certificates, time zones. */
void os_sandbox_init(struct os_sandbox *s);
void os_sandbox_finish(struct os_sandbox *s);

/* A file, or a folder with all below it. */
void os_sandbox_read(struct os_sandbox *s, const char *path);
/* A file that is read again later, and may be another one of the same name by then: all in its folder, and in that to which a
 * symbolic link leads. */
void os_sandbox_reread(struct os_sandbox *s, const char *path);
/* A file that os_read_secret is going to find by this name. */
void os_sandbox_secret(struct os_sandbox *s, const char *path);
/* A file that is opened for writing; if it does not exist yet, any in its folder. */
void os_sandbox_write(struct os_sandbox *s, const char *path);
/* Whatever is made, replaced and removed in a folder and below; if it does not exist yet, in the nearest that does. */
void os_sandbox_folder(struct os_sandbox *s, const char *path);
/* A UNIX socket that is bound, and its file removed. */
void os_sandbox_socket(struct os_sandbox *s, const char *path);
/* A TCP port that is called, at any address. */
void os_sandbox_connect(struct os_sandbox *s, int port);
/* Graphics cards and the like: /dev, /proc and /sys as far as the user may. */
void os_sandbox_devices(struct os_sandbox *s);

/* No way back; never more privileges than now, in any case. 0; -ENOSYS: the kernel has no Landlock; a negative errno. */
int os_sandbox_enter(struct os_sandbox *s) MUST_USE;

#endif
