/* guard: runs one test so that nothing of it stays behind. The test gets a session of its own;
 * guard is the sub-reaper above it, so every process that the test starts stays its descendant,
 * also one that detached itself with setsid(2) and wiped its environment as nginx does. When the
 * test ends, or its time is up, what still lives is named on stderr and ended by pid.
 *
 *   guard [-t SECONDS] COMMAND...
 *
 * Exit status: the command's own (128+N for signal N), 124 out of time, 125 a process was left
 * behind. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TERM_GRACE_US (5 * SEC_US)
/* A process that the test has just told to end may need this long to be gone. */
#define LEFT_GRACE_US (500 * MS_US)

struct proc {
	pid_t pid, parent;
	bool ours;
};
static VEC(struct proc) procs;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SEC_US + t.tv_nsec / 1000;
}

/* The parent of a live process; -1 when it is gone or a zombie. */
static pid_t parent_of(const char *pid)
{
	char path[64], stat[512], *p;
	size_t n = 0;
	FILE *f;
	char state;
	int parent;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(stat, 1, sizeof(stat) - 1, f);
		fclose(f);
	}
	stat[n] = '\0';
	/* The name stands in brackets and may hold anything, so look from the last bracket on. */
	p = strrchr(stat, ')');
	if (!p || sscanf(p + 1, " %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X')
		return -1;
	return parent;
}

/* Fills procs; false when /proc can't be read. */
static bool read_procs(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	struct proc p;

	procs.len = 0;
	if (!d)
		return false;
	while ((e = readdir(d))) {
		p = (struct proc){(pid_t)atoi(e->d_name), 0, false};
		if (p.pid <= 0 || p.pid == getpid())
			continue;
		p.parent = parent_of(e->d_name);
		if (p.parent >= 0 && vec_push(&procs, p))
			break;
	}
	closedir(d);
	return true;
}

static bool mark(pid_t parent)
{
	struct proc *p;
	bool any = false;

	vec_for (p, &procs) {
		if (p->ours || p->parent != parent)
			continue;
		p->ours = any = true;
	}
	return any;
}

/* Marks our descendants in procs and returns their number. */
static size_t find_ours(void)
{
	struct proc *p;
	size_t n = 0;
	bool more;

	if (!read_procs())
		return 0;
	more = mark(getpid());
	while (more) {
		more = false;
		vec_for (p, &procs)
			if (p->ours)
				more |= mark(p->pid);
	}
	vec_for (p, &procs)
		n += p->ours;
	return n;
}

static void print_command(pid_t pid)
{
	char path[64], text[200];
	size_t n = 0, i;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	for (i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[n] = '\0';
	fprintf(stderr, "LEFT: pid %d: %s\n", (int)pid, text);
}

/* Reaps what has ended. True when it was main_pid; its status is then in *status. */
static bool reap(pid_t main_pid, int *status)
{
	bool seen = false;
	pid_t pid;
	int st;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		if (pid != main_pid)
			continue;
		seen = true;
		*status = st;
	}
	return seen;
}

/* Waits at most until `until` for a signal; returns it, or 0. */
static int wait_signal(const sigset_t *set, int64_t until)
{
	int64_t left = MAX(until - now_us(), 0);
	struct timespec t = {left / SEC_US, left % SEC_US * 1000};
	int sig = sigtimedwait(set, NULL, &t);

	return sig < 0 ? 0 : sig;
}

/* Ends every descendant; each round also meets the children that the last one orphaned. */
static void kill_ours(void)
{
	struct timespec pause = {0, 10000000};
	struct proc *p;
	int i, status;

	for (i = 0; i < 200 && find_ours(); i++) {
		vec_for (p, &procs)
			if (p->ours)
				kill(p->pid, SIGKILL);
		nanosleep(&pause, NULL);
		reap(0, &status);
	}
}

static size_t report_left(const sigset_t *set)
{
	int64_t until = now_us() + LEFT_GRACE_US;
	struct proc *p;
	size_t n;
	int status;

	for (;;) {
		reap(0, &status);
		n = find_ours();
		if (!n || now_us() >= until)
			break;
		wait_signal(set, MIN(until, now_us() + 20 * MS_US));
	}
	vec_for (p, &procs)
		if (n && p->ours)
			print_command(p->pid);
	return n;
}

static pid_t start(char **argv, const sigset_t *set)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	/* A shell that starts guard in the background has these ignored, and that is inherited. */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigprocmask(SIG_UNBLOCK, set, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "guard: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Waits for the test and returns its exit status, 124 when it had to be told to end. */
static int supervise(pid_t pid, const sigset_t *set, int64_t limit_us)
{
	int64_t until = now_us() + limit_us;
	bool asked = false, late = false;
	int status = 0, sig;

	while (!reap(pid, &status)) {
		sig = wait_signal(set, until);
		if (sig == SIGCHLD || (!sig && now_us() < until))
			continue;
		if (asked && !sig) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
		} else {
			late = !sig;
			kill(-pid, sig ? sig : SIGTERM);
		}
		asked = true;
		until = now_us() + TERM_GRACE_US;
	}
	if (late) {
		fprintf(stderr, "TIMEOUT: not done after %d s\n", (int)(limit_us / SEC_US));
		return 124;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int64_t limit_us = 120 * SEC_US;
	sigset_t set;
	pid_t pid;
	int opt, status;

	while ((opt = getopt(argc, argv, "+t:")) != -1)
		if (opt != 't' || num_duration(optarg, &limit_us))
			return 64;
	if (optind == argc)
		return 64;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = start(argv + optind, &set);
	if (pid < 0)
		return 71;
	status = supervise(pid, &set, limit_us);
	if (report_left(&set)) {
		kill_ours();
		status = status == 0 || status == 77 ? 125 : status;
	}
	vec_free(&procs);
	return status;
}
