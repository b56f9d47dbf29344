#include "conf/conf.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>

/* Where in the file a value stands, and what became of it. */
struct reading {
	const struct conf_table *table;
	void *root;
	const char *name;
	const char *p, *end;
	int line;
	int rc; /* the first error; the rest is then only skipped */
	char *err;
};

/* libinih 55 cuts lines at 200 bytes silently; ours are refused before it sees them. */
#define LINE_MAX_ 190

static int fail(struct reading *r, int rc, const char *fmt, ...) PRINTF(3, 4);
static int fail(struct reading *r, int rc, const char *fmt, ...)
{
	char why[CONF_ERR - 128];
	va_list ap;

	if (r->rc)
		return r->rc;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (r->line)
		snprintf(r->err, CONF_ERR, "%s:%d: %s", r->name, r->line, why);
	else
		snprintf(r->err, CONF_ERR, "%s: %s", r->name, why);
	return r->rc = rc;
}

static bool named(const char *section)
{
	size_t n = strlen(section);

	return n > 2 && !strcmp(section + n - 2, " *");
}

/* "listener *" for the kind "listener". */
static bool of_kind(const char *section, const char *kind, size_t n)
{
	return named(section) && strlen(section) == n + 2 && !strncmp(section, kind, n);
}

static const char *type_name(enum conf_type t)
{
	static const char *const names[] = {"text",
					    "a whole number",
					    "yes or no",
					    "a duration such as 500ms or 10s",
					    "a size such as 64k or 16M",
					    "a rate such as 800k or 2.8M",
					    "a value"};
	return names[t];
}

static int parse_number(const struct conf_key *k, const char *v, int64_t *n)
{
	return k->type == CONF_INT	  ? num_int(v, n)
	       : k->type == CONF_DURATION ? num_duration(v, n)
	       : k->type == CONF_SIZE	  ? num_size(v, n)
					  : num_rate(v, n);
}

static int store_number(const struct conf_key *k, void *at, const char *v, char *err, size_t cap)
{
	int64_t n = 0;
	int rc = parse_number(k, v, &n);

	if (rc == -EINVAL)
		snprintf(err, cap, "%s = %s: not %s", k->key, v, type_name(k->type));
	else if (rc || ((k->min || k->max) && (n < k->min || n > k->max)))
		snprintf(err, cap, "%s = %s: out of range", k->key, v);
	else
		*(int64_t *)at = n;
	return *err ? -EINVAL : 0;
}

int conf_set_str(char **at, const char *value)
{
	char *copy = str_ndup(value, strlen(value));

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

int conf_list_next(const char **value, char *item, size_t cap)
{
	const char *p = *value + strspn(*value, ", \t");
	size_t n = strcspn(p, ", \t");

	if (n >= cap)
		return -EINVAL;
	memcpy(item, p, n);
	item[n] = 0;
	*value = p + n;
	return n > 0;
}

static int store(const struct conf_key *k, void *base, const char *v, char *err, size_t cap)
{
	void *at = (char *)base + k->off;

	*err = 0;
	switch (k->type) {
	case CONF_FN:
		return k->parse(base, v, err, cap);
	case CONF_STR:
		if (conf_set_str(at, v)) {
			snprintf(err, cap, "out of memory");
			return -ENOMEM;
		}
		return 0;
	case CONF_BOOL:
		if (num_bool(v, at)) {
			snprintf(err, cap, "%s = %s: not yes or no", k->key, v);
			return -EINVAL;
		}
		return 0;
	default:
		return store_number(k, at, v, err, cap);
	}
}

static bool in_section(const struct conf_key *k, const char *section)
{
	return section ? !strcmp(k->section, section) : !named(k->section);
}

int conf_defaults(const struct conf_table *t, const char *section, void *base)
{
	char err[CONF_ERR];

	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *k = &t->keys[i];

		if (!in_section(k, section) || !k->def)
			continue;
		int rc = store(k, base, k->def, err, sizeof(err));
		if (rc)
			return rc;
	}
	return 0;
}

