#include "keys.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "log/log.h"
#include "loop/loop.h"
#include "media/fetch.h"
#include "os/os.h"
#include "package.h"

#define LEAD_US \
	(30 * \
	 SEC_US) /* a key is got, and announced, that long before its turn; two turns at most */
#define LATE_US (10 * SEC_US) /* what comes may be that old */
#define NOTICE_S 12	      /* more than the MPD's minimumUpdatePeriod */
#define FETCH_US (5 * SEC_US)
#define RETRY_US (30 * SEC_US) /* at the latest; the first is after one second */
#define FILE_KEYS 256
#define FILE_MAX 32768
#define ANSWER_MAX 4096
#define KEPT (CMAF_KEYS - 8)

struct granted {
	int64_t turn;
	struct cmaf_secret secret;
};

/* A request to the key server, on a thread of its own. */
struct fetch {
	struct keys *k; /* NULL: they are gone */
	struct loop *loop;
	pthread_t thread;
	_Atomic bool cancel;
	int64_t turn;
	char *url, *authorization;
	ssize_t n; /* of data; negative: it failed, and err says why */
	uint8_t data[ANSWER_MAX];
	char err[MEDIA_ERR];
};

struct keys {
	const struct package_conf *conf;
	struct loop *loop;
	struct cmaf_secret file[FILE_KEYS];
	int nfile;
	struct granted granted[KEPT]; /* by their turns */
	int n, told;		      /* told: how many of them the presentation has had */
	bool fresh;		      /* the presentation has had none */
	struct fetch *fetch;	      /* under way */
	int64_t retry_at_us, retry_us, failures;
	bool late;
};

/* ---- configuration ---- */

enum cmaf_scheme keys_scheme(const struct package_conf *c)
{
	const char *s = c->encryption;

	return !s || !strcmp(s, "none") ? CMAF_CLEAR : !strcmp(s, "cbcs") ? CMAF_CBCS : CMAF_AES128;
}

/* 0 for a word that is none. */
static unsigned read_formats(const char *list)
{
	unsigned formats = 0;
	char word[16];
	int rc;

	while ((rc = conf_list_next(&list, word, sizeof(word))) > 0) {
		if (!strcmp(word, "identity"))
			formats |= CMAF_IDENTITY;
		else if (!strcmp(word, "clearkey"))
			formats |= CMAF_CLEARKEY;
		else
			return 0;
	}
	return rc ? 0 : formats;
}

unsigned keys_formats(const struct package_conf *c)
{
	return read_formats(c->encryption_formats ? c->encryption_formats : "");
}

static int read_file(const char *path, struct cmaf_secret out[FILE_KEYS], char *err, size_t cap)
{
	char text[FILE_MAX];
	int line, rc = os_read_secret(path, text, sizeof(text));

	if (rc) {
		snprintf(err, cap, "%.128s: %s", path,
			 rc == -EPERM ? "others can read it: chmod 600" : strerror(-rc));
		return rc;
	}
	rc = cmaf_secrets_parse(text, out, FILE_KEYS, &line);
	os_wipe(text, sizeof(text));
	if (rc == -EEXIST)
		snprintf(err, cap, "%.128s:%d: the same key id twice", path, line);
	else if (rc == -E2BIG)
		snprintf(err, cap, "%.128s: more than %d keys", path, FILE_KEYS);
	else if (rc < 0 && line)
		snprintf(err, cap, "%.128s:%d: no KID:KEY of 32 hexadecimal digits each", path,
			 line);
	else if (rc < 0)
		snprintf(err, cap, "%.128s: no key in it", path);
	return rc;
}

static int check_file(const struct package_conf *c, char *err, size_t cap)
{
	struct cmaf_secret *s = calloc(FILE_KEYS, sizeof(*s));
	int n = s ? read_file(c->encryption_keys, s, err, cap) : -ENOMEM;

	if (s)
		os_wipe(s, FILE_KEYS * sizeof(*s));
	free(s);
	if (n == 1 && c->encryption_rotate_us) {
		snprintf(err, cap, "%.128s: one key, so none to change to by encryption_rotate",
			 c->encryption_keys);
		return -EINVAL;
	}
	return n < 0 ? n : 0;
}

static bool is_http(const char *url)
{
	return str_starts(url, "http://") || str_starts(url, "https://");
}

/* A quotation mark or a line's end would end the address in a playlist. */
static bool is_address(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s == '"' || *s == 0x7f)
			return false;
	return true;
}

