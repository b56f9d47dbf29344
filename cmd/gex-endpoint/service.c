/* The services: which there are, and their backends. */
#include <errno.h>

#include "log/log.h"
#include "server.h"

struct service *service_find(const struct server *s, const char *name)
{
	struct service *x;

	list_for (x, &s->services, in)
		if (!strcmp(x->name, name))
			return x;
	return NULL;
}

static struct service *service_make(struct server *s, const char *name)
{
	struct service *x = calloc(1, sizeof(*x));

	if (x)
		x->name = str_ndup(name, strlen(name));
	if (!x || !x->name) {
		free(x);
		return NULL;
	}
	relay_meter_init(&x->meter, s->metrics, "endpoint", "service", name);
	list_append(&s->services, &x->in);
	return x;
}

static bool same_service(const struct service *x, const struct service_conf *c,
			 const struct conf *all)
{
	return x->backend && x->spec.proto == c->spec.proto && x->spec.ports == c->spec.ports &&
	       x->spec.host.port == c->spec.host.port &&
	       !strcmp(x->spec.host.host, c->spec.host.host) &&
	       x->repair.percent == c->repair.percent &&
	       x->repair.deadline_us == c->repair.deadline_us && x->connect_us == all->connect_us &&
	       x->resolve_us == all->resolve_us;
}

/* Connections to the backend that it had go on. */
static int service_set(struct server *s, const struct service_conf *c, const struct conf *all)
{
	struct service *x = service_find(s, c->name);
	struct relay_backend *backend = NULL;
	int r;

	if (!x)
		x = service_make(s, c->name);
	if (!x)
		return -ENOMEM;
	x->wanted = true;
	if (same_service(x, c, all))
		return 0;
	struct relay_backend_conf conf = {
	    .name = x->name,
	    .spec = c->spec,
	    .connect_us = all->connect_us,
	    .resolve_us = all->resolve_us,
	    .repair = c->repair,
	    .meter = &x->meter,
	};

	r = relay_backend_create(&backend, s->relay, &conf);
	if (r)
		return r;
	relay_backend_destroy(x->backend);
	x->backend = backend;
	x->spec = c->spec;
	x->repair = c->repair;
	x->connect_us = all->connect_us;
	x->resolve_us = all->resolve_us;
	return 0;
}

int services_set(struct server *s, const struct conf *c)
{
	struct service *x;
	int r = 0;

	list_for (x, &s->services, in)
		x->wanted = false;
	for (size_t i = 0; !r && i < c->services.len; i++)
		r = service_set(s, c->services.at[i], c);
	list_for (x, &s->services, in) {
		if (r || x->wanted)
			continue;
		relay_backend_destroy(x->backend);
		x->backend = NULL;
	}
	return r;
}

void services_note(const struct server *s)
{
	char word[CRYPT_WORDS_MAX + 1];

	for (size_t i = 0; i < s->keys.ring.n; i++) {
		const struct crypt_key *k = &s->keys.ring.key[i];

		for (const char *p = k->words; *p;) {
			size_t n = strcspn(p, " ");
			const struct service *x;

			memcpy(word, p, n);
			word[n] = 0;
			x = service_find(s, word);
			if (!x || !x->backend)
				log_warn(NULL, "key %s may use service \"%s\", which is not here",
					 k->name, word);
			p += n + (p[n] == ' ');
		}
	}
}

void services_finish(struct server *s)
{
	struct service *x, *next;

	list_for_safe (x, next, &s->services, in) {
		relay_backend_destroy(x->backend);
		free(x->name);
		free(x);
	}
}
