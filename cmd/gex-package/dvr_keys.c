/* The keys of the past, in a file of KID:KEY lines that nobody else can read. It is written anew, by the writing thread and before
 * any segment of a new key, so a segment on disk has its key there too. A key goes when nothing of it is left. */
#include <errno.h>
#include <stdio.h>

#include "dvr.h"
#include "log/log.h"
#include "os/os.h"

#define LINE 66 /* bytes */
static const char head[] = "# the keys of what is on disk: see gex-package(1)\n";
#define FILE_MAX ((size_t)DVR_KEYS * (LINE + 8))

static void set_path(struct dvr *d, const char *place)
{
	if (!place)
		*d->keys.path = 0;
	else if (*place)
		snprintf(d->keys.path, DVR_PATH, "%.*s/%s.keys", DVR_PATH - 80, place, d->name);
	else
		snprintf(d->keys.path, DVR_PATH, "%.*s/.keys", DVR_PATH - 80, d->dir);
}

const struct cmaf_secret *dvr_keys_find(const struct dvr *d, const uint8_t kid[16])
{
	for (size_t i = d->keys.s.len; i-- > 0;)
		if (!memcmp(d->keys.s.at[i].kid, kid, 16))
			return &d->keys.s.at[i];
	return NULL;
}

static void remove_at(struct dvr_keys *k, size_t i)
{
	struct cmaf_secret *last = &k->s.at[k->s.len - 1];

	memmove(&k->s.at[i], &k->s.at[i + 1], (k->s.len - 1 - i) * sizeof(*last));
	os_wipe(last, sizeof(*last));
	k->s.len--;
}

/* A vector that grows by itself would leave copies behind. */
static int reserve(struct dvr_keys *k)
{
	size_t cap = MAX(16, 2 * k->s.cap);

	if (k->s.len < k->s.cap)
		return 0;
	struct cmaf_secret *at = calloc(cap, sizeof(*at));
	if (!at)
		return -ENOMEM;
	if (k->s.len)
		memcpy(at, k->s.at, k->s.len * sizeof(*at));
	if (k->s.at)
		os_wipe(k->s.at, k->s.len * sizeof(*at));
	free(k->s.at);
	k->s.at = at;
	k->s.cap = cap;
	return 0;
}

static int push(struct dvr_keys *k, const struct cmaf_secret *s)
{
	if (reserve(k))
		return -ENOMEM;
	k->s.at[k->s.len++] = *s;
	return 0;
}

/* ---- reading ---- */

static void warn_missing(const struct dvr *d)
{
	const struct archive_file *f;
	int n = 0;

	for (int i = 0; i < d->archive.n; i++)
		list_for (f, &d->archive.track[i]->files, link)
			n += f->about.scheme != CMAF_CLEAR && !dvr_keys_find(d, f->about.kid);
	if (n && *d->keys.path)
		log_warn("dvr", "%s: the keys of %d files are missing", d->keys.path, n);
}

static int read_keys(struct dvr *d, char *text, char *err)
{
	struct cmaf_secret *s = calloc(DVR_KEYS, sizeof(*s));
	int line = 1, rc = s ? os_read_secret(d->keys.path, text, FILE_MAX) : -ENOMEM;

	if (!rc)
		rc = cmaf_secrets_parse(text, s, DVR_KEYS, &line);
	if (rc == -EINVAL && !line) /* nothing but comments */
		rc = 0;
	for (int i = 0; i < rc; i++)
		if (push(&d->keys, &s[i]))
			rc = -ENOMEM;
	if (s)
		os_wipe(s, DVR_KEYS * sizeof(*s));
	free(s);
	if (rc < 0 && rc != -ENOENT)
		snprintf(err, DVR_ERR, "%.160s:%d: %s", d->keys.path, line,
			 rc == -EPERM	 ? "others can read it: chmod 600"
			 : rc == -EINVAL ? "no KID:KEY of 32 hexadecimal digits each"
					 : strerror(-rc));
	return rc == -ENOENT || rc > 0 ? 0 : rc;
}