static int refuse(char *err, size_t cap, const char *why)
{
	snprintf(err, cap, "%s", why);
	return -EINVAL;
}

int keys_conf_check(const struct package_conf *c, char *err, size_t cap)
{
	const char *s = c->encryption ? c->encryption : "none";

	if (strcmp(s, "none") && strcmp(s, "cbcs") && strcmp(s, "aes-128"))
		return refuse(err, cap, "encryption: none, cbcs or aes-128");
	if (keys_scheme(c) == CMAF_CLEAR)
		return 0;
	if ((c->dvr && *c->dvr) || (c->vod && *c->vod))
		return refuse(err, cap, "encryption: not together with dvr or vod");
	if (!c->encryption_keys == !c->encryption_url)
		return refuse(err, cap, "encryption wants encryption_keys or encryption_url");
	if (c->encryption_url && (!is_http(c->encryption_url) || !is_address(c->encryption_url)))
		return refuse(err, cap, "encryption_url: http:// or https://");
	if (c->encryption_uri && !is_address(c->encryption_uri))
		return refuse(err, cap, "encryption_uri: no address");
	if (!keys_formats(c))
		return refuse(err, cap, "encryption_formats: identity, clearkey or both");
	if (c->encryption_rotate_us &&
	    c->encryption_rotate_us < (2 * c->window_us + 2 * LEAD_US) / (KEPT / 2))
		return refuse(err, cap, "encryption_rotate: too short for so long a window");
	return c->encryption_keys ? check_file(c, err, cap) : 0;
}

/* ---- turns ---- */

static int64_t turn_of(const struct keys *k, int64_t utc_us)
{
	int64_t rotate = k->conf->encryption_rotate_us;

	return rotate ? base_floor_div(utc_us, rotate) : 0;
}

/* The first segment that begins in a turn. */
static int64_t first_of(const struct keys *k, const struct cmaf *c, int64_t turn)
{
	return cmaf_grid_number(&c->grid, SEC_US, turn * k->conf->encryption_rotate_us - 1) + 1;
}

static void drop_oldest(struct keys *k)
{
	os_wipe(&k->granted[0], sizeof(k->granted[0]));
	k->n--;
	k->told = MAX(0, k->told - 1);
	memmove(k->granted, k->granted + 1, (size_t)k->n * sizeof(*k->granted));
}

/* The key of a turn. -EEXIST: another one had its id. */
static int grant(struct keys *k, int64_t turn, const struct cmaf_secret *s)
{
	struct granted *last = k->n ? &k->granted[k->n - 1] : NULL;

	for (int i = 0; i < k->n; i++)
		if (!memcmp(k->granted[i].secret.kid, s->kid, 16) &&
		    memcmp(k->granted[i].secret.key, s->key, 16))
			return -EEXIST;
	if (last && !memcmp(last->secret.kid, s->kid, 16)) {
		last->turn = turn; /* it stays */
		return 0;
	}
	if (k->n == KEPT)
		drop_oldest(k);
	k->granted[k->n++] = (struct granted){turn, *s};
	return 0;
}

/* ---- the key server ---- */

static void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	if (f->authorization)
		os_wipe(f->authorization, strlen(f->authorization));
	free(f->authorization);
	free(f->url);
	os_wipe(f->data, sizeof(f->data));
	free(f);
}

static void failed(struct keys *k, const char *why)
{
	static struct log_limit limit;
	int64_t now = loop_now_us(k->loop);

	k->failures++;
	k->retry_us = CLAMP(2 * k->retry_us, SEC_US, RETRY_US);
	k->retry_at_us = now + k->retry_us;
	if (log_allow(&limit, 5, 60 * SEC_US, now))
		log_warn("keys", "%s: the key server: %s", k->conf->name, why);
}

static void take_answer(struct keys *k, const struct fetch *f)
{
	struct cmaf_secret s;

	if (f->n < 0) {
		failed(k, f->err);
	} else if (cmaf_secret_answer(f->data, (size_t)f->n, &s)) {
		failed(k, "its answer is no key");
	} else if (grant(k, f->turn, &s)) {
		failed(k, "another key under the same id");
	} else {
		k->retry_us = k->retry_at_us = 0;
		log_info("keys", "%s: a key from the key server", k->conf->name);
	}
	os_wipe(&s, sizeof(s));
}

