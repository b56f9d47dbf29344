#include "unit.h"

#include <errno.h>
#include <sysexits.h>

#include "conf/conf.h"

struct listener {
	char *service;
	int64_t flows;
};

struct root {
	char *key_file;
	int64_t rate, idle_us, max;
	bool on;
	int marks;
	struct listener web, game;
};

static int parse_mark(void *base, const char *value, char *err, size_t cap)
{
	struct root *r = base;

	if (strcmp(value, "x")) {
		snprintf(err, cap, "mark = %s: not x", value);
		return -EINVAL;
	}
	r->marks++;
	return 0;
}

static const struct conf_key keys[] = {
    {"tunnel", "key_file", CONF_STR, offsetof(struct root, key_file), NULL, 0, 0, 0, NULL},
    {"tunnel", "rate", CONF_RATE, offsetof(struct root, rate), "10M", 0, 0, CONF_RELOAD, NULL},
    {"tunnel", "idle", CONF_DURATION, offsetof(struct root, idle_us), "30s", 1000000, 60000000, 0,
     NULL},
    {"tunnel", "on", CONF_BOOL, offsetof(struct root, on), "yes", 0, 0, 0, NULL},
    {"tunnel", "mark", CONF_FN, 0, NULL, 0, 0, 0, parse_mark},
    {"listener *", "service", CONF_STR, offsetof(struct listener, service), "none", 0, 0, 0, NULL},
    {"listener *", "flows", CONF_INT, offsetof(struct listener, flows), "7", 1, 100, 0, NULL},
};

static void *section(void *root, const char *kind, const char *name, char *err, size_t cap);
static const struct conf_table table = {keys, ARRAY_LEN(keys), section};

static void *section(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	struct root *r = root;
	struct listener *l = !strcmp(name, "web")    ? &r->web
			     : !strcmp(name, "game") ? &r->game
						     : NULL;

	assert_string_equal(kind, "listener");
	if (!l) {
		snprintf(err, cap, "no such listener");
		return NULL;
	}
	if (!l->flows && conf_defaults(&table, "listener *", l))
		return NULL;
	return l;
}

static void finish(struct root *r)
{
	conf_finish(&table, NULL, r);
	conf_finish(&table, "listener *", &r->web);
	conf_finish(&table, "listener *", &r->game);
}

static int read_text(struct root *r, const char *text, char *err)
{
	assert_int_equal(conf_defaults(&table, NULL, r), 0);
	return conf_text(&table, r, "f.ini", text, strlen(text), err);
}

static void reads_values_sections_and_defaults(void **state)
{
	struct root r = {0};
	char err[CONF_ERR] = "";
	const char *text = "\xef\xbb\xbf# a comment\n[tunnel]\nkey_file = /k ; "
			   "why\nrate=2.5M\nmark = x\nmark = x\n\n"
			   "[listener web]\nservice = a;b\r\n[listener game]\nflows = 9";

	assert_int_equal(read_text(&r, text, err), 0);
	assert_string_equal(err, "");
	assert_string_equal(r.key_file, "/k");
	assert_int_equal(r.rate, 2500000);
	assert_int_equal(r.idle_us, 30000000);
	assert_true(r.on);
	assert_int_equal(r.marks, 2);
	assert_string_equal(r.web.service, "a;b");
	assert_int_equal(r.web.flows, 7);
	assert_int_equal(r.game.flows, 9);
	assert_string_equal(r.game.service, "none");
	finish(&r);
}

static void every_error_names_file_and_line(void **state)
{
	char longer[400];
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "[tunnel]\nkey_file = ", 20);
	strcpy(longer + sizeof(longer) - 12, "\nrate = 1M\n");
	const struct {
		const char *text, *want;
	} cases[] = {
	    {"[tunnel]\n\nrat = 1M\n", "f.ini:3: unknown key \"rat\" in [tunnel]"},
	    {"[tunel]\nrate = 1M\n", "f.ini:1: unknown section [tunel]"},
	    {"rate = 1M\n", "f.ini:1: \"rate\" stands before the first [section]"},
	    {"[tunnel]\nrate = fast\n", "f.ini:2: rate = fast: not a rate such as 800k or 2.8M"},
	    {"[tunnel]\nidle = 2m\n", "f.ini:2: idle = 2m: out of range"},
	    {"[tunnel]\non = maybe\n", "f.ini:2: on = maybe: not yes or no"},
	    {"[tunnel]\nmark = y\n", "f.ini:2: mark = y: not x"},
	    {"[tunnel]\n  rate = 1M\n", "f.ini:2: indented line"},
	    {"[tunnel]\nrate\n", "f.ini:2: not \"key = value\": rate"},
	    {"[tunnel\nrate = 1M\n", "f.ini:1: a section line is [NAME] alone"},
	    {"[tunnel] x\n", "f.ini:1: a section line is [NAME] alone"},
	    {"[listener db]\nflows = 1\n", "f.ini:1: [listener db]: no such listener"},
	    {"[listener]\nflows = 1\n", "f.ini:1: unknown section [listener]"},
	    {"[listener web]\nflows = 0\n", "f.ini:2: flows = 0: out of range"},
	    {longer, "f.ini:2: line of 379 bytes, 190 at most"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct root r = {0};
		char err[CONF_ERR] = "";

		assert_int_not_equal(read_text(&r, cases[i].text, err), 0);
		assert_string_equal(err, cases[i].want);
		finish(&r);
	}
}

