/* The end in good order: the TCP connections have some time to end by themselves, then all tunnels say goodbye,
 * and when that is said, or soon, the loop stops. */
#ifndef GEX_RELAY_DRAIN_H
#define GEX_RELAY_DRAIN_H

#include "loop/loop.h"

struct relay_drain_ops {
	/* Connections that may still end by themselves: not those whose peer is silent. */
	size_t (*busy)(const void *arg);
	/* Closes all tunnels. */
	void (*goodbye)(void *arg);
	/* Those that are still there. */
	size_t (*tunnels)(const void *arg);
};

struct relay_drain {
	const struct relay_drain_ops *ops;
	void *arg;
	struct loop *loop;
	struct loop_timer timer;
	int64_t until_us; /* for connections, then for goodbyes; 0: it has not begun */
	bool closing;	  /* goodbye is being said */
};

void relay_drain_init(struct relay_drain *d, struct loop *l, const struct relay_drain_ops *ops,
		      void *arg);
/* Also right when zeroed. */
void relay_drain_finish(struct relay_drain *d);
/* Connections have drain_us from now on. */
void relay_drain_begin(struct relay_drain *d, int64_t drain_us);
bool relay_draining(const struct relay_drain *d);

#endif
