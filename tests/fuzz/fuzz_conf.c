/* An INI file of any bytes: read or refused with one line that names the file. */
#include <assert.h>
#include <stdio.h>

#include "conf/conf.h"

struct root {
	char *text;
	int64_t rate, time;
	bool on;
};

static struct root named;

static const struct conf_key keys[] = {
    {"tunnel", "text", CONF_STR, offsetof(struct root, text), NULL, 0, 0, 0, NULL},
    {"tunnel", "rate", CONF_RATE, offsetof(struct root, rate), "1M", 0, 0, 0, NULL},
    {"tunnel", "time", CONF_DURATION, offsetof(struct root, time), "1s", 1, 1000000000, 0, NULL},
    {"tunnel", "on", CONF_BOOL, offsetof(struct root, on), "yes", 0, 0, 0, NULL},
    {"listener *", "text", CONF_STR, offsetof(struct root, text), NULL, 0, 0, 0, NULL},
};

static void *section(void *root, const char *kind, const char *name, char *err, size_t cap)
{
	return &named;
}

static const struct conf_table table = {keys, ARRAY_LEN(keys), section};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct root root = {0};
	char err[CONF_ERR] = "";

	if (conf_defaults(&table, NULL, &root))
		return 0;
	int rc = conf_text(&table, &root, "f.ini", (const char *)data, n, err);
	assert(!rc == !*err);
	assert(!*err || str_starts(err, "f.ini"));
	conf_finish(&table, NULL, &root);
	conf_finish(&table, "listener *", &named);
	return 0;
}