static void on_fetched(void *arg)
{
	struct fetch *f = arg;

	if (f->k) {
		pthread_join(f->thread, NULL);
		f->k->fetch = NULL;
		take_answer(f->k, f);
	}
	fetch_free(f);
}

static void *run(void *arg)
{
	struct fetch *f = arg;

	os_thread_name("keys");
	f->n = media_fetch(f->url, f->authorization, &f->cancel, FETCH_US, f->data, sizeof(f->data),
			   f->err);
	if (loop_post(f->loop, on_fetched, f))
		log_debug("keys", "the loop has ended before the key server answered");
	return NULL;
}

static char *copy_of(const char *s)
{
	return str_ndup(s, strlen(s));
}

/* %n is the number of the turn. */
static char *url_of(const char *pattern, int64_t turn)
{
	const char *at = strstr(pattern, "%n");

	return at ? str_format("%.*s%lld%s", (int)(at - pattern), pattern, (long long)turn, at + 2)
		  : copy_of(pattern);
}

static char *authorization_of(const struct package_conf *c)
{
	char text[1024];
	char *copy = NULL;

	if (c->encryption_auth && !os_read_secret(c->encryption_auth, text, sizeof(text)) &&
	    !strpbrk(text, "\r\n"))
		copy = copy_of(text);
	os_wipe(text, sizeof(text));
	return copy;
}

static void start_fetch(struct keys *k, int64_t turn)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return;
	f->k = k;
	f->loop = k->loop;
	f->turn = turn;
	f->url = url_of(k->conf->encryption_url, turn);
	f->authorization = authorization_of(k->conf);
	if (k->conf->encryption_auth && !f->authorization)
		failed(k, "encryption_auth cannot be read");
	else if (!f->url || pthread_create(&f->thread, NULL, run, f))
		failed(k, "out of memory");
	else
		k->fetch = f;
	if (k->fetch != f)
		fetch_free(f);
}

/* ---- getting keys and passing them on ---- */

static void get_next(struct keys *k, int64_t utc)
{
	int64_t oldest = turn_of(k, utc - LATE_US);
	int64_t next = k->n ? MAX(k->granted[k->n - 1].turn + 1, oldest) : oldest;
	int64_t last = turn_of(k, utc + MIN(LEAD_US, 2 * k->conf->encryption_rotate_us));

	for (; next <= last && k->nfile; next++)
		(void)!grant(k, next, &k->file[(next % k->nfile + k->nfile) % k->nfile]);
	if (next <= last && !k->fetch && loop_now_us(k->loop) >= k->retry_at_us)
		start_fetch(k, next);
}

static int64_t next_free(const struct cmaf *c)
{
	int64_t next = INT64_MIN;

	for (int i = 0; i < c->n; i++) {
		const struct cmaf_segment *s = cmaf_last(c->track[i]);

		next = s ? MAX(next, s->number + 1) : next;
	}
	return next;
}

/* The first that c gets is the one of now, or the newest before; it holds from the beginning. */
static int first_told(const struct keys *k, int64_t utc)
{
	int i = k->n - 1;

	while (i > 0 && k->granted[i].turn > turn_of(k, utc - LATE_US))
		i--;
	return i;
}

/* In time a key begins with its turn; one that came late, when players of the MPD have had time to see it. */
static int64_t begins(const struct keys *k, const struct cmaf *c, int64_t turn)
{
	int64_t first = first_of(k, c, turn), next = next_free(c);

	return k->fresh	      ? INT64_MIN
	       : first < next ? next + base_scale(NOTICE_S, c->grid.d.den, c->grid.d.num) + 1
			      : first;
}

static void tell(struct keys *k, struct cmaf *c, int64_t utc)
{
	int rc = 0;

	if (k->fresh && k->n)
		k->told = first_told(k, utc);
	for (; k->told < k->n && !rc; k->told++) {
		const struct granted *g = &k->granted[k->told];
		uint8_t iv[16];

		/* Its time is over before it would begin. */
		if (!k->fresh && k->told + 1 < k->n && first_of(k, c, g[1].turn) <= next_free(c))
			continue;
		cmaf_secret_iv(g->secret.kid, iv);
		rc = cmaf_key(c, g->secret.kid, g->secret.key, iv, begins(k, c, g->turn));
		if (rc)
			return; /* the next tick tries again; the last key stays */
		k->fresh = false;
	}
}

