/* SIGHUP: what is new is made first, all of it; then, with nothing left that could fail, all changes at once. A source that was
 * given up in vain is opened again by its package. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "log/log.h"
#include "origin.h"

/* A stream of the new configuration. */
struct step {
	struct package_conf **conf; /* in fresh */
	struct access *access;
	struct package *p; /* NULL: it is new */
	unsigned changes;
	struct package *made;	    /* it, then */
	struct stream_input *input; /* for p */
	struct keys *keys;	    /* the same, when its form changes */
};

struct plan {
	struct origin *o;
	VEC(struct step) steps;
	struct access *access; /* of what is no stream's */
};

static bool has_to_open(const struct step *s)
{
	return s->p ? (s->changes & CHANGED_INPUT) && !s->input : !s->made;
}

static int plan_step(struct plan *l, struct package_conf **conf, char *err)
{
	struct step s = {.conf = conf};
	int rc = package_access(*conf, &s.access, err);

	if (rc)
		return rc;
	s.p = origin_find(l->o, (*conf)->name, strlen((*conf)->name));
	if (s.p && s.p->leaving)
		s.p = NULL;
	if (s.p)
		s.changes =
		    package_needs(s.p, package_conf_changes(&origin_table, s.p->conf, *conf));
	if (s.p && s.changes & CHANGED_FORM)
		rc = keys_create(&s.keys, *conf, l->o->loop, err);
	if (!rc)
		rc = vec_push(&l->steps, s);
	if (rc) {
		access_destroy(s.access);
		keys_destroy(s.keys);
	}
	return rc;
}

static int open_step(struct plan *l, struct step *s, char *err)
{
	char why[MAX(HTTP_ERR, MEDIA_ERR)] = "";
	const char *name = (*s->conf)->name;
	int rc = s->p ? source_open(s->p, *s->conf, &s->input, why)
		      : package_create(&s->made, *s->conf, s->access, l->o, why);

	if (rc) {
		snprintf(err, CONF_ERR, "stream %s: %s", name, *why ? why : strerror(-rc));
		return rc;
	}
	if (s->made) {
		*s->conf = NULL;
		s->access = NULL;
	}
	return 0;
}

static int open_all(struct plan *l, char *err)
{
	struct step *s;
	int rc = 0;

	vec_for (s, &l->steps)
		if (!rc && has_to_open(s))
			rc = open_step(l, s, err);
	return rc;
}

static const struct step *step_of(const struct plan *l, const struct package *p)
{
	const struct step *s;

	vec_for (s, &l->steps)
		if (s->p == p)
			return s;
	return NULL;
}

/* Do both name the same port of this machine? */
static bool collide(const char *a, const char *b)
{
	struct stream_url x, y;
	char err[MEDIA_ERR];
	bool both = !stream_url_parse(&x, a, err);

	both = !stream_url_parse(&y, b, err) && both;
	both = both && x.scheme == y.scheme && x.port && x.port == y.port;
	stream_url_finish(&x);
	stream_url_finish(&y);
	return both;
}

/* Is its source one that it is not to keep, and in the way of one that could not be opened? */
static bool gives_up(const struct plan *l, const struct package *p)
{
	const struct step *own = step_of(l, p), *s;

	if (p->leaving || !p->input || (own && !(own->changes & CHANGED_INPUT)))
		return false;
	vec_for (s, &l->steps)
		if (has_to_open(s) && collide(p->conf->input, (*s->conf)->input))
			return true;
	return false;
}

/* A port that one stream gives up may be the one that another takes. At an SRT port the new one sits down beside the old one,
 * which is leaving; any other is closed first. */
static int open_in_their_place(struct plan *l, char *err)
{
	struct package *p;
	int rc;

	list_for (p, &l->o->packages, link) {
		if (!gives_up(l, p))
			continue;
		origin_retire(l->o, p->input);
		p->input = NULL;
	}
	rc = open_all(l, err);
	if (rc == -EADDRINUSE) {
		origin_reap(l->o);
		rc = open_all(l, err);
	}
	return rc;
}

/* The files of keys, of those who keep theirs. */
static int reread_keys(struct plan *l, char *err)
{
	struct step *s;
	int rc = 0;

	vec_for (s, &l->steps)
		if (!rc && s->p && !(s->changes & CHANGED_FORM))
			rc = keys_reload(s->p->keys, err);
	return rc;
}

static int make(struct plan *l, struct origin_conf *fresh, char *err)
{
	int rc = package_access(&fresh->package, &l->access, err);

	for (size_t i = 0; !rc && i < fresh->streams.len; i++)
		rc = plan_step(l, &fresh->streams.at[i], err);
	if (!rc)
		rc = open_all(l, err);
	if (rc == -EADDRINUSE)
		rc = open_in_their_place(l, err);
	if (!rc && fresh->certificate)
		rc = http_server_certificate(l->o->server, fresh->certificate, fresh->key, err);
	if (!rc)
		rc = http_server_trust(l->o->server, fresh->trusted, fresh->forwarded, err);
	if (!rc)
		rc = reread_keys(l, err);
	return rc;
}

static void finish(struct plan *l)
{
	struct step *s;

	vec_for (s, &l->steps) {
		access_destroy(s->access);
		keys_destroy(s->keys);
		stream_input_destroy(s->input);
		package_destroy(s->made);
	}
	vec_free(&l->steps);
	access_destroy(l->access);
}

/* ---- nothing fails from here on ---- */

static int dismiss(struct plan *l)
{
	struct package *p;
	int n = 0;

	list_for (p, &l->o->packages, link) {
		if (p->leaving || step_of(l, p))
			continue;
		package_leave(p);
		n++;
	}
	return n;
}

static void begin(struct plan *l, struct step *s)
{
	const char *name = s->made->conf->name;
	struct package *old = origin_find(l->o, name, strlen(name));

	package_destroy(old); /* one of the same name that was leaving */
	origin_add(l->o, s->made);
	s->made = NULL;
}

static void change(struct plan *l, struct step *s)
{
	list_remove(&s->p->link);
	list_append(&l->o->packages, &s->p->link);
	package_change(s->p, *s->conf, s->access, s->keys, s->input, s->changes);
	s->keys = NULL;
	*s->conf = NULL;
	s->access = NULL;
	s->input = NULL;
}

static void carry_out(struct plan *l)
{
	int came = 0, changed = 0, stayed = 0, left = dismiss(l);
	struct step *s;

	vec_for (s, &l->steps) {
		if (s->made) {
			begin(l, s);
			came++;
		} else {
			change(l, s);
			*(s->changes & ~(unsigned)CHANGED_LIMITS ? &changed : &stayed) += 1;
		}
	}
	access_destroy(l->o->access);
	l->o->access = l->access;
	l->access = NULL;
	if (came || changed || left)
		log_info(NULL, "reloaded: %d streams begin, %d change, %d leave, %d stay", came,
			 changed, left, stayed);
	else
		log_info(NULL, "reloaded");
}

static bool same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

int origin_reload(struct origin *o, struct origin_conf *conf, struct origin_conf *fresh, char *err)
{
	struct plan l = {.o = o};
	int rc = make(&l, fresh, err);

	if (!rc) {
		if (!same(conf->listen, fresh->listen) || !same(conf->share, fresh->share))
			log_warn(NULL, "listen and share change by a restart only");
		carry_out(&l);
		origin_set_limits(o, fresh);
		struct origin_conf old = *conf;
		*conf = *fresh;
		*fresh = old;
	}
	finish(&l);
	return rc;
}