int dvr_keys_load(struct dvr *d, const char *place, char *err)
{
	char *text = NULL;
	int rc = 0;

	set_path(d, place);
	if (place && *place)
		rc = os_make_dirs(place);
	if (rc)
		snprintf(err, DVR_ERR, "dvr_keys: %.160s: %s", place, strerror(-rc));
	if (rc || !*d->keys.path)
		return rc;
	text = malloc(FILE_MAX);
	rc = text ? read_keys(d, text, err) : -ENOMEM;
	if (text)
		os_wipe(text, FILE_MAX);
	free(text);
	if (!rc)
		warn_missing(d);
	return rc;
}

/* ---- writing ---- */

struct key_write {
	struct disk_job job;
	struct dvr *d;
	char path[DVR_PATH];
	size_t n;
	char text[];
};

static int write_run(struct disk_job *j)
{
	struct key_write *w = container_of(j, struct key_write, job);

	return os_write_secret(w->path, w->text, w->n);
}

static void write_done(struct disk_job *j)
{
	struct key_write *w = container_of(j, struct key_write, job);
	struct dvr *d = w->d;
	static struct log_limit limit;

	d->keys.dirty |= j->rc != 0;
	if (j->rc && !d->closed && log_allow(&limit, 1, 60 * SEC_US, loop_now_us(d->loop)))
		log_error("dvr", "%s: %s: keys are not kept", w->path, strerror(-j->rc));
	os_wipe(w->text, w->n);
	free(w);
	dvr_release(d);
}

static void write_keys(struct dvr *d)
{
	struct key_write *w = malloc(sizeof(*w) + sizeof(head) + d->keys.s.len * LINE);
	struct cmaf_secret *s;

	d->keys.dirty = true;
	if (!w)
		return;
	*w = (struct key_write){.job = {.run = write_run, .done = write_done}, .d = d};
	str_copy(w->path, sizeof(w->path), d->keys.path);
	w->n = sizeof(head) - 1;
	memcpy(w->text, head, w->n);
	vec_for (s, &d->keys.s) {
		cmaf_secret_hex(s->kid, w->text + w->n);
		w->text[w->n + 32] = ':';
		cmaf_secret_hex(s->key, w->text + w->n + 33);
		w->text[w->n + 65] = '\n';
		w->n += LINE;
	}
	w->job.bytes = w->n;
	if (disk_post(d->write, &w->job)) {
		os_wipe(w->text, w->n);
		free(w);
		return;
	}
	d->pending++;
	d->keys.dirty = false;
}

void dvr_keys_add(struct dvr *d, const struct cmaf_key *key)
{
	struct dvr_keys *k = &d->keys;

	if (!*k->path || dvr_keys_find(d, key->kid))
		return;
	if (k->s.len == DVR_KEYS) {
		log_warn("dvr", "%s: more than %d keys: the oldest goes", k->path, DVR_KEYS);
		remove_at(k, 0);
	}
	struct cmaf_secret s;
	memcpy(s.kid, key->kid, sizeof(s.kid));
	memcpy(s.key, key->key, sizeof(s.key));
	if (!push(k, &s))
		write_keys(d);
	os_wipe(&s, sizeof(s));
}

void dvr_keys_tick(struct dvr *d)
{
	struct dvr_keys *k = &d->keys;

	/* What is on its way to disk may be of a key that no file has yet. */
	for (size_t i = 0; !d->writing && i < k->s.len;) {
		if (archive_has_key(&d->archive, k->s.at[i].kid)) {
			i++;
			continue;
		}
		remove_at(k, i);
		k->dirty = true;
	}
	if (k->dirty)
		write_keys(d);
}

void dvr_keys_finish(struct dvr *d)
{
	if (d->keys.s.at)
		os_wipe(d->keys.s.at, d->keys.s.len * sizeof(*d->keys.s.at));
	vec_free(&d->keys.s);
}