static void a_section_without_keys_is_there(void **state)
{
	struct root r = {0};
	char err[CONF_ERR] = "";

	assert_int_equal(read_text(&r, "[listener web]\n[listener game]\nflows = 2\n", err), 0);
	assert_int_equal(r.web.flows, 7);
	assert_int_equal(r.game.flows, 2);
	finish(&r);
}

static void binary_is_refused(void **state)
{
	struct root r = {0};
	char err[CONF_ERR] = "";

	assert_int_not_equal(conf_text(&table, &r, "f.ini", "[tunnel]\n\0\x01\x02=", 13, err), 0);
	assert_string_equal(err, "f.ini:2: a NUL byte: not a text file");
	assert_int_not_equal(conf_file(&table, &r, "/nonexistent.ini", err), 0);
	assert_string_equal(err, "/nonexistent.ini: No such file or directory");
}

static void overrides(void **state)
{
	struct root r = {0};
	char err[CONF_ERR] = "";

	assert_int_equal(conf_set(&table, &r, "tunnel.rate=1M", err), 0);
	assert_int_equal(r.rate, 1000000);
	assert_int_equal(conf_set(&table, &r, "listener.web.service=a.b=c", err), 0);
	assert_string_equal(r.web.service, "a.b=c");
	assert_int_not_equal(conf_set(&table, &r, "rate=1M", err), 0);
	assert_string_equal(err, "-S: rate=1M: not section.key=value");
	assert_int_not_equal(conf_set(&table, &r, "tunnel.speed=1M", err), 0);
	assert_string_equal(err, "-S: unknown key \"speed\" in [tunnel]");
	finish(&r);
}

static int set_rate(void *root, const char *value, char *err, size_t cap)
{
	return num_rate(value, &((struct root *)root)->rate);
}

static void command_line(void **state)
{
	static const struct conf_flag flags[] = {{'r', "rate", "RATE", "the rate", set_rate}};
	const struct conf_cli cli = {"gex-test", "gex-test [-r RATE]", "A test.", &table, flags, 1};
	struct conf_common common;
	struct root r = {0};
	char *good[] = {"gex-test", "-q", "-S", "tunnel.idle=2s", "-r", "5M", "--ready-fd",
			"3",	    "-t", NULL};
	char *typo[] = {"gex-test", "-q", "-r", "fast", NULL};
	char *extra[] = {"gex-test", "-q", "stray", NULL};

	assert_int_equal(conf_cli(&cli, &r, 9, good, &common), -1);
	assert_int_equal(r.rate, 5000000);
	assert_int_equal(r.idle_us, 2000000);
	assert_int_equal(common.ready_fd, 3);
	assert_true(common.test);
	assert_int_equal(conf_cli(&cli, &r, 4, typo, &common), EX_USAGE);
	assert_int_equal(conf_cli(&cli, &r, 3, extra, &common), EX_USAGE);
	finish(&r);
}

static void lists(void **state)
{
	const char *v = " a,bb ,\tccc, ", *none = ", ", *wide = "a toolong b";
	char item[4];

	assert_int_equal(conf_list_next(&v, item, sizeof(item)), 1);
	assert_string_equal(item, "a");
	assert_int_equal(conf_list_next(&v, item, sizeof(item)), 1);
	assert_string_equal(item, "bb");
	assert_int_equal(conf_list_next(&v, item, sizeof(item)), 1);
	assert_string_equal(item, "ccc");
	assert_int_equal(conf_list_next(&v, item, sizeof(item)), 0);
	assert_int_equal(conf_list_next(&v, item, sizeof(item)), 0);
	assert_int_equal(conf_list_next(&none, item, sizeof(item)), 0);
	assert_int_equal(conf_list_next(&wide, item, sizeof(item)), 1);
	assert_int_equal(conf_list_next(&wide, item, sizeof(item)), -EINVAL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_values_sections_and_defaults),
    cmocka_unit_test(every_error_names_file_and_line),
    cmocka_unit_test(a_section_without_keys_is_there),
    cmocka_unit_test(binary_is_refused),
    cmocka_unit_test(overrides),
    cmocka_unit_test(lists),
    cmocka_unit_test(command_line),
};
RUN_TESTS(tests)
