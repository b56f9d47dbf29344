#include "log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	const char *tool;
	enum log_level level;
	bool journal, terminal;
	char status[512];
	pthread_mutex_t lock;
} log_ = {.tool = "gex", .level = LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

/* sd-journal's rule: JOURNAL_STREAM holds DEVICE:INODE of the stream that was given to the service. */
static bool stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *tool, enum log_level level)
{
	log_.tool = tool;
	log_.level = level;
	log_.journal = stderr_is_journal();
	log_.terminal = isatty(STDERR_FILENO);
}

void log_set_level(enum log_level level)
{
	log_.level = CLAMP(level, LOG_ERROR, LOG_DEBUG);
}

enum log_level log_get_level(void)
{
	return log_.level;
}

bool log_on_terminal(void)
{
	return log_.terminal;
}

static void put(const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(STDERR_FILENO, s, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

static int prefix(char *line, size_t cap, enum log_level level, const char *object)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	static const int prio[] = {3, 4, 6, 7};
	const char *open = object ? "[" : "", *close = object ? "] " : "";
	const char *clear = log_.terminal && log_.status[0] ? "\r\033[K" : "";

	if (log_.journal)
		return snprintf(line, cap, "<%d>%s%s%s", prio[level], open, object ? object : "",
				close);
	return snprintf(line, cap, "%s%s: %s: %s%s%s", clear, log_.tool, names[level], open,
			object ? object : "", close);
}

void log_write(enum log_level level, const char *object, const char *fmt, ...)
{
	int keep = errno;
	char line[1024];
	va_list ap;

	if (level > log_.level)
		return;
	pthread_mutex_lock(&log_.lock);
	size_t n = (size_t)prefix(line, sizeof(line) - 1, level, object);
	size_t head = n = MIN(n, sizeof(line) - 2);
	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	va_end(ap);
	n = MIN(n + (size_t)MAX(m, 0), sizeof(line) - 2);
	for (size_t i = head; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	put(line, n);
	if (log_.terminal && log_.status[0])
		put(log_.status, strlen(log_.status));
	pthread_mutex_unlock(&log_.lock);
	errno = keep;
}

bool log_allow(struct log_limit *l, int64_t burst, int64_t window_us, int64_t now_us)
{
	if (!l->since_us || now_us - l->since_us >= window_us) {
		l->since_us = now_us ? now_us : 1;
		l->shown = 0;
	}
	if (l->shown < burst) {
		l->shown++;
		return true;
	}
	l->held++;
	return false;
}

int64_t log_held(struct log_limit *l)
{
	int64_t n = l->held;

	l->held = 0;
	return n;
}

void log_status(const char *text)
{
	if (!log_.terminal || log_.level < LOG_INFO)
		return;
	pthread_mutex_lock(&log_.lock);
	put("\r\033[K", 4);
	str_copy(log_.status, sizeof(log_.status), text ? text : "");
	put(log_.status, strlen(log_.status));
	pthread_mutex_unlock(&log_.lock);
}
