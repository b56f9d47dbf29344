/* conf: one table of keys is a tool's configuration. The INI file, the command line's -S section.key=value, the
 * defaults and the list printed by --keys all come from it; the man page is checked against it.
 *
 * A tool has one root struct. A key of a plain section ([tunnel]) is stored at its offset in the root. A section kind
 * declared with a trailing " *" ("listener *") is named in the file: [listener web]; for each name the table's
 * section() finds or makes the struct that the offsets of its keys are relative to.
 *
 * Errors are one line, "FILE:LINE: what is wrong", and nothing of a file that has one is used. libinih's traps are
 * kept outside: a line that is too long is an error, not cut; an indented line is an error; `;` and `#` begin a comment
 * only at the start of a line or after white space. */
#ifndef GEX_CONF_H
#define GEX_CONF_H

#include <stdio.h>

#include "base/base.h"

enum conf_type {
	CONF_STR,      /* char *, owned by the struct; conf_finish frees it */
	CONF_INT,      /* int64_t */
	CONF_BOOL,     /* bool */
	CONF_DURATION, /* int64_t us */
	CONF_SIZE,     /* int64_t bytes */
	CONF_RATE,     /* int64_t bit/s */
	CONF_FN,       /* by parse() */
};

#define CONF_RELOAD 1u /* a reload may change it */
#define CONF_SECRET 2u /* masked wherever it is shown */

#define CONF_ERR 512

struct conf_key {
	const char *section, *key;
	enum conf_type type;
	size_t off;
	const char *def;  /* as it would be written in the file; NULL: none (NULL, 0, false) */
	int64_t min, max; /* of numbers, inclusive, in the stored unit; both 0: any */
	unsigned flags;
	/* CONF_FN: stores value into base (+ off is up to it). Returns 0, or a negative errno with a reason in err
	 * (without file and line). May be called more than once for a key that adds to a list. */
	int (*parse)(void *base, const char *value, char *err, size_t cap);
};

struct conf_table {
	const struct conf_key *keys;
	size_t n;
	/* Finds or makes the struct for [kind name]; makes it with conf_defaults. NULL and a reason in err refuses. */
	void *(*section)(void *root, const char *kind, const char *name, char *err, size_t cap);
};

/* Sets every key of a section ("tunnel" or "listener *"; NULL: all plain sections) of base to its default. */
int conf_defaults(const struct conf_table *t, const char *section, void *base) MUST_USE;
/* Frees the strings of a section (NULL: of all plain ones). */
void conf_finish(const struct conf_table *t, const char *section, void *base);

/* Reads a file over what root holds. 0, or a negative errno with the line in err (CONF_ERR bytes). */
int conf_file(const struct conf_table *t, void *root, const char *path, char *err) MUST_USE;
/* The same from memory; name stands for the file in errors. The fuzzing target. */
int conf_text(const struct conf_table *t, void *root, const char *name, const char *text,
	      size_t len, char *err) MUST_USE;
/* One override: "section.key=value", or "kind.name.key=value" for a named section. */
int conf_set(const struct conf_table *t, void *root, const char *assignment, char *err) MUST_USE;
/* A copy of value in place of what a CONF_STR key has, for the flag that says the same. 0 or -ENOMEM. */
int conf_set_str(char **at, const char *value) MUST_USE;
/* Steps through a value that is a list, its items apart by commas or white space: 1 and the next item, 0 after the last,
 * -EINVAL for one that does not fit. */
int conf_list_next(const char **value, char *item, size_t cap);
/* "section.key<TAB>default" a line. */
void conf_print_keys(const struct conf_table *t, FILE *f);

/* ---- the command line (conf/cli.c): the flags that every tool has, and the tool's own ---- */

struct conf_flag {
	char letter;	  /* 0: long form only */
	const char *name; /* long form */
	const char *arg;  /* name of its argument in the help, NULL: takes none */
	const char *help;
	/* Stores into root; value is NULL when arg is. Returns 0 or a negative errno with a reason in err. */
	int (*set)(void *root, const char *value, char *err, size_t cap);
};

struct conf_cli {
	const char *tool;     /* "gex-listen" */
	const char *synopsis; /* the line after "usage: " */
	const char *summary;  /* one sentence */
	const struct conf_table *table;
	const struct conf_flag *flags;
	size_t nflags;
};

struct conf_common {
	bool test;	     /* -t: check and exit */
	const char *metrics; /* -m ADDR, into argv; NULL: none */
	int ready_fd;	     /* --ready-fd N, or -1 */
	const char *file;    /* -c FILE */
};

/* Sets defaults, reads the file, then flags and -S in their order (so the command line wins). Sets up log. Returns -1 to
 * go on, or the status to exit with at once (after -h, -V, --keys: 0; EX_USAGE; EX_CONFIG), its message printed. Operands
 * (anything not a flag) are refused. */
int conf_cli(const struct conf_cli *c, void *root, int argc, char **argv,
	     struct conf_common *out) MUST_USE;

#endif
