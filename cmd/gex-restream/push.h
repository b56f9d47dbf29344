/* push: the thread that keeps one RTMP(S) server supplied: connects, sends from a key frame on, and after a loss connects
 * again, later and later. */
#ifndef GEX_RESTREAM_PUSH_H
#define GEX_RESTREAM_PUSH_H

#include "restream.h"

struct push_stats {
	bool connected;
	int64_t bytes, packets, connects, failures;
	int64_t dropped;
	char reason[MEDIA_ERR]; /* of the last failure; "" while all is well */
};

struct push;
int push_create(struct push **out, const struct targets *all, const struct target_conf *c) MUST_USE;
void push_stats(struct push *p, struct push_stats *s);
/* False: its thread is stuck where nobody can wake it (a name server that does not answer), and nothing it uses may be freed;
 * the process has to end by _exit. */
bool push_destroy(struct push *p);

/* When a connection failed: while it was made, soon after, or after it had stood a while. */
enum push_when { PUSH_OPENING, PUSH_EARLY, PUSH_LATER };
/* Why, for people, from what media_push returned and said (text may be NULL). An RTMP server that does not like a stream key
 * or an application closes the connection, most of them without a word. Pure. */
void push_reason(int err, enum push_when when, const char *text, char *out, size_t cap);
/* How long to wait before attempt n (0, 1, …): doubled each time from base to max, spread by ±25 % (random: any number). */
int64_t push_backoff_us(int n, int64_t base_us, int64_t max_us, uint32_t random);

#endif
