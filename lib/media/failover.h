/* failover: which of several inputs is encoded. They stand in order of preference. The active one is left when nothing has
 * come from it for loss_us, or its connection has ended, and another can go on; one that is preferred is taken back when it
 * has been there without a hole for return_us, at one of its key frames. Who can go on is heard of by its packets, so the
 * change is made by the input that takes over; nothing has to watch. An input can also be there and no good (a fault: its
 * picture is black, it stands still, there is no sound): it is left as soon as one without fault can go on, and it is not
 * taken back, nor chosen while there is another, before it is good again. What is a fault is found elsewhere (watch.h); this is
 * the one place that decides. Pure; the times are of the monotonic clock. */
#ifndef GEX_MEDIA_FAILOVER_H
#define GEX_MEDIA_FAILOVER_H

#include "base/base.h"

#define INPUTS_MAX 4

enum media_fault { FAULT_BLACK, FAULT_FROZEN, FAULT_SILENCE, MEDIA_FAULTS };
/* For metrics, keys and people. */
extern const char *const media_fault_name[MEDIA_FAULTS];

struct failover_input {
	bool ready;	   /* connected, and a key frame has come */
	int64_t heard_us;  /* of its last packet */
	int64_t steady_us; /* since when without a hole, and without fault */
	unsigned faults;   /* reasons to leave it: bits by enum media_fault */
};

struct failover {
	int64_t loss_us, return_us;
	int active; /* -1: none yet */
	int64_t changes;
	struct failover_input input[INPUTS_MAX];
};

void failover_init(struct failover *f, int64_t loss_us, int64_t return_us);
/* A packet of the track that counts (the picture, else the sound) has come from input i. Is i the active one now? */
bool failover_heard(struct failover *f, int i, bool key, int64_t now_us);
/* The connection of input i has ended. It stays active while nobody takes over. */
void failover_lost(struct failover *f, int i);
/* These are the reasons to leave input i now (0: none). */
void failover_fault(struct failover *f, int i, unsigned faults, int64_t now_us);

#endif
