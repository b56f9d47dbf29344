#include "keys.h"

#include <errno.h>

#include "keys_own.h"
#include "log/log.h"
#include "loop/loop.h"
#include "os/os.h"
#include "package.h"

#define LATE_US (10 * SEC_US) /* what comes may be that old */
#define NOTICE_S 12	      /* more than the MPD's minimumUpdatePeriod */

struct granted {
	int64_t turn;
	struct cmaf_secret secret;
};

struct keys {
	const struct package_conf *conf;
	struct key_server server;
	struct cmaf_secret file[KEYS_FILE];
	int nfile;
	struct granted granted[KEYS_KEPT]; /* by their turns */
	int n, told;			   /* told: how many of them the presentation has had */
	bool fresh;			   /* the presentation has had none */
	bool late;
};

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
	if (k->n == KEYS_KEPT)
		drop_oldest(k);
	k->granted[k->n++] = (struct granted){turn, *s};
	return 0;
}

static int on_key(void *keys, int64_t turn, const struct cmaf_secret *s)
{
	return grant(keys, turn, s);
}

/* ---- getting keys and passing them on ---- */

static void get_next(struct keys *k, int64_t utc)
{
	int64_t oldest = turn_of(k, utc - LATE_US);
	int64_t next = k->n ? MAX(k->granted[k->n - 1].turn + 1, oldest) : oldest;
	int64_t last = turn_of(k, utc + MIN(KEYS_LEAD_US, 2 * k->conf->encryption_rotate_us));

	for (; next <= last && k->nfile; next++)
		(void)!grant(k, next, &k->file[(next % k->nfile + k->nfile) % k->nfile]);
	if (next <= last)
		key_server_ask(&k->server, k->conf, next);
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
	return k ? k->server.failures : 0;
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
	k->server = (struct key_server){.loop = l, .got = on_key, .arg = k};
	k->fresh = true;
	if (conf->encryption_keys)
		rc = keys_read_file(conf->encryption_keys, k->file, err, HTTP_ERR);
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
	fresh = calloc(KEYS_FILE, sizeof(*fresh));
	n = fresh ? keys_read_file(k->conf->encryption_keys, fresh, err, HTTP_ERR) : -ENOMEM;
	if (n > 0) {
		memcpy(k->file, fresh, sizeof(k->file));
		k->nfile = n;
		if (!k->conf->encryption_rotate_us && k->n)
			(void)!grant(k, k->granted[k->n - 1].turn, &k->file[0]);
	}
	if (fresh)
		os_wipe(fresh, KEYS_FILE * sizeof(*fresh));
	free(fresh);
	return n < 0 ? n : 0;
}

void keys_destroy(struct keys *k)
{
	if (!k)
		return;
	key_server_finish(&k->server);
	os_wipe(k, sizeof(*k));
	free(k);
}
