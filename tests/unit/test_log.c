#include "unit.h"

#include <errno.h>
#include <unistd.h>

#include "log/log.h"

/* Runs with stderr into a pipe and returns what was written. */
static const char *captured(void (*fn)(void))
{
	static char b[4096];
	int p[2], keep = dup(2);

	assert_int_equal(pipe(p), 0);
	dup2(p[1], 2);
	fn();
	dup2(keep, 2);
	close(p[1]);
	close(keep);
	ssize_t n = read(p[0], b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	close(p[0]);
	return b;
}

static void some_lines(void)
{
	log_init("gex-t", LOG_INFO);
	errno = EAGAIN;
	log_warn("listener web", "refused %d", 7);
	assert_int_equal(errno, EAGAIN);
	log_debug(NULL, "unseen");
	log_info(NULL, "peer says %s", "a\nb\x1b[2J");
}

static void lines_have_tool_level_object(void **state)
{
	assert_string_equal(captured(some_lines), "gex-t: warning: [listener web] refused 7\n"
						  "gex-t: info: peer says a?b?[2J\n");
}

static void long_line(void)
{
	char s[3000];

	memset(s, 'x', sizeof(s) - 1);
	s[sizeof(s) - 1] = 0;
	log_error(s, "%s", s);
	log_error("o", "%s", s);
}

static void long_lines_are_cut(void **state)
{
	const char *got = captured(long_line);
	const char *nl = strchr(got, '\n');

	assert_non_null(nl);
	assert_true(nl - got < 1024);
	assert_string_equal(nl + strlen(nl) - 1, "\n");
}

static void outsiders_cannot_flood(void **state)
{
	struct log_limit l = {0};
	int shown = 0;

	for (int i = 0; i < 100; i++)
		shown += log_allow(&l, 3, SEC_US, 1000 + i);
	assert_int_equal(shown, 3);
	assert_true(log_allow(&l, 3, SEC_US, 2 * SEC_US));
	assert_int_equal(log_held(&l), 97);
	assert_int_equal(log_held(&l), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(lines_have_tool_level_object),
    cmocka_unit_test(long_lines_are_cut),
    cmocka_unit_test(outsiders_cannot_flood),
};
RUN_TESTS(tests)
