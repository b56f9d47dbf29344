/* The listeners: brought in line with the configuration, at the start and at a reload. What came by one
 * that goes: TCP connections go on, flows end. */
#include <errno.h>
#include <stdio.h>

#include "listen.h"

/* What is counted for a listener of that name: it stays when the listener goes, as connections may. */
struct count {
	struct list in;
	char *name;
	struct relay_meter meter;
};

struct one {
	struct list in;
	struct relay_listener *listener;
	struct count *count;
	struct net_spec spec;
	char *service;
	bool wanted;
};

struct front {
	struct relay *relay;
	struct links *links;
	struct metrics *metrics;
	struct list all, counts;
};

static struct relay_link *pick(void *arg)
{
	return links_current(arg);
}

static struct count *count_of(struct front *f, const char *name)
{
	struct count *x;

	list_for (x, &f->counts, in)
		if (!strcmp(x->name, name))
			return x;
	x = calloc(1, sizeof(*x));
	if (x)
		x->name = str_ndup(name, strlen(name));
	if (!x || !x->name) {
		free(x);
		return NULL;
	}
	relay_meter_init(&x->meter, f->metrics, "listen", "listener", name);
	list_append(&f->counts, &x->in);
	return x;
}

static struct one *find(struct front *f, const char *name)
{
	struct one *x;

	list_for (x, &f->all, in)
		if (!strcmp(x->count->name, name))
			return x;
	return NULL;
}

static void remove_one(struct one *x)
{
	relay_listener_destroy(x->listener);
	list_remove(&x->in);
	free(x->service);
	free(x);
}

static struct relay_listener_conf conf_of(const struct front *f, const struct conf *c,
					  const struct listener_conf *l, const struct one *x)
{
	return (struct relay_listener_conf){
	    .name = x->count->name,
	    .service = x->service,
	    .spec = l->spec,
	    .class = l->class,
	    .repair = l->repair,
	    .wait_us = c->wait_us,
	    .wait_max = (unsigned)c->max_waiting,
	    .flows_max = (unsigned)c->tunnel.max_flows,
	    .pick = pick,
	    .arg = f->links,
	    .meter = &x->count->meter,
	};
}

/* The ports that it has stay open until the new ones are. */
static int add(struct front *f, const struct conf *c, const struct listener_conf *l, char *err,
	       size_t cap)
{
	const char *service = l->service ? l->service : l->name;
	struct one *old = find(f, l->name), *x = calloc(1, sizeof(*x));
	struct relay_listener_conf conf;
	int r = -ENOMEM;

	if (!x) {
		snprintf(err, cap, "out of memory");
		return r;
	}
	list_init(&x->in);
	x->wanted = true;
	x->spec = l->spec;
	x->count = count_of(f, l->name);
	x->service = str_ndup(service, strlen(service));
	if (!x->count || !x->service)
		goto fail;
	conf = conf_of(f, c, l, x);
	r = relay_listen(&x->listener, f->relay, &conf, err, cap);
	if (r)
		goto fail;
	if (old)
		remove_one(old);
	list_append(&f->all, &x->in);
	return 0;
fail:
	if (r == -ENOMEM)
		snprintf(err, cap, "out of memory");
	remove_one(x);
	return r;
}

/* The ports are the same: whoever comes from now on is treated otherwise. */
static int change(struct front *f, struct one *x, const struct conf *c,
		  const struct listener_conf *l, char *err, size_t cap)
{
	const char *name = l->service ? l->service : l->name;
	char *service = str_ndup(name, strlen(name)), *was = x->service;
	struct relay_listener_conf conf;

	if (!service) {
		snprintf(err, cap, "out of memory");
		return -ENOMEM;
	}
	x->service = service;
	conf = conf_of(f, c, l, x);
	relay_listener_set(x->listener, &conf);
	free(was);
	return 0;
}

/* Host, port and protocol; a port that the kernel chose stays. */
static bool same_spec(const struct net_spec *a, const struct net_spec *b)
{
	return a->proto == b->proto && a->ports == b->ports && a->host.port == b->host.port &&
	       !strcmp(a->host.host, b->host.host);
}

int front_set(struct front *f, const struct conf *c, char *err, size_t cap)
{
	struct one *x, *tmp;

	list_for (x, &f->all, in)
		x->wanted = false;
	for (size_t i = 0; i < c->listeners.len; i++)
		if ((x = find(f, c->listeners.at[i]->name)))
			x->wanted = true;
	list_for_safe (x, tmp, &f->all, in)
		if (!x->wanted)
			remove_one(x);
	for (size_t i = 0; i < c->listeners.len; i++) {
		const struct listener_conf *l = c->listeners.at[i];
		int r;

		x = find(f, l->name);
		if (x && same_spec(&x->spec, &l->spec))
			r = change(f, x, c, l, err, cap);
		else
			r = add(f, c, l, err, cap);
		if (r)
			return r;
	}
	return 0;
}

int front_create(struct front **out, struct relay *r, struct links *ls, const struct conf *c,
		 struct metrics *m, char *err, size_t cap)
{
	struct front *f = calloc(1, sizeof(*f));
	int rc;

	if (!f) {
		snprintf(err, cap, "out of memory");
		return -ENOMEM;
	}
	f->relay = r;
	f->links = ls;
	f->metrics = m;
	list_init(&f->all);
	list_init(&f->counts);
	rc = front_set(f, c, err, cap);
	if (rc) {
		front_destroy(f);
		return rc;
	}
	*out = f;
	return 0;
}

void front_wake(struct front *f)
{
	struct one *x;

	list_for (x, &f->all, in)
		relay_listener_wake(x->listener);
}

void front_stop(struct front *f)
{
	struct one *x;

	list_for (x, &f->all, in)
		relay_listener_stop(x->listener);
}

void front_destroy(struct front *f)
{
	struct one *x, *xnext;
	struct count *n, *next;

	if (!f)
		return;
	list_for_safe (x, xnext, &f->all, in)
		remove_one(x);
	list_for_safe (n, next, &f->counts, in) {
		free(n->name);
		free(n);
	}
	free(f);
}
