/* log: one line an event on standard error, `tool: level: [object] text`, for an operator at night. Under
 * journald (JOURNAL_STREAM names our stderr) the line begins with `<N>`, the syslog priority, instead of the
 * tool's name, which journald adds itself. On a terminal a status line can stand below the log: log_status.
 * Safe from any thread; a line is one write(2); errno is kept. Control characters in a line, which may come
 * from a peer, are shown as `?`. */
#ifndef GEX_LOG_H
#define GEX_LOG_H

#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* tool: a static string. Without a call everything up to LOG_INFO is shown, as "gex". */
void log_init(const char *tool, enum log_level level);
/* By -v (up) and -q (down) on the command line. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* object: what the line is about ("listener web", "srt"), or NULL. */
void log_write(enum log_level level, const char *object, const char *fmt, ...) PRINTF(3, 4);
#define log_error(obj, ...) log_write(LOG_ERROR, obj, __VA_ARGS__)
#define log_warn(obj, ...) log_write(LOG_WARN, obj, __VA_ARGS__)
#define log_info(obj, ...) log_write(LOG_INFO, obj, __VA_ARGS__)
#define log_debug(obj, ...) log_write(LOG_DEBUG, obj, __VA_ARGS__)

/* For events that outsiders can cause at will: at most `burst` lines in each window of `window_us`; the first
 * line of a later window tells how many were held back. Zero-initialise, one for each place. */
struct log_limit {
	int64_t since_us;
	int64_t shown, held;
};
bool log_allow(struct log_limit *l, int64_t burst, int64_t window_us, int64_t now_us);
/* How many were held back before the line that log_allow just allowed; resets the count. */
int64_t log_held(struct log_limit *l);

/* Shows `text` as the status line below the log when stderr is a terminal and nothing else; NULL clears. */
void log_status(const char *text);
bool log_on_terminal(void);

#endif
