/* failover: which of several inputs is encoded. They stand in order of preference. The active one is left
 *  - when nothing has come from it for loss_us, or its connection has ended: for the best that is there, a silent one or a
 *    still picture too, since a backup may be meant so. One that is black waits for FAILOVER_BLACK_US more;
 *  - when it has had a fault (black, frozen, silent) for as long as that may last: for one that has been looked at and is
 *    better now, however young its own faults are: what makes one black makes others black a moment later;
 *  - for one that is preferred and has been there without a hole or a fault for return_us, at one of its key frames.
 * Black is worse than frozen, frozen than silent; of those who are alike the active one stays. Who can go on is heard of by its
 * packets, so the change is made by the input that takes over; nothing has to watch. Pure; the times are of the monotonic clock. */
#ifndef GEX_MEDIA_FAILOVER_H
#define GEX_MEDIA_FAILOVER_H

#include "base/base.h"

#define INPUTS_MAX 4
#define FAILOVER_BLACK_US SEC_US

enum failover_fault { FAULT_BLACK, FAULT_FROZEN, FAULT_SILENT, FAILOVER_FAULTS };

/* Why the active input is another one than before; the first are the faults. */
enum failover_why { WHY_LOSS = FAILOVER_FAULTS, WHY_RETURN, FAILOVER_WHYS };
/* The faults' names are those of enum failover_why. */
extern const char *const failover_why_name[FAILOVER_WHYS]; /* for metrics */
extern const char *const failover_why_text[FAILOVER_WHYS]; /* for people */

struct failover_input {
	bool ready;	   /* connected, and a key frame has come */
	int64_t heard_us;  /* of its last packet */
	int64_t steady_us; /* since when without a hole or a fault */
	bool has[FAILOVER_FAULTS], looked[FAILOVER_FAULTS]; /* looked: it is known whether */
	int64_t since_us[FAILOVER_FAULTS];
};

struct failover {
	int64_t loss_us, return_us;
	int64_t fault_us
	    [FAILOVER_FAULTS]; /* how long it may last; 0: for ever. Set by the owner after init */
	int active;	       /* -1: none yet */
	int64_t changes[FAILOVER_WHYS];
	enum failover_why why; /* of the last change */
	struct failover_input input[INPUTS_MAX];
};

void failover_init(struct failover *f, int64_t loss_us, int64_t return_us);
/* A packet of the track that counts (the picture, else the sound) has come from input i. Is i the active one now? */
bool failover_heard(struct failover *f, int i, bool key, int64_t now_us);
/* What is seen in input i now has the fault, or has it not. One that is not looked at stays as it was last seen. */
void failover_seen(struct failover *f, int i, enum failover_fault kind, bool on, int64_t now_us);
/* The connection of input i has ended, its faults with it. It stays active while nobody takes over. */
void failover_lost(struct failover *f, int i);

#endif
