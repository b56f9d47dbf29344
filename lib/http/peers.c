#include "http/server.h"

#include <errno.h>

#include "os/os.h"

void peers_init(struct peers *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->bucket); i++)
		list_init(&p->bucket[i]);
	os_random(&p->key, sizeof(p->key));
}

static struct list *bucket_of(struct peers *p, const struct net_addr *a)
{
	return &p->bucket[net_addr_hash(a, p->key) % ARRAY_LEN(p->bucket)];
}

static struct peer *find(struct list *bucket, const struct net_addr *a)
{
	struct peer *e;

	list_for (e, bucket, link)
		if (net_addr_equal(&e->addr, a))
			return e;
	return NULL;
}

int peers_enter(struct peers *p, const struct net_addr *a, int limit, struct peer **out)
{
	struct net_addr of = {.family = a->family, .zone = a->zone};

	memcpy(of.ip, a->ip, a->family == 6 ? 8 : 4);
	struct list *bucket = bucket_of(p, &of);
	struct peer *e = find(bucket, &of);

	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->addr = of;
		list_append(bucket, &e->link);
	}
	if (limit && e->n >= limit)
		return -EBUSY;
	e->n++;
	*out = e;
	return 0;
}

void peers_leave(struct peer *e)
{
	if (!e || --e->n)
		return;
	list_remove(&e->link);
	free(e);
}

void peers_finish(struct peers *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->bucket); i++) {
		struct peer *e, *tmp;

		list_for_safe (e, tmp, &p->bucket[i], link)
			free(e);
		list_init(&p->bucket[i]);
	}
}
