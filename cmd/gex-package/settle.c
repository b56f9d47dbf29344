/* From what the file and the command line say to what each stream has. */
#include <errno.h>
#include <stdio.h>

#include "keys.h"
#include "os/os.h"
#include "origin.h"

/* ---- one stream ---- */

static size_t size_of(enum conf_type t)
{
	return t == CONF_STR ? sizeof(char *) : t == CONF_BOOL ? sizeof(bool) : sizeof(int64_t);
}

/* The members that [stream NAME] may say. */
static bool is_stream_key(const struct conf_key *k)
{
	return !strcmp(k->section, "stream *") && k->type != CONF_FN;
}

/* What was not said is NULL, or all bits set, which no number in its range is. */
static bool is_said(const struct conf_key *k, const struct package_conf *c)
{
	const uint8_t *at = (const uint8_t *)c + k->off;

	for (size_t i = 0; i < size_of(k->type); i++)
		if (at[i] != (k->type == CONF_STR ? 0 : 0xff))
			return true;
	return false;
}

struct package_conf *package_conf_create(const struct conf_table *t, const char *name)
{
	struct package_conf *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		if (is_stream_key(&t->keys[i]) && t->keys[i].type != CONF_STR)
			memset((uint8_t *)c + t->keys[i].off, 0xff, size_of(t->keys[i].type));
	c->name = str_ndup(name, strlen(name));
	if (!c->name) {
		free(c);
		return NULL;
	}
	return c;
}

void package_conf_free(const struct conf_table *t, struct package_conf *c)
{
	if (!c)
		return;
	conf_finish(t, "stream *", c);
	free(c->name);
	free(c);
}

/* Takes from d what c does not say; an input is nobody else's. */
static int inherit(const struct conf_table *t, struct package_conf *c, const struct package_conf *d)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *k = &t->keys[i];
		void *at = (uint8_t *)c + k->off;
		const void *from = (const uint8_t *)d + k->off;

		if (!is_stream_key(k) || !strcmp(k->key, "input") || is_said(k, c))
			continue;
		if (k->type != CONF_STR)
			memcpy(at, from, size_of(k->type));
		else if (*(char *const *)from && conf_set_str(at, *(char *const *)from))
			return -ENOMEM;
	}
	return 0;
}

static bool differs(const struct conf_key *k, const struct package_conf *a,
		    const struct package_conf *b)
{
	const void *x = (const uint8_t *)a + k->off, *y = (const uint8_t *)b + k->off;

	if (k->type != CONF_STR)
		return memcmp(x, y, size_of(k->type)) != 0;
	const char *s = *(char *const *)x, *z = *(char *const *)y;
	return strcmp(s ? s : "", z ? z : "") != 0;
}

unsigned package_conf_changes(const struct conf_table *t, const struct package_conf *a,
			      const struct package_conf *b)
{
	unsigned changes = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *k = &t->keys[i];

		if (!is_stream_key(k) || !differs(k, a, b))
			continue;
		changes |= !strcmp(k->key, "input") ? CHANGED_INPUT
			   : k->flags & CONF_RELOAD ? CHANGED_LIMITS
						    : CHANGED_FORM;
	}
	return changes;
}