static void note_late(struct keys *k)
{
	bool late = keys_late(k);

	if (late && !k->late)
		log_error("keys", "%s: %s", k->conf->name,
			  k->n ? "the key that it is time for has not come: the last one stays"
			       : "no key yet: nothing is packaged");
	else if (!late && k->late)
		log_info("keys", "%s: the key is there", k->conf->name);
	k->late = late;
}

void keys_tick(struct keys *k, struct cmaf *c)
{
	int64_t utc = os_utc_us();

	if (!k)
		return;
	get_next(k, utc);
	note_late(k);
	if (c)
		tell(k, c, utc);
}

void keys_forget(struct keys *k)
{
	if (!k)
		return;
	k->told = 0;
	k->fresh = true;
}

bool keys_late(const struct keys *k)
{
	return k && (!k->n || k->granted[k->n - 1].turn < turn_of(k, os_utc_us()));
}

int64_t keys_failures(const struct keys *k)
{
	return k ? k->failures : 0;
}

/* ---- making and ending ---- */

int keys_create(struct keys **out, const struct package_conf *conf, struct loop *l, char *err)
{
	struct keys *k;
	int rc = 0;

	*out = NULL;
	if (keys_scheme(conf) == CMAF_CLEAR)
		return 0;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->conf = conf;
	k->loop = l;
	k->fresh = true;
	if (conf->encryption_keys)
		rc = read_file(conf->encryption_keys, k->file, err, HTTP_ERR);
	if (rc < 0) {
		keys_destroy(k);
		return rc;
	}
	k->nfile = rc;
	*out = k;
	return 0;
}

void keys_take(struct keys *k, const struct package_conf *conf)
{
	if (k)
		k->conf = conf;
}

int keys_reload(struct keys *k, char *err)
{
	struct cmaf_secret *fresh;
	int n;

	if (!k || !k->conf->encryption_keys)
		return 0;
	fresh = calloc(FILE_KEYS, sizeof(*fresh));
	n = fresh ? read_file(k->conf->encryption_keys, fresh, err, HTTP_ERR) : -ENOMEM;
	if (n > 0) {
		memcpy(k->file, fresh, sizeof(k->file));
		k->nfile = n;
		if (!k->conf->encryption_rotate_us && k->n)
			(void)!grant(k, k->granted[k->n - 1].turn, &k->file[0]);
	}
	if (fresh)
		os_wipe(fresh, FILE_KEYS * sizeof(*fresh));
	free(fresh);
	return n < 0 ? n : 0;
}

void keys_destroy(struct keys *k)
{
	if (!k)
		return;
	if (k->fetch) { /* its answer is in the mailbox, and frees it */
		k->fetch->cancel = true;
		k->fetch->k = NULL;
		pthread_join(k->fetch->thread, NULL);
	}
	os_wipe(k, sizeof(*k));
	free(k);
}

/* ---- serving ---- */

void keys_send(const struct cmaf *c, const char *name, struct http_request *r)
{
	const struct cmaf_key *k = cmaf_key_find(c, name);
	struct buf *b = k ? buf_copy(k->key, sizeof(k->key)) : NULL;

	if (!b) {
		http_reply(r, &(struct http_answer){.status = k ? 503 : 404, .cache = "no-store"});
		return;
	}
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = "application/octet-stream",
					    .cache = "no-store",
					    .body = &(struct slice){b, 0, b->len},
					    .n = 1});
	buf_unref(b);
}

void keys_send_license(const struct cmaf *c, struct http_request *r)
{
	char text[CMAF_KEYS * 96 + 64], kid[23], key[23];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"keys\":[");

	for (int i = 0; i < c->nkeys; i++) {
		cmaf_secret_text(c->key[i]->kid, kid);
		cmaf_secret_text(c->key[i]->key, key);
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "%s{\"kty\":\"oct\",\"kid\":\"%s\",\"k\":\"%s\"}",
				      i ? "," : "", kid, key);
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "],\"type\":\"temporary\"}");
	struct buf *b = buf_copy(text, n);
	os_wipe(text, sizeof(text));
	os_wipe(key, sizeof(key));
	if (!b) {
		http_reply_status(r, 503);
		return;
	}
	http_reply(r, &(struct http_answer){.status = 200,
					    .type = "application/json",
					    .cache = "no-store",
					    .body = &(struct slice){b, 0, b->len},
					    .n = 1});
	buf_unref(b);
}
