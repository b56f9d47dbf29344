/* Host names looked up without holding the loop: one lookup at a time for a name, shared by all who
 * wait, its answer kept for a while. When a name cannot be looked up any more, the last answer is
 * used on. */
#ifndef GEX_RELAY_RESOLVE_H
#define GEX_RELAY_RESOLVE_H

#include "loop/loop.h"
#include "net/net.h"

#define RESOLVE_ADDRS 16

struct resolve_name;

/* Embedded by who waits. fn is called from the loop, never inside resolve_wait; err is 0 or a
 * negative errno (-ENOENT: no such name). It may call anything of this header. */
struct resolve_wait {
	struct list link;
	void (*fn)(void *arg, int err);
	void *arg;
};

/* host: a name or a number (never looked up); keep_us: how long an answer serves. 0 or -ENOMEM. */
int resolve_create(struct resolve_name **out, struct loop *l, const char *host,
		   int64_t keep_us) MUST_USE;
/* Nobody waiting is called any more. NULL is allowed. */
void resolve_destroy(struct resolve_name *n);

/* The addresses at hand, ports 0, valid until the loop turns; *n is their number, 0 when there are
 * none or they are too old. */
const struct net_addr *resolve_addrs(const struct resolve_name *n, size_t *count);
/* Waits for a lookup, begun if none is under way. */
void resolve_wait(struct resolve_name *n, struct resolve_wait *w);
/* Also right when it does not wait, and on zeroed memory. */
void resolve_cancel(struct resolve_wait *w);
/* Why the last lookup failed, for people; "" when it did not. */
const char *resolve_error(const struct resolve_name *n);

#endif