bool package_name_fits(const char *n)
{
	return *n && strlen(n) <= PACKAGE_NAME_MAX &&
	       strspn(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		   strlen(n);
}

#define KEYS_MAX 16384

int package_access(const struct package_conf *c, struct access **out, char *err)
{
	bool by_token = c->access_keys && *c->access_keys;
	char text[KEYS_MAX], why[HTTP_ERR] = "";
	int rc = 0;

	*out = NULL;
	if (!by_token && !(c->allow && *c->allow) && !(c->deny && *c->deny))
		return 0;
	if (by_token) {
		rc = os_read_secret(c->access_keys, text, sizeof(text));
		if (rc) {
			snprintf(err, HTTP_ERR, "%.128s: %s", c->access_keys,
				 rc == -EPERM ? "others can read it: chmod 600" : strerror(-rc));
			return rc;
		}
	}
	rc = access_create(out, by_token ? text : NULL, c->allow, c->deny, why);
	if (rc)
		snprintf(err, HTTP_ERR, "access: %.200s", why);
	os_wipe(text, sizeof(text));
	return rc;
}

static int check_input(const struct package_conf *c, char *err)
{
	struct stream_url url;
	int rc;

	if (!c->input || !*c->input) {
		snprintf(err, MEDIA_ERR, "no input");
		return -EINVAL;
	}
	rc = stream_url_parse(&url, c->input, err);
	stream_url_finish(&url);
	return rc;
}

static int check_package(const struct package_conf *c, char *err, size_t cap)
{
	char why[MAX(HTTP_ERR, MEDIA_ERR)] = "";
	struct access *access = NULL;
	struct cmaf_conf form;
	int rc = check_input(c, why);

	if (!rc && (c->part_us > c->segment_us || c->chunk_us > c->part_us)) {
		snprintf(why, sizeof(why),
			 "chunk must be no longer than part, and part no longer than segment");
		rc = -EINVAL;
	}
	if (!rc)
		rc = package_access(c, &access, why);
	access_destroy(access);
	if (!rc)
		rc = package_captions(c, &form, why);
	if (!rc)
		rc = keys_conf_check(c, why, sizeof(why));
	if (rc)
		snprintf(err, cap, "%s", why);
	return rc;
}

/* ---- all ---- */

static int check_listen(const struct origin_conf *c, char *err, size_t cap)
{
	const char *list = c->listen;
	char addr[256], why[HTTP_ERR] = "";
	bool tls, any_tls = false;
	int rc, n = 0;

	while ((rc = conf_list_next(&list, addr, sizeof(addr))) > 0) {
		rc = http_addr_check(addr, &tls, why);
		if (rc)
			break;
		any_tls |= tls;
		n++;
	}
	if (rc) {
		snprintf(err, cap, "%s", *why ? why : "listen: an address that is too long");
	} else if (!n) {
		snprintf(err, cap, "nowhere to serve: -l http://HOST:PORT, or listen in [http]");
		rc = -EINVAL;
	} else if (any_tls && (!c->certificate || !c->key)) {
		snprintf(err, cap, "https needs certificate and key in [http]");
		rc = -EINVAL;
	} else if (c->certificate && c->key) {
		rc = http_certificate_check(c->certificate, c->key, why);
		snprintf(err, cap, "%s", why);
	}
	return rc;
}

/* The one of [package] and -i becomes the first of the streams. */
static int add_first(struct origin_conf *c, char *err, size_t cap)
{
	struct package_conf *s;

	if (!c->package.input)
		return 0;
	if (!package_name_fits(c->package.name)) {
		snprintf(err, cap, "name '%.64s': letters, digits, - and _ only, %d at most",
			 c->package.name, PACKAGE_NAME_MAX);
		return -EINVAL;
	}
	s = package_conf_create(&origin_table, c->package.name);
	if (!s)
		return -ENOMEM;
	if (conf_set_str(&s->input, c->package.input) || vec_push(&c->streams, s)) {
		package_conf_free(&origin_table, s);
		return -ENOMEM;
	}
	memmove(&c->streams.at[1], &c->streams.at[0], (c->streams.len - 1) * sizeof(s));
	c->streams.at[0] = s;
	return 0;
}

/* Of a name, and of standard input, there is one. */
static int check_twins(const struct origin_conf *c, size_t i, char *err, size_t cap)
{
	const struct package_conf *a = c->streams.at[i];

	for (size_t k = 0; k < i; k++) {
		const struct package_conf *b = c->streams.at[k];

		if (!strcmp(a->name, b->name))
			snprintf(err, cap, "two streams have the name %s", a->name);
		else if (a->input && b->input && !strcmp(a->input, "-") && !strcmp(b->input, "-"))
			snprintf(err, cap, "both %s and %s would read standard input", b->name,
				 a->name);
		else
			continue;
		return -EINVAL;
	}
	return 0;
}

static int settle_stream(struct origin_conf *c, size_t i, char *err, size_t cap)
{
	struct package_conf *s = c->streams.at[i];
	char why[CONF_ERR - PACKAGE_NAME_MAX - 16] = "";
	int rc = inherit(&origin_table, s, &c->package);

	if (!rc)
		rc = check_twins(c, i, err, cap);
	if (!rc && (rc = check_package(s, why, sizeof(why)))) {
		if (i || !c->package.input)
			snprintf(err, cap, "[stream %s]: %s", s->name, why);
		else
			snprintf(err, cap, "%s", why);
	}
	return rc;
}

/* When all could hold more than [process] allows, each may hold the same part of what it was promised. */
static void share_memory(struct origin_conf *c)
{
	double sum = 0;

	for (size_t i = 0; i < c->streams.len; i++)
		sum += (double)c->streams.at[i]->memory;
	for (size_t i = 0; c->memory && sum > (double)c->memory && i < c->streams.len; i++) {
		struct package_conf *s = c->streams.at[i];

		s->memory = (int64_t)((double)s->memory * ((double)c->memory / sum));
	}
}

int origin_settle(struct origin_conf *c, char *err, size_t cap)
{
	char why[HTTP_ERR] = "";
	int rc = add_first(c, err, cap);

	if (!rc && !c->streams.len) {
		snprintf(err, cap, "no input: -i URL, input in [package], or a [stream NAME]");
		rc = -EINVAL;
	}
	for (size_t i = 0; !rc && i < c->streams.len; i++)
		rc = settle_stream(c, i, err, cap);
	if (!rc)
		rc = check_listen(c, err, cap);
	if (!rc && (rc = http_trust_check(c->trusted, c->forwarded, why)))
		snprintf(err, cap, "%s", why);
	if (!rc)
		share_memory(c);
	if (rc && !*err)
		snprintf(err, cap, "%s", strerror(-rc));
	return rc;
}

void origin_conf_finish(struct origin_conf *c)
{
	struct package_conf **at;

	vec_for (at, &c->streams)
		package_conf_free(&origin_table, *at);
	vec_free(&c->streams);
	conf_finish(&origin_table, NULL, c);
}