void conf_finish(const struct conf_table *t, const char *section, void *base)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *k = &t->keys[i];

		if (k->type == CONF_STR && in_section(k, section)) {
			char **at = (char **)((char *)base + k->off);

			free(*at);
			*at = NULL;
		}
	}
}

static bool known_section(const struct conf_table *t, const char *section, size_t kind_len)
{
	for (size_t i = 0; i < t->n; i++)
		if (kind_len ? of_kind(t->keys[i].section, section, kind_len)
			     : !strcmp(t->keys[i].section, section))
			return true;
	return false;
}

static const struct conf_key *find_key(const struct conf_table *t, const char *section,
				       size_t kind_len, const char *key)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *k = &t->keys[i];
		bool here = kind_len ? of_kind(k->section, section, kind_len)
				     : !strcmp(k->section, section);

		if (here && !strcmp(k->key, key))
			return k;
	}
	return NULL;
}

/* The struct that keys of this section are stored in; NULL after fail(). kind_len > 0: section begins with the kind, name
 * follows. */
static void *open_section(struct reading *r, const char *section, size_t kind_len, const char *name)
{
	const struct conf_table *t = r->table;
	char why[256] = "";

	if (!known_section(t, section, kind_len)) {
		fail(r, -EINVAL, "unknown section [%s]", section);
		return NULL;
	}
	if (!kind_len)
		return r->root;
	char *kind = str_ndup(section, kind_len);
	void *base = kind ? t->section(r->root, kind, name, why, sizeof(why)) : NULL;
	free(kind);
	if (!base)
		fail(r, -EINVAL, "[%s]: %s", section, *why ? why : "out of memory");
	return base;
}

/* One assignment, from the file or the command line. */
static int assign(struct reading *r, const char *section, size_t kind_len, const char *name,
		  const char *key, const char *value)
{
	char why[256] = "";
	void *base = open_section(r, section, kind_len, name);

	if (!base)
		return r->rc;
	const struct conf_key *k = find_key(r->table, section, kind_len, key);
	if (!k)
		return fail(r, -EINVAL, "unknown key \"%s\" in [%s]", key, section);
	int rc = store(k, base, value, why, sizeof(why));
	return rc ? fail(r, rc, "%s", *why ? why : strerror(-rc)) : 0;
}

static int on_value(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;
	const char *space = strchr(section, ' ');

	if (r->rc)
		return 0;
	if (!*section)
		fail(r, -EINVAL, "\"%s\" stands before the first [section]", key);
	else if (space && space[1])
		assign(r, section, (size_t)(space - section), space + 1, key, value);
	else
		assign(r, section, 0, NULL, key, value);
	return !r->rc;
}

/* Takes the comment off: ; and # at the start or after white space. libinih would do the first of them only for ; and also
 * inside an URL that a blank happens to precede; here both are one rule. */
static void cut_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if ((*p == ';' || *p == '#') && (p == s || isspace((unsigned char)p[-1]))) {
			*p = 0;
			return;
		}
	}
}

/* Is the line one that libinih 55 reads in a way of its own? */
static void check_line(struct reading *r, const char *s, size_t n)
{
	bool blank = true;

	for (size_t i = 0; i < n; i++) {
		if (!s[i]) {
			fail(r, -EINVAL, "a NUL byte: not a text file");
			return;
		}
		blank &= isspace((unsigned char)s[i]) != 0;
	}
	if (n > LINE_MAX_)
		fail(r, -EINVAL, "line of %zu bytes, %d at most", n, LINE_MAX_);
	else if (!blank && isspace((unsigned char)*s))
		fail(r, -EINVAL, "indented line");
}

/* Opened here and not at its first key: libinih does not tell of a section without one. */
static void check_section(struct reading *r, const char *s)
{
	const char *close = strchr(s, ']');

	if (!close || close[1 + strspn(close + 1, " \t\r\n")]) {
		fail(r, -EINVAL, "a section line is [NAME] alone");
		return;
	}
	if (close == s + 1) {
		fail(r, -EINVAL, "section without a name");
		return;
	}
	char *section = str_ndup(s + 1, (size_t)(close - s - 1));
	if (!section) {
		fail(r, -ENOMEM, "out of memory");
		return;
	}
	const char *space = strchr(section, ' ');
	bool has_name = space && space[1];
	open_section(r, section, has_name ? (size_t)(space - section) : 0,
		     has_name ? space + 1 : NULL);
	free(section);
}

