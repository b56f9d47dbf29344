#include "unit.h"

#include "media/demux.h"

static void test_same_origin(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
	    {"http://h/live.m3u8", "http://h/other/1.ts", true},
	    {"http://h/live.m3u8", "http://H:80/1.ts?x=1", true},
	    {"https://h/live.m3u8", "https://h:443/1.ts", true},
	    {"http://h/live.m3u8", "https://h/1.ts", false},
	    {"http://h:8080/live.m3u8", "http://h/1.ts", false},
	    {"http://user:word@h/live.m3u8", "http://h/1.ts", true},
	    {"http://h/live.m3u8", "http://h@evil/1.ts", false},
	    {"http://h/live.m3u8", "http://evil/h", false},
	    {"http://h/live.m3u8", "http://evil?h", false},
	    {"http://h/live.m3u8", "http://h.evil/1.ts", false},
	    {"http://[::1]:8080/a", "http://[::1]:8080/b", true},
	    {"http://[::1]:8080/a", "http://[::1]/b", false},
	    {"http://[::1]/a", "http://[::2]/b", false},
	    {"http://h/a", "crypto+http://h/key", true},
	    {"http://h/a", "crypto+http://evil/key", false},
	    {"http://h/a", "file:/etc/hostname", false},
	    {"http://h/a", "/etc/hostname", false},
	    {"http://h/a", "tcp://h:80", false},
	    {"http://h/a", "", false},
	    {"http://h/a", "http://", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (media_pull_same_origin(cases[i].a, cases[i].b) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_same_origin),
};
RUN_TESTS(tests)
