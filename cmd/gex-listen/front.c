#include <errno.h>

#include "listen.h"

struct front {
	size_t n;
	struct one {
		struct relay_listener *listener;
		struct relay_meter meter;
	} at[];
};

static struct relay_link *pick(void *arg)
{
	return links_current(arg);
}

int front_create(struct front **out, struct relay *r, struct links *ls, const struct conf *c,
		 struct metrics *m, char *err, size_t cap)
{
	struct front *f = calloc(1, sizeof(*f) + c->listeners.len * sizeof(f->at[0]));
	int rc = 0;

	if (!f) {
		snprintf(err, cap, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; !rc && i < c->listeners.len; i++) {
		const struct listener_conf *l = c->listeners.at[i];
		struct one *one = &f->at[i];
		struct relay_listener_conf conf = {
		    .name = l->name,
		    .service = l->service ? l->service : l->name,
		    .spec = l->spec,
		    .class = l->class,
		    .repair = l->repair,
		    .wait_us = c->wait_us,
		    .wait_max = (unsigned)c->max_waiting,
		    .flows_max = (unsigned)c->tunnel.max_flows,
		    .pick = pick,
		    .arg = ls,
		    .meter = &one->meter,
		};

		relay_meter_init(&one->meter, m, "listen", "listener", l->name);
		rc = relay_listen(&one->listener, r, &conf, err, cap);
		f->n++;
	}
	if (rc) {
		front_destroy(f);
		return rc;
	}
	*out = f;
	return 0;
}

void front_wake(struct front *f)
{
	for (size_t i = 0; i < f->n; i++)
		relay_listener_wake(f->at[i].listener);
}

void front_stop(struct front *f)
{
	for (size_t i = 0; i < f->n; i++)
		relay_listener_stop(f->at[i].listener);
}

void front_destroy(struct front *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		relay_listener_destroy(f->at[i].listener);
	free(f);
}