/* What is neither a section nor "key = value" is told here, where the line is still whole. */
static void check_form(struct reading *r, const char *s)
{
	if (!*s || r->rc)
		return;
	if (*s == '[') {
		check_section(r, s);
	} else if (!strpbrk(s, "=:") || *s == '=' || *s == ':') {
		fail(r, -EINVAL, "not \"key = value\": %.60s", s);
	}
}

/* The reader that libinih calls for each line. */
static char *next_line(char *out, int cap, void *stream)
{
	struct reading *r = stream;

	if (r->p == r->end || r->rc)
		return NULL;
	const char *nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
	size_t n = (size_t)((nl ? nl : r->end) - r->p);
	const char *s = r->p;

	r->p = nl ? nl + 1 : r->end;
	r->line++;
	check_line(r, s, n);
	if (r->rc || n + 2 > (size_t)cap)
		return NULL;
	memcpy(out, s, n);
	out[n] = 0;
	cut_comment(out);
	while (n && (n = strlen(out)) && isspace((unsigned char)out[n - 1]))
		out[n - 1] = 0;
	check_form(r, out);
	if (r->rc)
		return NULL;
	strcat(out, "\n");
	return out;
}

int conf_text(const struct conf_table *t, void *root, const char *name, const char *text,
	      size_t len, char *err)
{
	struct reading r = {
	    .table = t, .root = root, .name = name, .p = text, .end = text + len, .err = err};

	if (len >= 3 &&
	    !memcmp(text, "\xef\xbb\xbf", 3)) /* a byte order mark of a Windows editor */
		r.p += 3;
	int rc = ini_parse_stream(next_line, &r, on_value, &r);
	if (rc && !r.rc)
		fail(&r, rc < 0 ? -ENOMEM : -EINVAL, "cannot be read as an INI file");
	return r.rc;
}

int conf_file(const struct conf_table *t, void *root, const char *path, char *err)
{
	struct reading r = {.name = path, .err = err};
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t len = 0, cap = 0;

	if (!f)
		return fail(&r, -errno, "%s", strerror(errno));
	while (!ferror(f) && !feof(f) && len <= 1024 * 1024) {
		if (len == cap) {
			char *more = realloc(text, cap = cap ? cap * 2 : 4096);

			if (!more)
				break;
			text = more;
		}
		len += fread(text + len, 1, cap - len, f);
	}
	int rc = 0;
	if (ferror(f))
		rc = fail(&r, -errno, "%s", strerror(errno));
	else if (!feof(f))
		rc = fail(&r, -EFBIG, "larger than 1 MB: not a configuration");
	fclose(f);
	if (!rc)
		rc = conf_text(t, root, path, text, len, err);
	free(text);
	return rc;
}

int conf_set(const struct conf_table *t, void *root, const char *assignment, char *err)
{
	struct reading r = {.table = t, .root = root, .name = "-S", .err = err};
	const char *eq = strchr(assignment, '='), *dot = strchr(assignment, '.');

	if (!eq || !dot || dot > eq)
		return fail(&r, -EINVAL, "%s: not section.key=value", assignment);
	const char *last = dot;
	for (const char *p = dot; p < eq; p++)
		if (*p == '.')
			last = p;
	char *section = str_ndup(assignment, (size_t)(last - assignment));
	char *key = str_ndup(last + 1, (size_t)(eq - last - 1));
	int rc = -ENOMEM;
	if (section && key) {
		size_t kind = last > dot ? (size_t)(dot - assignment) : 0;

		if (kind)
			section[kind] = ' ';
		rc = assign(&r, section, kind, kind ? section + kind + 1 : NULL, key, eq + 1);
	}
	free(section);
	free(key);
	return rc;
}

void conf_print_keys(const struct conf_table *t, FILE *f)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *k = &t->keys[i];

		fprintf(f, "%s.%s\t%s\n", k->section, k->key, k->def ? k->def : "");
	}
}
