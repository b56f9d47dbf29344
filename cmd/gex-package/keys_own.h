/* Inside keys: the key file and the key server. */
#ifndef GEX_PACKAGE_KEYS_OWN_H
#define GEX_PACKAGE_KEYS_OWN_H

#include "keys.h"

#define KEYS_FILE 256 /* in a file, at most */
#define KEYS_KEPT (CMAF_KEYS - 8)
/* A key is got, and announced, that long before its turn; two turns at most. */
#define KEYS_LEAD_US (30 * SEC_US)

/* The keys of a file; how many, or a negative errno with one line in err. */
int keys_read_file(const char *path, struct cmaf_secret out[KEYS_FILE], char *err,
		   size_t cap) MUST_USE;

/* ---- keys_server.c: one request at a time, on a thread of its own ---- */

struct key_fetch;
struct key_server {
	struct loop *loop;
	/* The key of a turn has come; a negative errno: it is not taken. */
	int (*got)(void *arg, int64_t turn, const struct cmaf_secret *s);
	void *arg;
	struct key_fetch *fetch; /* under way */
	int64_t retry_at_us, retry_us, failures;
};
/* Asks for the key of a turn, unless it asks already or failed a moment ago. */
void key_server_ask(struct key_server *s, const struct package_conf *c, int64_t turn);
/* Cancels what is under way and waits for it. */
void key_server_finish(struct key_server *s);

#endif
