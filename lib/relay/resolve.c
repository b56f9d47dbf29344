#include "relay/resolve.h"

#include <errno.h>

#include "loop/uv.h"

struct resolve_name {
	struct loop *loop;
	uv_getaddrinfo_t req;
	bool busy;  /* a callback is to come */
	bool asked; /* it is the resolver's */
	bool dead, numeric;
	int64_t keep_us, at_us;
	struct list waiting, waking;
	struct net_addr addr[RESOLVE_ADDRS];
	size_t n;
	int err;
	char host[NET_HOST_MAX + 1];
};

int resolve_create(struct resolve_name **out, struct loop *l, const char *host, int64_t keep_us)
{
	struct resolve_name *n = calloc(1, sizeof(*n));
	struct net_host h = {0};

	if (!n)
		return -ENOMEM;
	n->loop = l;
	n->keep_us = keep_us;
	list_init(&n->waiting);
	list_init(&n->waking);
	str_copy(n->host, sizeof(n->host), host);
	str_copy(h.host, sizeof(h.host), host);
	if (!net_host_addr(&h, &n->addr[0])) {
		n->numeric = true;
		n->n = 1;
	}
	*out = n;
	return 0;
}

static void forget(struct list *waits)
{
	while (!list_empty(waits))
		list_remove(waits->next);
}

void resolve_destroy(struct resolve_name *n)
{
	if (!n)
		return;
	forget(&n->waiting);
	forget(&n->waking);
	n->dead = true;
	if (!n->busy)
		free(n);
	else if (n->asked)
		uv_cancel(
		    (uv_req_t *)&n->req); /* it calls back, whether this came in time or not */
}

const struct net_addr *resolve_addrs(const struct resolve_name *n, size_t *count)
{
	bool fresh = n->numeric || (n->n && loop_now_us(n->loop) - n->at_us < n->keep_us);

	*count = fresh ? n->n : 0;
	return n->addr;
}

static void keep(struct resolve_name *n, const struct addrinfo *list)
{
	size_t count = 0;

	for (const struct addrinfo *a = list; a && count < RESOLVE_ADDRS; a = a->ai_next)
		if (!net_addr_from_sockaddr(a->ai_addr, a->ai_addrlen, &n->addr[count]))
			count++;
	n->n = count;
}

/* Wakes those who wait now; who begins to wait meanwhile waits for the next lookup. */
static void wake(struct resolve_name *n)
{
	int err = n->n ? 0 : -ENOENT;

	while (!list_empty(&n->waiting)) {
		struct list *e = n->waiting.next;

		list_remove(e);
		list_append(&n->waking, e);
	}
	while (!list_empty(&n->waking)) {
		struct resolve_wait *w = list_first(&n->waking, struct resolve_wait, link);

		list_remove(&w->link);
		w->fn(w->arg, err);
	}
}

static void begin(struct resolve_name *n);

/* A lookup is over. `busy` stays until all are woken, so that a callback's resolve_destroy leaves
 * the memory to us. */
static void settle(struct resolve_name *n)
{
	if (!n->dead)
		wake(n);
	n->busy = n->asked = false;
	if (n->dead)
		free(n);
	else if (!list_empty(&n->waiting))
		begin(n);
}

static void on_done(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct resolve_name *n = container_of(req, struct resolve_name, req);

	n->asked = false;
	n->err = status;
	if (!status)
		keep(n, list);
	if (n->n) /* an old answer serves again when there is no new one */
		n->at_us = loop_now_us(n->loop);
	uv_freeaddrinfo(list);
	settle(n);
}

/* What needs no lookup, or cannot have one, is settled in the next turn like the rest. */
static void on_settled(void *arg)
{
	settle(arg);
}

static void begin(struct resolve_name *n)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

	n->busy = true;
	n->asked = !n->numeric;
	if (n->asked)
		n->err = uv_getaddrinfo(loop_uv(n->loop), &n->req, on_done, n->host, NULL, &hints);
	if (n->asked && !n->err)
		return;
	n->asked = false;
	if (loop_defer(n->loop, on_settled, n))
		n->busy = false;
}

void resolve_wait(struct resolve_name *n, struct resolve_wait *w)
{
	list_append(&n->waiting, &w->link);
	if (!n->busy)
		begin(n);
}

void resolve_cancel(struct resolve_wait *w)
{
	if (w->link.next)
		list_remove(&w->link);
}

const char *resolve_error(const struct resolve_name *n)
{
	return n->err ? uv_strerror(n->err) : "";
}
