/* The keys that listeners may have: what each may use, and what is counted for it. */
#include <errno.h>
#include <stdio.h>

#include "keys.h"
#include "log/log.h"

void keys_init(struct keys *k, struct metrics *m)
{
	*k = (struct keys){.metrics = m};
	list_init(&k->meters);
}

static double read_tunnels(void *arg)
{
	const struct key_meter *m = arg;

	return (double)m->tunnels;
}

struct key_meter *keys_meter(struct keys *k, const char *name)
{
	char labels[2 * CRYPT_NAME_MAX + 16] = "";
	struct key_meter *x;

	list_for (x, &k->meters, in)
		if (!strcmp(x->name, name))
			return x;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	str_copy(x->name, sizeof(x->name), name);
	metrics_label(labels, sizeof(labels), "key", name);
	metrics_gauge_fn(k->metrics, "gex_endpoint_key_tunnels", "Tunnels now, by key.", labels,
			 read_tunnels, x);
	x->opened =
	    metrics_counter(k->metrics, "gex_endpoint_key_opened_total",
			    "Connections and flows opened by listeners with the key.", labels);
	x->denied = metrics_counter(k->metrics, "gex_endpoint_key_denied_total",
				    "Connections and flows for a service that the key may not use.",
				    labels);
	list_append(&k->meters, &x->in);
	return x;
}

int keys_set(struct keys *k, const struct crypt_ring *ring)
{
	crypt_wipe(&k->ring, sizeof(k->ring));
	k->ring = *ring;
	for (size_t i = 0; i < ring->n; i++)
		if (!keys_meter(k, ring->key[i].name))
			return -ENOMEM;
	return 0;
}

bool keys_keep(const struct keys *k, const struct crypt_ring *next, const char *name)
{
	const struct crypt_key *was = crypt_ring_find(&k->ring, name),
			       *is = crypt_ring_find(next, name);

	return was && is && crypt_key_same(was, is);
}

bool keys_allow(const struct keys *k, const char *name, const char *service)
{
	const struct crypt_key *key = crypt_ring_find(&k->ring, name);

	return key && (!*key->words || crypt_key_has_word(key, service));
}

void keys_finish(struct keys *k)
{
	struct key_meter *x, *tmp;

	if (k->meters.next)
		list_for_safe (x, tmp, &k->meters, in)
			free(x);
	crypt_wipe(&k->ring, sizeof(k->ring));
}
