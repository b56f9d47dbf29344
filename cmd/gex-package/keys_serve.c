/* What players get: one key, or a license of ClearKey. */
#include <stdio.h>

#include "cmaf/license.h"
#include "dvr.h"
#include "keys.h"
#include "os/os.h"
#include "package.h"

#define PAST 256 /* keys of the past in a license, the newest */

static void answer(struct http_request *r, const void *data, size_t n, const char *type)
{
	struct buf *b = buf_copy(data, n);

	if (!b) {
		http_reply_status(r, 503);
		return;
	}
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = type,
					    .cache = "no-store",
					    .body = &(struct slice){b, 0, b->len},
					    .n = 1});
	buf_unref(b);
}

/* NULL: there is none of that id. */
static const uint8_t *find(const struct package *p, const uint8_t kid[16])
{
	const struct cmaf_key *k = p->cmaf ? cmaf_key_find(p->cmaf, kid) : NULL;
	const struct cmaf_secret *s = !k && p->dvr ? dvr_keys_find(p->dvr, kid) : NULL;

	return k ? k->key : s ? s->key : NULL;
}

static void send_key(const struct package *p, const char *name, struct http_request *r)
{
	uint8_t kid[16];
	const uint8_t *key = cmaf_secret_kid(name, kid) ? find(p, kid) : NULL;

	if (key)
		answer(r, key, 16, "application/octet-stream");
	else
		http_reply(r, &(struct http_answer){.status = 404, .cache = "no-store"});
}

/* ---- licenses ---- */

#define JWK 96
struct license {
	char text[(CMAF_KEYS + PAST) * JWK + 64];
	size_t n;
	int keys;
};

static void begin(struct license *l)
{
	l->keys = 0;
	l->n = (size_t)snprintf(l->text, sizeof(l->text), "{\"keys\":[");
}

static void add(struct license *l, const uint8_t kid[16], const uint8_t key[16])
{
	char id[23], k[23];

	cmaf_secret_text(kid, id);
	cmaf_secret_text(key, k);
	l->n += (size_t)snprintf(l->text + l->n, sizeof(l->text) - l->n,
				 "%s{\"kty\":\"oct\",\"kid\":\"%s\",\"k\":\"%s\"}",
				 l->keys++ ? "," : "", id, k);
	os_wipe(k, sizeof(k));
}

static void finish(struct license *l, struct http_request *r)
{
	l->n +=
	    (size_t)snprintf(l->text + l->n, sizeof(l->text) - l->n, "],\"type\":\"temporary\"}");
	answer(r, l->text, l->n, "application/json");
	os_wipe(l->text, l->n);
}

static void send_all(const struct package *p, struct http_request *r)
{
	struct license l;
	size_t n = p->dvr ? p->dvr->keys.s.len : 0;

	begin(&l);
	for (int i = 0; p->cmaf && i < p->cmaf->nkeys; i++)
		add(&l, p->cmaf->key[i]->kid, p->cmaf->key[i]->key);
	for (size_t i = n > PAST ? n - PAST : 0; i < n; i++) {
		const struct cmaf_secret *s = &p->dvr->keys.s.at[i];

		if (!p->cmaf || !cmaf_key_find(p->cmaf, s->kid))
			add(&l, s->kid, s->key);
	}
	finish(&l, r);
}

/* Those of a request that there are. With none of them players learn nothing, so it is an error that says what is wrong. */
static void send_asked(const struct package *p, struct http_request *r)
{
	uint8_t kid[LICENSE_KIDS][16];
	struct license l;
	int n = license_read(r->body ? r->body : "", r->body_n, kid);

	begin(&l);
	for (int i = 0; i < n; i++) {
		const uint8_t *key = find(p, kid[i]);

		if (key)
			add(&l, kid[i], key);
	}
	if (n >= 0 && l.keys)
		finish(&l, r);
	else
		http_reply(r,
			   &(struct http_answer){.status = n < 0 ? 400 : 404, .cache = "no-store"});
}

static bool has_keys(const struct package *p)
{
	return (p->keys || (p->dvr && p->dvr->keys.s.len)) && !p->conf->encryption_uri;
}

size_t keys_body_max(const struct package *p, const char *path)
{
	return has_keys(p) && !strcmp(path, "license") ? LICENSE_MAX : 0;
}

bool keys_serve(struct package *p, const char *path, struct http_request *r)
{
	bool license = !strcmp(path, "license"), past = p->dvr && p->dvr->keys.s.len;

	if (!has_keys(p) || (!license && !str_starts(path, "key/")))
		return false;
	if (!p->cmaf && !past)
		http_reply(r, &(struct http_answer){
				  .status = 503, .cache = "no-store", .retry_after_s = 1});
	else if (license && r->method == HTTP_POST)
		send_asked(p, r);
	else if (license)
		send_all(p, r);
	else
		send_key(p, path + strlen("key/"), r);
	return true;
}
