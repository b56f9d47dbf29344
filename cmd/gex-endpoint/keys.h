/* The keys that listeners may have. A key's name tells which listener it is; the words behind it in
 * the key file are the services that it may use, none: all. */
#ifndef GEX_ENDPOINT_KEYS_H
#define GEX_ENDPOINT_KEYS_H

#include "crypt/crypt.h"
#include "metrics/metrics.h"

/* What is counted for a key; it stays when the key goes, as tunnels may last a moment longer. */
struct key_meter {
	struct list in; /* keys.meters */
	char name[CRYPT_NAME_MAX + 1];
	size_t tunnels;
	struct metric *opened, *denied;
};

struct keys {
	struct crypt_ring ring;
	struct metrics *metrics;
	struct list meters;
};

void keys_init(struct keys *k, struct metrics *m);
void keys_finish(struct keys *k); /* also right when zeroed */
/* These from now on. The ring is copied. -ENOMEM. */
int keys_set(struct keys *k, const struct crypt_ring *ring) MUST_USE;
/* Of the key of that name, made at need; NULL without memory. */
struct key_meter *keys_meter(struct keys *k, const char *name);
/* Is the key of that name the same in the ring that is to come? */
bool keys_keep(const struct keys *k, const struct crypt_ring *next, const char *name);
bool keys_allow(const struct keys *k, const char *name, const char *service);

#endif
